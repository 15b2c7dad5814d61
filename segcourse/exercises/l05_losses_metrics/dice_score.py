"""Exercise 5.4: one Dice score per image."""

from collections.abc import Iterator

import torch
from numpy.random import Generator

from segcourse import metrics
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l05_losses_metrics._draw import ids, random_masks


def dice_score(prediction, target):
    """Return the foreground's Dice score of each image: masks (…, H, W) to scores (…)."""
    prediction, target = prediction.bool(), target.bool()
    both = (prediction & target).sum(dim=(-2, -1))
    areas = prediction.sum(dim=(-2, -1)) + target.sum(dim=(-2, -1))
    return 2 * both.double() / areas


SINGLE, EMPTY, BATCHES = "single masks", "empty masks", "batches"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, prediction, target, *traits, dtype=torch.int64):
        traits += ("there is a batch",) if ids(target).ndim == 3 else ()
        return Case(group, {"prediction": ids(prediction, dtype), "target": ids(target, dtype)}, traits)

    def random_case(group, *shape, traits=(), dtype=torch.int64):
        prediction, target = random_masks(rng, *shape)
        traits += ("there is a batch",) if len(shape) == 3 else ()
        return Case(group, {"prediction": prediction.to(dtype), "target": target.to(dtype)}, traits)

    full, none, one = [[1, 1], [1, 1]], [[0, 0], [0, 0]], [[0, 1], [0, 0]]
    yield case(SINGLE, [[1, 1], [0, 0]], [[1, 0], [0, 0]])
    yield case(SINGLE, [[1, 0], [0, 0]], [[1, 1], [1, 0]])
    yield case(SINGLE, [[1, 1, 0, 0]], [[0, 0, 1, 1]], "the masks share no pixel")
    yield case(EMPTY, none, none, "both masks are empty")
    yield case(EMPTY, one, none, "only the target is empty")
    yield case(EMPTY, none, one, "only the prediction is empty")
    yield case(SINGLE, full, full, "both masks cover the whole picture")
    for dtype, name in ((torch.bool, "bool"), (torch.uint8, "uint8")):
        yield case(SINGLE, [[1, 1], [0, 0]], [[1, 0], [1, 0]], f"the masks are {name}", dtype=dtype)
        yield case(SINGLE, [[1, 0], [0, 0]], [[1, 0], [1, 0]], f"the masks are {name}", dtype=dtype)
        yield case(EMPTY, none, none, "both masks are empty", f"the masks are {name}", dtype=dtype)
    yield case(
        BATCHES, [full, [[1, 0], [0, 0]]], [[[1, 1], [1, 0]], [[0, 1], [0, 1]]], "there is a batch of two"
    )
    yield case(BATCHES, [[[1, 1], [0, 0]]], [[[1, 0], [0, 1]]], "there is a batch of one")
    mixed = [full, none, one], [none, none, one]
    yield case(EMPTY, *mixed, "in a batch, some masks are empty")

    yield random_case(SINGLE, 6, 7)
    yield random_case(SINGLE, 90, 80, traits=("the masks have 90 x 80 pixels, as uint8",), dtype=torch.uint8)
    yield random_case(SINGLE, 300, 260, traits=("the masks have 300 x 260 pixels",))
    yield random_case(BATCHES, 4, 5, 6, traits=("there is a batch of four",))
    yield random_case(BATCHES, 5, 5, 5, traits=("there is a batch of five, 5 x 5 pixels each",))
    yield random_case(BATCHES, 2, 5, 4, traits=("there is a batch of two, as bool",), dtype=torch.bool)
    yield random_case(BATCHES, 3, 4, 6, traits=("there is a batch of three, as uint8",), dtype=torch.uint8)
    prediction, target = random_masks(rng, 3, 4, 4)
    prediction[1], target[1] = 0, 0
    traits = ("in a batch, some masks are empty", "there is a batch")
    yield Case(EMPTY, {"prediction": prediction, "target": target}, traits)


def areas(prediction, target):
    """Return intersection and areas of foreground masks, float64, one of each per image."""
    prediction, target = prediction.bool(), target.bool()
    return tuple(m.sum(dim=(-2, -1)).double() for m in (prediction & target, prediction, target))


def _smoothed(prediction, target):
    both, predicted, truth = areas(prediction, target)
    return (2 * both + 1) / (predicted + truth + 1)


def _batch_summed(prediction, target):
    both, predicted, truth = (area.sum() for area in areas(prediction, target))
    return 2 * both / (predicted + truth)


def _recall(prediction, target):
    both, _, truth = areas(prediction, target)
    return both / truth


def _precision(prediction, target):
    both, predicted, _ = areas(prediction, target)
    return both / predicted


def _bool_addition(prediction, target):
    both = (prediction.bool() & target.bool()).sum(dim=(-2, -1)).double()
    return 2 * both / (prediction + target).sum(dim=(-2, -1))


