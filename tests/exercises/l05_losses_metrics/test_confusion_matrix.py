"""Exercise 5.1: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
from contract import Contract, nothing_changes

from segcourse import metrics
from segcourse.exercises.l05_losses_metrics.confusion_matrix import confusion_matrix as answer


def by_loop(pred, gt, n, ignore=255):
    counts = [[0] * n for _ in range(n)]
    for p, t in zip(pred.flatten().tolist(), gt.flatten().tolist(), strict=True):
        if t != ignore:
            counts[t][p] += 1
    return torch.tensor(counts)


def by_numpy(prediction, target, num_classes, ignore_index=255):
    prediction, target = np.asarray(prediction), np.asarray(target)
    matrix = np.zeros((num_classes, num_classes), dtype=np.int32)
    keep = target != ignore_index
    np.add.at(matrix, (target[keep], prediction[keep]), 1)
    return torch.from_numpy(matrix)


def by_einsum(prediction, target, num_classes, ignore_index=255):
    classes = torch.arange(num_classes)
    t = (target.reshape(-1, 1) == classes) & (target.reshape(-1, 1) != ignore_index)
    p = prediction.reshape(-1, 1) == classes
    return torch.einsum("nt,np->tp", t.float(), p.float())


def by_masks(prediction, target, num_classes, ignore_index=255):
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.long)
    kept = target != ignore_index
    for i in target[kept].unique().tolist():
        for j in range(num_classes):
            matrix[i, j] = ((target == i) & kept & (prediction == j)).sum()
    return matrix


def by_put(prediction, target, num_classes, ignore_index=255):
    kept = target != ignore_index
    matrix = torch.zeros(num_classes, num_classes)
    ones = torch.ones(int(kept.sum()))
    return matrix.index_put_((target[kept].long(), prediction[kept].long()), ones, accumulate=True)


def cast(dtype):
    return lambda p, t, n, i=255: answer(p.to(dtype), t.to(dtype), n, i)


def counts_in(dtype):
    return lambda p, t, n, i=255: answer(p, t, n, i).to(dtype)


def same_type_only(p, t, n, i=255):
    return answer(p, t.to(p.dtype), n, i)


def not_when_everything_is_ignored(p, t, n, i=255):
    return answer(p, t, n, i) if (t != i).any() else torch.zeros(0)


def first_image(p, t, n, i=255):
    return answer(p[:1], t[:1], n, i)


def ignoring_predictions(p, t, n, i=255):
    kept = (t != i) & (p != i)
    return answer(p[kept], t[kept], n, -1)


def only_up_to_255(p, t, n, i=255):
    return answer(p, t, n, i % 256)


def only_classes_of_the_truth(p, t, n, i=255):
    classes = t[t != i].unique()
    return answer(p, t, n, i)[classes]


def as_many_as_occur(p, t, n, i=255):
    kept = t != i
    classes = torch.cat([p[kept].long(), t[kept].long()]).unique()
    return answer(p, t, n, i)[classes][:, classes]


class TestConfusionMatrix(Contract):
    name = "confusion_matrix"
    library = staticmethod(metrics.confusion_matrix)
    right = {"loop": by_loop, "NumPy": by_numpy, "einsum": by_einsum, "masks": by_masks, "index_put": by_put}
    promises = (
        ("integer tensors of the same shape, H x W or N x H x W", "there is a batch of three", first_image),
        ("with class ids 0 … num_classes - 1", "300 classes are stored as int16", cast(torch.uint8)),
        ("Any integer type is possible", "21 classes are stored as uint8",
         lambda p, t, n, i=255: torch.bincount(t * n + p, minlength=n * n).reshape(n, n)),
        ("also different ones", "prediction is int16 and target uint8", lambda p, t, n, i=255: answer(p, t, n, i)
         if p.dtype == t.dtype else torch.zeros(n, n)),
        ("a batch gives one matrix, of all its pixels", "there is a batch of three", first_image,
         lambda p, t, n, i=255: torch.stack([answer(a, b, n, i) for a, b in zip(p, t, strict=True)])),
        ("are left out, whatever the prediction says there", "ignored pixels",
         lambda p, t, n, i=255: answer(p, t.masked_fill(t == i, 0), n, -1)),
        ("`ignore_index` may be any id: 255", "one pixel is ignored, by default 255",
         lambda p, t, n, i=0: answer(p, t, n, i)),
        ("the id of a class (0, too)", "the ignored label is class 0", lambda p, t, n, i=255: answer(p, t, n, i or -1)),
        ("the id of a class", "the ignored label is a class in the middle",
         lambda p, t, n, i=255: answer(p, t, n, 255)),
        ("the id of a class", "the ignored label is the last one", lambda p, t, n, i=255: answer(p, t, n, -1)),
        ("or an id beyond 255", "the ignored label is beyond 255", only_up_to_255),
        ("The prediction never makes a pixel ignored", "the ignored label is class 0", ignoring_predictions),
        ("returns a tensor of counts", "small masks", lambda *a: answer(*a).tolist(), lambda *a: answer(*a).numpy()),
        ("of counts", "the masks have 84,000 pixels, as int32", counts_in(torch.int16), counts_in(torch.float16),
         counts_in(torch.bfloat16), counts_in(torch.uint8)),
        ("num_classes x num_classes", "there is one class only", lambda *a: answer(*a).squeeze()),
        ("row the true class, column the predicted class", "small masks", lambda *a: answer(*a).T),
        ("Classes that do not occur have a row and a column of zeros", "the last two classes are absent",
         as_many_as_occur),
        ("Classes that do not occur have a row", "a class in the middle is absent", as_many_as_occur),
        ("Classes that do not occur have a row", "class 0 is absent", only_classes_of_the_truth),
        ("are left out", "every pixel is ignored", not_when_everything_is_ignored),
        ("An answer never changes its inputs", "small masks", nothing_changes(answer)),
    )  # fmt: skip
    equal = {
        r"long\(\)  ->  .*\.short\(\)$": "no picture has 32,768 classes",
        r"^\s*->  (prediction|target) = \w+\.(short|int|half)\(\)$": "the type holds every id of 2,048 classes",
        r"\.int\(\)|prediction\[kept\]$": "int32 holds every pair of 46,340 classes, and mixes with int64",
        r"num_classes \+ .*  ->  .*long\(\) \+ target|num_classes \* target": "addition commutes",
        r"->  ignore_index = int": "an id is an integer",
        r"reshape\(num_classes, num_classes\)\.(long|detach)\(\)": "counts are int64 already",
    }
    said = (
        (lambda *a: answer(*a).numpy(), "returns a NumPy array, and a tensor is asked for"),
        (
            lambda p, t, n, i=255: answer(p, t, n, i)[:, :1],
            "Your result has shape (2, 1), and (2, 2) is expected",
        ),
        (nothing_changes(answer), "changes its input prediction in place"),
        (lambda p, t, n, i=255: 2 * answer(p, t, n, i), "2 times the expected ones"),
        (lambda p, t, n: answer(p, t, n), "a call passes 4 arguments where 3 fit"),
        (lambda p, t, n, i=255: print("shapes", p.shape), "returns None"),
    )
