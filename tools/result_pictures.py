"""Draw the first pictures of lessons 1 to 10, lessons/*/result.png; some train networks.

.venv/bin/python tools/result_pictures.py
"""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from sklearn.datasets import load_sample_image
from torch.nn.functional import avg_pool2d

from segcourse import (
    Palette,
    Segmenter,
    create_model,
    dice_score,
    exercises,
    interactive,
    load_dataset,
    show_results,
)
from segcourse.classical import grow_region, kmeans, otsu_threshold
from segcourse.course import ladder
from segcourse.course.ladder import classical_masks
from segcourse.course.trials import compare
from segcourse.data import Sample
from segcourse.data.lesions import APPEARANCE
from segcourse.data.transforms import train_transform
from segcourse.inference.evaluation import save_figure
from segcourse.plotting import outline, show_image
from segcourse.training.loop import fit

LESSONS = Path(__file__).parents[1] / "lessons"


def main():
    train, val, test, tiny = ladder.pictures()
    draw_classical(train, test)
    draw_streets()
    draw_project(val, test)
    draw_uses()
    draw_near_trees()
    draw_clinic()
    draw_clicks()
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


def draw_classical(train, test):
    """Write lesson 1's picture: a photograph with three masks, and a lesion with four outlines."""
    photo = torch.from_numpy(load_sample_image("flower.jpg")[::2, ::2].copy())
    red = photo[..., 0].float()
    smooth = avg_pool2d(red[None], kernel_size=9, stride=1, padding=4)[0]
    palette = Palette.default(4)
    masks = {
        "threshold": red > otsu_threshold(photo[..., 0]),
        "region from a click": grow_region(smooth, (104, 152), 60),
        "four clusters": kmeans(photo, 4),
    }
    pictures = [photo.numpy(), *(palette.colourise(mask.long().numpy()) for mask in masks.values())]
    titles = ["photograph", *masks]
    found = classical_masks([train[i] for i in range(100)], test)
    truth = torch.stack([sample.mask for sample in test])
    i = int(dice_score(found["Otsu's threshold"], truth).argsort()[30])
    pictures.append(outline(test[i].image, truth[i]))
    titles.append("lesion, truth")
    for name in ("Otsu's threshold", "k-means", "random forest"):
        pictures.append(outline(test[i].image, found[name][i]))
        titles.append(f"{name}: Dice {dice_score(found[name][i], truth[i]):.2f}")
    figure = show_image(pictures, titles, alt="A flower with three masks, and a lesion with four outlines.")
    print(save_figure(figure, LESSONS / "01_pixel_classification" / "result.png"))


def draw_streets():
    """Write lesson 4's picture: three streets, as its section 8 learns to draw them."""
    train, val = (load_dataset("scenes", split, count=n) for split, n in (("train", 128), ("val", 16)))
    test = load_dataset("scenes", "test", count=60)
    options = {"width": 8, "channels": 32, "output_stride": 8, "rates": (2, 4, 6), "decoder": True}
    variants = {"with decoder": {"model": lambda: create_model("deeplabv3", 8, **options)}}
    trials = compare(variants, train, val, **ladder.PLAN | {"batch_size": 4})
    (found,) = trials.masks(test).values()
    chosen = [0, 6, 12]
    samples, titles = [test[i] for i in chosen], ["street 1", "street 2", "street 3"]
    images, truths = [one.image for one in samples], [one.mask for one in samples]
    figure = show_results(images, truths, found[chosen], palette=test.palette, titles=titles)
    print(save_figure(figure, LESSONS / "04_dilated_aspp" / "result.png"))


def draw_project(val, test):
    """Write lesson 6's picture: four held-out lesions, the last one with a low Dice."""
    kinds, turn = (*APPEARANCE, "tiny lesions"), train_transform(strength=0)
    train = load_dataset("lesions", size=64, count=640, difficulties=kinds, transform=turn)
    variants = {"the network": {"model": lambda: create_model("half_unet", 2, width=12)}}
    trials = compare(variants, train, val, **ladder.PLAN | {"batch_size": 16, "learning_rate": 4e-3})
    (found,) = trials.masks(test).values()
    ranked = dice_score(found, torch.stack([sample.mask for sample in test])).argsort(descending=True)
    chosen = ranked[[20, 60, 100, 117]].tolist()
    draw(LESSONS / "06_skin_lesion", [test[i] for i in chosen], {"network": found[chosen]})


def draw_uses():
    """Write lesson 7's picture: one prediction of the shipped network, used in three ways."""
    segmenter = Segmenter.load("lesions")
    image, _ = load_dataset("lesions", "test", size=320, count=12, difficulties=["blur"]).picture(2)
    soft = segmenter.probabilities(image)[1].numpy()
    overlay, replace = (exercises.get(name).answer for name in ("overlay", "replace_background"))
    squares = np.full((320, 320, 3), 250, np.uint8)
    squares[::16], squares[:, ::16] = (150, 190, 230), (150, 190, 230)
    pictures = {
        "picture": image,
        "tinted": overlay(image, soft > 0.5, (230, 159, 0), 0.5),
        "another background": replace(image, soft, squares),
        "another colour": replace(image[..., ::-1], soft, image),
    }
    figure = show_image(
        list(pictures.values()), list(pictures), alt="One lesion, and three uses of its mask."
    )
    print(save_figure(figure, LESSONS / "07_deployment" / "result.png"))


