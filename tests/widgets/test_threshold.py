"""The threshold explorer, driven without a browser."""

import ipywidgets
import numpy as np
import pytest
import torch

from segcourse.errors import DataError
from segcourse.plotting.arrays import error_map
from segcourse.widgets import threshold_explorer

PROBABILITY = np.array([[0.1, 0.4, 0.6, 0.9]])
IMAGE = np.full((1, 4, 3), 100, dtype=np.uint8)
TRUE = np.array([[0, 0, 1, 1]])


@pytest.mark.parametrize(
    ("threshold", "mask", "says"),
    [
        (0.5, [[0, 0, 1, 1]], "above 0.5: 50.0% of the pixels. Dice 1.000 · IoU 1.000."),
        (0.3, [[0, 1, 1, 1]], "above 0.3: 75.0% of the pixels. Dice 0.800 · IoU 0.667."),
        (0.6, [[0, 0, 0, 1]], "above 0.6: 25.0% of the pixels. Dice 0.667 · IoU 0.500."),
        (1.0, [[0, 0, 0, 0]], "above 1: 0.0% of the pixels. Dice 0.000 · IoU 0.000."),
    ],
)
def test_moving_the_slider_changes_mask_scores_and_words(seen, threshold, mask, says):
    widget = threshold_explorer(IMAGE, PROBABILITY, TRUE)
    widget.slider.value = threshold
    live = seen(widget.picture.value)
    np.testing.assert_array_equal(live.pictures[1], error_map(TRUE, mask))
    assert live.alts[0] == f"foreground where the value is {says}"
    assert f"{says}</div>" in widget.picture.value


@pytest.mark.parametrize(
    "values", [torch.tensor(PROBABILITY).half()[None], PROBABILITY.tolist(), PROBABILITY[..., None]]
)
def test_values_may_be_tensors_or_lists(values):
    assert (
        threshold_explorer(IMAGE, values, TRUE).text() == threshold_explorer(IMAGE, PROBABILITY, TRUE).text()
    )


def test_grey_values_have_a_slider_to_255_and_dark_may_be_foreground():
    widget = threshold_explorer(IMAGE, np.array([[20, 90, 150, 220]], dtype=np.uint8), 1 - TRUE, below=True)
    assert (widget.slider.max, widget.slider.value) == (255, 128)
    assert "below 128: 50.0% of the pixels. Dice 1.000" in widget.text()
    widget.slider.value = 90
    assert "below 90: 25.0%" in widget.text(), "a value at the threshold is not below it"


@pytest.mark.parametrize("truth", [None, TRUE])
def test_the_static_twin_is_the_live_picture(seen, drawn, truth):
    widget = threshold_explorer(IMAGE, PROBABILITY, truth)
    widget.slider.value = 0.3
    figure = widget.static()
    pictures = seen(widget.html()).pictures
    assert len(pictures) == (2 if truth is None else 4)
    for live, still in zip(pictures, drawn(figure), strict=True):
        np.testing.assert_array_equal(live, still)
    assert figure.alt == widget.text()


def test_a_front_end_without_widgets_has_html_and_text(seen):
    widget = threshold_explorer(IMAGE, PROBABILITY, TRUE)
    bundle = widget.bundle()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/html"] == widget.html()
    assert bundle["text/plain"] == widget.text()
    assert all(seen(bundle["text/html"]).alts)


def test_the_slider_is_labelled_and_shown_above_the_pictures():
    widget = threshold_explorer(IMAGE, PROBABILITY)
    assert widget.slider.description == "threshold"
    assert isinstance(widget.box.children[0], ipywidgets.FloatSlider)


@pytest.mark.parametrize(
    ("values", "truth", "says"),
    [
        (PROBABILITY[:, :3], None, "1×4 and the values to threshold are 1×3"),
        (PROBABILITY - 1, None, "probabilities in .0, 1."),
        (PROBABILITY * np.nan, None, "without NaN"),
        (PROBABILITY, TRUE[:, :2], "true mask is 1×2"),
    ],
)
def test_what_does_not_fit_is_refused(values, truth, says):
    with pytest.raises(DataError, match=says):
        threshold_explorer(IMAGE, values, truth)
