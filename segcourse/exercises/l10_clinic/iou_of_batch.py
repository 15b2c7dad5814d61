"""Exercise 10.4: the IoU is above 1."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.random import Generator

from segcourse.exercises.engine.example import lesion
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l10_clinic._pipelines import masks_of


def iou_of_batch(prediction, target):
    """Return the IoU of all pixels of a batch, a scalar tensor: N x 1 x H x W against N x H x W."""
    prediction = prediction[:, 0]  # N, H, W
    intersection = (prediction * target).sum()
    union = prediction.sum() + target.sum() - intersection
    return intersection / union


def starter(prediction, target):
    intersection = (prediction * target).sum()
    union = prediction.sum() + target.sum() - intersection
    return intersection / union


FEW, MANY = "two images", "more images"


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(10)

    def case(group, count, height, width, *traits, rng=fixed, change=lambda target: None):
        prediction, target = (masks_of(rng, count, height, width) for _ in range(2))
        change(target)
        given = f"{count} random predictions and targets of {height} x {width}" if height > 9 else ""
        return Case(group, {"prediction": prediction[:, None], "target": target}, traits, given=given)

    def clear(target):
        target[0] = 0

    yield case(FEW, 2, 1, 2, "the images have two pixels")
    yield case(FEW, 2, 2, 2, "the images have as many rows as there are images")
    yield case(FEW, 1, 3, 4, "there is one image")
    yield case(MANY, 3, 3, 3, "the images have as many rows as there are images")
    yield case(MANY, 4, 3, 5, "there are four images")
    yield case(MANY, 5, 2, 3, "one image shows no lesion", change=clear)
    yield case(MANY, 2, 24, 32, "there are more lesion pixels than a byte can count")
    yield case(FEW, 2, 4, 3, rng=rng)
    yield case(MANY, 6, 4, 5, rng=rng)


def _of(prediction, target):
    return (prediction * target).sum(), prediction.sum() + target.sum()


def _mean_of_images(prediction, target):
    intersection, both = (
        (prediction[:, 0] * target).sum(dim=(1, 2)),
        (prediction[:, 0] + target).sum(dim=(1, 2)),
    )
    return (intersection / (both - intersection)).mean()


def _pairs(prediction, target):
    return (prediction * target).sum() / ((prediction + target) > 0).sum()


def _dice(prediction, target):
    intersection, both = _of(prediction[:, 0], target)
    return 2 * intersection / both


def _sum_below(prediction, target):
    intersection, both = _of(prediction[:, 0], target)
    return intersection / both


def _divided(prediction, target):
    intersection, both = _of(prediction, target)
    intersection = intersection / len(target)
    return intersection / (both - intersection)


def _squeezed(prediction, target):
    intersection, both = _of(prediction.squeeze(), target)
    return intersection / (both - intersection)


def _mean_of_classes(prediction, target):
    return (iou_of_batch(prediction, target) + iou_of_batch(1 - prediction, 1 - target)) / 2


def _smoothed(prediction, target):
    intersection, both = _of(prediction[:, 0], target)
    return (intersection + 1) / (both - intersection + 1)


def celebrate(answer):
    """Show the IoU of growing batches of lesions before and after the repair."""
    from segcourse.plotting import show_curves

    mask = lesion().mask
    target = torch.stack([mask.roll(4 * i, dims=1) for i in range(6)])
    prediction = target.roll(3, dims=1)[:, None]
    curves = {
        name: [one(prediction[:n], target[:n]).item() for n in range(1, 7)]
        for name, one in {"before your repair": starter, "after your repair": answer}.items()
    }
    show_curves(curves, xlabel="images in the batch", ylabel="IoU")


EXERCISE = Exercise(
    iou_of_batch,
    number="10.4",
    difficulty=2,
    minutes=5,
    groups={FEW: 1, MANY: 1},
    cases=cases,
    celebrate=celebrate,
    starter=starter,
    symptom=(
        "The symptom is still there: with one image the score is right, with several it isn't an IoU, and "
        "it can leave the range from 0 to 1."
    ),
    mistakes=[
        *(
            (
                "You cut the score off at a limit. The number looks possible now, and is as wrong as before.",
                lambda prediction, target, limits=limits: starter(prediction, target).clamp(*limits),
            )
            for limits in ((0, 1), (None, 1))
        ),
        (
            "You divide the score by the number of images. What was counted too often is the intersection "
            "alone, so the ratio stays wrong.",
            lambda prediction, target: starter(prediction, target) / len(target),
        ),
        *(
            (
                "Your score can't exceed 1 any more, but each prediction still meets each target: that is "
                "the mean over all pairs. Print the shape of `prediction * target`.",
                wrong,
            )
            for wrong in (_pairs, _divided)
        ),
        (
            "You average one IoU per image. The IoU of all pixels of the batch together is asked for.",
            _mean_of_images,
        ),
        (
            "You use the first image only. The IoU of the whole batch is asked for.",
            lambda prediction, target: iou_of_batch(prediction[:1], target[:1]),
        ),
        (
            "Your code uses the prediction of the first image only, and every target meets it. To drop the "
            "channels, axis 1, write `prediction[:, 0]`.",
            lambda prediction, target: starter(prediction[0], target),
        ),
        ("You return the Dice score, 2 I / (P + T). The IoU is I / (P + T - I).", _dice),
        ("You divide by P + T, which counts the intersection twice. The union is P + T - I.", _sum_below),
        (
            "Your `squeeze()` drops every axis of length 1, also the images' rows where H = 1. Name the "
            "axis: `squeeze(1)`.",
            _squeezed,
        ),
        (
            "You divide by all pixels that are predicted: that is the precision. The IoU divides by the "
            "union.",
            lambda prediction, target: (prediction[:, 0] * target).sum() / prediction.sum(),
        ),
        (
            "You divide by all pixels of the target: that is the recall. The IoU divides by the union.",
            lambda prediction, target: (prediction[:, 0] * target).sum() / target.sum(),
        ),
        (
            "You return the share of pixels that are right, skin too. The IoU of lesion leaves out pixels "
            "that both call skin.",
            lambda prediction, target: (prediction[:, 0] == target).float().mean(),
        ),
        ("You return the mean IoU of lesion and skin. The IoU of lesion is asked for.", _mean_of_classes),
        (
            "You add 1 above and below the line. At least one pixel is lesion, so nothing has to be "
            "smoothed.",
            _smoothed,
        ),
        (
            "You compare each prediction with the target of the next image. Adding the axis to the target "
            "or dropping it from the prediction keeps the order.",
            lambda prediction, target: iou_of_batch(prediction, target.roll(1, 0)),
        ),
    ],
)
