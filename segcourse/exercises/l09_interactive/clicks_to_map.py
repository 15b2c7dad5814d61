"""Exercise 9.1: clicks as two channels that a network can read."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.random import Generator
from scipy.ndimage import distance_transform_edt

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observing import Explained


def clicks_to_map(clicks, size, radius=3):
    """Return two channels with a disc around each click: float32, 2 x H x W."""
    rows, columns = torch.arange(size[0])[:, None], torch.arange(size[1])[None, :]
    maps = torch.zeros(2, size[0], size[1])
    for row, column, label in clicks:
        disc = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2  # H, W
        maps[1 - label][disc] = 1
    return maps


PLACE, DISC, SEVERAL = "place and channel", "the disc", "several clicks"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, clicks, size, radius=None, *traits):
        inputs = {"clicks": clicks, "size": size}
        if radius is None:
            traits = (*traits, "no radius is given")
        else:
            inputs["radius"] = radius
        build = f"{', '.join(inputs)} = {', '.join(map(repr, inputs.values()))}"
        return Case(group, inputs, traits, build=build)

    def drawn(count, size):
        places = zip(*(rng.integers(0, side, count).tolist() for side in size), strict=True)
        return [(row, column, i % 2) for i, (row, column) in enumerate(places)]

    yield case(PLACE, [(1, 2, 1)], (3, 4), 0.5, "the click lies on the object")
    yield case(PLACE, [(1, 2, 0)], (3, 4), 0.5, "the click lies on the background")
    yield case(PLACE, [(0, 1, 1)], (4, 3), 0.5, "the click lies on the object")
    yield case(PLACE, [(2, 5, 0)], (4, 7), 1.5, "the click lies on the background")
    yield case(DISC, [(1, 2, 1)], (3, 4), 0, "the radius is 0")
    yield case(DISC, [(2, 2, 1)], (5, 6), 1, "the click lies on the object")
    yield case(DISC, [(2, 3, 1)], (6, 7), 1.5, "the radius is 1.5")
    yield case(DISC, [(4, 4, 0)], (9, 10), 2, "the click lies on the background")
    yield case(DISC, [(6, 7, 1)], (14, 15), 5, "the radius is 5")
    yield case(DISC, [(5, 6, 1)], (11, 12), None, "the click lies on the object")
    yield case(DISC, [(0, 0, 1)], (6, 8), 3, "a disc is cut by the frame")
    yield case(DISC, [(4, 8, 0)], (5, 9), 3, "a disc is cut by the frame")
    yield case(SEVERAL, [], (3, 5), 2, "there are no clicks")
    yield case(SEVERAL, [(1, 1, 1), (1, 2, 1)], (4, 6), 1, "two discs in one channel overlap")
    yield case(SEVERAL, [(2, 2, 1), (2, 3, 0)], (5, 7), 1, "discs of both channels overlap")
    yield case(SEVERAL, [(2, 2, 0), (2, 3, 1)], (5, 7), 2, "discs of both channels overlap")
    yield case(SEVERAL, [(0, 0, 1), (3, 4, 1), (5, 1, 1)], (7, 9), 1, "all clicks lie on the object")
    yield case(SEVERAL, [(1, 1, 1), (6, 2, 0), (1, 1, 1)], (8, 5), 1, "a click comes twice")
    size = int(rng.integers(8, 12)), int(rng.integers(13, 17))
    row, column = (int(rng.integers(1, side - 1)) for side in size)
    yield case(PLACE, [(row, column, 1)], size, 1.5, "the click lies on the object")
    yield case(DISC, [(row, column, 0)], size, round(float(rng.uniform(2.2, 4)), 1))
    yield case(SEVERAL, drawn(5, (20, 15)), (20, 15), 2.5, "there are five clicks")
    yield case(SEVERAL, drawn(6, (15, 22)), (15, 22), None, "there are six clicks")


def look(obj, case):
    """Observe the maps; they must be float32, as images are."""
    value = obj(*case.inputs.values())
    if isinstance(value, torch.Tensor) and value.dtype != torch.float32:
        kind = str(value.dtype).removeprefix("torch.")
        raise Explained(f"Your maps have the type {kind}; float32 is asked for, as for images: `.float()`.")
    return {"value": value}


def _squared(size, row, column):
    rows, columns = torch.arange(size[0])[:, None], torch.arange(size[1])[None, :]
    return (rows - row) ** 2 + (columns - column) ** 2


def _round(squared, radius):
    return squared <= radius**2


def _made(near=None, channel=lambda label: 1 - label, write=None, place=lambda row, column: (row, column),
          chosen=lambda clicks: clicks, finish=lambda maps: maps, disc=_round):  # fmt: skip
    """Return an answer that does one thing differently."""

    def wrong(clicks, size, radius=3):
        maps = torch.zeros(2, *size)
        for row, column, label in chosen(list(clicks)):
            inside = near(size, *place(row, column), radius) if near else disc(
                _squared(size, *place(row, column)), radius
            )  # fmt: skip
            if write:
                write(maps, channel(label), inside, _squared(size, row, column))
            else:
                maps[channel(label)][inside] = 1
        return finish(maps)

    return wrong


def _square(size, row, column, radius):
    rows, columns = torch.arange(size[0])[:, None], torch.arange(size[1])[None, :]
    return ((rows - row).abs() <= radius) & ((columns - column).abs() <= radius)


def _diamond(size, row, column, radius):
    rows, columns = torch.arange(size[0])[:, None], torch.arange(size[1])[None, :]
    return (rows - row).abs() + (columns - column).abs() <= radius


def _add(maps, channel, inside, _):
    maps[channel][inside] += 1


def _one_channel_each(maps, channel, inside, _):
    maps[channel][inside] = 1
    maps[1 - channel][inside] = 0


def _distances(maps, channel, inside, squared):
    maps[channel] = torch.where(inside, squared.sqrt().float(), maps[channel])


def _soft(maps, channel, inside, squared):
    maps[channel] = torch.maximum(maps[channel], torch.exp(-squared.float()) * inside)


def _overwrite(maps, channel, inside, _):
    maps[channel] = inside.float()


def _transformed(clicks, size, radius=3):
    """Measure distances to the clicks of each channel, also where a channel has none."""
    maps = []
    for label in (1, 0):
        free = np.ones(size)
        for row, column, kind in clicks:
            free[row, column] *= kind != label
        maps.append(torch.from_numpy(distance_transform_edt(free) <= radius).float())
    return torch.stack(maps)


def _both(maps, channel, inside, _):
    maps[:, inside] = 1


def _numpy_indices(clicks, size, radius=3):
    """Write squares by slices; a negative start is read from the end."""
    maps = torch.zeros(2, *size)
    for row, column, label in clicks:
        r = int(radius)
        maps[1 - label, row - r : row + r + 1, column - r : column + r + 1] = 1
    return maps


def celebrate(answer):
    """Show a lesion with five clicks, and their two maps."""
    from segcourse.data import load_dataset
    from segcourse.plotting import show_image

    image = load_dataset("lesions", "test", size=96, count=1)[0].image
    clicks = [(48, 48, 1), (36, 52, 1), (10, 10, 0), (12, 84, 0), (86, 48, 0)]
    maps = 255 * answer(clicks, (96, 96), 5).byte()
    titles = ["image", "your map of object clicks", "your map of background clicks"]
    show_image([image, *maps], titles, alt="A lesion, and two black maps with white discs at the clicks.")


EXERCISE = Exercise(
    clicks_to_map,
    number="9.1",
    difficulty=1,
    minutes=10,
    groups={PLACE: 1, DISC: 1, SEVERAL: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        (
            "You exchange the channels: the label is used as the channel's number. Clicks on the object, "
            "label 1, belong in channel 0.",
            _made(channel=lambda label: label),
        ),
        (
            "You exchange row and column of the click. A click is (row, column, label), and the row counts "
            "from the top.",
            _made(place=lambda row, column: (column, row)),
        ),
        (
            "You draw a square around the click. A disc holds the pixels whose straight distance is at most "
            "the radius.",
            _made(near=_square),
        ),
        (
            "You draw squares with slices. Near the frame, a negative start is read from the other end, so "
            "the square is missing there. A disc is asked for: compare distances.",
            _numpy_indices,
        ),
        (
            "You draw a diamond around the click: you add the distances along rows and columns. Take the "
            "straight distance: the root of the sum of their squares.",
            _made(near=_diamond),
        ),
        (
            "You leave out pixels whose distance equals the radius. They belong to the disc: at most.",
            _made(disc=lambda squared, radius: squared < radius**2),
        ),
        (
            "You compare the squared distance with the radius itself. Square the radius as well, or take "
            "the root.",
            _made(disc=lambda squared, radius: squared <= radius),
        ),
        (
            "You cut the decimals off the radius. It may be 1.5.",
            _made(disc=lambda squared, radius: squared <= int(radius) ** 2),
        ),
        (
            "You mark the clicked pixels alone, without the disc around them.",
            _made(disc=lambda squared, radius: squared == 0),
        ),
        (
            "You use 3 as the radius of every disc. The radius is an argument, and 3 only its default.",
            _made(disc=lambda squared, radius: squared <= 9),
        ),
        (
            "You add discs up, so that the map is 2 where two of them overlap. It is 1 there.",
            _made(write=_add),
        ),
        (
            "You let each click erase the earlier ones of its channel: `maps[channel] = disc` writes zeros, "
            "too. Write ones inside the disc alone.",
            _made(write=_overwrite),
        ),
        (
            "You measure distances also where a channel has no click. The distance transform has no zero "
            "to measure from then, and gives meaningless numbers. Such a channel is 0 everywhere.",
            _transformed,
        ),
        (
            "You let a click erase what the other channel holds. The channels are independent, and both are "
            "1 where their discs overlap.",
            _made(write=_one_channel_each),
        ),
        (
            "You write distances into the discs. They hold ones.",
            _made(write=_distances),
        ),
        (
            "You let the discs fade with the distance. All their pixels are 1.",
            _made(write=_soft),
        ),
        (
            "You draw the last click only: perhaps the loop makes new maps each time. Make them before it.",
            _made(chosen=lambda clicks: clicks[-1:]),
        ),
        (
            "You draw the first click only: perhaps the `return` stands inside the loop.",
            _made(chosen=lambda clicks: clicks[:1]),
        ),
        (
            "You draw the clicks on the object only. Those on the background belong in channel 1.",
            _made(chosen=lambda clicks: [click for click in clicks if click[2]]),
        ),
        (
            "You draw all clicks into channel 0. Clicks on the background belong in channel 1.",
            _made(channel=lambda label: 0),
        ),
        (
            "You draw every click into both channels.",
            _made(write=_both),
        ),
        (
            "Your maps are 1 outside the discs and 0 inside.",
            _made(finish=lambda maps: 1 - maps),
        ),
        (
            "Your maps hold 255 in place of 1.",
            _made(finish=lambda maps: 255 * maps),
        ),
        (
            "Your result is H x W x 2. The channels come first: 2 x H x W.",
            _made(finish=lambda maps: maps.permute(1, 2, 0)),
        ),
        (
            "You add an axis for a batch: 1 x 2 x H x W. One image is asked for: 2 x H x W.",
            _made(finish=lambda maps: maps[None]),
        ),
        (
            "You take the channels together, into one map of 1 for discs. Object and background need their "
            "own channels.",
            _made(finish=lambda maps: maps.amax(dim=0)),
        ),
        (
            "You put -1 for the background and 1 for the object into one map. Two channels are asked for.",
            _made(finish=lambda maps: maps[0] - maps[1]),
        ),
    ],
    finished=("segcourse.interactive.clicks:clicks_to_map",),
)
