"""Exercise 5.3: the mean IoU over the classes that occur."""

import torch

from segcourse import metrics
from segcourse.exercises.engine.exercise import Exercise
from segcourse.exercises.l05_losses_metrics._matrices import ABSENT, EVERY, JACCARD, matrix_cases, parts
from segcourse.exercises.l05_losses_metrics.iou_per_class import iou_per_class


def mean_iou(matrix):
    """Return the mean IoU over the classes in truth or prediction, a scalar tensor."""
    return iou_per_class(matrix).nanmean()


def _frequency_weighted(matrix):
    _, truth, _ = parts(matrix)
    return (iou_per_class(matrix).nan_to_num(0) * truth).sum() / truth.sum()


def _micro(matrix):
    both, truth, predicted = parts(matrix)
    return both.sum() / (truth + predicted - both).sum()


def _mean_recall(matrix):
    both, truth, _ = parts(matrix)
    return (both / truth).nanmean()


def _mean_precision(matrix):
    both, _, predicted = parts(matrix)
    return (both / predicted).nanmean()


def _truth_classes_only(matrix):
    _, truth, _ = parts(matrix)
    return iou_per_class(matrix)[truth > 0].mean()


def _found_classes_only(matrix):
    iou = iou_per_class(matrix)
    return iou[iou > 0].mean()


def _sum(matrix):
    return iou_per_class(matrix).nansum()


def _empty_stack(matrix):
    return torch.stack([iou for iou in iou_per_class(matrix) if iou > 0]).mean()


def _empty_division(matrix):
    found = [iou for iou in iou_per_class(matrix).tolist() if iou > 0]
    return sum(found) / len(found)


def _predicted_classes_only(matrix):
    _, _, predicted = parts(matrix)
    return iou_per_class(matrix)[predicted > 0].mean()


def celebrate(answer):
    """Show the mean IoU at every threshold."""
    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import show_curves

    grey, truth, thresholds = lesion().image.mean(dim=0), lesion().mask, [i / 20 for i in range(21)]
    curve = [answer(metrics.confusion_matrix((grey < t).long(), truth, 2)) for t in thresholds]
    label = {"xlabel": "threshold: darker pixels are lesion", "ylabel": "mean IoU"}
    show_curves({"your mean_iou, one lesion": curve}, thresholds, **label)


EXERCISE = Exercise(
    mean_iou,
    number="5.3",
    difficulty=1,
    minutes=5,
    groups={EVERY: 1, ABSENT: 1},
    cases=matrix_cases,
    celebrate=celebrate,
    mistakes=[
        (
            "You return NaN where one class is absent: its IoU is 0/0 and spreads. Leave NaN out by "
            "`nanmean` or `isnan`; a test such as `iou != nan` is always true.",
            lambda matrix: iou_per_class(matrix).mean(),
        ),
        (
            "You average an absent class as 0, as if it had been missed. There was "
            "nothing to find: leave it out of the mean.",
            lambda matrix: iou_per_class(matrix).nan_to_num(0).mean(),
        ),
        (
            "You average an absent class as 1, so that pictures with few classes look "
            "better. Leave it out of the mean.",
            lambda matrix: iou_per_class(matrix).nan_to_num(1).mean(),
        ),
        (
            "Your mean lacks class 0. Mean IoU counts the background as a class like any other.",
            lambda matrix: iou_per_class(matrix)[1:].nanmean(),
        ),
        (
            "You weigh each class by its pixels: that is frequency-weighted IoU, and large classes "
            "decide it. In mean IoU every class that occurs counts equally.",
            _frequency_weighted,
        ),
        (
            "You sum intersections and unions over the classes before dividing. That micro-IoU equals "
            "acc / (2 - acc), pixel accuracy in disguise. Divide first, class by class, then take the "
            "mean.",
            _micro,
        ),
        (
            "You average Dice, not IoU. Both grow together, but their means are different numbers.",
            metrics.mean_dice,
        ),
        (
            "You return pixel accuracy: the diagonal over everything. It is 0.99 for a picture with 1 % "
            "lesion and nothing found; mean IoU is about 0.5 there.",
            metrics.pixel_accuracy,
        ),
        (
            "You average recall (the diagonal over its row), also called mean class accuracy. It forgives "
            "false alarms; IoU divides by the union.",
            _mean_recall,
        ),
        (
            "You average precision (the diagonal over its column). It forgives misses; IoU divides by the "
            "union.",
            _mean_precision,
        ),
        (
            "You average over the classes of the truth only. A class that was predicted and is not there "
            "has IoU 0, and belongs in the mean.",
            _truth_classes_only,
        ),
        (
            "You average only over classes with a right pixel. A class that was missed altogether has "
            "IoU 0, and belongs in the mean.",
            _found_classes_only,
        ),
        (
            "You return the sum of the IoUs. Divide by the number of classes that occur.",
            _sum,
        ),
        (
            "You return the IoU of each class. This exercise asks for their mean, one number.",
            iou_per_class,
        ),
        *(
            (
                "You average only over classes with a right pixel. A class that was missed altogether has "
                "IoU 0, and belongs in the mean.",
                wrong,
            )
            for wrong in (
                _empty_stack,
                _empty_division,
                lambda matrix: _found_classes_only(matrix).nan_to_num(0),
            )
        ),
        *(
            (
                "You average only the classes 0 and 1. Take every class of the matrix, and leave out those "
                "that are NaN.",
                wrong,
            )
            for wrong in (
                lambda matrix: (iou_per_class(matrix)[0] + iou_per_class(matrix)[1]) / 2,
                lambda matrix: iou_per_class(matrix)[:2].mean(),
                lambda matrix: iou_per_class(matrix)[:2].nanmean(),
            )
        ),
        *(
            ("You return the IoU of class 1 alone. Average over the classes that occur.", wrong)
            for wrong in (
                lambda matrix: iou_per_class(matrix)[1],
                lambda matrix: iou_per_class(matrix)[1].nan_to_num(0),
            )
        ),
        *(
            (
                "Your mean lacks class 0. Mean IoU counts the background as a class like any other.",
                wrong,
            )
            for wrong in (
                lambda matrix: iou_per_class(matrix)[1:].mean(),
                lambda matrix: iou_per_class(matrix)[1:].nan_to_num(0).mean(),
            )
        ),
        (
            "You average over the predicted classes only. A class that is in the truth and was never "
            "predicted has IoU 0, and belongs in the mean.",
            _predicted_classes_only,
        ),
        *(
            (f"You return the {name} of the IoUs. Return their mean.", wrong)
            for name, wrong in (
                ("median", lambda matrix: iou_per_class(matrix).nanmedian()),
                ("smallest", lambda matrix: iou_per_class(matrix).nan_to_num(torch.inf).min()),
                ("largest", lambda matrix: iou_per_class(matrix).nan_to_num(-1).max()),
            )
        ),
    ],
    finished=("segcourse.metrics:mean_iou", *JACCARD),
)
