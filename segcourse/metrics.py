"""Scores of semantic segmentation: pure functions, and `Scores`, which gathers them over a data set.

One convention holds everywhere: a score that is 0/0 is NaN, because there was nothing to find and nothing was
found, and averages skip NaN. A class that is absent from truth and prediction has no IoU, and two empty masks
have no Dice. Other libraries decide otherwise, and silently; tests/test_parity.py has the numbers.

*Per image* means one score an image, then their mean: every image counts the same. *Per data set* means all
pixels in one matrix, then one score: large objects count more. Papers report both under the same name; here
each is named.

Masks are tensors or NumPy arrays; scores are float64 tensors on the CPU.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from segcourse.counting import Mask, area, count_pairs, foreground
from segcourse.errors import DataError


def confusion_matrix(prediction: Mask, target: Mask, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Count how often each true class (row) was predicted as each class (column): int64 C×C.

    `prediction` and `target` hold class ids 0..C-1, in any shape and integer type, the same shape in both.
    Pixels whose target is `ignore_index` are left out, whatever was predicted there.

    Raises:
        DataError: the shapes differ, or an id is neither a class nor `ignore_index`.

    >>> truth = torch.tensor([[0, 0], [1, 255]])
    >>> guess = torch.tensor([[0, 1], [1, 0]])
    >>> confusion_matrix(guess, truth, num_classes=2).tolist()
    [[1, 1], [0, 1]]
    """
    return count_pairs(prediction, target, num_classes, ignore_index)


def iou_per_class(matrix: Tensor) -> Tensor:
    """Intersection over union (Jaccard) of each class: float64 C, 0..1; NaN if it is absent from both.

    >>> iou_per_class(torch.tensor([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).tolist()
    [0.5, 0.6666666666666666, nan]
    """
    matrix = torch.as_tensor(matrix, dtype=torch.float64, device="cpu")
    intersection = matrix.diagonal()
    union = matrix.sum(dim=0) + matrix.sum(dim=1) - intersection
    return intersection / union


def dice_per_class(matrix: Tensor) -> Tensor:
    """Dice score (F1) of each class, float64 C in 0..1; NaN for a class that is absent from both.

    >>> dice_per_class(torch.tensor([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).tolist()
    [0.6666666666666666, 0.8, nan]
    """
    matrix = torch.as_tensor(matrix, dtype=torch.float64, device="cpu")
    return 2 * matrix.diagonal() / (matrix.sum(dim=0) + matrix.sum(dim=1))


def mean_iou(matrix: Tensor) -> Tensor:
    """Mean IoU over the classes that occur in truth or prediction: a float64 scalar (Long et al. 2015,
    section 5).

    >>> mean_iou(torch.tensor([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).item()  # (1/2 + 2/3) / 2
    0.5833333333333333
    """
    return iou_per_class(matrix).nanmean()


def mean_dice(matrix: Tensor) -> Tensor:
    """Mean Dice over the classes that occur in truth or prediction: a float64 scalar.

    >>> round(mean_dice(torch.tensor([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).item(), 4)  # (2/3 + 4/5) / 2
    0.7333
    """
    return dice_per_class(matrix).nanmean()


def pixel_accuracy(matrix: Tensor) -> Tensor:
    """Share of the pixels that are right: a float64 scalar; NaN when no pixel was counted.

    >>> pixel_accuracy(torch.tensor([[1, 1], [0, 2]])).item()
    0.75
    """
    matrix = torch.as_tensor(matrix, dtype=torch.float64, device="cpu")
    return matrix.trace() / matrix.sum()


def dice_score(prediction: Mask, target: Mask, ignore_index: int = 255) -> Tensor:
    """Dice score of foreground masks, one for each image: 2 |A ∩ B| / (|A| + |B|).

    Masks of 0 and 1 (or bool), shape (..., H, W), give float64 scores of shape (...). Two empty masks have no
    score (NaN); if only one is empty the score is 0. Pixels whose target is `ignore_index` leave both masks.

    >>> dice_score(torch.tensor([[1, 1], [0, 0]]), torch.tensor([[1, 0], [0, 0]])).item()  # 2·1 / (2 + 1)
    0.6666666666666666
    """
    prediction, target = foreground(prediction, target, ignore_index)
    return 2 * area(prediction & target) / (area(prediction) + area(target))


