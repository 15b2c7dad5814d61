"""Lesson 5: exercises on the confusion matrix and the scores that are read off it."""

from collections.abc import Iterator

import torch
from numpy.random import Generator
from torch import Tensor

from segcourse import metrics
from segcourse.exercises.engine import Case, Exercise, misconception

LESSON = "05_losses_metrics"


def ids(rows: list, dtype: torch.dtype = torch.int64) -> Tensor:
    return torch.tensor(rows, dtype=dtype)


def random_ids(rng: Generator, num_classes: int, *shape: int) -> Tensor:
    return torch.from_numpy(rng.integers(0, num_classes, shape))


def guess(rng: Generator, target: Tensor, num_classes: int, wrong: float = 0.3) -> Tensor:
    """A prediction that is wrong in about that share of the pixels."""
    slips = torch.from_numpy(rng.random(tuple(target.shape)) < wrong)
    return torch.where(slips, random_ids(rng, num_classes, *target.shape), target)


def matrix_cases(rng: Generator) -> Iterator[Case]:
    def case(group, prediction, target, num_classes, ignore_index=255, note=""):
        names = ("prediction", "target", "num_classes", "ignore_index")
        inputs = dict(zip(names, (prediction, target, num_classes, ignore_index), strict=True))
        return Case(group, inputs, note)

    yield case("small masks", ids([[0, 1], [1, 1]]), ids([[0, 0], [0, 1]]), 2)
    yield case(
        "absent classes", ids([[0, 1], [0, 0]]), ids([[0, 0], [1, 0]]), 4, note="classes 2 and 3 are absent"
    )
    yield case("ignored pixels", ids([[0, 1], [1, 0]]), ids([[0, 0], [1, 255]]), 2)
    yield case(
        "ignored pixels",
        ids([[0, 2], [1, 2]]),
        ids([[0, 0], [1, 2]]),
        3,
        2,
        "here class 2 is the ignored one",
    )
    target = random_ids(rng, 3, 4, 4)
    yield case("small masks", guess(rng, target, 3), target, 3)
    target = random_ids(rng, 3, 5, 5)
    yield case("absent classes", guess(rng, target, 3), target, 5, note="classes 3 and 4 are absent")
    target = random_ids(rng, 3, 4, 6)
    prediction = guess(rng, target, 3)
    target[torch.from_numpy(rng.random((4, 6)) < 0.3)] = 255
    target[0, 0] = 255
    yield case("ignored pixels", prediction, target, 3)
    target = random_ids(rng, 3, 3, 4, 4)
    yield case("batches, many classes", guess(rng, target, 3), target, 3, note="a batch of three")
    target = random_ids(rng, 21, 2, 24, 24)
    yield case(
        "batches, many classes",
        guess(rng, target, 21).byte(),
        target.byte(),
        21,
        note="21 classes, stored as uint8",
    )


def _count(prediction, target, num_classes, ignore_index=255):
    kept = target != ignore_index
    pairs = target[kept].long() * num_classes + prediction[kept].long()
    return torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


@misconception(
    "your matrix is transposed: rows are the true classes, columns the predicted ones. With the axes "
    "swapped, every false alarm reads as a miss."
)
def transposed(prediction, target, num_classes, ignore_index):
    return _count(prediction, target, num_classes, ignore_index).T


@misconception(
    "you counted the ignored pixels as class 0. Nobody labelled them, so they are no background either: "
    "leave them out of both masks before counting."
)
def ignored_is_background(prediction, target, num_classes, ignore_index):
    return _count(prediction, target.masked_fill(target == ignore_index, 0), num_classes, -1)


@misconception(
    "you also dropped the pixels where the prediction equals ignore_index. Only the target says what is "
    "ignored; a model must not be able to hide its mistakes."
)
def ignored_by_prediction(prediction, target, num_classes, ignore_index):
    kept = (target != ignore_index) & (prediction != ignore_index)
    return _count(prediction[kept], target[kept], num_classes, -1)


