"""The mask explorer, driven without a browser."""

import numpy as np
import pytest

from segcourse.errors import DataError
from segcourse.palette import Palette
from segcourse.plotting.arrays import overlay
from segcourse.widgets import mask_explorer

IMAGES = [np.full((2, 3, 3), value, dtype=np.uint8) for value in (60, 200)]
TRUE = [np.array([[0, 1, 1], [0, 0, 0]]), np.array([[0, 0, 0], [1, 1, 1]])]
PRED = [np.array([[0, 1, 0], [0, 0, 0]]), np.array([[0, 0, 0], [1, 1, 1]])]


@pytest.fixture
def widget():
    """Return an explorer of two images."""
    return mask_explorer(IMAGES, TRUE, PRED, palette=Palette.lesion(), titles=["first", "second"])


def test_the_slider_turns_the_pages(widget, seen):
    assert seen(widget.picture.value).alts[0].endswith("first: Dice 0.667 · IoU 0.500.")
    widget.sample.value = 2
    page = seen(widget.picture.value)
    np.testing.assert_array_equal(page.pictures[0], IMAGES[1])
    assert page.alts[0].endswith("second: Dice 1.000 · IoU 1.000.")
    assert page.alts[1:3] == ["truth", "prediction"]


@pytest.mark.parametrize("alpha", [0.0, 0.35, 1.0])
def test_the_other_slider_sets_the_colour(widget, seen, alpha):
    widget.alpha.value = alpha
    expected = overlay(IMAGES[0], TRUE[0], Palette.lesion(), alpha)
    np.testing.assert_array_equal(seen(widget.picture.value).pictures[1], expected)


def test_the_static_twin_is_the_live_picture(widget, seen, drawn):
    widget.sample.value, widget.alpha.value = 2, 0.8
    figure = widget.static()
    for live, still in zip(seen(widget.picture.value).pictures, drawn(figure), strict=True):
        np.testing.assert_array_equal(live, still)
    assert figure.alt == widget.text()
    assert widget.bundle()["text/html"] == widget.picture.value


def test_sliders_are_labelled_and_bounded(widget):
    assert [widget.sample.description, widget.alpha.description] == ["image (of 2)", "colour"]
    widget.sample.value = 9
    assert widget.sample.value == 2


def test_all_images_are_checked_at_the_start():
    with pytest.raises(DataError, match="true mask is 1×3"):
        mask_explorer(IMAGES, [TRUE[0], TRUE[1][:1]])