def iou_score(prediction: Mask, target: Mask, ignore_index: int = 255) -> Tensor:
    """Intersection over union (Jaccard index) of foreground masks, one for each image; see `dice_score`.

    >>> iou_score(torch.tensor([[1, 1], [0, 0]]), torch.tensor([[1, 0], [0, 0]])).item()  # 1 / 2
    0.5
    """
    prediction, target = foreground(prediction, target, ignore_index)
    return area(prediction & target) / area(prediction | target)


def threshold_jaccard(
    prediction: Mask, target: Mask, threshold: float = 0.65, ignore_index: int = 255
) -> Tensor:
    """Mean over images of the Jaccard index, where one below the threshold counts as 0 (ISIC 2018, Task 1).

    Foreground masks as in `dice_score`. Images without a score (two empty masks) are left out of the mean.

    >>> masks = torch.tensor([[[1, 1, 1, 0]], [[1, 0, 0, 0]]])  # Jaccard 3/4 and 1/4
    >>> threshold_jaccard(masks, torch.ones_like(masks)).item()  # (3/4 + 0) / 2
    0.375
    """
    jaccard = iou_score(prediction, target, ignore_index)
    return jaccard.where(~(jaccard < threshold), 0).nanmean()  # NaN is not below, so it stays NaN


class Scores:
    """Scores of a data set, gathered batch by batch: per image and per data set.

    With two classes, the figures per image and `dice_per_dataset`, `iou_per_dataset` are those of the
    foreground, class 1; with more classes they are means over the classes that occur. `per_image` keeps one
    row an image: `name`, `dice`, `iou`.

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
        """Add a batch: class ids N×H×W each, and a name for each image."""
        if names is None:
            names = [f"image {len(self.per_image) + i}" for i in range(len(target))]
        if not len(prediction) == len(target) == len(names):
            raise DataError(
                f"{len(prediction)} predictions, {len(target)} targets and {len(names)} names; "
                "give one of each an image."
            )
        for name, mask, truth in zip(names, prediction, target, strict=True):
            matrix = confusion_matrix(mask, truth, self.num_classes, self.ignore_index).cpu()
            self.matrix += matrix
            dice, iou = self._figure(dice_per_class(matrix)), self._figure(iou_per_class(matrix))
            self.per_image.append({"name": str(name), "dice": dice, "iou": iou})

    def merge(self, other: "Scores") -> None:
        """Add what another `Scores` (of another process, of another part of the data) has gathered."""
        if (self.num_classes, self.ignore_index) != (other.num_classes, other.ignore_index):
            raise DataError(
                f"scores of {other.num_classes} classes (ignoring {other.ignore_index}) cannot join scores "
                f"of {self.num_classes} (ignoring {self.ignore_index})."
            )
        self.matrix += other.matrix
        self.per_image += other.per_image

    def compute(self, threshold: float = 0.65) -> dict[str, float | int | list[float]]:
        """All figures of what was gathered so far, as plain numbers; NaN where there is nothing to score."""
        dice = torch.tensor([row["dice"] for row in self.per_image], dtype=torch.float64)
        iou = torch.tensor([row["iou"] for row in self.per_image], dtype=torch.float64)
        return {
            "dice_per_image": dice.nanmean().item(),
            "jaccard_per_image": iou.nanmean().item(),
            "threshold_jaccard": iou.where(~(iou < threshold), 0).nanmean().item(),
            "dice_per_dataset": self._figure(dice_per_class(self.matrix)),
            "iou_per_dataset": self._figure(iou_per_class(self.matrix)),
            "mean_iou": mean_iou(self.matrix).item(),
            "mean_dice": mean_dice(self.matrix).item(),
            "pixel_accuracy": pixel_accuracy(self.matrix).item(),
            "iou_per_class": iou_per_class(self.matrix).tolist(),
            "images": len(self.per_image),
        }

    def _figure(self, per_class: Tensor) -> float:
        return (per_class[1] if self.num_classes == 2 else per_class.nanmean()).item()
