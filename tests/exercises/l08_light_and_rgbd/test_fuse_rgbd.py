"""Exercise 8.4: right answers in other styles, promises and their breakers, mutants that are equal."""

import math

import numpy as np
import torch
from contract import Contract, nothing_changes

from segcourse.exercises.l08_light_and_rgbd import fuse_rgbd as module
from segcourse.exercises.l08_light_and_rgbd.fuse_rgbd import fuse_rgbd as answer

made = module._made


def by_filling(colours, metres, near, far):
    """Clamp depth first: holes then lie at far, where nearness is 0."""
    n, _, height, width = colours.shape
    fused = torch.zeros(n, 5, height, width)
    fused[:, :3] = colours
    fused[:, 4] = 1 - ((metres == 0) | metres.isnan()).float()
    distance = torch.where(fused[:, 4] == 1, metres, torch.full_like(metres, far)).clip(near, far)
    fused[:, 3] = near * (far - distance) / (distance * (far - near))
    return fused


def by_numpy(image, depth, near, far):
    metres = np.nan_to_num(depth.numpy().astype(np.float64))
    with np.errstate(divide="ignore"):
        close = np.interp(1 / metres, [1 / far, 1 / near], [0, 1])
    close[metres == 0] = 0
    layers = [image.numpy(), close[:, None], (metres != 0)[:, None]]
    return torch.from_numpy(np.concatenate(layers, axis=1).astype(np.float32))


def by_pixels(image, depth, near, far):
    out = torch.zeros(len(image), 5, *image.shape[2:])
    for n, y, x in np.ndindex(*depth.shape):
        d = float(depth[n, y, x])
        out[n, :3, y, x] = image[n, :, y, x]
        if d and not math.isnan(d):
            d = min(max(d, near), far)
            out[n, 3, y, x], out[n, 4, y, x] = (1 / d - 1 / far) / (1 / near - 1 / far), 1
    return out


def by_nan(image, depth, near, far):
    inverse = (1 / depth.where(depth > 0, torch.nan) - 1 / far) * (near * far / (far - near))
    stacked = torch.stack([*image.unbind(1), inverse.clamp(0, 1), torch.ones_like(depth)], dim=1)
    stacked[:, 4][inverse.isnan()] = 0
    return stacked.nan_to_num(0)


class TestFuseRgbd(Contract):
    name = "fuse_rgbd"
    library = staticmethod(by_filling)
    right = {"filling": by_filling, "NumPy": by_numpy, "pixels": by_pixels, "NaN": by_nan}
    promises = (
        ("returns a float32 tensor", "depth is known everywhere", lambda *given: answer(*given).double(),
         lambda *given: answer(*given).half()),
        ("`image`: float tensor, N x 3 x H x W, 0 … 1", "there are two pictures",
         lambda i, d, n, f: answer(i / 255, d, n, f), lambda i, d, n, f: answer(i.flip(1), d, n, f)),
        ("N x H x W, in metres", "there are two pictures", lambda i, d, n, f: answer(i, d[:1].expand_as(d), n, f)),
        ("0 or NaN where the sensor measured nothing", "holes are 0", made(hole=torch.isnan), made(fill=None)),
        ("0 or NaN where the sensor measured nothing", "holes are NaN", made(hole=lambda depth: depth == 0), made(fill=None)),
        ("`near`, `far`: floats in metres, 0 < near < far", "depth is known everywhere",
         lambda i, d, n, f: answer(i, d, int(n) or 1, f + 1), lambda i, d, n, f: answer(i, d, f, n)),
        ("N x 5 x H x W", "the picture has three pixels", lambda *given: answer(*given)[:, :4], lambda *given: answer(*given)[0],
         lambda *given: answer(*given).permute(0, 2, 3, 1), lambda *given: answer(*given).numpy()),
        ("the three colours as they are", "holes are 0 and NaN",
         made(join=lambda image, close, known: [image * known, close, known])),
        ("1/depth, scaled so that it is 1 at `near` and 0 at `far`", "depth is known everywhere",
         made(lambda d, n, f: (f - d) / (f - n)), made(lambda d, n, f: n / d), made(module._by_picture)),
        ("what is nearer than `near` gets 1, and what lies beyond `far` gets 0", "things lie nearer than near, and beyond far",
         made(lambda d, n, f: (1 / d - 1 / f) / (1 / n - 1 / f)),
         made(lambda d, n, f: ((1 / d - 1 / f) / (1 / n - 1 / f)).clamp(min=0)),
         made(lambda d, n, f: ((1 / d - 1 / f) / (1 / n - 1 / f)).clamp(max=1))),
        ("Holes get 0", "no depth is known", made(fill=1.0), made(fill=0.5)),
        ("Holes get 0", "holes are 0 and NaN", module._filled_first),
        ("1 where depth was measured and 0 in holes", "holes are 0 and NaN",
         made(known=lambda depth, near, far: torch.ones_like(depth)), made(known=lambda depth, near, far: depth != 0)),
        ("1 where depth was measured and 0 in holes", "things lie nearer than near, and beyond far",
         made(known=lambda depth, near, far: (depth >= near) & (depth <= far))),
        ("An answer never changes its inputs", "holes are 0 and NaN", nothing_changes(answer),
         lambda i, d, n, f: answer(i, d.nan_to_num_(0), n, f)),
    )  # fmt: skip
    equal = {
        r"known = depth > 0  ->  known = depth >= 1e": "no depth lies there",
        r"\.float\(\)\], dim=1\)  ->  .*(half|bfloat16|int|long|short|byte|bool)": "torch.cat takes the common dtype",
        r"known\[:, None\]\.float\(\)  ->  .*known\[:, None\]": "torch.cat takes the common dtype",
        r"torch\.concat": "another name of torch.cat",
    }
    said = (
        (lambda *given: answer(*given).numpy(), "returns a NumPy array"),
        (lambda i, d, n, f: torch.cat([i, answer(i, d, n, f)], dim=1), "has shape"),
        (nothing_changes(answer), "changes"),
        (lambda *given: answer(*given).double(), "Your result is a float64 tensor; float32 is asked for"),
        (lambda i, d, n, f: torch.cat([i, d, d > 0], dim=1), "`x[:, None]` adds a channel axis"),
    )
