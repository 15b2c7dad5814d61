"""AdamW and its learning-rate schedule."""

import math

import torch
from torch import nn


def make_optimizer(model: nn.Module, weight_decay: float) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov & Hutter 2019) without weight decay for biases and normalisation layers."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)


def cosine_schedule(fraction: float, warm_up: float = 0.03) -> float:
    """Return the learning rate as a fraction (0 to 1) of its maximum, at `fraction` (0 to 1) of the run.

    A linear warm-up is followed by half a cosine down to 0 (Loshchilov & Hutter 2017, equation 5, one
    period).

    >>> [round(cosine_schedule(f, warm_up=0.2), 2) for f in (0, 0.1, 0.2, 0.6, 1)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if fraction < warm_up:
        return fraction / warm_up
    return 0.5 * (1 + math.cos(math.pi * (fraction - warm_up) / (1 - warm_up)))


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> float:
    """Set the learning rate of all parameters to `lr`, and return it."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    return lr
