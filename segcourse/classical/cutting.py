"""GrabCut: an object inside a box, or with clicks on it."""

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from segcourse.classical.clicks import Click, valid_clicks
from segcourse.errors import DataError
from segcourse.plotting.formats import as_images


def grabcut(image: Any, box: tuple[int, int, int, int] | None = None, rounds: int = 5) -> Tensor:
    """Separate the object inside a box from the rest of the image, and return the object's mask, int64 H×W.

    GrabCut (Rother, Kolmogorov and Blake 2004) alternates two steps: it models the colours of object and
    background, each by a mixture of Gaussians, and it cuts the image where neighbouring pixels differ most.
    Everything outside the box is background. The mask can be empty.

    Args:
        image: one image, in any format of `plotting.formats`.
        box: (top, left, height, width). Default: the image without a margin of one sixteenth.
        rounds: number of times that both steps are done.

    Raises:
        DataError: the format is not supported, or the box does not lie inside the image, with pixels around
            it.

    >>> image = np.full((16, 16), 200, np.uint8)
    >>> image[5:9, 6:10] = 40  # a dark square
    >>> mask = grabcut(image, box=(3, 4, 9, 9))
    >>> mask.sum().item(), mask[5:9, 6:10].sum().item()
    (16, 16)
    """
    (pixels,) = as_images(image)
    height, width = pixels.shape[:2]
    margin = max(1, height // 16), max(1, width // 16)
    top, left, tall, wide = box or (*margin, height - 2 * margin[0], width - 2 * margin[1])
    inside = min(top, left) >= 0 and min(tall, wide) > 0 and top + tall <= height and left + wide <= width
    if not inside or (tall, wide) == (height, width):
        raise DataError(
            f"the box (top, left, height, width) is {(top, left, tall, wide)} and the image "
            f"{height}×{width}; give a box inside the image that leaves some background outside."
        )
    labels = np.full((height, width), cv2.GC_BGD, np.uint8)
    labels[top : top + tall, left : left + wide] = cv2.GC_PR_FGD
    return _cut(pixels, labels, rounds)


def grabcut_clicks(image: Any, clicks: Iterable[Click], radius: float = 3, rounds: int = 5) -> Tensor:
    """Separate the object that clicks mark from the rest of the image, and return its mask, int64 H×W.

    Discs around the clicks are fixed. All other pixels are probably background at first, and GrabCut decides
    (see `grabcut`). Without a click on the object, the mask is empty.

    Args:
        image: one image, in any format of `plotting.formats`.
        clicks: (row, column, label) each, label 1 on the object and 0 on the background. Where discs overlap,
            the last click counts.
        radius: of the discs, in pixels.
        rounds: number of times that both steps are done.

    Raises:
        DataError: the format is not supported, or a click lies outside.

    >>> image = np.full((16, 16), 200, np.uint8)
    >>> image[5:10, 6:11] = 40  # a dark square
    >>> mask = grabcut_clicks(image, [(7, 8, 1)], radius=2)
    >>> mask.sum().item(), mask[5:10, 6:11].sum().item()
    (25, 25)
    """
    (pixels,) = as_images(image)
    height, width = pixels.shape[:2]
    labels = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    rows, columns = np.ogrid[:height, :width]
    for row, column, label in valid_clicks(clicks, (height, width)):
        disc = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
        labels[disc] = cv2.GC_FGD if label else cv2.GC_BGD
    return _cut(pixels, labels, rounds)


def _cut(pixels: np.ndarray, labels: np.ndarray, rounds: int) -> Tensor:
    """Run GrabCut from OpenCV's labels, and change them; with one side only, there is nothing to cut."""
    if 0 < (labels % 2).mean() < 1:
        background, foreground = np.zeros((1, 65)), np.zeros((1, 65))  # where OpenCV keeps the Gaussians
        cv2.setRNGSeed(0)  # the first Gaussians are drawn at random
        cv2.grabCut(pixels, labels, None, background, foreground, rounds, cv2.GC_INIT_WITH_MASK)
    return torch.from_numpy(labels % 2).long()  # 1 and 3: object, and probably object
