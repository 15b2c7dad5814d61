"""Exercise 10.10: it learns, but never well."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.random import Generator

from segcourse.exercises.engine.example import lesion
from segcourse.exercises.engine.exercise import Case, Exercise, call
from segcourse.exercises.l10_clinic._pipelines import before_and_after, demand


def to_batch(images):
    """Return a batch, float N x 3 x H x W from 0 to 1, of a list of uint8 arrays H x W x 3."""
    batch = torch.from_numpy(np.stack(images)).float() / 255  # N, H, W, 3
    return batch.permute(0, 3, 1, 2)  # N, 3, H, W


def starter(images):
    batch = torch.from_numpy(np.stack(images)).float() / 255  # N, H, W, 3
    count, height, width, channels = batch.shape
    return batch.reshape(count, channels, height, width)  # N, 3, H, W


ONE, SEVERAL = "one image", "several images"


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(10)

    def case(group, count, height, width, *traits, rng=fixed):
        images = [rng.integers(0, 256, (height, width, 3)).astype(np.uint8) for _ in range(count)]
        given = f"{count} image(s) of {height} x {width} x 3"
        return Case(group, {"images": images}, traits, given=given)

    yield case(ONE, 1, 1, 2, "the image has two pixels")
    yield case(ONE, 1, 2, 2, "the image is square")
    yield case(ONE, 1, 3, 3, "the image has as many rows as channels")
    yield case(SEVERAL, 2, 2, 4, "the images are wider than high")
    yield case(SEVERAL, 3, 3, 3, "there are as many images as channels")
    yield case(SEVERAL, 2, 5, 3, "the images are higher than wide")
    yield case(ONE, 1, 4, 5, rng=rng)
    yield case(SEVERAL, 4, 3, 5, rng=rng)


def look(obj, case):
    """Observe the batch, whose type has to be that of a network's weights."""
    batch = obj(*case.inputs.values())
    dtype = getattr(batch, "dtype", None)
    wide = isinstance(batch, torch.Tensor) and batch.is_floating_point() and dtype != torch.float32
    demand(not wide, f"Your batch has the type {dtype}, and the weights of a network are torch.float32.")
    return call(lambda images: batch, case)


def _made(end=lambda batch: batch.permute(0, 3, 1, 2), scale=lambda batch: batch.float() / 255):
    return lambda images: end(scale(torch.from_numpy(np.stack(images))))


def celebrate(answer):
    """Show what the network gets before and after the repair."""
    image = (255 * lesion().image.permute(1, 2, 0)).byte().numpy()
    before_and_after(image, starter([image])[0], answer([image])[0])


EXERCISE = Exercise(
    to_batch,
    number="10.10",
    difficulty=1,
    minutes=5,
    groups={ONE: 1, SEVERAL: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    starter=starter,
    symptom=(
        "The symptom is still there: the shape is right, but the pixels of the batch aren't where they were "
        "in the images."
    ),
    mistakes=[
        (
            "You exchange the channels with the columns, N x 3 x W x H: every image lies on its side. The "
            "order is N, 3, H, W.",
            _made(lambda batch: batch.transpose(1, 3)),
        ),
        (
            "You move the rows to where the columns belong: N x W x 3 x H or the like. The order is N, 3, "
            "H, W.",
            _made(lambda batch: batch.permute(0, 2, 3, 1)),
        ),
        (
            "Your batch is still N x H x W x 3. PyTorch's layers expect N x 3 x H x W.",
            _made(lambda batch: batch),
        ),
        (
            "Rows and columns change places in your images: they lie on their side, and then are put back "
            "into the old shape.",
            _made(lambda batch: batch.transpose(1, 3).reshape(len(batch), 3, *batch.shape[1:3])),
        ),
        (
            "Red and blue are exchanged in your batch. The arrays are RGB already.",
            _made(lambda batch: batch.permute(0, 3, 1, 2).flip(1)),
        ),
        (
            "Your numbers go from 0 to 255. From 0 to 1 is asked for.",
            _made(scale=lambda batch: batch.float()),
        ),
        (
            "Your numbers go from -1 to 1. From 0 to 1 is asked for.",
            _made(scale=lambda batch: batch.float() / 127.5 - 1),
        ),
        (
            "You divide whole numbers by 255 and cut them off: nearly all of them become 0.",
            _made(scale=lambda batch: batch // 255),
        ),
        (
            "You divide by the batch's largest value. A dark image would become bright: divide by 255.",
            _made(scale=lambda batch: batch.float() / batch.max()),
        ),
        (
            "You divide by 256. The brightest pixel is 255, and should become 1.",
            _made(scale=lambda batch: batch.float() / 256),
        ),
        (
            "Your images are upside down.",
            _made(lambda batch: batch.permute(0, 3, 1, 2).flip(2)),
        ),
        (
            "You return the first image only.",
            _made(lambda batch: batch[:1].permute(0, 3, 1, 2)),
        ),
    ],
)
