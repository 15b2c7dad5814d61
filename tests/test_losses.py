"""Losses: values by hand, properties, and comparisons with wrong implementations."""

import inspect
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from segcourse.errors import DataError
from segcourse.losses import (
    balanced_weights,
    combined_loss,
    cross_entropy,
    focal_loss,
    jaccard_loss,
    loss_by_name,
    probability_and_truth,
    soft_dice_loss,
    tversky_loss,
)

LOSSES = [cross_entropy, soft_dice_loss, focal_loss, tversky_loss, jaccard_loss, combined_loss]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)


def logits_of(*probability_of_1):
    """Logits 1×2×1×W of two classes in which class 1 has these probabilities."""
    p = torch.tensor(probability_of_1, dtype=torch.float64)
    return torch.stack([1 - p, p]).log().clamp(min=-1e4).view(1, 2, 1, -1)


def target_of(*ids):
    return torch.tensor(ids).view(1, 1, -1)


def gradient(loss, logits, target, **options):
    logits = logits.clone().requires_grad_()
    loss(logits, target, **options).backward()
    return logits.grad


@st.composite
def batches(draw, num_classes=3):
    torch.manual_seed(draw(st.integers(0, 10_000)))
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    target = torch.randint(0, num_classes, shape)
    target[torch.rand(shape) < 0.2] = 255
    return torch.randn(shape[0], num_classes, *shape[1:], dtype=torch.float64) * 3, target


@pytest.mark.parametrize(("loss", "logits", "target", "wanted"), [
    (cross_entropy, logits_of(0.5), target_of(1), math.log(2)),
    (cross_entropy, logits_of(0.25, 0.5), target_of(1, 0), (math.log(4) + math.log(2)) / 2),
    (soft_dice_loss, logits_of(0.5, 0.5), target_of(0, 1), 0.5),
    (soft_dice_loss, logits_of(0, 0, 0, 0), target_of(0, 0, 0, 1), 1 - (6 / 7 + 0) / 2),  # missed
    (soft_dice_loss, logits_of(0, 0, 0, 1), target_of(0, 0, 0, 1), 0),
    (soft_dice_loss, logits_of(0, 0, 0.5, 0.5), target_of(0, 0, 0, 0), 1 - 6 / 7),  # empty mask
    (focal_loss, logits_of(0.5), target_of(1), 0.25 * math.log(2)),
    (focal_loss, logits_of(0.9), target_of(1), -0.01 * math.log(0.9)),
    (tversky_loss, logits_of(0, 0, 0, 0), target_of(0, 0, 0, 1), 1 - (3 / 3.3 + 0) / 2),
    (tversky_loss, logits_of(1, 0.5, 0, 0), target_of(1, 1, 0, 0), 1 - (1.5 / (1.5 + 0.35) + 2 / 2.15) / 2),
    (jaccard_loss, logits_of(0.5, 0.5), target_of(0, 1), 1 - 0.5 / 1.5),
    (jaccard_loss, logits_of(0, 0, 0, 0), target_of(0, 0, 0, 1), 1 - (3 / 4 + 0) / 2),  # missed
    (jaccard_loss, logits_of(0, 0, 0.5, 0.5), target_of(0, 0, 0, 0), 1 - 3 / 4),  # empty mask
    (combined_loss, logits_of(0.5, 0.5), target_of(0, 1), math.log(2) + 0.5),
])  # fmt: skip
def test_losses_by_hand(loss, logits, target, wanted):
    assert loss(logits, target).item() == pytest.approx(wanted, abs=1e-12)


@every_loss
def test_a_perfect_prediction_costs_nothing_and_a_worse_one_more(loss):
    target = target_of(0, 1, 1, 0)
    truth = F.one_hot(target, 2).movedim(-1, 1).double()
    right, unsure, wrong = (loss(scale * truth, target) for scale in (20, 0, -20))
    assert right.item() == pytest.approx(0, abs=1e-6)
    assert right < unsure < wrong


@every_loss
@given(batch=batches())
@settings(max_examples=25)
def test_ignored_pixels_change_neither_loss_nor_gradient(loss, batch):
    logits, target = batch
    other = logits.where((target != 255).unsqueeze(1), 1e4)
    assert loss(other, target).item() == pytest.approx(loss(logits, target).item(), abs=1e-12)
    grad = gradient(loss, other, target)
    assert torch.allclose(grad, gradient(loss, logits, target))
    assert not grad.movedim(1, -1)[target == 255].any()


