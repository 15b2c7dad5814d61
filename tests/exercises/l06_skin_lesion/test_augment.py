"""Exercise 6.3: right answers in other styles, promises and their breakers, mutants that are equal."""

import torch
from contract import Contract

from segcourse.exercises.l06_skin_lesion import augment as module
from segcourse.exercises.l06_skin_lesion.augment import augment as answer


def by_number(picture, labels, chance):
    code = int(torch.randint(4, (1,), generator=chance))
    axes = [axis for axis, bit in ((-1, 1), (-2, 2)) if code & bit]
    return torch.flip(picture, axes), torch.flip(labels, axes)


def in_numpy(image, mask, generator):
    up, left = torch.rand(2, generator=generator).numpy() > 0.5
    image, mask = image.numpy().copy(), mask.numpy().copy()
    if up:
        image, mask = image[:, ::-1], mask[::-1]
    if left:
        image, mask = image[:, :, ::-1], mask[:, ::-1]
    return torch.from_numpy(image.copy()), torch.from_numpy(mask.copy())


def stacked(image, mask, generator):
    both = torch.cat([image.double(), mask[None].double()])
    for axis in (1, 2):
        if torch.bernoulli(torch.tensor(0.5), generator=generator):
            both = torch.flip(both, (axis,))
    return both[:-1].to(image.dtype), both[-1].to(mask.dtype)


def by_index(image, mask, generator):
    rows, columns = torch.arange(mask.shape[0]), torch.arange(mask.shape[1])
    if torch.randint(2, (), generator=generator):
        rows = rows.flip(0)
    if torch.randint(2, (), generator=generator):
        columns = columns.flip(0)
    return [image[:, rows][:, :, columns], mask[rows][:, columns]]


def transposed(image, mask, generator):
    image, mask = answer(image, mask, generator)
    return image.transpose(1, 2), mask.T


def rows_apart(image, mask, generator):
    """Draw for each of the two, and flip rows only."""
    image = image.flip(-2) if torch.rand((), generator=generator) < 0.5 else image
    return image, mask.flip(-2) if torch.rand((), generator=generator) < 0.5 else mask


def in_place(image, mask, generator):
    for axis in (-2, -1):
        if torch.rand((), generator=generator) > 0.5:
            image[:], mask[:] = image.flip(axis), mask.flip(axis)
    return image, mask


class TestAugment(Contract):
    name = "augment"
    library = staticmethod(by_index)
    right = {"one number": by_number, "NumPy": in_numpy, "stacked": stacked, "indices": by_index}
    promises = (
        ("float tensor, C x H x W", "the image has as many rows as channels", module._drawn(module._counted_from_the_front)),
        ("int64 tensor, H x W", "the image is wider than high", transposed),
        ("All chance comes from it", "the generator decides", module._both(lambda g: module._axes(None))),
        ("the caller has set its seed", "the generator decides", module._both(module._reseeded)),
        ("the order of the rows with probability 1/2", "how often", module._both(lambda g: module._axes(g, axes=(-1,))),
         module._both(lambda g: module._axes(g, 0.02)), module._both(lambda g: module._axes(g, 0.6))),
        ("the order of the columns with probability 1/2", "how often", module._both(lambda g: module._axes(g, axes=(-2,))),
         module._both(lambda g: (-2, -1))),
        ("and independently", "how often", module._both(lambda g: (-2, -1) if module._chance(g) else ()),
         module._both(module._either), module._both(module._elif)),
        ("what happens to the image happens to the mask", "the image is square",
         module._drawn(lambda g: (module._axes(g), module._axes(g)))),
        ("what happens to the image happens to the mask", "the image is higher than wide",
         module._drawn(lambda g: (module._axes(g), ()))),
        ("returns a tuple (image, mask)", "the image is square", lambda *given: answer(*given)[0],
         lambda *given: answer(*given)[::-1]),
        ("of the types and shapes in which they came", "the mask is empty",
         lambda i, m, g: (answer(i, m, g)[0], answer(i, m, g)[1].float()),
         lambda i, m, g: (answer(i, m, g)[0][None], answer(i, m, g)[1])),
    )  # fmt: skip
    equal = {r"<= 0\.5|> 0\.5|>= 0\.5": "both halves are as likely"}
    said = (
        (in_place, module.IN_PLACE),
        (lambda image, mask, g: answer(image.double(), mask, g), "The image that you return has the type torch.float64"),
        (lambda image, mask, g: (image.numpy(), mask), "The image that you return is of type ndarray"),
        (rows_apart, "Image and mask are not always flipped alike."),
    )  # fmt: skip
