"""Exercise 5.8: turn the loss away from pixels that are easy already."""

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


def focal_loss(logits, target, gamma=2.0):
    """Return the mean of (1 - p)^gamma · (-log p), p the probability of the true class."""
    surprise = F.cross_entropy(logits.float(), target, reduction="none")  # N, H, W: -log p
    missing = 1 - torch.exp(-surprise)  # 1 - p
    # a power below 1 has an infinite slope at 0, and infinity times 0 is NaN
    return (missing.clamp(min=1e-12) ** gamma * surprise).mean()


DEFAULT, OTHERS, EXTREMES = "gamma 2", "other gammas", "extremes"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, logits, target, *traits, **gamma):
        broken = gamma.get("gamma", 2) % 1 > 0
        return loss_case(group, logits, target, traits + ("gamma is no whole number",) * broken, **gamma)

    one, target = [[[0.1, 0.4], [0.6, 0.8]]], ids([[[0, 1], [1, 0]]])
    yield case(DEFAULT, one, target)
    yield case(OTHERS, one, target, "gamma is 0, which is cross-entropy", gamma=0.0)
    yield case(OTHERS, one, target, "gamma is 1", gamma=1.0)
    yield case(OTHERS, one, target, "gamma is between 0 and 1", gamma=0.5)
    yield case(OTHERS, one, target, "gamma is an integer", gamma=3)
    yield case(
        DEFAULT, random_logits(rng, 2, 3, 3, 4), random_ids(rng, 3, 2, 3, 4), "there is a batch of two"
    )
    yield case(
        DEFAULT, random_logits(rng, 3, 2, 4, 5), random_ids(rng, 2, 3, 4, 5), "there is a batch of three"
    )
    gamma = float(rng.choice([1.5, 2.5, 4.5]))
    logits, target = random_logits(rng, 2, 4, 4, 3), random_ids(rng, 4, 2, 4, 3)
    yield case(OTHERS, logits, target, "gamma is a fraction above 1", gamma=gamma)

    logits, target = random_logits(rng, 1, 2, 2, 2), ids([[[0, 0], [0, 1]]])
    logits[:, :, 1, 1] = torch.tensor([200.0, 0.0])
    yield case(EXTREMES, logits, target, "one pixel is very wrong")
    logits = logits.clone()
    logits[:, :, 0, 0] = torch.tensor([200.0, 0.0])
    yield case(EXTREMES, logits, target, "one pixel is very wrong and one has p = 1")
    yield case(EXTREMES, logits, target, "p = 1 in one pixel, and gamma is between 0 and 1", gamma=0.5)
    yield from bfloat16_cases(EXTREMES)


def _surprise(logits, target):
    return F.cross_entropy(logits.float(), target, reduction="none")


def _probability(logits, target):
    return (-_surprise(logits, target)).exp()


def _easy_counts_more(logits, target, gamma=2.0):
    return (_probability(logits, target) ** gamma * _surprise(logits, target)).mean()


def _likeliest_class(logits, target, gamma=2.0):
    top = logits.float().softmax(dim=1).amax(dim=1)
    return ((1 - top) ** gamma * _surprise(logits, target)).mean()


def _focus_on_mean(logits, target, gamma=2.0):
    mean = _surprise(logits, target).mean()
    return (1 - (-mean).exp()) ** gamma * mean


def _no_logarithm(logits, target, gamma=2.0):
    return ((1 - _probability(logits, target)) ** gamma).mean()


def _log_of_softmax(logits, target, gamma=2.0):
    p = logits.float().softmax(dim=1).gather(1, target.unsqueeze(1)).squeeze(1)
    return ((1 - p) ** gamma * -p.log()).mean()


def _sigmoid(logits, target, gamma=2.0):
    logits = logits.float()
    truth = one_hot(target, logits)
    surprise = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return ((1 - (-surprise).exp()) ** gamma * surprise).mean()


def _factor_detached(logits, target, gamma=2.0):
    factor = (1 - _probability(logits, target)) ** gamma
    return (factor.detach() * _surprise(logits, target)).mean()


def _unguarded(logits, target, gamma=2.0):
    return ((1 - _probability(logits, target)) ** gamma * _surprise(logits, target)).mean()


def _product(logits, target, gamma=2.0):
    return (gamma * (1 - _probability(logits, target)) * _surprise(logits, target)).mean()


