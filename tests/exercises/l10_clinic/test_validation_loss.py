"""Exercise 10.7: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
import torch.nn.functional as F
from contract import Contract

from segcourse.exercises.l10_clinic import validation_loss as module
from segcourse.exercises.l10_clinic.validation_loss import validation_loss as answer


@torch.inference_mode()
def decorated(model, batches):
    values = [F.cross_entropy(model(images), masks) for images, masks in batches]
    return float(sum(values) / len(values))


def by_numbers(network, pairs):
    total = count = 0
    for pictures, truth in pairs:
        loss = F.cross_entropy(network(pictures), truth)
        total, count = total + loss.item(), count + 1
    return total / count


def by_detach(model, batches):
    model.eval()
    losses = []
    for images, masks in batches:
        losses.append(F.cross_entropy(model(images), masks).detach())
    return torch.stack(losses).mean().tolist()


def kept_images(model, batches):
    return answer(model, list(batches))


def by_numpy(model, batches):
    return np.mean([F.cross_entropy(model(images), masks).item() for images, masks in batches])


def by_name(model, batches):
    losses = []
    for images, masks in batches:
        loss = F.cross_entropy(model(images), masks)  # holds this batch's maps until the next loss is made
        losses.append(loss.item())
    return sum(losses) / len(losses)


def trains_after(model, batches):
    value = answer(model, batches)
    model.train()
    return value


class TestValidationLoss(Contract):
    name = "validation_loss"
    library = staticmethod(decorated)
    right = {
        "decorator": decorated,
        "numbers": by_numbers,
        "detach": by_detach,
        "NumPy's mean": by_numpy,
        "a name for the loss": by_name,
    }
    promises = (
        ("all parameters still require gradients", "the network afterwards", module._frozen),
        ("all at once they don't fit in memory", "there are eight batches", kept_images),
        ("come one after the other", "there are eight batches", module._first_batches),
        ("the mean of the batches' losses", "there are three batches", module._some(sum), module._some(max)),
        ("a float", "the network afterwards", lambda *given: torch.tensor(answer(*given))),
        ("leave it in eval mode", "the network afterwards", trains_after),
        ("only the latest batch's maps may stay in memory", "there are eight batches",
         module._loop(keep=lambda logits: logits), module._loop(keep=lambda logits: logits.detach())),
        ("each `parameter.grad` is None as it was", "the network afterwards", module._loop(module._backward)),
        ("recording is switched on", "the network afterwards", module._loop(begin=lambda: torch.set_grad_enabled(False))),
    )  # fmt: skip
    equal = {}
    said = (
        (module._frozen, "You freeze the network and leave it frozen"),
        (
            lambda *given: torch.tensor(answer(*given)),
            "Your answer returns a tensor, and a float is asked for",
        ),
        (lambda *given: 2 * answer(*given), "2 times the expected"),
    )


def test_another_fault_is_not_taken_for_a_frozen_network():
    from segcourse import exercises

    verdict = exercises.assess("validation_loss", lambda *given: torch.tensor(answer(*given)), own=False)
    assert "freeze" not in verdict.diagnosis


def test_what_stays_in_memory_is_counted_per_batch():
    from segcourse import exercises

    verdict = exercises.assess("validation_loss", module.starter)
    assert verdict.smallest.expected == "earlier batches in memory: 0"
    assert verdict.smallest.got == "earlier batches in memory: 2"
