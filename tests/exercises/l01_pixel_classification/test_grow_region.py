"""Exercise 1.4: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
from contract import Contract, nothing_changes
from scipy import ndimage

from segcourse import classical
from segcourse.exercises.l01_pixel_classification import grow_region as module
from segcourse.exercises.l01_pixel_classification.grow_region import grow_region as answer


def by_stack(gray, seed, tolerance):
    values = gray.tolist()
    start = values[seed[0]][seed[1]]
    seen, waiting = {tuple(seed)}, [tuple(seed)]
    while waiting:
        r, c = waiting.pop()
        for n in ((r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)):
            inside = 0 <= n[0] < len(values) and 0 <= n[1] < len(values[0])
            if inside and n not in seen and abs(values[n[0]][n[1]] - start) <= tolerance:
                seen.add(n)
                waiting.append(n)
    region = torch.zeros(gray.shape, dtype=torch.bool)
    for r, c in seen:
        region[r, c] = True
    return region


def by_recursion(image, click, limit):
    values = image.double()
    region = torch.zeros(image.shape)

    def visit(r, c):
        if 0 <= r < image.shape[0] and 0 <= c < image.shape[1] and not region[r, c]:
            similar = (values[r, c] - values[click]).abs() <= limit
            if similar:
                region[r, c] = 1
                for step in (-1, 1):
                    visit(r + step, c)
                    visit(r, c + step)

    visit(*click)
    return region


def by_components(gray, seed, tolerance):
    regions, _ = ndimage.label(abs(gray.float() - gray[seed].float()).numpy() <= tolerance)
    return torch.from_numpy(regions == regions[seed])


def by_shifting(gray, seed, tolerance):
    near = torch.nn.functional.pad((gray.long() if gray.dtype == torch.uint8 else gray) - (0.0 + gray[seed]), (1, 1, 1, 1),
                                   value=float("inf")).abs() <= tolerance  # fmt: skip
    region = torch.zeros_like(near)
    region[seed[0] + 1, seed[1] + 1] = True
    while True:
        shifted = [region.roll(step, axis) for step in (-1, 1) for axis in (0, 1)]
        grown = region | (torch.stack(shifted).any(dim=0) & near)
        if torch.equal(grown, region):
            return region[1:-1, 1:-1].to(torch.uint8)
        region = grown


def ten_steps(gray, seed, tolerance):
    near = (gray.double() - gray[seed].double()).abs() <= tolerance
    region = np.zeros(gray.shape, bool)
    region[seed] = True
    return torch.from_numpy(ndimage.binary_dilation(region, iterations=10, mask=near.numpy()))


class TestGrowRegion(Contract):
    name = "grow_region"
    library = staticmethod(classical.grow_region)
    right = {
        "stack": by_stack,
        "components": by_components,
        "shifting": by_shifting,
    }
    promises = (
        ("tensor H x W", "the picture has 6 x 9 pixels", lambda g, s, t: answer(g, s, t).T,
         lambda g, s, t: answer(g.T.contiguous(), s, t) if max(s) < 6 else torch.zeros(0)),
        ("uint8 or float", "values lie near 0 and 255", module._wrapped_differences),
        ("uint8 or float", "the grey values are floats", lambda g, s, t: answer(g.long(), s, t),
         lambda g, s, t: answer((255 * g).byte(), s, t)),
        ("`seed`: (row, column) of a pixel", "the picture has 6 x 9 pixels", lambda g, s, t: answer(g, s[::-1], t)
         if s[1] < g.shape[0] else torch.zeros(0)),
        ("`seed`: (row, column) of a pixel", "the region is the seed alone", lambda g, s, t: answer(g, (0, 0), t)),
        ("a number, 0 or larger", "the tolerance is 0", lambda g, s, t: answer(g, s, t or 1)),
        ("in the unit of the grey values", "the grey values are floats", lambda g, s, t: answer(g, s, t / 255),
         lambda g, s, t: answer(g, s, int(t))),
        ("differs from the *seed's* value", "the grey values rise slowly", module._like_the_neighbour,
         module._like_the_mean),
        ("by at most the tolerance", "a difference equals the tolerance", module._strictly),
        ("up or down", "pixels are darker than the seed", module._only_brighter_bounded,
         lambda g, s, t: answer(g.clamp(min=int(g[s])), s, t)),
        ("up or down", "pixels are darker than the seed",
         lambda g, s, t: answer(torch.where(g < g[s], 255, g.long()), s, t)),
        ("the region holds the seed", "the region is the seed alone", module._without_the_seed),
        ("every similar pixel that a chain of similar pixels connects", "the region winds up and down", module._one_step,
         ten_steps),
        ("every similar pixel that a chain of similar pixels connects", "similar pixels lie in the other corners",
         module._all_similar),
        ("every similar pixel that a chain", "the region winds left and right", module._one_sweep),
        ("above, below, left or right, not diagonal", "neighbours, step by step",
         lambda *a: module._like_the_seed(*a, steps=module.CROSS + module.DIAGONALS)),
        ("the opposite side is no neighbour", "similar pixels lie in the other corners",
         lambda *a: module._like_the_seed(*a, wraps=True)),
        ("the picture ends at its border", "the whole picture is one region", module._never_the_border),
        ("A region may have many pixels", "a region of 64 x 64 pixels starts in a corner", by_recursion),
        ("1 in the region and 0 elsewhere", "neighbours, step by step", lambda *a: 1 - answer(*a),
         lambda g, *a: answer(g, *a) * g, lambda *a: answer(*a).nonzero(), lambda *a: answer(*a).numpy()),
        ("any type of number will do", "neighbours, step by step", nothing_changes(answer)),
    )  # fmt: skip
    equal = {
        r"^cross = .*  ->  .*2\.0": "only whether a number is above 0 counts",
        r"^cross = .*; region = .*  ->  region = ": "the order of the two lines does not matter",
        r"->  grown = near & |\[-1, 0\] > 0|\[0, -1\] > 0": "the same pixels",
        r"->  gray = gray\.(half|bfloat16|float)\(\)$": "the type holds the cases' grey values",
        r"->  return region(\.long\(\))?\.?": "0 and 1 fit every type",
        r"break  ->  (pass)?$|->  if False:$|->  if grown\.equal\(region(\.\w+\(\))?\):$": "without it, the loop only takes longer",
    }
    said = (
        (lambda g, s, t: answer(g, s, t).numpy(), "returns a NumPy array, and a tensor is asked for"),
        (module._wrapped_differences, "50 - 52 is 254"),
        (lambda g, s, t: answer(g, s, t).nonzero(), "Your result has shape (3, 2), and (3, 3) is expected"),
        (lambda g, s, t: s.item(), "tuple has no attribute called item"),
    )
