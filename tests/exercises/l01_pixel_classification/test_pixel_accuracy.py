"""Exercise 1.6: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
from contract import Contract, nothing_changes

from segcourse import metrics
from segcourse.exercises.l01_pixel_classification import pixel_accuracy as module
from segcourse.exercises.l01_pixel_classification.pixel_accuracy import pixel_accuracy as answer


def library(prediction, target):
    return metrics.pixel_accuracy(metrics.confusion_matrix(prediction, target, num_classes=255))


def by_loop(guess, truth):
    pairs = zip(guess.flatten().tolist(), truth.flatten().tolist(), strict=True)
    right = [p == t for p, t in pairs if t != 255]
    return torch.tensor(sum(right) / len(right) if right else float("nan"))


def by_numpy(prediction, target):
    p, t = prediction.numpy(), target.numpy()
    with np.errstate(invalid="ignore"):
        return torch.as_tensor(np.float64((p == t)[t != 255].sum()) / (t != 255).sum())


def by_weights(prediction, target):
    weight = (target != 255).float()
    return ((prediction == target) * weight).sum() / weight.sum()


def by_class(prediction, target):
    right = sum(((prediction == k) & (target == k)).sum() for k in range(255))
    return right / (target != 255).sum()


def with_eps(prediction, target):
    known = target != 255
    return ((prediction == target) & known).sum() / (known.sum() + 1e-8)


def counted_in(dtype):
    def wrong(p, t):
        known = t != 255
        right = ((p == t) & known).sum().to(dtype)
        return right / known.sum().to(dtype)

    return wrong


class TestPixelAccuracy(Contract):
    name = "pixel_accuracy"
    library = staticmethod(library)
    right = {"loop": by_loop, "NumPy": by_numpy, "weights": by_weights, "class by class": by_class}
    promises = (
        ("of the same shape, H x W or N x H x W", "there is a batch of three", lambda p, t: answer(p[:1], t[:1]),
         lambda p, t: module._per_image(p, t)),
        ("with class ids", "there are three classes", lambda p, t: answer(p > 0, (t > 0).long()),
         lambda p, t: answer(p.clamp(max=1), t.clamp(max=1))),
        ("their integer types may differ", "prediction is int64 and target uint8",
         lambda p, t: answer(p, t) if p.dtype == t.dtype else torch.tensor(0.0)),
        ("pixels whose target is 255 (void) are left out", "void pixels", module._void_is_wrong, module._void_is_right),
        ("pixels whose target is 255 (void) are left out", "the masks are uint8",
         lambda p, t: answer(p[t != 0], t[t != 0])),
        ("the prediction never holds 255", "one pixel is void", lambda p, t: answer(p, t.masked_fill(t == 255, 0))),
        ("returns a scalar tensor", "single masks", lambda p, t: answer(p, t).item(), lambda p, t: answer(p, t).reshape(1),
         lambda p, t: answer(p, t).numpy()),
        ("right pixels divided by all labelled pixels", "single masks", lambda p, t: (p == t).sum(),
         lambda p, t: 1 - answer(p, t), lambda p, t: 100 * answer(p, t)),
        ("right pixels divided by all labelled pixels", "many pixels are void",
         lambda p, t: ((p == t) & (t != 255)).float().mean()),
        ("a float from 0 to 1", "the masks have 84,000 pixels", counted_in(torch.uint8), counted_in(torch.float16),
         counted_in(torch.int16)),
        ("one number for all its pixels together", "in a batch, one image is mostly void",
         lambda p, t: module._per_image(p, t).nanmean(), module._per_image),
        ("one number for all its pixels together", "there is a batch of one", module._per_image),
        ("every pixel void: NaN", "every pixel is void", with_eps, lambda p, t: answer(p, t).nan_to_num(1)),
        ("every pixel void: NaN", "single masks", nothing_changes(answer)),
    )  # fmt: skip
    equal = {
        r"target == prediction|255 != target": "comparison commutes",
        r"->  return .*\.float\(\)\.mean\(\)$": "float32 is precise enough",
        r"\.mean\(\)  ->  .*\.nanmean\(\)": "there is no NaN among 0 and 1",
        r"->  (prediction|target) = \w+\.(byte|short|int|half|bfloat16)\(\)$": "the type holds every id up to 255",
        r"->  return .*\.mean\(\)\.float\(\)$": "float32 is precise enough",
    }
    said = (
        (lambda p, t: answer(p, t).item(), "returns a float, and a tensor is asked for"),
        (lambda p, t: (p == t).mean(), "Convert first, with `.float()`"),
        (lambda p, t: answer(p, t).reshape(1), "Your result has shape (1,)"),
    )
