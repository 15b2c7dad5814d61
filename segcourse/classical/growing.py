"""Region growing, from one seed or from clicks on object and background."""

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from segcourse.classical.clicks import Click, valid_clicks
from segcourse.errors import DataError
from segcourse.plotting.formats import as_images, to_array


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


def grow_from_clicks(image: Any, clicks: Iterable[Click]) -> Tensor:
    """Grow regions from all clicks at once, and return those of the object's clicks, int64 H×W.

    A pixel belongs to the object if its shortest path from a click on the object is shorter than that from
    the background. A step to a 4-neighbour is as long as the grey values differ, plus 1: a geodesic distance
    (Bai and Sapiro 2007, section 2). Until there is a click on the background, the frame of the image stands
    for one. Without a click on the object, the mask is empty.

    Args:
        image: one image, in any format of `plotting.formats`.
        clicks: (row, column, label) each, label 1 on the object and 0 on the background.

    Raises:
        DataError: the format is not supported, or a click lies outside.

    >>> image = np.array([[200, 200, 200, 200], [200, 40, 50, 200], [200, 200, 200, 200]], np.uint8)
    >>> grow_from_clicks(image, [(1, 1, 1)]).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    (pixels,) = as_images(image)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(float)
    number = np.arange(grey.size).reshape(grey.shape)
    frame = np.concatenate([number[[0, -1]].ravel(), number[:, [0, -1]].ravel()])
    given = {int(number[row, column]): label for row, column, label in valid_clicks(clicks, grey.shape)}
    seeds = given if 0 in given.values() else dict.fromkeys(frame.tolist(), 0) | given
    if 1 not in seeds.values():
        return torch.zeros(grey.shape, dtype=torch.long)
    steps = np.concatenate([np.abs(np.diff(grey, axis=axis)).ravel() + 1 for axis in (0, 1)])
    starts = np.concatenate([number[:-1].ravel(), number[:, :-1].ravel()])
    ends = np.concatenate([number[1:].ravel(), number[:, 1:].ravel()])
    graph = coo_array((steps, (starts, ends)), shape=(grey.size, grey.size)).tocsr()
    distances = {
        label: dijkstra(graph, directed=False, min_only=True, indices=[n for n in seeds if seeds[n] == label])
        for label in set(seeds.values())
    }
    nearer = distances[1] < distances.get(0, np.full(grey.size, np.inf))  # an image may be all clicks
    return torch.from_numpy(nearer.reshape(grey.shape)).long()