def _uint8_subtraction(prediction, target):
    _, predicted, truth = areas(prediction, target)
    difference = prediction ^ target if target.dtype == torch.bool else (prediction - target).abs()
    return 1 - difference.sum(dim=(-2, -1)) / (predicted + truth)


def _nan_without_target(prediction, target):
    _, _, truth = areas(prediction, target)
    return dice_score(prediction, target).where(truth > 0, torch.nan)


def _nan_without_prediction(prediction, target):
    _, predicted, _ = areas(prediction, target)
    return dice_score(prediction, target).where(predicted > 0, torch.nan)


def _nan_without_overlap(prediction, target):
    both, _, _ = areas(prediction, target)
    return dice_score(prediction, target).where(both > 0, torch.nan)


def _per_row(prediction, target):
    prediction, target = prediction.bool(), target.bool()
    both, areas = (prediction & target).sum(-1), prediction.sum(-1) + target.sum(-1)
    return 2 * both.double() / areas


def _with_background(empty=None):
    """Return the mean Dice of foreground and background; `empty` replaces an empty class's NaN."""

    def wrong(prediction, target):
        background = dice_score(~prediction.bool(), ~target.bool())
        both = torch.stack([dice_score(prediction, target), background])
        return both.nanmean(dim=0) if empty is None else both.nan_to_num(empty).mean(dim=0)

    return wrong


def _agreeing(prediction, target):
    _, predicted, truth = areas(prediction, target)
    return (prediction == target).double().sum(dim=(-2, -1)), predicted + truth


def _nan_without_either(prediction, target):
    _, predicted, truth = areas(prediction, target)
    return dice_score(prediction, target).where((predicted > 0) & (truth > 0), torch.nan)


def celebrate(answer):
    """Show the Dice score at every threshold."""
    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import show_curves

    grey, thresholds = lesion().image.mean(dim=0), [i / 40 for i in range(41)]
    masks = torch.stack([grey < t for t in thresholds]).long()
    curve = answer(masks, lesion().mask.expand_as(masks))
    label = {"xlabel": "threshold: darker pixels are lesion", "ylabel": "Dice"}
    show_curves({"your dice_score, one lesion": curve}, thresholds, **label)


