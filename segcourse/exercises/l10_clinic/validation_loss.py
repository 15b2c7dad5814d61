"""Exercise 10.7: out of memory."""

import weakref
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import nn

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l10_clinic._pipelines import Small, demand, images_of, masks_of


def validation_loss(model, batches):
    """Return the mean loss of the batches (images, masks), a float."""
    losses = []
    with torch.no_grad():
        for images, masks in batches:
            losses.append(F.cross_entropy(model(images), masks))
    return torch.stack(losses).mean().item()


def starter(model, batches):
    losses = []
    for images, masks in batches:
        losses.append(F.cross_entropy(model(images), masks))
    return torch.stack(losses).mean().item()


MEMORY, AFTER = "memory", "the network afterwards"


class Watched(nn.Module):
    """A network that notes which of its maps are still in memory.

    Attributes:
        batch: the number of the batch that is being predicted.
        alive: weak references to each batch's logits, and to what is saved of it for `backward`.
    """

    def __init__(self, rng: Generator):
        super().__init__()
        self.net, self.batch = Small(rng), 0
        self.alive: list[tuple[int, weakref.ref]] = []

    def forward(self, x):
        return Noted.apply(self.net(x), self.note)

    def note(self, thing):
        self.alive.append((self.batch, weakref.ref(thing)))

    def kept(self) -> int:
        """Return how many earlier batches still have something in memory."""
        return len({batch for batch, thing in self.alive if thing() is not None and batch < self.batch})


class Noted(torch.autograd.Function):
    """A copy in memory of NumPy's, to which a weak reference can point: every view keeps that memory."""

    @staticmethod
    def forward(ctx, x, note):
        memory = x.detach().numpy().copy()
        note(memory)
        return torch.from_numpy(memory)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class Saved:
    """What PyTorch saves for a backward pass, in a box that a weak reference can point to."""

    def __init__(self, tensor):
        self.tensor = tensor.detach()  # an output that holds its own graph would keep itself alive


class Stream:
    """Batches that come one after the other, and a count of what is in memory when the last one has come."""

    def __init__(self, model, batches):
        self.model, self.batches, self.kept = model, batches, 0
        self.images = 0  # of earlier batches, in memory
        self.given: list[weakref.ref] = []  # each batch's images

    def __iter__(self):
        for number, (images, masks) in enumerate(self.batches, start=1):
            self.model.batch = number
            images = images.clone()
            self.given.append(weakref.ref(images))
            yield images, masks
            del images
        self.kept = self.model.kept()
        self.images = sum(one() is not None for one in self.given[:-1])


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(10)

    def case(group, count, *traits, rng=fixed, size=2):
        batches = [(images_of(rng, size, 3, 3), masks_of(rng, size, 3, 3)) for _ in range(count)]
        given = f"a small network and {count} batches of {size} image(s)"
        return Case(group, {"model": Watched(rng).eval(), "batches": batches}, traits, given=given)

    yield case(MEMORY, 3, "there are three batches")
    yield case(AFTER, 3, "there are three batches")
    yield case(MEMORY, 8, "there are eight batches")
    yield case(AFTER, 4, "the batches hold one image", size=1)
    yield case(MEMORY, 5, rng=rng)
    yield case(AFTER, 6, rng=rng)


def look(obj, case):
    """Observe the loss, what stays in memory, and whether the network can be trained afterwards as before."""
    model, batches = case.inputs.values()
    stream = Stream(model, batches)

    def pack(tensor):
        box = Saved(tensor)
        model.note(box)
        return box

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda box: box.tensor):
        value = obj(model, stream)
    demand(
        not model.training, "Your code leaves the model in training mode. It came in eval mode: leave it so."
    )
    value = float(value) if isinstance(value, float) else value  # NumPy's float64 is a float, too
    return {
        "value": value,
        "earlier batches in memory": stream.kept,
        "earlier images in memory": stream.images,
        "a gradient is left": any(parameter.grad is not None for parameter in model.parameters()),
        "gradients are switched on afterwards": torch.is_grad_enabled(),
        "the weights can be trained afterwards": all(p.requires_grad for p in model.parameters()),
    }


def _loop(each=lambda loss, model: loss.item(), end=np.mean, keep=lambda logits: None, begin=lambda: None):
    """Return an answer that does one thing differently.

    Args:
        each: what is kept of a batch's loss.
        end: what becomes of all that is kept.
        keep: what else is kept of a batch, of its logits.
        begin: what is done before the loop.
    """

    def wrong(model, batches):
        begin()
        losses, others = [], []
        for images, masks in batches:
            logits = model(images)
            losses.append(each(F.cross_entropy(logits, masks), model))
            others.append(keep(logits))
            del logits
        return float(end(losses))

    return wrong


def _backward(loss, model):
    loss.backward()
    return loss.item()


def _some(end):
    """Return an answer that uses only a part of the batches."""

    def wrong(model, batches):
        with torch.no_grad():
            losses = [F.cross_entropy(model(images), masks).item() for images, masks in batches]
        return float(end(losses))

    return wrong


def _frozen(model, batches):
    model.requires_grad_(False)
    return validation_loss(model, batches)


def _first_batches(model, batches):
    losses = []
    with torch.no_grad():
        for images, masks in batches:
            losses.append(F.cross_entropy(model(images), masks).item())
            if len(losses) == 2:
                break
    return float(np.mean(losses))


def _first_batch(model, batches):
    with torch.no_grad():
        for images, masks in batches:
            return F.cross_entropy(model(images), masks).item()


def celebrate(answer):
    """Show how many earlier batches are in memory after 1 to 8 batches, before and after the repair."""
    from segcourse.plotting import show_curves

    def kept(obj, count):
        rng = np.random.default_rng(count)
        batches = [(images_of(rng, 1, 3, 3), masks_of(rng, 1, 3, 3)) for _ in range(count)]
        case = Case(MEMORY, {"model": Watched(rng).eval(), "batches": batches})
        return look(obj, case)["earlier batches in memory"]

    both = {"before your repair": starter, "after your repair": answer}
    curves = {name: [kept(one, count) for count in range(1, 9)] for name, one in both.items()}
    show_curves(curves, xlabel="batches", ylabel="earlier batches in memory")


EXERCISE = Exercise(
    validation_loss,
    number="10.7",
    difficulty=2,
    minutes=10,
    groups={MEMORY: 2, AFTER: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    starter=starter,
    symptom=(
        "The symptom is still there: when the last batch has come, the maps of all earlier batches are in "
        "memory."
    ),
    mistakes=[
        (
            "You call `backward`, which frees the maps. But it leaves a gradient in the network, and the "
            "next training step would learn from validation images.",
            _loop(_backward),
        ),
        (
            "You switch gradients off for good. Validation is repaired, and the training after it learns "
            "nothing: limit it to the loop.",
            _loop(begin=lambda: torch.set_grad_enabled(False)),
        ),
        (
            "You freeze the network and leave it frozen, so the training after it learns nothing.",
            _frozen,
        ),
        (
            "You return the sum of the batches' losses. Their mean is asked for.",
            _some(sum),
        ),
        (
            "You return the loss of the last batch. The mean of all is asked for.",
            _some(lambda losses: losses[-1]),
        ),
        (
            "You return after the first batch: the `return` stands inside the loop.",
            _first_batch,
        ),
        (
            "You collect all batches before the loop, so all images are in memory at once. Take one batch "
            "after the other.",
            lambda model, batches: validation_loss(model, list(batches)),
        ),
        (
            "You stop after two batches. That hides the symptom, and measures less.",
            _first_batches,
        ),
    ],
)
