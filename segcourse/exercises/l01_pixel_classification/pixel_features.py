"""Exercise 1.5: describe each pixel by a row of numbers."""

from collections.abc import Iterator

import numpy as np
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


def _mirrored(mode):
    """Return the means around pixels of an image that NumPy's `mode` continues beyond its border."""

    def around(image):
        padded = np.pad(image.numpy(), ((0, 0), (2, 2), (2, 2)), mode=mode)
        return F.avg_pool2d(torch.from_numpy(padded), 5, stride=1)

    return around


def _padded(mode):
    """Return the answer that pads by `F.pad`, which stops where the image is small."""

    def wrong(image, batch):
        padded = F.pad(image[None] if batch else image, (2, 2, 2, 2), mode=mode)
        around = F.avg_pool2d(padded, 5, stride=1)
        return _features(image, around[0] if batch else around)

    return wrong


def _without_the_pixel(image):
    inside = _around(torch.ones_like(image), count_include_pad=True) * 25
    return (_sums(image) - image) / (inside - 1)


def _divided(image, correction, eps, own):
    """Divide by the standard deviation of the image's channels, or of each column's own."""
    features = pixel_features(image)
    spread = features if own else image.flatten(1).T.repeat(1, 2)
    return (features - own * features.mean(0)) / (spread.std(dim=0, correction=correction) + eps)


# ways to join the colours of pixels and those around, both less the mean
_JOINED = (
    lambda own, around: torch.cat([own, around]),
    lambda own, around: torch.cat([own[None], around[None]], dim=1),
    lambda own, around: torch.cat([own.flatten(1), around.flatten(1)]),
    lambda own, around: torch.cat([own.flatten(1).T, around.flatten(1).T], dim=1),
    lambda own, around: torch.stack([own, around]),
    lambda own, around: torch.stack([*own, *around]),
    lambda own, around: torch.stack([*own.flatten(1), *around.flatten(1)]),
    lambda own, around: np.concatenate([own.numpy(), around.numpy()]),
)


