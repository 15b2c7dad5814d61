"""Exercise 5.5: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
from contract import Contract, nothing_changes

from segcourse import metrics
from segcourse.exercises.l05_losses_metrics.threshold_jaccard import threshold_jaccard as answer


def by_loop(prediction, target, threshold=0.65):
    scores = []
    for p, t in zip(prediction.bool(), target.bool(), strict=True):
        union = (p | t).sum().item()
        if union:
            jaccard = (p & t).sum().item() / union
            scores.append(jaccard if jaccard >= threshold else 0)
    return torch.tensor(sum(scores) / len(scores))


def by_numpy(a, b, minimum=0.65):
    a, b = np.asarray(a).astype(bool), np.asarray(b).astype(bool)
    with np.errstate(all="ignore"):
        jaccard = (a & b).sum((1, 2)) / (a | b).sum((1, 2))
    jaccard[jaccard < minimum] = 0
    return torch.tensor(np.nanmean(jaccard))


def by_float32(prediction, target, threshold=0.65):
    p, t = prediction.flatten(1).float(), target.flatten(1).float()
    inter = torch.einsum("np,np->n", p, t)
    jaccard = inter / (p.sum(1) + t.sum(1) - inter)
    jaccard = jaccard[~jaccard.isnan()]
    return torch.where(jaccard < threshold, torch.zeros(()), jaccard).mean()


def rounded_down(prediction, target, threshold=0.65):
    """13/20 in float32 is a little less than Python's 0.65: no case may sit between the two."""
    p, t = prediction.bool(), target.bool()
    jaccard = (p & t).sum((1, 2)).float() / (p | t).sum((1, 2)).float()
    kept = [0.0 if j.item() < threshold else j.item() for j in jaccard if not j.isnan()]
    return torch.tensor(kept).mean()


def jaccard_of(p, t):
    return metrics.iou_score(p, t)


class TestThresholdJaccard(Contract):
    name = "threshold_jaccard"
    library = staticmethod(metrics.threshold_jaccard)
    right = {"loop": by_loop, "NumPy": by_numpy, "float32": by_float32, "rounded down": rounded_down}
    promises = (
        ("int64 tensors, N x H x W, holding 0 and 1", "the masks have 280 x 300 pixels",
         lambda p, t, m=0.65: torch.where((j := ((p & t).sum((1, 2)).short() / (p | t).sum((1, 2)))) < m, 0, j).nanmean()),
        ("int64 tensors, N x H x W", "there is a batch of one", lambda p, t, m=0.65: answer(p, t, m).reshape(1)),
        ("a number in 0 … 1", "the threshold is 0", lambda p, t, m=0.65: answer(p, t, m or 0.65)),
        ("a number in 0 … 1", "the threshold is 1", lambda p, t, m=0.65: answer(p, t, min(m, 0.65))),
        ("0.65 by default", "the indices are 0.75 and 0.25", lambda p, t, m=0.8: answer(p, t, m)),
        ("of the foreground (1) of each image", "one prediction is too large and one too small",
         lambda p, t, m=0.65: answer(1 - p, 1 - t, m)),
        ("*below* the threshold it becomes 0", "both indices are below the threshold",
         lambda p, t, m=0.65: jaccard_of(p, t).nanmean()),
        ("at the threshold or above it stays what it is", "one index equals the threshold",
         lambda p, t, m=0.65: torch.where((j := jaccard_of(p, t)) <= m, 0, j).nanmean()),
        ("above it stays what it is", "both indices are above the threshold",
         lambda p, t, m=0.65: (jaccard_of(p, t) >= m).double().mean()),
        ("has no index and is left out of the mean", "both masks of the second image are empty",
         lambda p, t, m=0.65: torch.where((j := jaccard_of(p, t).nan_to_num(1)) < m, 0, j).mean()),
        ("Only one of them empty: its index is 0", "only the second target is empty",
         lambda p, t, m=0.65: answer(p[t.any(-1).any(-1)], t[t.any(-1).any(-1)], m)),
        ("Only one of them empty: its index is 0", "only the second prediction is empty",
         lambda p, t, m=0.65: answer(p[p.any(-1).any(-1)], t[p.any(-1).any(-1)], m)),
        ("Only one of them empty: its index is 0", "some masks are empty and the threshold is 0",
         lambda p, t, m=0.65: jaccard_of(p, t)[jaccard_of(p, t) > 0].mean()),
        ("returns a scalar tensor, the mean over the images", "batches", lambda *a: answer(*a).item(),
         lambda *a: jaccard_of(*a[:2])),
        ("int64 tensors", "batches", nothing_changes(answer)),
    )  # fmt: skip
    equal = {
        r"target & prediction|target \| prediction": "these operations commute",
        r"^prediction, target = .*  ->  ": "masks of 0 and 1 of any type combine and sum alike",
        r"^\s*->  (prediction|target) = \w+\.\w+\(\)$": "masks of 0 and 1 mean the same in every type",
        r"->  both = .*sum\(dim=\(1, 2\)\)(\.int\(\)|\.long\(\)|\.float\(\))?$": "the quotient is float32, which is enough",
        r"dim=\(1, -?2\)|dim=\(-1": "of three axes, -1 and 2 are the same",
        r"nanmean\(\)\.detach": "nothing here is differentiated",
    }
    said = ((lambda p, t, m=0.65: answer(p, t, m).item(), "returns a float"),)
