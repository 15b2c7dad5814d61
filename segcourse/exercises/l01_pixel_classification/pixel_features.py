"""Exercise 1.5: describe each pixel by a row of numbers."""

from collections.abc import Iterator

import torch
from numpy.random import Generator
from torch.nn import functional as F

from segcourse.exercises.engine.exercise import Case, Exercise


def pixel_features(image):
    """Turn an image 3 x H x W into one row of six numbers per pixel, (H * W) x 6."""
    around = F.avg_pool2d(image, kernel_size=5, stride=1, padding=2, count_include_pad=False)
    features = torch.cat([image, around]) - image.mean(dim=(1, 2)).repeat(2).reshape(6, 1, 1)
    return features.flatten(1).T


SMALL, BORDER, PICTURES = "a few pixels", "squares at the border", "pictures"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, image, *traits):
        return Case(group, {"image": image}, traits)

    def drawn(height, width):
        shades = torch.from_numpy(rng.random((3, 1, 1)))  # channels differ in their means
        return (shades * 0.6 + 0.4 * torch.from_numpy(rng.random((3, height, width)))).float()

    row = torch.tensor([[[0.0, 1.0]], [[0.5, 0.5]], [[1.0, 0.0]]])
    yield case(SMALL, row)
    yield case(SMALL, torch.full((3, 2, 2), 0.5), "all pixels are equal")
    yield case(SMALL, torch.tensor([0.25, 0.5, 1.0]).reshape(3, 1, 1), "there is a single pixel")
    yield case(SMALL, drawn(2, 3), "the image has 2 x 3 pixels")
    spot = torch.zeros(3, 7, 9)
    spot[:, 3, 4] = torch.tensor([1.0, 0.5, 0.25])
    yield case(PICTURES, spot, "one pixel in the middle is bright")
    corner = torch.zeros(3, 6, 6)
    corner[:, 0, 0] = 1.0
    yield case(BORDER, corner, "one pixel in the corner is bright")
    yield case(BORDER, drawn(3, 12), "the image has 3 x 12 pixels")
    yield case(PICTURES, drawn(6, 6), "the image has 6 x 6 pixels")
    yield case(PICTURES, drawn(8, 5), "the image has 8 x 5 pixels")
    large = drawn(120, 90)
    yield case(PICTURES, large, "the image has 120 x 90 pixels")


def _features(image, around, colour_mean=None, around_mean=None):
    mean = image.mean(dim=(1, 2), keepdim=True)
    colour_mean = mean if colour_mean is None else colour_mean
    around_mean = mean if around_mean is None else around_mean
    return torch.cat([image - colour_mean, around - around_mean]).flatten(1).T


