"""Exercise 5.7: right answers in other styles, promises and their breakers, mutants that are equal."""

import itertools

import torch
import torch.nn.functional as F
from contract import Contract

from segcourse import exercises, losses
from segcourse.exercises.l05_losses_metrics.cross_entropy import cross_entropy as answer


def by_branch(logits, target, ignore_index=255):
    if (target == ignore_index).all():
        return logits.sum() * 0.0
    return F.cross_entropy(logits.float(), target, ignore_index=ignore_index)


def by_gather(x, y, ignore=255):
    keep = y != ignore
    picked = torch.log_softmax(x.float(), 1).gather(1, torch.where(keep, y, 0)[:, None])[:, 0]
    return -(picked * keep).sum() / max(int(keep.sum()), 1)


def by_loop(logits, target, ignore_index=255):
    total, count = logits.float().sum() * 0, 0
    for n, i, j in itertools.product(*map(range, target.shape)):
        if target[n, i, j] != ignore_index:
            scores = logits[n, :, i, j].float()
            total = total + torch.logsumexp(scores, 0) - scores[target[n, i, j]]
            count += 1
    return total / max(count, 1)


def by_nll(logits, target, ignore_index=255):
    log_p = logits.double() - logits.double().logsumexp(1, keepdim=True)
    kept = target != ignore_index
    return F.nll_loss(log_p.movedim(1, -1)[kept], target[kept], reduction="sum") / kept.sum().clamp(min=1)


def uncast(logits, target, ignore_index=255):
    total = F.cross_entropy(logits, target, ignore_index=ignore_index, reduction="sum")
    return total / (target != ignore_index).sum().clamp(min=1)


def nan_gradient(logits, target, ignore_index=255):
    kept = target != ignore_index
    log_p = torch.log_softmax(logits.float(), 1).gather(1, torch.where(kept, target, 0)[:, None])[:, 0]
    return torch.where(kept.any(), -(log_p * kept).sum() / kept.sum(), 0.0)


def zeroes_its_logits(logits, target, ignore_index=255):
    loss = answer(logits, target, ignore_index)
    logits.data[(target == ignore_index).unsqueeze(1).expand_as(logits)] = 0
    return loss


class TestCrossEntropy(Contract):
    name = "cross_entropy"
    library = staticmethod(losses.cross_entropy)
    right = {"branch": by_branch, "gather": by_gather, "loop": by_loop, "nll": by_nll}
    promises = (
        ("float tensor, N x C x H x W, no softmax applied", "small batches",
         lambda x, t, i=255: answer(x.float().softmax(1), t, i)),
        ("sometimes bfloat16 (convert to float32 first)", "the logits are bfloat16", uncast),
        ("a difference of 200 between two classes must cost 200", "one pixel is very wrong",
         lambda x, t, i=255: answer(x.clamp(-20, 20), t, i)),
        ("They may be large", "one pixel is very wrong, and all logits are large",
         lambda x, t, i=255: answer(x.exp().log() if x.max() > 90 else x, t, i)),
        ("int64 tensor, N x H x W, ids 0 … C-1 and `ignore_index`", "there are four classes",
         lambda x, t, i=255: answer(x, t.clamp(max=2), i)),
        ("255 by default", "one pixel is ignored, by default 255", lambda x, t, i=-100: answer(x, t, i)),
        ("any id", "the ignored label is a class in the middle", lambda x, t, i=255: answer(x, t, 255)),
        ("the id of a class (0, too)", "the ignored label is class 0", lambda x, t, i=255: answer(x, t, i or 255)),
        ("the id of a class", "the ignored label is the last class", lambda x, t, i=255: answer(x, t, 255)),
        ("or beyond 255", "the ignored label is beyond 255", lambda x, t, i=255: answer(x, t.clamp(max=255), i)),
        ("returns a scalar tensor", "small batches", lambda *a: answer(*a).item(), lambda *a: answer(*a).reshape(1)),
        ("over the labelled pixels of the whole batch, divided once by their number",
         "the two images have 1 and 4 labelled pixels",
         lambda x, t, i=255: torch.stack([answer(a[None], b[None], i) for a, b in zip(x, t, strict=True)]).mean()),
        ("divided once by their number", "one pixel alone is labelled",
         lambda x, t, i=255: F.cross_entropy(x.float(), t, ignore_index=i, reduction="sum")
         / (t != i).sum().clamp(min=2)),
        ("0, with a gradient of zeros, if there are none", "every pixel is ignored", nan_gradient,
         lambda x, t, i=255: answer(x, t, i) if (t != i).any() else torch.tensor(0.0),
         lambda x, t, i=255: F.cross_entropy(x.float(), t, ignore_index=i)),
        ("0, with a gradient of zeros, if there are none", "every pixel has the ignored class",
         lambda x, t, i=255: F.cross_entropy(x.float(), t, ignore_index=i)),
        ("the gradient with respect to the logits", "small batches", lambda x, t, i=255: answer(x.detach(), t, i)),
    )  # fmt: skip
    equal = {
        r"logits\.double\(\)": "more digits than float32 do no harm",
        r"^total = .*; labelled = .*  ->  labelled = ": "the order of the two lines does not matter",
        r"->  ignore_index = int": "an id is an integer",
    }
    said = (
        (nan_gradient, "its gradient holds NaN or infinity"),
        (lambda x, t, i=255: answer(x, t, i).item(), "returns a float"),
        (zeroes_its_logits, "your code changes its input logits"),
        (lambda x, t, i=255: answer(x, t, i) / 2, "0.5 times the expected ones"),
        (
            lambda x, t, i=255: F.cross_entropy(x.float(), t),
            "You never use `ignore_index`",
        ),
    )

    def test_without_any_gradient_there_is_no_point(self):
        assert exercises.assess(self.name, lambda *a: by_gather(*a).detach()).points == 0
