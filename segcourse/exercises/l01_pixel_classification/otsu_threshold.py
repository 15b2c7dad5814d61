"""Exercise 1.3: the threshold that splits the grey values best."""

import math
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
    values = ids([[25, 90] + [95] * 8 + [125] * 9 + [130] * 4 + [165] * 7], torch.uint8)  # three local maxima
    yield case(UNEVEN, values, "there are six values")
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


def _best(score):
    """Return the first t of the largest score; NaN never wins."""
    return int(score.nan_to_num(-torch.inf).argmax())


def _by(score):
    """Return an answer that maximises another score than the one asked for."""
    return lambda gray: _best(score(*_between(gray)[1:3], *_between(gray)[3]))


def _nan_wins(gray):
    return int(_between(gray)[0].argmax())


def _minimum(gray):
    return int(_between(gray)[0].nan_to_num(torch.inf).argmin())


def _last_of_equals(gray):
    between = _between(gray)[0].nan_to_num(-1)
    return int((between == between.max()).nonzero().max())


def _between_the_means(gray):
    t = otsu_threshold(gray)
    return (gray[gray <= t].double().mean().item() + gray[gray > t].double().mean().item()) / 2


def _between_its_own_means(gray):
    """Return the isodata threshold: the middle between the means of the groups that it makes itself."""
    t, before = gray.double().mean().item(), None
    while t != before:
        before, t = t, (gray[gray <= t].double().mean().item() + gray[gray > t].double().mean().item()) / 2
    return int(t)


def _each_value_once(gray):
    return otsu_threshold(gray.unique()) if len(gray.unique()) > 1 else 0


def _spreads(gray):
    """Return sums of squares inside the two groups, and the groups' pixels, for each t."""
    counts = torch.bincount(gray.flatten(), minlength=256).double()
    squares = (counts * torch.arange(256) ** 2).cumsum(0)
    _, dark, bright, (low, high) = _between(gray)
    inside = squares - dark * low**2, squares[-1] - squares - bright * high**2
    return *(x.round(decimals=6).clamp(min=0) for x in inside), dark, bright


def _smallest(spread):
    """Return an answer that minimises another spread than the one asked for."""
    return lambda gray: _best(-spread(*_spreads(gray)).round(decimals=6))


def _among(first, last, fallback):
    """Return an answer that tries t = first … last only."""

    def wrong(gray):
        between = _between(gray)[0].nan_to_num(-1)[first : last + 1]
        return first + int(between.argmax()) if between.max() > 0 else fallback

    return wrong


def _binned(count, top, result, zero=False):
    """Return an answer that works on a histogram.

    Args:
        count: the number of equal bins.
        top: the bins' range is 0 … top; None: from the darkest to the brightest value.
        result: makes t of the best bin and the edges of all bins.
        zero: return 0 where all values lie in one bin, instead of what `result` makes of bin 0.
    """

    def wrong(gray):
        limits = (0, top) if top else (int(gray.min()), int(gray.max()))
        counts, edges = np.histogram(gray.numpy(), bins=count, range=limits)
        middles = (edges[:-1] + edges[1:]) / 2
        dark, dark_sum = (torch.from_numpy(x).double().cumsum(0) for x in (counts, counts * middles))
        bright = dark[-1] - dark
        difference = dark_sum / dark - (dark_sum[-1] - dark_sum) / bright
        i = _best((dark * bright * difference**2)[:-1])
        return 0 if zero and counts.max() == gray.numel() else int(result(i, edges))

    return wrong


GAP = (
    "You return the middle of the gap between the two groups. Every t in the gap splits equally well, and "
    "the smallest is asked for: the largest value of the dark group."
)


def _gap(middle):
    """Return an answer between the two groups; `middle` gets their nearest values."""

    def wrong(gray):
        low = otsu_threshold(gray)
        return middle(low, int(gray[gray > low].min()))

    return wrong


def _first_hill(gray):
    between = _between(gray)[0]
    values = gray.unique()[:-1].long()
    falls = (between[values].diff() < 0).nonzero()
    return int(values[falls[0] if len(falls) else between[values].argmax()])