def draw_near_trees():
    """Write lesson 8's picture: two streets, nearness, near trees, and what a network of both finds."""
    fuse = exercises.get("fuse_rgbd").answer

    def near_trees(split, count):
        data = load_dataset("scenes", split, size=(48, 64), count=count)
        for i in range(count):
            depth = torch.from_numpy(data.picture(i).depth)
            target = ((data[i].mask == 3) & (depth < 15)).long()
            target[data[i].mask == 255] = 255
            yield Sample(fuse(data[i].image[None], depth[None], 2.0, 60.0)[0], target, data[i].name)

    torch.manual_seed(0)
    model = create_model("unet", 2, in_channels=5, width=8, depth=3)
    normalise = (0.5,) * 5, (0.25,) * 5
    fit(model, list(near_trees("train", 128)), normalise=normalise, folder=False, **ladder.PLAN)
    test = list(near_trees("test", 60))
    with torch.inference_mode():
        found = model.eval()(torch.stack([(sample.image - 0.5) / 0.25 for sample in test])).argmax(dim=1)
    areas = torch.tensor([float((sample.mask == 1).sum()) for sample in test])
    pictures, titles = [], []
    for i in areas.argsort(descending=True)[[2, 12]].tolist():
        colours, truth = test[i].image[:3], test[i].mask == 1
        pictures += [colours, test[i].image[3], outline(colours, truth), outline(colours, found[i])]
        score = dice_score(found[i] == 1, truth)
        titles += ["street", "nearness", "trees nearer than 15 m", f"colour and depth: Dice {score:.2f}"]
    alt = "Two streets, nearness, near trees outlined, and what a network of colour and depth finds."
    print(save_figure(show_image(pictures, titles, alt=alt), LESSONS / "08_light_and_rgbd" / "result.png"))


def draw_clinic():
    """Write lesson 10's picture: what four broken pipelines give, and the same after their repair."""
    segmenter, lesions = Segmenter.load("lesions"), load_dataset("lesions", "test", size=128, count=16)
    image, mask = lesions.picture(2)
    image, mask = (np.roll(one, (24, -24), (0, 1)) for one in (image, mask))
    logits = segmenter.logits(image)[None]
    inputs = (torch.from_numpy(image).permute(2, 0, 1)[None] / 255 - 0.498) / 0.502
    pairs = {
        name: (exercises.get(name).starter, exercises.get(name).answer)
        for name in exercises.names("10_clinic")
    }
    panels, titles = [], []
    for state in (0, 1):
        black = pairs["mask_to_save"][state](logits[:, 1:] - logits[:, :1])[0].numpy()
        p = logits.softmax(dim=1)[:, 1:]
        white = (
            255
            * pairs["loss_and_mask"][state](lambda x: x, p, torch.zeros_like(p[:, 0]))[1][0].byte().numpy()
        )
        with torch.inference_mode():
            blurry = pairs["predict_with_flips"][state](segmenter.model, inputs)
        torn = pairs["to_batch"][state]([image])[0]
        truth = torch.from_numpy(mask).long()
        scores = [dice_score(torch.from_numpy(one > 127).long(), truth).item() for one in (black, white)]
        scores.append(dice_score(blurry.argmax(dim=1)[0], truth).item())
        panels += [black, white, blurry.softmax(dim=1)[0, 1].numpy(), torn]
        titles += [f"Dice {score:.2f}" for score in scores] + ["a picture"]
    figure = show_image(panels, titles, alt="Four symptoms, and the same pipelines after their repair.")
    print(save_figure(figure, LESSONS / "10_clinic" / "result.png"))


def draw_clicks():
    """Write lesson 9's picture: a lesion that its network outlines after one, two and three clicks."""
    train = load_dataset("lesions", "train", size=64, count=400)
    torch.manual_seed(0)
    network = interactive.ClickNet(width=12)
    interactive.train_on_clicks(network, train, steps=280, batch_size=12, more_clicks=5)
    lesions = load_dataset("lesions", "test", size=64, count=40)

    def steps(i):
        return interactive.click_by_click(
            partial(network.segment, lesions[i].image), lesions[i].mask, threshold=2, limit=3
        )

    chosen = max(range(len(lesions)), key=lambda i: steps(i)[2][2] - steps(i)[0][2])
    clicks = [click for click, _, _ in steps(chosen)]
    pictures, titles = [outline(lesions[chosen].image, lesions[chosen].mask)], ["truth"]
    for count, (_, mask, iou) in enumerate(steps(chosen), start=1):
        picture = outline(lesions[chosen].image, mask)
        scale = len(picture) // 64
        for row, column, label in clicks[:count]:
            place = int(scale * (column + 0.5)), int(scale * (row + 0.5))
            cv2.circle(picture, place, 2 * scale, (255, 255, 255), -1)
            cv2.circle(picture, place, int(1.4 * scale), (0, 158, 115) if label else (213, 94, 0), -1)
        pictures.append(picture)
        titles.append(f"{count} click{'s' * (count > 1)}: IoU {iou:.2f}")
    figure = show_image(pictures, titles, alt="A lesion, and a network's outline after one to three clicks.")
    print(save_figure(figure, LESSONS / "09_interactive" / "result.png"))


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
