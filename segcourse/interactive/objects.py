"""Single objects of a data set with classes: one crop and one mask per object, to click on."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from segcourse.data import Sample


def single_objects(
    samples: Iterable[Any], class_id: int, side: int = 64, least: float = 0.02
) -> list[Sample]:
    """Return a square crop around each connected part of a class, with the part's own mask of 0 and 1.

    Args:
        samples: (image C×H×W, mask H×W, name), at least `side` pixels high and wide.
        class_id: the class of the objects.
        side: of the crops, in pixels.
        least: smallest share of the crop that an object covers.

    >>> image, mask = torch.zeros(3, 8, 9), torch.zeros(8, 9, dtype=torch.long)
    >>> mask[1:3, 1:3], mask[5:8, 6:9] = 2, 2
    >>> [sample.mask.sum().item() for sample in single_objects([(image, mask, "street")], 2, side=4)]
    [4, 9]
    """
    from scipy import ndimage

    found = []
    for image, mask, name in samples:
        parts, count = ndimage.label(np.asarray(mask) == class_id)
        for number in range(1, count + 1):
            middle = np.argwhere(parts == number).mean(axis=0)
            top, left = (
                int(np.clip(at - side / 2, 0, size - side))
                for at, size in zip(middle, parts.shape, strict=True)
            )
            window = (slice(top, top + side), slice(left, left + side))
            part = torch.from_numpy(parts[window] == number).long()
            if part.float().mean() >= least:
                found.append(Sample(image[:, *window], part, f"{name}-{number}"))
    return found
