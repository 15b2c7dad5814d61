"""Exercise 5.6: right answers in other styles, promises and their breakers, mutants that are equal."""

import pytest
import torch
import torch.nn.functional as F
from contract import Contract

from segcourse import exercises, losses
from segcourse.exercises.engine.exercise import draw
from segcourse.exercises.l05_losses_metrics.soft_dice_loss import soft_dice_loss as answer


def by_one_hot(logits, target):
    p = torch.softmax(logits.float(), dim=1)
    t = F.one_hot(target, logits.shape[1]).permute(0, 3, 1, 2)
    dice = 2 * (p * t).sum((0, 2, 3)) / (p.sum((0, 2, 3)) + t.sum((0, 2, 3)))
    return 1 - dice[t.sum((0, 2, 3)) > 0].mean()


def by_loop(scores, labels):
    probability, found = scores.double().softmax(1), []
    for k in labels.unique():
        p, t = probability[:, k], labels == k
        found.append(1 - 2 * p[t].sum() / (p.sum() + t.sum()))
    return sum(found) / len(found)


def by_einsum(logits, target):
    p = logits.float().softmax(1)
    t = torch.zeros_like(p).scatter_(1, target[:, None], 1.0)
    dice = 2 * torch.einsum("nchw,nchw->c", p, t) / (torch.einsum("nchw->c", p) + torch.einsum("nchw->c", t))
    present = torch.einsum("nchw->c", t) > 0
    return ((1 - dice) * present).sum() / present.sum()


def by_rows(logits, target):
    p = logits.float().movedim(1, -1).reshape(-1, logits.shape[1]).softmax(dim=-1)
    t = torch.eye(logits.shape[1])[target.reshape(-1)]
    dice = 2 * (p * t).sum(0) / (p + t).sum(0)
    return (1 - dice)[t.any(0)].mean()


def up_to_the_largest(logits, target):
    p = logits.float().softmax(1)
    t = F.one_hot(target, p.shape[1]).movedim(-1, 1)
    dice = 2 * (p * t).sum((0, 2, 3)) / (p.sum((0, 2, 3)) + t.sum((0, 2, 3)))
    return 1 - dice[: int(target.max()) + 1].mean()


def uncast(logits, target):
    p = logits.softmax(1)
    t = F.one_hot(target, p.shape[1]).movedim(-1, 1).to(p.dtype)
    dice = 2 * (p * t).sum((0, 2, 3)) / (p.sum((0, 2, 3)) + t.sum((0, 2, 3)))
    return 1 - dice[t.sum((0, 2, 3)) > 0].mean()


def smoothed(logits, target, eps=1e-2):
    p = logits.float().softmax(1)
    t = F.one_hot(target, p.shape[1]).movedim(-1, 1)
    dice = (2 * (p * t).sum((0, 2, 3)) + eps) / (p.sum((0, 2, 3)) + t.sum((0, 2, 3)) + eps)
    return 1 - dice[t.sum((0, 2, 3)) > 0].mean()


def reshaped(logits, target):
    p = logits.float().reshape(-1, logits.shape[1]).softmax(1)
    t = F.one_hot(target.reshape(-1), logits.shape[1])
    return 1 - (2 * (p * t).sum(0) / (p + t).sum(0))[t.any(0)].mean()


def of_the_first_images_classes(logits, target):
    p = logits.float().softmax(dim=1)
    t = F.one_hot(target, p.shape[1]).movedim(-1, 1)
    dice = 2 * (p * t).sum(dim=(0, 2, 3)) / (p.sum(dim=(0, 2, 3)) + t.sum(dim=(0, 2, 3)))
    return 1 - dice[target[0].unique()].mean()


def dice_of(p, target):
    t = F.one_hot(target, p.shape[1]).movedim(-1, 1)
    dice = 2 * (p * t).sum(dim=(0, 2, 3)) / (p.sum(dim=(0, 2, 3)) + t.sum(dim=(0, 2, 3)))
    return 1 - dice[t.sum(dim=(0, 2, 3)) > 0].mean()


