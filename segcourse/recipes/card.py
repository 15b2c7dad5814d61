"""The measured part of a model card: scores, calibration, and which lesions the network fails on.

    python -m segcourse.recipes.card [--model lesions] [--data isic2018] [--split val] [--card FILE]

predicts each image at its own size and writes the tables between the two marks of the card.
"""

import argparse
import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from segcourse.data import SampleDataset, load_dataset
from segcourse.files import write_between
from segcourse.inference.segmenter import Segmenter
from segcourse.inference.shipped import card_of
from segcourse.metrics import Scores
from segcourse.recipes.results import markdown_table

BEGIN, END = "<!-- measured: python -m segcourse.recipes.card -->\n", "<!-- end of measured -->\n"
BINS = 10  # of the probability
FAILED = 0.65  # Jaccard, below which an outline counts as failed in the ISIC challenge
_LINE = 25  # a hair is narrower than the image's side divided by this
_RING = 12  # skin beside a lesion: the image's side divided by this

# trait -> (unit, upper bounds of the groups, their names)
GROUPS: dict[str, tuple[list[float], list[str]]] = {
    "size": ([0.05, 0.2, 0.5], ["below 5 % of the image", "5 to 20 %", "20 to 50 %", "above 50 %"]),
    "contrast": ([10, 20, 35], ["below 10 (faint)", "10 to 20", "20 to 35", "above 35"]),
    "hair": ([0.01, 0.05], ["below 1 % of the pixels", "1 to 5 %", "above 5 %"]),
    "skin tone": ([10, 28, 41, 55], ["brown or dark", "tan", "intermediate", "light", "very light"]),
}


class Traits(NamedTuple):
    """What may make a lesion hard; NaN where the image can't tell.

    Attributes:
        size: share of the image that the lesion covers, 0 to 1.
        contrast: distance in CIELAB (ΔE 1976) between the mean colours of lesion and skin beside it.
        hair: share of pixels on thin dark lines, 0 to 1. Closings by lines in four directions would fill
            them (DullRazor, Lee et al. 1997, Computers in Biology and Medicine 27(6)).
        tone: individual typology angle of the skin in degrees, arctan((L - 50) / b) (Chardon et al. 1991,
            International Journal of Cosmetic Science 13(4)). Light and camera shift it.
    """

    size: float
    contrast: float
    hair: float
    tone: float


