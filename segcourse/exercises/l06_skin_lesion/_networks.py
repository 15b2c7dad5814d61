"""A tiny network and batches on which a loop shows what it does."""

from collections.abc import Iterator, Sequence

import torch
from numpy.random import Generator
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor]


class Tiny(nn.Module):
    """A 1 x 1 convolution after batch norm, which acts differently in training and in evaluation.

    Attributes:
        graphs: for each call, whether PyTorch recorded it for a backward pass.
        modes: for each call, whether the network was in training mode.
    """

    def __init__(self, rng: Generator):
        super().__init__()
        self.norm, self.head = nn.BatchNorm2d(2), nn.Conv2d(2, 2, kernel_size=1)
        with torch.no_grad():
            for parameter in self.head.parameters():
                parameter.copy_(torch.from_numpy(rng.normal(0, 1, tuple(parameter.shape))))
            self.norm.running_mean.copy_(torch.from_numpy(rng.normal(0, 1, 2)))
        self.graphs: list[bool] = []
        self.modes: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.graphs.append(torch.is_grad_enabled())
        self.modes.append(self.training)
        return self.head(self.norm(x))


class Loader:
    """Batches that can only be gone through: no length, no index.

    Attributes:
        given: how many batches have been handed out.
    """

    def __init__(self, batches: Sequence[Batch]):
        self.batches, self.given = batches, 0

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.batches:
            self.given += 1
            yield batch

    def __repr__(self) -> str:
        return repr(self.batches)


def draw_batches(rng: Generator, sizes: Sequence[int], side: int = 3) -> list[Batch]:
    """Return a batch per size: images N×2×side×side, masks N×side×side of 0 and 1, int64."""

    def batch(size: int) -> Batch:
        images = torch.from_numpy(rng.normal(0, 1, (size, 2, side, side))).float()
        masks = torch.from_numpy(rng.integers(0, 2, (size, side, side)))
        masks[:, 0, 0], masks[:, -1, -1] = 1, 0
        return images, masks

    return [batch(size) for size in sizes]
