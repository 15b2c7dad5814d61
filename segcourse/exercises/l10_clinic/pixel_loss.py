"""Exercise 10.6: NaN after an hour."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise, call
from segcourse.exercises.l10_clinic._pipelines import masks_of


def pixel_loss(logits, target):
    """Return the mean cross-entropy per pixel, a scalar tensor: logits N x C x H x W, class ids N x H x W."""
    log_p = logits.log_softmax(dim=1)  # N, C, H, W
    return -log_p.gather(1, target[:, None]).mean()


def starter(logits, target):
    p = logits.exp() / logits.exp().sum(dim=1, keepdim=True)  # N, C, H, W
    return -p.gather(1, target[:, None]).log().mean()


VALUES, GRADIENTS = "the loss", "its gradient"
LARGE = "a logit is beyond what exp can take"


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(10)

    def case(group, count, classes, size, *traits, rng=fixed, shift=0.0):
        logits = (
            torch.from_numpy(rng.normal(shift, 1, (count, classes, 2, 3)) * size).round(decimals=1).float()
        )
        target = masks_of(rng, count, 2, 3) * (classes - 1)
        return Case(
            group,
            {"logits": logits, ("target"): target},
            traits,
            observe=look if group == GRADIENTS else None,
        )

    one = {"logits": torch.tensor([[[[1.0]], [[3.0]]]]), "target": torch.tensor([[[1]]])}
    yield Case(VALUES, one, ("the logits are ordinary",))
    yield case(VALUES, 2, 3, 1, "the logits are ordinary")
    yield case(VALUES, 1, 2, 120, LARGE)
    yield case(VALUES, 2, 4, 900, LARGE)
    far = {
        "logits": torch.tensor([[[[0.0, -200.0]], [[300.0, -203.0]]]]),
        ("target"): torch.tensor([[[1, 1]]]),
    }
    yield Case(VALUES, far, ("one pixel's logits are high, the other's low",))
    yield case(GRADIENTS, 2, 2, 1, "the logits are ordinary")
    yield case(GRADIENTS, 1, 3, 150, LARGE)
    yield case(GRADIENTS, 1, 2, 1, "all logits are far below 0", shift=-300.0)
    huge = {"logits": torch.tensor([[[[2000.0]], [[0.0]]]]), "target": torch.tensor([[[1]]])}
    yield Case(GRADIENTS, huge, (LARGE,), observe=look)  # beyond float64's exponential, too
    yield case(VALUES, 2, 3, 400, LARGE, rng=rng)
    yield case(GRADIENTS, 1, 2, 200, LARGE, rng=rng)


def look(obj, case):
    """Observe the loss and the gradient that it sends to the logits."""
    logits, target = case.inputs.values()
    logits = logits.clone().requires_grad_()
    loss = obj(logits, target)
    if getattr(loss, "requires_grad", False):
        loss.backward()
    return call(lambda *inputs: loss, case) | {"gradient of the logits": logits.grad}


def _made(
    p=lambda logits: logits.softmax(dim=1), log=torch.log, end=torch.mean, before=lambda logits: logits
):
    """Return an answer that takes the logarithm of probabilities, with a patch somewhere."""

    def wrong(logits, target):
        return end(-log(p(before(logits)).gather(1, target[:, None])))

    return wrong


def _by_hand(logits, floor=0.0):
    return logits.exp() / (logits.exp().sum(dim=1, keepdim=True) + floor)


def _limited(ceiling):
    def wrong(logits, target):
        return F.cross_entropy(logits, target, reduction="none").clamp(max=ceiling).mean()

    return wrong


def _finite_only(losses):
    return losses[losses.isfinite()].mean()


def _skipping(logits, target):
    loss = starter(logits, target)
    return loss if loss.isfinite() else logits.sum() * 0


def celebrate(answer):
    """Show the loss of a pixel against its logit, before and after the repair."""
    from segcourse.plotting import show_curves

    scores, target = torch.arange(-200.0, 201, 10), torch.zeros(1, 1, 1, dtype=torch.int64)
    curves = {
        name: [one(torch.tensor([[[[score]], [[0.0]]]]), target).item() for score in scores]
        for name, one in {"after your repair": answer, "before your repair": starter}.items()
    }
    show_curves(curves, scores.tolist(), xlabel="logit of the right class", ylabel="loss")


EXERCISE = Exercise(
    pixel_loss,
    number="10.6",
    difficulty=2,
    minutes=10,
    groups={VALUES: 2, GRADIENTS: 1},
    cases=cases,
    celebrate=celebrate,
    starter=starter,
    symptom=(
        "The symptom is still there: a loss that is right for ordinary logits and NaN or infinite for large "
        "ones."
    ),
    mistakes=[
        (
            "You add a small number inside the logarithm. The exponential still overflows before it: "
            "infinity divided by infinity is NaN, and everything else divided by infinity is 0.",
            _made(_by_hand, lambda p: (p + 1e-8).log()),
        ),
        (
            "You add a small number to the denominator. The exponential still overflows: infinity divided "
            "by infinity is NaN.",
            _made(lambda logits: _by_hand(logits, 1e-8)),
        ),
        (
            "You take the logarithm of a softmax. This softmax doesn't overflow, but a probability of "
            "1e-60 becomes 0, and the logarithm of 0 is infinite.",
            _made(),
        ),
        *(
            (
                "Your probability has a floor, by `clamp` or by a small number added to it. So the loss has "
                "a ceiling, and a pixel that is badly wrong gets no gradient.",
                _made(log=log),
            )
            for floor in (1e-6, 1e-7, 1e-8, 1e-12)
            for log in (
                lambda p, floor=floor: p.clamp(min=floor).log(),
                lambda p, floor=floor: (p + floor).log(),
            )
        ),
        *(
            (
                "You replace NaN in the loss by a number. The gradient behind it is NaN all the same, "
                "and one step spoils every weight.",
                _made(_by_hand, end=end),
            )
            for end in (
                lambda losses: losses.mean().nan_to_num(),
                lambda losses: losses.nan_to_num().mean(),
                lambda losses: losses.where(losses.isfinite(), 0).mean(),
            )
        ),
        (
            "You skip a batch whose loss isn't finite. These are the pixels that the network gets most "
            "wrong, and it learns nothing from them.",
            _skipping,
        ),
        (
            "Your softmax runs over the images of the batch. The classes are axis 1.",
            lambda logits, target: -logits.log_softmax(dim=0).gather(1, target[:, None]).mean(),
        ),
        (
            "Your softmax runs over the columns. The classes are axis 1.",
            lambda logits, target: -logits.log_softmax(dim=-1).gather(1, target[:, None]).mean(),
        ),
        (
            "You give probabilities to `F.cross_entropy`, which takes logits and does its own softmax.",
            lambda logits, target: F.cross_entropy(logits.softmax(dim=1), target),
        ),
        (
            "You take the mean over all classes. Of each pixel, only the class in `target` counts.",
            lambda logits, target: -logits.log_softmax(dim=1).mean(),
        ),
        (
            "You leave out the pixels whose loss isn't finite. These are the pixels that the network gets "
            "most wrong.",
            _made(_by_hand, end=_finite_only),
        ),
        *(
            (
                "You limit the logits. Beyond the limit they get no gradient, and the loss is another one.",
                _made(_by_hand, before=lambda logits, limit=limit: logits.clamp(-limit, limit)),
            )
            for limit in (20, 30, 50, 80)
        ),
        *(
            (
                "In your code, the loss of a pixel has a ceiling: the loss, or the logarithm of the "
                "probability, is limited. A pixel that is badly wrong gets no gradient.",
                _limited(ceiling),
            )
            for ceiling in (50, 100)
        ),
        (
            "You compute in float64. Its exponential overflows as well, at 710 instead of 89.",
            _made(lambda logits: _by_hand(logits.double())),
        ),
        (
            "You subtract the largest logit of the whole batch. A pixel far below it then has only zeros: "
            "subtract the largest logit of each pixel.",
            _made(lambda logits: _by_hand(logits - logits.max())),
        ),
        *(
            (
                "You subtract less than a pixel's largest logit, such as the mean or the smallest. What is "
                "left can be above 89, and its exponential overflows: subtract the largest.",
                _made(lambda logits, least=least: _by_hand(logits - least(logits))),
            )
            for least in (
                lambda logits: logits.mean(dim=1, keepdim=True),
                lambda logits: logits.amin(dim=1, keepdim=True),
            )
        ),
        (
            "You return the sum over all pixels. The mean is asked for.",
            lambda logits, target: pixel_loss(logits, target) * target.numel(),
        ),
        (
            "Your loss has the wrong sign: it is the mean logarithm, and the loss is minus that.",
            lambda logits, target: -pixel_loss(logits, target),
        ),
    ],
)
