"""Exercise 6.6: scores of a network on a loader's images."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observing import Explained
from segcourse.exercises.l06_skin_lesion._networks import Loader, Tiny, draw_batches
from segcourse.metrics import dice_score, iou_score


def evaluate(model, loader):
    """Return the mean Dice and the mean Jaccard index per image, a tuple of two floats."""
    training = model.training
    model.eval()
    dice, jaccard = [], []
    with torch.inference_mode():
        for images, masks in loader:
            found = model(images).argmax(dim=1)  # N, H, W
            dice.append(dice_score(found, masks))  # N
            jaccard.append(iou_score(found, masks))  # N
    model.train(training)
    return torch.cat(dice).nanmean().item(), torch.cat(jaccard).nanmean().item()


SCORES, EMPTY, MODE = "scores per image", "empty masks", "mode and gradients"


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(6)

    def case(group, sizes, *traits, rng=fixed, training=False, empty=(), quiet=(), side=4):
        model = Tiny(rng).train(training)
        batches = draw_batches(rng, sizes, side)
        place = 0
        for images, masks in batches:
            for i in range(len(images)):
                if place in empty:
                    masks[i] = 0
                if place in quiet:
                    _silence(model, images, i)
                place += 1
        given = f"a small network, and a loader whose batches hold {', '.join(map(str, sizes))} image(s)"
        return Case(group, {"model": model, "loader": Loader(batches)}, traits, given=given)

    yield case(SCORES, [1], "there is one image")
    yield case(SCORES, [3], "there is one batch")
    yield case(SCORES, [3, 3], "there are two batches")
    yield case(SCORES, [3, 3, 1], "the last batch is smaller")
    yield case(SCORES, [1, 4, 2], "the batches have different sizes", side=5)
    yield case(EMPTY, [3, 2], "a mask is empty, and its prediction is not", empty=[1])
    yield case(EMPTY, [3, 2], "mask and prediction of an image are empty", empty=[1], quiet=[1])
    yield case(EMPTY, [3, 2], "a prediction is empty, and its mask is not", quiet=[3])
    yield case(EMPTY, [2], "all masks and predictions are empty", empty=[0, 1], quiet=[0, 1])
    yield case(MODE, [3, 3], "the model comes in training mode", training=True)
    yield case(MODE, [2], "the model comes in training mode", "there is one batch", training=True)
    yield case(MODE, [3, 2], "the model comes in eval mode")
    yield case(
        SCORES, [4, 2, 1], "the batches have different sizes", "the last batch is smaller", rng=rng, side=6
    )
    yield case(EMPTY, [2, 3], "mask and prediction of an image are empty", rng=rng, empty=[3], quiet=[3])
    yield case(MODE, [2, 3], "the model comes in training mode", rng=rng, training=True)


def _silence(model: Tiny, images: torch.Tensor, i: int) -> None:
    """Change an image so that the network finds no lesion in it."""
    with torch.no_grad():
        weight = model.head.weight[1, :, 0, 0] - model.head.weight[0, :, 0, 0]
        bias = model.head.bias[1] - model.head.bias[0]
        far = -(bias.abs() + 1) * 4 / weight.square().sum() * weight  # the head answers far below 0
        images[i] = (far + model.norm.running_mean)[:, None, None]


def look(obj, case):
    """Observe the scores, and how the network was called."""
    model, loader = case.inputs.values()
    mode, before = model.training, (model.norm.running_mean.clone(), model.norm.num_batches_tracked.item())
    value = obj(model, loader)
    if not isinstance(value, tuple | list) or len(value) != 2:
        what = f"{len(value)} things" if isinstance(value, tuple | list) else f"one {type(value).__name__}"
        raise Explained(f"Your answer returns {what}; a tuple of two floats (Dice, Jaccard) is asked for.")
    if not all(isinstance(one, float) for one in value):
        kinds = " and ".join(type(one).__name__ for one in value)
        raise Explained(f"Your two scores are of type {kinds}; floats are asked for: `.item()`.")
    after = model.norm.running_mean, model.norm.num_batches_tracked.item()
    return {
        "batches used": loader.given,
        "in eval mode": not any(model.modes),
        "without gradients": not any(model.graphs),
        "statistics that stay": bool(before[0].equal(after[0])) and before[1] == after[1],
        "the model's mode is as before": model.training == model.norm.training == model.head.training == mode,
        "value": tuple(map(float, value)),
    }


def _made(
    mode=True, back=True, grad=False, average=None, scores=(dice_score, iou_score), found=None, batches=None,
    per_batch=False,
):  # fmt: skip
    """Return an answer that does one thing differently."""

    def wrong(model, loader):
        training = model.training
        model.train(not mode) if mode is not None else None
        rows = []
        with torch.set_grad_enabled(grad):
            for number, (images, masks) in enumerate(loader, start=1):
                logits = model(images)
                mask = found(logits) if found else logits.argmax(dim=1)
                row = torch.stack([score(mask, masks).double() for score in scores])  # 2, N
                rows.append(row.nanmean(dim=1, keepdim=True) if per_batch else row)
                if number == batches:
                    break
        if back is True:
            model.train(training)
        elif back == "train":
            model.train()
        both = torch.cat(rows, dim=1)
        dice, jaccard = both.nanmean(dim=1) if average is None else average(both)
        return float(dice), float(jaccard)

    return wrong


def _of_both_classes(score):
    return lambda found, masks: (score(found, masks) + score(1 - found, 1 - masks)) / 2


def _pooled(model, loader):
    """Return scores of all pixels together."""
    training = model.training
    model.eval()
    with torch.no_grad():
        pairs = [(model(images).argmax(dim=1), masks) for images, masks in loader]
    model.train(training)
    found, masks = (torch.cat(part).flatten()[None] for part in zip(*pairs, strict=True))
    return dice_score(found, masks).item(), iou_score(found, masks).item()


def _batchwise(model, loader):
    training = model.training
    model.eval()
    rows = []
    with torch.no_grad():
        for images, masks in loader:
            found = model(images).argmax(dim=1).flatten()[None]
            masks = masks.flatten()[None]
            rows.append([dice_score(found, masks).item(), iou_score(found, masks).item()])
    model.train(training)
    return tuple(torch.tensor(rows, dtype=torch.float64).nanmean(dim=0).tolist())


def _swapped(model, loader):
    return evaluate(model, loader)[::-1]


def _tensors(model, loader):
    return tuple(map(torch.tensor, evaluate(model, loader)))


def celebrate(answer):
    """Show the scores of Otsu's threshold, dressed as a network."""
    from segcourse.classical import otsu
    from segcourse.data import load_dataset
    from segcourse.plotting import show_bars

    class Threshold(torch.nn.Module):
        def forward(self, images):
            masks = torch.stack([otsu(image) for image in images])
            return torch.stack([1 - masks, masks], dim=1).float()

    pairs = [sample[:2] for sample in load_dataset("lesions", "test", size=64, count=24)]
    dice, jaccard = answer(Threshold(), torch.utils.data.DataLoader(pairs, batch_size=8))
    show_bars({"Dice": dice, "Jaccard": jaccard}, xlabel="your evaluate: Otsu's threshold on 24 lesions")


