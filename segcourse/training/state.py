"""The state of a training run on disk: written completely or not at all, read without running code."""

import io
import pickle
from pathlib import Path

import torch

from segcourse.errors import ModelFileError
from segcourse.files import replacing

FORMAT = 1


def save_state(path: str | Path, state: dict) -> None:
    """Write a training state: tensors, numbers, strings, and lists and dicts of them."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def read_state(path: str | Path) -> dict:
    """A training state, on the CPU; only tensors and plain values are accepted, never code.

    Raises:
        ModelFileError: there is no such file, or it is not a training state.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(
            f"there is nothing to resume: {path} does not exist. Start without resume first."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise ModelFileError(
            f"{path} is damaged or is not a training state; start again without resume."
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ModelFileError(
            f"{path} is not a training state of this version of segcourse; start again without resume."
        )
    return state
