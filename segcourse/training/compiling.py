"""torch.compile, where this machine can do it."""

from typing import Any

import torch
from torch import nn

from segcourse.errors import TrainingError


def compiled(network: nn.Module, device: torch.device) -> Any:
    """Return the network compiled for the shapes that it meets; each new shape is compiled once.

    Raises:
        TrainingError: this machine lacks a C++ compiler (on a CPU) or Triton (on a GPU).
    """
    try:
        torch.compile(lambda x: x.sin() + 1)(
            torch.ones(8, device=device)
        )  # fails in seconds, not in an epoch
    except Exception as error:  # PyTorch has no common class for what can go wrong here
        first_line = str(error).strip().partition("\n")[0]
        raise TrainingError(
            f"torch.compile does not work on this machine ({type(error).__name__}: {first_line}). Install a "
            "C++ compiler (Debian: apt install g++) and Python's headers, or train without it."
        ) from error
    return torch.compile(network, dynamic=False)
