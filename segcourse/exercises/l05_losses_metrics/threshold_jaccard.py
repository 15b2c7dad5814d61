"""Exercise 5.5: the score of the ISIC challenge, with its cliff."""

from collections.abc import Iterator

import torch
from numpy.random import Generator
from torch import Tensor

from segcourse import metrics
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l05_losses_metrics._draw import ids, random_masks
from segcourse.exercises.l05_losses_metrics.dice_score import areas


def threshold_jaccard(prediction, target, threshold=0.65):
    """Return the mean Jaccard index, 0 for images below the threshold, empty images left out."""
    prediction, target = prediction.bool(), target.bool()
    both = (prediction & target).sum(dim=(1, 2)).double()  # N
    jaccard = both / (prediction | target).sum(dim=(1, 2))  # N; NaN where both masks are empty
    return torch.where(jaccard < threshold, 0.0, jaccard).nanmean()


BATCHES, AROUND, EMPTY = "batches", "around the threshold", "empty masks"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, prediction, target, *traits, **threshold):
        return Case(group, {"prediction": ids(prediction), "target": ids(target)} | threshold, traits)

    whole, quarter = [[1, 1], [1, 1]], [[1, 0], [0, 0]]
    three, empty = [[1, 1], [1, 0]], [[0, 0], [0, 0]]
    yield case(BATCHES, [three, quarter], [whole, whole], "the indices are 0.75 and 0.25")
    for threshold, trait in (
        (0.8, "both indices are below the threshold"),
        (0.75, "one index equals the threshold"),
        (0.2, "both indices are above the threshold"),
        (0.0, "the threshold is 0"),
    ):
        yield case(AROUND, [three, quarter], [whole, whole], trait, threshold=threshold)
    yield case(AROUND, [three, whole], [whole, whole], "the threshold is 1", threshold=1.0)
    yield case(BATCHES, [three], [whole], "there is a batch of one")
    yield case(BATCHES, [whole, three], [three, whole], "one prediction is too large and one too small")
    yield case(EMPTY, [three, empty], [whole, empty], "both masks of the second image are empty")
    yield case(EMPTY, [three, quarter], [whole, empty], "only the second target is empty")
    yield case(EMPTY, [three, empty], [whole, quarter], "only the second prediction is empty")
    at_zero = [three, empty, quarter], [whole, empty, empty]
    yield case(EMPTY, *at_zero, "some masks are empty and the threshold is 0", threshold=0.0)
    prediction, target = random_masks(rng, 2, 280, 300)
    large = {"prediction": prediction, "target": target | prediction}
    yield Case(BATCHES, large, ("the masks have 280 x 300 pixels",))
    for group, count in ((BATCHES, 4), (BATCHES, 5), (AROUND, 6), (EMPTY, 4)):
        prediction, target = graded_masks(rng, count)
        inputs = {"prediction": prediction, "target": target}
        if group == AROUND:
            inputs["threshold"] = float(rng.choice([0.4625, 0.4875]))  # no k / 21 … k / 30 equals it
        if group == EMPTY:
            prediction[1], target[1] = 0, 0
        yield Case(group, inputs, (f"there is a batch of {count}",))


def graded_masks(rng: Generator, count: int) -> tuple[Tensor, Tensor]:
    """Return images of 5 x 8 pixels with, in turn, a good, a middling and a bad prediction."""
    target = torch.zeros(count, 40, dtype=torch.int64)
    prediction = torch.zeros(count, 40, dtype=torch.int64)
    for image in range(count):
        area = int(rng.integers(21, 31))
        hit = (0.85, 0.55, 0.35)[image % 3] + 0.08 * rng.random()
        target[image, :area] = 1
        prediction[image, : round(area * hit)] = 1
    order = torch.from_numpy(rng.permutation(40))
    return prediction[:, order].reshape(count, 5, 8), target[:, order].reshape(count, 5, 8)


def _jaccard(prediction, target):
    both, predicted, truth = areas(prediction, target)
    return both / (predicted + truth - both)


def _cut(score: Tensor, threshold: float) -> Tensor:
    return score.where(~(score < threshold), 0)


