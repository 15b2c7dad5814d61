"""Widgets that draw in the browser, as far as Python is concerned: twin, words, data, errors.

`tests/browser/test_widgets.py` runs their scripts.
"""

import json
import re
from html import unescape

import cv2
import numpy as np
import pytest
import torch

from segcourse import metrics
from segcourse.errors import DataError
from segcourse.palette import Palette
from segcourse.widgets import (
    click_to_segment,
    label_with_clicks,
    mask_viewer,
    metric_explorer,
    receptive_field_explorer,
)
from segcourse.widgets.field import touched
from segcourse.widgets.scores import distance, moved, scores

IMAGE = np.full((6, 8, 3), 90, np.uint8)
MASK = np.zeros((6, 8), np.uint8)
MASK[2:4, 2:6] = 1


def disc(side=41, radius=8):
    y, x = np.indices((side, side)) - side // 2
    return (np.hypot(y, x) <= radius).astype(np.uint8)


WIDGETS = {
    "viewer": lambda: mask_viewer(IMAGE, MASK, 1 - MASK),
    "clicks": lambda: click_to_segment(IMAGE, MASK),
    "labels": lambda: label_with_clicks(IMAGE, MASK, clicks=[(3, 4, 1)]),
    "field": lambda: receptive_field_explorer((1, 2)),
    "scores": lambda: metric_explorer(MASK),
}


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widget_is_its_twin_until_its_script_runs(name):
    page = WIDGETS[name]().html()
    assert "<script" not in page
    assert '<div data-part="stage" hidden>' in page
    alts = re.findall(r'<img [^>]*alt="([^"]*)"', page)
    assert min(map(len, alts)) > 15
    json.loads(unescape(re.search(r'data-live="([^"]*)"', page)[1]))
    labelled = page.count("<label>")
    assert labelled == len(re.findall(r"<input|<select", page)), "each control has a label"


def test_the_viewer_says_shares_and_scores():
    assert mask_viewer(IMAGE, MASK, MASK).text() == (
        "Share of the pixels in the truth: foreground 16.7%. Dice 1.00 · IoU 1.00."
    )


def test_labelling_says_clicks_share_and_score():
    square = np.where(MASK[..., None] == 1, 20, IMAGE)
    widget = label_with_clicks(square, MASK, clicks=[(3, 4, 1)])
    assert widget.text() == "1 click: 16.7 % of the pixels. IoU 1.00."
    assert label_with_clicks(IMAGE).text() == "0 clicks: 0.0 % of the pixels."


def test_an_answer_is_folded_in_the_twin():
    page = receptive_field_explorer((2, 2, 2)).html()
    assert page.index("<details>") < page.index("49 of them are seen")
    assert "49" not in receptive_field_explorer((2, 2, 2)).text()


@pytest.mark.parametrize(
    ("dilations", "count"), [((2, 2, 2), 49), ((1, 2, 4), 225), ((1, 1, 1), 49), ((3,), 9)]
)
def test_touched_pixels_are_those_with_a_gradient(dilations, count):
    side = 25
    x = torch.zeros(1, 1, side, side, requires_grad=True)
    y = x
    for dilation in dilations:
        y = torch.nn.functional.conv2d(y, torch.ones(1, 1, 3, 3), padding=dilation, dilation=dilation)
    y[0, 0, side // 2, side // 2].backward()
    seen = touched(dilations, 3, side)
    np.testing.assert_array_equal(seen, x.grad[0, 0].numpy() != 0)
    assert seen.sum() == count


def test_the_seven_scores_are_the_librarys():
    truth, prediction = disc(), moved(distance(disc()), right=5, down=-2, size=1)
    one, other = torch.from_numpy(prediction).long(), torch.from_numpy(truth).long()
    accuracy, precision, recall, dice, iou, mean, threshold = scores(truth, prediction)
    matrix = metrics.confusion_matrix(one, other, 2)
    both = (truth & prediction).sum()
    assert accuracy == pytest.approx(metrics.pixel_accuracy(matrix).item())
    assert precision == pytest.approx(both / prediction.sum())
    assert recall == pytest.approx(both / truth.sum())
    assert dice == pytest.approx(metrics.dice_score(one, other).item())
    assert iou == pytest.approx(metrics.iou_score(one, other).item())
    assert mean == pytest.approx(metrics.mean_iou(matrix).item())
    assert (iou < 0.65, threshold) == (True, 0)


def test_a_mask_grows_shrinks_and_moves():
    field = distance(disc(radius=8))
    np.testing.assert_array_equal(moved(field, 0, 0, 0), disc(radius=8))
    brush = disc(side=7, radius=3)
    np.testing.assert_array_equal(moved(field, 0, 0, 3), cv2.dilate(disc(radius=8), brush))
    np.testing.assert_array_equal(moved(field, 0, 0, -3), cv2.erode(disc(radius=8), brush))
    np.testing.assert_array_equal(moved(field, 4, -6, 0), np.roll(disc(radius=8), (-6, 4), (0, 1)))
    assert moved(field, 41, 0, 0).sum() == 0


def test_nothing_predicted_has_no_precision():
    assert "precision –" in metric_explorer(MASK, right=8).text()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: metric_explorer(0 * MASK), "at least one foreground pixel"),
        (lambda: metric_explorer(2 * MASK), r"holds the values \[0, 2\]"),
        (lambda: receptive_field_explorer((5,)), "dilations from 1 to 4"),
        (lambda: receptive_field_explorer((1,), kernel=4), "a kernel of 3, 5 or 7"),
        (lambda: click_to_segment(IMAGE, seed=(6, 0)), r"the click \(6, 0\) with tolerance 20 does not fit"),
        (lambda: click_to_segment(IMAGE, tolerance=101), "a tolerance from 0 to 100"),
        (
            lambda: label_with_clicks(IMAGE, clicks=[(6, 0, 1)]),
            r"the click \(6, 0, 1\) does not fit an image of 6×8",
        ),
        (
            lambda: label_with_clicks(np.zeros((4, 385, 3), np.uint8)),
            "4×385 pixels; resize it to at most 384",
        ),
        (lambda: mask_viewer(IMAGE, MASK[1:]), "true mask is 5×8"),
    ],
)
def test_bad_arguments_are_explained(make, says):
    with pytest.raises(DataError, match=says):
        make()


def test_void_has_its_own_box_in_the_viewer():
    mask = np.where(MASK == 1, 255, 2).astype(np.uint8)
    page = mask_viewer(IMAGE, mask, palette=Palette.default(("road", "car", "sky"))).html()
    assert re.findall(r'data-part="class-(\d+)"', page) == ["2", "255"]
