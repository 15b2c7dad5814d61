"""Exercise 10.1: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
from contract import Contract

from segcourse.exercises.l10_clinic.mask_to_save import mask_to_save as answer


def by_two_channels(logits):
    return torch.cat([torch.zeros_like(logits), logits], dim=1).argmax(dim=1) * 255


def by_probability(scores):
    return torch.where(scores.squeeze(1).sigmoid() > 0.5, 255, 0)


def by_numpy(logits):
    return np.uint8(255) * (logits.numpy().squeeze(1) > 0).astype(np.uint8)


def by_loop(logits):
    return torch.stack(
        [torch.tensor([[255 if x > 0 else 0 for x in row] for row in one[0]]) for one in logits]
    )


class TestMaskToSave(Contract):
    name = "mask_to_save"
    library = staticmethod(by_two_channels)
    right = {"two channels": by_two_channels, "probability": by_probability, "loop": by_loop}
    promises = (
        ("any real numbers", "all logits are small", lambda x: (x[:, 0] > 0.5) * 255),
        ("any real numbers", "there are two images", lambda x: x.sigmoid()[:, 0].byte() * 255),
        ("its sigmoid is the probability of lesion", "clear pixels", lambda x: (x.softmax(dim=1)[:, 0] > 0.5) * 255),
        ("returns a tensor of integers, N x H x W", "there are two images", lambda x: (x > 0) * 255, lambda x: answer(x[:1]),
         lambda x: answer(x).float()),
        ("255 where the probability of lesion is above one half", "there is one image", lambda x: (x[:, 0] > 0).byte()),
        ("A logit of 0 is a probability of one half", "a logit is exactly 0", lambda x: (x[:, 0] >= 0) * 255),
    )  # fmt: skip
    equal = {
        r"->  return 255 \* |\[:, -1\] > 0": "the same product; there is one channel",
        r"0\] > 0\)(\.(bool|short|int|long)\(\))? \* 255$|255\)\.long": "another type of integer",
        r"logits = logits\.(half|bfloat16)": "the sign is the same in fewer digits",
    }
    said = (
        (by_numpy, "Your answer returns a NumPy array, and a tensor is asked for"),
        (lambda x: answer(x)[:, None], "Your masks keep the axis of the channel"),
        (lambda x: answer(x).float(), "a picture file takes whole numbers"),
        (lambda x: 255 - answer(x), "lesion and skin are exchanged"),
    )
