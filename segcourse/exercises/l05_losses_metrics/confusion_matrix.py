"""Exercise 5.1: count how often each class was taken for each."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l05_losses_metrics._draw import guess, ids, random_ids


def confusion_matrix(prediction, target, num_classes, ignore_index=255):
    """Count how often each true class (row) was predicted as each class (column)."""
    kept = target != ignore_index
    pairs = target[kept].long() * num_classes + prediction[kept].long()
    return torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


SMALL, ABSENT, IGNORED, BATCHES = "small masks", "absent classes", "ignored pixels", "batches, many classes"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, prediction, target, num_classes, *traits, ignore_index=None):
        inputs = {"prediction": prediction, "target": target, "num_classes": num_classes}
        inputs |= {} if ignore_index is None else {"ignore_index": ignore_index}
        traits += ("there is a batch",) if target.ndim == 3 else ()
        return Case(group, inputs, traits)

    yield case(SMALL, ids([[0, 1], [1, 1]]), ids([[0, 0], [0, 1]]), 2)
    yield case(SMALL, ids([[0, 1, 1]]), ids([[1, 0, 1]]), 2, "the masks have 1 x 3 pixels")
    yield case(ABSENT, ids([[0, 1], [0, 0]]), ids([[0, 0], [1, 0]]), 4, "the last two classes are absent")
    yield case(ABSENT, ids([[2, 1], [2, 2]]), ids([[1, 2], [2, 1]]), 3, "class 0 is absent")
    yield case(ABSENT, ids([[0, 2], [0, 0]]), ids([[2, 0], [0, 0]]), 3, "a class in the middle is absent")
    yield case(
        ABSENT, ids([[0, 2], [0, 2]]), ids([[0, 1], [1, 0]]), 4, "classes of truth and prediction differ"
    )
    yield case(
        IGNORED, ids([[0, 1], [1, 0]]), ids([[0, 0], [1, 255]]), 2, "one pixel is ignored, by default 255"
    )
    yield case(IGNORED, ids([[0, 1], [1, 0]]), ids([[255] * 2] * 2), 2, "every pixel is ignored")
    prediction, target = ids([[0, 2], [1, 2], [0, 1]]), ids([[0, 0], [1, 2], [2, 1]])
    for ignored, which in ((2, "the last one"), (1, "a class in the middle"), (0, "class 0")):
        yield case(IGNORED, prediction, target, 3, f"the ignored label is {which}", ignore_index=ignored)
    other = ids([[0, 0], [1, 999], [2, 1]])
    yield case(IGNORED, prediction, other, 3, "the ignored label is beyond 255", ignore_index=999)
    yield case(
        IGNORED, prediction.byte(), ids([[0, 7], [1, 2], [7, 1]]).byte(), 3, "7 is ignored", ignore_index=7
    )

    yield case(ABSENT, ids([[0, 0], [0, 0]]), ids([[0, 0], [0, 0]]), 1, "there is one class only")
    target = random_ids(rng, 3, 4, 5)
    yield case(SMALL, guess(rng, target, 3), target, 3, "the masks have 4 x 5 pixels")
    target = random_ids(rng, 3, 5, 4)
    yield case(ABSENT, guess(rng, target, 3), target, 5, "two of five classes are absent")
    target = random_ids(rng, 3, 4, 6)
    prediction = guess(rng, target, 3)
    target[torch.from_numpy(rng.random((4, 6)) < 0.3)] = 255
    target[0, 0] = 255
    yield case(IGNORED, prediction, target, 3, "a third of the pixels is ignored")
    target = random_ids(rng, 3, 3, 4, 5)
    yield case(BATCHES, guess(rng, target, 3), target, 3, "there is a batch of three")
    yield case(BATCHES, guess(rng, target[:1], 3), target[:1], 3, "there is a batch of one")
    target = random_ids(rng, 21, 2, 24, 20)
    prediction = guess(rng, target, 21)
    yield case(BATCHES, prediction.byte(), target.byte(), 21, "21 classes are stored as uint8")
    yield case(BATCHES, prediction.short(), target.byte(), 21, "prediction is int16 and target uint8")
    target = random_ids(rng, 300, 16, 20)
    yield case(
        BATCHES, guess(rng, target, 300).short(), target.short(), 300, "300 classes are stored as int16"
    )
    target = random_ids(rng, 2, 300, 280)
    prediction = torch.where(torch.from_numpy(rng.random((300, 280)) < 0.05), 1 - target, target * 0)
    yield case(BATCHES, prediction.int(), target.int() * 0, 2, "the masks have 84,000 pixels, as int32")


def _transposed(prediction, target, num_classes, ignore_index=255):
    return confusion_matrix(prediction, target, num_classes, ignore_index).T


def _ignored_is_background(prediction, target, num_classes, ignore_index=255):
    return confusion_matrix(prediction, target.masked_fill(target == ignore_index, 0), num_classes, -1)


def _ignored_by_prediction(prediction, target, num_classes, ignore_index=255):
    kept = (target != ignore_index) & (prediction != ignore_index)
    return confusion_matrix(prediction[kept], target[kept], num_classes, -1)


def _only_by_prediction(prediction, target, num_classes, ignore_index=255):
    kept = prediction != ignore_index
    return _by_index(prediction[kept], target[kept], num_classes)


def _by_index(prediction, target, num_classes, ignore_index=255):
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for t, p in zip(target.flatten().tolist(), prediction.flatten().tolist(), strict=True):
        matrix[t, p] += 1
    return matrix


def _always_255(prediction, target, num_classes, ignore_index=255):
    return confusion_matrix(prediction, target, num_classes, 255)


def _falsy(prediction, target, num_classes, ignore_index=255):
    return confusion_matrix(prediction, target, num_classes, ignore_index or -1)


def _as_large_as_seen(prediction, target, num_classes, ignore_index=255):
    kept = target != ignore_index
    prediction, target = prediction[kept], target[kept]
    size = max([0, *prediction.tolist(), *target.tolist()]) + 1
    return confusion_matrix(prediction, target, size, -1)


def _no_minlength(prediction, target, num_classes, ignore_index=255):
    kept = target != ignore_index
    pairs = target[kept].long() * num_classes + prediction[kept].long()
    return torch.bincount(pairs).reshape(num_classes, num_classes)


def _wraps(prediction, target, num_classes, ignore_index=255):
    kept = target != ignore_index
    pairs = target[kept] * num_classes + prediction[kept]
    return torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def _normalised(prediction, target, num_classes, ignore_index=255):
    matrix = confusion_matrix(prediction, target, num_classes, ignore_index).double()
    return matrix / matrix.sum(dim=1, keepdim=True)


def _shares(prediction, target, num_classes, ignore_index=255):
    matrix = confusion_matrix(prediction, target, num_classes, ignore_index).double()
    return matrix / matrix.sum()


def _each_pair_once(prediction, target, num_classes, ignore_index=255):
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    kept = target != ignore_index
    matrix[target[kept].long(), prediction[kept].long()] += 1
    return matrix


def _per_image(prediction, target, num_classes, ignore_index=255):
    if target.ndim < 3:
        return confusion_matrix(prediction, target, num_classes, ignore_index)
    pairs = zip(prediction, target, strict=True)
    return torch.stack([confusion_matrix(p, t, num_classes, ignore_index) for p, t in pairs])


def _only_right_ones(prediction, target, num_classes, ignore_index=255):
    return confusion_matrix(prediction, target, num_classes, ignore_index).diagonal().diag()


def _by_range(prediction, target, num_classes, ignore_index=255):
    kept = (target >= 0) & (target < num_classes)
    return confusion_matrix(prediction[kept], target[kept], num_classes, -1)


def _in_uint8(both, numpy, count):
    """Return the answer that stores the target (or both masks) in uint8.

    PyTorch turns `ignore_index` into uint8, too, before it compares; NumPy does not.
    """

    def wrong(prediction, target, num_classes, ignore_index=255):
        target, prediction = target.byte(), prediction.byte() if both else prediction
        kept = (target.long() if numpy else target) != ignore_index
        return count(target[kept].long(), prediction[kept].long(), num_classes)

    return wrong


def _binned(t, p, num_classes):
    return torch.bincount(t * num_classes + p, minlength=num_classes**2).reshape(num_classes, num_classes)


def _indexed(t, p, num_classes):
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    return matrix.index_put((t, p), torch.ones_like(t), accumulate=True)


def _looped(t, p, num_classes):
    return _by_index(p, t, num_classes)


def _added_at(t, p, num_classes):
    matrix = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(matrix, (t.numpy(), p.numpy()), 1)
    return torch.from_numpy(matrix)


def celebrate(answer):
    """Show the matrix of a threshold's mask."""
    from segcourse.classical import otsu
    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import show_matrix

    matrix = answer(otsu(lesion().image), lesion().mask, 2)
    show_matrix(matrix, ["skin", "lesion"], title="Your matrix of Otsu's threshold on one lesion")


