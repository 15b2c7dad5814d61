"""Exercise 10.2: right answers in other styles, promises and their breakers, mutants that are equal."""

import torch
import torch.nn.functional as F
from contract import Contract
from torch import nn

from segcourse.exercises.l10_clinic import loss_and_mask as module
from segcourse.exercises.l10_clinic.loss_and_mask import loss_and_mask as answer


def back_to_logits(model, images, masks):
    logits = model(images).squeeze(1).logit()
    return F.binary_cross_entropy_with_logits(logits, masks.double().float()), logits > 0


def by_hand(network, pictures, truth):
    p = network(pictures).squeeze(1)
    right = torch.where(truth == 1, p, 1 - p)
    return -right.log().mean(), p.detach().round().bool()


def by_module(model, images, masks):
    output = model(images)
    loss = nn.BCELoss()(output, masks[:, None].float())
    return [loss, (output > 0.5)[:, 0]]


class TestLossAndMask(Contract):
    name = "loss_and_mask"
    library = staticmethod(by_module)
    right = {"logits": back_to_logits, "by hand": by_hand, "module": by_module}
    promises = (
        ("Its last layer is a sigmoid", "one image", module._made(F.binary_cross_entropy_with_logits)),
        ("Its last layer is a sigmoid", "several images", module._made(decide=lambda x: x.sigmoid() > 0.5)),
        ("0 for skin and 1 for lesion", "one image", module._made(lambda x, m: F.binary_cross_entropy(x, 1 - m))),
        ("the mean binary cross-entropy of all pixels", "there are two images",
         module._made(lambda x, m: F.binary_cross_entropy(x, m, reduction="sum")), module._made(F.mse_loss)),
        ("whose gradient reaches the model", "one image", module._made(lambda x, m: F.binary_cross_entropy(x.detach(), m))),
        ("bool N x H x W", "there are four images", module._made(decide=lambda x: (x > 0.5)[:, None]),
         module._made(decide=lambda x: (x > 0.5).long())),
        ("above one half", "some probabilities lie near one half", module._made(decide=lambda x: x.sigmoid() > 0.615)),
        ("above one half", "some probabilities are exactly one half", module._made(decide=lambda x: x >= 0.5)),
        ("above one half", "several images", module._made(decide=lambda x: x > 0), module._made(decide=lambda x: x < 0.5)),
    )  # fmt: skip
    equal = {
        r"\[:, -1\]$": "there is one channel",
        r"masks = masks\.": "0 and 1 in another type",
    }
    said = (
        (lambda *given: answer(*given)[0], "a tuple (loss, masks) is asked for"),
        (
            lambda m, x, y: (answer(m, x, y)[0].item(), answer(m, x, y)[1]),
            "a float, and a tensor is asked for",
        ),
    )
