"""Losses of semantic segmentation, each a pure function.

All take `logits`, float N×C×H×W (no softmax applied), and `target`, integer N×H×W with class ids 0..C-1, and
return a scalar. Three promises hold for each:

- pixels whose target is `ignore_index` change nothing, whatever was predicted there;
- sums are taken in float32 or wider: float16 ends at 65504, and bfloat16 can't count past 256;
- a batch in which every pixel is ignored gives 0 with a gradient of zeros, not NaN.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from segcourse.errors import DataError


def cross_entropy(
    logits: Tensor, target: Tensor, ignore_index: int = 255, weight: Sequence[float] | None = None
) -> Tensor:
    """Minus the log-probability of the true class, averaged over the pixels that are not ignored.

    `weight` (C numbers) weighs the classes; the average is then weighted too. PyTorch's own mean is 0/0 = NaN
    when every pixel is ignored. Averages of micro-batches that ignore different numbers of pixels do not
    average to the whole batch's mean: when gradients are accumulated, weigh each micro-batch by its number of
    labelled pixels.

    >>> logits = torch.log(torch.tensor([[[[0.5, 0.9]], [[0.5, 0.1]]]]))  # 1, 2, 1, 2
    >>> round(cross_entropy(logits, torch.tensor([[[1, 255]]])).item(), 4)  # ln 2
    0.6931
    """
    logits, target = check_pair(logits, target, ignore_index)
    if weight is not None:
        weight = torch.as_tensor(weight, dtype=logits.dtype, device=logits.device)
    total = F.cross_entropy(logits, target, weight, ignore_index=ignore_index, reduction="sum")
    kept = target[target != ignore_index]
    count = torch.as_tensor(kept.numel()).to(total) if weight is None else weight[kept].sum()
    return total / count.clamp(min=torch.finfo(count.dtype).tiny)


def soft_dice_loss(logits: Tensor, target: Tensor, ignore_index: int = 255) -> Tensor:
    """One minus the mean soft Dice of the classes that occur in `target`, each summed over the whole batch.

    The soft Dice of a class is 2 Σ p t / (Σ p + Σ t) (Milletari et al. 2016, section 3, without their
    squares). No smoothing is needed: a class that occurs has Σ t ≥ 1. On an empty mask the background is the
    class that occurs, and its Dice pushes every false alarm down.

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
    """Cross-entropy times (1 - p)^gamma, p the true class's probability: easy pixels count less.

    Lin et al. 2017, section 3. `alpha`: one weight a class, or, for two classes, the weight of class 1 (class
    0 then has 1 - alpha). The mean is over the pixels that are not ignored; gamma 0 is cross-entropy.

    >>> logits = torch.zeros(1, 2, 1, 1)  # p = 1/2: (1/2)^2 ln 2
    >>> round(focal_loss(logits, torch.tensor([[[1]]])).item(), 4)
    0.1733
    """
    logits, target = check_pair(logits, target, ignore_index)
    kept = target != ignore_index
    surprise = F.cross_entropy(logits, target, ignore_index=ignore_index, reduction="none")  # N, H, W; -log p
    missing = -torch.expm1(-surprise)  # 1 - p, exact where p is nearly 1
    # A power below 1 has an infinite slope at 0, and infinity times zero would be NaN.
    loss = missing.clamp(min=torch.finfo(missing.dtype).tiny) ** gamma * surprise
    if alpha is not None:
        loss = loss * class_weights(alpha, logits)[target.where(kept, 0)]
    return loss.sum() / kept.sum().clamp(min=1)


