"""Exponential moving average (EMA) of a network's weights."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from segcourse.errors import TrainingError


def weight_average(model: nn.Module, decay: float) -> AveragedModel:
    """Return a network whose weights follow those of `model`: average ← d · average + (1 - d) · weights.

    Call `update_parameters(model)` after each step. The n-th update uses d = min(decay, n / (n + 9)), so that
    the average forgets the first weights within a short run, too. The running statistics of batch norm are
    averaged like the weights: they have to belong to them.

    Args:
        model: the network, which is copied.
        decay: 0 to 1; 0.999 averages over about the last 1000 steps.

    Raises:
        TrainingError: the decay is not between 0 and 1.

    >>> layer = nn.Linear(1, 1, bias=False)
    >>> average = weight_average(layer, decay=0.999)
    >>> for weight in (0.0, 1.0):  # the second update: d = 2 / 11
    ...     _ = nn.init.constant_(layer.weight, weight)
    ...     average.update_parameters(layer)
    >>> round(average.module.weight.item(), 4)  # 2/11 · 0 + 9/11 · 1
    0.8182
    """
    if not 0 < decay < 1:
        raise TrainingError(f"ema is {decay}; expected a decay between 0 and 1, such as 0.999, or None.")

    def update(averages: Sequence[Tensor], values: Sequence[Tensor], count: Tensor | int) -> None:
        updates = int(count) + 1
        weight = 1 - min(decay, updates / (updates + 9))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, weight)
            else:  # the number of batches that batch norm has seen
                average.copy_(value)

    average = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    return average.requires_grad_(False).eval()
