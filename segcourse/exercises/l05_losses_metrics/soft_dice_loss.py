"""Exercise 5.6: a Dice loss that cannot overlook a rare class."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l05_losses_metrics._draw import (
    bfloat16_cases,
    ids,
    loss_case,
    one_hot,
    random_ids,
    random_logits,
)


def soft_dice_loss(logits, target):
    """Return one minus the mean soft Dice of the classes in target, each summed over the batch."""
    p = logits.float().softmax(dim=1)  # N, C, H, W
    t = F.one_hot(target, p.shape[1]).movedim(-1, 1)  # N, C, H, W
    overlap = (p * t).sum(dim=(0, 2, 3))  # C
    dice = 2 * overlap / (p.sum(dim=(0, 2, 3)) + t.sum(dim=(0, 2, 3)))  # C
    occurs = t.sum(dim=(0, 2, 3)) > 0  # C
    return 1 - dice[occurs].mean()


BALANCED, RARE, BATCHES, EXTREMES = "two classes, balanced", "rare and absent classes", "batches", "extremes"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, logits, target, *traits):
        return loss_case(group, logits, target, traits)

    yield case(BALANCED, [[[0.1, 0.4], [0.6, 0.9]]], ids([[[0, 0], [1, 1]]]))
    sure = torch.zeros(1, 2, 2, 2)
    sure[:, 0] = 120  # the softmax of class 1 is then 0 in float32
    yield case(RARE, sure, ids([[[0, 0], [0, 1]]]), "the probability of class 1 is 0 everywhere")
    three = torch.tensor([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.5, 0.1, 0.4], [0.2, 0.7, 0.1]]).log()
    three = three.T.reshape(1, 3, 2, 2).contiguous()
    yield case(RARE, three, ids([[[0, 0], [0, 1]]]), "the last class does not occur")
    yield case(RARE, three, ids([[[0, 2], [2, 0]]]), "a class in the middle does not occur")
    yield case(RARE, three, ids([[[1, 2], [2, 1]]]), "class 0 does not occur")
    yield case(RARE, [[[0.1, 0.3], [0.2, 0.4]]], ids([[[0, 0], [0, 0]]]), "only class 0 occurs")
    pair = [[[0.2, 0.7], [0.6, 0.9]], [[0.2, 0.1], [0.1, 0.4]]]
    yield case(BATCHES, pair, ids([[[0, 1], [1, 1]], [[0, 0], [0, 1]]]), "there is a batch of two")

    half, truth = random_logits(rng, 1, 2, 2, 4), ids([[[0, 1, 0, 1], [1, 0, 1, 0]]])
    mirrored = torch.cat([half, half.flip(1)], dim=2), torch.cat([truth, 1 - truth], dim=1)
    yield case(BALANCED, *mirrored, "truth and prediction hold as many pixels of either class")
    yield case(
        RARE, random_logits(rng, 1, 5, 5, 6), random_ids(rng, 4, 1, 5, 6), "the last of five is absent"
    )
    target = random_ids(rng, 3, 3, 4, 5)
    target[0], target[1, 0, :3], target[2][target[2] == 1] = 0, ids([0, 1, 2]), 2
    yield case(
        BATCHES,
        random_logits(rng, 3, 3, 4, 5),
        target,
        "there is a batch of three",
        "one image has all classes",
    )
    yield case(
        BATCHES, random_logits(rng, 4, 2, 2, 3), random_ids(rng, 2, 4, 2, 3), "there is a batch of four"
    )
    logits, target = random_logits(rng, 1, 3, 3, 3), random_ids(rng, 3, 1, 3, 3)
    logits[:, :, 2, 2] = torch.tensor([200.0, 0.0, -200.0])
    target[0, 2, 2], target[0, 0, :3] = 1, ids([0, 1, 2])
    yield case(EXTREMES, logits, target, "one pixel is very wrong")
    yield from bfloat16_cases(EXTREMES)


def _sums(logits, target):
    """Return overlap, probability and truth of each class, summed over the batch, and which classes occur."""
    probability = logits.float().softmax(dim=1)
    return _sums_of(probability, target)


def _sums_of(probability, target):
    truth = one_hot(target, probability)
    overlap, predicted, true = (x.sum(dim=(0, 2, 3)) for x in (probability * truth, probability, truth))
    return overlap, predicted, true, true > 0


def _dice_of(probability, target):
    overlap, predicted, true, occurs = _sums_of(probability, target)
    return 1 - (2 * overlap / (predicted + true))[occurs].mean()


def _classes_summed(logits, target):
    overlap, predicted, true, _ = _sums(logits, target)
    return 1 - 2 * overlap.sum() / (predicted.sum() + true.sum())


def _per_image(logits, target):
    pairs = zip(logits, target, strict=True)
    return torch.stack([soft_dice_loss(x[None], t[None]) for x, t in pairs]).mean()


def _per_image_and_class(logits, target):
    p = logits.float().softmax(dim=1)
    t = one_hot(target, p)
    dice = 2 * (p * t).sum(dim=(2, 3)) / (p.sum(dim=(2, 3)) + t.sum(dim=(2, 3)))
    return 1 - dice.mean()


def _argmax(logits, target):
    return _dice_of(one_hot(logits.argmax(dim=1), logits.float()), target)


def _absent_is_missed(logits, target):
    overlap, predicted, true, _ = _sums(logits, target)
    return 1 - (2 * overlap / (predicted + true)).mean()


def _absent_is_perfect(logits, target):
    overlap, predicted, true, occurs = _sums(logits, target)
    return 1 - torch.where(occurs, 2 * overlap / (predicted + true), 1.0).mean()


def _smoothed(logits, target):
    overlap, predicted, true, _ = _sums(logits, target)
    return 1 - ((2 * overlap + 1) / (predicted + true + 1)).mean()


def _smoothed_present(logits, target):
    overlap, predicted, true, occurs = _sums(logits, target)
    return 1 - ((2 * overlap + 1) / (predicted + true + 1))[occurs].mean()


def _squared(logits, target):
    probability = logits.float().softmax(dim=1)
    truth = one_hot(target, probability)
    products = (probability * truth, probability.square(), truth)
    overlap, predicted, true = (x.sum(dim=(0, 2, 3)) for x in products)
    return 1 - (2 * overlap / (predicted + true))[true > 0].mean()


def _no_background(logits, target):
    overlap, predicted, true, occurs = _sums(logits, target)
    return 1 - (2 * overlap / (predicted + true))[1:][occurs[1:]].mean()


def _no_background_all(logits, target):
    overlap, predicted, true, _ = _sums(logits, target)
    return 1 - (2 * overlap / (predicted + true))[1:].mean()


def _class_one(logits, target):
    overlap, predicted, true, _ = _sums(logits, target)
    return 1 - (2 * overlap / (predicted + true))[1]


def _class_one_smoothed(logits, target):
    lesion, truth = logits.float().softmax(dim=1)[:, 1], (target == 1).float()
    return 1 - (2 * (lesion * truth).sum() + 1) / (lesion.sum() + truth.sum() + 1)


def _sum_of_losses(logits, target):
    overlap, predicted, true, occurs = _sums(logits, target)
    return (1 - 2 * overlap / (predicted + true))[occurs].sum()


def _per_class(logits, target):
    overlap, predicted, true, _ = _sums(logits, target)
    return 1 - 2 * overlap / (predicted + true)


def _jaccard(logits, target):
    overlap, predicted, true, occurs = _sums(logits, target)
    return 1 - (overlap / (predicted + true - overlap))[occurs].mean()


def _each_image(logits, target):
    """Return the Dice of each image and class, N x C, and which classes occur there."""
    p = logits.float().softmax(dim=1)
    t = one_hot(target, p)
    return 2 * (p * t).sum(dim=(2, 3)) / (p.sum(dim=(2, 3)) + t.sum(dim=(2, 3))), t.sum(dim=(2, 3)) > 0


def _where_it_occurs(logits, target):
    dice, occurs = _each_image(logits, target)
    return 1 - dice[occurs].mean()


def _images_first(logits, target):
    dice, occurs = _each_image(logits, target)
    return 1 - dice.mean(dim=0)[occurs.any(dim=0)].mean()


def _truth_as(order, by_target=True):
    """Return the answer whose one-hot truth N x H x W x C is put in order by `order`."""

    def wrong(logits, target):
        p = logits.float().softmax(dim=1)
        t = order(F.one_hot(target, p.shape[1]), p.shape).float()
        overlap, predicted, true = (x.sum(dim=(0, 2, 3)) for x in (p * t, p, t))
        occurs = one_hot(target, p).sum(dim=(0, 2, 3)) > 0 if by_target else true > 0
        return 1 - (2 * overlap / (predicted + true).clamp(min=1e-12))[occurs].mean()

    return wrong


def _no_background_else(nothing):
    """Return the loss without class 0; `nothing` makes the loss where no other class occurs."""

    def wrong(logits, target):
        return _no_background(logits, target) if (target > 0).any() else nothing(logits.float())

    return wrong


def celebrate(answer):
    """Show how the loss falls while a network becomes sure of the truth."""
    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import show_curves

    target, steps = lesion().mask[None], [step / 2 for step in range(-8, 9)]
    truth = torch.stack([target == 0, target == 1], dim=1).float()
    label = {"xlabel": "logit of the true class", "ylabel": "loss of one lesion"}
    show_curves({"your soft_dice_loss": [answer(step * truth, target) for step in steps]}, steps, **label)


EXERCISE = Exercise(
    soft_dice_loss,
    number="5.6",
    difficulty=3,
    minutes=15,
    groups={BALANCED: 1, RARE: 1, BATCHES: 1, EXTREMES: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "You sum over the classes as well, so that the loss equals one minus the mean probability of "
            "the right class. It can't see a rare class.",
            _classes_summed,
        ),
        (
            "Your probabilities are a sigmoid of each channel. Then the classes of a pixel don't "
            "compete, and their probabilities don't add up to 1. Classes that exclude each other want a "
            "softmax over the class axis.",
            lambda logits, target: _dice_of(logits.float().sigmoid(), target),
        ),
        (
            "Your loss is the mean of the losses of the single images. Sum each class over the whole batch "
            "first: a rare class is often absent from a single image.",
            _per_image,
        ),
        (
            "You take one Dice per image and class, and average all of them. Sum each class over the whole "
            "batch, and leave out the classes that do not occur.",
            _per_image_and_class,
        ),
        (
            "Your loss uses the most likely class of each pixel, not the probabilities. A hard choice "
            "has no gradient: a small change of the logits changes nothing.",
            _argmax,
        ),
        (
            "You average over all classes, also over those that do not occur in the target. Their "
            "overlap is 0, so each adds a full 1 to the sum, and no prediction can bring it down.",
            _absent_is_missed,
        ),
        (
            "You count the classes that do not occur in the target as perfect. Leave them out of the mean.",
            _absent_is_perfect,
        ),
        (
            "Your numbers are those of a loss with a smoothing constant of 1 above and below. It shifts "
            "every class, most where a class has few pixels. Leave absent classes out of the mean "
            "instead.",
            _smoothed,
        ),
        (
            "Your numbers are those of a loss with a smoothing constant of 1 above and below, absent "
            "classes left out. Without absent classes no constant is needed, and it shifts the loss of "
            "small ones most.",
            _smoothed_present,
        ),
        (
            "You return the Dice itself. A loss falls as the masks get better: return one minus the mean "
            "Dice.",
            lambda logits, target: 1 - soft_dice_loss(logits, target),
        ),
        (
            "You return minus the mean Dice. The gradient is the same, but the loss asked for is 1 minus "
            "it, 0 for a perfect prediction.",
            lambda logits, target: soft_dice_loss(logits, target) - 1,
        ),
        (
            "You square the probabilities in the denominator. That is the V-Net form, with other values; "
            "this exercise asks for the plain sums.",
            _squared,
        ),
        (
            "Your mean lacks class 0. Here the background is a class like any other, and on an empty "
            "mask the only one.",
            _no_background,
        ),
        (
            "Your mean lacks class 0 and contains classes that do not occur. Take the classes of the "
            "target, class 0 among them.",
            _no_background_all,
        ),
        (
            "You score class 1 alone, so that every other class goes unheard. Take each class that occurs, "
            "then the mean.",
            _class_one,
        ),
        (
            "You score class 1 alone, with a smoothing constant of 1 above and below. The constant "
            "shifts the loss, most for small lesions, and every other class goes unheard. Take each "
            "class that occurs, then the mean.",
            _class_one_smoothed,
        ),
        (
            "You return the sum over the classes that occur. Take their mean, or the loss grows with the "
            "number of classes.",
            _sum_of_losses,
        ),
        (
            "You return one loss per class. Training needs one number: the mean over the classes that occur.",
            _per_class,
        ),
        (
            "The factor 2 is missing from your Dice: it is 2·overlap / (sum + sum). Without it even a "
            "perfect prediction costs 0.5.",
            lambda logits, target: (1 + soft_dice_loss(logits, target)) / 2,
        ),
        (
            "You use the logits as if they were probabilities. They can be negative or far above 1: take "
            "the softmax over the class axis first.",
            lambda logits, target: _dice_of(logits.float(), target),
        ),
        (
            "You take the softmax twice. The second one squeezes the probabilities together, and no "
            "prediction can reach a loss of 0.",
            lambda logits, target: _dice_of(logits.float().softmax(1).softmax(1), target),
        ),
        (
            "Your softmax runs over the batch. In a batch of one it makes every number 1; take it over the "
            "class axis, `dim=1`.",
            lambda logits, target: _dice_of(logits.float().softmax(0), target),
        ),
        (
            "Your softmax runs along the columns, `dim=-1`. The probabilities of a pixel's classes must "
            "add up to 1: take it over the class axis, `dim=1`.",
            lambda logits, target: _dice_of(logits.float().softmax(-1), target),
        ),
        (
            "You return the soft Jaccard loss, 1 - overlap / union. Dice is 2·overlap over the sum of both "
            "areas, in which the shared part counts twice.",
            _jaccard,
        ),
        *(
            (
                "You take one Dice per image and class, and average those of classes that occur. Sum each "
                "class over the whole batch first, `dim=(0, 2, 3)`.",
                wrong,
            )
            for wrong in (_where_it_occurs, _images_first)
        ),
        *(
            (
                "You bring the class axis of the one-hot truth to its place by `reshape`, which mixes the "
                "pixels. Move the axis: `movedim(-1, 1)`.",
                _truth_as(lambda t, shape: t.reshape(shape), by_target),
            )
            for by_target in (True, False)
        ),
        (
            "You exchange height and width of the one-hot truth. Move only the class axis: `movedim(-1, 1)`.",
            _truth_as(lambda t, shape: t.transpose(1, 3)),
        ),
        *(
            (
                "Your mean lacks class 0, and is 0 where no other class occurs. Here the background is a "
                "class like any other.",
                _no_background_else(nothing),
            )
            for nothing in (
                lambda logits: 0 * logits.sum(),
                lambda logits: torch.tensor(0.0),
                lambda logits: torch.tensor(0.0, requires_grad=True),
            )
        ),
        (
            "Your softmax runs along the rows, `dim=2`. The probabilities of a pixel's classes must add up "
            "to 1: take it over the class axis, `dim=1`.",
            lambda logits, target: _dice_of(logits.float().softmax(2), target),
        ),
    ],
    finished=(
        "segcourse.losses:soft_dice_loss",
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
