"""Clicks as a network sees them, clicks of a simulated user, and the number of clicks to a good mask."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from segcourse.classical.clicks import Click, valid_clicks
from segcourse.errors import DataError
from segcourse.metrics import iou_score


def clicks_to_map(clicks: Iterable[Click], size: tuple[int, int], radius: float = 3) -> Tensor:
    """Return two channels with a disc around each click: float32 2×H×W of 0 and 1.

    Channel 0 holds the clicks on the object, channel 1 those on the background. Discs are the encoding
    that Benenson et al. 2019 (arXiv:1903.10830) found best; Xu et al. 2016 (arXiv:1603.04042, section 3.1)
    used distances.

    Args:
        clicks: any number of (row, column, label).
        size: (H, W).
        radius: largest distance from the click, in pixels.

    Raises:
        DataError: a click lies outside, or its label is neither 0 nor 1.

    >>> clicks_to_map([(0, 1, 1)], size=(2, 3), radius=1)[0].tolist()
    [[1.0, 1.0, 1.0], [0.0, 1.0, 0.0]]
    """
    maps = torch.zeros(2, *size)
    rows, columns = torch.arange(size[0])[:, None], torch.arange(size[1])
    for row, column, label in valid_clicks(clicks, size):
        maps[1 - label][(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = 1
    return maps


def simulate_click(prediction: Any, target: Any) -> Click | None:
    """Return where a user clicks next: deepest inside what is missing or what is too much.

    Depth is the Euclidean distance to the nearest pixel without this kind of error; beyond the image there is
    none. Sofiiuk et al. 2021 (arXiv:2102.06583) evaluate with this user. Of equally deep pixels, the first
    missing one counts.

    Args:
        prediction, target: masks H×W; what is not 0 belongs to the object.

    Returns:
        The click, with label 1 if the pixel is missing and 0 if it is too much; None if nothing is wrong.

    Raises:
        DataError: the masks are not H×W, or have different sizes.

    >>> simulate_click([[0, 0, 0, 0]] * 3, [[0, 1, 1, 1]] * 3)
    (1, 2, 1)
    """
    found, wanted = (np.asarray(mask) != 0 for mask in (prediction, target))
    if found.ndim != 2 or found.shape != wanted.shape:
        raise DataError(
            f"the prediction has shape {found.shape} and the target {wanted.shape}; give two masks H×W of "
            "one size."
        )
    too_much, missing = (_depth(wrong) for wrong in (found & ~wanted, wanted & ~found))
    label = int(missing.max() >= too_much.max())
    depth = missing if label else too_much
    row, column = divmod(int(depth.argmax()), depth.shape[1])
    return (row, column, label) if depth[row, column] else None


def _depth(wrong: np.ndarray) -> np.ndarray:
    framed = np.pad(wrong, 1).astype(np.uint8)
    return cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]


def number_of_clicks(
    segment: Callable[[Sequence[Click]], Any],
    target: Any,
    threshold: float = 0.85,
    limit: int = 20,
    next_click: Callable[[Any, Any], Click | None] = simulate_click,
) -> int:
    """Count the clicks after which a mask reaches an IoU: NoC@85, capped at 20.

    The mean over images is the usual score of interactive methods (Xu et al. 2016, arXiv:1603.04042, section
    5). The cap makes failures cheap, so count them as well.

    Args:
        segment: returns a mask H×W for the clicks so far.
        target: the true mask, H×W of 0 and 1.
        threshold: IoU at which the user stops.
        limit: number of clicks at which the user gives up; it is returned then.
        next_click: the user: returns the next click for a prediction and the target.

    >>> number_of_clicks(lambda clicks: torch.ones(4, 4), torch.ones(4, 4))
    1
    """
    return len(click_by_click(segment, target, threshold, limit, next_click))


def click_by_click(
    segment: Callable[[Sequence[Click]], Any],
    target: Any,
    threshold: float = 0.85,
    limit: int = 20,
    next_click: Callable[[Any, Any], Click | None] = simulate_click,
) -> list[tuple[Click, Tensor, float]]:
    """Return each click of a simulated user, the mask after it and its IoU; see `number_of_clicks`."""
    wanted = torch.as_tensor(target).long()
    mask = torch.zeros_like(wanted)
    clicks: list[Click] = []
    steps: list[tuple[Click, Tensor, float]] = []
    while len(steps) < limit and (click := next_click(mask, wanted)):
        clicks.append(click)
        mask = torch.as_tensor(segment(clicks)).long()
        steps.append((click, mask, iou_score(mask[None], wanted[None]).item()))
        if steps[-1][2] >= threshold:
            break
    return steps


def iou_by_click(
    method: Callable[[Any, Sequence[Click]], Any], samples: Iterable[Any], clicks: int = 8
) -> list[float]:
    """Return the mean IoU over samples after 1, 2, … clicks of a simulated user.

    Args:
        method: returns a mask H×W for an image and its clicks.
        samples: (image, mask, …).
        clicks: number of clicks per image. Where nothing is wrong any more, the IoU stays.
    """
    curves = []
    for image, mask, *_ in samples:
        steps = click_by_click(partial(method, image), mask, threshold=2, limit=clicks)
        scores = [iou for *_, iou in steps]
        curves.append(scores + scores[-1:] * (clicks - len(scores)))
    return np.mean(curves, axis=0).tolist()
