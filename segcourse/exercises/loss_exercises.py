"""Lesson 5: exercises on losses; judged by their values, and by the gradients that training would see."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from segcourse import losses
from segcourse.exercises.engine import Case, Exercise, Misconception, misconception
from segcourse.exercises.matrix_exercises import LESSON, ids, random_ids
from segcourse.exercises.observations import describe, plain


def value_and_gradient(loss: Callable, case: Case) -> dict[str, Any]:
    """Observe a loss as training does: its value, and its gradient with respect to the logits."""
    logits, *others = case.inputs.values()
    logits = logits.clone().requires_grad_()
    value = loss(logits, *others)
    if isinstance(value, Tensor) and value.requires_grad:
        value.sum().backward()
    return {"value": value, "gradient": logits.grad}


def two_classes(*probabilities: list) -> Tensor:
    """Logits N x 2 x H x W of a batch, from the probability of class 1 in each pixel."""
    p = torch.tensor(probabilities)
    return torch.stack([torch.log1p(-p), torch.log(p)], dim=1)


def told(logits: Tensor, target: Tensor, **others: Any) -> str:
    """A small case in the numbers that a person thinks in: probabilities, not logits."""
    if logits.numel() > 16:
        return ""
    probability = logits.softmax(dim=1)
    two = logits.shape[1] == 2
    shown = {"probability of class 1" if two else "probabilities": probability[:, 1] if two else probability}
    inputs = {"target": target} | shown | others
    return ", ".join(f"{name} = {describe(plain(value))}" for name, value in inputs.items())


def random_logits(rng: Generator, *shape: int, scale: float = 2.0) -> Tensor:
    return torch.from_numpy(rng.normal(0, scale, shape)).float()


def gradient_cases(rng: Generator, group: str, **others: Any) -> Iterator[Case]:
    """What a loss meets in training: gradients, very sure and very wrong pixels, bfloat16."""
    # bfloat16 keeps 8 bits; a right answer that never widens it was off by over 3 % in 1 of 40 drawings
    for note, dtype, tolerance in (("", None, 1e-4), ("bfloat16 logits", torch.bfloat16, 0.1)):
        inputs = {"logits": random_logits(rng, 2, 3, 3, 3), "target": random_ids(rng, 3, 2, 3, 3)}
        inputs["logits"] = inputs["logits"].to(dtype)
        yield Case(group, inputs | others, note, value_and_gradient, tolerance)
    logits, target = random_logits(rng, 1, 2, 2, 2), ids([[[0, 0], [0, 1]]])
    logits[:, :, 1, 1] = torch.tensor([200.0, 0.0])
    yield Case(
        group,
        {"logits": logits, "target": target} | others,
        "the last pixel is very wrong",
        value_and_gradient,
    )


NO_GRADIENT = (
    "your loss has no gradient: somewhere it became a plain number (.item(), float(), .detach(), NumPy), so "
    "that training would change nothing. Stay with tensors up to the return."
)


def detached(answer: Callable) -> Misconception:
    """The right numbers, cut off from the graph."""

    def no_gradient(logits, target, *others):
        return answer(logits, target, *others).detach()

    return Misconception(NO_GRADIENT, no_gradient)


def one_hot(target: Tensor, like: Tensor) -> Tensor:
    return F.one_hot(target, like.shape[1]).movedim(-1, 1).to(like.dtype)  # N, C, H, W


def soft_dice_cases(rng: Generator) -> Iterator[Case]:
    def case(group, logits, target, note=""):
        return Case(group, {"logits": logits, "target": target}, note, given=told(logits, target))

    balanced, rare, batches, gradients = SOFT_DICE_GROUPS
    yield case(balanced, two_classes([[0.1, 0.4], [0.6, 0.9]]), ids([[[0, 0], [1, 1]]]))
    sure = torch.zeros(1, 2, 2, 2)
    sure[:, 0] = 120  # the softmax of class 1 is then 0 in float32
    yield case(rare, sure, ids([[[0, 0], [0, 1]]]), "probability of class 1 is 0 everywhere")
    three = torch.tensor([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.5, 0.1, 0.4], [0.2, 0.7, 0.1]]).log()
    yield case(rare, three.T.reshape(1, 3, 2, 2), ids([[[0, 0], [0, 1]]]), "class 2 does not occur")
    pair = two_classes([[0.2, 0.7], [0.6, 0.9]], [[0.2, 0.1], [0.1, 0.4]])
    yield case(batches, pair, ids([[[0, 1], [1, 1]], [[0, 0], [0, 1]]]), "a batch of two")
    half, truth = random_logits(rng, 1, 2, 2, 4), ids([[[0, 1, 0, 1], [1, 0, 1, 0]]])
    mirrored = torch.cat([half, half.flip(1)], dim=2), torch.cat([truth, 1 - truth], dim=1)
    yield case(balanced, *mirrored, "as many pixels of either class, in truth and prediction")
    yield case(rare, random_logits(rng, 1, 4, 5, 5), random_ids(rng, 3, 1, 5, 5), "class 3 does not occur")
    target = random_ids(rng, 3, 3, 4, 4)
    target[1] = 0
    yield case(batches, random_logits(rng, 3, 3, 4, 4), target, "a batch of three")
    yield from gradient_cases(rng, gradients)


SOFT_DICE_GROUPS = {"two classes, balanced": 1, "rare and absent classes": 1, "batches": 1, "gradients": 1}


def _sums(logits, target):
    """Overlap, probability and truth of each class, summed over the batch; and which classes occur."""
    probability = logits.float().softmax(dim=1)
    truth = one_hot(target, probability)
    overlap, predicted, true = (x.sum(dim=(0, 2, 3)) for x in (probability * truth, probability, truth))
    return overlap, predicted, true, true > 0


def _dice_of(probability, target):
    truth = one_hot(target, probability)
    overlap, predicted, true = (x.sum(dim=(0, 2, 3)) for x in (probability * truth, probability, truth))
    return (1 - 2 * overlap / (predicted + true))[true > 0].mean()


@misconception(
    "you summed over the classes as well, so the loss equals one minus the mean probability of the right "
    "class. It can't see a rare class."
)
def classes_summed(logits, target):
    overlap, predicted, true, _ = _sums(logits, target)
    return 1 - 2 * overlap.sum() / (predicted.sum() + true.sum())


@misconception(
    "you used a sigmoid on each channel. Then the classes of a pixel don't compete and their "
    "probabilities don't add up to 1; classes that exclude each other want a softmax over the class axis."
)
def sigmoid_dice(logits, target):
    return _dice_of(logits.float().sigmoid(), target)


@misconception(
    "you computed the loss of each image and averaged those. Sum each class over the whole batch first: "
    "in a small image a rare class is often absent, and its Dice jumps."
)
def image_by_image(logits, target):
    pairs = zip(logits, target, strict=True)
    return torch.stack([losses.soft_dice_loss(x[None], t[None]) for x, t in pairs]).mean()


@misconception(
    "you took the argmax first. A hard choice has no gradient: a small change of the logits changes "
    "nothing. Soft Dice uses the probabilities themselves."
)
def argmax_dice(logits, target):
    return _dice_of(one_hot(logits.argmax(dim=1), logits.float()), target)


@misconception(
    "you averaged over all classes, also those that do not occur in the target. Their overlap is 0, so "
    "each adds a full 1 to the loss and no prediction can ever bring it down."
)
def absent_is_missed(logits, target):
    overlap, predicted, true, _ = _sums(logits, target)
    return (1 - 2 * overlap / (predicted + true)).mean()


@misconception(
    "you added a smoothing constant of 1 above and below. It shifts the loss of every class, most where a "
    "class has few pixels; leave absent classes out of the mean instead."
)
def smoothed(logits, target):
    overlap, predicted, true, _ = _sums(logits, target)
    return (1 - (2 * overlap + 1) / (predicted + true + 1)).mean()


@misconception(
    "you returned the Dice itself. A loss falls as the masks get better: return one minus the mean Dice."
)
def not_one_minus(logits, target):
    return 1 - losses.soft_dice_loss(logits, target)


@misconception(
    "you squared the probabilities in the denominator. That is the V-Net form; its values differ, and "
    "this exercise wants the plain sums."
)
def squared(logits, target):
    probability = logits.float().softmax(dim=1)
    truth = one_hot(target, probability)
    parts = (probability * truth, probability.square(), truth)
    overlap, predicted, true = (x.sum(dim=(0, 2, 3)) for x in parts)
    return (1 - 2 * overlap / (predicted + true))[true > 0].mean()


@misconception(
    "you left out class 0. Here the background is a class like any other, and on an empty mask the only one."
)
def no_background(logits, target):
    overlap, predicted, true, occurs = _sums(logits, target)
    return (1 - 2 * overlap / (predicted + true))[1:][occurs[1:]].mean()


@misconception(
    "you scored class 1 alone, with a smoothing constant of 1 above and below. The constant shifts the loss, "
    "most for small lesions, and every other class goes unheard: take each class that occurs, then the mean."
)
def class_one_smoothed(logits, target):
    lesion, truth = logits.float().softmax(dim=1)[:, 1], (target == 1).float()
    return 1 - (2 * (lesion * truth).sum() + 1) / (lesion.sum() + truth.sum() + 1)


@misconception(
    "the factor 2 is missing: Dice is 2·overlap / (sum + sum). Without it even a perfect prediction costs "
    "0.5."
)
def no_factor_two(logits, target):
    return (1 + losses.soft_dice_loss(logits, target)) / 2


@misconception(
    "you used the logits as if they were probabilities. They can be negative or far above 1: take the "
    "softmax over the class axis first."
)
def no_softmax(logits, target):
    return _dice_of(logits.float(), target)


@misconception(
    "you computed the soft Jaccard, overlap over union. Dice is 2·overlap over the sum of both areas; the "
    "shared part counts twice."
)
def jaccard_loss(logits, target):
    overlap, predicted, true, occurs = _sums(logits, target)
    return (1 - overlap / (predicted + true - overlap))[occurs].mean()


SOFT_DICE_LOSS = Exercise(
    "soft_dice_loss",
    LESSON,
    losses.soft_dice_loss,
    SOFT_DICE_GROUPS,
    soft_dice_cases,
    (
        classes_summed,
        sigmoid_dice,
        image_by_image,
        argmax_dice,
        absent_is_missed,
        smoothed,
        not_one_minus,
        squared,
        no_background,
        class_one_smoothed,
        no_factor_two,
        no_softmax,
        jaccard_loss,
        detached(losses.soft_dice_loss),
    ),
    finished=(
        "segcourse.losses:tversky_loss",
        "segcourse.losses:combined_loss",
        "segmentation_models_pytorch.losses:DiceLoss",
        "segmentation_models_pytorch.losses:TverskyLoss",
        "segmentation_models_pytorch.losses._functional:soft_dice_score",
        "segmentation_models_pytorch.losses._functional:soft_tversky_score",
        "monai.losses:DiceLoss",
        "monai.losses:GeneralizedDiceLoss",
        "monai.losses:TverskyLoss",
    ),
)


def cross_entropy_cases(rng: Generator) -> Iterator[Case]:
    def case(group, logits, target, note="", ignore_index=255):
        inputs = {"logits": logits, "target": target, "ignore_index": ignore_index}
        return Case(group, inputs, note, given=told(**inputs))

    small, ignored, gradients = CROSS_ENTROPY_GROUPS
    one = two_classes([[0.1, 0.4], [0.6, 0.8]])
    yield case(small, one, ids([[[0, 1], [1, 0]]]))
    yield case(ignored, one, ids([[[0, 1], [1, 255]]]))
    yield case(ignored, one, ids([[[255, 255], [255, 255]]]), "every pixel is ignored")
    pair = two_classes([[0.8, 0.5], [0.5, 0.5]], [[0.1, 0.9], [0.8, 0.2]])
    sparse = ids([[[0, 255], [255, 255]], [[0, 1], [1, 0]]])
    yield case(ignored, pair, sparse, "a batch of two, labelled in 1 and in 4 pixels")
    yield case(
        ignored, random_logits(rng, 1, 3, 2, 2), ids([[[0, 1], [2, 1]]]), "here class 1 is the ignored one", 1
    )
    target = random_ids(rng, 3, 2, 3, 3)
    target[0, 0], target[0, 1], target[1, 2, 2] = 255, 255, 255
    yield case(
        ignored, random_logits(rng, 2, 3, 3, 3), target, "a batch of two, six and one pixels are ignored"
    )
    yield case(small, random_logits(rng, 1, 4, 3, 5), random_ids(rng, 4, 1, 3, 5))
    yield case(small, random_logits(rng, 3, 2, 4, 4), random_ids(rng, 2, 3, 4, 4), "a batch of three")
    yield from gradient_cases(rng, gradients, ignore_index=255)


CROSS_ENTROPY_GROUPS = {"small batches": 1, "ignored pixels": 1, "extremes and gradients": 1}


def _surprise(logits, target, ignore_index=255):
    """Minus the log-probability of the true class in each pixel, N x H x W, 0 where ignored; and who
    counts."""
    logits = logits.float()
    return F.cross_entropy(
        logits, target, ignore_index=ignore_index, reduction="none"
    ), target != ignore_index


def _mean(pixels, kept):
    return pixels[kept].sum() / kept.sum().clamp(min=1)


@misconception(
    "you took the softmax twice: F.cross_entropy applies one itself. The second squeezes the "
    "probabilities together, and even a perfect pixel costs 0.313 with two classes."
)
def softmax_twice(logits, target, ignore_index=255):
    return losses.cross_entropy(logits.float().softmax(dim=1), target, ignore_index)


@misconception(
    "you divided by all pixels, ignored ones included. So the more of an image is ignored, the smaller "
    "its loss: divide by the number of pixels that count."
)
def mean_over_all(logits, target, ignore_index=255):
    return _surprise(logits, target, ignore_index)[0].mean()


@misconception(
    "you summed over the pixels. Take the mean over those that count, or the loss grows with the size of "
    "the image."
)
def summed(logits, target, ignore_index=255):
    return _surprise(logits, target, ignore_index)[0].sum()


@misconception(
    "you took the logarithm of the softmax: the probability of a very wrong class is 0 in float32, and "
    "log 0 is infinite. log_softmax computes both in one step, without passing through 0."
)
def log_of_softmax(logits, target, ignore_index=255):
    chosen = target.masked_fill(target == ignore_index, 0).unsqueeze(1)
    pixels = -logits.float().softmax(dim=1).gather(1, chosen).squeeze(1).log()
    return _mean(pixels, target != ignore_index)


@misconception(
    "you added a small number inside the logarithm (or clamped the probability). Then no pixel can cost "
    "more than about 18, and the worst ones have no gradient left: use log_softmax."
)
def small_number_in_log(logits, target, ignore_index=255):
    chosen = target.masked_fill(target == ignore_index, 0).unsqueeze(1)
    pixels = -(logits.float().softmax(dim=1).gather(1, chosen).squeeze(1) + 1e-8).log()
    return _mean(pixels, target != ignore_index)


@misconception(
    "a batch in which every pixel is ignored gave NaN, a mean over nothing: 0/0. It spoils every average "
    "that it enters, and in a mean written by hand the gradient, too. Such a batch says nothing: return 0."
)
def nan_when_all_ignored(logits, target, ignore_index=255):
    return F.cross_entropy(logits.float(), target, ignore_index=ignore_index)


@misconception(
    "you counted the ignored pixels as class 0. Nobody labelled them, so they are no background either: "
    "they belong in neither sum nor count."
)
def ignored_is_class_zero(logits, target, ignore_index=255):
    return losses.cross_entropy(logits, target.masked_fill(target == ignore_index, 0), -1)


@misconception("you never used ignore_index: its label was taken for a class like the others.")
def never_ignored(logits, target, ignore_index=255):
    return F.cross_entropy(logits.float(), target)


@misconception(
    "you ignored label 255 whatever ignore_index says. Use the argument: other data sets ignore other labels."
)
def always_255(logits, target, ignore_index=255):
    return losses.cross_entropy(logits, target, 255)


@misconception(
    "you used the logarithm to base 2 (or divided by log 2). Cross-entropy here is in nats, the natural "
    "logarithm: a coin's worth is 0.693, not 1."
)
def bits(logits, target, ignore_index=255):
    return losses.cross_entropy(logits, target, ignore_index) / torch.log(torch.tensor(2.0))


@misconception(
    "the sign is the wrong way round: log-probabilities are negative, and a loss is minus their mean."
)
def no_minus(logits, target, ignore_index=255):
    return -losses.cross_entropy(logits, target, ignore_index)


@misconception(
    "you averaged each image first and then the images. When they ignore different numbers of pixels that "
    "is another mean, in which a pixel of a sparsely labelled image weighs more. Divide once, by all "
    "pixels that count."
)
def mean_of_means(logits, target, ignore_index=255):
    pairs = zip(logits, target, strict=True)
    return torch.stack([losses.cross_entropy(x[None], t[None], ignore_index) for x, t in pairs]).mean()


@misconception(
    "you used a binary cross-entropy (a sigmoid) on each channel. One class out of C is true in each "
    "pixel: softmax over the class axis, then minus the log of the true class."
)
def binary_for_each_class(logits, target, ignore_index=255):
    logits, kept = logits.float(), target != ignore_index
    truth = one_hot(target.where(kept, 0), logits)
    return _mean(F.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(dim=1), kept)


CROSS_ENTROPY = Exercise(
    "cross_entropy",
    LESSON,
    losses.cross_entropy,
    CROSS_ENTROPY_GROUPS,
    cross_entropy_cases,
    (
        softmax_twice,
        mean_over_all,
        summed,
        log_of_softmax,
        small_number_in_log,
        nan_when_all_ignored,
        ignored_is_class_zero,
        never_ignored,
        always_255,
        bits,
        no_minus,
        mean_of_means,
        binary_for_each_class,
        detached(losses.cross_entropy),
    ),
    finished=(
        "segcourse.losses:focal_loss",
        "segcourse.losses:combined_loss",
        "segmentation_models_pytorch.losses:SoftCrossEntropyLoss",
    ),
)


def focal_cases(rng: Generator) -> Iterator[Case]:
    def case(group, logits, target, note="", **gamma):
        inputs = {"logits": logits, "target": target} | gamma
        return Case(group, inputs, note, given=told(**inputs))

    default, others, gradients = FOCAL_GROUPS
    one, target = two_classes([[0.1, 0.4], [0.6, 0.8]]), ids([[[0, 1], [1, 0]]])
    yield case(default, one, target)
    yield case(others, one, target, "gamma 0 is cross-entropy", gamma=0.0)
    yield case(others, one, target, gamma=1.0)
    yield case(default, random_logits(rng, 2, 3, 3, 4), random_ids(rng, 3, 2, 3, 4), "a batch of two")
    yield case(default, random_logits(rng, 3, 2, 4, 4), random_ids(rng, 2, 3, 4, 4), "a batch of three")
    gamma = float(rng.choice([1.5, 3.0, 5.0]))
    yield case(others, random_logits(rng, 2, 4, 4, 3), random_ids(rng, 4, 2, 4, 3), gamma=gamma)
    yield from gradient_cases(rng, gradients)


FOCAL_GROUPS = {"gamma 2": 1, "other gammas": 1, "extremes and gradients": 1}


def _probability(logits, target):
    """The probability of the true class, N x H x W."""
    return (-_surprise(logits, target)[0]).exp()


@misconception(
    "your factor is p^gamma, and it has to be (1 - p)^gamma: pixels that are easy already (p near 1) "
    "should count less, not more."
)
def easy_counts_more(logits, target, gamma=2.0):
    return (_probability(logits, target) ** gamma * _surprise(logits, target)[0]).mean()


@misconception("this is plain cross-entropy: the factor (1 - p)^gamma is missing, or gamma is never used.")
def no_focus(logits, target, gamma=2.0):
    return losses.cross_entropy(logits, target)


@misconception("you used gamma 2 whatever the argument says. It is only the default.")
def always_gamma_two(logits, target, gamma=2.0):
    return losses.focal_loss(logits, target)


@misconception("you summed over the pixels. Take their mean, or the loss grows with the size of the image.")
def focal_sum(logits, target, gamma=2.0):
    return losses.focal_loss(logits, target, gamma) * target.numel()


@misconception(
    "p in your factor is the probability of the most likely class. It has to be that of the true class, "
    "or a pixel that is surely wrong counts as easy."
)
def likeliest_class(logits, target, gamma=2.0):
    top = logits.float().softmax(dim=1).amax(dim=1)
    return ((1 - top) ** gamma * _surprise(logits, target)[0]).mean()


@misconception(
    "you averaged the cross-entropy first and applied the factor to that one number. The factor belongs "
    "to each pixel: easy pixels fade, hard ones stay. Take the mean last."
)
def focus_on_mean(logits, target, gamma=2.0):
    mean = losses.cross_entropy(logits, target)
    return (1 - (-mean).exp()) ** gamma * mean


@misconception(
    "the logarithm is missing: each pixel's loss is (1 - p)^gamma times -log p, not (1 - p)^gamma alone."
)
def no_logarithm(logits, target, gamma=2.0):
    return ((1 - _probability(logits, target)) ** gamma).mean()


@misconception(
    "a weight alpha of 0.25 is still in your loss. This exercise has no alpha: every class weighs 1."
)
def alpha_left_in(logits, target, gamma=2.0):
    return 0.25 * losses.focal_loss(logits, target, gamma)


@misconception(
    "you took the softmax twice: F.cross_entropy applies one itself. Give it the logits, or use the "
    "probabilities with a logarithm of your own."
)
def focal_softmax_twice(logits, target, gamma=2.0):
    return losses.focal_loss(logits.float().softmax(dim=1), target, gamma)


@misconception(
    "you took the logarithm of the softmax: the probability of a very wrong class is 0 in float32, and "
    "log 0 is infinite. log_softmax computes both in one step, without passing through 0."
)
def focal_log_of_softmax(logits, target, gamma=2.0):
    p = logits.float().softmax(dim=1).gather(1, target.unsqueeze(1)).squeeze(1)
    return ((1 - p) ** gamma * -p.log()).mean()


@misconception(
    "you used a sigmoid on each channel. That is the detector's focal loss, with independent classes; "
    "here one class a pixel is true: softmax over the class axis."
)
def focal_sigmoid(logits, target, gamma=2.0):
    logits = logits.float()
    truth = one_hot(target, logits)
    surprise = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return ((1 - (-surprise).exp()) ** gamma * surprise).mean()


@misconception(
    "the value is right, but no gradient flows through the factor (1 - p)^gamma: it was detached, or "
    "computed under no_grad. The loss that is written down and the one that is trained differ then."
)
def factor_detached(logits, target, gamma=2.0):
    factor = (1 - _probability(logits, target)) ** gamma
    return (factor.detach() * _surprise(logits, target)[0]).mean()


FOCAL_LOSS = Exercise(
    "focal_loss",
    LESSON,
    losses.focal_loss,
    FOCAL_GROUPS,
    focal_cases,
    (
        easy_counts_more,
        no_focus,
        always_gamma_two,
        focal_sum,
        likeliest_class,
        focus_on_mean,
        no_logarithm,
        alpha_left_in,
        focal_softmax_twice,
        focal_log_of_softmax,
        focal_sigmoid,
        factor_detached,
        detached(losses.focal_loss),
    ),
    finished=(
        "segmentation_models_pytorch.losses:FocalLoss",
        "segmentation_models_pytorch.losses._functional:focal_loss_with_logits",
        "segmentation_models_pytorch.losses._functional:softmax_focal_loss_with_logits",
        "monai.losses:FocalLoss",
        "monai.losses.focal_loss:softmax_focal_loss",
        "monai.losses.focal_loss:sigmoid_focal_loss",
        "torchvision.ops:sigmoid_focal_loss",
    ),
)
