"""Exercise 10.8: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
from contract import Contract
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as v2

from segcourse.exercises.l10_clinic import turn_pair as module
from segcourse.exercises.l10_clinic.turn_pair import turn_pair as answer


def as_planes(image, mask, turns, mirrored):
    planes = torch.cat([image, mask[None].to(image)])
    for _ in range(turns):
        planes = planes.transpose(1, 2).flip(1)
    planes = planes.flip(2) if mirrored else planes
    return planes[:-1], planes[-1].round().long()


def by_index(picture, labels, turns, mirrored):
    both = [torch.rot90(one, turns, dims=[one.ndim - 2, one.ndim - 1]) for one in (picture, labels)]
    return [one[..., torch.arange(one.shape[-1] - 1, -1, -1)] if mirrored else one for one in both]


def by_torchvision(image, mask, turns, mirrored):
    image, mask = np.rot90(image.numpy(), turns, (1, 2)), np.rot90(mask.numpy(), turns)
    image, mask = torch.from_numpy(image.copy()), torch.from_numpy(mask.copy())
    if not mirrored:
        return image, mask
    return v2.horizontal_flip(image), v2.horizontal_flip(tv_tensors.Mask(mask)).as_subclass(torch.Tensor)


class TestTurnPair(Contract):
    name = "turn_pair"
    library = staticmethod(by_torchvision)
    right = {"planes": as_planes, "index": by_index, "torchvision": by_torchvision}
    promises = (
        ("C x H x W", "the image has as many rows as channels", module._made(lambda x, m: (x.flip(0), m.flip(-1)))),
        ("H x W", "the image is wider than high", module._made(lambda x, m: (x.flip(-1), m.flip(0)))),
        ("by `turns` quarter turns counterclockwise", "turned and mirrored", lambda x, m, turns, yes: answer(x, m, 0, yes),
         module._made(turn=lambda x, m, turns: (x.rot90(turns, (-1, -2)), m.rot90(turns, (-1, -2))))),
        ("if `mirrored` is true", "mirrored", module._made(ignore=True), module._made(lambda x, m: (x, m))),
        ("first turned, then mirrored", "turned and mirrored", module._made(first=True)),
        ("the order of the columns", "the image is square", module._made(lambda x, m: (x.flip(-2), m.flip(-2)))),
        ("what happens to the image happens to the mask", "mirrored",
         module._made(lambda x, m: (x.flip(-1), m)), module._made(lambda x, m: (x, m.flip(-1)))),
        ("of the types in which they came", "mirrored", lambda x, m, *how: answer(x, m.int(), *how)),
    )  # fmt: skip
    equal = {r"mask\.rot90\(turns(, \((-2|-0), (1|-1|--1)\))?\)\)$": "a mask has two axes"}
    said = (
        (lambda *given: answer(*given)[0], "a tuple (image, mask) is asked for"),
        (lambda *given: answer(*given)[::-1], "C x H x W and H x W are asked for"),
    )
