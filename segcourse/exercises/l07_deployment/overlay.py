"""Exercise 7.1: a picture tinted where the mask is."""

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l07_deployment._pictures import FIFTHS, lesion, look, picture


def overlay(image, mask, colour, alpha):
    """Tint an image where its mask isn't 0: a new uint8 array H x W x 3."""
    tinted = (1 - alpha) * image + alpha * np.array(colour)  # H, W, 3, float
    return np.where(mask[..., None] != 0, tinted, image).round().astype(np.uint8)


TINT, MASKS = "colour and alpha", "kinds of masks"


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(7)

    def case(group, image, mask, colour, alpha, *traits):
        inputs = {"image": image, "mask": mask, "colour": colour, "alpha": alpha}
        return Case(group, inputs, traits)

    def mask(rng, height, width, values, dtype):
        drawn = rng.choice(values, (height, width)).astype(dtype)
        drawn.flat[: len(values)] = values  # each value occurs
        return drawn

    red = (255, 0, 0)
    two = np.array([[[100, 200, 50], [10, 20, 30]]], np.uint8)
    first = np.array([[True, False]])
    yield case(TINT, two, first, red, 0.2, "the mask is bool")
    yield case(TINT, two, first, (10, 20, 200), 0.4, "the mask is bool", "no channel of the colour is 0")
    yield case(TINT, two, first, (11, 21, 201), 1, "alpha is 1")
    yield case(TINT, two, first, (11, 21, 201), 0, "alpha is 0")
    bright = np.array([[[250, 240, 230], [250, 240, 230]]], np.uint8)
    yield case(TINT, bright, first, (255, 251, 247), 0.6, "image and colour are bright")
    yield case(MASKS, two, np.array([[0, 255]], np.uint8), red, 0.4, "the mask holds 0 and 255")
    yield case(MASKS, two, np.array([[0, 1]], np.uint8), red, 0.4, "the mask is uint8 and holds 0 and 1")
    three = picture(fixed, 3, 3)
    yield case(MASKS, three, mask(fixed, 3, 3, [0, 1, 2], np.int64), red, 0.4, "the mask holds 0, 1 and 2")
    yield case(MASKS, two, np.array([[-1, 0]], np.int8), red, 0.4, "the mask holds -1")
    yield case(MASKS, three, np.zeros((3, 3), np.uint8), red, 0.4, "the mask is empty")
    yield case(MASKS, three, np.ones((3, 3), bool), red, 0.4, "the mask is full")
    for group, values, dtype, *traits in (
        (TINT, [0, 1], bool, "the mask is bool"),
        (MASKS, [0, 255], np.uint8, "the mask holds 0 and 255"),
        (MASKS, [0, 1, 2], np.int16, "the mask holds 0, 1 and 2"),
    ):
        colour = tuple(rng.integers(1, 255, 3).tolist())
        inputs = picture(rng, 4, 6), mask(rng, 4, 6, values, dtype), colour, float(rng.choice(FIFTHS))
        yield case(group, *inputs, "the image has 4 x 6 pixels", *traits)


def _made(inside=lambda mask: mask != 0, tint=None, outside=lambda image: image, finish=np.round):
    """Return an answer that does one thing differently."""

    def wrong(image, mask, colour, alpha):
        paint = np.array(colour)
        tinted = tint(image, paint, alpha) if tint else (1 - alpha) * image + alpha * paint
        chosen = np.asarray(inside(mask))[..., None]
        return finish(np.where(chosen, tinted, outside(image))).astype(np.uint8)

    return wrong


def _weighted(inside=lambda mask: mask != 0, finish=np.round):
    """Return an answer that mixes the whole picture with a layer that is black outside the mask."""

    def wrong(image, mask, colour, alpha):
        layer = inside(mask)[..., None] * np.array(colour)
        return finish((1 - alpha) * image + alpha * layer).astype(np.uint8)

    return wrong


def _in_uint8(image, mask, colour, alpha):
    mixed = image + alpha * (np.array(colour, np.uint8) - image)
    return np.where((mask != 0)[..., None], mixed.round(), image).astype(int).astype(np.uint8)


def _mask_as_weight(image, mask, colour, alpha):
    opacity = alpha * mask[..., None].astype(float)
    return ((1 - opacity) * image + opacity * np.array(colour)).round().astype(np.int64).astype(np.uint8)


def _mask_in_255(image, mask, colour, alpha):
    opacity = alpha * mask[..., None] / 255
    return ((1 - opacity) * image + opacity * np.array(colour)).round().astype(np.int64).astype(np.uint8)


def _by_index(image, mask, colour, alpha):
    """Select with the mask as it is: an integer array selects rows."""
    picture = image.astype(float)
    picture[mask] = (1 - alpha) * picture[mask] + alpha * np.array(colour)
    return picture.round().astype(np.uint8)


def celebrate(answer):
    """Show a lesion in three opacities."""
    from segcourse.plotting import show_image

    image, mask = lesion()
    panels = [answer(image, mask, (230, 159, 0), alpha) for alpha in (0.2, 0.5, 0.8)]
    titles = ["alpha 0.2", "alpha 0.5", "alpha 0.8"]
    show_image(panels, titles, alt="A lesion three times, tinted more and more in orange by your overlay.")


