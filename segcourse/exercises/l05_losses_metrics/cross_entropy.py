"""Exercise 5.7: a cross-entropy that survives a picture without labels."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l05_losses_metrics._draw import (
    bfloat16_cases,
    ids,
    loss_case,
    one_hot,
    random_ids,
    random_logits,
)


def cross_entropy(logits, target, ignore_index=255):
    """Return the mean of -log p(true class) over the labelled pixels; 0 if there are none."""
    total = F.cross_entropy(logits.float(), target, ignore_index=ignore_index, reduction="sum")
    labelled = (target != ignore_index).sum()
    return total / labelled.clamp(min=1)


SMALL, IGNORED, EXTREMES = "small batches", "ignored pixels", "extremes"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, logits, target, *traits, ignore_index=None):
        others = {} if ignore_index is None else {"ignore_index": ignore_index}
        return loss_case(group, logits, target, traits, **others)

    one = [[[0.1, 0.4], [0.6, 0.8]]]
    yield case(SMALL, one, ids([[[0, 1], [1, 0]]]))
    yield case(IGNORED, one, ids([[[0, 1], [1, 255]]]), "one pixel is ignored, by default 255")
    yield case(IGNORED, one, ids([[[255, 255], [255, 255]]]), "every pixel is ignored")
    pair = [[[0.8, 0.5], [0.5, 0.5]], [[0.1, 0.9], [0.8, 0.2]]]
    sparse = ids([[[0, 255], [255, 255]], [[0, 1], [1, 0]]])
    yield case(IGNORED, pair, sparse, "the two images have 1 and 4 labelled pixels")
    blank = ids([[[255, 255], [255, 255]], [[0, 1], [1, 0]]])
    yield case(IGNORED, pair, blank, "one of two images has no labelled pixel")
    yield case(IGNORED, one, ids([[[255, 255], [255, 1]]]), "one pixel alone is labelled")
    three, target = random_logits(rng, 1, 3, 2, 3), ids([[[0, 1, 2], [2, 1, 0]]])
    for ignored, which in ((1, "a class in the middle"), (0, "class 0"), (2, "the last class")):
        yield case(IGNORED, three, target, f"the ignored label is {which}", ignore_index=ignored)
    beyond = ids([[[0, 1, 300], [2, 300, 0]]])
    yield case(IGNORED, three, beyond, "the ignored label is beyond 255", ignore_index=300)
    yield case(IGNORED, three, ids([[[2] * 3] * 2]), "every pixel has the ignored class", ignore_index=2)
    target = random_ids(rng, 3, 2, 3, 4)
    target[0, 0], target[0, 1], target[1, 2, 2] = 255, 255, 255
    yield case(
        IGNORED, random_logits(rng, 2, 3, 3, 4), target, "in a batch of two, eight and one are ignored"
    )
    yield case(SMALL, random_logits(rng, 1, 4, 3, 5), random_ids(rng, 4, 1, 3, 5), "there are four classes")
    yield case(
        SMALL, random_logits(rng, 3, 2, 4, 5), random_ids(rng, 2, 3, 4, 5), "there is a batch of three"
    )

    logits, target = random_logits(rng, 1, 2, 2, 2), ids([[[0, 0], [0, 1]]])
    logits[:, :, 1, 1] = torch.tensor([200.0, 0.0])
    yield case(EXTREMES, logits, target, "one pixel is very wrong")
    yield case(EXTREMES, logits + 300, target, "one pixel is very wrong, and all logits are large")
    yield from bfloat16_cases(EXTREMES)


def _surprise(logits, target, ignore_index=255):
    """Return minus the log-probability of the true class, N x H x W, 0 where ignored; and who counts."""
    logits = logits.float()
    pixels = F.cross_entropy(logits, target, ignore_index=ignore_index, reduction="none")
    return pixels, target != ignore_index


def _mean(pixels, kept):
    return pixels[kept].sum() / kept.sum().clamp(min=1)


def _probability(logits, target, ignore_index):
    chosen = target.masked_fill(target == ignore_index, 0).unsqueeze(1)
    return logits.float().softmax(dim=1).gather(1, chosen).squeeze(1)


def _log_of_softmax(logits, target, ignore_index=255):
    return _mean(-_probability(logits, target, ignore_index).log(), target != ignore_index)


def _bounded(smallest):
    """Return the mistake of a small number that keeps the logarithm away from 0."""
    most = -math.log(smallest)
    says = (
        f"In your loss a pixel costs {most:.1f} at most, as when {smallest:g} is added to the "
        "probability, or the probability is clamped there. The worst pixels have no gradient left then: "
        "use log_softmax."
    )

    def wrong(logits, target, ignore_index=255):
        p = _probability(logits, target, ignore_index) + smallest
        return _mean(-p.log(), target != ignore_index)

    return says, wrong


def _softmax_twice(logits, target, ignore_index=255):
    return cross_entropy(logits.float().softmax(dim=1), target, ignore_index)


def _log_softmax_twice(logits, target, ignore_index=255):
    return cross_entropy(-logits.float().log_softmax(dim=1), target, ignore_index)


def _mean_over_all(logits, target, ignore_index=255):
    return _surprise(logits, target, ignore_index)[0].mean()


def _summed(logits, target, ignore_index=255):
    return _surprise(logits, target, ignore_index)[0].sum()


def _nan_when_all_ignored(logits, target, ignore_index=255):
    return F.cross_entropy(logits.float(), target, ignore_index=ignore_index)


def _constant_when_all_ignored(logits, target, ignore_index=255):
    if (target == ignore_index).all():
        return torch.tensor(0.0)
    return cross_entropy(logits, target, ignore_index)


def _ignored_is_class_zero(logits, target, ignore_index=255):
    return cross_entropy(logits, target.masked_fill(target == ignore_index, 0), -1)


def _always_255(logits, target, ignore_index=255):
    return cross_entropy(logits, target, 255)


def _falsy(logits, target, ignore_index=255):
    return cross_entropy(logits, target, ignore_index or 255)


def _per_image(logits, target, ignore_index=255):
    pairs = zip(logits, target, strict=True)
    return torch.stack([cross_entropy(x[None], t[None], ignore_index) for x, t in pairs]).mean()


def _per_pixel(logits, target, ignore_index=255):
    return _surprise(logits, target, ignore_index)[0]


def _binary(logits, target, ignore_index=255):
    logits, kept = logits.float(), target != ignore_index
    truth = one_hot(target.where(kept, 0), logits)
    return _mean(F.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(dim=1), kept)


def _by_classes_too(logits, target, ignore_index=255):
    return cross_entropy(logits, target, ignore_index) / logits.shape[1]


def _probability_only(logits, target, ignore_index=255):
    return _mean(1 - _probability(logits, target, ignore_index), target != ignore_index)


def _bits(logits, target, ignore_index=255):
    return cross_entropy(logits, target, ignore_index) / torch.log(torch.tensor(2.0))


def _by_range(logits, target, ignore_index=255):
    none = -1
    known = (target >= 0) & (target < logits.shape[1])
    return cross_entropy(logits, target.where(known, none), none)


def _along(dim):
    """Return the cross-entropy whose softmax runs along another axis."""

    def wrong(logits, target, ignore_index=255):
        kept = target != ignore_index
        chosen = target.masked_fill(~kept, 0).unsqueeze(1)
        return _mean(-logits.float().log_softmax(dim).gather(1, chosen).squeeze(1), kept)

    return wrong


def _rows_by(order):
    """Return the cross-entropy of rows of C numbers that `order` makes of the logits."""

    def wrong(logits, target, ignore_index=255):
        return cross_entropy(order(logits, logits.shape[1]), target.reshape(-1), ignore_index)

    return wrong


def celebrate(answer):
    """Show the cost of a pixel against the probability of its true class."""
    from segcourse.plotting import show_curves

    chances = [p / 100 for p in range(1, 100)]
    logits = [torch.tensor([1 - p, p]).log().reshape(1, 2, 1, 1) for p in chances]
    costs = [answer(one, torch.ones(1, 1, 1, dtype=torch.int64)) for one in logits]
    label = {"xlabel": "probability of the true class", "ylabel": "loss of the pixel"}
    show_curves({"your cross_entropy": costs}, chances, **label)


EXERCISE = Exercise(
    cross_entropy,
    number="5.7",
    difficulty=2,
    minutes=10,
    groups={SMALL: 1, IGNORED: 1, EXTREMES: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "You take the softmax twice: F.cross_entropy applies one itself. The second squeezes the "
            "probabilities together, and even a perfect pixel costs 0.313 with two classes.",
            _softmax_twice,
        ),
        (
            "Your numbers are the cross-entropy of minus the log-probabilities: the sign went wrong "
            "before the loss, not after it.",
            _log_softmax_twice,
        ),
        (
            "You divide by all pixels, ignored ones included. So the more of an image is ignored, the "
            "smaller its loss. Divide by the number of labelled pixels.",
            _mean_over_all,
        ),
        (
            "You return the sum over the pixels. Divide by the number of labelled pixels, or the loss "
            "grows with the size of the image.",
            _summed,
        ),
        (
            "Your loss is infinite where the true class is very unlikely: in float32 its probability is "
            "0, and log 0 is minus infinity. log_softmax computes both in one step, without passing "
            "through 0.",
            _log_of_softmax,
        ),
        *map(_bounded, (1e-6, 1e-7, 1e-8, 1e-10, 1e-12)),
        (
            "You return NaN for a batch in which every pixel is ignored, a mean over nothing: 0/0. It "
            "spoils every average that it enters. Such a batch says nothing: return 0.",
            _nan_when_all_ignored,
        ),
        (
            "For a batch in which every pixel is ignored you return a 0 that does not depend on the "
            "logits, so that `backward()` fails there. Return a 0 with a gradient of zeros, such as a "
            "sum of nothing divided by 1.",
            _constant_when_all_ignored,
        ),
        (
            "Your mean contains the ignored pixels as class 0. They belong to no class, so they belong in "
            "neither sum nor count.",
            _ignored_is_class_zero,
        ),
        (
            "You never use `ignore_index`: its label is taken for a class like the others.",
            lambda logits, target, ignore_index=255: F.cross_entropy(logits.float(), target),
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
            "Your numbers are in bits, with the logarithm to base 2. Cross-entropy here is in nats, with "
            "the natural logarithm: a fair coin costs 0.693, not 1.",
            _bits,
        ),
        (
            "The sign is the wrong way round: log-probabilities are negative, and a loss is minus their "
            "mean.",
            lambda logits, target, ignore_index=255: -cross_entropy(logits, target, ignore_index),
        ),
        (
            "You average each image first and then the images. If they have different numbers of "
            "labelled pixels, a pixel of a sparsely labelled image weighs more then. Divide once, by all "
            "labelled pixels.",
            _per_image,
        ),
        (
            "You return one number per pixel. Return their mean over the labelled pixels of the batch.",
            _per_pixel,
        ),
        (
            "Your loss is a binary cross-entropy (a sigmoid) of each channel. One class out of C is true "
            "in each pixel: softmax over the class axis, then minus the log of the true class.",
            _binary,
        ),
        (
            "You divide by the number of classes as well. Each pixel has one true class, so divide by the "
            "number of labelled pixels alone.",
            _by_classes_too,
        ),
        (
            "The logarithm is missing: you average 1 - p of the true class. Cross-entropy is the mean of "
            "-log p, which punishes a confident mistake much harder.",
            _probability_only,
        ),
        (
            "You leave out labels that are no class, whatever `ignore_index` says. Leave out the pixels "
            "whose target equals `ignore_index`: that label can be a class.",
            _by_range,
        ),
        *(
            (
                f"Your softmax runs over the {name}, `dim={dim}`. The probabilities of a pixel's classes "
                "must add up to 1: take it over the class axis, `dim=1`.",
                _along(dim),
            )
            for name, dim in (("batch", 0), ("rows", 2), ("columns", 3))
        ),
        *(
            (
                "You make rows of C logits by `reshape` alone, which mixes pixels and classes. Move the "
                "class axis to the end first: `movedim(1, -1).reshape(-1, C)`.",
                _rows_by(order),
            )
            for order in (
                lambda logits, c: logits.reshape(-1, c),
                lambda logits, c: logits.reshape(c, -1).T,
            )
        ),
        (
            "You divide by the number of labelled pixels plus 1. Keep the divisor above 0 without changing "
            "it: `clamp(min=1)`.",
            lambda logits, target, ignore_index=255: (
                _surprise(logits, target, ignore_index)[0].sum() / ((target != ignore_index).sum() + 1)
            ),
        ),
        (
            "You divide by the number of images. Divide by the number of labelled pixels.",
            lambda logits, target, ignore_index=255: (
                _surprise(logits, target, ignore_index)[0].sum() / len(target)
            ),
        ),
        (
            "You average minus the probability of the true class. Cross-entropy is the mean of -log p: the "
            "logarithm is missing.",
            lambda logits, target, ignore_index=255: _mean(
                -_probability(logits, target, ignore_index), target != ignore_index
            ),
        ),
        (
            "You average minus the logit of the true class. Take the log_softmax over the class axis first.",
            lambda logits, target, ignore_index=255: _mean(
                -logits.float()
                .gather(1, target.masked_fill(target == ignore_index, 0).unsqueeze(1))
                .squeeze(1),
                target != ignore_index,
            ),
        ),
    ],
    finished=(
        "segcourse.losses:cross_entropy",
        "segcourse.losses:focal_loss",
        "segcourse.losses:combined_loss",
        "segmentation_models_pytorch.losses:SoftCrossEntropyLoss",
    ),
)
