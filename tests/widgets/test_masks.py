"""The mask explorer: one image at a time, with the panels of `show_results`."""

import numpy as np
import pytest

from segcourse.errors import DataError
from segcourse.palette import Palette
from segcourse.plotting.arrays import error_map, outline_layer
from segcourse.widgets import mask_explorer

IMAGES = [np.full((2, 3, 3), value, dtype=np.uint8) for value in (60, 200)]
TRUE = [np.array([[0, 1, 1], [0, 0, 0]]), np.array([[0, 0, 0], [1, 1, 1]])]
PRED = [np.array([[0, 1, 0], [0, 0, 0]]), np.array([[0, 0, 0], [1, 1, 1]])]


def test_each_image_has_its_panels_and_scores(frame, rgb):
    page = mask_explorer(IMAGES, TRUE, PRED, palette=Palette.lesion(), titles=["first", "second"]).html()
    for i, says in enumerate(["first: Dice 0.67 · IoU 0.50", "second: Dice 1.00 · IoU 1.00"]):
        one = frame(page, i)
        assert (one.label, one.caption) == (f"{i + 1} of 2", says)
        image, below_truth, truth, below_prediction, prediction, errors = map(rgb, one.pictures)
        for picture in (image, below_truth, below_prediction):
            np.testing.assert_array_equal(picture, IMAGES[i])
        np.testing.assert_array_equal(truth, outline_layer(TRUE[i], Palette.lesion()))
        np.testing.assert_array_equal(prediction, outline_layer(PRED[i], Palette.lesion()))
        np.testing.assert_array_equal(errors, error_map(TRUE[i], PRED[i]))


def test_more_classes_are_tinted(frame, rgb):
    page = mask_explorer(
        IMAGES[:1], [np.array([[0, 1, 2], [0, 0, 0]])], names=["background", "a", "b"]
    ).html()
    layer = rgb(frame(page, 0).pictures[2])
    assert layer[..., 3].tolist() == [[0, 128, 128], [0, 0, 0]]


def test_all_images_are_checked_at_the_start():
    with pytest.raises(DataError, match="true mask is 1×3"):
        mask_explorer(IMAGES, [TRUE[0], TRUE[1][:1]])


def test_too_many_images_are_refused_before_the_notebook_is_full():
    with pytest.raises(DataError, match="at most 60"):
        mask_explorer(np.zeros((61, 4, 4, 3), dtype=np.uint8))