@misconception(
    "ignore_index is never used: its label is taken for a row of the matrix, and 255 lies outside. Leave "
    "those pixels out of both masks before counting."
)
def never_ignored(prediction, target, num_classes, ignore_index):
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for t, p in zip(target.flatten().tolist(), prediction.flatten().tolist(), strict=True):
        matrix[t, p] += 1
    return matrix


@misconception(
    "you ignored label 255 whatever ignore_index says. Use the argument: other data sets ignore other labels."
)
def always_255(prediction, target, num_classes, ignore_index):
    return _count(prediction, target, num_classes, 255)


@misconception(
    "your matrix grows only as far as the largest class that happens to occur. It must always be "
    "num_classes by num_classes, with zeros for absent classes, or matrices of two batches can't be "
    "added."
)
def as_large_as_seen(prediction, target, num_classes, ignore_index):
    kept = target != ignore_index
    prediction, target = prediction[kept], target[kept]
    return _count(prediction, target, int(max(prediction.max(), target.max())) + 1, -1)


@misconception(
    "bincount returned fewer numbers than num_classes squared, because the last classes don't occur, and "
    "the reshape failed. Tell bincount how many bins you want."
)
def no_minlength(prediction, target, num_classes, ignore_index):
    kept = target != ignore_index
    return torch.bincount(target[kept].long() * num_classes + prediction[kept].long()).reshape(
        num_classes, num_classes
    )


@misconception(
    "target * num_classes + prediction was computed in uint8, where 255 + 1 is 0: with 21 classes the "
    "pair numbers go up to 440. Widen the labels to int64 first."
)
def wraps_in_uint8(prediction, target, num_classes, ignore_index):
    kept = target != ignore_index
    pairs = target[kept] * num_classes + prediction[kept]
    return torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


@misconception(
    "you divided each row by its sum. A confusion matrix holds counts: only counts of several images can "
    "be added up, and rows of absent classes become 0/0."
)
def normalised(prediction, target, num_classes, ignore_index):
    matrix = _count(prediction, target, num_classes, ignore_index).double()
    return matrix / matrix.sum(dim=1, keepdim=True)


@misconception(
    "each pair of classes was counted at most once: `matrix[target, prediction] += 1` adds 1 to each "
    "listed place once, however often it is listed. Use bincount, or an indexed add that accumulates."
)
def each_pair_once(prediction, target, num_classes, ignore_index):
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    kept = target != ignore_index
    matrix[target[kept].long(), prediction[kept].long()] += 1
    return matrix


@misconception(
    "you made one matrix for each image of the batch. All pixels of all images go into one matrix."
)
def one_an_image(prediction, target, num_classes, ignore_index):
    if target.ndim < 3:
        return _count(prediction, target, num_classes, ignore_index)
    pairs = zip(prediction, target, strict=True)
    return torch.stack([_count(p, t, num_classes, ignore_index) for p, t in pairs])


