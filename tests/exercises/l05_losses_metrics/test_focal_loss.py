"""Exercise 5.8: right answers in other styles, promises and their breakers, mutants that are equal."""

import itertools

import torch
import torch.nn.functional as F
from contract import Contract

from segcourse import exercises, losses
from segcourse.exercises.l05_losses_metrics.focal_loss import focal_loss as answer


def by_guard(logits, target, gamma=2.0):
    ce = F.cross_entropy(logits.float(), target, reduction="none")
    return ((1 - torch.exp(-ce) + 1e-7) ** gamma * ce).mean()


def by_gather(z, y, g=2.0):
    log_p = F.log_softmax(z.float(), 1).gather(1, y.unsqueeze(1))
    return -((1 - log_p.exp()).clamp(min=1e-8).pow(g) * log_p).sum() / y.numel()


def by_loop(logits, target, gamma=2.0):
    pixels = []
    for n, i, j in itertools.product(*map(range, target.shape)):
        log_p = logits[n, :, i, j].float().log_softmax(0)[target[n, i, j]]
        pixels.append(-((1 - log_p.exp()).clamp(min=1e-9) ** gamma) * log_p)
    return sum(pixels) / len(pixels)


def by_one_hot(logits, target, gamma=2.0):
    log_p = logits.double().log_softmax(1)
    truth = F.one_hot(target, logits.shape[1]).movedim(-1, 1)
    return -(truth * (-torch.expm1(log_p)).clamp(min=1e-30) ** gamma * log_p).sum(1).mean()


def unguarded(logits, target, gamma=2.0):
    ce = F.cross_entropy(logits.float(), target, reduction="none")
    return ((1 - torch.exp(-ce)) ** gamma * ce).mean()


def uncast(logits, target, gamma=2.0):
    ce = F.cross_entropy(logits, target, reduction="none")
    return ((1 - torch.exp(-ce)).clamp(min=1e-6) ** gamma * ce).mean()


class TestFocalLoss(Contract):
    name = "focal_loss"
    library = staticmethod(losses.focal_loss)
    right = {"a small number": by_guard, "gather": by_gather, "loop": by_loop, "one-hot": by_one_hot}
    promises = (
        ("float tensor, N x C x H x W, no softmax applied", "gamma 2",
         lambda x, t, g=2.0: answer(x.float().softmax(1), t, g)),
        ("sometimes bfloat16 (convert to float32 first)", "the logits are bfloat16", uncast),
        ("as in 5.7 they may be large", "one pixel is very wrong", lambda x, t, g=2.0: answer(x.clamp(-20, 20), t, g)),
        ("int64 tensor, N x H x W, ids 0 … C-1; no ignored pixels, and no class weights (no alpha)",
         "there is a batch of two", lambda x, t, g=2.0: 0.25 * answer(x, t, g),
         lambda x, t, g=2.0: answer(x, t.clamp(max=1), g)),
        ("any number, 0 or larger", "gamma is 0, which is cross-entropy", lambda x, t, g=2.0: answer(x, t, g or 2.0)),
        ("such as 0.5", "gamma is between 0 and 1", lambda x, t, g=2.0: answer(x, t, max(g, 1)),
         lambda x, t, g=2.0: answer(x, t, int(g))),
        ("any number", "gamma is a fraction above 1", lambda x, t, g=2.0: answer(x, t, round(g - 0.1))),
        ("any number", "gamma is an integer", lambda x, t, g=2.0: answer(x, t, min(g, 2))),
        ("2 by default", "gamma 2", lambda x, t, g=1.0: answer(x, t, g)),
        ("returns a scalar tensor: the mean, over all pixels of the batch", "there is a batch of two",
         lambda x, t, g=2.0: answer(x, t, g) * t.numel(), lambda x, t, g=2.0: answer(x, t, g).item(),
         lambda x, t, g=2.0: answer(x[:1], t[:1], g)),
        ("the softmax's probability of the true class", "there is a batch of three",
         lambda x, t, g=2.0: answer(x, 1 - t.clamp(max=1), g)),
        ("which flows through *both* factors", "other gammas",
         lambda x, t, g=2.0: ((1 - (-F.cross_entropy(x, t, reduction="none")).exp()).detach() ** g
                              * F.cross_entropy(x, t, reduction="none")).mean()),
        ("the gradient must be finite, also in a pixel where $p$ is exactly 1",
         "p = 1 in one pixel, and gamma is between 0 and 1", unguarded),
    )  # fmt: skip
    equal = {
        r"logits\.double\(\)": "more digits than float32 do no harm",
        r"nanmean": "no pixel's loss is NaN",
        r"->  return \(surprise \* missing": "multiplication commutes",
        r"clamp\(min=(0|2e-12)\)": "PyTorch's clamp passes no infinite slope at its bound",
    }
    said = (
        (unguarded, "infinity times 0 is NaN"),
        (lambda x, t, g=2.0: answer(x, t, g).detach(), "its gradient is missing"),
        (lambda x, t, g=2.0: answer(x, t, int(g)), "cut gamma to a whole number"),
        (lambda x, t: answer(x, t), "a call passes 3 arguments where 2 fit"),
    )

    def test_without_any_gradient_there_is_no_point(self):
        assert exercises.assess(self.name, lambda *a: by_gather(*a).detach()).points == 0