def _whole_means(dark, bright, low, high):
    return dark * bright * (low.floor() - high.floor()) ** 2


def _equal_are(in_both):
    """Return an answer that counts the pixels that equal t in both groups, or in none."""

    def wrong(gray):
        values, scores = gray.double(), torch.full((256,), -1.0, dtype=torch.float64)
        for t in range(256):
            low, high = (
                (values[values <= t], values[values >= t])
                if in_both
                else (values[values < t], values[values > t])
            )
            if len(low) and len(high):
                scores[t] = len(low) * len(high) * (low.mean() - high.mean()) ** 2
        return int(scores.argmax())

    return wrong


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
            _by(lambda dark, bright, low, high: (low - high) ** 2),
        ),
        *(
            (
                "You weigh the distance of the means itself, or square the numbers of pixels, too. Square "
                "the distance alone: groups that lie far apart count more.",
                _by(lambda dark, bright, low, high, sign=sign: sign * dark * bright * (high - low)),
            )
            for sign in (1, -1)
        ),
        (
            "You return the t with the most even split: the product of the two numbers of pixels is largest. "
            "The distance of the means counts as well.",
            lambda gray: int((_between(gray)[1] * _between(gray)[2]).argmax()),
        ),
        *(
            (
                "You add the variances of the two groups without weights. Each variance counts times the "
                "number of pixels in its group.",
                _smallest(spread),
            )
            for spread in (
                lambda inside, outside, dark, bright: inside / dark + outside / bright,
                lambda inside, outside, dark, bright: inside / (dark - 1) + outside / (bright - 1),
            )
        ),
        (
            "You return the largest of several equally good thresholds. The smallest is asked for.",
            _last_of_equals,
        ),
        (
            "You count every grey value once, however many pixels have it. Each pixel counts.",
            _each_value_once,
        ),
        *(
            (says, lambda gray, wrong=wrong, whole=whole: whole(wrong(gray)))
            for says, wrong in (
                (
                    "You return the mean grey value. It moves towards the larger group, and can cut that "
                    "group in two.",
                    lambda gray: gray.double().mean().item(),
                ),
                (
                    "You return the median grey value: half of the pixels are darker, whatever the picture "
                    "shows.",
                    lambda gray: float(np.median(gray.numpy())),
                ),
                (
                    "You return the middle between the darkest and the brightest value. Two odd pixels "
                    "would decide.",
                    lambda gray: (int(gray.min()) + int(gray.max())) / 2,
                ),
                (
                    "You return the middle between the means of the two groups. Return the largest grey "
                    "value of the dark group.",
                    _between_the_means,
                ),
                (
                    GAP,
                    _gap(lambda low, high: (low + high) / 2),
                ),
                (
                    GAP,
                    _gap(lambda low, high: (low + high - 1) / 2),
                ),
            )
            for whole in (int, round, lambda number: number, math.ceil)
        ),
        (
            "You return the median grey value: half of the pixels are darker, whatever the picture shows.",
            lambda gray: int(gray.flatten().median()),
        ),
        (
            "You move t to the middle between the means of its two groups until nothing changes. That is "
            "another method: try every t, and keep the one with the largest number.",
            _between_its_own_means,
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
        *(
            (
                "You return the largest value of the criterion. Return the t at which it is reached.",
                lambda gray, whole=whole, share=share: whole(
                    _between(gray)[0].nan_to_num(-1).max().item() / (gray.numel() ** 2 if share else 1)
                ),
            )
            for whole in (float, int)
            for share in (False, True)
        ),
        (
            "You return the position of t in the list of the grey values that occur. Return the grey value "
            "at that position.",
            lambda gray: int((gray.unique() <= otsu_threshold(gray)).sum()) - 1,
        ),
        *(
            (
                f"Your histogram has {count} bins, so that one bin holds several grey values. Use 256 bins, "
                "one per grey value.",
                _binned(count, top, result, zero),
            )
            for count in (16, 32, 64, 128)
            for top in (256, 255, None)
            for zero in (True, False)
            for result in (
                lambda i, edges: edges[i],
                lambda i, edges: edges[i + 1],
                lambda i, edges: np.ceil(edges[i + 1]) - 1,
                lambda i, edges: (edges[i] + edges[i + 1]) / 2,
                lambda i, edges: i,
            )
        ),
        *(
            (
                "Your 256 bins share the range from the darkest to the brightest value, so that bin i does "
                "not hold grey value i. Give the range 0 to 256, or count with `torch.bincount`.",
                _binned(256, None, result),
            )
            for result in (
                lambda i, edges: i,
                lambda i, edges: edges[i],
                lambda i, edges: edges[i + 1],
                lambda i, edges: (edges[i] + edges[i + 1]) / 2,
            )
        ),
        (
            "You stop as soon as the number falls. It can rise again: try every t.",
            _first_hill,
        ),
        (
            "You compare the sums of the two groups, or these sums divided by the same number. Divide each "
            "sum by the number of pixels in its own group: that is the mean.",
            _by(lambda dark, bright, low, high: dark * bright * (low * dark - high * bright) ** 2),
        ),
        *(
            (
                "You never try t = 0. With values 0 and above, that can be the best threshold.",
                _among(1, last, fallback),
            )
            for last in (254, 253)
            for fallback in (1, 0, -1, None)
        ),
        *(
            (
                "You never try t = 254. `range(254)` ends with 253; `range(255)` tries 0 … 254.",
                _among(0, 253, fallback),
            )
            for fallback in (0, -1, None)
        ),
        (
            "You put the pixels that equal t into neither group. They belong to the dark group: `gray <= t`.",
            _equal_are(in_both=False),
        ),
        (
            "You put the pixels that equal t into both groups. They belong to the dark group alone.",
            _equal_are(in_both=True),
        ),
        (
            "You return the darkest value, as if the first t with two groups were the best. Try every t "
            "before the `return`.",
            lambda gray: int(gray.min()),
        ),
        *(
            (
                "You return the largest t with two groups. Either your code never remembers the best number "
                "so far, or your number grows with every t: print both for a small picture.",
                wrong,
            )
            for wrong in (lambda gray: int(gray.max()) - 1, lambda gray: int(gray.unique()[-2]))
        ),
        *(
            (
                f"You multiply the squared distance by the number of {name} pixels alone. Multiply by both "
                "numbers of pixels.",
                _by(weight),
            )
            for name, weight in (
                ("dark", lambda dark, bright, low, high: dark * (low - high) ** 2),
                ("bright", lambda dark, bright, low, high: bright * (low - high) ** 2),
            )
        ),
        (
            "Your means are cut to whole numbers. Divide with `/`, in floats.",
            _by(_whole_means),
        ),
        *(
            (
                "You weigh the standard deviations of the two groups. Their squares count, the variances.",
                _smallest(spread),
            )
            for spread in (
                lambda inside, outside, dark, bright: (inside * dark).sqrt() + (outside * bright).sqrt(),
                lambda inside, outside, dark, bright: (
                    dark * (inside / (dark - 1)).sqrt() + bright * (outside / (bright - 1)).sqrt()
                ),
            )
        ),
        *(
            (
                "You add the standard deviations of the two groups. Each variance counts times the number of "
                "pixels in its group.",
                _smallest(spread),
            )
            for spread in (
                lambda inside, outside, dark, bright: (inside / dark).sqrt() + (outside / bright).sqrt(),
                lambda inside, outside, dark, bright: (
                    (inside / (dark - 1)).sqrt() + (outside / (bright - 1)).sqrt()
                ),
            )
        ),
        (
            "Your variances are those of samples: `var` of PyTorch divides by n - 1, and a group of one "
            "pixel gives NaN. Divide by n: `var(correction=0)`.",
            _smallest(
                lambda inside, outside, dark, bright: (
                    inside * dark / (dark - 1) + outside * bright / (bright - 1)
                )
            ),
        ),
    ],
    finished=(
        "segcourse.classical.threshold:otsu_threshold",
        "skimage.filters.thresholding:threshold_otsu",
        "cv2:threshold",
    ),
)
