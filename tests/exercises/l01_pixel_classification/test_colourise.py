"""Exercise 1.1: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
from contract import Contract, nothing_changes

from segcourse import Palette
from segcourse.exercises.l01_pixel_classification.colourise import colourise as answer


def library(mask, palette):
    """The library's palette, which takes at most 255 classes of different colours."""
    if len(palette) > 255 or len(palette.unique(dim=0)) < len(palette):
        return answer(mask, palette)
    names = [f"class {k}" for k in range(len(palette))]
    return torch.from_numpy(Palette(names, palette.tolist()).colourise(mask))


def by_loop(mask, palette):
    rows = [[palette[k].tolist() for k in row] for row in mask.tolist()]
    return torch.tensor(rows, dtype=torch.uint8)


def by_painting(ids, colours):
    picture = torch.zeros(*ids.shape, 3, dtype=torch.uint8)
    for k, colour in enumerate(colours):
        picture[ids == k] = colour
    return picture


def by_numpy(mask, palette):
    return torch.from_numpy(np.take(palette.numpy(), mask.numpy(), axis=0))


def by_embedding(mask, palette):
    return torch.nn.functional.embedding(mask.int(), palette.float())


def by_matrix(mask, palette):
    return (mask[..., None] == torch.arange(len(palette))).float() @ palette.float()


def cast(dtype):
    return lambda mask, palette: answer(mask.to(dtype), palette)


def by_occurrence(mask, palette):
    return palette[mask.unique(return_inverse=True)[1]]


class TestColourise(Contract):
    name = "colourise"
    library = staticmethod(library)
    right = {
        "loop": by_loop,
        "painting": by_painting,
        "NumPy": by_numpy,
        "embedding": by_embedding,
        "one-hot": by_matrix,
    }
    promises = (
        ("integer tensor H x W", "the mask has 4 x 6 pixels", lambda m, p: answer(m, p).transpose(0, 1),
         lambda m, p: answer(m, p).flatten(0, 1)),
        ("class ids 0 … C - 1", "there are 300 classes, as int16", cast(torch.uint8)),
        ("uint8, int16, int32", "the mask is uint8", lambda m, p: p[m]),
        ("int16", "the mask is int16", lambda m, p: p[m] if m.dtype == torch.int64 else p[m.byte()]),
        ("row k is the colour of class k", "small masks", lambda m, p: answer(m, p.flip(0)),
         lambda m, p: answer(m, p.roll(1, 0))),
        ("as red, green, blue", "small masks", lambda m, p: answer(m, p).flip(-1)),
        ("A class may have any colour", "class 0 is not black", lambda m, p: answer(m, p) * (m > 0)[..., None]),
        ("A class may have any colour", "there is one class only", lambda m, p: answer(m, p) * (m > 0)[..., None]),
        ("not every class has to occur in the mask", "classes 0 and 3 do not occur", by_occurrence),
        ("returns a tensor H x W x 3", "small masks", lambda m, p: answer(m, p).permute(2, 0, 1),
         lambda m, p: answer(m, p).numpy(), lambda m, p: answer(m, p).tolist()),
        ("returns a tensor H x W x 3", "the mask has 3 x 3 pixels", lambda m, p: answer(m, p).permute(2, 0, 1)),
        ("the three numbers of its class's colour, 0 to 255", "small masks", lambda m, p: answer(m, p) / 255,
         lambda m, p: answer(m, p)[..., :1]),
        ("An answer never changes its inputs", "small masks", nothing_changes(answer)),
    )  # fmt: skip
    equal = {
        r"\.(int|long)\(\)\]$": "int32 is an index as well",
        r"->  mask = mask\.(short|int|half)\(\)$": "the type holds every id of the cases, and of real masks",
        r"->  palette = palette\.(short|int|long|byte|half|bfloat16|float|double)\(\)$": "0 … 255 fit the type",
        r"->  return palette\[mask\.long\(\)\]\.(half|bfloat16|float|long)\(\)$": "0 … 255 fit the type",
    }
    said = (
        (lambda m, p: p[m], "a uint8 tensor selects rows like a bool mask"),
        (lambda m, p: answer(m, p).numpy(), "returns a NumPy array, and a tensor is asked for"),
        (lambda m, p: answer(m, p) * 2.0, "2 times the expected ones"),
        (lambda m, p: print(p.shape), "returns None"),
    )
