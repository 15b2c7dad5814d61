"""A whole training run: class weights and small data sets."""

import pytest

from segcourse.errors import DataError
from segcourse.recipes.training import _repeated, class_weights


def test_class_weights():
    names = ["skin", "lesion"]
    assert class_weights(None, names, []) is None
    assert class_weights((1, 2), names, []) == [1.0, 2.0]
    for wrong, sentence in (
        ((1, 2, 3), "3 class weights for 2 classes"),
        ("equal", "give balanced"),
        ((1, -2), "give balanced"),
    ):
        with pytest.raises(DataError, match=sentence):
            class_weights(wrong, names, [])


def test_a_small_set_is_repeated_and_a_large_one_is_not():
    assert len(_repeated(list(range(10)), 8)) == 200
    large = list(range(1000))
    assert _repeated(large, 8) is large
