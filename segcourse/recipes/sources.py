"""The training set and the validation set of a run: by name, from folders or from a CSV file."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Subset

from segcourse.data import SampleDataset, catalogue, load_dataset
from segcourse.data.checks import check_folder
from segcourse.data.decode import image_facts
from segcourse.data.folders import FolderDataset
from segcourse.data.pairing import Pair
from segcourse.data.splits import has_splits, held_out
from segcourse.errors import DataError
from segcourse.recipes.augmentation import augment_of, augmentation
from segcourse.recipes.plan import Recipe, is_file

CROP = 256  # default side of crops: 256 × 256 in a batch of 8 fit into 2 GB
_LARGE = 1024  # images with a longer side are shrunk to it, if they have one shape
_SAMPLE = 200  # images whose size is looked up

Sets = tuple[SampleDataset, SampleDataset]


def datasets(
    data: str | None = None,
    images: Path | None = None,
    masks: Path | None = None,
    plan: Recipe | None = None,
    seed: int = 0,
    *,
    csv: Path | None = None,
    val_images: Path | None = None,
    val_masks: Path | None = None,
    split: str = "random",
    check: bool = True,
    **meaning: Any,
) -> Sets:
    """Return the training set, with augmentation, and the validation set.

    Validation images are `val_images`, else the split "val" of a named data set, the folder `val` beside
    `train`, or the rows of a CSV file with the split "val"; else a fifth of the pairs, see `held_out`.

    Args:
        data: name of a data set, or a folder of images and masks.
        images, masks: instead of `data`, a folder of images and a folder of masks.
        plan: settings for size, crops and augmentation.
        seed: random seed of the split.
        csv: instead of `data`, a CSV file of pairs.
        val_images, val_masks: folders of validation images and masks.
        split: "random", "blocks" or a regular expression that finds groups, see `held_out`.
        check: first check every file (not for named data sets).
        meaning: `mask_values`, `void_values`, `class_names` and `palette`, as in `FolderDataset`.

    Raises:
        DataError: the data set or the folder does not exist, the check found problems, or an image is in both
            sets.
    """
    if sum(source is not None for source in (data, images, csv)) != 1:
        raise DataError("give either --data, or --images and --masks, or --csv.")
    if val_masks is not None and val_images is None:
        raise DataError("--val-masks is the folder of masks for --val-images; give both.")
    plan = plan or Recipe()
    if data is not None and not Path(data).is_dir():
        sets = _named(data, plan, split, seed, meaning)
    else:
        given = {"csv": csv} if csv is not None else {"images": data or images, "masks": masks}
        val_given = None if val_images is None else {"images": val_images, "masks": val_masks}
        sets = _own(given, val_given, split, seed, check, meaning)
    _refuse_shared(*sets)
    plan = suited(plan, sets[0])
    size = plan.size or getattr(behind(sets[0]), "size", None) or CROP
    transform = augmentation(plan, augment_of(plan, data), size)
    train, val = _variant(sets[0], plan, transform), _variant(sets[1], plan, None)
    if is_file(plan.augment):
        _try(train, str(plan.augment))
    return train, val


def _refuse_shared(train: SampleDataset, val: SampleDataset) -> None:
    """Raise a DataError if a file is in both sets: its score would say how well the network remembers."""
    shared = {one.image.resolve() for one in pairs_of(train)} & {one.image.resolve() for one in pairs_of(val)}
    if shared:
        raise DataError(
            f"{len(shared)} image(s) are for training and for validation, such as {min(shared).name}; "
            "validation needs images that training has not seen."
        )


def _try(train: SampleDataset, path: str) -> None:
    """Apply the user's own transform once, so that a mistake in it is found before the training."""
    try:
        train[0]
    except DataError:
        raise
    except Exception as error:  # the user's own code can raise anything
        raise DataError(
            f"`transform` of {path} fails ({type(error).__name__}: {error}). A function of (image, mask) "
            "gets uint8 arrays H×W×3 and H×W and returns both; a torchvision v2 transform gets tv_tensors."
        ) from error


def behind(dataset: Any) -> Any:
    """Return the data set behind a Subset."""
    return getattr(dataset, "dataset", dataset)


