"""Palettes: ids to colours and back, and overflow in uint8."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from segcourse.errors import DataError
from segcourse.palette import IGNORE, IGNORE_COLOUR, OKABE_ITO, Palette
from segcourse.plotting.arrays import ERROR_COLOURS


@given(
    classes=st.integers(1, 255),
    mask=arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=6)),
)
def test_labels_is_the_exact_inverse_of_colourise(classes, mask):
    palette = Palette.default(classes)
    mask = np.where(mask < classes, mask, IGNORE).astype(np.uint8)
    colours = palette.colourise(mask)
    assert colours.shape == (*mask.shape, 3)
    assert colours.dtype == np.uint8
    assert np.array_equal(palette.labels(colours), mask)


def test_default_palettes_start_with_okabe_ito_and_never_repeat_a_colour():
    assert Palette.default(5).colours == tuple(OKABE_ITO[i] for i in (0, 1, 3, 5, 7))
    every = Palette.default(255).colours
    assert len({*every, IGNORE_COLOUR}) == 256
    assert Palette.default(20).colours == every[:20]  # more classes never recolour the first ones


def test_no_class_looks_like_an_error_or_an_ignored_pixel():
    errors = [ERROR_COLOURS[name] for name in ("false positive", "false negative", "wrong class", "ignored")]
    distance = np.linalg.norm(np.array(Palette.default(255).colours)[:, None] - np.array(errors), axis=-1)
    assert distance.min() > 60


def test_ignored_pixels_are_grey():
    assert Palette.lesion().colourise(np.array([[IGNORE]])).tolist() == [[list(IGNORE_COLOUR)]]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.int64, np.uint16])
def test_every_integer_type_and_tensors_give_the_same_colours(dtype):
    mask = np.array([[0, 1], [1, 255]])
    expected = Palette.lesion().colourise(mask)
    assert np.array_equal(Palette.lesion().colourise(mask.astype(dtype)), expected)
    assert np.array_equal(Palette.lesion().colourise(torch.from_numpy(mask)), expected)


def test_bool_masks_are_classes_0_and_1():
    assert Palette.lesion().colourise(np.array([[True, False]])).tolist() == [[[230, 159, 0], [0, 0, 0]]]


def test_mask_times_255_in_uint8_makes_every_class_look_white():
    mask = np.array([[0, 1, 2, 3]], np.uint8)
    wrong = mask * 255  # wraps: class k becomes 256 - k, and all look alike
    assert wrong.tolist() == [[0, 255, 254, 253]]
    seen = Palette.default(4).colourise(mask)
    assert len({tuple(colour) for colour in seen[0]}) == 4
    # ... and the wrapped mask is no label map: class 1 became ignored pixels, the next ones are errors
    with pytest.raises(DataError, match="253, 254"):
        Palette.default(4).colourise(wrong)


def test_codes_of_colours_do_not_wrap_in_uint8():
    red, blue = (255, 0, 0), (0, 0, 255)
    palette = Palette(("red", "blue"), (red, blue))
    rgb = np.array([[red, blue]], np.uint8)
    with np.errstate(over="ignore"):
        wrong = rgb[..., 0] * np.uint8(2) + rgb[..., 2]  # 510 wraps to 254: another code than the one meant
    assert wrong.tolist() == [[254, 255]]
    assert palette.labels(rgb).tolist() == [[0, 1]]


@pytest.mark.parametrize(("mask", "says"), [
    (np.array([[0, 2]]), "holds 2, but the palette has 2 classes"),
    (np.array([[-1, 0]]), "holds -1"),
    (np.array([[256, 0]]), "holds 256"),  # as uint8 this would be class 0
    (np.array([[0.5]]), "float64"),
])  # fmt: skip
def test_ids_outside_the_palette_are_explained(mask, says):
    with pytest.raises(DataError, match=says):
        Palette.lesion().colourise(mask)


def test_jpeg_like_colours_are_explained():
    rgb = Palette.lesion().colourise(np.array([[0, 1]]))
    rgb[0, 0, 0] += 3
    with pytest.raises(DataError, match=r"1 pixels .*\[3, 0, 0\].*lossless"):
        Palette.lesion().labels(rgb)
    with pytest.raises(DataError, match="uint8 H×W×3"):
        Palette.lesion().labels(np.zeros((2, 2)))


@pytest.mark.parametrize(("names", "colours", "says"), [
    (("a",), ((0, 0, 0), (1, 1, 1)), "1 class names but 2 colours"),
    (("a", "b"), ((0, 0, 0), (0, 0, 0)), "share a colour"),
    (("a",), (IGNORE_COLOUR,), "ignored pixels"),
    (("a",), ((0, 0, 256),), "0..255"),
    ((), (), "0 classes"),
])  # fmt: skip
def test_a_palette_with_equal_colours_is_refused(names, colours, says):
    with pytest.raises(DataError, match=says):
        Palette(names, colours)


def test_palettes_from_lists_are_equal_and_hashable():
    assert {Palette(["a"], [[1, 2, 3]]): 1}[Palette(("a",), ((1, 2, 3),))] == 1


def test_a_palette_is_read_from_a_text_file(tmp_path):
    wanted = Palette(("Road marking", "sky"), ((128, 64, 128), (1, 2, 3)))
    for text in (
        "128 64 128\tRoad marking\n\n1 2 3 sky\n",
        "name,r,g,b\nRoad marking,128,64,128\nsky,1,2,3",
        "# colours\nRoad marking; 128; 64; 128\nsky 1 2 3\n",
    ):
        (tmp_path / "colours.txt").write_text(text)
        assert Palette.read(tmp_path / "colours.txt") == wanted


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("sky 1 2", "line 1: 'sky 1 2'; give"), ("sky 1 2 3\n4 5 6", "line 2"), ("", "0 classes")],
)
def test_a_palette_that_cannot_be_read(tmp_path, text, sentence):
    (tmp_path / "colours.txt").write_text(text)
    with pytest.raises(DataError, match=sentence):
        Palette.read(tmp_path / "colours.txt")
    with pytest.raises(DataError, match="cannot be read"):
        Palette.read(tmp_path / "nowhere.txt")
