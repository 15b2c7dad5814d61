"""Lesson 5's exercises: right answers in many styles pass, wrong ones fail by their own sentence, nothing
else scores."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from segcourse import exercises
from segcourse.exercises.engine import agree, draw, observe_all
from segcourse.exercises.observations import decode

torch.set_num_threads(1)
NAMES = exercises.names("05_losses_metrics")
SEEDS = (None, 1, 20_26)


# Right answers, spelled as people spell them


def matrix_loop(pred, gt, n, ignore):
    counts = [[0] * n for _ in range(n)]
    for p, t in zip(pred.flatten().tolist(), gt.flatten().tolist(), strict=True):
        if t != ignore:
            counts[t][p] += 1
    return counts


def matrix_numpy(prediction, target, num_classes, ignore_index):
    prediction, target = np.asarray(prediction), np.asarray(target)
    matrix = np.zeros((num_classes, num_classes), dtype=np.int32)
    keep = target != ignore_index
    np.add.at(matrix, (target[keep], prediction[keep]), 1)
    return matrix


def matrix_einsum(prediction, target, num_classes, ignore_index):
    classes = torch.arange(num_classes)
    t = (target.reshape(-1, 1) == classes) & (target.reshape(-1, 1) != ignore_index)
    p = prediction.reshape(-1, 1) == classes
    return torch.einsum("nt,np->tp", t.float(), p.float())


def iou_loop(m):
    m, scores = m.tolist(), []
    for k in range(len(m)):
        union = sum(m[k]) + sum(row[k] for row in m) - m[k][k]
        scores.append(m[k][k] / union if union else math.nan)
    return scores


def iou_numpy(matrix):
    matrix = np.asarray(matrix)
    tp = np.diag(matrix)
    with np.errstate(all="ignore"):
        return (tp / (matrix.sum(0) + matrix.sum(1) - tp)).astype(np.float32)


def iou_parts(confusion):
    hit = torch.diag(confusion)
    false_alarm, miss = confusion.sum(0) - hit, confusion.sum(1) - hit
    return (hit / (hit + false_alarm + miss)).float()


def mean_loop(m):
    scores = [score for score in iou_loop(m) if not math.isnan(score)]
    return sum(scores) / len(scores)


def mean_numpy(matrix):
    return np.nanmean(iou_numpy(matrix))


def mean_mask(matrix):
    iou = matrix.diag() / (matrix.sum(0) + matrix.sum(1) - matrix.diag())
    return iou[~torch.isnan(iou)].mean()


def dice_loop(a, b):
    if a.ndim > 2:
        return [dice_loop(x, y) for x, y in zip(a, b, strict=True)]
    pairs = list(zip(a.flatten().tolist(), b.flatten().tolist(), strict=True))
    both, total = sum(x and y for x, y in pairs), sum(int(x) + int(y) for x, y in pairs)
    return 2 * both / total if total else float("nan")


def dice_numpy(prediction, target):
    p, t = np.asarray(prediction).astype(bool), np.asarray(target).astype(bool)
    with np.errstate(all="ignore"):
        return 2 * (p & t).sum((-2, -1)) / (p.sum((-2, -1)) + t.sum((-2, -1)))


def dice_einsum(prediction, target):
    p, t = prediction.float(), target.float()
    return 2 * torch.einsum("...hw,...hw->...", p, t) / (p.sum((-1, -2)) + t.sum((-1, -2)))


def dice_counts(guess, truth):
    guess, truth = guess.flatten(-2).bool(), truth.flatten(-2).bool()
    tp, fp, fn = ((x).sum(-1) for x in (guess & truth, guess & ~truth, ~guess & truth))
    return torch.where(tp + fp + fn > 0, 2 * tp / (2 * tp + fp + fn), torch.nan)


def soft_dice_one_hot(logits, target):
    p = torch.softmax(logits, dim=1)
    t = F.one_hot(target, logits.shape[1]).permute(0, 3, 1, 2)
    dice = 2 * (p * t).sum((0, 2, 3)) / (p.sum((0, 2, 3)) + t.sum((0, 2, 3)))
    return 1 - dice[t.sum((0, 2, 3)) > 0].mean()


def soft_dice_loop(scores, labels):
    probability, losses = scores.double().softmax(1), []
    for k in labels.unique():
        p, t = probability[:, k], labels == k
        losses.append(1 - 2 * p[t].sum() / (p.sum() + t.sum()))
    return sum(losses) / len(losses)


def soft_dice_einsum(logits, target):
    p = logits.exp() / logits.exp().sum(1, keepdim=True) if logits.abs().max() < 50 else logits.softmax(1)
    t = torch.zeros_like(p).scatter_(1, target[:, None], 1.0)
    dice = 2 * torch.einsum("nchw,nchw->c", p, t) / (torch.einsum("nchw->c", p) + torch.einsum("nchw->c", t))
    present = torch.einsum("nchw->c", t) > 0
    return ((1 - dice) * present).sum() / present.sum()


def entropy_torch(logits, target, ignore_index):
    if (target == ignore_index).all():
        return logits.sum() * 0
    return F.cross_entropy(logits, target, ignore_index=ignore_index)


def entropy_gather(x, y, ignore):
    keep = y != ignore
    picked = torch.log_softmax(x, 1).gather(1, torch.where(keep, y, 0)[:, None])[:, 0]
    return -(picked * keep).sum() / max(int(keep.sum()), 1)


def entropy_loop(logits, target, ignore_index):
    losses = []
    for n, i, j in itertools.product(*map(range, target.shape)):
        if target[n, i, j] != ignore_index:
            scores = logits[n, :, i, j]
            losses.append(torch.logsumexp(scores, 0) - scores[target[n, i, j]])
    return torch.stack(losses).mean() if losses else torch.tensor(0.0)


def entropy_nll(logits, target, ignore_index):
    log_p = logits.double() - logits.double().logsumexp(1, keepdim=True)
    kept = target != ignore_index
    return F.nll_loss(log_p.movedim(1, -1)[kept], target[kept], reduction="sum") / kept.sum().clamp(min=1)


def focal_torch(logits, target, gamma=2.0):
    ce = F.cross_entropy(logits, target, reduction="none")
    return ((1 - torch.exp(-ce)) ** gamma * ce).mean()


def focal_gather(z, y, g=2.0):
    log_p = F.log_softmax(z, 1).gather(1, y.unsqueeze(1))
    return -((1 - log_p.exp()).pow(g) * log_p).sum() / y.numel()


def focal_loop(logits, target, gamma=2.0):
    pixels = []
    for n, i, j in itertools.product(*map(range, target.shape)):
        log_p = logits[n, :, i, j].log_softmax(0)[target[n, i, j]]
        pixels.append(-((1 - log_p.exp()) ** gamma) * log_p)
    return sum(pixels) / len(pixels)


def focal_one_hot(logits, target, gamma=2.0):
    log_p = logits.double().log_softmax(1)
    truth = F.one_hot(target, logits.shape[1]).movedim(-1, 1)
    return -(truth * (1 - log_p.exp()) ** gamma * log_p).sum(1).mean()


def cut_loop(prediction, target, threshold=0.65):
    scores = []
    for p, t in zip(prediction.bool(), target.bool(), strict=True):
        union = (p | t).sum().item()
        if union:
            jaccard = (p & t).sum().item() / union
            scores.append(jaccard if jaccard >= threshold else 0)
    return sum(scores) / len(scores)


def cut_numpy(a, b, minimum=0.65):
    a, b = np.asarray(a).astype(bool), np.asarray(b).astype(bool)
    with np.errstate(all="ignore"):
        jaccard = (a & b).sum((1, 2)) / (a | b).sum((1, 2))
    jaccard[jaccard < minimum] = 0
    return np.nanmean(jaccard)


def cut_float32(prediction, target, threshold=0.65):
    p, t = prediction.flatten(1).float(), target.flatten(1).float()
    inter = torch.einsum("np,np->n", p, t)
    jaccard = inter / (p.sum(1) + t.sum(1) - inter)
    jaccard = jaccard[~jaccard.isnan()]
    return torch.where(jaccard < threshold, torch.zeros(()), jaccard).mean()


RIGHT = {
    "confusion_matrix": (matrix_loop, matrix_numpy, matrix_einsum),
    "iou_per_class": (iou_loop, iou_numpy, iou_parts),
    "mean_iou": (mean_loop, mean_numpy, mean_mask),
    "dice_score": (dice_loop, dice_numpy, dice_einsum, dice_counts),
    "soft_dice_loss": (soft_dice_one_hot, soft_dice_loop, soft_dice_einsum),
    "cross_entropy": (entropy_torch, entropy_gather, entropy_loop, entropy_nll),
    "focal_loss": (focal_torch, focal_gather, focal_loop, focal_one_hot),
    "threshold_jaccard": (cut_loop, cut_numpy, cut_float32),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "right"), [(name, right) for name in RIGHT for right in RIGHT[name]])
def test_right_answers_in_other_styles_get_full_points(name, right, seed):
    verdict = exercises.assess(name, right, seed)
    assert verdict.passed, verdict
    assert verdict.points == exercises.get(name).points


def test_every_exercise_has_right_answers_and_misconceptions_enough():
    assert list(RIGHT) == NAMES
    assert all(len(RIGHT[name]) >= 3 and len(exercises.get(name).misconceptions) >= 6 for name in NAMES)


def test_points_are_those_that_the_lesson_announces():
    points = {name: exercises.get(name).points for name in NAMES}
    assert list(points.values()) == [4, 2, 2, 3, 4, 3, 3, 3]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", NAMES)
def test_each_misconception_fails_by_its_own_sentence(name, seed):
    for m in exercises.get(name).misconceptions:
        verdict = exercises.assess(name, m.wrong, seed, own=False)
        assert not verdict.passed, m.says
        assert verdict.points < verdict.max_points
        assert verdict.diagnosis == m.says
        assert not verdict.partly
        assert verdict.smallest.expected != verdict.smallest.got


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", NAMES)
def test_a_case_separates_every_pair_of_misconceptions(name, seed):
    exercise = exercises.get(name)
    cases = draw(exercise, seed)
    signatures = [
        [decode(record) for record in observe_all(exercise, m.wrong, cases)] for m in exercise.misconceptions
    ]
    for (i, one), (j, two) in itertools.combinations(enumerate(signatures), 2):
        alike = [agree(a, b, case.tolerance) for a, b, case in zip(one, two, cases, strict=True)]
        both = exercise.misconceptions[i].says, exercise.misconceptions[j].says
        assert not all(alike), both


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", NAMES)
def test_the_answer_never_stops_with_an_error_on_a_drawn_case(name, seed):
    exercise = exercises.get(name)
    for record in observe_all(exercise, exercise.answer, draw(exercise, seed)):
        assert not {"error", "changed"} & record.keys()


CONSTANTS = {
    "0": 0.0,
    "1": 1.0,
    "a half": 0.5,
    "NaN": math.nan,
    "infinity": math.inf,
    "None": None,
    "text": "0.5",
}


@pytest.mark.parametrize("constant", CONSTANTS.values(), ids=CONSTANTS)
@pytest.mark.parametrize("name", NAMES)
def test_a_constant_gets_no_point(name, constant):
    assert exercises.assess(name, lambda *inputs: constant).points == 0


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("name", NAMES)
def test_handing_an_input_back_gets_no_point(name, which):
    assert exercises.assess(name, lambda *inputs: inputs[min(which, len(inputs) - 1)]).points == 0


@pytest.mark.parametrize("name", NAMES)
def test_answers_learned_by_heart_get_no_point_on_other_cases(name):
    """The practice cases' results, replayed in order, are worthless when the grader draws its own."""
    exercise = exercises.get(name)
    results = itertools.cycle([exercise.answer(*case.inputs.values()) for case in draw(exercise)])
    assert exercises.assess(name, lambda *inputs: next(results), seed=None).points > 0
    fresh = itertools.cycle([exercise.answer(*case.inputs.values()) for case in draw(exercise)])
    assert exercises.assess(name, lambda *inputs: next(fresh), seed=4711).points == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_group_has_a_case_drawn_afresh(name):
    exercise = exercises.get(name)
    for group in exercise.groups:
        one, two = ([c for c in draw(exercise, seed) if c.group == group] for seed in (1, 2))
        assert any(
            not torch.equal(torch.as_tensor(a), torch.as_tensor(b))
            for x, y in zip(one, two, strict=True)
            for a, b in zip(x.inputs.values(), y.inputs.values(), strict=True)
            if torch.as_tensor(a).shape == torch.as_tensor(b).shape
        ), group


