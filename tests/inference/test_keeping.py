"""--keep: names and numbers of classes, and other vehicles where there is no car."""

import numpy as np
import pytest

from segcourse.errors import DataError
from segcourse.inference.keeping import Keep

VOC = ("background", "bicycle", "bus", "car", "cat", "motorbike", "train")


def test_a_picture_without_cars_shows_its_other_vehicles():
    keep = Keep.parse("car", VOC)
    mask = np.zeros((40, 50), np.uint8)
    assert keep.choose(mask) == (3,)
    mask[0, :20] = 4  # a cat is no vehicle
    assert keep.choose(mask) == (3,)
    mask[1, :20], mask[2, :20] = 2, 6
    assert keep.choose(mask) == (2, 6)
    mask[3, 0] = 3  # one of 2000 pixels: networks scatter them
    assert keep.choose(mask) == (2, 6)
    mask[3, :2] = 3
    assert keep.choose(mask) == (3,)


@pytest.mark.parametrize(
    ("text", "ids"), [("3", (3,)), ("cat", (4,)), ("car,bus", (3, 2)), ("car, 3, cat", (3, 4))]
)
def test_numbers_other_classes_and_lists_have_no_fall_back(text, ids):
    assert Keep.parse(text, VOC) == Keep(ids)


def test_a_name_with_a_comma_is_a_name():
    assert Keep.parse("road, wet", ("road", "road, wet")) == Keep((1,))


@pytest.mark.parametrize("text", ["cow", "7", "car,cow", "", "-1", "car,"])
def test_a_class_that_does_not_exist_is_refused_with_those_that_do(text):
    with pytest.raises(DataError, match=r"no class .*the classes of this model are background, bicycle"):
        Keep.parse(text, VOC)
