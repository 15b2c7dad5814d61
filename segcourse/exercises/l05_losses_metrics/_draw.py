"""Masks and logits for the cases of this lesson, and how a loss is observed."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from segcourse.exercises.engine.exercise import Case
from segcourse.exercises.engine.observations import describe, plain


def ids(rows: list, dtype: torch.dtype = torch.int64) -> Tensor:
    return torch.tensor(rows, dtype=dtype)


def random_ids(rng: Generator, num_classes: int, *shape: int) -> Tensor:
    """Return class ids 0 … num_classes - 1, each of which occurs if there is room for all."""
    mask = torch.from_numpy(rng.integers(0, num_classes, shape))
    flat, places = mask.view(-1), torch.from_numpy(rng.permutation(mask.numel()))
    flat[places[:num_classes]] = torch.arange(num_classes)[: mask.numel()]
    return mask


def guess(rng: Generator, target: Tensor, num_classes: int, wrong: float = 0.4) -> Tensor:
    """Return a prediction that is wrong in about that share of the pixels."""
    slips = torch.from_numpy(rng.random(tuple(target.shape)) < wrong)
    return torch.where(slips, random_ids(rng, num_classes, *target.shape), target)


def random_masks(rng: Generator, *shape: int) -> tuple[Tensor, Tensor]:
    """Return a prediction and a target of 0 and 1 that overlap in part, none of them empty."""
    target = random_ids(rng, 2, *shape)
    target[..., 0, 0] = 1
    prediction = guess(rng, target, 2, wrong=0.5)
    prediction[..., 0, 0], prediction[..., 0, 1], target[..., 0, 1] = 1, 0, 1
    return prediction, target


def random_logits(rng: Generator, *shape: int, scale: float = 2.0) -> Tensor:
    return torch.from_numpy(rng.normal(0, scale, shape)).float()


def two_classes(*probabilities: list) -> Tensor:
    """Return logits N x 2 x H x W of a batch, from the probability of class 1 in each pixel."""
    p = torch.tensor(probabilities)
    return torch.stack([torch.log1p(-p), torch.log(p)], dim=1)


def loss_case(
    group: str, logits: Tensor | list, target: Tensor, traits: tuple[str, ...], **others: Any
) -> Case:
    """Return a case for a loss that is observed with its gradient.

    Args:
        logits: N x C x H x W; or, for two classes, the probability of class 1 in each pixel, N x H x W.
        group, traits: see `Case`.
        target, others: the other arguments.
    """
    build = ""
    if isinstance(logits, list):
        build = f"p = torch.tensor({logits}); logits = torch.stack([torch.log1p(-p), torch.log(p)], dim=1); "
        build += "; ".join(
            [f"target = torch.tensor({target.tolist()})", *(f"{n} = {v}" for n, v in others.items())]
        )
        logits = two_classes(*logits)
    inputs = {"logits": logits, "target": target} | others
    traits += (f"there {'are several images' if len(target) > 1 else 'is one image'}",)
    return Case(group, inputs, traits, value_and_gradient, given=in_probabilities(**inputs), build=build)


def in_probabilities(logits: Tensor, target: Tensor, **others: Any) -> str:
    """Return a small case in the numbers that a person thinks in: probabilities, not logits."""
    if logits.numel() > 16:
        return ""
    probability = logits.float().softmax(dim=1)
    two = logits.shape[1] == 2
    shown = {"probability of class 1" if two else "probabilities": probability[:, 1] if two else probability}
    inputs = {"target": target} | shown | others
    return ", ".join(f"{name} = {describe(plain(value))}" for name, value in inputs.items())


def value_and_gradient(loss: Callable, case: Case) -> dict[str, Any]:
    """Observe a loss as training does: its value, and its gradient with respect to the logits."""
    given, *others = case.inputs.values()
    logits = given.clone().requires_grad_()
    value = loss(logits, *others)
    given.copy_(logits.detach())  # shows whether the loss changed its input
    if isinstance(value, Tensor) and value.requires_grad:
        value.sum().backward()
    return {"value": value, "gradient": logits.grad}


def one_hot(target: Tensor, like: Tensor) -> Tensor:
    return F.one_hot(target, like.shape[1]).movedim(-1, 1).to(like.dtype)  # N, C, H, W


def value_and_arrival(loss: Callable, case: Case) -> dict[str, Any]:
    """Observe a loss whose gradient is too coarse to compare: its value, and that a gradient arrives."""
    seen = value_and_gradient(loss, case)
    gradient = seen.pop("gradient")
    return seen | {"a gradient arrives": gradient is not None and bool(gradient.isfinite().all())}


def bfloat16_cases(group: str) -> Iterator[Case]:
    """Yield cases in which a loss is off by 0.2 % or more if it is computed in bfloat16 up to a sum."""
    # of 400 and of 6000 drawings those in which rounding shows most in all three losses of the lesson
    for seed, height, width in ((219, 24, 24), (815, 1, 2)):
        rng = np.random.default_rng(seed)
        logits = torch.from_numpy(rng.normal(0, 1, (1, 3, height, width))).bfloat16()
        inputs = {"logits": logits, "target": torch.from_numpy(rng.integers(0, 3, (1, height, width)))}
        yield Case(group, inputs, ("the logits are bfloat16",), value_and_arrival, tolerance=1e-3)