def _bounded(smallest, adds, guarded):
    """Return the focal loss of a probability that a small number keeps away from 0."""

    def wrong(logits, target, gamma=2.0):
        p = logits.float().softmax(dim=1).gather(1, target.unsqueeze(1)).squeeze(1)
        bounded = p + smallest if adds else p.clamp(min=smallest)
        missing = 1 - (p if adds else bounded)
        return ((missing.clamp(min=1e-12) if guarded else missing) ** gamma * -bounded.log()).mean()

    return wrong


def _weighted_mean(logits, target, gamma=2.0):
    factor = (1 - _probability(logits, target)).clamp(min=1e-12) ** gamma
    return (factor * _surprise(logits, target)).sum() / factor.sum()


def _easy_counts_more_guarded(logits, target, gamma=2.0):
    surprise = _surprise(logits, target)
    return ((-surprise).exp().clamp(min=1e-12) ** gamma * surprise).mean()


def _sigmoid_guarded(logits, target, gamma=2.0):
    logits = logits.float()
    surprise = F.binary_cross_entropy_with_logits(logits, one_hot(target, logits), reduction="none")
    return ((1 - (-surprise).exp()).clamp(min=1e-12) ** gamma * surprise).mean()


def _along(dim):
    """Return the focal loss whose softmax runs along another axis."""

    def wrong(logits, target, gamma=2.0):
        surprise = -logits.float().log_softmax(dim).gather(1, target.unsqueeze(1)).squeeze(1)
        return ((1 - (-surprise).exp()).clamp(min=1e-12) ** gamma * surprise).mean()

    return wrong


def celebrate(answer):
    """Show the cost of a pixel against the probability of its true class, for three gammas."""
    from segcourse.plotting import show_curves

    chances = [p / 50 for p in range(1, 50)]
    logits = [torch.tensor([1 - p, p]).log().reshape(1, 2, 1, 1) for p in chances]
    truth = torch.ones(1, 1, 1, dtype=torch.int64)
    curves = {f"your focal_loss, gamma {g}": [answer(one, truth, g) for one in logits] for g in (0, 1, 2)}
    show_curves(curves, chances, xlabel="probability of the true class", ylabel="loss of the pixel")


