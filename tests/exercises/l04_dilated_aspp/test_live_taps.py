"""Exercise 4.4: right answers in other styles, promises and their breakers, mutants that are equal."""

import torch
from contract import Contract
from torch import nn

from segcourse.exercises.l04_dilated_aspp.live_taps import live_taps as answer


def by_gradient(map_size, dilation):
    layer = nn.Conv2d(1, 1, 3, padding=dilation, dilation=dilation)
    layer(torch.ones(1, 1, *map_size)).sum().backward()
    return int((layer.weight.grad != 0).sum())


def by_places(map_size, dilation):
    alive = set()
    for row in range(map_size[0]):
        for column in range(map_size[1]):
            for i in (-1, 0, 1):
                for j in (-1, 0, 1):
                    if 0 <= row + i * dilation < map_size[0] and 0 <= column + j * dilation < map_size[1]:
                        alive.add((i, j))
    return len(alive)


def by_product(size, rate):
    total = 1
    for side in size:
        total *= 1 + 2 * int(side > rate)
    return total


def by_branches(map_size, dilation):
    small, large = sorted(map_size)
    if dilation >= large:
        return 1
    return 9 if dilation < small else 3


class TestLiveTaps(Contract):
    name = "live_taps"
    library = staticmethod(by_gradient)
    right = {"gradient": by_gradient, "places": by_places, "product": by_product, "branches": by_branches}
    promises = (
        ("a tuple of two ints (height, width)", "the map is wider than high", lambda size, d: answer((size[0], size[0]), d)),
        ("a tuple of two ints (height, width)", "the map is higher than wide", lambda size, d: answer((size[1], size[1]), d)),
        ("each at least 1", "the map is one pixel", lambda size, d: answer(size, d) if max(size) > 1 else 0),
        ("each at least 1", "the map has one row", lambda size, d: answer((max(2, size[0]), size[1]), d)),
        ("an int of at least 1", "every weight is used", lambda size, d: answer(size, d + 1)),
        ("its padding equals `dilation` on all four sides, and its middle visits every pixel of the map",
         "dilation is one less than the side of the map",
         lambda size, d: answer((size[0] - 2 * d, size[1] - 2 * d), d),
         lambda size, d: answer((size[0] // 2, size[1] // 2), d)),
        ("returns an int", "only the middle is left", lambda size, d: float(answer(size, d)),
         lambda size, d: torch.tensor(answer(size, d))),
        ("lie on a pixel of the map, not on padding", "dilation equals the side of the map",
         lambda size, d: answer((size[0] + 1, size[1] + 1), d)),
        ("for at least one position of the kernel", "dilation is half the side of the map",
         lambda size, d: 9 if 2 * d + 1 <= min(size) else 1),
    )  # fmt: skip
    equal = {
        r"->  return columns \* rows|; columns = .*->  columns = ": "rows and columns count alike",
    }
    said = (
        (lambda size, d: 9 if 2 * d < min(size) else 1, "You ask whether the whole kernel fits"),
        (lambda size, d: answer(size, d - 1), "You count a weight as used where dilation equals the side"),
        (lambda size, d: [answer(size, d)], "Your answer returns a list, and an int is asked for"),
        (lambda size, d: answer((*size, 1), d), "Your code stops in"),
    )