EXERCISE = Exercise(
    confusion_matrix,
    number="5.1",
    difficulty=2,
    minutes=10,
    groups={SMALL: 1, ABSENT: 1, IGNORED: 1, BATCHES: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "Your matrix is transposed. Rows have to be the true classes, columns the predicted ones. With "
            "the axes exchanged, every false alarm reads as a miss.",
            _transposed,
        ),
        (
            "Your counts contain the ignored pixels as class 0. They belong to no class, so leave them "
            "out of both masks before counting.",
            _ignored_is_background,
        ),
        (
            "Your counts also lack the pixels where the *prediction* equals `ignore_index`. Only the "
            "target decides what is ignored; a model must not be able to hide its mistakes.",
            _ignored_by_prediction,
        ),
        (
            "Your answer leaves pixels out by the prediction, not by the target. The target decides what "
            "is ignored.",
            _only_by_prediction,
        ),
        (
            "You use the ignored label as an index into the matrix like the label of a class. Leave its "
            "pixels out of both masks before counting.",
            _by_index,
        ),
        (
            "You ignore label 255 whatever `ignore_index` says. Use the argument: other data sets ignore "
            "other labels.",
            _always_255,
        ),
        (
            "You do not ignore class 0 when `ignore_index` is 0. Python counts 0 as false, so compare "
            "with it instead of asking for its truth.",
            _falsy,
        ),
        (
            "Your matrix grows only as far as the largest class that occurs. It must always be "
            "num_classes x num_classes, with zeros for absent classes, or the matrices of two batches "
            "can't be added.",
            _as_large_as_seen,
        ),
        (
            "Your list of counts is shorter than num_classes², because the last pairs do not occur, and "
            "then the reshape fails. Tell bincount how many bins you want.",
            _no_minlength,
        ),
        (
            "You number the pairs in the masks' own integer type, which is too small: with 21 classes "
            "they go up to 440, and uint8 starts again at 256. Widen the labels to int64 first.",
            _wraps,
        ),
        (
            "You divide each row by its sum. A confusion matrix holds counts: only counts of several "
            "images can be added up, and the row of an absent class becomes 0/0.",
            _normalised,
        ),
        (
            "You divide by the number of pixels. A confusion matrix holds counts, which can be added up "
            "over images of different sizes.",
            _shares,
        ),
        (
            "You count each pair of classes once at most. `matrix[target, prediction] += 1` adds 1 to "
            "each listed place once, however often it is listed; bincount, or an indexed add that "
            "accumulates, does not.",
            _each_pair_once,
        ),
        (
            "You return one matrix per image of the batch. All pixels of all images go into one matrix.",
            _per_image,
        ),
        (
            "You count only the pixels where both masks agree. The counts off the diagonal, which class "
            "was taken for which, are what the matrix is for.",
            _only_right_ones,
        ),
        (
            "Your matrix leaves out labels that are no class (0 … num_classes - 1), whatever `ignore_index` "
            "says. Leave out the pixels whose target equals `ignore_index`: that label can be a class.",
            _by_range,
        ),
        *(
            (
                f"You divide each {name} by its sum. A confusion matrix holds counts: only counts of several "
                "images can be added up.",
                lambda *a, dim=dim, empty=empty: (
                    lambda matrix: (matrix / matrix.sum(dim=dim, keepdim=True)).nan_to_num(empty)
                )(confusion_matrix(*a).double()),
            )
            for name, dim in (("row", 1), ("column", 0))
            for empty in (0, torch.nan)
            if (dim, empty) != (1, torch.nan)
        ),
        *(
            (
                "You store the target in uint8, which ends at 255: the label 999 becomes 231, and 300 "
                "classes don't fit. Convert labels to int64.",
                _in_uint8(both, numpy, count),
            )
            for both in (False, True)
            for numpy in (False, True)
            for count in (_binned, _indexed, _looped, _added_at)
        ),
        (
            "You count only the first image of a batch. All pixels of all images go into one matrix.",
            lambda p, t, *a: confusion_matrix(*(m[0] if m.ndim == 3 else m for m in (p, t)), *a),
        ),
        (
            "You never use `ignore_index`: no pixel is left out, and a label beyond the classes is counted "
            "as the last class.",
            lambda p, t, n, ignore_index=255: confusion_matrix(p, t.clamp(max=n - 1), n, -1),
        ),
        (
            "You count only the first row of a mask, or the first image of a batch. All pixels go into the "
            "matrix.",
            lambda p, t, *a: confusion_matrix(p[0], t[0], *a),
        ),
    ],
    finished=(
        "segcourse.metrics:confusion_matrix",
        "segcourse.counting:count_pairs",
        "sklearn.metrics:confusion_matrix",
        "sklearn.metrics.cluster:contingency_matrix",
        "skimage.metrics._contingency_table:contingency_table",
        "torchmetrics.functional.classification:binary_confusion_matrix",
        "torchmetrics.functional.classification:multiclass_confusion_matrix",
        "torchmetrics.classification:BinaryConfusionMatrix",
        "torchmetrics.classification:MulticlassConfusionMatrix",
    ),
)
