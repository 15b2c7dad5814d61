"""Observations: any real number becomes an array, the JSON border keeps every bit, equality is about
numbers."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from segcourse.errors import DataError
from segcourse.exercises.engine.observations import (
    MAX_ELEMENTS,
    alike,
    decode,
    describe,
    differences,
    encode,
    plain,
    same,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, np.asarray(True)),
        (3, np.asarray(3)),
        (np.uint8(255), np.asarray(255)),
        (torch.tensor([1, 2], dtype=torch.uint8), np.asarray([1, 2])),
        (torch.tensor(0.5, dtype=torch.bfloat16), np.asarray(0.5)),
        ([torch.tensor(1.0), 2, np.float32(0.5)], np.asarray([1.0, 2.0, 0.5])),
        (((1, 2), (3, 4)), np.asarray([[1, 2], [3, 4]])),
        (float("nan"), np.asarray(np.nan)),
    ],
)
def test_numbers_become_arrays(value, expected):
    got = plain(value)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "None"),
        ("0.5", "a str"),
        ({}, "a dict"),
        (object(), "an object"),
        ([], "a list"),
        (1j, "a complex"),
    ],
)
def test_everything_else_is_called_by_its_kind(value, kind):
    assert plain(value) == kind


@settings(max_examples=60)
@given(
    npst.arrays(
        st.sampled_from([np.bool_, np.int64, np.float64]),
        npst.array_shapes(min_dims=0, max_dims=4, min_side=0),
    )
)
def test_json_keeps_every_bit(array):
    back = decode(json.loads(json.dumps(encode({"value": array}))))["value"]
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        {"value": 0.5},
        {"value": {"dtype": "float64", "shape": [MAX_ELEMENTS + 1], "data": ""}},
        {"value": {"dtype": "float64", "shape": [True], "data": "AAAAAAAAAAA="}},
        {"value": {"dtype": "float64", "shape": [1] * 9, "data": "AAAAAAAAAAA="}},
        {"value": {"dtype": "float64", "shape": [2], "data": "AAAAAAAAAAA="}},
        {"value": {"dtype": "bool", "shape": [1], "data": "Ag=="}},
        {"value": {"dtype": ["float64"], "shape": [], "data": ""}},
        {"v" * 1000: "x"},
    ],
)
def test_what_encode_does_not_write_is_refused(record):
    with pytest.raises(DataError):
        decode(record)


def test_texts_are_cut_to_one_printable_line():
    assert decode({"message": "a\nb\x1b[31m" + "c" * 1000})["message"] == "a b [31m" + "c" * 291 + "…"


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (0.5, 0.50004, True),  # 0.8e-4 of it
        (0.5, 0.5002, False),
        (1, 1.0, True),
        (True, 1, True),
        ([[0.5]], 0.5, False),
        ([0.5, 0.5], 0.5, False),
        ([1.0, 2.0], [[1.0, 2.0]], False),
        ([np.nan, 1.0], [np.nan, 1.0], True),
        ([np.nan, 1.0], [0.0, 1.0], False),
        (np.inf, -np.inf, False),
        (np.inf, np.inf, True),
        ([100_000, 0], [100_000, 1], False),  # counts are exact
        ([1.0, 1e-7], [1.0, 0.0], True),  # noise beside the largest number
        (0.0, 1e-7, True),
    ],
)
def test_equality_is_about_numbers(one, other, equal):
    assert same(plain(one), plain(other), 1e-4) is equal


def test_values_read_as_a_student_writes_them():
    assert describe(plain([[0, 1], [1, 0]])) == "[[0, 1], [1, 0]]"
    assert describe(plain([4 / 7, 0.0, 1e-5, float("nan")])) == "[0.571, 0.000, 1e-05, nan]"
    assert describe(plain(torch.full((30,), torch.nan))) == "30 numbers, all nan or infinite"
    large = torch.ones(5, 6)
    large[0, 0] = torch.inf
    assert describe(plain(large)) == "5×6 numbers from 1.000 to 1.000, 1 of them nan or infinite"


def test_differences_name_the_fields():
    right = {"value": plain([1.0]), "type": "a tensor", "gradient": plain([0.5])}
    assert differences(right | {"printed": "x", "dtype": "y"}, right, 1e-4) == []
    assert differences(right | {"value": plain(1.0), "type": "a list"}, right, 1e-4) == ["value", "type"]
    assert differences(right | {"changed": "x"}, right, 1e-4) == ["changed"]
    assert differences(right | {"surplus": plain(1)}, right, 1e-4) == ["surplus"]
    assert differences({"error": "ValueError"}, right, 1e-4) == ["error"]


def test_what_holds_the_numbers_does_not_matter_when_causes_are_compared():
    one = {"value": plain(0.5), "type": "a tensor"}
    assert alike({"value": plain([0.5]), "type": "a list"}, one, 1e-4)
    assert not alike({"value": plain([0.5, 0.5]), "type": "a list"}, one, 1e-4)
