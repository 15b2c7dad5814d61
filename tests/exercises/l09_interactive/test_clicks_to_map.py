"""Exercise 9.1: right answers in other styles, promises and their breakers, mutants that are equal."""

import cv2
import numpy as np
import torch
from contract import Contract
from scipy import ndimage

from segcourse.exercises.l09_interactive import clicks_to_map as module
from segcourse.exercises.l09_interactive.clicks_to_map import clicks_to_map as answer
from segcourse.interactive import clicks_to_map


def by_pixels(points, shape, r=3):
    maps = [[[0.0] * shape[1] for _ in range(shape[0])] for _ in (0, 1)]
    for y, x, positive in points:
        for row in range(shape[0]):
            for column in range(shape[1]):
                if ((row - y) ** 2 + (column - x) ** 2) ** 0.5 <= r + 1e-9:
                    maps[0 if positive == 1 else 1][row][column] = 1.0
    return torch.tensor(maps)


def by_distances(clicks, size, radius=3):
    channels = []
    for wanted in (1, 0):
        free = np.ones(size, bool)
        for row, column, label in clicks:
            if label == wanted:
                free[row, column] = False
        near = np.zeros(size) if free.all() else ndimage.distance_transform_edt(free) <= radius
        channels.append(torch.from_numpy(np.asarray(near, np.float32)))
    return torch.stack(channels)


def by_cdist(clicks, size, radius=3):
    pixels = torch.cartesian_prod(torch.arange(size[0]), torch.arange(size[1])).double()
    maps = torch.zeros(2, size[0] * size[1])
    for channel, label in enumerate((1, 0)):
        places = torch.tensor([click[:2] for click in clicks if click[2] == label]).double()
        if len(places):
            maps[channel] = (torch.cdist(pixels, places).amin(dim=1) <= radius).float()
    return maps.reshape(2, *size)


def by_circles(clicks, size, radius=3):
    """Draw with OpenCV, whose circles are not the discs that are asked for."""
    maps = np.zeros((2, *size), np.float32)
    for row, column, label in clicks:
        cv2.circle(maps[1 - label], (column, row), int(radius), 1, -1)
    return torch.from_numpy(maps)


def changing(clicks, size, radius=3):
    maps = answer(clicks, size, radius)
    clicks.clear()
    return maps


def one_map(clicks, size, radius=3):
    return answer(clicks, size, radius)[:1]


class TestClicksToMap(Contract):
    name = "clicks_to_map"
    library = staticmethod(clicks_to_map)
    right = {"pixels": by_pixels, "distances": by_distances, "cdist": by_cdist}
    promises = (
        ("a list of (row, column, label)", "place and channel",
         module._made(place=lambda row, column: (column, row))),
        ("label 1 for a click on the object, 0 for one on the background", "place and channel",
         module._made(channel=lambda label: label)),
        ("The list may be empty", "there are no clicks", lambda c, s, r=3: answer(c, s, r) + 1,
         lambda c, s, r=3: answer(c, s, r) if c else torch.zeros(1, *s)),
        ("(H, W)", "place and channel", lambda c, s, r=3: answer(c, s[::-1], r)),
        ("a number, 0 or larger", "the radius is 1.5", module._made(disc=lambda q, radius: q <= int(radius) ** 2)),
        ("a number, 0 or larger", "place and channel", module._made(disc=lambda q, radius: q <= 9)),
        ("3 if it is not given", "no radius is given", lambda c, s, r=2: answer(c, s, r), lambda c, s, r=5: answer(c, s, r)),
        ("float32 tensor 2 x H x W", "place and channel", lambda *g: answer(*g).permute(1, 2, 0),
         lambda *g: answer(*g)[None], lambda *g: answer(*g).numpy(), lambda *g: answer(*g).long(), one_map),
        ("Channel 0 belongs to the clicks on the object, channel 1", "place and channel",
         module._made(channel=lambda label: 0)),
        ("1 where the distance to a click is at most the radius", "the disc",
         module._made(disc=lambda q, radius: q < radius**2), module._made(near=module._square),
         module._made(near=module._diamond), by_circles),
        ("0 elsewhere", "the disc", module._made(finish=lambda maps: 1 - maps)),
        ("A disc may be cut by the frame", "a disc is cut by the frame", module._numpy_indices),
        ("Where discs overlap, the map stays 1", "two discs in one channel overlap", module._made(write=module._add)),
        ("the two channels do not touch each other", "discs of both channels overlap",
         module._made(write=module._one_channel_each)),
        ("never changes its inputs", "place and channel", changing),
    )  # fmt: skip
    equal = {
        r"\[None, :\]  ->  .*arange\(size\[1\]\)$|arange\(size\[1\]\)\)?\[": "a row of W numbers is one of 1 x W",
        r"\(row - rows\)|\(column - columns\)": "squares have no sign",
        r"^rows, columns = .*; maps = .*  ->  maps": "the order of the two lines does not matter",
        r"columns.* \*\* 2 \+ \(rows": "a sum in another order",
        r"radius=-3": "its square is the same",
        r"size\[-1\]\)$": "the last of two is the second",
        r"maps\[(label - 1|-1 - label)\]": "channel -1 is channel 1, and channel -2 is channel 0",
        r"size\[0\], size\[1\]\)  ->  .*\*size": "the same sizes",
    }
    said = (
        (lambda *g: answer(*g).long(), "Your maps have the type int64; float32 is asked for"),
        (lambda *g: answer(*g).numpy(), "returns a NumPy array, and a tensor is asked for"),
    )
