"""Exercise 4.4: how many of the nine weights of a dilated kernel ever meet a pixel of a small map."""

from collections.abc import Iterator

from numpy.random import Generator

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
        (
            "You ask whether the whole kernel fits into the map. It need not: a weight is used as soon as "
            "some position of the kernel puts this weight on a pixel.",
            _by(lambda side, dilation: 2 * dilation + 1 <= side),
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
            "side, three of them can still meet pixels.",
            _all_or_one(min),
        ),
        (
            "You call all nine weights used as long as the longer side is long enough. Along the shorter "
            "side, six of them can miss the map.",
            _all_or_one(max),
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
