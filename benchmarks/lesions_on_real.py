"""Measure what procedural lesions teach about real ones, and what each of their difficulties is worth.

Trains the recipe `offline` in a short version: on lesions with all its difficulties (from several seeds),
with none, and without each of them. Prints the mean Dice per image on the real validation images of ISIC
2018, each at its own size, beside that of Otsu's threshold, and writes the table into the card of the shipped
network. No real image is used for training. It takes about an hour of one CPU core.
"""

import argparse
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from segcourse import recipes
from segcourse.data import SampleDataset, load_dataset
from segcourse.errors import DataError
from segcourse.files import write_between
from segcourse.inference.evaluation import evaluate
from segcourse.inference.segmenter import Segmenter
from segcourse.inference.shipped import card_of
from segcourse.metrics import Scores
from segcourse.recipes.results import markdown_table

BEGIN, END = "<!-- worth: python benchmarks/lesions_on_real.py -->\n", "<!-- end of worth -->\n"


def otsu(dataset: SampleDataset) -> float:
    """Return the Dice of Otsu's threshold on grey values: every dark pixel is lesion."""
    scores = Scores(2)
    for image, mask, name in (dataset[i] for i in range(len(dataset))):
        grey = cv2.cvtColor((image.numpy().transpose(1, 2, 0) * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
        _, dark = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
        scores.update(dark[None], mask[None], [name])
    return scores.compute()["dice_per_image"]


def network(plan: recipes.Recipe, real: SampleDataset, difficulties: list[str], seed: int = 0) -> float:
    """Return the Dice on real images of a network trained on lesions with these difficulties."""
    plan = replace(plan, data_options=plan.data_options | {"difficulties": difficulties})
    sets = recipes.datasets("lesions", plan=plan, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        recipes.train(plan, sets, Path(folder), seed=seed, progress=False)
        segmenter = Segmenter.load(Path(folder) / "model.safetensors")
        return evaluate(segmenter, real, progress=False).compute()["dice_per_image"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1600, help="number of lesions to train on")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--size", type=int, default=96, help="side of the images in pixels")
    parser.add_argument("--seeds", type=int, default=3, help="trainings with all difficulties")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    try:
        real = load_dataset("isic2018", "val")
    except DataError as error:
        print(f"The real images are not on this machine, so nothing was measured. {error}")
        return

    plan = recipes.changed(
        recipes.find_recipe("offline"),
        size=arguments.size,
        epochs=arguments.epochs,
        fit_options={"threads": arguments.threads},
    )
    every = list(plan.data_options["difficulties"])
    plan = replace(plan, data_options={"count": arguments.count})
    print(f"Otsu's threshold: {otsu(real):.3f}", flush=True)
    base = [network(plan, real, every, seed) for seed in range(arguments.seeds)]
    mean = statistics.mean(base)
    spread = f"{min(base):.3f} to {max(base):.3f}"
    rows = [["difficulties", "Dice", "difference"], [f"all ({spread})", f"{mean:.3f}", ""]]
    print(rows[-1], flush=True)
    for left_out in ["every one", *every]:
        dice = network(plan, real, [one for one in every if left_out not in (one, "every one")])
        named = "with none" if left_out == "every one" else f"without {left_out}"
        rows.append([named, f"{dice:.3f}", f"{dice - mean:+z.3f}"])
        print(rows[-1], flush=True)
    text = (
        "\n## What each planted difficulty is worth\n\n"
        f"{plan.data_options['count']} lesions of {plan.size} × {plan.size} pixels, {plan.epochs} epochs. "
        f"Dice on {len(real)} images of ISIC 2018. With all difficulties: mean of {arguments.seeds} seeds "
        "(lowest to highest); without one, or with none: seed 0. Differences below the spread mean "
        "little.\n\n"
    )
    write_between(card_of("lesions"), BEGIN, END, text + markdown_table(rows) + "\n")


if __name__ == "__main__":
    main()
