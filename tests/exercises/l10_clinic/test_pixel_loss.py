"""Exercise 10.6: right answers in other styles, promises and their breakers, mutants that are equal."""

import torch
import torch.nn.functional as F
from contract import Contract

from segcourse.exercises.l10_clinic import pixel_loss as module
from segcourse.exercises.l10_clinic.pixel_loss import pixel_loss as answer


def largest_subtracted(logits, target):
    shifted = logits - logits.amax(dim=1, keepdim=True).detach()
    log_p = shifted - shifted.exp().sum(dim=1, keepdim=True).log()
    return -log_p.gather(1, target.unsqueeze(1)).mean()


def by_logsumexp(scores, labels):
    chosen = (F.one_hot(labels, scores.shape[1]).movedim(-1, 1) * scores).sum(dim=1)
    return (scores.logsumexp(dim=1) - chosen).mean()


class TestPixelLoss(Contract):
    name = "pixel_loss"
    library = staticmethod(F.cross_entropy)
    right = {
        "cross_entropy": lambda logits, target: F.cross_entropy(logits, target),
        "largest subtracted": largest_subtracted,
        "logsumexp": by_logsumexp,
    }
    promises = (
        ("numbers of any sign", module.LARGE, module._made(module._by_hand), module._made()),
        ("numbers of any sign", "one pixel's logits are high, the other's low",
         module._made(lambda logits: module._by_hand(logits - logits.max()))),
        ("class ids 0 to C - 1", "the logits are ordinary", lambda logits, target: answer(logits, target * 0)),
        ("the mean cross-entropy per pixel", "the logits are ordinary",
         lambda logits, target: answer(logits, target) * target.numel(), lambda logits, target: -answer(logits, target)),
        ("is finite and right for all of these logits", module.LARGE,
         module._made(log=lambda p: p.clamp(min=1e-7).log()), module._made(end=lambda losses: losses.mean().nan_to_num())),
        ("gradient", "all logits are far below 0", module._made(module._by_hand),
         lambda logits, target: answer(logits.detach(), target)),
    )  # fmt: skip
    equal = {r"\.nanmean\(\)$": "nothing is NaN", r"target = target\.int": "class ids in another type"}
    said = (
        (lambda logits, target: answer(logits, target).item(), "Your answer returns a float"),
        (lambda logits, target: answer(logits.detach(), target), "The gradient of the logits is missing"),
    )


def test_a_patch_is_explained_whatever_its_number():
    from segcourse import exercises

    patched = module._made(log=lambda p: p.clamp(min=1e-10).log())
    verdict = exercises.assess("pixel_loss", patched)
    assert not verdict.passed
    assert "symptom" not in (verdict.diagnosis or "")
    assert torch.isfinite(patched(*exercises.inputs("pixel_loss", 2)))
