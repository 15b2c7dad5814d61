"""Exercise 10.3: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
from contract import Contract

from segcourse.exercises.l10_clinic import read_mask as module
from segcourse.exercises.l10_clinic.read_mask import read_mask as answer


def by_rounding(values):
    return (torch.from_numpy(values.copy())[None] / 255).round()


def by_where(pixels):
    return torch.tensor(np.where(pixels < 128, 0.0, 1.0)[None], dtype=torch.float32)


def by_highest_bit(pixels):
    return torch.as_tensor(pixels >> 7).unsqueeze(0).to(torch.float32)


class TestReadMask(Contract):
    name = "read_mask"
    library = staticmethod(by_where)
    right = {"rounding": by_rounding, "where": by_where, "highest bit": by_highest_bit}
    promises = (
        ("uint8 array H x W", "the mask is wider than high", lambda pixels: answer(pixels.T)),
        ("saved as JPEG, which changes values", "values lie close to 0 and 255", module._made(lambda x: x / 255),
         module._made(lambda x: x > 0), module._made(lambda x: x == 255)),
        ("128 and above means lesion", "values lie close to 128", module._made(lambda x: x > 128),
         module._made(lambda x: x >= 127)),
        ("a float32 tensor 1 x H x W", "clean files", lambda pixels: answer(pixels).half(), lambda pixels: answer(pixels)[0], lambda pixels: answer(pixels).bool()),
        ("holds 0 and 1 only", "clean files", module._made(lambda x: x)),
        ("may show no lesion", "no pixel is lesion", module._made(lambda x: x / x.max()), module._made(lambda x: x > x.mean())),
        ("nothing but lesion", "all pixels are lesion", module._made(lambda x: x > x.mean())),
    )  # fmt: skip
    equal = {r"\(lesion\)\.(half|bfloat16|double)\(|\.(half|bfloat16)\(\)$": "0 and 1 in another type"}
    said = ((lambda pixels: answer(pixels) * 2, "2 comes where 1 is expected"),)