def tversky_loss(
    logits: Tensor, target: Tensor, alpha: float = 0.3, beta: float = 0.7, ignore_index: int = 255
) -> Tensor:
    """One minus the mean of TP / (TP + alpha FP + beta FN) of the classes that occur, each over the batch.

    Salehi et al. 2017, section 2.2. With beta above alpha a missed pixel costs more than a false alarm; with
    both 0.5 it is the soft Dice loss.

    >>> logits = torch.log(torch.tensor([[[[1.0, 1, 1, 1]], [[1e-30] * 4]]]))
    >>> round(tversky_loss(logits, torch.tensor([[[0, 0, 0, 1]]])).item(), 4)  # 1 - (3 / 3.3 + 0) / 2
    0.5455
    """
    probability, truth = probability_and_truth(logits, target, ignore_index)  # N, C, H, W each
    hit = (probability * truth).sum(dim=(0, 2, 3))  # C
    false_alarm = probability.sum(dim=(0, 2, 3)) - hit
    miss = truth.sum(dim=(0, 2, 3)) - hit
    tversky = hit / (hit + alpha * false_alarm + beta * miss).clamp(min=torch.finfo(hit.dtype).tiny)
    return mean_over_present(1 - tversky, truth)


def combined_loss(
    logits: Tensor, target: Tensor, ignore_index: int = 255, dice_weight: float = 1.0
) -> Tensor:
    """Cross-entropy plus `dice_weight` times soft Dice: a steady gradient, and an eye on small classes.

    >>> logits = torch.zeros(1, 2, 1, 2)  # ln 2 + 1/2
    >>> round(combined_loss(logits, torch.tensor([[[0, 1]]])).item(), 4)
    1.1931
    """
    dice = soft_dice_loss(logits, target, ignore_index)
    return cross_entropy(logits, target, ignore_index) + dice_weight * dice


def check_pair(logits: Tensor, target: Tensor, ignore_index: int = 255) -> tuple[Tensor, Tensor]:
    """Logits in float32 or wider and target in int64, once they are known to belong together.

    Raises:
        DataError: shapes that do not match, a target that is not of whole numbers, an id that is no class.
    """
    if logits.dim() != 4 or target.shape != (logits.shape[0], *logits.shape[2:]):
        raise DataError(
            f"logits {tuple(logits.shape)} and target {tuple(target.shape)} do not match; "
            "logits are N×C×H×W and the target is N×H×W, without a channel axis."
        )
    if target.is_floating_point():
        raise DataError(f"the target is {target.dtype}; class ids are whole numbers. Use target.long().")
    target = target.long()
    # On a GPU this look would stall the queue in every step; there the ids are checked when the data set is.
    if target.device.type == "cpu":
        ids = target[(target != ignore_index) & ((target < 0) | (target >= logits.shape[1]))]
        if ids.numel():
            raise DataError(
                f"the target holds {sorted(set(ids[:1000].tolist()))[:5]}; with {logits.shape[1]} channels "
                f"in the logits, ids are 0..{logits.shape[1] - 1}, and {ignore_index} for ignored pixels."
            )
    return logits.to(torch.promote_types(logits.dtype, torch.float32)), target


def probability_and_truth(logits: Tensor, target: Tensor, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Softmax and one-hot truth, both N×C×H×W in float32 or wider, both zero where the target is ignored."""
    logits, target = check_pair(logits, target, ignore_index)
    kept = (target != ignore_index).unsqueeze(1)  # N, 1, H, W
    probability = logits.softmax(dim=1).where(kept, 0)
    classes = torch.arange(logits.shape[1], device=logits.device).view(1, -1, 1, 1)
    truth = ((target.unsqueeze(1) == classes) & kept).to(probability.dtype)  # N, C, H, W
    return probability, truth


def mean_over_present(loss: Tensor, truth: Tensor) -> Tensor:
    """Mean of a loss per class over the classes that occur in the one-hot truth; 0 where none does."""
    present = truth.sum(dim=(0, 2, 3)) > 0  # C
    return loss.where(present, 0).sum() / present.sum().clamp(min=1)


def class_weights(alpha: float | Sequence[float], logits: Tensor) -> Tensor:
    """One weight a class, from a list of them or, for two classes, from the weight of class 1."""
    num_classes = logits.shape[1]
    weights = [1 - alpha, alpha] if isinstance(alpha, (int, float)) else alpha
    if len(weights) != num_classes:
        raise DataError(
            f"alpha gives {len(weights)} weights for {num_classes} classes; give one weight a class "
            "(a single number is for two classes: the weight of class 1)."
        )
    return torch.as_tensor(weights, dtype=logits.dtype, device=logits.device)
