"""The augmentation that suits a data set."""

import numpy as np
import pytest
import torch

from segcourse.data.applying import apply
from segcourse.errors import DataError
from segcourse.recipes import Recipe, augment_of, recipe
from segcourse.recipes.augmentation import augmentation

ROWS = np.repeat(np.arange(40, dtype=np.uint8)[:, None], 40, axis=1)


def draws(plan, augment, count=12):
    torch.manual_seed(0)
    transform = augmentation(plan, augment, 32)
    return [apply(transform, np.zeros((40, 40, 3), np.uint8), ROWS)[1] for _ in range(count)]


@pytest.mark.parametrize(
    ("data", "wanted"),
    [("camvid", "upright"), ("cityscapes", "upright"), ("isic2018", "any"), ("ph2", "any"),
     ("lesions", "any"), ("scenes", "upright"), ("my/folder", "upright"), (None, "upright")],
)  # fmt: skip
def test_the_card_or_the_recipe_decides(data, wanted):
    assert augment_of(recipe(data or ""), data) == wanted
    assert augment_of(recipe(data or "", augment="none"), data) == "none"


def test_upright_pictures_stay_upright_and_others_do_not():
    def is_upright(mask):
        steps = mask.diff(dim=0)[:, 16]
        return bool((steps >= 0).all())

    assert all(map(is_upright, draws(Recipe(), "upright")))
    assert not all(map(is_upright, draws(Recipe(strength=0), "any")))


def test_a_crop_of_any_kind_has_its_size():
    for augment in ("upright", "any", "none"):
        assert {tuple(mask.shape) for mask in draws(Recipe(crop=(24, 16)), augment)} == {(24, 16)}
    assert augmentation(Recipe(), "none", 32) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "give upright, any, none, or a Python file that exists"),
        ("1 / 0", r"cannot be run \(ZeroDivisionError"),
        ("transform = 3", "defines no `transform`"),
    ],
)
def test_a_file_that_is_no_augmentation(tmp_path, text, sentence):
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    with pytest.raises(DataError, match=sentence):
        augmentation(Recipe(), str(tmp_path / "mine.py"), 32)
