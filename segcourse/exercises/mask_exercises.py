"""Lesson 5: exercises on foreground masks, one score an image."""

from collections.abc import Iterator

import torch
from numpy.random import Generator
from torch import Tensor

from segcourse import metrics
from segcourse.exercises.engine import Case, Exercise, misconception
from segcourse.exercises.matrix_exercises import LESSON, guess, ids, random_ids


def random_masks(rng: Generator, *shape: int) -> dict[str, Tensor]:
    """A prediction and a target of 0 and 1 that overlap in part, none of them empty."""
    target = random_ids(rng, 2, *shape)
    target[..., 0, 0] = 1
    prediction = guess(rng, target, 2, wrong=0.5)
    prediction[..., 0, 0], prediction[..., 0, 1], target[..., 0, 1] = 1, 0, 1
    return {"prediction": prediction, "target": target}


def dice_cases(rng: Generator) -> Iterator[Case]:
    def case(group, prediction, target, note="", dtype=torch.int64):
        return Case(group, {"prediction": ids(prediction, dtype), "target": ids(target, dtype)}, note)

    yield case("single masks", [[1, 1], [0, 0]], [[1, 0], [0, 0]])
    yield case("single masks", [[1, 0], [0, 0]], [[1, 1], [1, 0]])
    yield case("empty masks", [[0, 0], [0, 0]], [[0, 0], [0, 0]], "both masks are empty")
    yield case("empty masks", [[0, 1], [0, 0]], [[0, 0], [0, 0]], "only the target is empty")
    yield case("single masks", [[1, 1], [0, 0]], [[1, 0], [1, 0]], "bool masks", torch.bool)
    yield case("single masks", [[1, 0], [0, 0]], [[1, 0], [1, 0]], "uint8 masks", torch.uint8)
    yield case(
        "batches",
        [[[1, 1], [1, 1]], [[1, 0], [0, 0]]],
        [[[1, 1], [1, 0]], [[0, 1], [0, 1]]],
        "a batch of two",
    )
    yield Case("single masks", random_masks(rng, 6, 7))
    empty = random_masks(rng, 3, 4, 4)
    empty["target"][1], empty["prediction"][1] = 0, 0
    yield Case("empty masks", empty, "both masks of the second image are empty")
    yield Case("batches", random_masks(rng, 4, 5, 5), "a batch of four")
    yield Case(
        "batches", {k: v.bool() for k, v in random_masks(rng, 2, 5, 5).items()}, "a batch of two, bool"
    )


def _areas(prediction, target):
    """Intersection and areas of foreground masks, float64, one an image."""
    prediction, target = prediction.bool(), target.bool()
    return tuple(m.sum(dim=(-2, -1)).double() for m in (prediction & target, prediction, target))


@misconception(
    "two empty masks got 1: a smoothing term in numerator and denominator decides that for you. There was "
    "nothing to find, so 0/0 is NaN here, and whoever averages says what to do with it."
)
def empty_is_one(prediction, target):
    return metrics.dice_score(prediction, target).nan_to_num(1)


@misconception(
    "two empty masks got 0, the score of a complete miss: a small number in the denominator alone does "
    "that. There was nothing to find, and nothing was found: 0/0 is NaN here."
)
def empty_is_zero(prediction, target):
    return metrics.dice_score(prediction, target).nan_to_num(0)


@misconception(
    "you added a smoothing constant of 1 above and below. It moves every score towards 1, small lesions "
    "most, and decides that two empty masks are perfect. A score needs no smoothing."
)
def smoothed(prediction, target):
    both, predicted, truth = _areas(prediction, target)
    return (2 * both + 1) / (predicted + truth + 1)


@misconception("the factor 2 is missing: Dice is 2·I / (A + B). Without it a perfect mask scores 0.5.")
def half(prediction, target):
    return metrics.dice_score(prediction, target) / 2


@misconception(
    "you computed intersection over union, I / (A + B - I), and not Dice, 2·I / (A + B): the shared "
    "pixels count in both areas."
)
def iou_for_dice(prediction, target):
    return metrics.iou_score(prediction, target)


@misconception(
    "you summed over the whole batch, so that all images got one score in which large lesions decide. Sum "
    "over height and width only: one score an image."
)
def batch_summed(prediction, target):
    both, predicted, truth = (area.sum() for area in _areas(prediction, target))
    return 2 * both / (predicted + truth)


@misconception(
    "you averaged over the images. Return one score an image; whoever averages has to decide about NaN first."
)
def averaged(prediction, target):
    return metrics.dice_score(prediction, target).mean()


@misconception(
    "you divided by the true area alone: that is recall, and a mask that covers the whole picture gets 1. "
    "Dice divides by both areas."
)
def recall_for_dice(prediction, target):
    both, _, truth = _areas(prediction, target)
    return both / truth