def _pooled(prediction, target, threshold=0.65):
    both, predicted, truth = (area.sum() for area in areas(prediction, target))
    return _cut(both / (predicted + truth - both), threshold)


def _drops_equal(prediction, target, threshold=0.65):
    jaccard = _jaccard(prediction, target)
    return jaccard.where(~(jaccard <= threshold), 0).nanmean()


def _zero_or_one(prediction, target, threshold=0.65):
    jaccard = _jaccard(prediction, target)
    return (jaccard >= threshold).double().where(~jaccard.isnan(), torch.nan).nanmean()


def _failures_left_out(prediction, target, threshold=0.65):
    jaccard = _jaccard(prediction, target)
    return jaccard[jaccard >= threshold].mean()


def _background_too(prediction, target, threshold=0.65):
    background = metrics.iou_score(~prediction.bool(), ~target.bool())
    both = torch.stack([_jaccard(prediction, target), background])
    return _cut(both.nanmean(dim=0), threshold).nanmean()


def _good_ones_cut(prediction, target, threshold=0.65):
    jaccard = _jaccard(prediction, target)
    return jaccard.where(~(jaccard >= threshold), 0).nanmean()


def _false_alarm_left_out(prediction, target, threshold=0.65):
    _, _, truth = areas(prediction, target)
    return _cut(_jaccard(prediction, target).where(truth > 0, torch.nan), threshold).nanmean()


def _always(prediction, target, threshold=0.65):
    return threshold_jaccard(prediction, target)


def _failures_missing(prediction, target, threshold=0.65):
    jaccard = _jaccard(prediction, target).tolist()
    passed = [index for index in jaccard if index >= threshold]
    return torch.tensor(sum(passed) / len(passed))


def _failures_not_stacked(prediction, target, threshold=0.65):
    return torch.stack([index for index in _jaccard(prediction, target) if index >= threshold]).mean()


def _drops_equal_and_empty(prediction, target, threshold=0.65):
    jaccard = _jaccard(prediction, target)
    return jaccard.where(jaccard > threshold, 0).mean()


def _smoothed(prediction, target, threshold=0.65):
    both, predicted, truth = areas(prediction, target)
    return _cut((both + 1) / (predicted + truth - both + 1), threshold).mean()


def celebrate(answer):
    """Show the cliff: the score of a mask that covers more and more of its lesion."""
    from segcourse.plotting import show_curves

    lesion, shares = torch.ones(1, 10, 10, dtype=torch.int64), [i / 100 for i in range(1, 101)]
    part = [(torch.arange(100) < 100 * share).long().reshape(1, 10, 10) for share in shares]
    label = {"xlabel": "covered share of the lesion (its Jaccard index)", "ylabel": "score"}
    show_curves({"your threshold_jaccard": [answer(one, lesion) for one in part]}, shares, **label)


