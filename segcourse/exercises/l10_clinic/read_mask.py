"""Exercise 10.3: the loss is negative."""

import io
from collections.abc import Iterator

import numpy as np
import torch
from numpy.random import Generator
from PIL import Image

from segcourse.exercises.engine.example import lesion
from segcourse.exercises.engine.exercise import Case, Exercise, call
from segcourse.exercises.l10_clinic._pipelines import before_and_after, demand


def read_mask(pixels):
    """Return the mask in a file, uint8 H x W, as a float tensor 1 x H x W: 0 for skin, 1 for lesion."""
    lesion = pixels >= 128
    return torch.from_numpy(lesion).float()[None]  # 1, H, W


def starter(pixels):
    return torch.from_numpy(pixels).float()[None]  # 1, H, W


CLEAN, COMPRESSED = "clean files", "compressed files"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, pixels, *traits):
        return Case(group, {"pixels": np.asarray(pixels, np.uint8)}, traits)

    def draw(height, width, noise):
        lesion = rng.random((height, width)) < 0.5
        lesion[0, 0], lesion[-1, -1] = True, False
        spread = rng.integers(noise // 2, noise + 1, lesion.shape)
        return np.where(lesion, 255 - spread, spread)

    yield case(CLEAN, [[0, 255]], "there are two pixels")
    yield case(CLEAN, [[255, 255], [255, 255]], "all pixels are lesion")
    yield case(CLEAN, [[0, 255, 0], [0, 0, 255]], "the mask is wider than high")
    yield case(COMPRESSED, [[3, 250], [0, 255]], "values lie close to 0 and 255")
    yield case(COMPRESSED, [[127, 128], [60, 200]], "values lie close to 128")
    yield case(COMPRESSED, [[0, 4], [9, 1]], "no pixel is lesion")
    yield case(COMPRESSED, [[250, 255], [240, 251]], "all pixels are lesion")
    yield case(CLEAN, draw(4, 3, 0))
    yield case(COMPRESSED, draw(3, 5, 12), "values lie close to 0 and 255")
    yield case(COMPRESSED, draw(4, 4, 90))


def _made(of):
    """Return an answer whose numbers are `of(pixels)`, of an array of float64."""
    return lambda pixels: torch.from_numpy(np.asarray(of(pixels.astype(float)))).float()[None]


def _stretched(pixels):
    values = torch.from_numpy(pixels).float()
    return ((values - values.min()) / (values.max() - values.min()) >= 0.5).float()[None]


def look(obj, case):
    """Observe the mask, whose type is that of the network's output."""
    mask = obj(*case.inputs.values())
    dtype = getattr(mask, "dtype", None)
    other = isinstance(mask, torch.Tensor) and dtype != torch.float32
    demand(not other, f"Your mask has the type {dtype}, and torch.float32 is asked for.")
    return call(lambda pixels: mask, case)


def celebrate(answer):
    """Show a mask as a compressed file holds it, and as the repaired code reads it."""
    sample, file = lesion(), io.BytesIO()
    Image.fromarray(255 * sample.mask.byte().numpy()).save(file, "jpeg", quality=30)
    pixels = np.array(Image.open(file))
    before_and_after(sample.image, pixels, answer(pixels)[0])


EXERCISE = Exercise(
    read_mask,
    number="10.3",
    difficulty=1,
    minutes=5,
    groups={CLEAN: 1, COMPRESSED: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    starter=starter,
    symptom=(
        "The symptom is still there: your mask holds numbers above 1, and cross-entropy of such a mask "
        "falls below 0."
    ),
    mistakes=[
        (
            "You divide by 255. That is right for 0 and 255, but a compressed file also holds 3 and 250: "
            "your mask is then neither 0 nor 1 there.",
            _made(lambda pixels: pixels / 255),
        ),
        *(
            (
                "Every pixel that isn't 0 is lesion in your mask. Compression leaves a 3 here and a 9 there "
                "on the skin.",
                _made(of),
            )
            for of in (lambda pixels: pixels > 0, lambda pixels: pixels.clip(0, 1))
        ),
        (
            "Only 255 is lesion in your mask. Compression turns some of the 255 into 250 and 240.",
            _made(lambda pixels: pixels == 255),
        ),
        (
            "You divide by the largest value of the mask. In a mask without a lesion that is 0 or a speck "
            "of noise.",
            _made(lambda pixels: pixels / pixels.max()),
        ),
        (
            "Your threshold is half of the mask's largest value, so it moves with that value. In a mask "
            "without a lesion, noise is the largest value, and becomes lesion.",
            _made(lambda pixels: pixels > pixels.max() / 2),
        ),
        (
            "Your threshold lies halfway between the mask's smallest and largest value. In a mask of one "
            "kind, noise decides, or 0 is divided by 0.",
            _stretched,
        ),
        (
            "Your threshold is the mask's mean, which depends on the size of the lesion. In a mask of one "
            "kind, noise decides.",
            _made(lambda pixels: pixels > pixels.mean()),
        ),
        (
            "Skin and lesion are exchanged in your mask. Lesion is 1.",
            _made(lambda pixels: pixels < 128),
        ),
        (
            "Your mask holds 0 and 255. The loss expects 0 and 1.",
            _made(lambda pixels: 255 * (pixels >= 128)),
        ),
        (
            "A value of 128 is skin in your mask. From 128 on, a pixel is lesion.",
            _made(lambda pixels: pixels > 128),
        ),
        (
            "A value of 127 is lesion in your mask. From 128 on, a pixel is lesion.",
            _made(lambda pixels: pixels >= 127),
        ),
        (
            "Your mask is H x W. The pipeline expects an axis for the channel, 1 x H x W.",
            lambda pixels: read_mask(pixels)[0],
        ),
    ],
)