def pairs_of(dataset: Any) -> list[Pair]:
    """Return the pairs of a data set of files or of a part of it; [] for a generated data set."""
    pairs = getattr(behind(dataset), "pairs", [])
    return [pairs[i] for i in dataset.indices] if isinstance(dataset, Subset) else pairs


def shapes_of(dataset: SampleDataset) -> list[tuple[int, int]]:
    """Return (height, width) of up to 200 images, evenly spread; [] for a generated data set."""
    pairs = pairs_of(dataset)
    return [image_facts(pair.image).shape for pair in pairs[:: max(1, len(pairs) // _SAMPLE)]]


def at_own_size(dataset: Any) -> SampleDataset:
    """Return a data set of files with its images at the size of the files; other data sets are unchanged."""
    if isinstance(dataset, Subset):
        whole: Any = at_own_size(dataset.dataset)
        return Subset(whole, dataset.indices)
    return dataset.variant() if isinstance(dataset, FolderDataset) else dataset


def suited(plan: Recipe, train: SampleDataset) -> Recipe:
    """Return the recipe with a working size and crops that suit the sizes of the images.

    Images keep their own size and are cropped. Only large images of one shape are shrunk.
    """
    shapes = shapes_of(train) if plan.size is None else []
    if not shapes:
        return plan
    height, width = np.median(shapes, axis=0).astype(int).tolist()
    one_shape = np.ptp([side[0] / side[1] for side in shapes]) < 0.02 * height / width
    if max(height, width) > _LARGE and one_shape:
        scale = _LARGE / max(height, width)
        height, width = round(height * scale), round(width * scale)
        plan = replace(plan, size=(height, width))
    if plan.crop is None and not is_file(plan.augment):
        plan = replace(plan, crop=(min(height, CROP), min(width, CROP)))
    return plan


def _variant(dataset: Any, plan: Recipe, transform: Callable | None) -> SampleDataset:
    if isinstance(dataset, Subset):
        whole: Any = _variant(dataset.dataset, plan, transform)
        return Subset(whole, dataset.indices)
    if isinstance(dataset, FolderDataset):
        return dataset.variant(plan.size, transform)
    dataset.transform = transform
    return dataset


def _named(data: str, plan: Recipe, split: str, seed: int, meaning: dict) -> Sets:
    known = catalogue.entries().get(data)
    if known is None:
        if meaning:
            raise DataError(
                f"{data} is generated, so its masks have one meaning; leave out {', '.join(meaning)}."
            )
        drawn = load_dataset(data, "train", size=plan.size, **plan.data_options)
        return drawn, load_dataset(data, "val", size=plan.size)
    train: Any = load_dataset(data, "train", **{**meaning, **plan.data_options})
    if "val" not in known.splits and catalogue.find_folder(data, split="val") is None:
        return _divided(train, split, seed)
    return train, load_dataset(data, "val", **meaning)


def _own(given: dict, val_given: dict | None, split: str, seed: int, check: bool, meaning: dict) -> Sets:
    folder = given.get("images")
    if val_given is None and folder is not None and given["masks"] is None:
        inside = [Path(folder) / name for name in ("train", "val")]
        if all(one.is_dir() for one in inside):
            given, val_given = ({"images": one, "masks": None} for one in inside)
    whole = _checked(given, check, meaning)
    if "csv" in given and val_given is None and has_splits(given["csv"]):
        parts = {name: FolderDataset(**given, split=name, **whole.meaning) for name in ("train", "val")}
        return parts["train"], parts["val"]
    if val_given is None:
        return _divided(whole, split, seed)
    return whole, _checked(val_given, check, whole.meaning)


def _divided(whole: FolderDataset, split: str, seed: int) -> Sets:
    val = held_out(whole.pairs, split, seed)
    train = sorted(set(range(len(whole))) - set(val))
    return Subset(whole, train), Subset(whole, val)


def _checked(given: dict, check: bool, meaning: dict) -> FolderDataset:
    if check:
        report = check_folder(**given, **meaning)
        if not report.ok:
            place = given.get("csv") or given["images"]
            raise DataError(f"{report.table()}\nFix the problems in {place} listed above before training.")
    return FolderDataset(**given, **meaning)