CONFUSION_MATRIX = Exercise(
    "confusion_matrix",
    LESSON,
    metrics.confusion_matrix,
    {"small masks": 1, "absent classes": 1, "ignored pixels": 1, "batches, many classes": 1},
    matrix_cases,
    (
        transposed,
        ignored_is_background,
        ignored_by_prediction,
        never_ignored,
        always_255,
        as_large_as_seen,
        no_minlength,
        wraps_in_uint8,
        normalised,
        each_pair_once,
        one_an_image,
    ),
    finished=(
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


def iou_cases(rng: Generator) -> Iterator[Case]:
    yield Case("every class occurs", {"matrix": ids([[3, 1], [2, 4]])})
    yield Case("absent classes", {"matrix": ids([[3, 0, 1], [0, 0, 0], [2, 0, 4]])}, "class 1 is nowhere")
    yield Case(
        "absent classes",
        {"matrix": ids([[3, 2, 1], [0, 0, 0], [1, 0, 4]])},
        "class 1 is predicted, but not in the truth",
    )
    for num_classes in (3, 5):
        yield Case("every class occurs", {"matrix": random_ids(rng, 20, num_classes, num_classes) + 1})
        matrix = random_ids(rng, 20, num_classes, num_classes) + 1
        absent = int(rng.integers(num_classes))
        matrix[absent], matrix[:, absent] = 0, 0
        yield Case("absent classes", {"matrix": matrix}, f"class {absent} is nowhere")


def _parts(matrix):
    """Intersection, pixels of the truth and of the prediction, float64 C each."""
    matrix = torch.as_tensor(matrix).double()
    return matrix.diagonal(), matrix.sum(dim=1), matrix.sum(dim=0)


@misconception(
    "you computed Dice, 2·I / (A + B), and not intersection over union, I / (A + B - I). Dice is the "
    "kinder of the two: 0.667 where IoU is 0.5."
)
def dice_for_iou(matrix):
    return metrics.dice_per_class(matrix)


@misconception(
    "your union counts the intersection twice: truth plus prediction holds the shared pixels once each. "
    "Subtract them once; as it is, even a perfect class gets 0.5."
)
def intersection_twice(matrix):
    both, truth, predicted = _parts(matrix)
    return both / (truth + predicted)


@misconception(
    "a class that occurs nowhere got 0, as if it had been missed. There was nothing to find: 0/0 is NaN, "
    "and the mean leaves it out."
)
def absent_is_zero(matrix):
    return metrics.iou_per_class(matrix).nan_to_num(0)


@misconception(
    "a class that occurs nowhere got 1 (a smoothing term in numerator and denominator does that), and so "
    "lifts the mean. There was nothing to find: 0/0 is NaN."
)
def absent_is_one(matrix):
    both, truth, predicted = _parts(matrix)
    return (both + 1e-9) / (truth + predicted - both + 1e-9)


@misconception(
    "you divided by the pixels of the true class only (the row): that is recall, and it forgives every "
    "false alarm. The union holds the predicted pixels too."
)
def recall(matrix):
    both, truth, _ = _parts(matrix)
    return both / truth


@misconception(
    "you divided by the predicted pixels only (the column): that is precision, and it forgives every "
    "miss. The union holds the true pixels too."
)
def precision(matrix):
    both, _, predicted = _parts(matrix)
    return both / predicted


@misconception(
    "you divided each class by all pixels of the picture. That is its share of the right pixels, and a "
    "small class can never score; divide by the union of that class."
)
def share_of_all(matrix):
    both, truth, _ = _parts(matrix)
    return both / truth.sum()


@misconception(
    "you returned the mean over the classes. This exercise wants one IoU for each class; the mean is the "
    "next one."
)
def mean_already(matrix):
    return metrics.mean_iou(matrix)


@misconception(
    "you called every class NaN that is absent from the truth, also where it was predicted. Those pixels "
    "are false alarms: the union is not empty, and the IoU is 0."
)
def nan_without_truth(matrix):
    _, truth, _ = _parts(matrix)
    return metrics.iou_per_class(matrix).where(truth > 0, torch.nan)


@misconception("you divided with //, which rounds down to whole numbers: every IoU below 1 becomes 0. Use /.")
def floor_division(matrix):
    both, truth, predicted = _parts(matrix)
    return both // (truth + predicted - both)


JACCARD = (
    "sklearn.metrics:jaccard_score",
    "torchmetrics.functional.classification:binary_jaccard_index",
    "torchmetrics.functional.classification:multiclass_jaccard_index",
    "torchmetrics.functional.classification.jaccard:_jaccard_index_reduce",
    "torchmetrics.classification:BinaryJaccardIndex",
    "torchmetrics.classification:MulticlassJaccardIndex",
    "torchmetrics.functional.segmentation:mean_iou",
    "torchmetrics.segmentation:MeanIoU",
    "monai.metrics:compute_iou",
    "monai.metrics:MeanIoU",
)

IOU_PER_CLASS = Exercise(
    "iou_per_class",
    LESSON,
    metrics.iou_per_class,
    {"every class occurs": 1, "absent classes": 1},
    iou_cases,
    (
        dice_for_iou,
        intersection_twice,
        absent_is_zero,
        absent_is_one,
        recall,
        precision,
        share_of_all,
        mean_already,
        nan_without_truth,
        floor_division,
    ),
    finished=(
        *JACCARD,
        "segmentation_models_pytorch.metrics:iou_score",
        "monai.metrics:compute_confusion_matrix_metric",
    ),
)


@misconception(
    "one class that occurs nowhere made the whole mean NaN. Its IoU is 0/0: take the mean over the "
    "classes that do occur."
)
def nan_spreads(matrix):
    return metrics.iou_per_class(matrix).mean()


@misconception(
    "a class that occurs nowhere was averaged in as 0, as if it had been missed. There was nothing to "
    "find: leave it out of the mean."
)
def mean_with_zeros(matrix):
    return metrics.iou_per_class(matrix).nan_to_num(0).mean()


@misconception(
    "a class that occurs nowhere was averaged in as 1, so that pictures with few classes look better. "
    "Leave it out of the mean."
)
def mean_with_ones(matrix):
    return metrics.iou_per_class(matrix).nan_to_num(1).mean()


@misconception("you left out class 0. Mean IoU counts the background as a class like any other.")
def without_background(matrix):
    return metrics.iou_per_class(matrix)[1:].nanmean()


@misconception(
    "you weighed each class by its pixels: that is frequency-weighted IoU, and large classes decide it. "
    "In mean IoU every class that occurs counts the same."
)
def frequency_weighted(matrix):
    _, truth, _ = _parts(matrix)
    return (metrics.iou_per_class(matrix).nan_to_num(0) * truth).sum() / truth.sum()


@misconception(
    "you summed intersections and unions over the classes before dividing. That micro-IoU equals acc / (2 "
    "- acc), pixel accuracy in disguise; divide first, class by class, then take the mean."
)
def micro(matrix):
    both, truth, predicted = _parts(matrix)
    return both.sum() / (truth + predicted - both).sum()


@misconception(
    "you averaged Dice, not IoU. Both grow together, but their means are different numbers: say which one "
    "you report."
)
def mean_of_dice(matrix):
    return metrics.mean_dice(matrix)


@misconception(
    "you computed pixel accuracy: the diagonal over everything. It is 0.99 for a picture with 1 % lesion "
    "and nothing found; mean IoU is about 0.5 there."
)
def accuracy(matrix):
    return metrics.pixel_accuracy(matrix)


@misconception(
    "you averaged recall (the diagonal over its row), called mean class accuracy. It forgives false "
    "alarms; IoU divides by the union."
)
def mean_recall(matrix):
    both, truth, _ = _parts(matrix)
    return (both / truth).nanmean()


@misconception(
    "you averaged over the classes of the truth only. A class that was predicted and is not there has IoU "
    "0, and belongs in the mean."
)
def truth_classes_only(matrix):
    _, truth, _ = _parts(matrix)
    return metrics.iou_per_class(matrix)[truth > 0].mean()


MEAN_IOU = Exercise(
    "mean_iou",
    LESSON,
    metrics.mean_iou,
    {"every class occurs": 1, "absent classes": 1},
    iou_cases,
    (
        nan_spreads,
        mean_with_zeros,
        mean_with_ones,
        without_background,
        frequency_weighted,
        micro,
        mean_of_dice,
        accuracy,
        mean_recall,
        truth_classes_only,
    ),
    finished=(
        *JACCARD,
        "segcourse.metrics:Scores.compute",
    ),
)
