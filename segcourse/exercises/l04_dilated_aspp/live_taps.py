"""Exercise 4.4: how many of the nine weights of a dilated kernel ever meet a pixel of a small map."""

from collections.abc import Iterator

import torch
from numpy.random import Generator
from torch import nn

from segcourse.exercises.engine.exercise import Case, Exercise


def live_taps(map_size, dilation):
    """Return how many of the nine weights ever meet a pixel of a map of (height, width), an int."""
    height, width = map_size
    rows = 3 if dilation < height else 1
    columns = 3 if dilation < width else 1
    return rows * columns


ALL, SOME, ONE = "every weight is used", "weights fall outside along one side", "only the middle is left"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, size, dilation, *traits):
        lines = f"map_size, dilation = {size}, {dilation}"
        return Case(group, {"map_size": size, "dilation": dilation}, traits, build=lines)

    yield case(ALL, (3, 3), 1)
    yield case(ONE, (8, 8), 12)
    yield case(ONE, (8, 8), 8, "dilation equals the side of the map")
    yield case(ALL, (8, 8), 7, "dilation is one less than the side of the map")
    yield case(ALL, (8, 8), 4, "dilation is half the side of the map")
    yield case(ALL, (33, 33), 18)
    yield case(ONE, (1, 1), 1, "the map is one pixel")
    yield case(SOME, (1, 6), 1, "the map has one row")
    yield case(SOME, (4, 8), 6, "the map is wider than high")
    yield case(SOME, (8, 4), 6, "the map is higher than wide")
    yield case(SOME, (8, 5), 5, "the map is higher than wide", "dilation equals one side of the map")
    yield case(ALL, (5, 9), 4)
    drawn = []
    for _ in range(3):
        short, more, beyond = map(int, rng.integers(2, 12, 3))
        long = short + more
        between = short + int(rng.integers(0, more))
        drawn += [
            case(ALL, (long, short), int(rng.integers(1, short))),
            case(ONE, (short, long), long + beyond),
            case(SOME, (short, long), between, "the map is wider than high"),
            case(SOME, (long, short), between, "the map is higher than wide"),
        ]
    for i in rng.permutation(len(drawn)):
        yield drawn[i]


def _by(alive):
    """Return an answer that asks about each side of the map separately."""

    def wrong(map_size, dilation):
        height, width = map_size
        return (3 if alive(height, dilation) else 1) * (3 if alive(width, dilation) else 1)

    return wrong


def _from_corner(map_size, dilation):
    height, width = map_size
    return (2 if dilation < height else 1) * (2 if dilation < width else 1)


def _sides(map_size, dilation):
    height, width = map_size
    return (3 if dilation < height else 1) + (3 if dilation < width else 1)


def _all_or_one(least):
    return lambda map_size, dilation: 9 if dilation < least(map_size) else 1


def _product(count):
    """Return an answer that multiplies what `count` finds along each side of the map."""
    return lambda map_size, dilation: count(map_size[0], dilation) * count(map_size[1], dilation)


def _meetings(side, dilation):
    return side + 2 * max(0, side - dilation)


def _wrapped(side, dilation):
    return 1 + (dilation < side) + (dilation < 2 * side)


def _otherwise(some, one):
    """Return an answer with other results where the map is too short along one side, and along both."""

    def wrong(map_size, dilation):
        right = live_taps(map_size, dilation)
        return {9: 9, 3: some, 1: one}[right]

    return wrong


def _measured(padding):
    """Return an answer that counts by the gradient of a layer with this padding."""

    def wrong(map_size, dilation):
        layer = nn.Conv2d(1, 1, 3, padding=padding, dilation=dilation)
        layer(torch.ones(1, 1, *map_size)).sum().backward()
        return int((layer.weight.grad != 0).sum())

    return wrong


def celebrate(answer):
    """Show how many weights are left on a map, rate by rate."""
    from segcourse.plotting import show_curves

    rates = list(range(1, 25))
    curves = {
        f"map of {side} x {side}": [answer((side, side), rate) for rate in rates] for side in (8, 16, 32)
    }
    show_curves(curves, rates, xlabel="dilation", ylabel="weights in use, of 9", ylim=(0, 9.5))


