"""Losses of semantic segmentation as pure functions.

Each loss takes `logits` (float N×C×H×W, before softmax) and `target` (integer N×H×W, class ids 0..C-1) and
returns a scalar tensor. Each loss guarantees:

- Pixels whose target is `ignore_index` change nothing, whatever was predicted there.
- Sums are float32 or wider: float16 overflows at 65504, and bfloat16 can't count past 256.
- A batch in which every pixel is ignored gives 0 with a zero gradient, not NaN.

Each loss raises a DataError if the shapes don't match or the target holds an id outside 0..C-1.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from segcourse.errors import DataError


def cross_entropy(
    logits: Tensor, target: Tensor, ignore_index: int = 255, weight: Sequence[float] | None = None
) -> Tensor:
    """Return the mean of -log p(true class) over the pixels that are not ignored.

    PyTorch's own mean is 0/0 = NaN when every pixel is ignored. With gradient accumulation, weight each
    micro-batch by its number of labelled pixels: the plain mean of the micro-batch losses is not the loss of
    the whole batch.

    Args:
        logits: float N×C×H×W.
        target: integer N×H×W.
        ignore_index: pixels with this target do not count.
        weight: C class weights; the mean is then a weighted mean. Default: all 1.

    >>> logits = torch.log(torch.tensor([[[[0.5, 0.9]], [[0.5, 0.1]]]]))  # 1, 2, 1, 2
    >>> round(cross_entropy(logits, torch.tensor([[[1, 255]]])).item(), 4)  # ln 2
    0.6931
    """
    logits, target = check_pair(logits, target, ignore_index)
    weights = None if weight is None else torch.as_tensor(weight, dtype=logits.dtype, device=logits.device)
    total = F.cross_entropy(logits, target, weights, ignore_index=ignore_index, reduction="sum")
    kept = target[target != ignore_index]
    count = torch.as_tensor(kept.numel()).to(total) if weights is None else weights[kept].sum()
    return total / count.clamp(min=torch.finfo(count.dtype).tiny)


def soft_dice_loss(logits: Tensor, target: Tensor, ignore_index: int = 255) -> Tensor:
    """Return 1 minus the mean soft Dice of the classes that occur in `target`.

    The soft Dice of a class is 2 Σ p t / (Σ p + Σ t), summed over the whole batch (Milletari et al. 2016,
    section 3, without their squares). Smoothing is not needed: a class that occurs has Σ t ≥ 1. In an empty
    mask only the background occurs, and its Dice penalises every false positive.

    >>> logits = torch.log(torch.tensor([[[[1.0, 1, 1, 1]], [[1e-30] * 4]]]))  # "no lesion", 1, 2, 1, 4
    >>> round(soft_dice_loss(logits, torch.tensor([[[0, 0, 0, 1]]])).item(), 3)  # 1 - (6/7 + 0) / 2
    0.571
    """
    probability, truth = probability_and_truth(logits, target, ignore_index)  # N, C, H, W each
    overlap = (probability * truth).sum(dim=(0, 2, 3))  # C
    area = probability.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3))  # C
    dice = 2 * overlap / area.clamp(min=1)
    return mean_over_present(1 - dice, truth)


def focal_loss(
    logits: Tensor,
    target: Tensor,
    gamma: float = 2.0,
    alpha: float | Sequence[float] | None = None,
    ignore_index: int = 255,
) -> Tensor:
    """Return the mean of cross-entropy times (1 - p)^gamma, where p is the true class's probability.

    Easy pixels count less (Lin et al. 2017, section 3). The mean is over the pixels that are not ignored.

    Args:
        logits: float N×C×H×W.
        target: integer N×H×W.
        gamma: 0 gives cross-entropy; a larger value gives easy pixels less weight.
        alpha: C class weights; or, for two classes, the weight of class 1 (class 0 then gets 1 - alpha).
        ignore_index: pixels with this target do not count.

    >>> logits = torch.zeros(1, 2, 1, 1)  # p = 1/2: (1/2)^2 ln 2
    >>> round(focal_loss(logits, torch.tensor([[[1]]])).item(), 4)
    0.1733
    """
    logits, target = check_pair(logits, target, ignore_index)
    kept = target != ignore_index
    nll = F.cross_entropy(logits, target, ignore_index=ignore_index, reduction="none")  # N, H, W; -log p
    difficulty = -torch.expm1(-nll)  # 1 - p, exact where p is close to 1
    # A power below 1 has an infinite slope at 0, and infinity times zero would be NaN.
    loss = difficulty.clamp(min=torch.finfo(difficulty.dtype).tiny) ** gamma * nll
    if alpha is not None:
        loss = loss * class_weights(alpha, logits)[target.where(kept, 0)]
    return loss.sum() / kept.sum().clamp(min=1)


def tversky_loss(
    logits: Tensor, target: Tensor, alpha: float = 0.3, beta: float = 0.7, ignore_index: int = 255
) -> Tensor:
    """Return 1 minus the mean of TP / (TP + alpha FP + beta FN) over the classes that occur in `target`.

    TP, FP and FN are sums of probabilities over the batch (Salehi et al. 2017, section 2.2). With
    alpha = beta = 0.5 this is the soft Dice loss.

    Args:
        logits: float N×C×H×W.
        target: integer N×H×W.
        alpha: cost of a false positive.
        beta: cost of a false negative. Above `alpha`, a missed pixel of a class costs more than a false
            positive of it. With two classes each mistake is both, so misses of the smaller class cost more.
        ignore_index: pixels with this target do not count.

    >>> logits = torch.log(torch.tensor([[[[1.0, 1, 1, 1]], [[1e-30] * 4]]]))
    >>> round(tversky_loss(logits, torch.tensor([[[0, 0, 0, 1]]])).item(), 4)  # 1 - (3 / 3.3 + 0) / 2
    0.5455
    """
    probability, truth = probability_and_truth(logits, target, ignore_index)  # N, C, H, W each
    tp = (probability * truth).sum(dim=(0, 2, 3))  # C
    fp = probability.sum(dim=(0, 2, 3)) - tp
    fn = truth.sum(dim=(0, 2, 3)) - tp
    tversky = tp / (tp + alpha * fp + beta * fn).clamp(min=torch.finfo(tp.dtype).tiny)
    return mean_over_present(1 - tversky, truth)


def jaccard_loss(logits: Tensor, target: Tensor, ignore_index: int = 255) -> Tensor:
    """Return 1 minus the mean soft Jaccard of the classes that occur in an image, averaged over the images.

    The soft Jaccard of a class in an image is Σ p t / (Σ p + Σ t - Σ p t) (Yuan, Chao, Lo 2017, IEEE TMI
    36(9)). Each image counts the same, as in the scores of lesions; in `soft_dice_loss`, which sums
    over the batch, a large lesion outweighs a small one.

    >>> logits = torch.log(torch.tensor([[[[1.0, 1, 1, 1]], [[1e-30] * 4]]]))  # "no lesion", 1, 2, 1, 4
    >>> round(jaccard_loss(logits, torch.tensor([[[0, 0, 0, 1]]])).item(), 3)  # 1 - (3/4 + 0) / 2
    0.625
    """
    probability, truth = probability_and_truth(logits, target, ignore_index)  # N, C, H, W each
    overlap, area = (probability * truth).sum(dim=(2, 3)), truth.sum(dim=(2, 3))  # N, C
    union = probability.sum(dim=(2, 3)) + area - overlap
    present = area > 0
    loss = (1 - overlap / union.clamp(min=1)).where(present, 0).sum(dim=1) / present.sum(dim=1).clamp(min=1)
    return loss.sum() / present.any(dim=1).sum().clamp(min=1)


def combined_loss(
    logits: Tensor, target: Tensor, ignore_index: int = 255, dice_weight: float = 1.0
) -> Tensor:
    """Return cross-entropy plus `dice_weight` times the soft Dice loss.

    Cross-entropy gives a steady gradient, and Dice gives small classes equal weight.

    >>> logits = torch.zeros(1, 2, 1, 2)  # ln 2 + 1/2
    >>> round(combined_loss(logits, torch.tensor([[[0, 1]]])).item(), 4)
    1.1931
    """
    dice = soft_dice_loss(logits, target, ignore_index)
    return cross_entropy(logits, target, ignore_index) + dice_weight * dice


def loss_by_name(name: str, weights: Sequence[float] | None = None) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a loss, or a sum of losses, by name; "ce+dice" is `combined_loss`.

    Args:
        name: "ce", "dice", "focal", "tversky" or "jaccard", or several of them joined by +.
        weights: C class weights for cross-entropy and the focal loss.

    Raises:
        DataError: a name is unknown, or no loss of the sum takes weights.

    >>> logits = torch.zeros(1, 2, 1, 2)
    >>> round(loss_by_name("ce+dice")(logits, torch.tensor([[[0, 1]]])).item(), 4)  # ln 2 + 1/2
    1.1931
    """
    terms = name.split("+")
    if unknown := [term for term in terms if term not in _LOSSES]:
        raise DataError(
            f"there is no loss {unknown[0]!r}; use {', '.join(_LOSSES)}, or a sum such as ce+dice."
        )
    if weights is not None and not {"ce", "focal"} & {*terms}:
        raise DataError(
            f"the loss {name} takes no class weights; use ce or focal, or a sum with one of them."
        )
    takes = {"ce": {"weight": weights}, "focal": {"alpha": weights}}
    parts = [partial(_LOSSES[term], **(takes.get(term, {}) if weights is not None else {})) for term in terms]
    return lambda logits, target: torch.stack([part(logits, target) for part in parts]).sum()


