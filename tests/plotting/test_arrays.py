"""Formats, overlays and error maps, pixel by pixel."""

import itertools

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segcourse.errors import DataError
from segcourse.palette import Palette
from segcourse.plotting.arrays import ERROR_COLOURS, as_images, as_masks, error_map, img_tag, overlay, png

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
GREY = RGB[..., 0]
UNIT = RGB / 255.0
LABELS = np.array([[0, 1, 1], [0, 0, 1]], dtype=np.uint8)
SIZE = LABELS.shape
ONE_HOT = np.stack([LABELS == 0, LABELS == 1])
LOGITS = np.where(ONE_HOT, 2.5, -1.5)
TP, FP, FN, TN = (
    ERROR_COLOURS[name] for name in ("true positive", "false positive", "false negative", "true negative")
)
WRONG, IGNORED = ERROR_COLOURS["wrong class"], ERROR_COLOURS["ignored"]


def chw(array):
    return np.ascontiguousarray(np.moveaxis(array, -1, 0))


@pytest.mark.parametrize(
    "image",
    [
        RGB,
        chw(RGB),
        RGB[None],
        [RGB],
        RGB.astype(np.int64),
        UNIT,
        UNIT.astype(np.float32),
        chw(UNIT).astype(np.float16),
        torch.from_numpy(RGB),
        torch.from_numpy(chw(RGB)),
        torch.from_numpy(chw(UNIT)).half(),
        torch.from_numpy(chw(UNIT)).requires_grad_(),
        torch.from_numpy(chw(UNIT))[None],
        [torch.from_numpy(chw(UNIT))],
        UNIT.tolist(),
    ],
)
def test_an_image_is_the_same_picture_in_every_format(image):
    (picture,) = as_images(image)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, RGB)


@pytest.mark.parametrize(
    "image", [GREY, GREY[None], GREY[..., None], GREY / 255, torch.from_numpy(GREY)[None]]
)
def test_a_grey_image_has_three_equal_channels(image):
    np.testing.assert_array_equal(as_images(image)[0], np.stack([GREY] * 3, axis=-1))


def test_a_three_pixel_wide_image_follows_its_kind():
    cube = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    np.testing.assert_array_equal(as_images(cube)[0], cube)
    np.testing.assert_array_equal(as_images(torch.from_numpy(cube))[0], np.moveaxis(cube, 0, -1))


def test_a_list_may_mix_sizes_and_a_batch_is_split():
    assert [one.shape for one in as_images([RGB, RGB[:2]])] == [(5, 7, 3), (2, 7, 3)]
    assert len(as_images(np.stack([RGB, RGB]))) == 2


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ((UNIT - 0.5) / 0.2, "image \\* std \\+ mean"),
        (UNIT * 255, "divide 0 … 255 floats by 255"),
        (RGB.astype(np.uint16) * 257, "divide by 65535"),
        (np.full((2, 2), np.nan), "nan"),
        (np.zeros((4, 6, 8)), "4×6×8"),
        (np.zeros((5, 7, 4)), "alpha"),
        (np.zeros((0, 7, 3)), "0×7×3"),
        (3, "a single number"),
        ("lesion.png", "read_image"),
        (["lesion.png"], "read_image"),
        ([[1, 2], [3]], "different lengths"),
    ],
)
def test_what_is_no_image_is_refused_with_the_way_out(image, says):
    with pytest.raises(DataError, match=says):
        as_images(image)


@pytest.mark.parametrize(
    "mask",
    [
        LABELS,
        LABELS.astype(bool),
        LABELS * np.uint8(255),
        LABELS.astype(np.int64) * 255,
        LABELS.astype(np.float32),
        LABELS[None],
        LABELS[..., None],
        LABELS[None, None],
        [LABELS],
        LABELS.tolist(),
        torch.from_numpy(LABELS).long()[None],
        ONE_HOT,
        ONE_HOT.astype(np.float32),
        torch.from_numpy(ONE_HOT)[None],
    ],
)
def test_a_mask_is_the_same_in_every_format(mask):
    (labels,) = as_masks(mask, [SIZE])
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize(
    "scores", [LOGITS, LOGITS[None], [LOGITS], torch.tensor(LOGITS).half().requires_grad_()]
)
def test_a_prediction_may_be_scores(scores):
    np.testing.assert_array_equal(as_masks(scores, [SIZE], scores=True)[0], LABELS)
    with pytest.raises(DataError, match="not one-hot"):
        as_masks(scores, [SIZE])


def test_two_masks_beside_two_images_are_no_channels():
    both = as_masks(np.stack([LABELS, 1 - LABELS]), [SIZE, SIZE])
    np.testing.assert_array_equal(both, [LABELS, 1 - LABELS])


