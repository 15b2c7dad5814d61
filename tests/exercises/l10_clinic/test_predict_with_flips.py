"""Exercise 10.5: right answers in other styles, promises and their breakers, mutants that are equal."""

import torch
from contract import Contract

from segcourse.exercises.l10_clinic import predict_with_flips as module
from segcourse.exercises.l10_clinic.predict_with_flips import predict_with_flips as answer


def line_by_line(model, images):
    same = model(images)
    mirrored = model(images.flip(-1)).flip(-1)
    upside_down = model(images.flip(-2)).flip(-2)
    both = model(images.flip(-1).flip(-2)).flip(-1).flip(-2)
    return torch.stack([same, mirrored, upside_down, both]).mean(dim=0)


def in_one_batch(network, pictures):
    views = [pictures.flip(axes) for axes in module.VIEWS]
    parts = network(torch.cat(views)).chunk(4)
    return sum(part.flip(axes) for part, axes in zip(parts, module.VIEWS, strict=True)) / 4


def by_index(model, images):
    height, width = images.shape[-2:]
    total = 0
    for rows in (torch.arange(height), torch.arange(height - 1, -1, -1)):
        for columns in (torch.arange(width), torch.arange(width - 1, -1, -1)):
            total = total + 0.25 * model(images[..., rows, :][..., columns])[..., rows, :][..., columns]
    return total.detach()


class TestPredictWithFlips(Contract):
    name = "predict_with_flips"
    library = staticmethod(in_one_batch)
    right = {"line by line": line_by_line, "one batch": in_one_batch, "index": by_index}
    promises = (
        ("to logits N x C x H x W", "there are three classes", lambda m, x: answer(m, x)[:, :2]),
        ("square or not", "other images", lambda m, x: answer(m, x).transpose(2, 3)),
        ("four views", "there is one image", module._made(views=module.VIEWS[:3]), module._made(views=module.VIEWS[:1])),
        ("the mean of the four views' logits", "there are two images", module._made(end=lambda many: many.sum(dim=0)),
         module._made(of=lambda x: x.softmax(dim=1)), module._made(end=lambda many: many.amax(dim=0))),
        ("flipped back", "square images", module.starter, module._made(back=lambda axes: (-2, -1))),
    )  # fmt: skip
    equal = {
        r"\+ total$": "a sum in another order",
        r"\(2,\)|\(2, -1\)|\(--2": "axis 2 of four is axis -2",
    }
    said = ((lambda m, x: 4 * answer(m, x), "You return the sum of the four views"),)
