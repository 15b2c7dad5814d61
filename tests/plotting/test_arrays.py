"""Overlays and error maps, pixel by pixel."""

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segcourse.errors import DataError
from segcourse.palette import Palette
from segcourse.plotting.arrays import ERROR_COLOURS, error_map, img_tag, outline, overlay, png

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
TP, FP, FN, TN = (
    ERROR_COLOURS[name] for name in ("true positive", "false positive", "false negative", "true negative")
)
WRONG, IGNORED = ERROR_COLOURS["wrong class"], ERROR_COLOURS["ignored"]
ORANGE = (230, 159, 0)  # class 1 of the default palette
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


def test_an_outline_leaves_the_picture_inside_as_it_is():
    image = np.full((64, 64, 3), 200, dtype=np.uint8)
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[20:40, 20:40] = 1
    drawn = outline(image, mask)
    assert drawn.shape == (256, 256, 3)
    assert (drawn[100:140, 100:140] == 200).all()
    changed = np.argwhere((drawn != 200).any(axis=-1))
    assert changed.min() >= 4 * 20 - 3
    assert changed.max() <= 4 * 40 + 3
    assert {tuple(colour) for colour in drawn[(drawn != 200).any(axis=-1)].tolist()} == {(0, 0, 0), ORANGE}


def test_a_second_outline_takes_a_mask_of_the_original_size():
    mask = np.eye(16, dtype=np.uint8)
    twice = outline(outline(np.zeros((16, 16)), mask), mask, colour=(255, 255, 255))
    assert twice.shape == (256, 256, 3)
    assert not (twice == ORANGE).all(axis=-1).any()


def test_overlay_refuses_a_class_outside_the_palette():
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
def test_error_map_colours_each_outcome(true, pred, expected):
    assert error_map(true, pred)[0].tolist() == [list(colour) for colour in expected]


def test_error_map_without_background_shows_correct_and_wrong():
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


@pytest.mark.parametrize("sight", COLOUR_BLIND)
def test_the_first_eight_classes_differ_for_every_sight(sight):
    lab = [cielab(colour, COLOUR_BLIND[sight]) for colour in Palette.default(8).colours]
    distance = [np.linalg.norm(one - other) for one, other in itertools.combinations(lab, 2)]
    assert min(distance) > 16  # as of the palette of Okabe and Ito


def test_error_colours_differ_on_a_grey_printer():
    lightness = sorted(cielab(colour, np.eye(3))[0] for colour in (TP, FP, FN, TN))
    assert min(np.diff(lightness)) > 15  # of 100


def test_the_usual_red_and_green_are_too_similar():
    red, green = (cielab(c, COLOUR_BLIND["deuteranopia"]) for c in ((214, 39, 40), (44, 145, 44)))
    assert np.linalg.norm(red - green) < 20


def test_png_and_tag_hold_the_pixels_and_the_alt_text():
    data = png(RGB)
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), 1)[..., ::-1], RGB)
    tag = img_tag(data, 'a "lesion" <1 cm', 100)
    assert 'alt="a &quot;lesion&quot; &lt;1 cm"' in tag
    assert 'src="data:image/png;base64,' in tag