def test_dice_that_ignores_only_target_pixels_penalises_unlabelled_pixels():
    logits, target = logits_of(1, 1, 1, 0), target_of(1, 255, 255, 0)
    truth = F.one_hot(target.where(target != 255, 0), 2).movedim(-1, 1) * (target != 255).unsqueeze(1)
    p = logits.softmax(1)  # not masked: the wrong way
    wrong = 1 - (2 * (p * truth).sum((0, 2, 3)) / (p + truth).sum((0, 2, 3))).mean()
    assert wrong.item() == pytest.approx(1 - (2 / 4 + 1) / 2)
    assert soft_dice_loss(logits, target).item() == pytest.approx(0)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_an_all_ignored_batch_is_0_with_a_gradient_of_zeros(loss, dtype):
    logits, target = torch.randn(2, 3, 2, 2).to(dtype), torch.full((2, 2, 2), 255)
    assert F.cross_entropy(logits.float(), target, ignore_index=255).isnan()  # the usual mean is 0/0
    assert loss(logits, target).item() == 0
    assert torch.equal(gradient(loss, logits, target), torch.zeros_like(logits))


def test_weighted_cross_entropy_of_an_all_ignored_batch_is_0_too():
    logits, target = torch.randn(1, 2, 2, 2), torch.full((1, 2, 2), 255)
    assert torch.equal(gradient(cross_entropy, logits, target, weight=[0.1, 1]), torch.zeros_like(logits))


def test_an_empty_mask_still_teaches_through_the_background():
    logits, target = logits_of(0.3, 0.2, 0.1, 0.4), target_of(0, 0, 0, 0)

    def foreground_only(logits, target):  # 2·0 / (Σ p + 0): always 0, whatever is predicted
        p, t = logits.softmax(1)[:, 1], (target == 1).double()
        return 1 - 2 * (p * t).sum() / (p.sum() + t.sum())

    assert not gradient(foreground_only, logits, target).any()
    grad = gradient(soft_dice_loss, logits, target)
    assert (grad[:, 1] > 0).all()  # a step against it lowers class 1 at every pixel
    assert (grad[:, 0] < 0).all()
    assert (gradient(tversky_loss, logits, target)[:, 1] > 0).all()


def test_a_class_that_does_not_occur_is_left_out_and_not_counted_as_0_or_1():
    target = target_of(0, 1)
    two = torch.tensor([[2.0, -1], [0, 1]]).view(1, 2, 1, 2)
    three = torch.cat([two, torch.full((1, 1, 1, 2), -1e4)], dim=1)  # a third class that is never predicted
    assert soft_dice_loss(three, target).item() == pytest.approx(soft_dice_loss(two, target).item())
    p, t = probability_and_truth(three, target, 255)
    dice = 2 * (p * t).sum((0, 2, 3)) / (p + t).sum((0, 2, 3)).clamp(min=1)
    assert (
        abs((1 - dice.mean()) - soft_dice_loss(three, target)) > 0.1
    )  # the plain mean counts it as a failure


def test_summing_dice_over_the_classes_too_is_blind_to_a_small_class():
    target = torch.zeros(1, 10, 10, dtype=torch.int64)
    target[0, 0, 0] = 1
    nothing_found = torch.tensor([20.0, -20]).view(1, 2, 1, 1).expand(1, 2, 10, 10)
    p, t = probability_and_truth(nothing_found, target, 255)
    wrong = 1 - 2 * (p * t).sum() / (p.sum() + t.sum())
    assert wrong.item() == pytest.approx(0.01)
    assert wrong.item() == pytest.approx(1 - p.gather(1, target.unsqueeze(1)).mean().item())  # pixel accuracy
    assert soft_dice_loss(nothing_found, target).item() == pytest.approx(1 - (198 / 199 + 0) / 2)


def test_dice_sums_over_the_batch_and_not_image_by_image():
    logits, target = logits_of(0.5, 0.5).view(2, 2, 1, 1).flip(1), torch.tensor([1, 0]).view(2, 1, 1)
    each = torch.stack([soft_dice_loss(logits[i : i + 1], target[i : i + 1]) for i in range(2)]).mean()
    assert soft_dice_loss(logits, target).item() == pytest.approx(0.5)
    assert each.item() == pytest.approx(1 / 3)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_summed_in_float32(loss, dtype):
    logits = torch.zeros(1, 2, 512, 512, dtype=dtype)  # 262,144 pixels
    target = torch.zeros(1, 512, 512, dtype=torch.int64)
    target[:, :256] = 1
    value = loss(logits, target)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(logits.double(), target).item(), rel=1e-5)