def balanced_weights(counts: Sequence[int]) -> list[float]:
    """Return class weights in inverse proportion to the numbers of pixels: scikit-learn's "balanced".

    The weights are clipped to 0.1..10, so that a class of a few pixels does not drown the others. A class
    without pixels gets 1.

    >>> balanced_weights([75, 25, 0])  # 100 / (2 · 75), 100 / (2 · 25)
    [0.6667, 2.0, 1.0]
    """
    present = sum(count > 0 for count in counts)
    return [
        round(min(10.0, max(0.1, sum(counts) / (present * count))), 4) if count else 1.0 for count in counts
    ]


def check_pair(logits: Tensor, target: Tensor, ignore_index: int = 255) -> tuple[Tensor, Tensor]:
    """Return the logits as float32 or wider and the target as int64.

    Raises:
        DataError: the shapes don't match, the target is not an integer tensor, or it holds an id that is
            neither a class nor `ignore_index`.
    """
    if logits.dim() != 4 or target.shape != (logits.shape[0], *logits.shape[2:]):
        raise DataError(
            f"logits {tuple(logits.shape)} and target {tuple(target.shape)} do not match; "
            "logits are N×C×H×W, and the target is N×H×W without a channel axis."
        )
    if target.is_floating_point():
        raise DataError(f"the target is {target.dtype}; class ids are integers. Use target.long().")
    target = target.long()
    # On a GPU this check would force a synchronisation in every step; there, check the data set beforehand.
    if target.device.type == "cpu":
        ids = target[(target != ignore_index) & ((target < 0) | (target >= logits.shape[1]))]
        if ids.numel():
            raise DataError(
                f"the target holds {sorted(set(ids[:1000].tolist()))[:5]}; with {logits.shape[1]} channels "
                f"in the logits, ids are 0..{logits.shape[1] - 1}, and {ignore_index} for ignored pixels."
            )
    return logits.to(torch.promote_types(logits.dtype, torch.float32)), target


