"""GrabCut: an object inside a box."""

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

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
    labels = np.zeros((height, width), np.uint8)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))  # where OpenCV keeps the Gaussians
    cv2.setRNGSeed(0)  # the first Gaussians are drawn at random
    place = (left, top, wide, tall)
    cv2.grabCut(pixels, labels, place, background, foreground, rounds, cv2.GC_INIT_WITH_RECT)
    return torch.from_numpy(labels % 2).long()  # 1 and 3: object, and probably object
