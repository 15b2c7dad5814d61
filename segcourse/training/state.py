"""The state of a training run on disk: written atomically, and read without running code."""

import io
import pickle
from pathlib import Path

import torch

from segcourse.errors import ModelFileError
from segcourse.files import replacing

FORMAT = 1


def save_state(path: str | Path, state: dict) -> None:
    """Write a training state: tensors, numbers, strings, and lists and dicts of these.

    Raises:
        SaveError: the folder is not writable or the disk is full. An older file is unchanged.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def read_state(path: str | Path) -> dict:
    """Read a training state to the CPU; only tensors and plain values are accepted, never code.

    Raises:
        ModelFileError: the file is missing or not a training state.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(
            f"there is nothing to resume: {path} does not exist. Train without resume first."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise ModelFileError(
            f"{path} is damaged or not a training state; train again without resume."
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ModelFileError(
            f"{path} is not a training state of this version of segcourse; train again without resume."
        )
    return state
