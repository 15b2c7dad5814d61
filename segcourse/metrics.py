"""Scores of semantic segmentation: pure functions, and `Scores` for a whole data set.

One convention holds everywhere: a score of 0/0 is NaN, and averages skip NaN. A class that is absent from
both ground truth and prediction has no IoU. Two empty masks have no Dice score. Other libraries silently
choose other conventions; tests/test_parity.py compares the numbers.

*Per image* means one score per image, then the mean: every image counts equally. *Per data set* means all
pixels in one confusion matrix, then one score: large objects count more. Papers report both under the same
name; here each has its own name.

Masks are tensors or NumPy arrays. Scores are float64 tensors on the CPU.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from segcourse.counting import Mask, area, count_pairs, foreground
from segcourse.errors import DataError


def confusion_matrix(prediction: Mask, target: Mask, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Count how often each true class (row) was predicted as each class (column): int64 C×C.

    Args:
        prediction: class ids 0..C-1, any shape and integer type.
        target: true class ids, the same shape.
        num_classes: C.
        ignore_index: pixels with this target do not count, whatever was predicted there.

    Raises:
        DataError: the shapes differ, or an id is neither a class nor `ignore_index`.

    >>> truth = torch.tensor([[0, 0], [1, 255]])
    >>> guess = torch.tensor([[0, 1], [1, 0]])
    >>> confusion_matrix(guess, truth, num_classes=2).tolist()
    [[1, 1], [0, 1]]
    """
    return count_pairs(prediction, target, num_classes, ignore_index)


def iou_per_class(matrix: Tensor) -> Tensor:
    """Return the intersection over union (Jaccard) of each class: float64 C, 0..1.

    A class that is absent from both ground truth and prediction gets NaN.

    >>> iou_per_class(torch.tensor([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).tolist()
    [0.5, 0.6666666666666666, nan]
    """
    matrix = torch.as_tensor(matrix, dtype=torch.float64, device="cpu")
    intersection = matrix.diagonal()
    union = matrix.sum(dim=0) + matrix.sum(dim=1) - intersection
    return intersection / union


def dice_per_class(matrix: Tensor) -> Tensor:
    """Return the Dice score (F1) of each class: float64 C, 0..1.

    A class that is absent from both ground truth and prediction gets NaN.

    >>> dice_per_class(torch.tensor([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).tolist()
    [0.6666666666666666, 0.8, nan]
    """
    matrix = torch.as_tensor(matrix, dtype=torch.float64, device="cpu")
    return 2 * matrix.diagonal() / (matrix.sum(dim=0) + matrix.sum(dim=1))


def mean_iou(matrix: Tensor) -> Tensor:
    """Return the mean IoU over the classes that occur in ground truth or prediction: a float64 scalar.

    From Long et al. 2015, section 5.

    >>> mean_iou(torch.tensor([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).item()  # (1/2 + 2/3) / 2
    0.5833333333333333
    """
    return iou_per_class(matrix).nanmean()


def mean_dice(matrix: Tensor) -> Tensor:
    """Return the mean Dice over the classes that occur in ground truth or prediction: a float64 scalar.

    >>> round(mean_dice(torch.tensor([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).item(), 4)  # (2/3 + 4/5) / 2
    0.7333
    """
    return dice_per_class(matrix).nanmean()


def pixel_accuracy(matrix: Tensor) -> Tensor:
    """Return the fraction of correct pixels: a float64 scalar, NaN if the matrix counts no pixel.

    >>> pixel_accuracy(torch.tensor([[1, 1], [0, 2]])).item()
    0.75
    """
    matrix = torch.as_tensor(matrix, dtype=torch.float64, device="cpu")
    return matrix.trace() / matrix.sum()


def dice_score(prediction: Mask, target: Mask, ignore_index: int = 255) -> Tensor:
    """Return the Dice score of foreground masks, one per image: `2 |A ∩ B| / (|A| + |B|)`.

    Two empty masks have no score (NaN). If only one mask is empty, the score is 0.

    Args:
        prediction, target: masks of 0 and 1 or bool, shape (..., H, W).
        ignore_index: pixels with this target count as background in both masks.

    Returns:
        float64, shape (...), values 0..1.

    Raises:
        DataError: the shapes differ, or a mask holds other values than 0, 1 and `ignore_index`.

    >>> dice_score(torch.tensor([[1, 1], [0, 0]]), torch.tensor([[1, 0], [0, 0]])).item()  # 2·1 / (2 + 1)
    0.6666666666666666
    """
    prediction, target = foreground(prediction, target, ignore_index)
    return 2 * area(prediction & target) / (area(prediction) + area(target))


def iou_score(prediction: Mask, target: Mask, ignore_index: int = 255) -> Tensor:
    """Return the IoU (Jaccard index) of foreground masks, one per image; arguments as in `dice_score`.

    >>> iou_score(torch.tensor([[1, 1], [0, 0]]), torch.tensor([[1, 0], [0, 0]])).item()  # 1 / 2
    0.5
    """
    prediction, target = foreground(prediction, target, ignore_index)
    return area(prediction & target) / area(prediction | target)