def test_sums_in_half_precision_are_inf_or_stall():
    p = torch.full((512, 512), 0.5)
    assert p.half().sum().isinf()  # 131,072 > 65,504
    total = torch.zeros((), dtype=torch.bfloat16)
    for _ in range(300):
        total += 1
    assert total == 256


@every_loss
def test_autocast_does_not_narrow_the_sums(loss):
    logits, target = torch.randn(2, 3, 16, 16), torch.randint(0, 3, (2, 16, 16))
    with torch.autocast("cpu", torch.bfloat16):
        inside = loss(logits, target)
    assert inside.dtype == torch.float32
    assert inside.item() == pytest.approx(loss(logits, target).item(), rel=1e-6)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_extreme_logits_stay_finite(loss, dtype):
    logits = torch.tensor([[1e4, -1e4], [-1e4, 1e4]]).view(1, 2, 1, 2).to(dtype)
    for target in (target_of(0, 1), target_of(1, 0), target_of(0, 0), target_of(255, 1)):
        assert loss(logits, target).isfinite()
        assert gradient(loss, logits, target).isfinite().all()
    with pytest.raises(AssertionError):  # log(softmax) is the wrong way: log 0
        assert logits.float().softmax(1).log().isfinite().all()


@given(batch=batches())
@settings(max_examples=25)
def test_cross_entropy_is_pytorchs_where_a_pixel_is_labelled(batch):
    logits, target = batch
    weight = [0.2, 1.0, 3.0]
    if (target != 255).any():
        wanted = F.cross_entropy(logits, target, ignore_index=255)
        weighted = F.cross_entropy(logits, target, torch.tensor(weight).double(), ignore_index=255)
        assert cross_entropy(logits, target).item() == pytest.approx(wanted.item())
        assert cross_entropy(logits, target, weight=weight).item() == pytest.approx(weighted.item())


def test_means_of_micro_batches_are_not_the_mean_of_the_batch():
    logits, target = logits_of(0.5, 0.1, 0.9, 0.9), target_of(1, 255, 0, 0)
    halves = [(logits[..., :2], target[..., :2]), (logits[..., 2:], target[..., 2:])]
    wrong = sum(cross_entropy(*half) for half in halves) / 2
    right = sum(cross_entropy(x, t) * (t != 255).sum() for x, t in halves) / (target != 255).sum()
    whole = cross_entropy(logits, target)
    assert right.item() == pytest.approx(whole.item())
    assert abs(wrong - whole) > 0.2


@given(batch=batches(), alpha=st.floats(0.05, 0.95))
@settings(max_examples=25)
def test_losses_that_are_special_cases_of_each_other(batch, alpha):
    logits, target = batch
    assert focal_loss(logits, target, gamma=0).item() == pytest.approx(cross_entropy(logits, target).item())
    tversky = tversky_loss(logits, target, alpha=0.5, beta=0.5)
    assert tversky.item() == pytest.approx(soft_dice_loss(logits, target).item())
    twice = combined_loss(logits, target, dice_weight=2) - combined_loss(logits, target, dice_weight=0)
    assert twice.item() == pytest.approx(2 * soft_dice_loss(logits, target).item())
    weighted = focal_loss(logits, target, alpha=[alpha] * 3)
    assert weighted.item() == pytest.approx(alpha * focal_loss(logits, target).item())


def test_focal_alpha_weighs_class_1_against_class_0():
    logits = logits_of(0.5, 0.5)
    part = 0.25 * math.log(2)
    assert focal_loss(logits, target_of(1, 1), alpha=0.25).item() == pytest.approx(0.25 * part)
    assert focal_loss(logits, target_of(0, 255), alpha=0.25).item() == pytest.approx(0.75 * part)
    with pytest.raises(DataError, match="alpha gives 2 weights for 3 classes"):
        focal_loss(torch.zeros(1, 3, 1, 2), target_of(0, 1), alpha=0.25)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_loss_has_a_finite_gradient_at_certainty(gamma):
    grad = gradient(focal_loss, torch.tensor([200.0, -200]).view(1, 2, 1, 1), target_of(0), gamma=gamma)
    assert grad.isfinite().all()


