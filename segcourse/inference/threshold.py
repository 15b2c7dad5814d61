"""Choose the threshold of a two-class model on validation images."""

from typing import Any

import torch

from segcourse.data import SampleDataset
from segcourse.inference.segmenter import Segmenter
from segcourse.palette import IGNORE
from segcourse.threads import choose_threads, use_threads

THRESHOLDS = tuple(k / 100 for k in range(30, 75, 5))
_WORTH = 0.001  # a smaller gain on the validation images says nothing about other images


def choose_threshold(segmenter: Segmenter, dataset: SampleDataset, **options: Any) -> float:
    """Return the threshold on the probability of class 1 with the best mean per-image Dice.

    Choose it on the validation images, never on test images: the scores of the images that chose it are a
    little too good.

    Args:
        segmenter: a model of two classes.
        dataset: samples (image, mask, name), each image at its full size.
        options: `flips`, `tile` and `overlap`, as in `Segmenter.probabilities`.

    Returns:
        One of `THRESHOLDS`; 0.5 unless another gains at least 0.001.
    """
    with use_threads(choose_threads(segmenter.logits, dataset[0][0])):
        samples = (dataset[i] for i in range(len(dataset)))
        dice = [
            dice_by_threshold(segmenter.probabilities(image, **options)[1].cpu(), mask)
            for image, mask, _ in samples
        ]
    means = torch.tensor(dice, dtype=torch.float64).nanmean(0).nan_to_num()
    best = int(means.argmax())
    return THRESHOLDS[best] if means[best] >= means[THRESHOLDS.index(0.5)] + _WORTH else 0.5


def dice_by_threshold(probability: torch.Tensor, mask: torch.Tensor) -> list[float]:
    """Return the Dice score of one image at each of `THRESHOLDS`; NaN if mask and prediction are empty.

    >>> scores = dice_by_threshold(torch.tensor([[0.9, 0.6, 0.3]]), torch.tensor([[1, 0, 0]]))
    >>> scores[THRESHOLDS.index(0.5)], scores[THRESHOLDS.index(0.7)]  # 2·1 / (2 + 1), 2·1 / (1 + 1)
    (0.6666666666666666, 1.0)
    """
    counted = mask != IGNORE
    values, truth = probability[counted], mask[counted] == 1
    scores = []
    for threshold in THRESHOLDS:
        found = values > threshold
        total = int(found.sum() + truth.sum())
        scores.append(2 * int((found & truth).sum()) / total if total else float("nan"))
    return scores
