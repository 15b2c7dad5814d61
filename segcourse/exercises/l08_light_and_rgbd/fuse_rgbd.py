"""Exercise 8.4: colours and depth as one input, holes in the depth included."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observing import Explained


def fuse_rgbd(image, depth, near, far):
    """Join colours, nearness and a map of where depth is known: float N x 5 x H x W."""
    known = depth > 0  # False for NaN, too
    inverse = 1 / torch.where(known, depth, far)  # N, H, W
    nearness = ((inverse - 1 / far) / (1 / near - 1 / far)).clamp(0, 1)
    return torch.cat([image, nearness[:, None], known[:, None].float()], dim=1)  # N, 5, H, W


PLAIN, RANGE, HOLES = "depth is known everywhere", "depth beyond near and far", "holes in the depth"


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(4)

    def case(group, depth, near, far, *traits, rng=fixed):
        depth = torch.tensor(depth, dtype=torch.float32)
        image = torch.from_numpy(rng.random((len(depth), 3, *depth.shape[1:]))).float()
        return Case(group, {"image": image, "depth": depth, "near": near, "far": far}, traits)

    def drawn(size, near, far, rng, holes=0.0, beyond=False):
        low, high = (near / 3, far * 3) if beyond else (near, far)
        depth = rng.uniform(low, high, size)
        kind = rng.random(size)
        depth[kind < holes] = 0
        depth[kind < holes / 2] = math.nan
        depth.flat[0], depth.flat[-1] = (near + far) / 2, 0.9 * near + 0.1 * far
        return depth

    yield case(PLAIN, [[[1.0, 2.0, 4.0]]], 1.0, 4.0, "the picture has three pixels")
    yield case(PLAIN, drawn((1, 3, 4), 2, 20, fixed), 2.0, 20.0)
    yield case(PLAIN, drawn((2, 4, 3), 0.5, 5, fixed), 0.5, 5.0, "there are two pictures")
    yield case(RANGE, [[[0.5, 1.0], [8.0, 100.0]]], 1.0, 8.0, "things lie nearer than near, and beyond far")
    yield case(HOLES, [[[2.0, 0.0], [6.0, 0.0]]], 2.0, 10.0, "holes are 0")
    yield case(HOLES, [[[2.0, math.nan], [6.0, math.nan]]], 2.0, 10.0, "holes are NaN")
    yield case(HOLES, [[[math.nan, 0.0], [0.0, math.nan]]], 1.0, 10.0, "no depth is known")
    near, far = float(rng.uniform(0.3, 2)), float(rng.uniform(8, 80))
    size = (2, *(int(n) for n in rng.integers(3, 8, 2)))
    yield case(PLAIN, drawn(size, near, far, rng), near, far, "there are two pictures", rng=rng)
    beyond = "things lie nearer than near, and beyond far"
    yield case(RANGE, drawn(size, near, far, rng, beyond=True), near, far, beyond, rng=rng)
    both = "holes are 0 and NaN"
    yield case(HOLES, drawn(size, near, far, rng, holes=0.5), near, far, both, rng=rng)


def look(obj: Callable, case: Case) -> dict[str, Any]:
    """Observe the result, which is a float32 tensor: a network's weights are float32, too."""
    value = obj(*case.inputs.values())
    if isinstance(value, Tensor) and value.dtype != torch.float32:
        dtype = str(value.dtype).removeprefix("torch.")
        raise Explained(f"Your result is a {dtype} tensor; float32 is asked for. `.float()` makes it so.")
    return {"value": value}


def _inverse(depth: Tensor, near: float, far: float) -> Tensor:
    return ((1 / depth - 1 / far) / (1 / near - 1 / far)).clamp(0, 1)


def _made(
    nearness: Callable[[Tensor, float, float], Tensor] = _inverse,
    hole: Callable[[Tensor], Tensor] = lambda depth: ~(depth > 0),
    fill: float | None = 0.0,
    known: Callable[[Tensor, float, float], Tensor] = lambda depth, near, far: depth > 0,
    join: Callable[[Tensor, Tensor, Tensor], list[Tensor]] = lambda image, close, known: [
        image,
        close,
        known,
    ],
) -> Callable:
    """Return an answer that does one thing differently.

    Args:
        nearness: from depth, near and far.
        hole: which pixels count as holes.
        fill: the nearness of holes; None leaves what comes out.
        known: the last channel.
        join: the channels in their order.
    """

    def wrong(image, depth, near, far):
        close = nearness(depth, near, far)
        close = close if fill is None else torch.where(hole(depth), fill, close)
        parts = join(image, close[:, None], known(depth, near, far)[:, None].float())
        return torch.cat(parts, dim=1)

    return wrong


