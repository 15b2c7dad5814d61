"""Exercise 6.6: right answers in other styles, promises and their breakers, mutants that are equal."""

import torch
from contract import Contract

from segcourse.exercises.l06_skin_lesion import evaluate as module
from segcourse.exercises.l06_skin_lesion.evaluate import evaluate as answer
from segcourse.metrics import dice_score, iou_score


@torch.no_grad()
def by_pixels(network, batches):
    before = network.training
    network.train(False)
    dice, jaccard = [], []
    for x, y in batches:
        logits = network(x)
        for one, truth in zip(logits[:, 1] > logits[:, 0], y == 1, strict=True):
            both, either = (one & truth).sum().item(), (one | truth).sum().item()
            if either:
                dice.append(2 * both / (both + either))
                jaccard.append(both / either)
    network.train(before)
    n = len(dice)
    return (sum(dice) / n, sum(jaccard) / n) if n else (float("nan"), float("nan"))


def with_finally(model, loader):
    mode = model.training
    try:
        model.eval()
        rows = []
        with torch.no_grad():
            for images, masks in loader:
                guess = model(images).softmax(dim=1)[:, 1] > 0.5
                rows += [torch.stack([dice_score(guess, masks == 1), iou_score(guess, masks == 1)], dim=1)]
    finally:
        model.train() if mode else model.eval()
    return torch.cat(rows).nanmean(dim=0).tolist()


class Averages:
    def __init__(self):
        self.sum, self.count = 0.0, 0

    def add(self, scores):
        known = scores[~scores.isnan()]
        self.sum, self.count = self.sum + known.double().sum().item(), self.count + len(known)

    @property
    def mean(self):
        return self.sum / self.count if self.count else float("nan")


def with_objects(model, loader):
    dice, jaccard, mode = Averages(), Averages(), model.training
    model.eval()
    for images, masks in loader:
        with torch.inference_mode():
            guess = model(images).argmax(1)
        dice.add(dice_score(guess, masks))
        jaccard.add(iou_score(guess, masks))
    model.train(mode)
    return dice.mean, jaccard.mean


def by_length(model, loader):
    scores = answer(model, loader)
    return tuple(score * len(loader) / len(loader) for score in scores)


class TestEvaluate(Contract):
    name = "evaluate"
    library = staticmethod(with_objects)
    right = {"pixels": by_pixels, "finally": with_finally, "objects": with_objects}
    promises = (
        ("lesion where the second one is larger", "there is one batch",
         module._made(found=lambda logits: (logits[:, 1] > 0).long()), module._made(found=lambda x: x.argmin(dim=1))),
        ("batches (images, masks) of any size", "the batches have different sizes", module._made(per_batch=True)),
        ("no length and no index", "scores per image", by_length),
        ("in eval mode while you evaluate", "the model comes in training mode", module._made(mode=None)),
        ("in eval mode while you evaluate", "the model comes in eval mode", module._made(mode=False)),
        ("in the mode in which it came", "the model comes in training mode", module._made(back=False)),
        ("in the mode in which it came", "the model comes in eval mode", module._made(back="train")),
        ("PyTorch records nothing for gradients", "mode and gradients", module._made(grad=True)),
        ("returns a tuple of two floats", "there is one image", lambda *given: answer(*given)[0],
         lambda *given: tuple(map(torch.tensor, answer(*given)))),
        ("the mean Dice and the mean Jaccard index (IoU) of the lesions", "there is one batch",
         lambda *given: answer(*given)[::-1], module._made(scores=(dice_score, dice_score))),
        ("every image counts equally", "the last batch is smaller", module._made(per_batch=True), module._pooled),
        ("without lesion in truth and prediction is left out", "mask and prediction of an image are empty",
         module._made(average=lambda both: both.nan_to_num(1).mean(dim=1)), module._made(average=lambda both: both.mean(dim=1))),
        ("only the truth or only the prediction is empty, both scores (Dice and Jaccard) are 0",
         "a mask is empty, and its prediction is not",
         module._made(average=lambda both: torch.where(both == 0, torch.nan, both).nanmean(dim=1))),
        ("only the truth or only the prediction is empty, both scores (Dice and Jaccard) are 0",
         "a prediction is empty, and its mask is not",
         module._made(average=lambda both: torch.where(both == 0, torch.nan, both).nanmean(dim=1))),
        ("no image is left, both are NaN", "all masks and predictions are empty",
         lambda *given: tuple(0.0 if score != score else score for score in answer(*given))),
    )  # fmt: skip
    equal = {
        r"score\(masks, found\)": "both scores are symmetric",
        r"torch\.concat": "another name of torch.cat",
        r"^model\.eval\(\); dice.*->  dice|^dice\.append.*->  jaccard\.append": "the order of the two lines does not matter",
    }
    said = (
        (lambda *given: answer(*given)[0], "a tuple of two floats (Dice, Jaccard) is asked for"),
        (module._made(mode=False), "You evaluate in training mode"),
        (
            module._made(back=False, average=lambda both: both.nansum(dim=1)),
            "not in the mode in which it came",
        ),
    )
