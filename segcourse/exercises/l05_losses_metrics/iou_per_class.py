"""Exercise 5.2: read the IoU of every class off a confusion matrix."""

import torch

from segcourse import metrics
from segcourse.exercises.engine.exercise import Exercise
from segcourse.exercises.l05_losses_metrics._matrices import ABSENT, EVERY, JACCARD, matrix_cases, parts


def iou_per_class(matrix):
    """Return the IoU of each class, float C; NaN for a class in neither truth nor prediction."""
    both = matrix.diagonal().double()
    union = matrix.sum(dim=0) + matrix.sum(dim=1) - both
    return both / union


def _intersection_twice(matrix):
    both, truth, predicted = parts(matrix)
    return both / (truth + predicted)


def _recall(matrix):
    both, truth, _ = parts(matrix)
    return both / truth


def _precision(matrix):
    both, _, predicted = parts(matrix)
    return both / predicted


def _share_of_all(matrix):
    both, truth, _ = parts(matrix)
    return both / truth.sum()


def _nan_without_truth(matrix):
    _, truth, _ = parts(matrix)
    return iou_per_class(matrix).where(truth > 0, torch.nan)


def _nan_without_overlap(matrix):
    both, _, _ = parts(matrix)
    return iou_per_class(matrix).where(both > 0, torch.nan)


def _floor(matrix):
    both, truth, predicted = parts(matrix)
    return both // (truth + predicted - both)


def _dropped(matrix):
    iou = iou_per_class(matrix)
    return iou[~iou.isnan()]


def celebrate(answer):
    """Show both classes' IoU of a threshold's mask."""
    from segcourse.classical import otsu
    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import show_bars

    iou = answer(metrics.confusion_matrix(otsu(lesion().image), lesion().mask, 2))
    show_bars(iou, ["skin", "lesion"], xlabel="IoU of Otsu's threshold on one lesion, by your function")


EXERCISE = Exercise(
    iou_per_class,
    number="5.2",
    difficulty=1,
    minutes=5,
    groups={EVERY: 1, ABSENT: 1},
    cases=matrix_cases,
    celebrate=celebrate,
    mistakes=[
        (
            "You return Dice, 2·I / (A + B), and not intersection over union, I / (A + B - I). Dice is the "
            "kinder of the two: 0.667 where IoU is 0.5.",
            metrics.dice_per_class,
        ),
        (
            "Your union contains the intersection twice: truth plus prediction has the shared pixels once "
            "each. Subtract them once; as it is, even a perfect class gets 0.5.",
            _intersection_twice,
        ),
        (
            "You return 0 for an absent class, as if it had been missed. There was nothing to "
            "find: 0/0 is NaN, and a mean can leave it out.",
            lambda matrix: iou_per_class(matrix).nan_to_num(0),
        ),
        (
            "You return 1 for an absent class, which lifts the mean. There was nothing to "
            "find: 0/0 is NaN. (A smoothing term in numerator and denominator makes such a 1.)",
            lambda matrix: iou_per_class(matrix).nan_to_num(1),
        ),
        (
            "Your union holds the row sums twice. The column sums, what was predicted as each class, are "
            "missing in it.",
            lambda matrix: matrix.diagonal() / (2 * matrix.sum(dim=1) - matrix.diagonal()),
        ),
        (
            "You divide by the pixels of the true class only (the row): that is recall, and it forgives "
            "every false alarm. The union contains the predicted pixels, too.",
            _recall,
        ),
        (
            "You divide by the predicted pixels only (the column): that is precision, and it forgives "
            "every miss. The union contains the true pixels, too.",
            _precision,
        ),
        (
            "You divide each class by all pixels of the picture. That is the class's share of the right "
            "pixels, and a small class can never score. Divide by the union of that class.",
            _share_of_all,
        ),
        (
            "You return the mean over the classes. This exercise asks for one IoU per class; the mean is "
            "the next exercise.",
            metrics.mean_iou,
        ),
        (
            "You return NaN for every class that is absent from the truth, also where it was predicted. "
            "Those pixels are false alarms: the union is not empty, and the IoU is 0.",
            _nan_without_truth,
        ),
        (
            "You return NaN for every class without a right pixel. A class that was missed, or predicted "
            "where it is not, has a union, and its IoU is 0.",
            _nan_without_overlap,
        ),
        (
            "Your quotients are cut to whole numbers, so that every IoU below 1 becomes 0. `//` does that; "
            "use `/`.",
            _floor,
        ),
        (
            "You leave out the absent classes. Return one number per class, NaN among them: "
            "the place of a number says which class it belongs to.",
            _dropped,
        ),
        *(
            (
                f"Your counts are stored in {name}, which is too small for billions of pixels: large counts "
                "become negative. Keep int64, or convert to float64.",
                lambda matrix, dtype=dtype: iou_per_class(matrix.to(dtype)),
            )
            for name, dtype in (("int32", torch.int32), ("int16", torch.int16))
        ),
        (
            "You know only the classes 0 and 1. Return one number per class of the matrix.",
            lambda matrix: iou_per_class(matrix)[:2],
        ),
        (
            "You return the IoU of class 1 alone. Return one number per class.",
            lambda matrix: iou_per_class(matrix)[1],
        ),
        (
            "You return the misses over the union, or 1 - IoU. Divide the intersection by the union.",
            lambda matrix: 1 - iou_per_class(matrix),
        ),
        (
            "You divide all right pixels together by the union of each class. The intersection of a class is "
            "its own number on the diagonal.",
            lambda matrix: parts(matrix)[0].sum() / (parts(matrix)[1] + parts(matrix)[2] - parts(matrix)[0]),
        ),
        *(
            (
                f"You divide by {what}. Divide by the union: truth plus prediction minus what both share.",
                wrong,
            )
            for what, wrong in (
                (
                    "the wrong pixels alone, without the right ones",
                    lambda matrix: (
                        matrix.diagonal() / (parts(matrix)[1] + parts(matrix)[2] - 2 * parts(matrix)[0])
                    ),
                ),
                (
                    "the larger of both areas",
                    lambda matrix: matrix.diagonal() / torch.maximum(*parts(matrix)[1:]),
                ),
                (
                    "the smaller of both areas",
                    lambda matrix: matrix.diagonal() / torch.minimum(*parts(matrix)[1:]),
                ),
            )
        ),
    ],
    finished=(
        "segcourse.metrics:iou_per_class",
        *JACCARD,
        "segmentation_models_pytorch.metrics:iou_score",
        "monai.metrics:compute_confusion_matrix_metric",
    ),
)