@misconception(
    "you divided by the predicted area alone: that is precision, and one lucky pixel gets 1. Dice divides "
    "by both areas."
)
def precision_for_dice(prediction, target):
    both, predicted, _ = _areas(prediction, target)
    return both / predicted


@misconception(
    "you added two bool masks before summing: True + True is True, so shared pixels counted once. Sum "
    "each mask, then add the two areas."
)
def bool_addition(prediction, target):
    both = (prediction.bool() & target.bool()).sum(dim=(-2, -1))
    return 2 * both / (prediction + target).sum(dim=(-2, -1))


@misconception(
    "you subtracted uint8 masks: 0 - 1 is 255 there, so one missed pixel weighs like 255. Compare the "
    "masks with != or widen them first."
)
def uint8_subtraction(prediction, target):
    _, predicted, truth = _areas(prediction, target)
    difference = prediction ^ target if target.dtype == torch.bool else (prediction - target).abs()
    return 1 - difference.sum(dim=(-2, -1)) / (predicted + truth)


@misconception(
    "you counted the pixels that agree, background included: that is pixel accuracy, and an empty "
    "prediction of a small lesion gets 0.99."
)
def agreement(prediction, target):
    return (prediction == target).double().mean(dim=(-2, -1))


@misconception(
    "you counted the pixels that agree, background included, and divided by nothing: a score lies between 0 "
    "and 1. Count the pixels that are 1 in both masks, twice, and divide by the sum of the two areas."
)
def agreeing_pixels(prediction, target):
    return (prediction == target).double().sum(dim=(-2, -1))


@misconception(
    "you counted the pixels that are 1 in both masks and divided by nothing, so that a large lesion scores "
    "more than a small one. Take the count twice and divide it by the sum of the two areas."
)
def common_pixels(prediction, target):
    return _areas(prediction, target)[0]


@misconception(
    "you averaged the Dice of the lesion with the Dice of the background. The background is large and "
    "easy, and hides the lesion: score the foreground alone."
)
def with_background(prediction, target):
    background = metrics.dice_score(~prediction.bool(), ~target.bool())
    return torch.stack([metrics.dice_score(prediction, target), background]).nanmean(dim=0)


@misconception(
    "you returned NaN whenever the target is empty. If the prediction is not empty, that is a false "
    "alarm, and its Dice is 0."
)
def nan_without_target(prediction, target):
    _, _, truth = _areas(prediction, target)
    return metrics.dice_score(prediction, target).where(truth > 0, torch.nan)