def _around(image, size=5, **options):
    options = {"count_include_pad": False} | options
    return F.avg_pool2d(image, size, stride=1, padding=size // 2, **options)


def _padded_mean(image):
    """Return what `avg_pool2d` with counted zeros makes of an image that is its mean everywhere."""
    return _around(image.mean(dim=(1, 2), keepdim=True).expand_as(image), count_include_pad=True)


def _sums(image):
    return 25 * _around(image, count_include_pad=True)


def _replicated(image):
    padded = F.pad(image[None], (2, 2, 2, 2), mode="replicate")[0]
    return F.avg_pool2d(padded, 5, stride=1)


def _slices(image, before, after):
    """Take means over slices as written in a loop; `before` turns a place into the slice's start."""
    mean, (_, height, width) = image.mean(dim=(1, 2)), image.shape
    rows = []
    for r in range(height):
        for c in range(width):
            square = image[:, before(r) : r + after, before(c) : c + after]
            rows.append(torch.cat([image[:, r, c] - mean, square.mean(dim=(1, 2)) - mean]))
    return torch.stack(rows)


def celebrate(answer):
    """Show what a small forest finds with these features."""
    from segcourse.classical import PixelForest
    from segcourse.data import load_dataset
    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import outline, show_image

    train = load_dataset("lesions", "train", size=64, count=20)
    forest = PixelForest(answer, trees=10).fit(train[i] for i in range(20))
    pictures = [
        outline(lesion().image, lesion().mask),
        outline(lesion().image, forest.predict(lesion().image)),
    ]
    titles = ["true outline", "a forest with your features"]
    show_image(
        pictures, titles, alt="A lesion with its true outline, and with the outline of a random forest."
    )


EXERCISE = Exercise(
    pixel_features,
    number="1.5",
    difficulty=2,
    minutes=15,
    groups={SMALL: 1, BORDER: 1, PICTURES: 2},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "You pad with zeros and count them in the mean, so that the surroundings look darker at the "
            "border. Divide by the number of pixels inside the image.",
            lambda image: _features(image, _around(image, count_include_pad=True)),
        ),
        (
            "You repeat the border's pixels beyond the image, so that they count several times. Take the "
            "mean of the pixels inside the image.",
            lambda image: _features(image, _replicated(image)),
        ),
        (
            "You average over a square of 3 x 3 pixels. 5 x 5 are asked for: two pixels in each direction.",
            lambda image: _features(image, _around(image, 3)),
        ),
        (
            "You average over a square of 11 x 11 pixels: five in each direction. 5 x 5 are asked for, two "
            "in each direction.",
            lambda image: _features(image, _around(image, 11)),
        ),
        (
            "You average over squares of 4 x 4 pixels: a slice `r - 2 : r + 2` ends before row r + 2. Write "
            "`r - 2 : r + 3`.",
            lambda image: _slices(image, lambda place: max(0, place - 2), 2),
        ),
        (
            "Your slices start at a negative number near the border, and Python counts that from the end. "
            "Start at `max(0, r - 2)`.",
            lambda image: _slices(image, lambda place: place - 2, 3),
        ),
        (
            "You subtract the mean colour first and pad with zeros then, so that the mean colour of the "
            "image surrounds it. Divide by the number of pixels inside the image.",
            lambda image: _features(
                image, _around(image, count_include_pad=True), around_mean=_padded_mean(image)
            ),
        ),
        (
            "You subtract from columns 3 to 5 the mean of those columns. Subtract the mean colour of the "
            "image: near the border the two differ.",
            lambda image: _features(
                image, _around(image), around_mean=_around(image).mean((1, 2), keepdim=True)
            ),
        ),
        (
            "You subtract from each pixel the mean of the pixel's three colours. Subtract from each channel "
            "the mean of that channel over the image.",
            lambda image: _features(image, _around(image), *[image.mean(dim=0, keepdim=True)] * 2),
        ),
        (
            "Your columns 3 to 5 repeat the colour of the pixel. They should hold the mean of its 5 x 5 "
            "square.",
            lambda image: _features(image, image),
        ),
        (
            "You divide by the standard deviation of each channel. Only the mean is subtracted here.",
            lambda image: pixel_features(image) / image.std(dim=(1, 2)).repeat(2),
        ),
        (
            "You sum over the square. Take the mean: divide by the number of pixels in it.",
            lambda image: _features(image, _sums(image)),
        ),
        (
            "You don't subtract the mean colour of the image. Subtract it from all six columns.",
            lambda image: _features(image, _around(image), 0, 0),
        ),
        (
            "Your columns 3 to 5 lack the subtraction of the image's mean colour.",
            lambda image: _features(image, _around(image), around_mean=0),
        ),
        (
            "You subtract one number, the mean of all channels together. Subtract from each channel its own "
            "mean.",
            lambda image: _features(image, _around(image), image.mean(), image.mean()),
        ),
        (
            "Your columns 3 to 5 are the mean around the pixel minus the pixel itself. Subtract the mean "
            "colour of the image.",
            lambda image: _features(image, _around(image), around_mean=image),
        ),
        (
            "You turn 6 x H x W into rows by `reshape(-1, 6)`. That cuts the numbers of one channel into "
            "sixes. Move the channels to the last axis first.",
            lambda image: pixel_features(image).T.reshape(-1, 6),
        ),
        (
            "You return one row per feature, 6 x (H * W). One row per pixel is asked for: (H * W) x 6.",
            lambda image: pixel_features(image).T,
        ),
        (
            "You keep height and width apart: H x W x 6. Flatten them into one axis of H * W rows.",
            lambda image: pixel_features(image).reshape(*image.shape[1:], 6),
        ),
        (
            "You go through the image column by column. The rows must follow the reading order: the first "
            "row of pixels from left to right, then the second.",
            lambda image: pixel_features(image).reshape(*image.shape[1:], 6).transpose(0, 1).reshape(-1, 6),
        ),
        (
            "Your columns alternate: red, red around, green, green around … Put the three colours first.",
            lambda image: pixel_features(image)[:, [0, 3, 1, 4, 2, 5]],
        ),
        (
            "Your columns start with the surroundings. Put the pixel's own colour first.",
            lambda image: pixel_features(image)[:, [3, 4, 5, 0, 1, 2]],
        ),
    ],
    finished=("segcourse.classical.forest:pixel_features",),
)
