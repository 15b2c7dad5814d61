"""Pictures of a prediction: formats of masks, soft edges, backgrounds and new colours."""

import numpy as np
import pytest
from PIL import Image

from segcourse.errors import DataError
from segcourse.inference.pictures import Style, draw, recolour, soft_edges
from segcourse.palette import IGNORE_COLOUR, Palette

ANIMALS = Palette(("background", "cat", "dog"), ((0, 0, 0), (230, 159, 0), (86, 180, 233)))
STREET = Palette(("sky", "road", "car"), ((0, 0, 0), (230, 159, 0), (86, 180, 233)))
IMAGE = np.full((1, 3, 3), 100, np.uint8)
MASK = np.array([[0, 1, 2]], np.uint8)


@pytest.mark.parametrize(
    ("palette", "kept", "wanted", "mode", "values"),
    [
        (ANIMALS, None, None, "P", [0, 1, 2]),
        (ANIMALS, None, "binary", "L", [0, 255, 255]),
        (ANIMALS, None, "colours", "RGB", [[0, 0, 0], [230, 159, 0], [86, 180, 233]]),
        (ANIMALS, (1, 2), None, "L", [0, 255, 255]),
        (ANIMALS, (2,), "indexed", "P", [0, 0, 2]),
        (STREET, (2,), "indexed", "P", [255, 255, 2]),  # sky is a class, so the rest has none
        (STREET, (2,), "colours", "RGB", [[*IGNORE_COLOUR], [*IGNORE_COLOUR], [86, 180, 233]]),
    ],
)
def test_formats_of_masks(palette, kept, wanted, mode, values):
    drawn = draw("mask", IMAGE, MASK, kept, palette, Style(mask_format=wanted))
    assert drawn.mode == mode
    assert np.array(drawn)[0].tolist() == values


@pytest.mark.parametrize(
    ("alpha", "pixel"), [(0, [100, 100, 100]), (0.5, [165, 130, 50]), (1, [230, 159, 0])]
)
def test_alpha_is_the_opacity_of_an_overlays_colours(alpha, pixel):
    drawn = np.array(draw("overlay", IMAGE, MASK, (1,), ANIMALS, Style(alpha=alpha)))
    assert drawn[0].tolist() == [[100, 100, 100], pixel, [100, 100, 100]]


def test_edges_are_sharp_where_the_image_has_one_and_soft_where_it_has_none():
    rows, columns = np.mgrid[:400, :400] - 200
    radius = np.hypot(rows, columns)
    found = radius < 100
    image = np.where(found[..., None], np.uint8(220), np.uint8(30)).repeat(3, axis=-1)
    sharp, soft = soft_edges(image, found), soft_edges(np.full_like(image, 90), found)
    assert sharp.dtype == soft.dtype == np.float32
    assert np.abs(sharp - found).max() < 0.1
    assert 0 <= soft.min() <= soft.max() <= 1
    assert ((soft > 0.1) & (soft < 0.9))[np.abs(radius - 100) < 1].all()
    far = np.abs(radius - 100) > 8  # pixels; twice the radius of the filter in both directions
    np.testing.assert_array_equal(soft[far], found[far])


@pytest.mark.parametrize("found", [np.zeros((300, 300), bool), np.ones((300, 300), bool)])
def test_nothing_and_everything_have_no_edges(found):
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    np.testing.assert_array_equal(soft_edges(image, found), found)
    assert (
        np.array(draw("cutout", image, found.astype(np.uint8), None, Palette.lesion(), Style())).shape[2] == 4
    )


def test_a_background_is_a_colour_or_a_picture_cropped_around_its_centre(tmp_path):
    found = draw("background", IMAGE, MASK, (2,), ANIMALS, Style(background="#0a141e"))
    assert np.array(found)[0].tolist() == [[10, 20, 30], [10, 20, 30], [100, 100, 100]]
    picture = np.zeros((2, 30, 3), np.uint8)
    picture[:, 12:18] = 200
    Image.fromarray(picture).save(tmp_path / "beach.png")
    image, mask = np.zeros((2, 6, 3), np.uint8), np.zeros((2, 6), np.uint8)
    drawn = draw("background", image, mask, (1,), ANIMALS, Style(background=str(tmp_path / "beach.png")))
    assert np.array(drawn).tolist() == np.full((2, 6, 3), 200).tolist()


def test_a_new_colour_keeps_the_shading_and_the_rest():
    grey = np.tile(np.array([60, 90, 120, 150, 180], np.uint8)[:, None, None], (1, 2, 3))
    opacity = np.zeros((5, 2), np.float32)
    opacity[:, 0] = 1
    painted = recolour(grey, opacity, (200, 30, 30))
    np.testing.assert_array_equal(painted[:, 1], grey[:, 1])
    assert np.abs(painted[2, 0].astype(int) - [200, 30, 30]).max() <= 1  # the median has the colour itself
    brightness = painted[:, 0].astype(int).sum(1)
    assert (np.diff(brightness) > 0).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"mask_format": "rgb"}, "'rgb'; expected indexed, colours, binary"),
        ({"alpha": 50}, "alpha is 50; expected an opacity from 0 to 1"),
        ({"alpha": float("nan")}, "alpha is nan"),
        ({"background": "beach.jpg"}, "'beach.jpg' is neither a colour nor an image file"),
        ({"recolour": "redd"}, "'redd' is not a colour; give a name such as red"),
    ],
)
def test_wrong_options_are_refused_before_the_work(options, sentence):
    with pytest.raises(DataError, match=sentence):
        Style(**options)


def test_a_legend_names_the_kept_classes_that_occur():
    image, mask = np.zeros((60, 200, 3), np.uint8), np.zeros((60, 200), np.uint8)
    mask[:, 100:] = 2
    assert draw("overlay", image, mask, (2,), ANIMALS, Style()).height == 60
    assert draw("overlay", image, mask, (1, 2), ANIMALS, Style()).height > 60