DICE_SCORE = Exercise(
    "dice_score",
    LESSON,
    metrics.dice_score,
    {"single masks": 1, "empty masks": 1, "batches": 1},
    dice_cases,
    (
        empty_is_one,
        empty_is_zero,
        smoothed,
        half,
        iou_for_dice,
        batch_summed,
        averaged,
        recall_for_dice,
        precision_for_dice,
        bool_addition,
        uint8_subtraction,
        agreement,
        agreeing_pixels,
        common_pixels,
        with_background,
        nan_without_target,
    ),
    finished=(
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


def jaccard_cases(rng: Generator) -> Iterator[Case]:
    def case(group, prediction, target, note="", **threshold):
        return Case(group, {"prediction": ids(prediction), "target": ids(target)} | threshold, note)

    whole, quarter = [[1, 1], [1, 1]], [[1, 0], [0, 0]]
    three, empty = [[1, 1], [1, 0]], [[0, 0], [0, 0]]
    yield case("batches", [three, quarter], [whole, whole], "Jaccard 0.75 and 0.25")
    yield case(
        "around the threshold", [three, quarter], [whole, whole], "Jaccard 0.75 and 0.25", threshold=0.8
    )
    yield case(
        "around the threshold", [three, quarter], [whole, whole], "Jaccard 0.75 and 0.25", threshold=0.75
    )
    yield case("empty masks", [three, empty], [whole, empty], "both masks of the second image are empty")
    yield case("empty masks", [three, quarter], [whole, empty], "only the second target is empty")
    for group, count in (("batches", 4), ("batches", 5), ("around the threshold", 6), ("empty masks", 4)):
        prediction, target = graded_masks(rng, count)
        inputs = {"prediction": prediction, "target": target}
        if group == "around the threshold":
            inputs["threshold"] = float(rng.choice([0.4625, 0.4875]))  # no k / 21 … k / 30 equals it
        if group == "empty masks":
            prediction[1], target[1] = 0, 0
        yield Case(group, inputs, f"a batch of {count}")


def graded_masks(rng: Generator, count: int) -> tuple[Tensor, Tensor]:
    """Images of 5 x 8 pixels: in turn a bad, a middling and a good prediction, no Jaccard index on a usual
    threshold."""
    target = torch.zeros(count, 40, dtype=torch.int64)
    prediction = torch.zeros(count, 40, dtype=torch.int64)
    for image in range(count):
        area = int(rng.integers(21, 31))
        hit = (0.85, 0.55, 0.35)[image % 3] + 0.08 * rng.random()
        target[image, :area] = 1
        prediction[image, : round(area * hit)] = 1
    order = torch.from_numpy(rng.permutation(40))
    return prediction[:, order].reshape(count, 5, 8), target[:, order].reshape(count, 5, 8)


def _cut(score: Tensor, threshold: float) -> Tensor:
    return score.where(~(score < threshold), 0)


@misconception(
    "you averaged first and applied the threshold to the mean. The threshold belongs to each image: one "
    "failed lesion counts 0, the others keep their score."
)
def threshold_after_mean(prediction, target, threshold=0.65):
    return _cut(metrics.iou_score(prediction, target).nanmean(), threshold)


@misconception(
    "you thresholded Dice. ISIC's score cuts the Jaccard index, I / (A + B - I): Dice 0.75 is a Jaccard "
    "of only 0.60."
)
def threshold_dice(prediction, target, threshold=0.65):
    return _cut(metrics.dice_score(prediction, target), threshold).nanmean()


@misconception(
    "you dropped an image whose Jaccard index equals the threshold. Only what is below the threshold "
    "counts as 0."
)
def drops_equal(prediction, target, threshold=0.65):
    jaccard = metrics.iou_score(prediction, target)
    return jaccard.where(~(jaccard <= threshold), 0).nanmean()


@misconception(
    "you counted 1 for every image at or above the threshold. It keeps its own Jaccard index; only those "
    "below become 0."
)
def zero_or_one(prediction, target, threshold=0.65):
    jaccard = metrics.iou_score(prediction, target)
    return (jaccard >= threshold).double().where(~jaccard.isnan(), torch.nan).nanmean()


@misconception(
    "you summed intersections and unions over the whole batch, so that there was one index to cut. "
    "Compute one Jaccard index an image, cut each, then take the mean."
)
def pooled(prediction, target, threshold=0.65):
    both, predicted, truth = (area.sum() for area in _areas(prediction, target))
    return _cut(both / (predicted + truth - both), threshold)


@misconception(
    "an image with two empty masks counted as 1. There was nothing to find: 0/0 is NaN, and the mean "
    "leaves the image out."
)
def empty_image_is_one(prediction, target, threshold=0.65):
    return _cut(metrics.iou_score(prediction, target).nan_to_num(1), threshold).mean()


@misconception(
    "an image with two empty masks counted as 0, like a failed one. There was nothing to find: 0/0 is "
    "NaN, and the mean leaves the image out."
)
def empty_image_is_zero(prediction, target, threshold=0.65):
    return _cut(metrics.iou_score(prediction, target).nan_to_num(0), threshold).mean()


@misconception(
    "one image with two empty masks made the whole mean NaN. Leave images without a score out of the mean."
)
def empty_image_spreads(prediction, target, threshold=0.65):
    return _cut(metrics.iou_score(prediction, target), threshold).mean()


@misconception(
    "you never applied the threshold: this is the plain mean Jaccard index. An image below the threshold "
    "counts as 0."
)
def no_threshold(prediction, target, threshold=0.65):
    return metrics.iou_score(prediction, target).nanmean()


@misconception("you used 0.65 whatever the argument says. It is only the default of `threshold`.")
def always_065(prediction, target, threshold=0.65):
    return metrics.threshold_jaccard(prediction, target)


@misconception(
    "you left the images below the threshold out of the mean, so that failing badly costs nothing. They "
    "stay in it, with a score of 0."
)
def failures_left_out(prediction, target, threshold=0.65):
    jaccard = metrics.iou_score(prediction, target)
    return jaccard[jaccard >= threshold].mean()


@misconception(
    "you averaged the Jaccard index of the lesion with that of the background before the cut. The large, "
    "easy background carries bad lesions over the threshold: score the foreground alone."
)
def background_too(prediction, target, threshold=0.65):
    background = metrics.iou_score(~prediction.bool(), ~target.bool())
    both = torch.stack([metrics.iou_score(prediction, target), background])
    return _cut(both.nanmean(dim=0), threshold).nanmean()


THRESHOLD_JACCARD = Exercise(
    "threshold_jaccard",
    LESSON,
    metrics.threshold_jaccard,
    {"batches": 1, "around the threshold": 1, "empty masks": 1},
    jaccard_cases,
    (
        threshold_after_mean,
        threshold_dice,
        drops_equal,
        zero_or_one,
        pooled,
        empty_image_is_one,
        empty_image_is_zero,
        empty_image_spreads,
        no_threshold,
        always_065,
        failures_left_out,
        background_too,
    ),
    finished=("segcourse.metrics:Scores.compute",),
)
