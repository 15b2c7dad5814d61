"""What the broken pipelines of this lesson share: a small network, masks, and pairs that come back."""

from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from segcourse.exercises.engine.observing import Explained


class Small(nn.Module):
    """One 3 x 3 convolution with drawn weights: N x 3 x H x W to N x channels x H x W.

    Args:
        rng: draws the weights.
        channels: of the output.
        sigmoid: whether the network ends in a sigmoid.
    """

    def __init__(self, rng: Generator, channels: int = 2, sigmoid: bool = False):
        super().__init__()
        self.conv, self.sigmoid = nn.Conv2d(3, channels, kernel_size=3, padding=1), sigmoid
        with torch.no_grad():
            for parameter in self.conv.parameters():
                parameter.copy_(torch.from_numpy(rng.normal(0, 0.6, tuple(parameter.shape))))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).sigmoid() if self.sigmoid else self.conv(x)


def images_of(rng: Generator, count: int, height: int, width: int) -> Tensor:
    """Return random images, float32 count x 3 x height x width."""
    return torch.from_numpy(rng.normal(0, 1, (count, 3, height, width)).round(1)).float()


def masks_of(rng: Generator, count: int, height: int, width: int) -> Tensor:
    """Return random masks, int64 count x height x width; each one holds 0 and 1."""
    masks = torch.from_numpy(rng.integers(0, 2, (count, height, width)))
    masks[:, 0, 0], masks[:, -1, -1] = 1, 0
    return masks


def lesion_logits(image: Tensor) -> Tensor:
    """Return logits N x 1 x H x W that find the dark red of a lesion in images N x 3 x H x W, from 0 to 1."""
    dark = image.mean(dim=(1, 2, 3), keepdim=True) - image.mean(dim=1, keepdim=True)
    return 30 * avg_pool2d(dark, kernel_size=5, stride=1, padding=2)


def before_and_after(image: Any, before: Any, after: Any) -> None:
    """Show an image, what the broken code makes of it, and what the repaired code makes of it."""
    from segcourse.plotting import show_image

    alt = "A lesion, what the broken code makes of it, and what your repair makes of it."
    show_image([image, before, after], ["image", "before your repair", "after your repair"], alt=alt)


def demand(right: bool, sentence: str) -> None:
    """Stop with a sentence that the student reads, unless something is right.

    Raises:
        Explained: it isn't.
    """
    if not right:
        raise Explained(sentence)


def pair(came: Any, names: str) -> tuple[Any, Any]:
    """Return the two things that an answer returned.

    Args:
        came: what it returned.
        names: what is asked for, such as "(image, mask)".

    Raises:
        Explained: it is not a pair.
    """
    if isinstance(came, tuple | list) and len(came) == 2:
        return came[0], came[1]
    what = f"{len(came)} things" if isinstance(came, tuple | list) else f"one {type(came).__name__}"
    raise Explained(f"Your answer returns {what}; a tuple {names} is asked for.")
