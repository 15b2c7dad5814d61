"""Exercise 5.2: right answers in other styles, promises and their breakers, mutants that are equal."""

import math

import numpy as np
import torch
from contract import Contract, nothing_changes

from segcourse import metrics
from segcourse.exercises.l05_losses_metrics.iou_per_class import iou_per_class as answer


def by_loop(m):
    m, scores = m.tolist(), []
    for k in range(len(m)):
        union = sum(m[k]) + sum(row[k] for row in m) - m[k][k]
        scores.append(m[k][k] / union if union else math.nan)
    return torch.tensor(scores)


def by_numpy(matrix):
    matrix = np.asarray(matrix)
    tp = np.diag(matrix)
    with np.errstate(all="ignore"):
        return torch.from_numpy((tp / (matrix.sum(0) + matrix.sum(1) - tp)).astype(np.float32))


def by_parts(confusion):
    hit = torch.diag(confusion)
    false_alarm, miss = confusion.sum(0) - hit, confusion.sum(1) - hit
    return (hit / (hit + false_alarm + miss)).float()


def by_where(matrix):
    both, union = matrix.diag().float(), (matrix.sum(0) + matrix.sum(1) - matrix.diag()).float()
    return torch.where(union > 0, both / union.clamp(min=1), torch.tensor(float("nan")))


def smoothed(matrix):
    both, union = matrix.diag(), matrix.sum(0) + matrix.sum(1) - matrix.diag()
    return (both + 1e-6) / (union + 1e-6)


class TestIouPerClass(Contract):
    name = "iou_per_class"
    library = staticmethod(metrics.iou_per_class)
    right = {"loop": by_loop, "NumPy": by_numpy, "hits and misses": by_parts, "where": by_where}
    promises = (
        ("int64 tensor C x C", "there is one class only", lambda m: answer(m).squeeze()),
        ("rows the truth, columns the prediction", "every class occurs", lambda m: m.diag() / m.sum(1)),
        ("the counts may be very large", "the counts go up to 3,000,000,000", lambda m: answer(m.int())),
        ("returns a float tensor of C numbers, 0 … 1", "every class occurs", lambda m: answer(m).tolist(),
         lambda m: answer(m).numpy(), lambda m: 100 * answer(m), lambda m: answer(m).mean()),
        ("the intersection over union of each class", "no pixel is right", lambda m: 1 - answer(m)),
        ("the intersection over union of each class", "every pixel is right", lambda m: answer(m) / 2),
        ("with no pixel in truth and prediction is 0/0: NaN (not 0, not 1)", "class 1 is absent",
         lambda m: answer(m).nan_to_num(0), lambda m: answer(m).nan_to_num(1), smoothed),
        ("with no pixel in truth and prediction is 0/0: NaN", "class 0 is absent",
         lambda m: answer(m)[m.sum(0) + m.sum(1) > 0]),
        ("A class that is only in the prediction", "class 1 is predicted, but not in the truth",
         lambda m: answer(m).where(m.sum(1) > 0, torch.nan)),
        ("or only in the truth, gets 0", "class 1 is in the truth, but never predicted",
         lambda m: answer(m).where(m.sum(0) > 0, torch.nan)),
        ("rows the truth", "absent classes", nothing_changes(answer)),
    )  # fmt: skip
    equal = {
        r"double\(\)  ->  .*(diagonal\(\)|float\(\)|long\(\))$": "a quotient of integers is float32, which is enough",
        r"matrix\.sum\(dim=1\) \+ matrix\.sum\(dim=0\)|sum\(dim=-1\)": "addition commutes; -1 is axis 1 here",
        r"flatten|matrix = matrix\.T": "the union is the same for both, and one axis is flat",
        r"return \(both / union\)\.(squeeze|detach)": "there is one axis, and a test for one class of its own",
    }
    said = (
        (lambda m: answer(m).nanmean(), "You return the mean over the classes"),
        (lambda m: 100 * answer(m), "100 times the expected ones: per cent"),
        (lambda m: answer(m)[:, None], "has shape (2, 1), and (2,) is expected. The numbers are right"),
        (lambda m: m.float().mean(dim="x"), "Your code stops in line"),
        (lambda m: (m.diag() // 1).mean(), "needs floating-point numbers and gets int64"),
    )
