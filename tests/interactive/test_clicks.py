"""Clicks as maps, the simulated user and NoC: what the exercises of lesson 9 do not ask of the library."""

import numpy as np
import pytest
import torch

from segcourse import interactive
from segcourse.errors import DataError


def test_a_click_that_does_not_fit_is_explained():
    for click in [(4, 0, 1), (0, 5, 1), (-1, 0, 1), (0, 0, 2)]:
        with pytest.raises(DataError, match=r"does not fit an image of 4×5 pixels; give \(row"):
            interactive.clicks_to_map([click], (4, 5))


def test_masks_of_two_sizes_are_explained():
    with pytest.raises(DataError, match=r"shape \(2, 3\) and the target \(3, 2\)"):
        interactive.simulate_click(np.zeros((2, 3)), np.zeros((3, 2)))


def test_each_step_holds_click_mask_and_iou():
    target = torch.zeros(5, 8, dtype=torch.long)
    target[1:4, 1:7] = 1

    def discs(clicks):
        return interactive.clicks_to_map(clicks, (5, 8), radius=1.5)[0]

    steps = interactive.click_by_click(discs, target, threshold=0.9)
    assert [click for click, _, _ in steps] == [(2, 2, 1), (2, 5, 1)]
    assert [round(iou, 3) for *_, iou in steps] == [0.5, 1.0]
    assert interactive.number_of_clicks(discs, target) == 2
    assert interactive.number_of_clicks(discs, target, threshold=0.5) == 1


def test_a_curve_stays_where_nothing_is_wrong_any_more():
    square = torch.ones(4, 4, dtype=torch.long)
    half = square.clone()
    half[:, 2:] = 0
    samples = [(torch.zeros(3, 4, 4), square), (torch.zeros(3, 4, 4), half)]
    curve = interactive.iou_by_click(lambda image, clicks: square, samples, clicks=3)
    assert curve == [0.75, 0.75, 0.75]  # IoU 1 and 1/2


def test_small_objects_are_left_out():
    mask = torch.zeros(8, 8, dtype=torch.long)
    mask[0, 0], mask[4:8, 4:8] = 1, 1
    (one,) = interactive.single_objects([(torch.rand(3, 8, 8), mask, "x")], 1, side=6, least=0.1)
    assert one.image.shape == (3, 6, 6)
    assert one.mask.sum() == 16
    assert one.name == "x-2"