def _span(depth: Tensor, which: Callable) -> Tensor:
    """Return the least or the largest known inverse depth of each picture."""
    return torch.stack([which(1 / one[one > 0]) if (one > 0).any() else torch.tensor(1.0) for one in depth])


def _by_picture(depth: Tensor, near: float, far: float) -> Tensor:
    low, high = (_span(depth, which)[:, None, None] for which in (torch.amin, torch.amax))
    return (1 / depth - low) / (high - low).clamp(min=1e-6)


def _by_batch(depth: Tensor, near: float, far: float) -> Tensor:
    """Scale by the nearest and the farthest pixel of all pictures, holes put at far before."""
    filled = torch.where(depth > 0, depth, far)
    return _inverse(filled, filled.min(), filled.max())


def _filled_first(image, depth, near, far):
    """Fill holes with the mean depth before anything else."""
    known = depth > 0
    mean = depth[known].mean() if known.any() else torch.tensor(far)
    return torch.cat(
        [image, _inverse(torch.where(known, depth, mean), near, far)[:, None], known[:, None].float()], dim=1
    )


def celebrate(answer):
    """Show nearness for a street whose depth has holes, as a sensor makes them."""
    from segcourse.data import load_dataset
    from segcourse.plotting import show_image

    streets = load_dataset("scenes", "test", count=4)
    depth = torch.from_numpy(streets.picture(3).depth)
    depth = torch.where(depth > 60, torch.nan, depth)
    *_, close, known = answer(streets[3].image[None], depth[None], 2.0, 60.0)[0]
    titles = ["the street", "nearness", "where depth is known"]
    alt = "A street, bright where things are near, and white where the sensor measured something."
    show_image([streets[3].image, close, known], titles, alt=alt)


