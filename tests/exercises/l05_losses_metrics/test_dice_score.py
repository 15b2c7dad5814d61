"""Exercise 5.4: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
from contract import Contract, nothing_changes

from segcourse import metrics
from segcourse.exercises.l05_losses_metrics.dice_score import dice_score as answer


def by_loop(a, b):
    if a.ndim > 2:
        return torch.stack([by_loop(x, y) for x, y in zip(a, b, strict=True)])
    pairs = list(zip(a.flatten().tolist(), b.flatten().tolist(), strict=True))
    both, total = sum(x and y for x, y in pairs), sum(int(x) + int(y) for x, y in pairs)
    return torch.tensor(2 * both / total if total else float("nan"))


def by_numpy(prediction, target):
    p, t = np.asarray(prediction).astype(bool), np.asarray(target).astype(bool)
    with np.errstate(all="ignore"):
        return torch.as_tensor(2 * (p & t).sum((-2, -1)) / (p.sum((-2, -1)) + t.sum((-2, -1))))


def by_einsum(prediction, target):
    p, t = prediction.float(), target.float()
    return 2 * torch.einsum("...hw,...hw->...", p, t) / (p.sum((-1, -2)) + t.sum((-1, -2)))


def by_counts(guess, truth):
    guess, truth = guess.flatten(-2).bool(), truth.flatten(-2).bool()
    tp, fp, fn = (x.sum(-1) for x in (guess & truth, guess & ~truth, ~guess & truth))
    return torch.where(tp + fp + fn > 0, 2 * tp / (2 * tp + fp + fn), torch.nan)


def with_eps(p, t):
    p, t = p.float(), t.float()
    return 2 * (p * t).sum((-2, -1)) / (p.sum((-2, -1)) + t.sum((-2, -1)) + 1e-7)


def first_axis_is_the_batch(p, t):
    p, t = p.reshape(len(p), -1).bool(), t.reshape(len(t), -1).bool()
    return 2 * (p & t).sum(1) / (p.sum(1) + t.sum(1))


class TestDiceScore(Contract):
    name = "dice_score"
    library = staticmethod(metrics.dice_score)
    right = {"loop": by_loop, "NumPy": by_numpy, "einsum": by_einsum, "counts": by_counts}
    promises = (
        ("tensors of the same shape, H x W or N x H x W", "single masks", first_axis_is_the_batch),
        ("tensors of the same shape, H x W or N x H x W", "there is a batch of four",
         lambda p, t: answer(p[:1], t[:1]), lambda p, t: answer(p, t).mean()),
        ("that hold 0 and 1 as int64 or uint8, or bool", "the masks have 90 x 80 pixels, as uint8",
         lambda p, t: (2 * (p * t).sum((-2, -1), dtype=p.dtype)) / (p + t).sum((-2, -1), dtype=p.dtype)),
        ("or bool", "the masks are bool", lambda p, t: 2 * (p & t).sum((-2, -1)) / (p + t).sum((-2, -1))),
        ("or uint8", "the masks are uint8",
         lambda p, t: 1 - (p.byte() - t.byte()).abs().sum((-2, -1)) / (p.sum((-2, -1)) + t.sum((-2, -1)))),
        ("only the foreground (1) is scored", "single masks", lambda p, t: answer(~p.bool(), ~t.bool()),
         lambda p, t: (p == t).float().mean((-2, -1))),
        ("returns a float tensor: N scores for a batch", "there is a batch of two", lambda p, t: answer(p, t).tolist(),
         lambda p, t: answer(p, t).numpy()),
        ("one score for a batch of one", "there is a batch of one", lambda p, t: answer(p, t).squeeze()),
        ("a scalar tensor for a single H x W mask", "single masks", lambda p, t: answer(p, t).item(),
         lambda p, t: answer(p, t).reshape(1)),
        ("both masks empty: NaN", "both masks are empty", with_eps, lambda p, t: answer(p, t).nan_to_num(1)),
        ("both masks empty: NaN", "in a batch, some masks are empty", lambda p, t: answer(p, t).nan_to_num(0)),
        ("Only one of them empty: 0", "only the target is empty",
         lambda p, t: answer(p, t).where(t.bool().any(-1).any(-1), torch.nan)),
        ("Only one of them empty: 0", "only the prediction is empty",
         lambda p, t: answer(p, t).where(p.bool().any(-1).any(-1), torch.nan)),
        ("both have the same type", "single masks", nothing_changes(answer)),
    )  # fmt: skip
    equal = {
        r"target\.sum.* \+ prediction\.sum|target & prediction|double\(\) \* 2": "these operations commute",
        r"^prediction, target = .*  ->  ": "masks of 0 and 1 of any type combine and sum alike",
        r"^\s*->  (prediction|target) = \w+\.\w+\(\)$": "masks of 0 and 1 mean the same in every type",
        r"^both = .*; areas = .*  ->  areas = .*; both = ": "the order of the two lines does not matter",
        r"->  return 2 \* both(\.int\(\)|\.long\(\)|\.float\(\))? / areas$": "the quotient is float32, which is enough",
    }
    said = (
        (lambda p, t: float(answer(p, t).flatten()[0]), "returns a float, and a tensor is asked for"),
        (lambda p, t: answer(p, t).squeeze(), "This is so only where there is a batch of one"),
        (lambda p, t: answer(p, t).nan_to_num(0.5), "0.500 comes where nan is expected"),
        (lambda p, t: answer(p, t) ** 0.5, "the square roots of the expected ones"),
        (lambda p, t: (p - t).abs().sum(), "`-` does not exist for bool tensors"),
        (lambda p, t: print("p has", p.shape) or 1 / 0, "ZeroDivisionError"),
    )
