"""Small networks that behave like those of other libraries."""

import torch
from torch import nn

from segcourse.devices import Speed
from segcourse.models.forward import IMAGENET, Forward


def forward(network, normalise=IMAGENET):
    """Return a `Forward` on the CPU in float32."""
    return Forward(network.eval(), torch.device("cpu"), Speed(False, False), *normalise)


class Picky(nn.Module):
    """Like many U-Nets: refuses sides that are no multiple of 32, and counts its calls."""

    def __init__(self, error=RuntimeError):
        super().__init__()
        self.head, self.error, self.calls = nn.Conv2d(3, 2, 1), error, 0

    def forward(self, x):
        self.calls += 1
        if any(side % 32 for side in x.shape[-2:]):
            raise self.error("sizes of tensors must match")
        return self.head(x)


class Scores(nn.Module):
    """Returns its logits at a quarter of the size, in the given container."""

    def __init__(self, wrap):
        super().__init__()
        self.head, self.wrap = nn.Conv2d(3, 2, 4, stride=4), wrap

    def forward(self, x):
        return self.wrap(self.head(x))


class Plain(nn.Module):
    """Two convolutions without batch norm, with torchvision's name for the number of classes."""

    def __init__(self, num_classes):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, num_classes, 3, padding=1)
        )

    def forward(self, x):
        return self.layers(x)
