"""Otsu's threshold."""

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from segcourse.errors import DataError
from segcourse.plotting.formats import as_images, to_array


def otsu(image: Any) -> Tensor:
    """Return the mask of everything that is darker than Otsu's threshold, int64 H×W.

    The threshold splits the grey values into two groups with the smallest spread inside each group (Otsu
    1979). It has no parameters, and it works where the object is dark and its surroundings are bright.

    Args:
        image: one image, in any format of `plotting.formats`.

    Raises:
        DataError: the format is not supported.

    >>> otsu([[0.9, 0.8, 0.1], [0.9, 0.2, 0.1]]).tolist()
    [[0, 0, 1], [0, 1, 1]]
    """
    (pixels,) = as_images(image)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return torch.from_numpy(cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)[1]).long()


def otsu_threshold(grey: Any) -> int:
    """Return Otsu's threshold t: values up to t are the dark group, larger values the bright one.

    It maximises the variance between the groups, n₀·n₁·(mean₀ - mean₁)², which minimises the spread inside
    them (Otsu 1979, section II). Of several equally good thresholds it is the smallest.

    Args:
        grey: uint8 tensor or array of at least two different values.

    Raises:
        DataError: another type, or fewer than two values.

    >>> otsu_threshold(torch.tensor([[10, 10, 12], [200, 201, 203]], dtype=torch.uint8))
    12
    """
    values = to_array(grey)
    if values.dtype != np.uint8 or values.size == 0 or values.min() == values.max():
        raise DataError(
            f"got {values.dtype} with {len(np.unique(values))} different values; Otsu's threshold needs "
            "uint8 with at least two. Turn a float image into uint8 with (255 * image).round()."
        )
    counts = np.bincount(values.ravel(), minlength=256).astype(float)
    below, sum_below = counts.cumsum(), (counts * np.arange(256)).cumsum()
    above, sum_above = below[-1] - below, sum_below[-1] - sum_below
    with np.errstate(invalid="ignore"):  # an empty group has no mean
        between = below * above * (sum_below / below - sum_above / above) ** 2
    return int(np.nanargmax(between))