EXERCISE = Exercise(
    live_taps,
    number="4.4",
    difficulty=2,
    minutes=10,
    groups={ALL: 1, SOME: 1, ONE: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "You count a weight as used where dilation equals the side of the map. The first and the last "
            "pixel of 8 lie 7 apart: a step of 8 leads from every pixel to the padding.",
            _by(lambda side, dilation: dilation <= side),
        ),
        (
            "You call the outer weights dead where dilation is one less than the side of the map. The first "
            "and the last pixel of 8 lie 7 apart: a step of 7 leads from one to the other.",
            _by(lambda side, dilation: dilation < side - 1),
        ),
        *(
            (
                "You ask whether the whole kernel fits into the map. It need not: a weight is used as soon "
                "as some position of the kernel puts this weight on a pixel.",
                wrong,
            )
            for wrong in (
                _by(lambda side, dilation: 2 * dilation + 1 <= side),
                _by(lambda side, dilation: 2 * dilation + 1 < side),
                _by(lambda side, dilation: dilation < side // 2),
                lambda map_size, dilation: 9 if 2 * dilation + 1 <= min(map_size) else 1,
            )
        ),
        (
            "Your result is what the kernel sees from the middle of the map. It visits every pixel, and from "
            "the border it reaches across the whole map.",
            _by(lambda side, dilation: dilation <= side // 2),
        ),
        (
            "You count the pixels that the kernel meets at one corner. The kernel visits every pixel, and a "
            "weight that falls outside at one corner meets the map at another.",
            _from_corner,
        ),
        (
            "You add the rows and the columns of weights. Each row holds as many weights as there are "
            "columns: multiply.",
            _sides,
        ),
        (
            "You look at the map's height only. Its width can be another.",
            lambda map_size, dilation: _by(lambda side, d: d < map_size[0])(map_size, dilation),
        ),
        (
            "You look at the map's width only. Its height can be another.",
            lambda map_size, dilation: _by(lambda side, d: d < map_size[1])(map_size, dilation),
        ),
        (
            "You call all outer weights dead as soon as dilation reaches the shorter side. Along the longer "
            "side, two of them can still meet pixels; with the middle weight that makes three.",
            _all_or_one(min),
        ),
        (
            "Your result is always nine for dilation 1. On a map with a single row or column, even then some "
            "weights never meet a pixel.",
            lambda map_size, dilation: 9 if dilation == 1 else live_taps(map_size, dilation),
        ),
        (
            "You call all nine weights used as long as the longer side is long enough. Along the shorter "
            "side, six of them can miss the map.",
            _all_or_one(max),
        ),
        (
            "You count the weights that meet the map at one position, the best one. The kernel visits every "
            "pixel: a weight counts as soon as it meets the map anywhere.",
            _product(lambda side, dilation: min(3, 1 + (side - 1) // dilation)),
        ),
        (
            "You count the meetings of weights and pixels. Count each weight once, however often it meets a "
            "pixel.",
            _product(_meetings),
        ),
        (
            "You count pixels above or left of the map, as Python does with negative indices: -1 is the last "
            "place. A pixel of the map has an index from 0 up.",
            _product(_wrapped),
        ),
        (
            "You count how often `dilation` fits into each side. A weight is used where dilation is smaller "
            "than the side, and not used where it is not: three rows or one, three columns or one.",
            _product(lambda side, dilation: min(3, side // dilation)),
        ),
        (
            "You call a weight used where its row or its column meets the map. Both must.",
            _otherwise(9, 5),
        ),
        (
            "Your result is that of a map of 8 x 8, whatever the map. Use `map_size`.",
            lambda map_size, dilation: live_taps((8, 8), dilation),
        ),
        (
            "You look at the kernel along the first row of the map only. It visits every pixel, and from the "
            "last row it reaches up.",
            lambda map_size, dilation: (1 + (dilation < map_size[0])) * (3 if dilation < map_size[1] else 1),
        ),
        (
            "You look at the kernel along the first column of the map only. It visits every pixel, and from "
            "the last column it reaches to the left.",
            lambda map_size, dilation: (3 if dilation < map_size[0] else 1) * (1 + (dilation < map_size[1])),
        ),
        (
            "Your kernel never leaves the map, like that of a convolution without padding, which stops where "
            "the map is too small. Here the padding is `dilation`, and the middle visits every pixel.",
            _measured(0),
        ),
        (
            "Your result is that of padding 1. Here the padding is `dilation`, and the kernel's middle "
            "visits every pixel.",
            _measured(1),
        ),
        (
            "You compare dilation with the number of pixels. Whether a weight meets the map depends on its "
            "height and its width.",
            lambda map_size, dilation: 9 if dilation < map_size[0] * map_size[1] else 1,
        ),
        (
            "You count two rows or columns of weights where dilation reaches the side of the map. Only the "
            "middle one is left there.",
            _otherwise(6, 4),
        ),
        (
            "Your result is 0 where dilation reaches a side of the map. The middle row or column of weights "
            "still meets pixels there.",
            _otherwise(0, 0),
        ),
        (
            "Your result is 0 where dilation reaches both sides of the map. The middle weight meets every "
            "pixel, whatever the dilation.",
            _otherwise(3, 0),
        ),
        (
            "You subtract three weights per side that dilation reaches. Six fall outside there: the rows "
            "above and below the middle, or the columns left and right of it.",
            _otherwise(6, 3),
        ),
        (
            "You subtract six weights per side that dilation reaches. Where it reaches both sides, the four "
            "corners are subtracted twice.",
            _otherwise(3, -3),
        ),
        *(
            (
                f"Your result is {some} where dilation reaches one side of the map only. Three weights are "
                "left there: the middle row, or the middle column.",
                _otherwise(some, 1),
            )
            for some in (0, 2, 4, 5, 6)
        ),
        (
            "Your result is 9, whatever the map. Where dilation reaches the side of the map, the outer "
            "weights only ever meet padding.",
            lambda map_size, dilation: 9,
        ),
        (
            "You return the weights that never meet a pixel. Those that do are asked for.",
            lambda map_size, dilation: 9 - live_taps(map_size, dilation),
        ),
        (
            "You leave out the middle weight. It meets every pixel, whatever the dilation.",
            lambda map_size, dilation: live_taps(map_size, dilation) - 1,
        ),
        (
            "You return a share of the nine weights. Their number is asked for.",
            lambda map_size, dilation: live_taps(map_size, dilation) / 9,
        ),
    ],
)
