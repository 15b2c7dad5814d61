"""Exercise 1.3: the threshold that splits the grey values best."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l05_losses_metrics._draw import ids


def otsu_threshold(gray):
    """Return the threshold t, an int, that splits the grey values best into `gray <= t` and `gray > t`."""
    counts = torch.bincount(gray.flatten(), minlength=256).double()  # pixels of each grey value
    sums = counts * torch.arange(256)
    dark, dark_sum = counts.cumsum(0), sums.cumsum(0)  # for each t
    bright, bright_sum = dark[-1] - dark, dark_sum[-1] - dark_sum
    between = dark * bright * (dark_sum / dark - bright_sum / bright) ** 2  # NaN: a group is empty
    return int(between.nan_to_num(-1).argmax())


PAPER, UNEVEN, PICTURES = "a few pixels", "groups of unequal size", "pictures"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, gray, *traits):
        return Case(group, {"gray": gray}, traits)

    def two_groups(height, width, bright):
        count = max(1, round(bright * height * width))
        values = np.concatenate([rng.normal(80, 12, height * width - count), rng.normal(170, 18, count)])
        values = rng.permutation(values.clip(0, 255).round()).reshape(height, width)
        return torch.from_numpy(values).byte()

    yield case(PAPER, ids([[10, 12, 13], [80, 82, 90]], torch.uint8))
    yield case(PAPER, ids([[20, 100]], torch.uint8), "there are two values, far apart")
    yield case(PAPER, ids([[0, 255], [255, 255]], torch.uint8), "the values are 0 and 255")
    yield case(PAPER, ids([[254, 255], [254, 254]], torch.uint8), "the values are 254 and 255")
    yield case(PAPER, ids([[0, 1], [0, 1], [0, 1]], torch.uint8), "the values are 0 and 1")
    values = ids([[0, 60, 70], [250, 75, 255]], torch.uint8)
    yield case(PAPER, values, "the darkest value is 0 and the brightest 255")
    yield case(PAPER, two_groups(2, 4, 0.5), "there are eight pixels")
    yield case(UNEVEN, ids([[10] * 3 + [150] * 3 + [255] * 3], torch.uint8), "a third of the pixels is 255")
    values = ids([[40] * 9 + [60] * 2 + [200]], torch.uint8)
    yield case(UNEVEN, values, "a single pixel is bright")
    values = ids([[30] + [31] * 6 + [150] * 5 + [220] * 8], torch.uint8)
    yield case(UNEVEN, values, "there are four values")
    for bright in (0.5, 0.02, 0.93):
        trait = f"{bright:.0%} of the pixels are bright"
        yield case(UNEVEN, two_groups(12, 15, bright), trait)
    yield case(PICTURES, two_groups(40, 30, 0.3), "the picture has 40 x 30 pixels")
    rows = [[40] * 256] * 160 + [[100] * 256] * 20 + [[220] * 256] * 4
    yield case(PICTURES, ids(rows, torch.uint8), "40,960 pixels share one value")
    smooth = torch.from_numpy(rng.normal(120, 30, (25, 35)).clip(0, 255)).byte()
    yield case(PICTURES, smooth, "the histogram has one hill")
    yield case(PICTURES, two_groups(300, 280, 0.2), "the picture has 300 x 280 pixels")


def _between(gray):
    """Return the variance between the groups for each t (NaN: one is empty), and its parts."""
    counts = torch.bincount(gray.flatten(), minlength=256).double()
    sums = counts * torch.arange(256)
    dark, dark_sum = counts.cumsum(0), sums.cumsum(0)
    bright, bright_sum = dark[-1] - dark, dark_sum[-1] - dark_sum
    means = dark_sum / dark, bright_sum / bright
    return dark * bright * (means[0] - means[1]) ** 2, dark, bright, means


def _nan_wins(gray):
    return int(_between(gray)[0].argmax())


def _minimum(gray):
    return int(_between(gray)[0].nan_to_num(torch.inf).argmin())


def _means_alone(gray):
    _, _, _, (dark, bright) = _between(gray)
    return int(((dark - bright) ** 2).nan_to_num(-1).argmax())


def _last_of_equals(gray):
    between = _between(gray)[0].nan_to_num(-1)
    return int((between == between.max()).nonzero().max())


def _between_the_means(gray):
    t = otsu_threshold(gray)
    return int((gray[gray <= t].double().mean() + gray[gray > t].double().mean()) / 2)


def _each_value_once(gray):
    return otsu_threshold(gray.unique()) if len(gray.unique()) > 1 else 0


def _equal_spreads(gray):
    counts = torch.bincount(gray.flatten(), minlength=256).double()
    values = torch.arange(256)
    squares = (counts * values**2).cumsum(0)
    _, dark, bright, (low, high) = _between(gray)
    spreads = squares / dark - low**2 + (squares[-1] - squares) / bright - high**2
    return int(spreads.round(decimals=6).nan_to_num(torch.inf).argmin())


def _not_squared(gray):
    _, dark, bright, means = _between(gray)
    return int((dark * bright * (means[0] - means[1]).abs()).nan_to_num(-1).argmax())


def _only_weights(gray):
    _, dark, bright, _ = _between(gray)
    return int((dark * bright).argmax())


def celebrate(answer):
    """Show the flower that a threshold cuts out."""
    from segcourse.exercises.l01_pixel_classification._photo import flower, grey_flower
    from segcourse.plotting import outline, show_image

    t = answer(grey_flower())
    titles = ["grey values", f"brighter than your threshold, {t}"]
    pictures = [grey_flower(), outline(flower(), (grey_flower() > t).long())]
    show_image(pictures, titles, alt="A flower in grey, and the outline of its bright pixels.")


EXERCISE = Exercise(
    otsu_threshold,
    number="1.3",
    difficulty=2,
    minutes=15,
    groups={PAPER: 1, UNEVEN: 1, PICTURES: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "Your number is one above the expected one everywhere. That fits groups `gray < t` and `gray >= "
            "t`; here the pixels that equal t belong to the dark group.",
            lambda gray: otsu_threshold(gray) + 1,
        ),
        (
            "Your number is one below the expected one everywhere. The pixels that equal t belong to the "
            "dark group.",
            lambda gray: otsu_threshold(gray) - 1,
        ),
        (
            "You return the first t that leaves a group empty. Its mean is 0/0, NaN, and argmax takes NaN "
            "for the largest number. Leave such t out.",
            _nan_wins,
        ),
        (
            "You return the t with the smallest variance between the groups. Two groups are split well when "
            "it is largest.",
            _minimum,
        ),
        (
            "You compare the distance of the means alone, so that a few extreme pixels decide. Weigh it: "
            "times the number of dark pixels, times the number of bright ones.",
            _means_alone,
        ),
        (
            "You weigh the distance of the means itself. Square it: groups that lie far apart count more.",
            _not_squared,
        ),
        (
            "You return the t with the most even split: the product of the two numbers of pixels is largest. "
            "The distance of the means counts as well.",
            _only_weights,
        ),
        (
            "You add the variances of the two groups without weights. Each variance counts times the number "
            "of pixels in its group.",
            _equal_spreads,
        ),
        (
            "You return the largest of several equally good thresholds. The smallest is asked for.",
            _last_of_equals,
        ),
        (
            "You count every grey value once, however many pixels have it. Each pixel counts.",
            _each_value_once,
        ),
        (
            "You return the mean grey value. It moves towards the larger group, and can cut that group in "
            "two.",
            lambda gray: int(gray.double().mean()),
        ),
        (
            "You return the median grey value: half of the pixels are darker, whatever the picture shows.",
            lambda gray: int(gray.flatten().median()),
        ),
        (
            "You return the middle between the darkest and the brightest value. Two odd pixels would decide.",
            lambda gray: (int(gray.min()) + int(gray.max())) // 2,
        ),
        (
            "You return the middle between the means of the two groups. Return the largest grey value of the "
            "dark group.",
            _between_the_means,
        ),
        (
            "You return the commonest grey value. It lies in the middle of a group, not between two groups.",
            lambda gray: int(torch.bincount(gray.flatten()).argmax()),
        ),
        (
            "Your numbers are the expected ones divided by 255. Return t in grey values, 0 to 255.",
            lambda gray: otsu_threshold(gray) / 255,
        ),
        (
            "You return the smallest value of the bright group. Return the largest value of the dark group.",
            lambda gray: int(gray[gray > otsu_threshold(gray)].min()),
        ),
    ],
    finished=(
        "segcourse.classical.threshold:otsu_threshold",
        "skimage.filters.thresholding:threshold_otsu",
        "cv2:threshold",
    ),
)