def traits(image: np.ndarray, mask: np.ndarray) -> Traits:
    """Measure an image uint8 H×W×3 RGB with its mask H×W, 1 inside the lesion.

    >>> image, mask = np.full((48, 48, 3), 200, np.uint8), np.zeros((48, 48), np.uint8)
    >>> image[20:28, 20:28], mask[20:28, 20:28] = 100, 1
    >>> found = traits(image, mask)
    >>> round(found.size, 3), round(found.contrast)  # 64 of 2304 pixels; L = 80.6 and 42.4
    (0.028, 38)
    """
    side = min(mask.shape)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    wide = 2 * max(1, side // _RING) + 1
    near = cv2.dilate(mask.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wide, wide)))
    y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
    centred = np.hypot(*(2 * at / n - 1 for at, n in zip((y, x), mask.shape, strict=True))) < 1
    inside, ring, skin = mask == 1, (near == 1) & (mask == 0), (near == 0) & centred & (lab[..., 0] > 15)
    contrast = tone = math.nan
    if inside.any() and ring.any():
        contrast = float(np.linalg.norm(lab[inside].mean(0) - lab[ring].mean(0)))
    if skin.any():
        lightness, _, yellow = np.median(lab[skin], axis=0)
        tone = math.degrees(math.atan2(lightness - 50, yellow))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    hair = float((_filled(grey, max(3, side // _LINE | 1)) - grey > 20).mean())
    return Traits(float(inside.mean()), contrast, hair, tone)


def _filled(grey: np.ndarray, length: int) -> np.ndarray:
    """Return the largest of four closings by lines of `length` pixels, as int."""
    straight, slanted = np.zeros((length, length), np.uint8), np.eye(length, dtype=np.uint8)
    straight[length // 2] = 1
    lines = (straight, straight.T.copy(), slanted, slanted[::-1].copy())
    return np.max([cv2.morphologyEx(grey, cv2.MORPH_CLOSE, line) for line in lines], axis=0).astype(int)


class Case(NamedTuple):
    """One image of the card: its traits, Dice and Jaccard."""

    traits: Traits
    dice: float
    jaccard: float


class Calibration:
    """Pixels by predicted probability: how often is a pixel lesion where the network says 0.8?

    >>> found = Calibration()
    >>> found.add(torch.tensor([0.05, 0.85, 0.85, 0.85]), torch.tensor([0, 1, 1, 0]))
    >>> found.error()  # (|0.05 - 0| + 3 · |0.85 - 2/3|) / 4
    0.15
    """

    def __init__(self) -> None:
        self.sums = torch.zeros(3, BINS, dtype=torch.float64)  # pixels, probability, lesion

    def add(self, probability: torch.Tensor, mask: torch.Tensor) -> None:
        """Count pixels: probability of lesion and mask (0, 1, 255 for ignored), of one shape."""
        known = mask < 255
        p, truth = probability[known].double(), mask[known].double()
        place = (p * BINS).long().clamp(0, BINS - 1)
        for row, values in zip(self.sums, (torch.ones_like(p), p, truth), strict=True):
            row.index_add_(0, place, values)

    def error(self) -> float:
        """Return the expected calibration error, 0 to 1 (Guo et al. 2017, arXiv:1706.04599, section 2)."""
        _, probability, lesion = self.sums
        return round(((probability - lesion).abs().sum() / self.sums[0].sum()).item(), 4)

    def table(self) -> str:
        """Return the bins as a Markdown table."""
        rows = [["probability of lesion", "pixels", "of them lesion"]]
        for place, (pixels, _, lesion) in enumerate(self.sums.T.tolist()):
            share = f"{lesion / pixels:.0%}" if pixels else "–"
            share_of_all = f"{pixels / self.sums[0].sum().item():.1%}"
            rows.append([f"{place / BINS:.1f} to {(place + 1) / BINS:.1f}", share_of_all, share])
        return markdown_table(rows)


def measure(
    segmenter: Segmenter, dataset: SampleDataset, flips: bool = False
) -> tuple[Scores, list[Case], Calibration]:
    """Predict each image of a data set of lesions at its own size.

    Returns:
        The scores, the cases in the order of the data set, and the calibration over all pixels.
    """
    scores, cases, calibration = Scores(2), [], Calibration()
    for image, mask, name in (dataset[i] for i in range(len(dataset))):
        probability = segmenter.probabilities(image, flips)[1].cpu()
        scores.update((probability > segmenter.threshold)[None], mask[None], names=[name])
        calibration.add(probability, mask)
        pixels = (image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        row = scores.per_image[-1]
        cases.append(Case(traits(pixels, mask.numpy()), row["dice"], row["iou"]))
    return scores, cases, calibration


def groups(cases: Iterable[Case]) -> str:
    """Return the mean Dice and the share of failed outlines in groups of equal traits, as a Markdown table.

    >>> found = [Case(Traits(0.01, 5, 0, 60), 0.5, 0.4), Case(Traits(0.3, 25, 0, 60), 0.9, 0.8)]
    >>> print(groups(found).splitlines()[2])
    | size | below 5 % of the image | 1 | 0.500 | 100 % |
    """
    cases = list(cases)
    rows = [["trait", "group", "images", "Dice", f"failed (Jaccard below {FAILED})"]]
    for number, (trait, (bounds, names)) in enumerate(GROUPS.items()):
        values = np.array([case.traits[number] for case in cases])
        place = np.where(np.isnan(values), -1, np.searchsorted(bounds, values, side="right"))
        for i, name in enumerate(names):
            found = [case for case, at in zip(cases, place, strict=True) if at == i]
            if found:
                failed = np.mean([case.jaccard < FAILED for case in found])
                dice = np.nanmean([case.dice for case in found])  # NaN: no lesion, and none found
                rows.append([trait, name, str(len(found)), f"{dice:.3f}", f"{100 * failed:.0f} %"])
    return markdown_table(rows)


def main() -> None:
    """Write the measured part of a card."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="lesions", help="name of a shipped network, or a model file")
    parser.add_argument("--data", default="isic2018", help="data set by name")
    parser.add_argument("--split", default="val")
    parser.add_argument("--card", type=Path, help="default: the card of the shipped network")
    arguments = parser.parse_args()
    segmenter, dataset = Segmenter.load(arguments.model), load_dataset(arguments.data, arguments.split)
    rows = [["prediction", "Dice", "Jaccard", "threshold Jaccard"]]
    for flips in (True, False):  # the groups and the calibration are those without flips
        scores, cases, calibration = measure(segmenter, dataset, flips)
        found = scores.compute()
        values = [found[name] for name in ("dice_per_image", "jaccard_per_image", "threshold_jaccard")]
        rows.append(["with flips" if flips else "one pass", *(f"{value:.3f}" for value in values)])
    source = f"{len(dataset)} images of {arguments.data}, split {arguments.split}"
    parts = [
        f"{source}; means over images, each at its own size.\n",
        *(markdown_table(rows), groups(cases)),
        f"Expected calibration error: {calibration.error():.3f}.\n",
        calibration.table(),
    ]
    text = "".join(f"\n{part}" for part in parts) + "\n"
    write_between(arguments.card or card_of(arguments.model), BEGIN, END, text)


if __name__ == "__main__":
    main()