EXERCISE = Exercise(
    overlay,
    number="7.1",
    difficulty=1,
    minutes=10,
    groups={TINT: 2, MASKS: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        *(
            (
                "You mix the whole picture with a layer that is black outside the mask, so your picture gets "
                "darker there. Outside the mask, keep the image as it is.",
                wrong,
            )
            for wrong in (  # section 2 shows the last one
                _weighted(),
                _weighted(finish=lambda x: x),
                _weighted(inside=lambda mask: mask == 1),
                _weighted(inside=lambda mask: mask == 1, finish=lambda x: x),
                _weighted(inside=lambda mask: mask > 0),
                _weighted(inside=lambda mask: mask > 0, finish=lambda x: x),
            )
        ),
        (
            "You tint the whole picture. Only pixels whose mask isn't 0 get the colour.",
            _made(inside=lambda mask: mask == mask),
        ),
        (
            "You tint the pixels whose mask is 0, and leave the others. It is the other way round.",
            _made(inside=lambda mask: mask == 0),
        ),
        (
            "You take alpha as the share of the image. It is the share of the colour: with 0, nothing "
            "changes.",
            _made(tint=lambda image, paint, alpha: alpha * image + (1 - alpha) * paint),
        ),
        (
            "You paint the plain colour over the mask, without alpha. Mix: (1 - alpha) of the image, alpha "
            "of the colour.",
            _made(tint=lambda image, paint, alpha: 0 * image + paint),
        ),
        (
            "You add alpha times the colour to the whole image value. Take only (1 - alpha) of the image, or "
            "bright pixels end above 255.",
            _made(tint=lambda image, paint, alpha: (image + alpha * paint).clip(0, 255)),
        ),
        (
            "You add alpha times the colour to the whole image value, and numbers above 255 start again from "
            "0. Take only (1 - alpha) of the image.",
            _made(
                tint=lambda image, paint, alpha: image + alpha * paint, finish=lambda x: x.round().astype(int)
            ),
        ),
        (
            "You tint only pixels whose mask is above 0. Everything that isn't 0 is tinted, -1 as well.",
            _made(inside=lambda mask: mask > 0),
        ),
        (
            "You take 0.4 of the colour, as in the lesson's example. Take the share that `alpha` says.",
            _made(tint=lambda image, paint, alpha: 0.6 * image + 0.4 * paint),
        ),
        (
            "You mix in equal parts. Take the share that `alpha` says.",
            _made(tint=lambda image, paint, alpha: (image + paint) / 2),
        ),
        (
            "Your channels of the colour are in the order blue, green, red. The colour is red, green, blue, "
            "as the image is.",
            _made(tint=lambda image, paint, alpha: (1 - alpha) * image + alpha * paint[::-1]),
        ),
        (
            "You cut the decimals off: in a uint8 array, 99.8 becomes 99. Round first.",
            _made(finish=lambda x: x),
        ),
        *(
            (
                "You round or cut the two shares before you add them, and their errors add up. Add first, "
                "then round the sum.",
                _made(tint=tint),
            )
            for tint in (
                lambda image, paint, alpha: np.round((1 - alpha) * image) + np.round(alpha * paint),
                lambda image, paint, alpha: np.trunc((1 - alpha) * image) + np.trunc(alpha * paint),
                lambda image, paint, alpha: np.trunc((1 - alpha) * image + np.trunc(alpha * paint)),
            )
        ),
        *(
            (
                "You do two things differently: you cut the decimals off, where rounding is asked for, and "
                f"you tint only pixels whose mask is {which}. Everything that isn't 0 is tinted.",
                _made(inside=inside, finish=lambda x: x),
            )
            for which, inside in (
                ("1", lambda mask: mask == 1),
                ("255", lambda mask: mask == 255),
                ("above 0", lambda mask: mask > 0),
            )
        ),
        (
            "You divide the mask by 255. It may hold 0 and 1, or bool, and then the colour all but "
            "disappears. Compare with 0: `mask != 0`.",
            _mask_in_255,
        ),
        (
            "You divide alpha by 255. Alpha is a share from 0 to 1 already.",
            _made(tint=lambda image, paint, alpha: (1 - alpha / 255) * image + alpha / 255 * paint),
        ),
        (
            "You divide the colour by 255, and the image still has numbers up to 255. Keep both on the same "
            "scale.",
            _made(tint=lambda image, paint, alpha: (1 - alpha) * image + alpha * paint / 255),
        ),
        (
            "You subtract uint8 from uint8. Below 0, that goes on from 255: convert the image to float "
            "first.",
            _in_uint8,
        ),
        (
            "You always round up. Round to the nearest whole number.",
            _made(finish=np.ceil),
        ),
        (
            "You tint only pixels whose mask is 1. Masks are often saved with 255, or hold several classes: "
            "everything that isn't 0 is tinted.",
            _made(inside=lambda mask: mask == 1),
        ),
        (
            "You tint only pixels whose mask is 255. Everything that isn't 0 is tinted, 1 or True as well.",
            _made(inside=lambda mask: mask == 255),
        ),
        (
            "You tint only the pixels with the largest value of the mask. Everything that isn't 0 is tinted.",
            _made(inside=lambda mask: (mask == mask.max()) & (mask != 0)),
        ),
        (
            "You multiply by the mask as if it held only 0 and 1. With 255, or with class 2, the opacity "
            "then is far above alpha: compare with 0 first.",
            _mask_as_weight,
        ),
        (
            "You use the mask as an index. Only a bool array selects pixels; whole numbers select rows: "
            "write `mask != 0`.",
            _by_index,
        ),
        (
            "Your picture is black outside the mask. Keep the image there.",
            _made(outside=lambda image: 0 * image),
        ),
        (
            "You tint with a grey of the colour's mean. Each channel has its own share of the colour.",
            _made(tint=lambda image, paint, alpha: (1 - alpha) * image + alpha * paint.mean()),
        ),
        (
            "You return the image as it came. Nothing is tinted.",
            lambda image, mask, colour, alpha: image.copy(),
        ),
    ],
    finished=(
        "segcourse.plotting.arrays:overlay",
        "skimage.color.colorlabel:label2rgb",
        "torchvision.utils:draw_segmentation_masks",
    ),
)
