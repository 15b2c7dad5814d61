"""Data sets of images and masks: procedural ones that ship as code, real ones by name, and any folder of
files."""

import importlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


class Sample(NamedTuple):
    """One item of every data set: image float32 3×H×W RGB in [0, 1], mask int64 H×W (255 = ignored), name."""

    image: "torch.Tensor"
    mask: "torch.Tensor"
    name: str


_HOME = {
    "FolderDataset": "folders",
    "pair_files": "pairing",
    "check_folder": "checks",
    "read_image": "images",
    "read_mask": "images",
    "train_transform": "transforms",
    "eval_transform": "transforms",
    "load_dataset": "catalogue",
    "Lesions": "lesions",
}

__all__ = ["Sample", *_HOME]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'segcourse.data' has no attribute {name!r}")
    return getattr(importlib.import_module(f"segcourse.data.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
