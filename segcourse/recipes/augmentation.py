"""The augmentation that suits a data set: upright pictures stay upright."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torchvision.transforms import v2

from segcourse.data import catalogue
from segcourse.data.decode import Size
from segcourse.data.transforms import RandomZoomCrop, train_transform, upright_transform
from segcourse.errors import DataError
from segcourse.recipes.plan import AUGMENT, Recipe, is_file


def augment_of(plan: Recipe, data: str | None) -> str:
    """Return the recipe's augmentation, else that of the data set's card, else "upright"."""
    if plan.augment is not None:
        return plan.augment
    known = catalogue.entries().get(data or "")
    return "any" if known is not None and not known.upright else "upright"


def augmentation(plan: Recipe, augment: str, size: Size) -> Callable | None:
    """Return the joint transform of image and mask for training.

    Args:
        plan: the recipe; its crop, if it has one, is the size of the result.
        augment: "upright", "any", "none" or a Python file.
        size: size of the result without a crop.

    Raises:
        DataError: the name is unknown, or the file can't be run or defines no `transform`.
    """
    if is_file(augment):
        return _transform_of(augment)
    if augment == "upright":
        return upright_transform(plan.crop or size, plan.strength)
    steps: list[Any] = []
    if plan.crop is not None:
        crop = RandomZoomCrop(plan.crop)
        steps = [crop if augment == "any" else RandomZoomCrop(plan.crop, zoom=(1, 1), stretch=0)]
    if augment == "any":
        steps += train_transform(strength=plan.strength).transforms
    return v2.Compose(steps) if steps else None


def _transform_of(path: str) -> Callable:
    if not Path(path).is_file():
        raise DataError(
            f"the augmentation is {path!r}; give {', '.join(AUGMENT)}, or a Python file that exists and "
            "defines `transform`."
        )
    try:
        found = runpy.run_path(path).get("transform")
    except Exception as error:  # the user's own code can raise anything
        raise DataError(f"{path} cannot be run ({type(error).__name__}: {error}).") from error
    if not callable(found):
        raise DataError(
            f"{path} defines no `transform`; it can be a function of (image, mask), a torchvision v2 "
            "transform, or an albumentations Compose."
        )
    return found