EXERCISE = Exercise(
    focal_loss,
    number="5.8",
    difficulty=2,
    minutes=10,
    groups={DEFAULT: 1, OTHERS: 1, EXTREMES: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "Your factor is p^gamma, and it has to be (1 - p)^gamma: pixels that are easy already (p "
            "near 1) should count less, not more.",
            _easy_counts_more,
        ),
        (
            "Your numbers are the plain cross-entropy, whatever gamma is: the factor (1 - p)^gamma has no "
            "effect.",
            lambda logits, target, gamma=2.0: _surprise(logits, target).mean(),
        ),
        (
            "You use gamma 2 whatever the argument says. It is only the default.",
            lambda logits, target, gamma=2.0: focal_loss(logits, target),
        ),
        (
            "You return the sum over the pixels. Take their mean, or the loss grows with the size of the "
            "image.",
            lambda logits, target, gamma=2.0: focal_loss(logits, target, gamma) * target.numel(),
        ),
        (
            "Your factor uses the probability of the most likely class. It has to be that of the true "
            "class, or a pixel that is confidently wrong counts as easy.",
            _likeliest_class,
        ),
        (
            "You average the cross-entropy first and apply the factor to that one number. The factor "
            "belongs to each pixel: easy pixels fade, hard ones stay. Take the mean last.",
            _focus_on_mean,
        ),
        (
            "The logarithm is missing: each pixel's loss is (1 - p)^gamma times -log p, not (1 - p)^gamma "
            "alone.",
            _no_logarithm,
        ),
        (
            "Your numbers are a quarter of the expected ones, as with a weight alpha of 0.25. This "
            "exercise has no alpha: every class weighs 1.",
            lambda logits, target, gamma=2.0: 0.25 * focal_loss(logits, target, gamma),
        ),
        (
            "You take the softmax twice: F.cross_entropy applies one itself. Give it the logits, or take "
            "the logarithm of the probabilities yourself.",
            lambda logits, target, gamma=2.0: focal_loss(logits.float().softmax(dim=1), target, gamma),
        ),
        (
            "Your loss is not finite where the true class is very unlikely: in float32 its probability "
            "is 0, and log 0 is minus infinity. log_softmax computes both in one step, without passing "
            "through 0.",
            _log_of_softmax,
        ),
        (
            "Your loss uses a sigmoid of each channel. That is the detector's focal loss, with independent "
            "classes; here one class per pixel is true: softmax over the class axis.",
            _sigmoid,
        ),
        (
            "The value is right, but no gradient flows through the factor (1 - p)^gamma (it was "
            "detached, or computed under no_grad). So another loss is trained than the one that you "
            "report.",
            _factor_detached,
        ),
        (
            "Everything is right, except for gamma below 1 where p is 1: there the power has an infinite "
            "slope, and infinity times 0 is NaN. One such pixel spoils every weight. Keep 1 - p a little "
            "above 0 before the power.",
            _unguarded,
        ),
        (
            "You multiply by gamma · (1 - p). The factor is a power, (1 - p)^gamma.",
            _product,
        ),
        (
            "The sign is the wrong way round: log p is negative, and a loss is minus it.",
            lambda logits, target, gamma=2.0: -focal_loss(logits, target, gamma),
        ),
        (
            "You return one number per pixel. Return their mean.",
            lambda logits, target, gamma=2.0: (
                _surprise(logits, target) * (1 - _probability(logits, target)) ** gamma
            ),
        ),
        *(
            (
                f"Your probabilities are kept above {smallest:g}, so that a pixel costs "
                f"{-math.log(smallest):.1f} at most, and the worst pixels have no gradient left. Use "
                "log_softmax.",
                _bounded(smallest, adds, guarded),
            )
            for smallest in (1e-6, 1e-7, 1e-8, 1e-10, 1e-12)
            for adds in (False, True)
            for guarded in (True, False)
        ),
        (
            "You divide by the sum of the factors. Divide by the number of pixels: take the plain mean.",
            _weighted_mean,
        ),
        (
            "Your factor is p^gamma, and it has to be (1 - p)^gamma: pixels that are easy already (p near 1) "
            "should count less, not more.",
            _easy_counts_more_guarded,
        ),
        (
            "Your loss uses a sigmoid of each channel. That is the detector's focal loss, with independent "
            "classes; here one class per pixel is true: softmax over the class axis.",
            _sigmoid_guarded,
        ),
        *(
            (
                "You make rows of C logits by `reshape` alone, which mixes pixels and classes. Move the "
                "class axis to the end first: `movedim(1, -1).reshape(-1, C)`.",
                lambda logits, target, gamma=2.0, order=order: focal_loss(
                    order(logits, logits.shape[1]), target.reshape(-1), gamma
                ),
            )
            for order in (
                lambda logits, c: logits.reshape(-1, c),
                lambda logits, c: logits.reshape(c, -1).T,
            )
        ),
        (
            "You cut gamma to a whole number. It may be any number from 0: raise to that power with `**`.",
            lambda logits, target, gamma=2.0: focal_loss(logits, target, int(gamma)),
        ),
        *(
            (
                f"Your softmax runs over the {name}, `dim={dim}`. The probabilities of a pixel's classes "
                "must add up to 1: take it over the class axis, `dim=1`.",
                _along(dim),
            )
            for name, dim in (("batch", 0), ("rows", 2), ("columns", 3))
        ),
        (
            "Your factor is 1 - p^gamma, and it has to be (1 - p)^gamma: set parentheses around 1 - p.",
            lambda logits, target, gamma=2.0: (
                (1 - _probability(logits, target) ** gamma) * _surprise(logits, target)
            ).mean(),
        ),
        *(
            (
                "You raise -log p to the power of gamma. The power belongs to the factor 1 - p.",
                lambda logits, target, gamma=2.0, least=least: (
                    (1 - _probability(logits, target)) * _surprise(logits, target).clamp(min=least) ** gamma
                ).mean(),
            )
            for least in (0, 1e-12)
        ),
        (
            "Your loss is the expected one divided by the number of classes, as when the mean runs over the "
            "zeros of a one-hot tensor, too. Sum over the classes first.",
            lambda logits, *a: focal_loss(logits, *a) / logits.shape[1],
        ),
    ],
    finished=(
        "segcourse.losses:focal_loss",
        "segmentation_models_pytorch.losses:FocalLoss",
        "segmentation_models_pytorch.losses._functional:focal_loss_with_logits",
        "segmentation_models_pytorch.losses._functional:softmax_focal_loss_with_logits",
        "monai.losses:FocalLoss",
        "monai.losses.focal_loss:softmax_focal_loss",
        "monai.losses.focal_loss:sigmoid_focal_loss",
        "torchvision.ops:sigmoid_focal_loss",
    ),
)
