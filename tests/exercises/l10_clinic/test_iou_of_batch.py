"""Exercise 10.4: right answers in other styles, promises and their breakers, mutants that are equal."""

import torch
from contract import Contract

from segcourse.exercises.l10_clinic import iou_of_batch as module
from segcourse.exercises.l10_clinic.iou_of_batch import iou_of_batch as answer


def with_an_axis(prediction, target):
    target = target.unsqueeze(1)
    both, either = prediction & target, prediction | target
    return both.sum() / either.sum()


def flat(found, truth):
    found, truth = found.flatten().float(), truth.flatten().float()
    return torch.dot(found, truth) / torch.maximum(found, truth).sum()


def by_counts(prediction, target):
    counts = torch.bincount((2 * prediction.reshape(target.shape) + target).reshape(-1), minlength=4)
    return counts[3] / counts[1:].sum()


def in_bytes(prediction, target):
    found, truth = prediction[:, 0].byte(), target.byte()
    both = (found * truth).sum(dtype=torch.uint8)
    return both / (found.sum() + truth.sum() - both)


class TestIouOfBatch(Contract):
    name = "iou_of_batch"
    library = staticmethod(by_counts)
    right = {"an axis for the target": with_an_axis, "flat": flat, "counts": by_counts}
    promises = (
        ("class ids that still have their channel axis", "there are four images", module._pairs, module._divided),
        ("any N, H and W", "there are more lesion pixels than a byte can count", in_bytes),
        ("also N = 1", "there is one image", lambda p, t: answer(p, t) / 2),
        ("and N = H", "the images have as many rows as there are images", module.starter, module._pairs),
        ("of all N images together", "there are four images", module._mean_of_images,
         lambda p, t: answer(p[:1], t[:1])),
        ("the IoU of lesion", "two images", module._dice, module._sum_below),
    )  # fmt: skip
    equal = {
        r"target \* prediction|target\.sum\(\) \+ prediction\.sum\(\)": "the order does not matter",
        r"\[:, -1\]$": "there is one channel",
        r"(prediction|target) = \1\.(bool|byte|short|int)": "sums of any integer type are int64",
    }
    said = (
        (lambda p, t: answer(p, t).item(), "Your answer returns a float, and a tensor is asked for"),
        (lambda p, t: 1 - answer(p, t), "1 minus"),
    )