EXERCISE = Exercise(
    threshold_jaccard,
    number="5.5",
    difficulty=2,
    minutes=10,
    groups={BATCHES: 1, AROUND: 1, EMPTY: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "You average first and apply the threshold to the mean. The threshold belongs to each image: a "
            "failed lesion counts 0, the others keep their index.",
            lambda p, t, threshold=0.65: _cut(_jaccard(p, t).nanmean(), threshold),
        ),
        (
            "You apply the threshold to Dice. ISIC's score cuts the Jaccard index, I / (A + B - I): Dice "
            "0.75 is a Jaccard index of only 0.60.",
            lambda p, t, threshold=0.65: _cut(metrics.dice_score(p, t), threshold).nanmean(),
        ),
        (
            "You set an image to 0 whose Jaccard index equals the threshold. Only what is below the "
            "threshold becomes 0.",
            _drops_equal,
        ),
        (
            "You count 1 for every image at or above the threshold. It keeps its own Jaccard index; only "
            "those below become 0.",
            _zero_or_one,
        ),
        (
            "You sum intersections and unions over the whole batch, so you get one index to cut. "
            "Compute one Jaccard index per image, cut each, then take the mean.",
            _pooled,
        ),
        (
            "Your mean counts an image with two empty masks as 1. There was nothing to find: 0/0 is NaN, "
            "and the mean leaves the image out.",
            lambda p, t, threshold=0.65: _cut(_jaccard(p, t).nan_to_num(1), threshold).mean(),
        ),
        (
            "Your mean counts an image with two empty masks as 0, like a failed one. There was nothing to "
            "find: 0/0 is NaN, and the mean leaves the image out.",
            lambda p, t, threshold=0.65: _cut(_jaccard(p, t).nan_to_num(0), threshold).mean(),
        ),
        (
            "One image with two empty masks makes your whole mean NaN. Leave images without an index out "
            "of the mean.",
            lambda p, t, threshold=0.65: _cut(_jaccard(p, t), threshold).mean(),
        ),
        (
            "You return the plain mean Jaccard index: the threshold has no effect. An image below the "
            "threshold counts as 0.",
            lambda p, t, threshold=0.65: _jaccard(p, t).nanmean(),
        ),
        (
            "You use 0.65 whatever the argument says. It is only the default of `threshold`.",
            _always,
        ),
        (
            "You leave the images below the threshold out of the mean, so that failing badly costs "
            "nothing. They stay in it, with an index of 0.",
            _failures_left_out,
        ),
        (
            "You average the Jaccard index of the lesion with that of the background before the cut. The "
            "large, easy background carries bad lesions over the threshold: score the foreground alone.",
            _background_too,
        ),
        (
            "You set the images at or above the threshold to 0 and keep the others. It is the other way "
            "round.",
            _good_ones_cut,
        ),
        (
            "You leave out every image whose target is empty. If the prediction is not empty, that is a "
            "false alarm: its index is 0, and it counts.",
            _false_alarm_left_out,
        ),
        (
            "You return one index per image. Return their mean, images with two empty masks left out.",
            lambda p, t, threshold=0.65: _cut(_jaccard(p, t), threshold),
        ),
        *(
            (
                "You leave the images below the threshold out of the mean, so that failing badly costs "
                "nothing. They stay in it, with an index of 0.",
                wrong,
            )
            for wrong in (
                lambda *a: _failures_left_out(*a).nan_to_num(0),
                _failures_missing,
                _failures_not_stacked,
            )
        ),
        *(
            (
                "You return the share of the images that reach the threshold, images with two empty masks "
                "among them. An image keeps its own Jaccard index, and empty ones are left out.",
                lambda p, t, threshold=0.65, empty=empty: (
                    (_jaccard(p, t).nan_to_num(empty) >= threshold).double().mean()
                ),
            )
            for empty in (0, 1)
        ),
        (
            "You set images below the threshold to the threshold itself. They count as 0.",
            lambda p, t, threshold=0.65: _jaccard(p, t).clamp(min=threshold).nanmean(),
        ),
        (
            "You return the sum over the images. Return their mean, images with two empty masks left out.",
            lambda p, t, threshold=0.65: _cut(_jaccard(p, t), threshold).nansum(),
        ),
        (
            "You set an image to 0 whose index equals the threshold, and count one with two empty masks as "
            "0. A small number in the denominator does both: leave it out, and leave NaN out of the mean.",
            _drops_equal_and_empty,
        ),
        (
            "You return the share of the images that reach the threshold, images with two empty masks among "
            "them. An image keeps its own Jaccard index, and empty ones are left out.",
            lambda p, t, threshold=0.65: (_jaccard(p, t) >= threshold).double().mean(),
        ),
        (
            "Your numbers are those of a Jaccard index with a smoothing constant of 1 above and below. A "
            "score needs no smoothing: leave images with two empty masks out of the mean.",
            _smoothed,
        ),
        (
            "You score only the first image. Return the mean over the images.",
            lambda p, t, threshold=0.65: _cut(_jaccard(p, t), threshold)[0],
        ),
        (
            "You apply the threshold to recall, shared pixels over the true area. The Jaccard index divides "
            "by the union.",
            lambda p, t, threshold=0.65: _cut(areas(p, t)[0] / areas(p, t)[2], threshold).nanmean(),
        ),
    ],
    finished=("segcourse.metrics:threshold_jaccard", "segcourse.metrics:Scores.compute"),
)
