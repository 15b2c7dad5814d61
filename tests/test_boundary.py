"""Boundary scores: cases to check by hand, conventions for empty masks, and properties of distances."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from segcourse import hausdorff_distance_95, surface_dice
from segcourse.errors import DataError


def mask(*rows):
    """A mask from rows of text: "#" is foreground."""
    return torch.tensor([[pixel == "#" for pixel in row] for row in rows])


EMPTY = mask("....", "....", "....")
SQUARE = mask("##..", "##..", "....")
SHIFTED = mask(".##.", ".##.", "....")
FRAME = mask("#####", "#####", "#####", "#####", "#####")  # its boundary is the frame, not the 3 × 3 inside
RING = mask("#####", "#...#", "#...#", "#...#", "#####")


@pytest.mark.parametrize(
    ("prediction", "target", "spacing", "distance"),
    [
        (SQUARE, SQUARE, 1.0, 0.0),
        (SQUARE, SHIFTED, 1.0, 1.0),  # half of the distances are 0, half are 1
        (SQUARE, SHIFTED, 0.25, 0.25),
        (SQUARE, SHIFTED, (7.0, 2.0), 2.0),  # the shift is along the width
        (SQUARE.T, SHIFTED.T, (7.0, 2.0), 7.0),
        (mask("#..", "...", "..."), mask("...", "...", "..#"), 1.0, math.sqrt(8)),
        (FRAME, RING, 1.0, 0.0),  # a hole inside is a boundary of the ring, and lies on the frame's
        # 20 pixels at distance 0 and one at 20: the 95th percentile of 21 values is the 20th value
        (mask("#" * 20 + "." * 20), mask("#" * 20 + "." * 19 + "#"), 1.0, 0.0),
        # the distances are 0, 1, … 9, and the percentile is interpolated linearly: 0.95 * 9
        (mask("#" + "." * 9), mask("#" * 10), 1.0, 8.55),
    ],
)
def test_distances_by_hand(prediction, target, spacing, distance):
    score = hausdorff_distance_95(prediction, target, spacing)
    assert score.dtype == torch.float64
    assert score.item() == pytest.approx(distance)


@pytest.mark.parametrize(
    ("prediction", "target", "tolerance", "spacing", "score"),
    [
        (SQUARE, SQUARE, 0, 1.0, 1.0),
        (SQUARE, SHIFTED, 0, 1.0, 0.5),  # the column in common
        (SQUARE, SHIFTED, 0.99, 1.0, 0.5),
        (SQUARE, SHIFTED, 1, 1.0, 1.0),
        (SQUARE, SHIFTED, 1, 2.0, 0.5),  # the same shift is now 2 units
        (SQUARE, SHIFTED, 1, (9.0, 1.0), 1.0),
        (FRAME, RING, 0, 1.0, 1.0),
        (mask("#" + "." * 9), mask("#" * 10), 3, 1.0, 5 / 11),  # 1 of 1, and 4 of 10
    ],
)
def test_surface_dice_by_hand(prediction, target, tolerance, spacing, score):
    assert surface_dice(prediction, target, tolerance, spacing).item() == pytest.approx(score)


def test_empty_masks():
    assert hausdorff_distance_95(EMPTY, EMPTY).isnan()
    assert surface_dice(EMPTY, EMPTY, tolerance=1).isnan()
    for pair in ((EMPTY, SQUARE), (SQUARE, EMPTY)):
        assert hausdorff_distance_95(*pair).item() == math.inf
        assert surface_dice(*pair, tolerance=100).item() == 0


def test_one_score_per_image_of_any_batch_and_any_type():
    predictions, targets = torch.stack([SQUARE, EMPTY, SQUARE]), torch.stack([SHIFTED, EMPTY, SQUARE])
    expected = [1.0, math.nan, 0.0]
    for kind in (lambda m: m, torch.Tensor.byte, torch.Tensor.long, torch.Tensor.numpy):
        scores = hausdorff_distance_95(kind(predictions), kind(targets))
        np.testing.assert_array_equal(scores, expected)
    grid = predictions.reshape(3, 1, 3, 4), targets.reshape(3, 1, 3, 4)
    assert hausdorff_distance_95(*grid).shape == surface_dice(*grid, tolerance=1).shape == (3, 1)
    assert surface_dice(predictions[:0], targets[:0], tolerance=1).shape == (0,)
    assert hausdorff_distance_95(SQUARE, SHIFTED).shape == ()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((SQUARE, SQUARE.T, 1), "resize the logits"),
        ((SQUARE, 255 * SQUARE.byte(), 1), "mask // 255"),
        ((SQUARE.float(), SQUARE, 1), "class ids are integers"),
        ((SQUARE[0], SQUARE[0], 1), "expected \\(..., height, width\\)"),
        ((SQUARE, SQUARE, -1), "the tolerance is -1"),
        ((SQUARE, SQUARE, math.nan), "the tolerance is nan"),
        ((SQUARE, SQUARE, 1, 0), "the spacing is 0"),
        ((SQUARE, SQUARE, 1, (1, -1)), "the spacing is"),
        ((SQUARE, SQUARE, 1, (1, 1, 1)), "the spacing is"),
    ],
)
def test_wrong_arguments_are_explained(arguments, says):
    with pytest.raises(DataError, match=says):
        surface_dice(*arguments)


masks = st.lists(st.booleans(), min_size=30, max_size=30).map(lambda bits: torch.tensor(bits).reshape(5, 6))


@given(masks, masks, st.floats(0, 5))
def test_symmetric_in_prediction_and_target(one, other, tolerance):
    torch.testing.assert_close(
        hausdorff_distance_95(one, other), hausdorff_distance_95(other, one), equal_nan=True
    )
    ours, swapped = surface_dice(one, other, tolerance), surface_dice(other, one, tolerance)
    torch.testing.assert_close(ours, swapped, equal_nan=True)


@given(masks)
def test_equal_masks_are_perfect(one):
    assume(one.any())
    assert hausdorff_distance_95(one, one) == 0
    assert surface_dice(one, one, tolerance=0) == 1


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 8), st.integers(0, 8), st.floats(0.1, 10))
def test_a_rectangle_moved_by_k_pixels_is_k_pixels_away(height, width, down, right, spacing):
    """At most: a boundary pixel can be nearer to another one than to its own copy. A single pixel is not."""
    canvas = torch.zeros(2, 20, 20, dtype=torch.bool)
    canvas[0, :height, :width] = True
    canvas[1, down : down + height, right : right + width] = True
    distance, moved = hausdorff_distance_95(*canvas, spacing=spacing), spacing * math.hypot(down, right)
    assert distance <= moved + 1e-9
    if height == width == 1:
        assert distance.item() == pytest.approx(moved)
    assert surface_dice(*canvas, tolerance=moved + 1e-9, spacing=spacing) == 1


@given(masks, masks, st.integers(0, 4), st.integers(0, 4))
def test_moving_both_masks_changes_nothing(one, other, down, right):
    assume(one.any() or other.any())
    margins = (right, 4 - right, down, 4 - down)
    moved = [torch.nn.functional.pad(each.byte(), margins) for each in (one, other)]
    assert hausdorff_distance_95(*moved) == hausdorff_distance_95(one, other)
    assert surface_dice(*moved, tolerance=1) == surface_dice(one, other, tolerance=1)


@given(masks, masks, st.floats(0, 5), st.floats(0, 5))
def test_more_tolerance_never_lowers_the_score(one, other, tolerance, more):
    assume(one.any() or other.any())
    assert surface_dice(one, other, tolerance + more) >= surface_dice(one, other, tolerance)
