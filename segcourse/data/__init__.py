"""Data sets of images and masks: procedural ones that ship as code, real ones by name, and any folder of
files."""

import importlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from segcourse.errors import DataError

if TYPE_CHECKING:
    import torch

    from segcourse.data.decode import Size


class Sample(NamedTuple):
    """One item of every data set: image float32 3×H×W RGB in [0, 1], mask int64 H×W (255 = ignored), name."""

    image: "torch.Tensor"
    mask: "torch.Tensor"
    name: str


def load_dataset(
    name: str,
    split: str = "train",
    size: "Size | None" = None,
    root: str | os.PathLike | None = None,
    transform: Callable | None = None,
    **options,
):
    """A data set by name, as Samples: "lesions" is painted by code, the others are read from files.

    Args:
        split: "train", "val" or "test"; of "lesions" each is another stream of random numbers, so that no
            picture is in two of them.
        size: side in pixels or (height, width); None keeps the files' own ("lesions": 128).
        root: folder of the set, or of sets. Default: `$SEGCOURSE_DATA`, the platform's cache folder, then
            `../shared/data` beside a checkout.
        transform: joint transform, see `segcourse.data.transforms`.
        options: for "lesions" `count` (default 1600 to train, 200 else), `seed` and `difficulties`; for the
            others those of `FolderDataset`.

    Raises:
        DataError: no such set or split, or it is not on this machine; then with the steps that bring it here.
    """
    if name == "lesions":
        return _lesions(split, size, transform, **options)
    from segcourse.data import catalogue, folders

    if name not in catalogue.entries():
        known = ", ".join(["lesions", *catalogue.entries()])
        raise DataError(
            f"there is no data set {name!r}; the names are {known}. For your own files use FolderDataset"
        )
    entry = catalogue.entry(name)
    layout = catalogue.locate(name, split, root)
    meaning = {
        "names": layout.ids and catalogue.read_ids(layout.ids),
        "mask_values": entry.mask_values,
        "void_values": entry.void_values,
        "palette": entry.palette,
    }
    return folders.FolderDataset(
        layout.images, layout.masks, size=size, transform=transform, **{**meaning, **options}
    )


def _lesions(split: str, size: "Size | None", transform: Callable | None, seed: int = 0, **options):
    from segcourse.data.lesions import Lesions

    splits = ("train", "val", "test")
    if split not in splits:
        raise DataError(f"lesions has no split {split!r}; it has {', '.join(splits)}")
    count = options.pop("count", 1600 if split == "train" else 200)
    # three streams for every seed, none shared with another seed
    return Lesions(count, size or 128, seed=3 * seed + splits.index(split), transform=transform, **options)


_HOME = {
    "FolderDataset": "folders",
    "pair_files": "pairing",
    "check_folder": "checks",
    "read_image": "images",
    "read_mask": "images",
    "train_transform": "transforms",
    "eval_transform": "transforms",
    "Lesions": "lesions",
}

__all__ = ["Sample", "load_dataset", *_HOME]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'segcourse.data' has no attribute {name!r}")
    return getattr(importlib.import_module(f"segcourse.data.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