def half_batch_summed(prediction, target):
    p, t = prediction.bool(), target.bool()
    return (p & t).sum() / (p.sum() + t.sum())


def test_two_mistakes_at_once_name_the_larger_and_show_what_is_left():
    verdict = exercises.assess("dice_score", half_batch_summed)
    assert verdict.partly
    assert verdict.diagnosis.startswith("part of it: the factor 2 is missing")
    assert "batch" in verdict.smallest.given  # the case that the factor does not explain


def test_an_unknown_mistake_is_not_given_a_known_name():
    verdict = exercises.assess("dice_score", lambda p, t: dice_numpy(p, t) ** 0.5)
    assert verdict.diagnosis is None
    assert verdict.points == 0
    assert verdict.smallest.expected == "0.667"


def test_the_sample_of_the_lesson():
    """Summed over the classes: on a rare class 1/4 instead of 4/7, the two numbers worked out in the
    lesson."""
    exercise = exercises.get("soft_dice_loss")
    case = next(case for case in draw(exercise) if case.group == "rare and absent classes")
    summed = exercise.misconceptions[0].wrong
    assert exercise.answer(*case.inputs.values()).item() == pytest.approx(4 / 7, abs=1e-6)
    assert summed(*case.inputs.values()).item() == pytest.approx(1 / 4, abs=1e-6)


def test_a_loss_without_gradient_loses_the_gradients_only():
    verdict = exercises.assess("soft_dice_loss", lambda x, t: soft_dice_one_hot(x, t).item())
    assert [g.name for g in verdict.groups if not g.passed] == ["gradients"]
    assert "no gradient" in verdict.diagnosis
    assert "gradient None" in verdict.smallest.got
