"""Exercise 10.8: better without augmentation."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.random import Generator

from segcourse.exercises.engine.example import lesion
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l10_clinic._pipelines import before_and_after, demand, images_of, masks_of, pair


def turn_pair(image, mask, turns, mirrored):
    """Turn an image C x H x W and its mask H x W by quarter turns; then mirror them, or not."""
    image, mask = image.rot90(turns, (-2, -1)), mask.rot90(turns, (-2, -1))
    if mirrored:
        image, mask = image.flip(-1), mask.flip(-1)
    return image, mask


def starter(image, mask, turns, mirrored):
    image, mask = image.rot90(turns, (-2, -1)), mask.rot90(turns, (-2, -1))
    if mirrored:
        image, mask = image.flip(1), mask.flip(1)
    return image, mask


MIRRORED, BOTH = "mirrored", "turned and mirrored"


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(10)

    def case(group, height, width, turns, mirrored, *traits, rng=fixed):
        image, mask = images_of(rng, 1, height, width)[0], masks_of(rng, 1, height, width)[0]
        inputs = {"image": image, "mask": mask, "turns": turns, "mirrored": mirrored}
        words = f"{turns} quarter turn(s), {'mirrored' if mirrored else 'not mirrored'}"
        given = f"an image of 3 x {height} x {width} and its mask; shown as one array, the mask last"
        return Case(group, inputs, (words, *traits), given=given)

    yield case(MIRRORED, 2, 2, 0, True, "the image is square")
    yield case(MIRRORED, 3, 3, 0, True, "the image has as many rows as channels")
    yield case(MIRRORED, 2, 4, 0, True, "the image is wider than high")
    yield case(MIRRORED, 4, 3, 0, False)
    yield case(BOTH, 3, 4, 1, False)
    yield case(BOTH, 4, 3, 1, True)
    yield case(BOTH, 3, 5, 2, True)
    yield case(BOTH, 4, 4, 3, True)
    yield case(MIRRORED, 3, 4, 0, True, rng=rng)
    yield case(BOTH, 4, 5, int(rng.integers(1, 4)), True, rng=rng)


def look(obj, case):
    """Observe image and mask as the planes of one array."""
    image, mask = pair(obj(*case.inputs.values()), "(image, mask)")
    both = isinstance(image, torch.Tensor) and isinstance(mask, torch.Tensor)
    demand(both, "Image and mask are tensors; your answer returns something else.")
    sizes = f"Your image has shape {tuple(image.shape)} and your mask {tuple(mask.shape)}"
    fits = image.ndim == 3 and image.shape[1:] == mask.shape
    demand(fits, f"{sizes}; C x H x W and H x W are asked for.")
    types = image.dtype, mask.dtype
    same = types == (case.inputs["image"].dtype, case.inputs["mask"].dtype)
    demand(same, f"You return the types {types[0]} and {types[1]}; they came as float32 and int64.")
    return {"value": torch.cat([image, mask[None].float()])}


def _made(mirror=lambda image, mask: (image.flip(-1), mask.flip(-1)), turn=None, first=False, ignore=False):
    """Return an answer that mirrors or turns in another way.

    Args:
        first: whether it mirrors before it turns.
        ignore: whether it mirrors always.
    """

    def usual(image, mask, turns):
        return image.rot90(turns, (-2, -1)), mask.rot90(turns, (-2, -1))

    def wrong(image, mask, turns, mirrored):
        steps = [lambda pair: (turn or usual)(*pair, turns), lambda pair: mirror(*pair)]
        steps = steps if mirrored or ignore else steps[:1]
        both = image, mask
        for step in reversed(steps) if first else steps:
            both = step(both)
        return both

    return wrong


def celebrate(answer):
    """Show the outline of a mask on its mirrored lesion before and after the repair."""
    from segcourse.plotting import outline

    image, mask = (one.roll((12, -12), dims=(-2, -1)) for one in lesion()[:2])
    before, after = (outline(*one(image, mask, 1, True)) for one in (starter, answer))
    before_and_after(outline(image, mask), before, after)


EXERCISE = Exercise(
    turn_pair,
    number="10.8",
    difficulty=1,
    minutes=5,
    groups={MIRRORED: 1, BOTH: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    starter=starter,
    symptom="The symptom is still there: after mirroring, the mask doesn't lie on the lesion any more.",
    mistakes=[
        (
            "You mirror both, and both upside down. Mirroring from left to right reverses the order of the "
            "columns, the last axis.",
            _made(lambda image, mask: (image.flip(-2), mask.flip(-2))),
        ),
        (
            "You mirror the image from left to right, and the mask not at all.",
            _made(lambda image, mask: (image.flip(-1), mask)),
        ),
        (
            "You mirror the mask from left to right, and the image not at all.",
            _made(lambda image, mask: (image, mask.flip(-1))),
        ),
        (
            "You mirror the image from left to right and the mask upside down.",
            _made(lambda image, mask: (image.flip(-1), mask.flip(0))),
        ),
        (
            "You reverse the image's first axis. That is the channels: red and blue are exchanged, and "
            "nothing moves.",
            _made(lambda image, mask: (image.flip(0), mask.flip(-1))),
        ),
        (
            "You reverse the first axis of both. For the image that is the channels, for the mask the rows.",
            _made(lambda image, mask: (image.flip(0), mask.flip(0))),
        ),
        (
            "You took the mirroring out. The pair agrees now, but half of the augmentation is gone.",
            _made(lambda image, mask: (image, mask)),
        ),
        (
            "You mirror along both axes, which is half a turn.",
            _made(lambda image, mask: (image.flip(-2, -1), mask.flip(-2, -1))),
        ),
        (
            "You mirror before you turn. After a quarter turn that is a mirroring upside down: turn first.",
            _made(first=True),
        ),
        ("You mirror every pair, also where `mirrored` is False.", _made(ignore=True)),
        (
            "You turn clockwise. A positive number of quarter turns goes counterclockwise, as `rot90` "
            "does it.",
            _made(
                turn=lambda image, mask, turns: (image.rot90(-turns, (-2, -1)), mask.rot90(-turns, (-2, -1)))
            ),
        ),
        (
            "You turn the image around its channels: without axes, `rot90` turns axes 0 and 1. Those are the "
            "image's channels and rows.",
            _made(turn=lambda image, mask, turns: (image.rot90(turns), mask.rot90(turns))),
        ),
        (
            "You turn the mask the other way round than the image.",
            _made(
                turn=lambda image, mask, turns: (image.rot90(turns, (-2, -1)), mask.rot90(-turns, (-2, -1)))
            ),
        ),
    ],
)