def probability_and_truth(logits: Tensor, target: Tensor, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Return softmax and one-hot target: N×C×H×W, float32 or wider, 0 where the target is ignored."""
    logits, target = check_pair(logits, target, ignore_index)
    kept = (target != ignore_index).unsqueeze(1)  # N, 1, H, W
    probability = logits.softmax(dim=1).where(kept, 0)
    classes = torch.arange(logits.shape[1], device=logits.device).view(1, -1, 1, 1)
    truth = ((target.unsqueeze(1) == classes) & kept).to(probability.dtype)  # N, C, H, W
    return probability, truth


def mean_over_present(loss: Tensor, truth: Tensor) -> Tensor:
    """Average a loss per class (C) over the classes that occur in the one-hot target; 0 if none occurs."""
    present = truth.sum(dim=(0, 2, 3)) > 0  # C
    return loss.where(present, 0).sum() / present.sum().clamp(min=1)


def class_weights(alpha: float | Sequence[float], logits: Tensor) -> Tensor:
    """Return one weight per class, from C weights or, for two classes, from the weight of class 1."""
    num_classes = logits.shape[1]
    weights = [1 - alpha, alpha] if isinstance(alpha, (int, float)) else alpha
    if len(weights) != num_classes:
        raise DataError(
            f"alpha gives {len(weights)} weights for {num_classes} classes; give one weight per class. "
            "(A single number works for two classes: it is the weight of class 1.)"
        )
    return torch.as_tensor(weights, dtype=logits.dtype, device=logits.device)


_LOSSES: dict[str, Callable[..., Tensor]] = {
    "ce": cross_entropy,
    "dice": soft_dice_loss,
    "focal": focal_loss,
    "tversky": tversky_loss,
    "jaccard": jaccard_loss,
}
