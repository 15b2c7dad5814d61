"""Exercise 6.5: right answers in other styles, promises and their breakers, mutants that are equal."""

import torch
import torch.nn.functional as F
from contract import Contract

from segcourse.exercises.l06_skin_lesion import train_one_epoch as module
from segcourse.exercises.l06_skin_lesion.train_one_epoch import train_one_epoch as answer


def by_lists(network, batches, steps, criterion):
    network.train()
    losses = []
    for x, y in iter(batches):
        out = network(x)
        value = criterion(out, y)
        for group in steps.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
        value.backward()
        steps.step()
        losses += [value.detach()] * len(y)
    return float(torch.stack(losses).mean())


def by_grad(model, loader, optimizer, loss):
    parameters = list(model.train().parameters())
    total, count = torch.zeros((), dtype=torch.float64), 0
    for images, masks in loader:
        value = loss(model(images), masks)
        for parameter, gradient in zip(parameters, torch.autograd.grad(value, parameters), strict=True):
            parameter.grad = gradient
        optimizer.step()
        total, count = total + value.detach().double() * images.shape[0], count + images.shape[0]
    return (total / count).item()


def by_closure(model, loader, optimizer, loss):
    seen = []
    model.train(True)
    for images, masks in loader:

        def closure(images=images, masks=masks):
            optimizer.zero_grad(set_to_none=False)
            value = loss(model(images), masks)
            value.backward()
            return value

        seen.append((optimizer.step(closure).item(), len(masks)))
    return sum(value * size for value, size in seen) / sum(size for _, size in seen)


def back_to_eval(model, loader, optimizer, loss):
    value = by_lists(model, loader, optimizer, loss)
    model.eval()
    return value


def no_momentum(model, loader, optimizer, loss):
    return answer(model, loader, torch.optim.SGD(model.parameters(), lr=0.2), loss)


def by_length(model, loader, optimizer, loss):
    return answer(model, loader, optimizer, loss) * len(loader) / len(loader)


def loss_after_step(model, loader, optimizer, loss):
    total = count = 0
    for images, masks in loader:
        answer(model, [(images, masks)], optimizer, loss)
        total += loss(model(images), masks).item() * len(images)
        count += len(images)
    return total / count


class TestTrainOneEpoch(Contract):
    name = "train_one_epoch"
    library = staticmethod(by_lists)
    right = {
        "lists": by_lists,
        "autograd.grad": by_grad,
        "closure": by_closure,
        "eval mode in the end": back_to_eval,
    }
    promises = (
        ("may come in eval mode", "the model comes in eval mode", module._loop("zfbs", mode=None)),
        ("train it in training mode", "training mode", module._loop("zfbs", mode=False)),
        ("batches (images, masks) of any size", "the batches have different sizes", module._loop("zfbs", finish=lambda v, n: sum(v) / len(v))),
        ("no length and no index", "the steps", by_length),
        ("one pass", "there is one batch", module._loop("zfbs", times=2)),
        ("one pass", "there are three batches", module._loop("zfbs", batches=1)),
        ("any optimizer of the model's parameters", "the optimizer has momentum", no_momentum),
        ("one step per batch", "there are two batches", module._step_at_the_end(each=False), module._loop("zfbss")),
        ("the gradient of this batch alone", "there are three batches", module._loop("fbs", reset="once")),
        ("whatever gradients are left from before", "gradients are left from before", module._loop("fbs"), module._loop("fbsz")),
        ("any function of (logits, masks)", "another loss is given",
         lambda model, loader, optimizer, loss: answer(model, loader, optimizer, F.cross_entropy)),
        ("any function of (logits, masks)", "the steps", module._loop("zfbs", change=lambda logits: logits.softmax(dim=1)),
         module._loop("zfbs", swap=True)),
        ("returns a float", "there is one batch", lambda *given: torch.tensor(answer(*given)), lambda *given: [answer(*given)]),
        ("taken before its step", "there is one batch", loss_after_step),
        ("counts as often as the batch has images", "the last batch is smaller", module._loop("zfbs", finish=lambda v, n: sum(v) / len(v))),
    )  # fmt: skip
    equal = {
        r"len\(images\) \* value\.item\(\)": "the same product",
        r"->  model\.zero_grad\(\)": "the optimizer has all of the model's parameters",
        r"^model\.train\(\); total.*->  total|^optimizer\.zero_grad\(\); value = .*->  value|^optimizer\.step\(\); total.*->  total":
            "the order of the two lines does not matter",
        r"^total \+= .*; count.*->  count": "the order of the two lines does not matter",
    }  # fmt: skip
    said = (
        (
            lambda *given: torch.tensor(answer(*given)),
            "Your answer returns a tensor, and a float is asked for",
        ),
        (lambda *given: answer(*given) and None, "Your answer returns None"),
        (by_length, "Your code stops in"),
    )
