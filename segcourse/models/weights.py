"""Network weights as safetensors files: written atomically, and read without running code."""

from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import nn

from segcourse.errors import ModelFileError
from segcourse.files import replacing


def weights_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of the model's parameters and buffers on the CPU, in contiguous memory format."""
    return {
        name: torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor)
        for name, tensor in model.state_dict().items()
    }


def save_weights(
    path: str | Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write tensors and metadata to a safetensors file.

    Raises:
        SaveError: the folder is not writable or the disk is full. An older file is unchanged.
    """
    content = safetensors.torch.save(tensors, metadata)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def read_weights(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read the tensors and the metadata of a safetensors file.

    Raises:
        ModelFileError: the file is missing, incomplete or not a safetensors file.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(
            f"there is no model file {path}; check the path, or train one with `segcourse fit`."
        )
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            names = file.keys()  # `file` itself is not iterable
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelFileError(
            f"{path} is damaged or not a safetensors file ({error}). "
            "Files that end in .pt or .pth can run code when opened, so they are not supported."
        ) from error


def load_weights(model: nn.Module, tensors: dict[str, torch.Tensor], path: str | Path) -> None:
    """Load tensors into a model; `path` is the tensors' file, for error messages.

    Raises:
        ModelFileError: names or shapes differ, so these are the weights of another model.
    """
    expected = model.state_dict()
    missing, unexpected = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    reshaped = sorted(
        name for name in expected.keys() & tensors.keys() if expected[name].shape != tensors[name].shape
    )
    if missing or unexpected or reshaped:
        differences = [
            f"{len(names)} tensor(s) {word}, first {names[0]}"
            for names, word in (
                (missing, "missing"),
                (unexpected, "unexpected"),
                (reshaped, "with another shape"),
            )
            if names
        ]
        raise ModelFileError(
            f"{path} holds the weights of a different model than this {type(model).__name__}: "
            f"{', '.join(differences)}. Create the model with the options that it was trained with."
        )
    model.load_state_dict(tensors)
