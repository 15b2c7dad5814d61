"""Methods that learn nothing: a threshold."""

from typing import Any

import cv2
import torch
from torch import Tensor

from segcourse.plotting.formats import as_images


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
