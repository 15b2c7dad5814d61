"""Exercise 6.5: one pass over the training images."""

import copy
import itertools
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l06_skin_lesion._networks import Loader, Tiny, draw_batches


def train_one_epoch(model, loader, optimizer, loss):
    """Take one step per batch (images, masks), and return the mean loss per image, a float."""
    model.train()
    total, count = 0.0, 0
    for images, masks in loader:
        optimizer.zero_grad()
        value = loss(model(images), masks)
        value.backward()
        optimizer.step()
        total += value.item() * len(images)
        count += len(images)
    return total / count


STEPS, MODE, MEAN = "the steps", "training mode", "the mean loss"
STALE = "gradients are left from before"


def weighted(logits, target):
    """Return a cross-entropy that counts lesion pixels three times."""
    return F.cross_entropy(logits, target, weight=torch.tensor([1.0, 3.0]))


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(6)

    def case(group, sizes, *traits, rng=fixed, training=True, momentum=0.0, loss=F.cross_entropy):
        model = Tiny(rng).train(training)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=momentum)
        batches = draw_batches(rng, sizes)
        inputs = {"model": model, "loader": Loader(batches), "optimizer": optimizer, "loss": loss}
        given = f"a small network, and a loader whose batches hold {', '.join(map(str, sizes))} image(s)"
        return Case(group, inputs, traits, given=given, tolerance=1e-3)

    yield case(STEPS, [2], "there is one batch")
    yield case(STEPS, [2, 2], "there are two batches")
    yield case(STEPS, [2, 2, 2], "there are three batches")
    yield case(STEPS, [2], STALE, "there is one batch")
    yield case(STEPS, [2, 2], STALE, "there are two batches")
    yield case(STEPS, [2, 2, 2], "the optimizer has momentum", momentum=0.9)
    yield case(STEPS, [2, 2], "another loss is given", loss=weighted)
    yield case(MODE, [2], "the model comes in eval mode", "there is one batch", training=False)
    yield case(MODE, [3, 3], "the model comes in eval mode", training=False)
    yield case(MEAN, [4, 4, 1], "the last batch is smaller")
    yield case(MEAN, [1, 5, 2], "the batches have different sizes")
    yield case(STEPS, [2, 3, 2], "there are three batches", rng=rng, momentum=0.5)
    yield case(MODE, [3, 2], "the model comes in eval mode", rng=rng, training=False)
    yield case(MEAN, [3, 6, 1], "the batches have different sizes", "the last batch is smaller", rng=rng)


def look(obj, case):
    """Observe the returned loss, and the network afterwards."""
    given = copy.deepcopy(dict(case.inputs))  # the answer is meant to change them
    model, loader = given["model"], given["loader"]
    if STALE in case.traits:  # as an interrupted cell leaves them
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
    value = obj(*given.values())
    seen = {"batches used": loader.given, "in training mode": bool(model.modes) and all(model.modes)}
    seen["value"] = float(value) if isinstance(value, float) else value
    seen["weights afterwards"] = torch.cat([p.detach().flatten() for p in model.parameters()])
    seen["running mean afterwards"] = model.norm.running_mean
    return seen


def _loop(order, mode=True, reset="loop", times=1, finish=None, batches=None, swap=False, change=None):
    """Return an answer whose steps stand in another order, or that does one thing differently.

    Args:
        order: letters of what happens with a batch: zero_grad, forward, backward, step.
        finish: turns the losses and sizes of the batches into what is returned.
    """

    def wrong(model, loader, optimizer, loss):
        model.train(mode) if mode is not None else None
        if reset == "once":
            optimizer.zero_grad()
        values, sizes, value = [], [], None
        for images, masks in itertools.chain.from_iterable(
            itertools.islice(loader, batches) for _ in range(times)
        ):
            for letter in order:
                if letter == "z":
                    optimizer.zero_grad()
                elif letter == "f":
                    logits = model(images)
                    logits = change(logits) if change else logits
                    value = loss(masks, logits) if swap else loss(logits, masks)
                elif letter == "b":
                    value.backward()
                else:
                    optimizer.step()
            values.append(value.item())
            sizes.append(len(images))
        return (finish or _mean)(values, sizes)

    return wrong


def _mean(values, sizes):
    return sum(v * n for v, n in zip(values, sizes, strict=True)) / sum(sizes)


def _step_at_the_end(each):
    """Return an answer with one step after the loop; `each`: reset the gradients for each batch."""

    def wrong(model, loader, optimizer, loss):
        model.train()
        optimizer.zero_grad()
        values, sizes = [], []
        for images, masks in loader:
            if each:
                optimizer.zero_grad()
            value = loss(model(images), masks)
            value.backward()
            values.append(value.item())
            sizes.append(len(images))
        optimizer.step()
        return _mean(values, sizes)

    return wrong


def _full_batches_only(model, loader, optimizer, loss):
    batches = list(loader)
    full = [batch for batch in batches if len(batch[0]) >= len(batches[0][0])]
    return train_one_epoch(model, full, optimizer, loss)