EXERCISE = Exercise(
    fuse_rgbd,
    number="8.4",
    difficulty=2,
    minutes=15,
    groups={PLAIN: 2, RANGE: 1, HOLES: 2},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        (
            "You scale depth, not its inverse: (far - depth) / (far - near). Then most numbers are spent on "
            "what is far away. Scale 1/depth.",
            _made(lambda d, near, far: ((far - d) / (far - near)).clamp(0, 1)),
        ),
        (
            "You scale depth, (depth - near) / (far - near), so that far is 1. Nearness is asked for: "
            "1/depth, scaled to 1 at near and 0 at far.",
            _made(lambda d, near, far: ((d - near) / (far - near)).clamp(0, 1)),
        ),
        (
            "Your nearness is 0 at near and 1 at far. It is the other way round: 1 at near.",
            _made(lambda d, near, far: 1 - _inverse(d, near, far)),
        ),
        (
            "You return near / depth: 1 at near, but not 0 at far. Subtract 1/far before you divide.",
            _made(lambda d, near, far: (near / d).clamp(0, 1)),
        ),
        (
            "You return 1/depth as it is. Scale it with `near` and `far`: 1 at near and 0 at far.",
            _made(lambda d, near, far: 1 / d),
        ),
        (
            "Your nearness is 1/depth, cut off at 1/near and 1/far. Scale it, too: 1 at near and 0 at far.",
            _made(lambda d, near, far: (1 / d).clamp(1 / far, 1 / near)),
        ),
        (
            "You join depth in metres. Numbers up to a hundred beside colours up to 1 decide everything at "
            "first: make nearness from it, 0 … 1.",
            _made(lambda d, near, far: d),
        ),
        (
            "You scale by the nearest and the farthest pixel of each picture. The same distance then gets "
            "another number in the next picture: use `near` and `far`.",
            _made(_by_picture),
        ),
        (
            "You scale by the nearest and the farthest pixel of the batch. The same distance then gets "
            "another number in the next batch: use `near` and `far`.",
            _made(_by_batch),
        ),
        (
            "You scale with 2 m and 60 m, whatever `near` and `far` are.",
            _made(lambda d, near, far: _inverse(d, 2.0, 60.0)),
        ),
        (
            "You subtract 1/far, but divide by 1/near alone, so that nearness is not 1 at near. Divide by "
            "1/near - 1/far.",
            _made(lambda d, near, far: ((1 / d - 1 / far) * near).clamp(0, 1)),
        ),
        (
            "Your nearness leaves 0 … 1 where things are nearer than near, or beyond far. Clamp it.",
            _made(lambda d, near, far: (1 / d - 1 / far) / (1 / near - 1 / far)),
        ),
        (
            "Your nearness is above 1 where things are nearer than near. Clamp it on both sides.",
            _made(lambda d, near, far: ((1 / d - 1 / far) / (1 / near - 1 / far)).clamp(min=0)),
        ),
        (
            "Your nearness is below 0 beyond far. Clamp it on both sides.",
            _made(lambda d, near, far: ((1 / d - 1 / far) / (1 / near - 1 / far)).clamp(max=1)),
        ),
        (
            "Holes of 0 look like the nearest thing of all, because 1/0 is infinite, and holes of NaN stay "
            "NaN. Their nearness is 0.",
            _made(fill=None),
        ),
        (
            "Holes of NaN are still NaN in your nearness, and one NaN spoils a whole network. Their nearness "
            "is 0, like that of holes of 0.",
            _made(hole=lambda depth: depth == 0),
        ),
        (
            "Holes of 0 look like the nearest thing of all: 1/0 is infinite. Their nearness is 0, like that "
            "of holes of NaN.",
            _made(hole=torch.isnan),
        ),
        (
            "You take only 0 for a hole, in both channels. Where depth is NaN, nothing was measured either: "
            "NaN is a hole, too.",
            _made(hole=lambda depth: depth == 0, known=lambda depth, near, far: depth != 0),
        ),
        (
            "You take only NaN for a hole, in both channels. Where depth is 0, nothing was measured either: "
            "0 is a hole, too.",
            _made(hole=torch.isnan, known=lambda depth, near, far: ~depth.isnan()),
        ),
        (
            "Your nearness of holes is 1, as if something stood right before the camera. It is 0.",
            _made(fill=1.0),
        ),
        (
            "Your nearness of holes is 0.5. It is 0; the last channel says that nothing was measured there.",
            _made(fill=0.5),
        ),
        (
            "Your nearness of holes is -1. It is 0; the last channel says that nothing was measured there.",
            _made(fill=-1.0),
        ),
        (
            "You fill holes with the mean depth. Their nearness is 0; the last channel says that nothing was "
            "measured there.",
            _filled_first,
        ),
        (
            "Your last channel is 1 where depth is missing. It is 1 where depth is known.",
            _made(known=lambda depth, near, far: ~(depth > 0)),
        ),
        (
            "Your last channel is 1 everywhere, also in holes. It is 0 where nothing was measured.",
            _made(known=lambda depth, near, far: torch.ones_like(depth)),
        ),
        (
            "Your last channel is 0 for holes of NaN only. Where depth is 0, nothing was measured either.",
            _made(known=lambda depth, near, far: ~depth.isnan()),
        ),
        (
            "Your last channel is 0 for holes of 0 only. Where depth is NaN, nothing was measured either.",
            _made(known=lambda depth, near, far: depth != 0),
        ),
        (
            "Your last channel is 0 outside near and far, too. Depth was measured there: it is 1.",
            _made(known=lambda depth, near, far: (depth >= near) & (depth <= far)),
        ),
        (
            "Your last channel is 1 where nearness is above 0. At far and beyond it is 0, and depth is known "
            "there all the same.",
            _made(known=lambda depth, near, far: (depth > 0) & (depth < far)),
        ),
        (
            "Your result has four channels: the map of where depth is known is missing. Without it, holes "
            "look like things far away.",
            _made(join=lambda image, close, known: [image, close]),
        ),
        (
            "Your last two channels are exchanged. The order is colours, nearness, known.",
            _made(join=lambda image, close, known: [image, known, close]),
        ),
        (
            "Your colours come last. The order is colours, nearness, known.",
            _made(join=lambda image, close, known: [close, known, image]),
        ),
        (
            "Your colours are black where depth is missing. They are known there: leave them as they are.",
            _made(join=lambda image, close, known: [image * known, close, known]),
        ),
        (
            "You divide the colours by 255. They are in 0 … 1 already.",
            _made(join=lambda image, close, known: [image / 255, close, known]),
        ),
        *(
            (
                "You normalise the colours. They are asked for as they are, 0 … 1.",
                _made(join=lambda image, close, known, std=std: [(image - 0.5) / std, close, known]),
            )
            for std in (0.25, 0.5)
        ),
    ],
)
