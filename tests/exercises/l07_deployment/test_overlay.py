"""Exercise 7.1: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
from contract import Contract

from segcourse import Palette
from segcourse.exercises.l07_deployment import overlay as module
from segcourse.exercises.l07_deployment.overlay import overlay as answer
from segcourse.plotting import arrays


def library(image, mask, colour, alpha):
    return arrays.overlay(image, mask != 0, Palette(("rest", "it"), ((1, 2, 3), colour)), alpha)


def by_pixels(image, mask, colour, alpha):
    picture = image.copy()
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            if mask[row, column]:
                for channel in range(3):
                    mixed = (1 - alpha) * int(image[row, column, channel]) + alpha * colour[channel]
                    picture[row, column, channel] = round(mixed)
    return picture


def by_selection(image, mask, colour, alpha):
    picture, inside = image.copy(), mask.astype(bool)
    picture[inside] = np.rint(image[inside] * (1 - alpha) + np.asarray(colour) * alpha)
    return picture


def by_opacity(image, mask, colour, alpha):
    opacity = torch.from_numpy(mask != 0)[..., None] * float(alpha)
    picture = torch.lerp(torch.from_numpy(image).double(), torch.tensor(colour).double(), opacity.double())
    return picture.round().byte().numpy()


def by_half_up(image, mask, colour, alpha):
    picture = image + (mask != 0)[:, :, np.newaxis] * alpha * (np.array(colour) - image.astype(np.float32))
    return (picture + 0.5).astype(np.uint8)


def changing(image, mask, colour, alpha):
    picture = answer(image, mask, colour, alpha)
    image[:] = picture
    return picture


def in_place(image, mask, colour, alpha):
    return image if alpha == 0 else answer(image, mask, colour, alpha)


class TestOverlay(Contract):
    name = "overlay"
    library = staticmethod(library)
    right = {"pixels": by_pixels, "selection": by_selection, "torch": by_opacity, "half up": by_half_up}
    promises = (
        ("a uint8 array H x W x 3, RGB", "the image has 4 x 6 pixels",
         lambda i, m, c, a: answer(i, m, c, a).transpose(1, 0, 2), lambda i, m, c, a: answer(i, m, c[::-1], a)),
        ("of bool or any integer type", "the mask is uint8 and holds 0 and 1", module._by_index),
        ("of bool or any integer type", "the mask is bool", module._made(inside=lambda mask: mask == 255)),
        ("Every pixel that isn't 0 belongs to the mask", "the mask holds 0 and 255",
         module._made(inside=lambda mask: mask == 1), module._mask_as_weight),
        ("Every pixel that isn't 0 belongs to the mask", "the mask holds 0, 1 and 2",
         module._made(inside=lambda mask: mask == 1), module._made(inside=lambda mask: mask == mask.max())),
        ("Every pixel that isn't 0 belongs to the mask", "the mask holds -1", module._made(inside=lambda mask: mask > 0)),
        ("The mask may be empty or full", "the mask is empty", module._made(inside=lambda mask: mask == mask.max())),
        ("The mask may be empty or full", "the mask is full", module._made(inside=lambda mask: mask == 0)),
        ("three numbers 0 to 255, red, green, blue", "no channel of the colour is 0",
         lambda i, m, c, a: answer(i, m, c[::-1], a)),
        ("0 leaves the image as it is", "alpha is 0",
         module._made(tint=lambda image, paint, alpha: (image + paint) / 2)),
        ("1 paints the plain colour", "alpha is 1",
         module._made(tint=lambda image, paint, alpha: (image + paint) / 2)),
        ("(1 - alpha) times the image plus alpha times the colour", "image and colour are bright",
         module._made(tint=lambda image, paint, alpha: (image + alpha * paint).clip(0, 255))),
        ("of bool or any integer type", "the mask is bool", module._mask_in_255),
        ("rounded to the nearest whole number", "colour and alpha", module._made(finish=lambda x: x),
         module._made(finish=np.ceil)),
        ("Outside, the image is unchanged", "colour and alpha", module._weighted(),
         module._made(outside=lambda image: 0 * image)),
        ("a new uint8 array", "alpha is 0", in_place),
        ("a new uint8 array", "colour and alpha", lambda i, m, c, a: answer(i, m, c, a) / 1.0,
         lambda i, m, c, a: answer(i, m, c, a).tolist()),
        ("never changes its inputs", "colour and alpha", changing),
    )  # fmt: skip
    equal = {
        r"->  tinted = (alpha \* np\.array\(colour\) \+|image \* \(1 - alpha\)|.*np\.array\(colour\) \* alpha)": "sums and "
        "products in another order",
    }
    said = (
        (
            lambda i, m, c, a: answer(i, m, c, a) / 1.0,
            "Your picture has the type float64; uint8 is asked for",
        ),
        (in_place, "shares its memory with an argument"),
        (lambda i, m, c, a: answer(i, m, c, a).tolist(), "returns a list, and a NumPy array is asked for"),
    )
