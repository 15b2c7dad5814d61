"""Lesson 6's collection: stored as files are, with the mistakes that the lesson's text speaks of."""

import numpy as np
import pytest

from segcourse.course import capstone
from segcourse.data import load_dataset
from segcourse.errors import DataError


@pytest.fixture(scope="module")
def collection():
    return capstone.collect(count=90)


def test_images_and_masks_are_arrays_of_the_same_names_in_another_order(collection):
    assert list(collection.masks) == list(collection.images)[::-1]
    image, mask = next(iter(collection.images.values())), next(iter(collection.masks.values()))
    assert (image.shape, image.dtype, mask.shape, mask.dtype) == ((64, 64, 3), np.uint8, (64, 64), np.uint8)
    values = set(np.unique(np.stack(list(collection.masks.values()))).tolist())
    assert values == {0, 255}


def test_patients_have_three_images_and_some_masks_are_empty(collection):
    assert [patient for _, patient in collection.records] == [i // 3 for i in range(90)]
    assert [name for name, _ in collection.records] == list(collection.images)
    assert 2 <= sum(not mask.any() for mask in collection.masks.values()) <= 20


def test_the_swapped_names_are_those_whose_mask_is_anothers(collection):
    kinds = (*capstone.APPEARANCE, "tiny lesions", *capstone.MISTAKES)
    data = load_dataset("lesions", size=64, count=90, difficulties=kinds)
    own = {data[i].name: 255 * data.picture(i)[1] for i in range(90)}
    differ = {name for name, mask in collection.masks.items() if not np.array_equal(mask, own[name])}
    assert differ <= collection.swapped
    assert 1 <= len(collection.swapped) <= 10


def test_other_sets_come_without_planted_mistakes():
    try:
        photographs = capstone.collect("isic2018", count=3)
    except DataError:
        pytest.skip("ISIC 2018 is not on this machine: segcourse data get isic2018")
    assert photographs.swapped == frozenset()
    assert [patient for _, patient in photographs.records] == [0, 1, 2]
    assert next(iter(photographs.images.values())).shape == (64, 64, 3)
