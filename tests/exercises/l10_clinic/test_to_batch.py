"""Exercise 10.10: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
from contract import Contract
from torchvision.transforms.v2 import functional as v2

from segcourse.exercises.l10_clinic import to_batch as module
from segcourse.exercises.l10_clinic.to_batch import to_batch as answer


def one_by_one(pictures):
    return torch.stack([v2.to_dtype(v2.pil_to_tensor(v2.to_pil_image(one)), scale=True) for one in pictures])


def by_numpy(images):
    return torch.tensor(np.stack(images).transpose(0, 3, 1, 2) / 255, dtype=torch.float32)


def by_channels(images):
    planes = [[torch.from_numpy(image[..., c].copy()) for c in range(3)] for image in images]
    return torch.stack([torch.stack(one) for one in planes]).double().div(255).float()


class TestToBatch(Contract):
    name = "to_batch"
    library = staticmethod(one_by_one)
    right = {"one by one": one_by_one, "NumPy": by_numpy, "channels": by_channels}
    promises = (
        ("uint8 arrays H x W x 3, RGB", "the image is square", module._made(lambda batch: batch.permute(0, 3, 1, 2).flip(1))),
        ("of one size", "the images are wider than high", module._made(lambda batch: batch.transpose(1, 3))),
        ("a float32 tensor N x 3 x H x W", "several images", lambda images: answer(images).double(), module._made(lambda batch: batch),
         module._made(lambda batch: batch[:1].permute(0, 3, 1, 2))),
        ("the values divided by 255", "one image", module._made(scale=lambda batch: batch.float()), module._made(scale=lambda batch: batch // 255)),
        ("channel c of the pixel in row y and column x", "the image has as many rows as channels", module.starter,
         module._made(lambda batch: batch.transpose(1, 3))),
    )  # fmt: skip
    equal = {
        r"\)\)(\.(byte|short|int|long|double)\(\))? / 255$": "a division gives floating-point numbers",
        r"1, -2\)$": "axis -2 of four is axis 2",
    }
    said = ((lambda images: answer(images).numpy(), "Your answer returns a NumPy array"),)