EXERCISE = Exercise(
    dice_score,
    number="5.4",
    difficulty=2,
    minutes=10,
    groups={SINGLE: 1, EMPTY: 1, BATCHES: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "You return 1 for two empty masks. There was nothing to find, so 0/0 is NaN here, and the "
            "average decides what to do with it. (A smoothing term in numerator and denominator makes "
            "such a 1.)",
            lambda p, t: dice_score(p, t).nan_to_num(1),
        ),
        (
            "You return 0 for two empty masks, the score of a complete miss. There was nothing to find, "
            "and nothing was found: 0/0 is NaN here. (A small number in the denominator alone makes such "
            "a 0.)",
            lambda p, t: dice_score(p, t).nan_to_num(0),
        ),
        (
            "Your numbers are those of a Dice with a smoothing constant of 1 above and below. It moves "
            "every score towards 1, small lesions most, and calls two empty masks perfect. A score needs "
            "no smoothing.",
            _smoothed,
        ),
        (
            "The factor 2 is missing from your result: Dice is 2·I / (A + B). Without it a perfect mask "
            "scores 0.5.",
            lambda p, t: dice_score(p, t) / 2,
        ),
        (
            "You return intersection over union, I / (A + B - I), and not Dice, 2·I / (A + B). In Dice the "
            "shared pixels count in both areas.",
            metrics.iou_score,
        ),
        (
            "You sum over the whole batch, so that all images get one score in which large lesions decide. "
            "Sum over height and width only: one score per image.",
            _batch_summed,
        ),
        (
            "You average over the images. Return one score per image; before anyone averages, NaN has to "
            "be dealt with.",
            lambda p, t: dice_score(p, t).mean(),
        ),
        (
            "You divide by the true area alone: that is recall, and a mask that covers the whole picture "
            "gets 1. Dice divides by both areas.",
            _recall,
        ),
        (
            "You divide by the predicted area alone: that is precision, and one lucky pixel gets 1. Dice "
            "divides by both areas.",
            _precision,
        ),
        (
            "Your denominator is the sum of `prediction + target`, and for bool masks True + True is "
            "True, so that shared pixels count once. Sum each mask, then add the two areas.",
            _bool_addition,
        ),
        (
            "Your result is 1 minus a sum of differences, and in uint8 the difference 0 - 1 is 255, so "
            "that one missed pixel weighs like 255. Compare the masks with `!=`, or convert them first.",
            _uint8_subtraction,
        ),
        (
            "You return the share of the pixels that agree, background included: that is pixel accuracy, "
            "and an empty prediction of a small lesion gets 0.99.",
            lambda p, t: (p == t).double().mean(dim=(-2, -1)),
        ),
        (
            "You return how many pixels agree, background included. A score lies between 0 and 1: count "
            "the pixels that are 1 in both masks, twice, and divide by the sum of the two areas.",
            lambda p, t: (p == t).double().sum(dim=(-2, -1)),
        ),
        (
            "You return how many pixels are 1 in both masks, so that a large lesion scores more than a "
            "small one. Take that count twice and divide it by the sum of the two areas.",
            lambda p, t: areas(p, t)[0],
        ),
        (
            "You return twice the number of pixels that are 1 in both masks. Divide it by the sum of the "
            "two areas.",
            lambda p, t: 2 * areas(p, t)[0],
        ),
        (
            "You average the Dice of the lesion with the Dice of the background. The background is large "
            "and easy, and hides the lesion: score the foreground alone.",
            _with_background(),
        ),
        (
            "You score the background: your numbers are the Dice of the pixels that are 0. Score the "
            "pixels that are 1.",
            lambda p, t: dice_score(~p.bool(), ~t.bool()),
        ),
        (
            "You return NaN whenever the target is empty. If the prediction is not empty, that is a false "
            "alarm, and its Dice is 0.",
            _nan_without_target,
        ),
        (
            "You return NaN whenever the prediction is empty. If the target is not empty, the lesion was "
            "missed, and its Dice is 0.",
            _nan_without_prediction,
        ),
        (
            "You return NaN whenever the masks share no pixel. Only if both are empty is there nothing to "
            "score; otherwise the Dice is 0.",
            _nan_without_overlap,
        ),
        (
            "You return 1 - Dice, the loss. A score is 1 for a perfect mask.",
            lambda p, t: 1 - dice_score(p, t),
        ),
        (
            "You return one number per row of pixels. Sum over the last two axes, height and width.",
            _per_row,
        ),
        *(
            (
                "You average the Dice of the lesion with the Dice of the background. The background is large "
                "and easy, and hides the lesion: score the foreground alone.",
                _with_background(empty),
            )
            for empty in (torch.nan, 0, 1)
        ),
        *(
            (
                "Your shared area counts the pixels that agree, background included. Count the pixels that "
                "are 1 in both masks.",
                wrong,
            )
            for wrong in (
                lambda p, t: 2 * _agreeing(p, t)[0] / _agreeing(p, t)[1],
                lambda p, t: (2 * _agreeing(p, t)[0] / _agreeing(p, t)[1]).nan_to_num(posinf=torch.nan),
                lambda p, t: 2 * _agreeing(p, t)[0] / _agreeing(p, t)[1].clamp(min=1),
                lambda p, t: _agreeing(p, t)[0] / _agreeing(p, t)[1],
            )
        ),
        (
            "You return NaN whenever one of the masks is empty. Only two empty masks give NaN: if one mask "
            "alone is empty, Dice is 0.",
            _nan_without_either,
        ),
        (
            "You score only the first image of a batch. Return one score per image.",
            lambda p, t: dice_score(p[0], t[0]) if p.ndim == 3 else dice_score(p, t),
        ),
        *(
            (f"You divide by {what}. Dice divides by the sum of both areas.", wrong)
            for what, wrong in (
                (
                    "the union, and take the shared pixels twice",
                    lambda p, t: 2 * areas(p, t)[0] / (p.bool() | t.bool()).sum(dim=(-2, -1)),
                ),
                (
                    "the larger area, and take the shared pixels twice",
                    lambda p, t: 2 * areas(p, t)[0] / torch.maximum(*areas(p, t)[1:]),
                ),
                ("the larger area", lambda p, t: areas(p, t)[0] / torch.maximum(*areas(p, t)[1:])),
            )
        ),
    ],
    finished=(
        "segcourse.metrics:dice_score",
        "segcourse.metrics:dice_per_class",
        "segcourse.metrics:mean_dice",
        "segcourse.metrics:Scores",
        "segmentation_models_pytorch.metrics:f1_score",
        "segmentation_models_pytorch.metrics:fbeta_score",
        "torchmetrics.functional.segmentation:dice_score",
        "torchmetrics.segmentation:DiceScore",
        "torchmetrics.functional.classification:binary_f1_score",
        "torchmetrics.functional.classification:binary_fbeta_score",
        "torchmetrics.functional.classification:multiclass_f1_score",
        "torchmetrics.functional.classification:multiclass_fbeta_score",
        "torchmetrics.classification:BinaryFBetaScore",
        "torchmetrics.classification:MulticlassFBetaScore",
        "monai.metrics:compute_dice",
        "monai.metrics:DiceHelper",
        "monai.metrics:DiceMetric",
        "sklearn.metrics:f1_score",
        "sklearn.metrics:fbeta_score",
        "scipy.spatial.distance:dice",
    ),
)
