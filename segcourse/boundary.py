"""Scores of the boundary of foreground masks: 95 % Hausdorff distance and normalised surface Dice.

The boundary of a mask consists of the foreground pixels that have a background pixel above, below, left or
right. Pixels outside the image count as background. Distances are measured between pixel centres.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from segcourse.counting import Mask, foreground
from segcourse.errors import DataError

Spacing = float | Sequence[float]


def hausdorff_distance_95(prediction: Mask, target: Mask, spacing: Spacing = 1.0) -> Tensor:
    """Return the 95 % Hausdorff distance between foreground masks, one per image.

    Each boundary pixel of one mask has a distance to the nearest boundary pixel of the other mask. The score
    is the 95th percentile of these distances, for the mask where it is larger. Unlike the maximum, the
    percentile tolerates a few outliers (Huttenlocher et al. 1993).

    Args:
        prediction, target: masks of 0 and 1 or bool, shape (..., H, W).
        spacing: size of a pixel, such as millimetres: one number, or (height, width).

    Returns:
        float64, shape (...), 0 or more, in the unit of `spacing`. Two empty masks have no score (NaN). If
        only one mask is empty, the distance is infinite.

    Raises:
        DataError: the shapes differ, a mask holds other values than 0 and 1, or the spacing is not positive.

    >>> hausdorff_distance_95(torch.tensor([[1, 0, 0, 0]]), torch.tensor([[0, 0, 0, 1]])).item()
    3.0
    >>> hausdorff_distance_95(torch.tensor([[1, 0, 0, 0]]), torch.tensor([[0, 0, 0, 1]]), spacing=0.5).item()
    1.5
    """

    return _score_images(_percentile_95, prediction, target, spacing)


def surface_dice(prediction: Mask, target: Mask, tolerance: float, spacing: Spacing = 1.0) -> Tensor:
    """Return the normalised surface Dice of foreground masks, one per image.

    The score is the fraction of boundary pixels of both masks that lie within `tolerance` of the other mask's
    boundary (Nikolov et al. 2018, arXiv 1809.04430). Here pixels are counted instead of contour lengths.

    Args:
        prediction, target: masks of 0 and 1 or bool, shape (..., H, W).
        tolerance: largest distance that counts as correct, in the unit of `spacing`, 0 or more.
        spacing: size of a pixel, such as millimetres: one number, or (height, width).

    Returns:
        float64, shape (...), values 0..1. Two empty masks have no score (NaN). If only one mask is empty, the
        score is 0.

    Raises:
        DataError: the shapes differ, a mask holds other values than 0 and 1, the spacing is not positive, or
            the tolerance is negative or not finite.

    >>> guess, truth = torch.tensor([[0, 1, 1, 0, 0]]), torch.tensor([[0, 1, 1, 1, 0]])
    >>> surface_dice(guess, truth, tolerance=0).item()  # (2 + 2) / (2 + 3)
    0.8
    >>> surface_dice(guess, truth, tolerance=1).item()  # (2 + 3) / (2 + 3)
    1.0
    """
    if not (np.isfinite(tolerance) and tolerance >= 0):
        raise DataError(f"the tolerance is {tolerance}; expected a finite distance of 0 or more.")
    return _score_images(partial(_share_within, tolerance=tolerance), prediction, target, spacing)


def boundary_scores(
    prediction: np.ndarray, target: np.ndarray, num_classes: int, tolerance: float, ignore_index: int = 255
) -> tuple[float, float]:
    """Return both scores of one image, in pixels: 95 % Hausdorff distance and surface Dice.

    With two classes they are those of class 1, the foreground, else means over the classes that occur in the
    mask or in the prediction. Ignored pixels belong to no class. A class that is in one of the two only has
    no distance; it counts as the diagonal of the image, so that a mean over images exists (as in the BraTS
    challenges).

    Args:
        prediction, target: class ids H×W.
        num_classes: the number of classes.
        tolerance: as in `surface_dice`, in pixels.
        ignore_index: the id of ignored pixels in `target`.

    >>> boundary_scores(np.array([[0, 1, 0, 0]]), np.array([[0, 0, 0, 1]]), 2, tolerance=0)
    (2.0, 0.0)
    >>> boundary_scores(np.zeros((3, 4)), np.eye(3, 4), 2, tolerance=0)  # the foreground is missed
    (5.0, 0.0)
    """
    kept = target != ignore_index
    scores = []
    for one in range(1 if num_classes == 2 else 0, num_classes):
        guess, truth = (prediction == one) & kept, (target == one) & kept
        if guess.any() or truth.any():
            distances = boundary_distances(guess, truth, (1.0, 1.0))
            farthest = np.hypot(*target.shape)
            scores.append((min(_percentile_95(*distances), farthest), _share_within(*distances, tolerance)))
    if not scores:
        return np.nan, np.nan
    distance, share = np.mean(scores, axis=0)
    return float(distance), float(share)


def _percentile_95(to_target: np.ndarray, to_prediction: np.ndarray) -> float:
    if not (to_target.size and to_prediction.size):
        return np.inf
    return max(np.percentile(to_target, 95), np.percentile(to_prediction, 95))


def _share_within(to_target: np.ndarray, to_prediction: np.ndarray, tolerance: float) -> float:
    distances = np.concatenate([to_target, to_prediction])
    return np.count_nonzero(distances <= tolerance) / distances.size


def boundary_distances(
    prediction: np.ndarray, target: np.ndarray, spacing: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance of each boundary pixel to the other mask's boundary, one array per mask.

    The masks are bool H×W. Distances to an empty mask are infinite.
    """
    rows, columns = (np.flatnonzero((prediction | target).any(axis)) for axis in (1, 0))
    if not rows.size:
        return np.empty(0), np.empty(0)
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)  # empty margins change nothing
    masks = prediction[window], target[window]
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in masks]

    def distances(edge: np.ndarray, other: np.ndarray) -> np.ndarray:
        if not other.any():
            return np.full(np.count_nonzero(edge), np.inf)
        return ndimage.distance_transform_edt(~other, sampling=spacing)[edge]

    return distances(edges[0], edges[1]), distances(edges[1], edges[0])


def _score_images(
    score: Callable[[np.ndarray, np.ndarray], float], prediction: Mask, target: Mask, spacing: Spacing
) -> Tensor:
    """Call `score` with the boundary distances of each image; two empty masks score NaN."""
    sides = np.ravel(spacing).astype(float)
    if sides.size not in (1, 2) or not (np.isfinite(sides) & (sides > 0)).all():
        raise DataError(f"the spacing is {spacing}; expected one positive number, or (height, width).")
    prediction, target = foreground(prediction, target, ignore_index=None)
    if prediction.ndim < 2:
        raise DataError(f"the masks have shape {tuple(prediction.shape)}; expected (..., height, width).")
    guesses, truths = (mask.cpu().flatten(0, -3).numpy() for mask in (prediction[None], target[None]))
    scores = []
    for guess, truth in zip(guesses, truths, strict=True):
        distances = boundary_distances(guess, truth, (sides[0], sides[-1]))
        scores.append(score(*distances) if guess.any() or truth.any() else np.nan)
    return torch.tensor(scores, dtype=torch.float64).reshape(prediction.shape[:-2])