class TestSoftDiceLoss(Contract):
    name = "soft_dice_loss"
    library = staticmethod(losses.soft_dice_loss)
    right = {"one-hot": by_one_hot, "loop over classes": by_loop, "einsum": by_einsum, "rows": by_rows}
    promises = (
        ("float tensor, N x C x H x W, C at least 2", "the last of five is absent",
         lambda x, t: answer(x[:, :2], t.clamp(max=1)), reshaped),
        ("any real numbers, no softmax has been applied", "batches", lambda x, t: answer(x.abs(), t),
         lambda x, t: answer(x.float().softmax(1), t)),
        ("convert to float32 first", "the logits are bfloat16", uncast),
        ("int64 tensor, N x H x W, ids 0 … C-1", "there is a batch of three", lambda x, t: answer(x, t.clamp(max=1))),
        ("run over all pixels of the whole batch", "there is a batch of two",
         lambda x, t: torch.stack([answer(a[None], b[None]) for a, b in zip(x, t, strict=True)]).mean(),
         lambda x, t: answer(x[:1], t[:1])),
        ("They are plain sums: nothing squared, no smoothing term", "rare and absent classes", smoothed),
        ("returns a scalar tensor", "batches", lambda x, t: answer(x, t).reshape(1), lambda x, t: answer(x, t).item()),
        ("1 minus the mean soft Dice of the classes that occur in `target`", "a class in the middle does not occur",
         up_to_the_largest),
        ("the classes that occur in `target`", "the last class does not occur",
         lambda x, t: exercises.get("soft_dice_loss").misconceptions[5].wrong(x, t)),
        ("class 0 is a class like any other", "only class 0 occurs", lambda x, t: answer(x, t.clamp(min=1))),
        ("classes that occur", "class 0 does not occur", up_to_the_largest),
        ("the gradient with respect to the logits", "two classes, balanced", lambda x, t: answer(x.detach(), t),
         lambda x, t: answer(x, t).detach()),
    )  # fmt: skip
    equal = {
        r"-2": "of four axes, the last but one is axis 2",
        r"2 \* overlap.*  ->  dice = overlap \* 2|t\.sum.* \+ p\.sum|\(t \* p\)": "these operations commute",
        r"->  occurs = t\.amax": "a class that occurs somewhere has a maximum of 1",
        r"nanmean": "no class that occurs is NaN",
        r"->  p = logits\.double": "more digits than float32 do no harm",
        r"^dice = .*; occurs = .*  ->  occurs = ": "the order of the two lines does not matter",
    }
    said = (
        (lambda x, t: answer(x, t).item(), "returns a float, and a tensor is asked for"),
        (lambda x, t: answer(x, t).detach(), "its gradient is missing"),
        (lambda x, t: answer(x, t) * 100, "100 times"),
        (lambda x, t: F.cross_entropy(x.float(), t.float()), "Your code stops in line"),
        (uncast, "where the logits are bfloat16"),
        (lambda x, t: dice_of(x.softmax(dim=1).float(), t), "A number type with few digits"),
        (of_the_first_images_classes, "only where there is a batch of three"),
    )

    def test_the_two_numbers_of_the_lesson(self):
        """Summed over the classes: on a rare class 1/4 instead of 4/7."""
        case = next(
            c for c in draw(self.exercise) if "the probability of class 1 is 0 everywhere" in c.traits
        )
        summed = self.exercise.misconceptions[0].wrong
        assert answer(*case.inputs.values()).item() == pytest.approx(4 / 7, abs=1e-6)
        assert summed(*case.inputs.values()).item() == pytest.approx(1 / 4, abs=1e-6)

    def test_without_any_gradient_there_is_no_point(self):
        assert exercises.assess(self.name, lambda x, t: by_one_hot(x, t).item()).points == 0
        assert exercises.assess(self.name, lambda x, t: by_one_hot(x, t).detach()).points == 0
