"""Exercise 1.4: grow a region from a click."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.random import Generator
from torch.nn import functional as F

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l05_losses_metrics._draw import ids


def grow_region(gray, seed, tolerance):
    """Return 1 for the pixels that a chain of similar 4-neighbours connects to the seed, else 0: H x W."""
    near = (gray.double() - gray[seed].double()).abs() <= tolerance
    cross = torch.tensor([[[[0.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]]]])
    region = torch.zeros(gray.shape)
    region[seed] = 1
    for _ in range(gray.numel()):
        grown = (F.conv2d(region[None, None], cross, padding=1)[0, 0] > 0) & near  # one step further
        if grown.equal(region.bool()):
            break
        region = grown.float()
    return region.long()


STEPS, SIMILAR, PICTURES = "neighbours, step by step", "how similar", "pictures"
SNAKE = [
    [1, 9, 1, 1, 1],
    [1, 9, 1, 9, 1],
    [1, 9, 1, 9, 1],
    [1, 1, 1, 9, 1],
]


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, gray, seed, tolerance, *traits):
        return Case(group, {"gray": gray, "seed": seed, "tolerance": tolerance}, traits)

    def byte(rows):
        return ids(rows, torch.uint8)

    def blobs(height, width):
        noise = torch.from_numpy(rng.random((1, 1, height, width)))
        smooth = F.avg_pool2d(F.pad(noise, (2, 2, 2, 2), mode="replicate"), 5, stride=1)[0, 0]
        return (255 * (smooth - smooth.min()) / (smooth.max() - smooth.min())).byte()

    # every seed is also a pixel when it is read as (column, row)
    yield case(STEPS, byte([[50, 52, 90], [90, 51, 90], [52, 90, 51]]), (0, 0), 5)
    yield case(STEPS, byte(SNAKE), (0, 0), 2, "the region winds up and down")
    yield case(STEPS, byte([row[::-1] for row in SNAKE[::-1]]), (0, 0), 2, "the region winds left and right")
    yield case(STEPS, byte([[1, 9, 1], [9, 1, 9], [1, 9, 1]]), (1, 1), 3, "the region is the seed alone")
    yield case(
        STEPS, byte([[1, 9, 1], [9, 9, 9], [1, 9, 1]]), (0, 2), 3, "similar pixels lie in the other corners"
    )
    yield case(STEPS, byte([[7, 7], [7, 7], [7, 7]]), (1, 0), 0, "the whole picture is one region")
    yield case(SIMILAR, byte([[50, 55, 56], [45, 44, 50]]), (0, 0), 5, "a difference equals the tolerance")
    yield case(SIMILAR, byte([[10, 14, 18, 22, 26]]), (0, 0), 6, "the grey values rise slowly")
    yield case(SIMILAR, byte([[20, 60, 120, 200]] * 3), (0, 2), 60, "pixels are darker than the seed")
    yield case(
        SIMILAR, byte([[250, 251, 255], [1, 3, 2], [3, 252, 4]]), (0, 2), 6, "values lie near 0 and 255"
    )
    yield case(SIMILAR, byte([[7, 7, 8], [8, 7, 6]]), (0, 0), 0, "the tolerance is 0")
    floats = torch.tensor([[0.5, 0.75, 0.25], [1.0, 0.625, 0.875]])
    yield case(SIMILAR, floats, (0, 0), 0.25, "the grey values are floats")
    for size, tolerance in (((6, 9), 60), ((9, 6), 40)):
        gray = blobs(*size)
        seed = tuple(int(n) for n in rng.integers(0, min(size), 2))
        yield case(PICTURES, gray, seed, tolerance, f"the picture has {size[0]} x {size[1]} pixels")
    yield case(SIMILAR, blobs(8, 8) / 256.0, (4, 4), 0.25, "the picture has 8 x 8 floats")
    gray = blobs(8, 10)
    gray[2:7, 3] = gray[5, 3]
    yield case(STEPS, gray, (5, 3), 45, "the picture has 8 x 10 pixels")
    yield case(PICTURES, blobs(24, 31), (12, 20), 50, "the picture has 24 x 31 pixels")
    # 4096 calls are too many for a function that calls itself: Jupyter allows 3000, Python 1000
    uniform = torch.full((64, 64), 7, dtype=torch.uint8)
    yield case(PICTURES, uniform, (0, 0), 0, "a region of 64 x 64 pixels starts in a corner")


CROSS = [(-1, 0), (1, 0), (0, -1), (0, 1)]
DIAGONALS = [(-1, -1), (-1, 1), (1, -1), (1, 1)]


def _grown(gray, seed, joins: Callable, steps=CROSS, wraps: bool = False):
    """Grow by a queue; `joins(pixel, neighbour, region)` decides, all of it in float arrays."""
    rows, columns = gray.shape
    region = np.zeros((rows, columns), bool)
    region[seed] = True
    waiting = [tuple(seed)]
    for row, column in waiting:
        for down, right in steps:
            there = (row + down, column + right)
            if wraps:
                there = (there[0] % rows, there[1] % columns)
            inside = 0 <= there[0] < rows and 0 <= there[1] < columns
            if inside and not region[there] and joins((row, column), there, region):
                region[there] = True
                waiting.append(there)
    return torch.from_numpy(region).long()


def _at_most(difference, tolerance):
    return abs(difference) <= tolerance


def _like_the_seed(gray, seed, tolerance, **options):
    return _within(_at_most, **options)(gray, seed, tolerance)


def _within(similar, **options):
    """Return an answer that grows over the pixels whose difference from the seed is `similar`."""

    def wrong(gray, seed, tolerance):
        values = gray.double().numpy()
        return _grown(gray, seed, lambda _, n, __: similar(values[n] - values[seed], tolerance), **options)

    return wrong


def _like_the_neighbour(gray, seed, tolerance, similar=_at_most, **options):
    values = gray.double().numpy()
    return _grown(gray, seed, lambda pixel, n, _: similar(values[n] - values[pixel], tolerance), **options)


def _like_the_mean(gray, seed, tolerance):
    values = gray.double().numpy()
    return _grown(gray, seed, lambda _, n, region: abs(values[n] - values[region].mean()) <= tolerance)


def _wrapped_differences(gray, seed, tolerance, **options):
    near = _all_similar_in_uint8(gray, seed, tolerance).numpy()
    return _grown(gray, seed, lambda _, n, __: near[n], **options)


def _strictly_in_uint8(gray, seed, tolerance):
    near = ((gray - gray[seed]).abs() < tolerance).numpy()
    return _grown(gray, seed, lambda _, n, __: near[n])


_strictly = _within(lambda difference, tolerance: abs(difference) < tolerance)
_only_brighter_bounded = _within(lambda difference, tolerance: difference <= tolerance)
_only_darker_bounded = _within(lambda difference, tolerance: -difference <= tolerance)


def _minus_one_is_the_end(gray, seed, tolerance):
    """Read index -1 as Python does, and stop where an index is too large."""
    near = _all_similar(gray, seed, tolerance).bool()
    region = torch.zeros_like(near)
    region[seed] = True
    for _ in range(gray.numel()):
        above, left = region.roll(1, dims=0), region.roll(1, dims=1)  # the first row sees the last one
        below, right = torch.zeros_like(region), torch.zeros_like(region)
        below[:-1], right[:, :-1] = region[1:], region[:, 1:]
        grown = region | (near & (above | left | below | right))
        if grown.equal(region):
            break
        region = grown
    return region.long()


def _all_similar_in_uint8(gray, seed, tolerance):
    return ((gray - gray[seed]).abs() <= tolerance).long()


def _one_step(gray, seed, tolerance):
    near = (gray.double() - gray[seed].double()).abs() <= tolerance
    region = torch.zeros(gray.shape, dtype=torch.bool)
    for down, right in [(0, 0), *CROSS]:
        row, column = seed[0] + down, seed[1] + right
        if 0 <= row < gray.shape[0] and 0 <= column < gray.shape[1]:
            region[row, column] = near[row, column]
    return region.long()


def _swept(near, seed, backwards=(False,), pushes=False):
    """Pass over the picture row by row, once per element of `backwards`.

    Each pixel asks its neighbours, or pushes the region on to them.
    """
    region = torch.zeros(near.shape, dtype=torch.bool)
    region[seed] = True
    places = [divmod(place, near.shape[1]) for place in range(near.numel())]
    for back in backwards:
        for row, column in reversed(places) if back else places:
            for down, right in CROSS:
                here, there = (row, column), (row + down, column + right)
                if 0 <= there[0] < near.shape[0] and 0 <= there[1] < near.shape[1]:
                    source, goal = (here, there) if pushes else (there, here)
                    region[goal] |= region[source] & near[goal]
    return region.long()


def _one_sweep(gray, seed, tolerance, **options):
    return _swept(_all_similar(gray, seed, tolerance).bool(), seed, **options)


def _some_steps(count):
    """Return an answer that grows by as many steps as `count` makes of height and width."""

    def wrong(gray, seed, tolerance):
        near = _all_similar(gray, seed, tolerance).bool()
        region = torch.zeros_like(near)
        region[seed] = True
        for _ in range(count(*gray.shape)):
            region = _dilated(region) & near | region
        return region.long()

    return wrong


def _dilated(region):
    """Return the region and its direct neighbours."""
    grown = region.clone()
    grown[1:] |= region[:-1]
    grown[:-1] |= region[1:]
    grown[:, 1:] |= region[:, :-1]
    grown[:, :-1] |= region[:, 1:]
    return grown


def _rim(gray, seed, tolerance):
    return _dilated(grow_region(gray, seed, tolerance).bool()).long()


def _without_a_lonely_seed(gray, seed, tolerance):
    region = grow_region(gray, seed, tolerance)
    return region * int(region.sum() > 1)


def _seed_alone(gray, seed, tolerance):
    region = torch.zeros(gray.shape)
    region[seed] = 1
    return region


def _all_similar(gray, seed, tolerance):
    return ((gray.double() - gray[seed].double()).abs() <= tolerance).long()


def _never_beyond(first, last):
    """Return an answer that grows onto rows (and columns) `first` ... `last` (counted from the end) only."""

    def wrong(gray, seed, tolerance):
        near = _all_similar(gray, seed, tolerance).bool()
        inner = torch.zeros_like(near)
        inner[first : gray.shape[0] - last, first : gray.shape[1] - last] = True
        return _grown(gray, seed, lambda _, n, __: near[n] and inner[n])

    return wrong


_never_the_border = _never_beyond(1, 1)


def _without_the_seed(gray, seed, tolerance):
    region = grow_region(gray, seed, tolerance)
    region[seed] = 0
    return region


def celebrate(answer):
    """Show the region that grows from a click on a flower."""
    from segcourse.exercises.l01_pixel_classification._photo import flower
    from segcourse.plotting import overlay, show_image

    red = F.avg_pool2d(flower()[:1].float(), 5, stride=1, padding=2)[0, ::2, ::2]
    tolerances = (30, 45, 90)
    regions = [answer(red, (26, 38), tolerance).long().cpu() for tolerance in tolerances]
    titles = [f"your region, tolerance {tolerance}" for tolerance in tolerances]
    pictures = [overlay(flower()[:, ::2, ::2], region, alpha=0.8) for region in regions]
    show_image(pictures, titles, alt="A flower with three regions, each larger than the one before.")


EXERCISE = Exercise(
    grow_region,
    number="1.4",
    difficulty=3,
    minutes=20,
    groups={STEPS: 1, SIMILAR: 1, PICTURES: 2},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "You subtract in uint8. There, 50 - 52 is 254, so that pixels a little darker than the "
            "seed count as very different. Convert to float or int64 first.",
            _wrapped_differences,
        ),
        (
            "You return every similar pixel of the picture. Only those belong to the region that a chain of "
            "similar neighbours connects to the seed.",
            _all_similar,
        ),
        (
            "You return every pixel of the picture with a difference up to the tolerance, and you subtract "
            "in uint8, where 50 - 52 is 254. Convert first, and keep only what is connected to the seed.",
            _all_similar_in_uint8,
        ),
        (
            "Your region grows over diagonal neighbours, too. Only the pixels above, below, left and right "
            "are neighbours here.",
            lambda *a: _like_the_seed(*a, steps=CROSS + DIAGONALS),
        ),
        (
            "You compare a pixel with the neighbour that it grows from. Where the grey values rise slowly, "
            "such a region creeps everywhere. Compare with the seed's value.",
            _like_the_neighbour,
        ),
        (
            "You compare a pixel with the mean of the region so far. Compare with the seed's value.",
            _like_the_mean,
        ),
        (
            "Your region leaves out pixels whose difference equals the tolerance. They belong to it: at "
            "most.",
            _strictly,
        ),
        (
            "Your region takes in pixels however much darker than the seed they are. Take the absolute value "
            "of the difference.",
            _only_brighter_bounded,
        ),
        (
            "Your region takes in pixels however much brighter than the seed they are. Take the absolute "
            "value of the difference.",
            _only_darker_bounded,
        ),
        (
            "Your region grows only down and to the right. A region grows in all four directions.",
            lambda *a: _like_the_seed(*a, steps=[(1, 0), (0, 1)]),
        ),
        (
            "You turn the grey values into whole numbers. Float values such as 0.75 become 0. Convert to "
            "float instead.",
            lambda gray, *a: grow_region(gray.int(), *a),
        ),
        (
            "You let the first row (or column) see the last one: the neighbour above row 0 has index -1, and "
            "Python reads -1 as the last row. Check `row - 1 >= 0` first.",
            _minus_one_is_the_end,
        ),
        (
            "Your region stops after the first neighbours of the seed. It has to go on from each new pixel.",
            _one_step,
        ),
        *(
            (
                "You pass over the picture once, row by row, so that the region misses pixels that can only "
                "be reached by going up or to the left again. Repeat until nothing changes.",
                lambda *a, pushes=pushes: _one_sweep(*a, pushes=pushes),
            )
            for pushes in (False, True)
        ),
        *(
            (
                "You pass over the picture once forwards and once backwards. A region that winds needs "
                "more: repeat until nothing changes.",
                lambda *a, pushes=pushes: _one_sweep(*a, pushes=pushes, backwards=(False, True)),
            )
            for pushes in (False, True)
        ),
        *(
            (
                f"Your region stops after {count} steps. A region that winds needs more: repeat until "
                "nothing changes.",
                _some_steps(steps),
            )
            for count, steps in (
                ("max(H, W)", max),
                ("min(H, W)", min),
                ("H", lambda height, width: height),
                ("W", lambda height, width: width),
                ("H + W", lambda height, width: height + width),
                *((n, lambda height, width, n=n: n) for n in (2, 3, 5, 10, 20, 50, 100)),
            )
        ),
        (
            "You read the seed as (column, row). It is (row, column), like every index of a tensor.",
            lambda gray, seed, tolerance: grow_region(gray, seed[::-1], tolerance),
        ),
        (
            "Your region grows across the border to the opposite side. A pixel at the border has no "
            "neighbour there.",
            lambda *a: _like_the_seed(*a, wraps=True),
        ),
        (
            "Your region never grows onto the first or last row or column. Those pixels belong to the "
            "picture.",
            _never_the_border,
        ),
        *(
            (
                f"Your region never grows onto the {name} row or column. Those pixels belong to the picture.",
                wrong,
            )
            for name, wrong in (("first", _never_beyond(1, 0)), ("last", _never_beyond(0, 1)))
        ),
        (
            "Your region lacks the seed itself.",
            _without_the_seed,
        ),
        (
            "Your 0 and 1 are exchanged: the region is 1.",
            lambda *a: 1 - grow_region(*a),
        ),
        (
            "You return the grey values of the region. Return 1 in the region and 0 elsewhere.",
            lambda gray, *a: gray * grow_region(gray, *a),
        ),
        (
            "Your region has a rim of one pixel that is not similar. Test whether a neighbour is similar "
            "before you mark it.",
            _rim,
        ),
        (
            "Your region is empty where no neighbour of the seed is similar. The seed belongs to the region "
            "in any case: mark it before the first step.",
            _without_a_lonely_seed,
        ),
        (
            "Your region is the seed alone: it never grows.",
            _seed_alone,
        ),
        *(
            (
                f"Your region never grows {name}. Check the signs in your list of four neighbours.",
                _within(_at_most, steps=[step for step in CROSS if step != missing]),
            )
            for name, missing in zip(("up", "down", "to the left", "to the right"), CROSS, strict=True)
        ),
        *(
            (
                f"Your region grows only {name}. A region grows in all four directions.",
                _within(_at_most, steps=s),
            )
            for name, s in (
                ("up and down", CROSS[:2]),
                ("to the left and right", CROSS[2:]),
                ("up and to the left", [(-1, 0), (0, -1)]),
                ("along diagonals", DIAGONALS),
            )
        ),
        *(
            (
                f"Your region leaves out pixels that are exactly the tolerance {name} than the seed. "
                "They belong to it: at most.",
                _within(similar),
            )
            for name, similar in (
                ("brighter", lambda difference, tolerance: -tolerance <= difference < tolerance),
                ("darker", lambda difference, tolerance: -tolerance < difference <= tolerance),
            )
        ),
        *(
            (
                f"Your region takes in no pixel that is {name} than the seed. The difference may go up or "
                "down.",
                _within(similar),
            )
            for name, similar in (
                ("darker", lambda difference, tolerance: 0 <= difference <= tolerance),
                ("brighter", lambda difference, tolerance: 0 <= -difference <= tolerance),
            )
        ),
        (
            "You scale the grey values to 0 ... 1, but not the tolerance. It has the unit of the grey "
            "values: leave them as given.",
            _within(lambda difference, tolerance: abs(difference) / 255 <= tolerance),
        ),
        (
            "You compare the values with the tolerance, not their difference from the seed's value.",
            lambda gray, seed, tolerance: _grown(gray, seed, lambda _, n, __: gray[n] <= tolerance),
        ),
        (
            "Your region takes in diagonal neighbours, and leaves out pixels whose difference equals the "
            "tolerance. Only four pixels are neighbours, and the tolerance itself is allowed.",
            _within(lambda difference, tolerance: abs(difference) < tolerance, steps=CROSS + DIAGONALS),
        ),
        (
            "You compare a pixel with the neighbour that it grows from, not with the seed. Besides, your "
            "region grows over diagonal neighbours.",
            lambda *a: _like_the_neighbour(*a, steps=CROSS + DIAGONALS),
        ),
        (
            "You compare a pixel with the neighbour that it grows from, not with the seed. Besides, a "
            "difference may equal the tolerance.",
            lambda *a: _like_the_neighbour(
                *a, similar=lambda difference, tolerance: abs(difference) < tolerance
            ),
        ),
        *(
            (f"You subtract in uint8, where 50 - 52 is 254: convert first. Besides, {says}", wrong)
            for says, wrong in (
                (
                    "your region grows over diagonal neighbours.",
                    lambda *a: _wrapped_differences(*a, steps=CROSS + DIAGONALS),
                ),
                (
                    "your region grows across the border to the opposite side.",
                    lambda *a: _wrapped_differences(*a, wraps=True),
                ),
                (
                    "your region leaves out pixels whose difference equals the tolerance.",
                    _strictly_in_uint8,
                ),
                (
                    "one pass over the picture is not enough: repeat until nothing changes.",
                    lambda gray, seed, tolerance: _swept(
                        _all_similar_in_uint8(gray, seed, tolerance).bool(), seed
                    ),
                ),
            )
        ),
    ],
    finished=(
        "segcourse.classical.growing:grow_region",
        "skimage.morphology._flood_fill:flood",
        "skimage.morphology._flood_fill:flood_fill",
        "cv2:floodFill",
    ),
)
