"""Exercise 10.5: the edges are blurry."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.random import Generator

from segcourse.exercises.engine.example import lesion
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l10_clinic._pipelines import Small, before_and_after, images_of, lesion_logits

VIEWS = [(), (-1,), (-2,), (-2, -1)]  # as it is, left to right, top to bottom, both


def predict_with_flips(model, images):
    """Return the mean logits N x C x H x W of four views: unchanged, left to right, top to bottom, both."""
    total = 0
    for axes in [(), (-1,), (-2,), (-2, -1)]:
        total = total + model(images.flip(axes)).flip(axes)
    return total / 4


def starter(model, images):
    total = 0
    for axes in [(), (-1,), (-2,), (-2, -1)]:
        total = total + model(images.flip(axes))
    return total / 4


SQUARE, WIDE = "square images", "other images"


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(10)

    def case(group, count, height, width, *traits, rng=fixed, classes=2):
        given = f"a small network with {classes} classes, and {count} image(s) of 3 x {height} x {width}"
        inputs = {"model": Small(rng, classes), "images": images_of(rng, count, height, width)}
        return Case(group, inputs, traits, given=given)

    yield case(SQUARE, 1, 2, 2, "there is one image")
    yield case(SQUARE, 1, 3, 3, "there is one image", classes=1)
    yield case(SQUARE, 2, 4, 4, "there are two images")
    yield case(WIDE, 1, 2, 5, "there is one image")
    yield case(WIDE, 3, 5, 4, "there are three classes", classes=3)
    yield case(SQUARE, 2, 3, 3, rng=rng)
    yield case(WIDE, 2, 3, 6, rng=rng)


def _made(
    views=VIEWS,
    before=lambda axes: axes,
    back=lambda axes: axes,
    of=lambda logits: logits,
    end=lambda many: many.mean(dim=0),
):
    """Return an answer with other views, other flips before or back, or another summary of the views."""

    def wrong(model, images):
        return end(torch.stack([of(model(images.flip(before(axes))).flip(back(axes))) for axes in views]))

    return wrong


def _flipped_sum(model, images):
    total = 0
    for axes in VIEWS:
        total = (total + model(images.flip(axes))).flip(axes)
    return total / 4


def celebrate(answer):
    """Show the probability of lesion in a corner before and after the repair."""
    image = lesion().image.roll((18, -18), dims=(1, 2))[None]
    before, after = (one(lesion_logits, image).sigmoid()[0, 0].numpy() for one in (starter, answer))
    before_and_after(image[0], before, after)


EXERCISE = Exercise(
    predict_with_flips,
    number="10.5",
    difficulty=1,
    minutes=5,
    groups={SQUARE: 1, WIDE: 1},
    cases=cases,
    celebrate=celebrate,
    starter=starter,
    symptom=(
        "The symptom is still there: the result is symmetric from left to right and from top to "
        "bottom, also for a lesion in a corner."
    ),
    mistakes=[
        (
            "You undo the flip from left to right only. The view that is flipped from top to bottom "
            "stays flipped.",
            _made(back=lambda axes: [axis for axis in axes if axis == -1]),
        ),
        (
            "You undo the flip from top to bottom only. The view that is flipped from left to right "
            "stays flipped.",
            _made(back=lambda axes: [axis for axis in axes if axis == -2]),
        ),
        (
            "You undo each flip along the other axis. A flip from left to right is undone by a flip from "
            "left to right.",
            _made(back=lambda axes: [-3 - axis for axis in axes]),
        ),
        (
            "You undo the two single flips, but not the view that is flipped both ways.",
            _made(back=lambda axes: axes if len(axes) == 1 else ()),
        ),
        *(
            (
                "You undo only one of the two flips of the view that is flipped both ways.",
                _made(back=lambda axes, part=part: axes[part]),
            )
            for part in (slice(1), slice(-1, None))
        ),
        *(
            (
                "You flip the mean of all views back once, or every view alike. Each view needs its own flip "
                "back, before the mean.",
                _made(back=lambda axes, every=every: every),
            )
            for every in ((-2, -1), (-1,), (-2,))
        ),
        (
            "You flip the logits, and the model never sees a flipped image.",
            _made(before=lambda axes: ()),
        ),
        (
            "You count the axes from the front as if there were no axis of channels. Axis 1 holds the "
            "channels: flip axes -1 and -2.",
            _made(views=((), (1,), (2,), (1, 2))),
        ),
        (
            "You flip the sum of all views so far, and not the newest view alone.",
            _flipped_sum,
        ),
        (
            "You leave out the view that is flipped both ways. The mean of four views is asked for.",
            _made(views=VIEWS[:3]),
        ),
        (
            "The model sees the image as it is, and no flipped view. The blur is gone, and so is what the "
            "four views were for.",
            _made(views=VIEWS[:1]),
        ),
        ("You return the sum of the four views. Divide by 4.", _made(end=lambda many: many.sum(dim=0))),
        (
            "You keep the largest logit of the four views. Their mean is asked for.",
            _made(end=lambda many: many.amax(dim=0)),
        ),
        (
            "You average probabilities. The mean of the logits is asked for.",
            _made(of=lambda logits: logits.softmax(dim=1)),
        ),
        (
            "You average squashed logits: a sigmoid comes before the mean. The mean of the logits is asked "
            "for.",
            _made(of=lambda logits: logits.sigmoid()),
        ),
    ],
)