def _joined(join, batch=False, **options):
    """Return the answer that calls `avg_pool2d` with these options, so that both parts differ in size."""

    def wrong(image):
        around = F.avg_pool2d(image[None], 5, **options)[0] if batch else F.avg_pool2d(image, 5, **options)
        mean = image.mean(dim=(1, 2), keepdim=True)
        return torch.as_tensor(join(image - mean, around - mean)).reshape(6, -1).T

    return wrong


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
        *(
            (
                "You divide by the standard deviation of each channel. Only the mean is subtracted here.",
                lambda image, correction=correction, eps=eps, own=own: _divided(image, correction, eps, own),
            )
            for correction in (0, 1)
            for eps in (0, 1e-8)
            for own in (False, True)
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
            "Your columns 3 to 5 are the pixel minus the mean around it. They should be the mean around the "
            "pixel minus the mean colour of the image.",
            lambda image: _features(image, image, around_mean=_around(image)),
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
        *(
            (
                "Your `avg_pool2d` moves on by 5 pixels: its stride is the kernel size unless you give "
                "another. Add `stride=1`.",
                _joined(join, batch, padding=2, count_include_pad=included),
            )
            for join in _JOINED
            for batch in (False, True)
            for included in (False, True)
        ),
        *(
            (
                "Your `avg_pool2d` pads too little, so that its result is smaller than the image. Write "
                "`padding=2`.",
                _joined(join, batch, stride=1, padding=padding),
            )
            for join in _JOINED
            for batch in (False, True)
            for padding in (0, 1)
        ),
        *(
            (
                "Your `avg_pool2d` has neither `stride=1` nor `padding=2`, so that its result is smaller "
                "than the image. Add both.",
                _joined(join, batch),
            )
            for join in _JOINED
            for batch in (False, True)
        ),
        *(
            (
                "Your columns 3 to 5 mix the three colours. Take the mean of each colour by itself: "
                "`groups=3` in a convolution, `mean(dim=(1, 2))` of a square 3 x 5 x 5.",
                lambda image, scale=scale, included=included: _features(
                    image, scale * _around(image, count_include_pad=included).mean(0).expand_as(image)
                ),
            )
            for scale in (1, 3)
            for included in (False, True)
        ),
        *(
            (
                "You mirror the image at its border, so that some pixels count twice. Take the mean of the "
                "pixels inside the image.",
                lambda image, mode=mode: _features(image, _mirrored(mode)(image)),
            )
            for mode in ("symmetric", "reflect")
        ),
        (
            "You continue the image with its opposite side. Take the mean of the pixels inside the image.",
            lambda image: _features(image, _mirrored("wrap")(image)),
        ),
        *(
            (
                f'You pad with `mode="{mode}"`, which stops where the image is small, and counts pixels '
                "twice elsewhere. Take the mean of the pixels inside the image.",
                lambda image, mode=mode, batch=batch: _padded(mode)(image, batch),
            )
            for mode in ("reflect", "circular")
            for batch in (False, True)
        ),
        *(
            (
                f"You average over squares of {size} x {size} pixels. 5 x 5 are asked for: two pixels in "
                "each direction.",
                lambda image, size=size, included=included: _features(
                    image, _around(image, size, count_include_pad=included)
                ),
            )
            for size in (3, 7, 9, 11)
            for included in (False, True)
        ),
        *(
            (
                f"Your square reaches from {before} to {after}. Two pixels in each direction are asked for: "
                "from r - 2 to r + 2.",
                lambda image, low=low, high=high: _slices(image, lambda place: max(0, place - low), high),
            )
            for before, after, low, high in (
                ("r", "r + 4", 0, 5),
                ("r - 1", "r + 2", 1, 3),
                ("r - 2", "r", 2, 1),
                ("r - 5", "r + 4", 5, 5),
            )
        ),
        (
            "Your square leaves out the pixel in its middle. That pixel counts as well.",
            lambda image: _features(image, _without_the_pixel(image)),
        ),
        (
            "Your columns 0 to 2 lack the subtraction of the image's mean colour.",
            lambda image: _features(image, _around(image), colour_mean=0),
        ),
        (
            "Your columns 0 to 2 are the pixel minus the mean around it. Subtract the mean colour of the "
            "image.",
            lambda image: _features(image, _around(image), colour_mean=_around(image)),
        ),
        *(
            (
                f"You subtract the mean of each {name}. Subtract from each channel its mean over the whole "
                "image.",
                lambda image, dim=dim: _features(image, _around(image), *[image.mean(dim, True)] * 2),
            )
            for name, dim in (
                ("column of pixels", 1),
                ("row of pixels", 2),
                ("column of pixels, all colours together", (0, 1)),
                ("row of pixels, all colours together", (0, 2)),
            )
        ),
        *(
            (
                f"You subtract the {name} of each channel. Subtract its mean.",
                lambda image, spot=spot: _features(
                    image, _around(image), *[spot(image.flatten(1))[:, None, None]] * 2
                ),
            )
            for name, spot in (
                ("median", lambda rows: rows.median(dim=1).values),
                ("smallest value", lambda rows: rows.amin(dim=1)),
                ("largest value", lambda rows: rows.amax(dim=1)),
            )
        ),
        (
            "Your colours come in the opposite order, blue, green, red. Red comes first.",
            lambda image: pixel_features(image)[:, [2, 1, 0, 5, 4, 3]],
        ),
        *(
            (
                "Your rows hold three numbers: the surroundings stand in separate rows. Each row holds "
                "the three colours of its pixel and the three around it: join along the axis of channels.",
                wrong,
            )
            for wrong in (
                lambda image: torch.cat(pixel_features(image).split(3, dim=1)),
                lambda image: (
                    torch.cat(pixel_features(image).T.reshape(2, *image.shape).unbind(), dim=2).flatten(1).T
                ),
            )
        ),
        (
            "You pad with zeros, count them in the mean, and don't subtract the mean colour of the image. "
            "Divide by the number of pixels inside the image, and subtract the mean.",
            lambda image: _features(image, _around(image, count_include_pad=True), 0, 0),
        ),
        (
            "You pad with zeros and count them in the mean. Besides, your columns 3 to 5 lack the "
            "subtraction of the image's mean colour.",
            lambda image: _features(image, _around(image, count_include_pad=True), around_mean=0),
        ),
        *(
            (f"You pad with zeros and count them in the mean. Besides, {says}", wrong)
            for says, wrong in (
                (
                    "you return one row per feature, not per pixel.",
                    lambda image: _features(image, _around(image, count_include_pad=True)).T,
                ),
                (
                    "you make the rows by `reshape(-1, 6)`, which mixes pixels: use `.T`.",
                    lambda image: _features(image, _around(image, count_include_pad=True)).T.reshape(-1, 6),
                ),
                (
                    "you subtract one mean of all channels. Each channel has its own.",
                    lambda image: _features(
                        image, _around(image, count_include_pad=True), *[image.mean()] * 2
                    ),
                ),
            )
        ),
    ],
    finished=("segcourse.classical.forest:pixel_features",),
)
