"""Exercise 10.1: the mask is all black."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.random import Generator

from segcourse.exercises.engine.example import lesion
from segcourse.exercises.engine.exercise import Case, Exercise, call
from segcourse.exercises.l10_clinic._pipelines import before_and_after, demand, lesion_logits


def mask_to_save(logits):
    """Return masks, integers N x H x W, 0 for skin and 255 for lesion, of logits N x 1 x H x W."""
    return (logits[:, 0] > 0).byte() * 255


def starter(logits):
    ids = logits.argmax(dim=1)
    return ids.byte() * 255


CLEAR, CLOSE = "clear pixels", "pixels close to one half"


def cases(rng: Generator) -> Iterator[Case]:
    def draw(group, count, height, width, largest, *traits):
        sign = rng.choice([-1, 1], (count, 1, height, width))
        sign[:, 0, 0, 0], sign[:, 0, -1, -1] = 1, -1
        size = rng.uniform(0.2, 1, sign.shape) * largest
        return Case(group, {"logits": torch.from_numpy(sign * size).float()}, traits)

    yield Case(CLEAR, {"logits": torch.tensor([[[[-4.0, 3.0]]]])}, ("there is one image",))
    two = torch.tensor([[[[-4.0], [3.0]]], [[[5.0], [-2.0]]]])
    yield Case(CLEAR, {"logits": two}, ("there are two images",))
    yield Case(CLOSE, {"logits": torch.tensor([[[[-0.3, 0.3, 0.0]]]])}, ("a logit is exactly 0",))
    yield Case(CLOSE, {"logits": torch.tensor([[[[0.4, -0.4], [0.2, 0.6]]]])}, ("all logits are small",))
    yield draw(CLEAR, 2, 3, 4, 8, "there are two images")
    yield draw(CLEAR, 1, 3, 2, 200, "the logits are large")
    yield draw(CLOSE, 3, 2, 2, 0.45, "all logits are small")


def look(obj, case):
    """Observe the masks, which a picture file takes only as whole numbers."""
    masks = obj(*case.inputs.values())
    real = isinstance(masks, torch.Tensor) and masks.is_floating_point()
    demand(not real, "Your masks hold floating-point numbers, and a picture file takes whole numbers.")
    return call(lambda logits: masks, case)


def celebrate(answer):
    """Show the mask of a lesion before and after the repair."""
    image = lesion().image[None]
    before, after = (np.asarray(one(lesion_logits(image))[0], np.uint8) for one in (starter, answer))
    before_and_after(image[0], before, after)


EXERCISE = Exercise(
    mask_to_save,
    number="10.1",
    difficulty=1,
    minutes=5,
    groups={CLEAR: 1, CLOSE: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    starter=starter,
    symptom=(
        "The symptom is still there: every pixel of the masks is 0, also where the network is sure of a "
        "lesion."
    ),
    mistakes=[
        (
            "You compare the logits with 0.5. That is a probability of 0.62, so pixels between one half and "
            "0.62 are lost. A probability of one half is a logit of 0.",
            lambda logits: (logits[:, 0] > 0.5).byte() * 255,
        ),
        *(
            (
                "Every pixel of your masks is lesion: the numbers that you compare are above the threshold "
                "everywhere. Softmax over one channel is always 1, and a sigmoid is always above 0.",
                wrong,
            )
            for wrong in (
                lambda logits: (logits.softmax(dim=1)[:, 0] > 0.5).byte() * 255,
                lambda logits: (logits.sigmoid()[:, 0] > 0).byte() * 255,
            )
        ),
        (
            "Your masks hold 0 and 1. A viewer shows 1 of 255 as black, so the picture still looks empty. "
            "Lesion is 255.",
            lambda logits: (logits[:, 0] > 0).byte(),
        ),
        (
            "You cut the probabilities off to whole numbers before you decide: 0.98 becomes 0.",
            lambda logits: logits.sigmoid()[:, 0].byte() * 255,
        ),
        (
            "You save the probability as a grey value, and decide nothing. A mask holds 0 or 255.",
            lambda logits: (255 * logits.sigmoid()[:, 0]).byte(),
        ),
        (
            "Lesion and skin are exchanged in your masks. A high logit means lesion.",
            lambda logits: (logits[:, 0] < 0).byte() * 255,
        ),
        (
            "A pixel whose logit is exactly 0 is lesion in your masks. Its probability is one half, and "
            "lesion is above one half.",
            lambda logits: (logits[:, 0] >= 0).byte() * 255,
        ),
        (
            "Your masks keep the axis of the channel, N x 1 x H x W. N x H x W is asked for.",
            lambda logits: (logits > 0).byte() * 255,
        ),
        (
            "You return the first image only. N images come in, N masks go out.",
            lambda logits: (logits[0] > 0).byte() * 255,
        ),
        (
            "Your masks hold 0 and -1: as a signed byte, 255 is -1. Use uint8.",
            lambda logits: ((logits[:, 0] > 0).byte() * 255).char(),
        ),
    ],
)
