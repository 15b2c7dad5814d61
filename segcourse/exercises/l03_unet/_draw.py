"""Pictures for the cases of this lesson."""

import torch
from numpy.random import Generator
from torch import Tensor, nn


def pixels(rng: Generator, *size: int, scale: float = 1.0) -> Tensor:
    """Return numbers of both signs whose mean is not 0: averages over channels and pixels keep it."""
    return torch.from_numpy(scale * rng.normal(0.5, 1, size)).float()


def unit(in_channels: int, out_channels: int, size: int = 3) -> list[nn.Module]:
    """Return convolution, batch norm and ReLU."""
    return [convolution(in_channels, out_channels, size), nn.BatchNorm2d(out_channels), nn.ReLU()]


def convolution(in_channels: int, out_channels: int, size: int = 3) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, size, padding=size // 2)
