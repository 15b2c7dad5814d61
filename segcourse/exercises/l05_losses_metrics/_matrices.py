"""Confusion matrices for the exercises that read scores off them."""

from collections.abc import Iterator

import torch
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case
from segcourse.exercises.l05_losses_metrics._draw import ids, random_ids

EVERY, ABSENT = "every class occurs", "absent classes"

JACCARD = (
    "segcourse.metrics:Scores.compute",
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


def matrix_cases(rng: Generator) -> Iterator[Case]:
    """Yield matrices in which every class occurs, and matrices with a class that is absent somewhere."""
    yield Case(EVERY, {"matrix": ids([[3, 1], [2, 4]])})
    yield Case(ABSENT, {"matrix": ids([[3, 0, 1], [0, 0, 0], [2, 0, 4]])}, ("class 1 is absent",))
    yield Case(ABSENT, {"matrix": ids([[0, 0, 0], [0, 5, 1], [0, 2, 4]])}, ("class 0 is absent",))
    yield Case(ABSENT, {"matrix": ids([[4, 1, 0], [2, 3, 0], [0, 0, 0]])}, ("the last class is absent",))
    predicted = ids([[3, 2, 1], [0, 0, 0], [1, 0, 4]])
    yield Case(ABSENT, {"matrix": predicted}, ("class 1 is predicted, but not in the truth",))
    yield Case(
        ABSENT, {"matrix": predicted.T.contiguous()}, ("class 1 is in the truth, but never predicted",)
    )
    yield Case(EVERY, {"matrix": ids([[0, 3], [2, 0]])}, ("no pixel is right",))
    yield Case(EVERY, {"matrix": ids([[7, 0, 0], [0, 2, 0], [0, 0, 1]])}, ("every pixel is right",))
    huge = ids([[3_000_000_000, 1_000_000_000], [70_000, 2_000_000_000]])
    yield Case(EVERY, {"matrix": huge}, ("the counts go up to 3,000,000,000",))
    yield Case(EVERY, {"matrix": ids([[6]])}, ("there is one class only",))
    for num_classes in (3, 5, 6):
        matrix = random_ids(rng, 20, num_classes, num_classes) + 1
        yield Case(EVERY, {"matrix": matrix})
        matrix = random_ids(rng, 20, num_classes, num_classes) + 1
        absent = int(rng.integers(num_classes))
        matrix[absent], matrix[:, absent] = 0, 0
        yield Case(ABSENT, {"matrix": matrix}, (f"of {num_classes} classes, class {absent} is absent",))


def parts(matrix):
    """Return intersection, pixels of the truth and of the prediction, float64 C each."""
    matrix = torch.as_tensor(matrix).double()
    return matrix.diagonal(), matrix.sum(dim=1), matrix.sum(dim=0)
