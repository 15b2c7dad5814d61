"""The images of lesson 6 as a clinic might hand them over: arrays by name, patients, and mistakes."""

from typing import Any, NamedTuple

import numpy as np

from segcourse.data import Sample, load_dataset
from segcourse.data.lesions import APPEARANCE, Lesions

MISTAKES = ("patients", "wrong pairs", "empty masks")
SIDE = 64


class Collection(NamedTuple):
    """Images and masks as they are stored, by name.

    Attributes:
        images: uint8 H×W×3, RGB.
        masks: uint8 H×W, 0 skin and 255 lesion, in another order than the images.
        records: (name, patient) of each image.
        swapped: the names of the images that have the mask of another image, where that is known.
    """

    images: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]
    records: list[tuple[str, int]]
    swapped: frozenset[str]


def collect(name: str = "lesions", count: int = 675) -> Collection:
    """Return the first `count` training images of a data set, 64 × 64 pixels.

    Args:
        name: "lesions", where mistakes are planted, or another two-class set of `segcourse data list`, which
            comes as it is. Where the set tells no patients, each image has its own.
        count: number of images.

    Raises:
        DataError: the data set is not on this machine; the message says how to get it.

    >>> collection = collect(count=3)
    >>> collection.records
    [('lesion-0-00000', 0), ('lesion-0-00001', 0), ('lesion-0-00002', 0)]
    """
    options: dict[str, Any] = {"count": count, "difficulties": (*APPEARANCE, "tiny lesions", *MISTAKES)}
    data = load_dataset(name, size=SIDE, **(options if name == "lesions" else {}))
    samples = [Sample(*data[i]) for i in range(min(count, len(data)))]
    patients, swapped = list(range(len(samples))), []
    if isinstance(data, Lesions):
        patients, swapped = data.patients, [samples[i].name for i in data.swapped]
    images = {one.name: (255 * one.image).round().byte().permute(1, 2, 0).numpy() for one in samples}
    masks = {one.name: 255 * (one.mask == 1).byte().numpy() for one in reversed(samples)}
    records = [(one.name, patient) for one, patient in zip(samples, patients, strict=False)]
    return Collection(images, masks, records, frozenset(swapped))
