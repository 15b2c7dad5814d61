"""Exercise 1.2: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
import torch.nn.functional as F
from contract import Contract, nothing_changes

from segcourse.exercises.l01_pixel_classification.one_hot import one_hot as answer


def by_pytorch(mask, num_classes):
    """F.one_hot, with one class more for void pixels."""
    known = torch.where(mask == 255, num_classes, mask.long())
    return F.one_hot(known, num_classes + 1)[..., :-1].movedim(-1, -3)


def by_loop(mask, num_classes):
    return torch.stack([(mask == k).float() for k in range(num_classes)], dim=-3)


def by_pixels(labels, n):
    if labels.ndim == 3:
        return torch.stack([by_pixels(one, n) for one in labels])
    channels = torch.zeros(n, *labels.shape)
    for r, row in enumerate(labels.tolist()):
        for c, k in enumerate(row):
            if k != 255:
                channels[k, r, c] = 1
    return channels


def by_numpy(mask, num_classes):
    channels = np.asarray(mask)[..., None] == np.arange(num_classes)
    return torch.from_numpy(np.moveaxis(channels, -1, -3))


def by_scatter(mask, num_classes):
    ids = mask.long().unsqueeze(-3)
    known = ids != 255
    shape = list(ids.shape)
    shape[-3] = num_classes
    return torch.zeros(shape).scatter_add(-3, ids * known, known.float())


def by_identity(mask, num_classes):
    rows = torch.cat([torch.eye(num_classes), torch.zeros(256 - num_classes, num_classes)])
    return rows[mask.long()].movedim(-1, -3)


class TestOneHot(Contract):
    name = "one_hot"
    library = staticmethod(by_pytorch)
    right = {
        "loop": by_loop,
        "pixels": by_pixels,
        "NumPy": by_numpy,
        "scatter": by_scatter,
        "rows of the identity": by_identity,
    }
    promises = (
        ("integer tensor H x W or N x H x W", "there is a batch of two", lambda m, n: answer(m[:1], n)),
        ("of any integer type", "the mask is uint8", lambda m, n: F.one_hot(m, n).movedim(-1, -3)),
        ("of any integer type", "the mask is int16", lambda m, n: F.one_hot(m, n).movedim(-1, -3)),
        ("of any integer type", "the mask is int32", lambda m, n: F.one_hot(m, n).movedim(-1, -3)),
        ("with class ids 0 … num_classes - 1", "150 classes are stored as uint8",
         lambda m, n: answer(m.to(torch.int8), n)),
        ("255 where a pixel is void", "one pixel is void", lambda m, n: F.one_hot(m.long(), n).movedim(-1, -3)),
        ("num_classes is at most 255", "150 classes are stored as uint8", lambda m, n: answer(m % 128, n)),
        ("returns a tensor num_classes x H x W for a single mask", "single masks",
         lambda m, n: answer(m, n).movedim(-3, -1), lambda m, n: answer(m, n)[None], lambda m, n: answer(m, n).numpy()),
        ("returns a tensor num_classes x H x W for a single mask", "the mask has 4 x 4 pixels",
         lambda m, n: answer(m, n).mT, lambda m, n: answer(m, n).permute(1, 2, 0).reshape(n, 4, 4)),
        ("N x num_classes x H x W for a batch", "every axis has three places",
         lambda m, n: answer(m, n).transpose(0, 1), lambda m, n: answer(m, n).movedim(1, -1)),
        ("also for a batch of one", "there is a batch of one", lambda m, n: answer(m, n).squeeze(0)),
        ("channel k is 1 where the mask is k", "single masks", lambda m, n: 1 - answer(m, n), lambda m, n: answer(m, n) * 2,
         lambda m, n: answer(m, n).flip(-3)),
        ("and 0 elsewhere", "single masks", lambda m, n: answer(m, n) * 2 - 1),
        ("the channels of absent classes are there", "the last classes are absent",
         lambda m, n: answer(m, int(m.max()) + 1)),
        ("the channels of absent classes are there", "class 0 is absent",
         lambda m, n: answer(m, n)[..., 1:, :, :], lambda m, n: torch.stack([m == k for k in m.unique()], -3)),
        ("the channels of absent classes are there", "there is one class only", lambda m, n: answer(m, n).squeeze(-3)),
        ("a void pixel is 0 in every channel", "one pixel is void", lambda m, n: answer(m.clamp(max=n - 1), n),
         lambda m, n: answer(m * (m < 255), n), lambda m, n: answer(m, n + 1)),
        ("a void pixel is 0 in every channel", "every pixel is void", lambda m, n: answer(m.clamp(max=n - 1), n)),
        ("any type of number will do", "single masks", nothing_changes(answer)),
    )  # fmt: skip
    equal = {
        r"long\(\)  ->  .*\.(bool|byte|short|int|half|bfloat16|float|double)\(\)$": "0 and 1 fit every type",
        r"->  return mask\.unsqueeze\(-3\) == classes$|\.long\(\)\.long\(\)$": "bool says the same as 0 and 1",
        r"->  mask = mask\.(short|int|half)\(\)$": "the type holds every id up to 255",
        r"->  mask = mask\.(byte|bfloat16)\(\)$": "both types hold every id up to 255",
        r"->  return .*\.long\(\)\.(half|bfloat16)\(\)$": "0 and 1 fit every type",
    }
    said = (
        (lambda m, n: answer(m, n).movedim(-3, -1), "Your class axis comes last"),
        (lambda m, n: answer(m, n).numpy(), "returns a NumPy array, and a tensor is asked for"),
        (lambda m, n: F.one_hot(m.long(), n).movedim(-1, -3), "255 is no class"),
        (lambda m, n: answer(m, n) * 2, "2 comes where 1 is expected"),
    )
