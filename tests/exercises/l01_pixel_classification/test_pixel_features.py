"""Exercise 1.5: right answers in other styles, promises and their breakers, mutants that are equal."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from contract import Contract, nothing_changes

from segcourse import classical
from segcourse.exercises.l01_pixel_classification import pixel_features as module
from segcourse.exercises.l01_pixel_classification.pixel_features import pixel_features as answer


def by_loop(image):
    mean, (_, height, width) = image.mean((1, 2)), image.shape
    rows = []
    for r in range(height):
        for c in range(width):
            square = image[:, max(0, r - 2) : r + 3, max(0, c - 2) : c + 3]
            rows.append(torch.cat([image[:, r, c] - mean, square.mean((1, 2)) - mean]))
    return torch.stack(rows)


def by_counting(picture):
    kernel = torch.ones(3, 1, 5, 5)
    sums = F.conv2d(picture[None], kernel, padding=2, groups=3)[0]
    inside = F.conv2d(torch.ones_like(picture)[None], kernel, padding=2, groups=3)[0]
    features = torch.cat([picture, sums / inside]) - torch.cat([picture, picture]).mean((1, 2), keepdim=True)
    return features.permute(1, 2, 0).reshape(-1, 6)


def by_numpy(image):
    pixels = image.permute(1, 2, 0).numpy()
    box = {"ksize": (5, 5), "normalize": False, "borderType": cv2.BORDER_CONSTANT}
    sums = cv2.boxFilter(pixels, -1, **box)
    counts = cv2.boxFilter(np.ones(pixels.shape[:2], np.float32), -1, **box)[..., None]
    mean = pixels.mean(axis=(0, 1))
    both = np.concatenate([pixels - mean, sums / counts - mean], axis=-1)
    return torch.from_numpy(both.reshape(-1, 6))


def by_centring_first(image):
    centred = image.double() - image.double().mean(dim=(-2, -1), keepdim=True)
    around = F.avg_pool2d(centred[None], 5, 1, 2, False, False)[0]
    return torch.hstack([centred.reshape(3, -1).T, around.reshape(3, -1).T])


def squares(image, size):
    return module._features(image, module._around(image, size))


class TestPixelFeatures(Contract):
    name = "pixel_features"
    library = staticmethod(classical.pixel_features)
    right = {"loop": by_loop, "counting": by_counting, "NumPy": by_numpy, "centring first": by_centring_first}
    promises = (
        ("float tensor 3 x H x W", "the image has 6 x 6 pixels", lambda image: answer(image.mT),
         lambda image: answer(image.flip(0))),
        ("with values from 0 to 1", "the image has 6 x 6 pixels", lambda image: answer(255 * image)),
        ("of any size", "there is a single pixel", lambda image: answer(image).squeeze()),
        ("of any size", "the image has 3 x 12 pixels", lambda image: answer(F.interpolate(image[None], (5, 12))[0])),
        ("one row per pixel", "a few pixels", lambda image: answer(image).T,
         lambda image: answer(image).reshape(*image.shape[1:], 6), lambda image: answer(image).numpy()),
        ("in reading order", "the image has 2 x 3 pixels",
         lambda image: answer(image).reshape(*image.shape[1:], 6).transpose(0, 1).reshape(-1, 6),
         lambda image: answer(image).T.reshape(-1, 6), lambda image: answer(image).flip(0)),
        ("red, green and blue of the pixel", "a few pixels", lambda image: answer(image)[:, [2, 1, 0, 5, 4, 3]],
         lambda image: answer(image)[:, [3, 4, 5, 0, 1, 2]]),
        ("each minus the mean of that channel over the whole image", "a few pixels",
         lambda image: module._features(image, module._around(image), 0, 0),
         lambda image: module._features(image, module._around(image), around_mean=0)),
        ("each minus the mean of that channel over the whole image", "the image has 6 x 6 pixels",
         lambda image: module._features(image, module._around(image), image.mean(), image.mean()),
         lambda image: module._features(image, module._around(image), *[image.amax((1, 2), keepdim=True)] * 2)),
        ("over the square of 5 x 5 pixels around the pixel", "one pixel in the middle is bright",
         lambda image: squares(image, 3), lambda image: squares(image, 7)),
        ("the mean of red, green and blue", "one pixel in the middle is bright",
         lambda image: module._features(image, module._around(image) * 25)),
        ("the mean of those pixels of the square that lie inside the image", "one pixel in the corner is bright",
         lambda image: module._features(image, module._around(image, count_include_pad=True)),
         lambda image: module._features(image, module._replicated(image))),
        ("the mean of those pixels of the square that lie inside the image", "the image has 3 x 12 pixels",
         lambda image: module._features(image, module._around(image, count_include_pad=True))),
        ("of any size", "pictures", nothing_changes(answer)),
    )  # fmt: skip
    equal = {
        r"repeat\(2\)\.reshape\((-6|6, 1, -1|6, -1, 1|-1, 1, 1)": "the same shape",
        r"torch\.concat\(|image\.nanmean\(": "another name; no number is NaN",
        r"->  image = image\.(float|double|detach)\(\)": "as precise",
    }
    said = (
        (lambda image: answer(image).T, "one row per feature"),
        (lambda image: answer(image).numpy(), "returns a NumPy array, and a tensor is asked for"),
        (lambda image: answer(image)[:, :3], "Your result has shape (2, 3), and (2, 6) is expected"),
    )