def test_255_is_foreground_or_ignored():
    two = np.array([[0, 255]])
    assert as_masks(two, [(1, 2)])[0].tolist() == [[0, 1]]  # a file saved as 0/255
    assert as_masks(two, [(1, 2)], mask_values=(0, 1))[0].tolist() == [[0, 255]]  # said to be ids
    assert as_masks(two, [(1, 2)], num_classes=3)[0].tolist() == [[0, 255]]  # many classes: ids
    ids = as_masks([two, np.array([[1, 255]])], [(1, 2)] * 2)  # one mask of the batch has a 1: ids
    assert [mask.tolist() for mask in ids] == [[[0, 255]], [[1, 255]]]
    assert as_masks([[0, 100]], [(1, 2)], mask_values=(0, 100))[0].tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (np.zeros((3, 2)), "2×3 .height × width. and its mask is 3×2"),
        ([LABELS, LABELS], "1 image.s. and 2 mask.s."),
        (np.zeros((*SIZE, 3)), "palette.labels"),
        (np.full(SIZE, 0.3), "threshold"),
        (np.full(SIZE, np.nan), "NaN"),
        (np.full(SIZE, -1), "-1"),
        (np.full(SIZE, 300), "300"),
        (np.ones((2, *SIZE)), "not one-hot"),
        ("mask.png", "read_mask"),
    ],
)
def test_what_is_no_mask_is_refused_with_the_way_out(mask, says):
    with pytest.raises(DataError, match=says):
        as_masks(mask, [SIZE])


def test_scores_with_nan_and_unknown_values_are_refused():
    with pytest.raises(DataError, match="NaN"):
        as_masks(np.full((2, *SIZE), np.nan), [SIZE], scores=True)
    with pytest.raises(DataError, match=r"\[7\].*mask_values"):
        as_masks([[0, 7]], [(1, 2)], mask_values=(0, 255))


TWO = Palette(("rest", "it"), ((0, 0, 0), (200, 100, 0)))


@pytest.mark.parametrize(
    ("alpha", "background", "expected"),
    [
        (0.5, 0, [[100, 100, 100], [150, 100, 50]]),
        (0.0, 0, [[100, 100, 100], [100, 100, 100]]),
        (1.0, 0, [[100, 100, 100], [200, 100, 0]]),
        (0.5, None, [[50, 50, 50], [150, 100, 50]]),
    ],
)
def test_overlay_mixes_image_and_colour(alpha, background, expected):
    image = np.full((1, 2, 3), 100, dtype=np.uint8)
    mixed = overlay(image, [[0, 1]], TWO, alpha, background)
    assert mixed.tolist() == [expected]
    assert (image == 100).all(), "the caller's image is untouched"


def test_overlay_refuses_a_class_beyond_the_palette():
    with pytest.raises(DataError, match=r"3.*2 classes"):
        overlay([[0.0, 0.0]], [[0, 3]], TWO)


@pytest.mark.parametrize(
    ("true", "pred", "expected"),
    [
        ([[1, 0, 1, 0]], [[1, 1, 0, 0]], [TP, FP, FN, TN]),
        ([[255, 0, 255, 0]], [[1, 1, 0, 0]], [TP, FP, FN, TN]),
        ([[1, 2, 2, 0]], [[1, 1, 0, 2]], [TP, WRONG, FN, FP]),
        ([[1, 255, 255, 0]], [[1, 1, 0, 0]], [TP, IGNORED, IGNORED, TN]),
    ],
)
def test_error_map_colours_what_happened(true, pred, expected):
    assert error_map(true, pred)[0].tolist() == [list(colour) for colour in expected]


def test_error_map_without_background_knows_right_and_wrong():
    outcome = error_map([[0, 1, 2, 255, 1]], [[0, 1, 1, 1, 0]], background=None)
    assert outcome[0].tolist() == [list(colour) for colour in (TN, TN, WRONG, IGNORED, WRONG)]


@given(st.data())
def test_error_map_counts_as_set_algebra_does(data):
    bits = st.lists(st.booleans(), min_size=12, max_size=12)
    true, pred = (np.array(data.draw(bits)).reshape(3, 4) for _ in range(2))
    outcome = error_map(true, pred)
    for colour, mask in ((TP, true & pred), (FP, ~true & pred), (FN, true & ~pred), (TN, ~true & ~pred)):
        np.testing.assert_array_equal((outcome == colour).all(axis=-1), mask)


# Machado, Oliveira & Fernandes 2009, severity 1.0, on linear RGB.
COLOUR_BLIND = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
    "full sight": np.eye(3),
}


def cielab(colour, matrix):
    value = np.array(colour) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    seen = (np.asarray(matrix) @ linear).clip(0, 1).astype(np.float32)
    encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(encoded.astype(np.float32)[None, None], cv2.COLOR_RGB2LAB)[0, 0]


@pytest.mark.parametrize("sight", COLOUR_BLIND)
def test_error_colours_differ_for_every_sight(sight):
    lab = {name: cielab(colour, COLOUR_BLIND[sight]) for name, colour in ERROR_COLOURS.items()}
    distance = {pair: np.linalg.norm(lab[pair[0]] - lab[pair[1]]) for pair in itertools.combinations(lab, 2)}
    assert min(distance.values()) > 20, min(distance, key=distance.get)  # 2.3 is just noticeable


def test_error_colours_differ_on_a_grey_printer():
    lightness = sorted(cielab(colour, np.eye(3))[0] for colour in (TP, FP, FN, TN))
    assert min(np.diff(lightness)) > 15  # of 100


def test_the_usual_red_and_green_would_not_do():
    red, green = (cielab(c, COLOUR_BLIND["deuteranopia"]) for c in ((214, 39, 40), (44, 145, 44)))
    assert np.linalg.norm(red - green) < 20


def test_png_and_tag_carry_the_pixels_and_the_words():
    data = png(RGB)
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), 1)[..., ::-1], RGB)
    tag = img_tag(data, 'a "lesion" <1 cm', 100)
    assert 'alt="a &quot;lesion&quot; &lt;1 cm"' in tag
    assert 'src="data:image/png;base64,' in tag
