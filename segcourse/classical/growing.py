"""Region growing from a seed."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from segcourse.errors import DataError
from segcourse.plotting.formats import to_array


def grow_region(grey: Any, seed: tuple[int, int], tolerance: float) -> Tensor:
    """Return the region that grows from a pixel over similar neighbours, int64 H×W.

    A pixel belongs to the region if its value differs from the seed's by at most `tolerance`, and a chain of
    such pixels, each a 4-neighbour of the one before, leads to it from the seed (Adams and Bischof 1994 grow
    several regions at once).

    Args:
        grey: numbers H×W of any type.
        seed: (row, column).
        tolerance: in the unit of the grey values.

    Raises:
        DataError: `grey` is not H×W, or the seed is outside.

    >>> grow_region([[50, 52, 90], [90, 51, 52]], seed=(0, 0), tolerance=5).tolist()
    [[1, 1, 0], [0, 1, 1]]
    """
    from scipy import ndimage

    values = to_array(grey).astype(float)  # uint8 can't hold a negative difference
    if values.ndim != 2 or not all(0 <= place < size for place, size in zip(seed, values.shape, strict=True)):
        raise DataError(
            f"the seed is {tuple(seed)} and the image {'×'.join(map(str, values.shape))}; expected grey "
            "values H×W and a seed (row, column) inside."
        )
    regions, _ = ndimage.label(np.abs(values - values[tuple(seed)]) <= tolerance)
    return torch.from_numpy(regions == regions[tuple(seed)]).long()