def celebrate(answer):
    """Train a small U-Net on 32 lesions, and show the loss of each epoch."""
    from segcourse.data import load_dataset
    from segcourse.losses import combined_loss
    from segcourse.models.unet import UNet
    from segcourse.plotting import show_curves

    torch.manual_seed(0)
    pairs = [sample[:2] for sample in load_dataset("lesions", size=32, count=32)]
    loader = torch.utils.data.DataLoader(pairs, batch_size=8, shuffle=True)
    model = UNet(3, 2, width=4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    curve = [answer(model, loader, optimizer, combined_loss) for _ in range(6)]
    show_curves({"your train_one_epoch, 32 lesions": curve}, xlabel="epoch", ylabel="training loss")


EXERCISE = Exercise(
    train_one_epoch,
    number="6.5",
    difficulty=2,
    minutes=15,
    groups={STEPS: 3, MODE: 1, MEAN: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        (
            "You never reset the gradients. `backward` adds to them, so each step also repeats all earlier "
            "ones: call `optimizer.zero_grad()` once per batch.",
            _loop("fbs"),
        ),
        (
            "You reset the gradients once, before the loop. `backward` adds to them, so each step repeats "
            "the earlier batches: call `optimizer.zero_grad()` once per batch.",
            _loop("fbs", reset="once"),
        ),
        (
            "You reset the gradients after the step. That works for all batches but the first, where "
            "gradients may be left from before: reset before `backward`.",
            _loop("fbsz"),
        ),
        (
            "You step before `backward`, with the gradients of the batch before. First `backward`, then "
            "`step`.",
            _loop("fsb"),
        ),
        *(
            (
                "No weight changes: `backward` or `step` is missing, or the step finds no gradient. The "
                "order is zero_grad, backward, step.",
                _loop(order),
            )
            for order in ("zfb", "zfs", "f", "zf", "fb", "fbzs", "zfsb")
        ),
        (
            "You take one step at the end, with the gradients of all batches added up. Take one step per "
            "batch.",
            _step_at_the_end(each=False),
        ),
        (
            "You take one step at the end, with the gradient of the last batch. Take one step per batch: "
            "`step` belongs into the loop.",
            _step_at_the_end(each=True),
        ),
        (
            "You leave out a batch that is smaller than the first. Every batch counts, a small last one as "
            "well.",
            _full_batches_only,
        ),
        ("You take two steps per batch.", _loop("zfbss")),
        (
            "You don't put the model into training mode. It may come from an evaluation, and batch norm then "
            "uses old statistics: call `model.train()` first.",
            _loop("zfbs", mode=None),
        ),
        (
            "You train in eval mode: batch norm uses its running mean instead of the batch's, and learns no "
            "new one. Call `model.train()` first.",
            _loop("zfbs", mode=False),
        ),
        (
            "You return the mean over batches. A small last batch then weighs as much as a full one: weigh "
            "each loss by its number of images.",
            _loop("zfbs", finish=lambda values, sizes: sum(values) / len(values)),
        ),
        (
            "You divide the sum of the batches' losses by the number of images. A batch's loss is a mean "
            "already: multiply it by its number of images first.",
            _loop("zfbs", finish=lambda values, sizes: sum(values) / sum(sizes)),
        ),
        (
            "You return the sum of the losses. Divide by the number of images: the mean is asked for.",
            _loop("zfbs", finish=lambda values, sizes: sum(values)),
        ),
        (
            "You return the sum over all images. Divide it by their number.",
            _loop("zfbs", finish=lambda values, sizes: _mean(values, sizes) * sum(sizes)),
        ),
        (
            "You divide the sum over all images by the number of batches. Divide it by the number of images.",
            _loop("zfbs", finish=lambda values, sizes: _mean(values, sizes) * sum(sizes) / len(sizes)),
        ),
        (
            "You return the loss of the last batch. The mean over all images of the epoch is asked for.",
            _loop("zfbs", finish=lambda values, sizes: values[-1]),
        ),
        (
            "You return the loss of the first batch. The mean over all images of the epoch is asked for.",
            _loop("zfbs", finish=lambda values, sizes: values[0]),
        ),
        (
            "You use the first batch only (a `return` inside the loop?). Go through all of them.",
            _loop("zfbs", batches=1),
        ),
        ("You go through the loader twice. One epoch is one pass.", _loop("zfbs", times=2)),
        (
            "You give the loss softmax's probabilities. It expects logits and applies softmax itself.",
            _loop("zfbs", change=lambda logits: logits.softmax(dim=1)),
        ),
        (
            "You give the loss sigmoid's values. It expects logits.",
            _loop("zfbs", change=lambda logits: logits.sigmoid()),
        ),
        (
            "You give the loss the masks first. The order is loss(logits, masks).",
            _loop("zfbs", swap=True),
        ),
        (
            "You detach the logits before the loss, and no gradient reaches a weight.",
            _loop("zfbs", change=lambda logits: logits.detach()),
        ),
        (
            "You use cross-entropy whatever loss is given. Call `loss`.",
            lambda model, loader, optimizer, loss: train_one_epoch(model, loader, optimizer, F.cross_entropy),
        ),
    ],
)