def test_jaccard_counts_a_small_lesion_like_a_large_one():
    """In a batch, the soft Dice of a missed small lesion disappears behind a large one that was found."""
    found, missed = logits_of(*[1] * 90, *[0] * 10), logits_of(*[0] * 100)
    logits = torch.cat([found, missed])
    target = torch.cat([target_of(*[1] * 90, *[0] * 10), target_of(*[1] * 2, *[0] * 98)])
    assert jaccard_loss(logits, target).item() == pytest.approx(0.5 * jaccard_loss(missed, target[1:]).item())
    assert jaccard_loss(logits, target) > 0.25
    assert soft_dice_loss(logits, target) < 0.02


def test_tversky_alpha_is_for_false_alarms_and_beta_for_misses():
    missed, false_alarm = logits_of(0, 0, 0, 0), logits_of(1, 1, 0, 0)
    target = target_of(1, 0, 0, 0)
    assert tversky_loss(false_alarm, target, alpha=0.9, beta=0.1) > tversky_loss(
        false_alarm, target, 0.1, 0.9
    )
    assert tversky_loss(logits_of(1, 0, 0, 0), target_of(1, 1, 0, 0), 0.1, 0.9) > 0
    assert tversky_loss(missed, target) > tversky_loss(false_alarm, target)


@every_loss
def test_gradients_are_those_of_finite_differences(loss):
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[[0, 1], [255, 2]], [[1, 1], [0, 255]]])
    assert torch.autograd.gradcheck(lambda x: loss(x, target), logits)


@every_loss
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int16])
def test_narrow_targets_count_as_int64(loss, dtype):
    logits, target = torch.randn(1, 3, 2, 2), torch.tensor([[[0, 1], [2, 1]]])
    assert loss(logits, target.to(dtype)) == loss(logits, target)


@every_loss
@pytest.mark.parametrize(("logits", "target", "says"), [
    (torch.zeros(1, 2, 2, 2), torch.zeros(1, 1, 2, 2).long(), "without a channel axis"),
    (torch.zeros(1, 2, 2, 2), torch.zeros(1, 3, 3).long(), "do not match"),
    (torch.zeros(2, 2, 2), torch.zeros(2, 2).long(), "N×C×H×W"),
    (torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2), r"Use target\.long\(\)"),
    (torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 2]]]), r"holds \[2\]; with 2 channels"),
    (torch.zeros(1, 2, 1, 2), torch.tensor([[[0, -1]]]), r"holds \[-1\]"),
])  # fmt: skip
def test_wrong_inputs_are_explained(loss, logits, target, says):
    with pytest.raises(DataError, match=says):
        loss(logits, target)


def test_every_function_takes_ignore_index_255_by_default():
    for loss in LOSSES:
        assert inspect.signature(loss).parameters["ignore_index"].default == 255


def test_a_sum_of_losses_by_name_is_the_sum():
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 5, 5), torch.randint(0, 3, (2, 5, 5))
    assert loss_by_name("ce+dice")(logits, target).item() == combined_loss(logits, target).item()
    weights = [1.0, 2.0, 0.5]
    wanted = cross_entropy(logits, target, weight=weights) + tversky_loss(logits, target)
    assert loss_by_name("ce+tversky", weights)(logits, target).item() == pytest.approx(wanted.item())
    wanted = focal_loss(logits, target, alpha=weights)
    assert loss_by_name("focal", weights)(logits, target).item() == pytest.approx(wanted.item())


def test_a_loss_by_an_unknown_name_or_with_useless_weights():
    with pytest.raises(DataError, match="no loss 'lovasz'; use ce, dice, focal, tversky, jaccard"):
        loss_by_name("ce+lovasz")
    with pytest.raises(DataError, match="dice takes no class weights"):
        loss_by_name("dice", [1, 2])


def test_balanced_weights_make_every_class_count_the_same_and_stay_bounded():
    counts = [600, 300, 100]
    products = [n * w for n, w in zip(counts, balanced_weights(counts), strict=True)]
    assert products == pytest.approx([1000 / 3] * 3, rel=1e-3)
    assert balanced_weights([10**6, 1]) == [0.5, 10.0]