EXERCISE = Exercise(
    evaluate,
    number="6.6",
    difficulty=2,
    minutes=15,
    groups={SCORES: 2, EMPTY: 1, MODE: 2},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        (
            "You evaluate in training mode. Batch norm then uses the batch's own statistics, and moves its "
            "running mean, so that validation changes the network: call `model.eval()` first.",
            _made(mode=False),
        ),
        (
            "You leave the model in the mode in which it comes. In training mode, batch norm uses the "
            "batch's own statistics: call `model.eval()` first.",
            _made(mode=None),
        ),
        (
            "The model stays in eval mode after your evaluation. The next epoch would train without batch "
            "statistics: bring its mode back.",
            _made(back=False),
        ),
        (
            "The model is always in training mode after your evaluation, also if it came in eval mode. Bring "
            "back the mode in which it came: `model.training` tells it.",
            _made(back="train"),
        ),
        (
            "You let PyTorch record everything for a backward pass that never comes, which costs memory "
            "and time. Use `torch.no_grad()` or `torch.inference_mode()`.",
            _made(grad=True),
        ),
        (
            "You average over batches. A small last batch then weighs as much as a full one: collect the "
            "scores of all images, then take the mean.",
            _made(per_batch=True),
        ),
        (
            "You put all pixels of all images together. Then large lesions decide: score image by image, and "
            "take the mean of the scores.",
            _pooled,
        ),
        (
            "You put all pixels of a batch together, and average over batches. Score image by image.",
            _batchwise,
        ),
        (
            "Your mean is NaN because of an image without lesion, in truth and prediction: its score is 0/0. "
            "Leave it out of the mean: `nanmean`.",
            _made(average=lambda both: both.mean(dim=1)),
        ),
        (
            "An image without lesion, in truth and prediction, counts as 0 in your mean. Its score is 0/0: "
            "leave it out.",
            _made(average=lambda both: both.nan_to_num(0).mean(dim=1)),
        ),
        (
            "An image without lesion, in truth and prediction, counts as 1 in your mean. Its score is 0/0: "
            "leave it out.",
            _made(average=lambda both: both.nan_to_num(1).mean(dim=1)),
        ),
        (
            "You leave out every image whose score is 0. Only 0/0 is left out: a lesion that was missed, or "
            "found where there is none, counts.",
            _made(average=lambda both: torch.where(both == 0, torch.nan, both).nanmean(dim=1)),
        ),
        (
            "You return the sum of the scores. Their mean is asked for.",
            _made(average=lambda both: both.nansum(dim=1)),
        ),
        (
            "You return the median of the scores. Their mean is asked for.",
            _made(average=lambda both: both.nanmedian(dim=1).values),
        ),
        (
            "You compute the Jaccard index from the mean Dice. d / (2 - d) holds for one image and not for "
            "means: average the images' own indices.",
            lambda model, loader: ((dice := evaluate(model, loader)[0]), dice / (2 - dice)),
        ),
        (
            "You average over skin and lesion. The score of the lesion alone is asked for.",
            _made(scores=(_of_both_classes(dice_score), _of_both_classes(iou_score))),
        ),
        ("You return the Jaccard index first. The order is (Dice, Jaccard).", _swapped),
        (
            "Both of your numbers are Dice scores. The second one is the Jaccard index.",
            _made(scores=(dice_score, dice_score)),
        ),
        (
            "Both of your numbers are Jaccard indices. The first one is the Dice score.",
            _made(scores=(iou_score, iou_score)),
        ),
        (
            "You use one batch only (a `return` inside the loop?). Go through all of them.",
            _made(batches=1),
        ),
        (
            "You call a pixel lesion where its second logit is above 0. It is lesion where the second logit "
            "is larger than the first: `argmax(dim=1)`.",
            _made(found=lambda logits: (logits[:, 1] > 0).long()),
        ),
        (
            "You call a pixel lesion where the *first* logit is larger. Class 1, the second one, is lesion.",
            _made(found=lambda logits: logits.argmin(dim=1)),
        ),
        ("Your scores are tensors. Two floats are asked for: `.item()`.", _tensors),
    ],
    finished=("segcourse.training.loop:validate",),
)
