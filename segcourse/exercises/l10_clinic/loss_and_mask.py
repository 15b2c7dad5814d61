"""Exercise 10.2: the mask is all white."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator

from segcourse.exercises.engine.example import lesion
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l10_clinic._pipelines import (
    Small,
    before_and_after,
    demand,
    images_of,
    lesion_logits,
    masks_of,
    pair,
)


def loss_and_mask(model, images, masks):
    """Return a batch's loss and its predicted masks, bool N x H x W; the model ends in a sigmoid."""
    output = model(images)[:, 0]  # N, H, W
    loss = F.binary_cross_entropy(output, masks.float())
    return loss, output > 0.5


def starter(model, images, masks):
    output = model(images)[:, 0]  # N, H, W
    loss = F.binary_cross_entropy_with_logits(output, masks.float())
    return loss, output.sigmoid() > 0.5


ONE, SEVERAL = "one image", "several images"


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(10)

    def case(group, count, height, width, *traits, rng=fixed, undecided=False):
        batch = {
            "images": images_of(rng, count, height, width),
            ("masks"): masks_of(rng, count, height, width),
        }
        given = (
            f"a small network that ends in a sigmoid, {count} image(s) of 3 x {height} x {width}, their masks"
        )
        model = Small(rng, 1, sigmoid=True)
        if undecided:  # a black first image, and a network without a bias: each probability is one half
            torch.nn.init.zeros_(model.conv.bias)
            batch["images"][0] = 0
            given += "; the first image is 0 everywhere, and the network has no bias"
        return Case(group, {"model": model, **batch}, traits, given=given)

    yield case(ONE, 1, 2, 2)
    yield case(ONE, 1, 3, 4, "the image is wider than high")
    yield case(SEVERAL, 2, 3, 3, "there are two images")
    yield case(SEVERAL, 4, 2, 5, "there are four images")
    yield case(SEVERAL, 2, 24, 32, "some probabilities lie near one half")
    yield case(SEVERAL, 2, 3, 2, "some probabilities are exactly one half", undecided=True)
    yield case(ONE, 1, 4, 3, rng=rng)
    yield case(SEVERAL, 3, 4, 4, rng=rng)


def look(obj, case):
    """Observe the loss, the masks, and the gradient of the network's weights."""
    model = case.inputs["model"]
    loss, found = pair(obj(*case.inputs.values()), "(loss, masks)")
    dtype = getattr(found, "dtype", None)
    whole = isinstance(found, torch.Tensor) and not found.is_floating_point() and dtype != torch.bool
    demand(not whole, f"Your masks have the type {dtype}; true and false, torch.bool, are asked for.")
    seen = {"value": loss, "masks": found}
    if getattr(loss, "requires_grad", False):
        loss.backward()
    return seen | {"gradient of the weights": model.conv.weight.grad}


def _made(loss=F.binary_cross_entropy, decide=lambda output: output > 0.5):
    """Return an answer with another loss of (output, masks), or other masks."""

    def wrong(model, images, masks):
        output = model(images)[:, 0]
        return loss(output, masks.float()), decide(output)

    return wrong


def _exchanged(model, images, masks):
    output = model(images)[:, 0]
    return F.binary_cross_entropy(masks.float(), output), output > 0.5


def _truth(model, images, masks):
    return loss_and_mask(model, images, masks)[0], masks > 0.5


def celebrate(answer):
    """Show the mask of a lesion before and after the repair."""
    sample = lesion()
    batch = lambda x: lesion_logits(x).sigmoid(), sample.image[None], sample.mask[None]
    before, after = (np.asarray(one(*batch)[1][0], np.uint8) * 255 for one in (starter, answer))
    before_and_after(sample.image, before, after)


EXERCISE = Exercise(
    loss_and_mask,
    number="10.2",
    difficulty=2,
    minutes=5,
    groups={ONE: 1, SEVERAL: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    starter=starter,
    symptom="The symptom is still there: every pixel of the masks is lesion, whatever the network says.",
    mistakes=[
        (
            "Your masks are right now, and your loss isn't: it still treats the model's output as logits.",
            _made(F.binary_cross_entropy_with_logits),
        ),
        *(
            (
                "Your masks still take a second sigmoid, with another threshold behind it. The model's "
                "output is a probability already: compare it with one half.",
                _made(decide=lambda output, limit=limit: output.sigmoid() > limit),
            )
            for limit in (0.6, 0.61, 0.615, 0.62)
        ),
        *(
            (
                "Your loss is right now, and every pixel of your masks is lesion: a probability is always "
                "above 0, and its sigmoid is never below one half.",
                _made(decide=decide),
            )
            for decide in (lambda output: output.sigmoid() > 0.5, lambda output: output > 0)
        ),
        (
            "You compute the loss from the decided masks. A decision has no gradient, so nothing is learned.",
            _made(lambda output, masks: F.binary_cross_entropy((output > 0.5).float(), masks)),
        ),
        (
            "Your loss has no gradient, so nothing is learned. `detach()` and `item()` cut it off.",
            _made(lambda output, masks: F.binary_cross_entropy(output.detach(), masks)),
        ),
        (
            "Lesion and skin are exchanged in your masks. A high probability means lesion.",
            _made(decide=lambda output: output < 0.5),
        ),
        (
            "Your loss is the sum over all pixels. The loss was a mean, and the repair should leave its "
            "scale alone.",
            _made(lambda output, masks: F.binary_cross_entropy(output, masks, reduction="sum")),
        ),
        (
            "You exchanged the two arguments of the loss. The probabilities come first, then the truth.",
            _exchanged,
        ),
        ("Your masks are the truth. The predicted ones are asked for.", _truth),
        (
            "A probability of exactly one half is lesion in your masks. Lesion is above one half.",
            _made(decide=lambda output: output >= 0.5),
        ),
        (
            "You exchanged the two results: the loss comes first, then the masks.",
            lambda *given: loss_and_mask(*given)[::-1],
        ),
        (
            "You exchanged the loss for the squared error. It runs, but the pipeline's loss is the "
            "cross-entropy.",
            _made(F.mse_loss),
        ),
        (
            "You return probabilities. Masks are decisions, true or false.",
            _made(decide=lambda output: output),
        ),
        (
            "Your masks keep the axis of the channel, N x 1 x H x W. N x H x W is asked for.",
            _made(decide=lambda output: output[:, None] > 0.5),
        ),
    ],
)
