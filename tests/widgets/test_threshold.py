"""The threshold explorer: mask, errors, scores and words at each position of its slider."""

import numpy as np
import pytest
import torch

from segcourse.errors import DataError
from segcourse.plotting.arrays import error_map, outline_layer
from segcourse.widgets import threshold_explorer
from segcourse.widgets.threshold import histogram

PROBABILITY = np.array([[0.1, 0.4, 0.6, 0.9]])
IMAGE = np.full((1, 4, 3), 100, dtype=np.uint8)
TRUE = np.array([[0, 0, 1, 1]])


@pytest.mark.parametrize(
    ("threshold", "mask", "says"),
    [
        (0.5, [[0, 0, 1, 1]], "above 0.5: 50.0% of the pixels. Dice 1.00 · IoU 1.00"),
        (0.3, [[0, 1, 1, 1]], "above 0.3: 75.0% of the pixels. Dice 0.80 · IoU 0.67"),
        (0.6, [[0, 0, 0, 1]], "above 0.6: 25.0% of the pixels. Dice 0.67 · IoU 0.50"),
        (1.0, [[0, 0, 0, 0]], "above 1: 0.0% of the pixels. Dice 0.00 · IoU 0.00"),
    ],
)
def test_each_position_has_its_mask_scores_and_words(frame, rgb, threshold, mask, says):
    widget = threshold_explorer(IMAGE, PROBABILITY, TRUE)
    one = frame(widget.html(), widget.thresholds.index(threshold))
    prediction, errors, _ = map(rgb, one.pictures)
    np.testing.assert_array_equal(prediction, outline_layer(np.array(mask)))
    np.testing.assert_array_equal(errors, error_map(TRUE, mask))
    assert one.caption == f"foreground where the value is {says}"
    assert one.label == f"{threshold:g}"


def test_the_scores_can_be_drawn_against_the_thresholds():
    widget = threshold_explorer(IMAGE, PROBABILITY, TRUE)
    assert (widget.thresholds[0], widget.thresholds[-1], len(widget.thresholds)) == (0, 1, 51)
    scores = dict(zip(widget.thresholds, zip(widget.dice, widget.iou, strict=True), strict=True))
    assert scores[0.5] == (1, 1)
    assert scores[0.3] == pytest.approx((0.8, 2 / 3))


@pytest.mark.parametrize(
    "values", [torch.tensor(PROBABILITY).half()[None], PROBABILITY.tolist(), PROBABILITY[..., None]]
)
def test_values_may_be_tensors_or_lists(values):
    assert (
        threshold_explorer(IMAGE, values, TRUE).text() == threshold_explorer(IMAGE, PROBABILITY, TRUE).text()
    )


def test_grey_values_have_a_slider_to_255_and_dark_may_be_foreground():
    widget = threshold_explorer(IMAGE, np.array([[20, 90, 150, 220]], dtype=np.uint8), 1 - TRUE, below=True)
    assert (widget.thresholds[-1], widget.labels[widget.start]) == (255, "130")
    assert "below 130: 50.0% of the pixels. Dice 1.00" in widget.text()
    assert "below 90: 25.0%" in widget.captions[widget.thresholds.index(90)], (
        "a value at the threshold is not below it"
    )


def test_without_a_true_mask_there_are_no_scores(frame):
    widget = threshold_explorer(IMAGE, PROBABILITY)
    assert widget.dice == widget.iou == []
    assert len(frame(widget.html(), 0).pictures) == 2  # prediction and histogram


def test_the_histogram_has_a_bar_per_value_and_a_line_at_the_threshold():
    column = histogram(np.array([[0.1, 0.9, 0.9, 0.9, 0.9]]), [0.0, 0.5, 1.0], grey=False)
    (bars,) = column.below
    heights = (bars[:, ::4, 0] < 255).sum(axis=0)
    assert np.flatnonzero(heights).tolist() == [5, 45]  # bins of 1/51
    assert heights[45] == pytest.approx(2 * heights[5], abs=1)  # square roots of 4 and 1
    at = [np.flatnonzero(line[0, :, 3])[0] / bars.shape[1] for (line,) in column.frames]
    assert at == pytest.approx([0, 0.5, 1], abs=0.01)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.zeros((2, 2)), "image is 1×4 and the values to threshold are 2×2"),
        (np.array([[0.1, np.nan, 0.6, 0.9]]), "without NaN"),
        (np.array([[-0.1, 0.4, 0.6, 0.9]]), r"\[0, 1\]"),
        (np.array([[0.1, 0.4, 0.6, 300]]), "0 … 255"),
    ],
)
def test_values_that_no_threshold_fits_are_refused(values, says):
    with pytest.raises(DataError, match=says):
        threshold_explorer(IMAGE, values, TRUE)
