"""Exercise 5.3: right answers in other styles, promises and their breakers, mutants that are equal."""

import math

import numpy as np
import torch
from contract import Contract, nothing_changes

import segcourse
from segcourse import metrics
from segcourse.exercises.l05_losses_metrics.mean_iou import mean_iou as answer


def ious(m):
    m = m.tolist()
    unions = [sum(m[k]) + sum(row[k] for row in m) - m[k][k] for k in range(len(m))]
    return [m[k][k] / union for k, union in enumerate(unions) if union]


def by_loop(m):
    return torch.tensor(sum(ious(m)) / len(ious(m)))


def by_numpy(matrix):
    matrix = np.asarray(matrix).astype(float)
    with np.errstate(all="ignore"):
        iou = np.diag(matrix) / (matrix.sum(0) + matrix.sum(1) - np.diag(matrix))
    return torch.tensor(np.nanmean(iou))


def by_mask(matrix):
    iou = matrix.diag() / (matrix.sum(0) + matrix.sum(1) - matrix.diag())
    return iou[~torch.isnan(iou)].mean()


def by_the_library(matrix):
    return segcourse.iou_per_class(matrix).nanmean()


class TestMeanIou(Contract):
    name = "mean_iou"
    library = staticmethod(metrics.mean_iou)
    right = {"loop": by_loop, "NumPy": by_numpy, "mask": by_mask, "iou_per_class": by_the_library}
    promises = (
        ("int64 tensor C x C", "there is one class only", lambda m: answer(m).reshape(1)),
        ("int64 tensor C x C", "the counts go up to 3,000,000,000", lambda m: answer(m.int())),
        ("returns a scalar tensor", "every class occurs", lambda m: answer(m).item(), lambda m: answer(m).reshape(1),
         lambda m: np.float64(answer(m))),
        ("the mean IoU over the classes that occur", "class 1 is absent",
         lambda m: metrics.iou_per_class(m).mean(), lambda m: metrics.iou_per_class(m).nan_to_num(0).mean()),
        ("in the truth *or* in the prediction", "class 1 is predicted, but not in the truth",
         lambda m: metrics.iou_per_class(m)[m.sum(1) > 0].mean()),
        ("in the truth *or* in the prediction", "class 1 is in the truth, but never predicted",
         lambda m: metrics.iou_per_class(m)[m.sum(0) > 0].mean()),
        ("class 0, the background, is a class like any other", "every class occurs",
         lambda m: metrics.iou_per_class(m)[1:].nanmean()),
        ("every class that occurs counts equally", "every class occurs",
         lambda m: (metrics.iou_per_class(m).nan_to_num(0) * m.sum(1)).sum() / m.sum()),
        ("class 0, the background", "class 0 is absent", lambda m: metrics.iou_per_class(m).nan_to_num(1).mean()),
        ("int64 tensor C x C", "absent classes", nothing_changes(answer)),
    )  # fmt: skip
    equal = {r"matrix = matrix\.T": "the union of a class is the same for both"}
    said = (
        (lambda m: answer(m).item(), "returns a float, and a tensor is asked for"),
        (lambda m: 1 - answer(m), "1 minus the expected ones"),
        (lambda m: answer(m) if not (m.sum(0) == 0).any() else torch.tensor(math.nan), "You return NaN"),
    )

    def test_mutants_of_the_answer_are_rejected(self):
        """The answer is one line; the mutants of what it calls are those of exercise 5.2."""
        alive = [mutant for mutant in self.different_mutants() if not self.always_rejects(mutant.obj)]
        assert not alive
