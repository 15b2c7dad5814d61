"""Train the networks of lessons 2, 3 and 5 (three minutes) and draw their first pictures, result.png.

.venv/bin/python tools/result_pictures.py
"""

from pathlib import Path

import torch

from segcourse import dice_score
from segcourse.course import ladder
from segcourse.course.trials import compare
from segcourse.inference.evaluation import save_figure
from segcourse.plotting import outline, show_image

LESSONS = Path(__file__).parents[1] / "lessons"


def main():
    train, val, test, tiny = ladder.pictures()
    trials = compare(ladder.VARIANTS, train, val, model=ladder.small_unet, **ladder.PLAN)

    masks = torch.stack([sample.mask for sample in test])
    found = {name: one for (name, _), one in trials.masks(test).items()}
    fcns = {name: found[name] for name in ("FCN-32s", "FCN-16s", "FCN-8s")}
    gain = dice_score(found["FCN-8s"], masks) - dice_score(found["FCN-32s"], masks)
    chosen = gain.argsort(descending=True)[[12, 40, 60]].tolist()
    draw(LESSONS / "02_fcn", [test[i] for i in chosen], {name: one[chosen] for name, one in fcns.items()})

    gain = dice_score(found["U-Net"], masks) - dice_score(found["U-Net without skips"], masks)
    smallest = ladder.thirds(masks)["smallest"]
    ranked = smallest[gain[smallest].argsort(descending=True)]
    chosen = ranked[[3, len(ranked) // 3, len(ranked) // 2]].tolist()
    pairs = {"without skips": found["U-Net without skips"], "with skips": found["U-Net"]}
    draw(LESSONS / "03_unet", [test[i] for i in chosen], {name: one[chosen] for name, one in pairs.items()})

    masks = torch.stack([sample.mask for sample in tiny])
    found = {name: one for (name, _), one in trials.masks(tiny).items()}
    losses = {name: found[name] for name in ("cross-entropy", "soft Dice", "focal")}
    mean = torch.stack([dice_score(one, masks) for one in losses.values()]).mean(dim=0)
    chosen = mean.argsort(descending=True)[[5, 15, 25]].tolist()
    picked = {name: one[chosen] for name, one in losses.items()}
    draw(LESSONS / "05_losses_metrics", [tiny[i] for i in chosen], picked, side=32)


def draw(lesson, samples, masks, side=64):
    """Write a row per sample: the picture, the truth, and each prediction with its Dice.

    The picture is a square of `side` pixels around the lesion.
    """
    pictures, titles = [], []
    for i, sample in enumerate(samples):
        middle = sample.mask.nonzero().float().mean(dim=0).round().long()
        top, left = (middle - side // 2).clamp(0, 64 - side).tolist()
        part = (..., slice(top, top + side), slice(left, left + side))
        if len(masks) == 2:  # four panels fit into a row
            pictures.append(outline(sample.image[part], sample.mask[part] * 0))
            titles.append("picture")
        pictures.append(outline(sample.image[part], sample.mask[part]))
        titles.append("truth")
        for name, one in masks.items():
            pictures.append(outline(sample.image[part], one[i][part]))
            titles.append(f"{name}: Dice {dice_score(one[i], sample.mask):.2f}")
    figure = show_image(pictures, titles, alt="Held-out lesions: picture, truth, and each network's outline.")
    print(save_figure(figure, lesson / "result.png"))


if __name__ == "__main__":
    main()