def threshold_jaccard(
    prediction: Mask, target: Mask, threshold: float = 0.65, ignore_index: int = 255
) -> Tensor:
    """Return the mean Jaccard index over images, where an index below the threshold counts as 0.

    This is the score of ISIC 2018, Task 1. Images without a score (two empty masks) are left out of the mean.

    Args:
        prediction, target: foreground masks, as in `dice_score`.
        threshold: a Jaccard index below this counts as 0.
        ignore_index: as in `dice_score`.

    >>> masks = torch.tensor([[[1, 1, 1, 0]], [[1, 0, 0, 0]]])  # Jaccard 3/4 and 1/4
    >>> threshold_jaccard(masks, torch.ones_like(masks)).item()  # (3/4 + 0) / 2
    0.375
    """
    jaccard = iou_score(prediction, target, ignore_index)
    return jaccard.where(~(jaccard < threshold), 0).nanmean()  # NaN is not below, so it stays NaN


class Scores:
    """Scores of a data set, accumulated batch by batch: per image and per data set.

    With two classes, the scores per image, `dice_per_dataset` and `iou_per_dataset` are those of class 1, the
    foreground. With more classes they are means over the classes that occur.

    Attributes:
        matrix: the confusion matrix of all pixels so far, int64 C×C.
        per_image: one dict per image with `name`, `dice` and `iou`.

    >>> scores = Scores(num_classes=2)
    >>> guesses, truths = torch.tensor([[[1, 1]], [[1, 0]]]), torch.tensor([[[1, 1]], [[0, 1]]])
    >>> scores.update(guesses, truths, names=["hit", "miss"])
    >>> [(row["name"], row["dice"]) for row in scores.per_image]
    [('hit', 1.0), ('miss', 0.0)]
    >>> summary = scores.compute()
    >>> summary["dice_per_image"], round(summary["dice_per_dataset"], 4)  # (1 + 0) / 2;  2·2 / (3 + 3)
    (0.5, 0.6667)
    """

    def __init__(self, num_classes: int, ignore_index: int = 255):
        self.num_classes, self.ignore_index = num_classes, ignore_index
        self.matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
        self.per_image: list[dict] = []

    def update(self, prediction: Mask, target: Mask, names: Sequence[str] | None = None) -> None:
        """Add a batch.

        Args:
            prediction, target: class ids N×H×W.
            names: one name per image; by default "image 0", "image 1", …

        Raises:
            DataError: the numbers of predictions, targets and names differ.
        """
        if names is None:
            names = [f"image {len(self.per_image) + i}" for i in range(len(target))]
        if not len(prediction) == len(target) == len(names):
            raise DataError(
                f"{len(prediction)} predictions, {len(target)} targets and {len(names)} names; "
                "give one of each per image."
            )
        for name, mask, truth in zip(names, prediction, target, strict=True):
            matrix = confusion_matrix(mask, truth, self.num_classes, self.ignore_index).cpu()
            self.matrix += matrix
            dice, iou = (
                self._foreground_or_mean(dice_per_class(matrix)),
                self._foreground_or_mean(iou_per_class(matrix)),
            )
            self.per_image.append({"name": str(name), "dice": dice, "iou": iou})

    def merge(self, other: "Scores") -> None:
        """Add the counts of another `Scores`, from another process or another part of the data set."""
        if (self.num_classes, self.ignore_index) != (other.num_classes, other.ignore_index):
            raise DataError(
                f"scores of {other.num_classes} classes (ignoring {other.ignore_index}) cannot be merged "
                f"into scores of {self.num_classes} (ignoring {self.ignore_index})."
            )
        self.matrix += other.matrix
        self.per_image += other.per_image

    def compute(self, threshold: float = 0.65) -> dict[str, float | int | list[float]]:
        """Return all scores so far as plain numbers, NaN where there is nothing to score."""
        dice = torch.tensor([row["dice"] for row in self.per_image], dtype=torch.float64)
        iou = torch.tensor([row["iou"] for row in self.per_image], dtype=torch.float64)
        return {
            "dice_per_image": dice.nanmean().item(),
            "jaccard_per_image": iou.nanmean().item(),
            "threshold_jaccard": iou.where(~(iou < threshold), 0).nanmean().item(),
            "dice_per_dataset": self._foreground_or_mean(dice_per_class(self.matrix)),
            "iou_per_dataset": self._foreground_or_mean(iou_per_class(self.matrix)),
            "mean_iou": mean_iou(self.matrix).item(),
            "mean_dice": mean_dice(self.matrix).item(),
            "pixel_accuracy": pixel_accuracy(self.matrix).item(),
            "iou_per_class": iou_per_class(self.matrix).tolist(),
            "images": len(self.per_image),
        }

    def _foreground_or_mean(self, per_class: Tensor) -> float:
        return (per_class[1] if self.num_classes == 2 else per_class.nanmean()).item()
