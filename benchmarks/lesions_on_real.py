"""Measure the value of procedural lesions: train only on them, and test on real lesions.

Trains for --minutes on `Lesions` with every difficulty of the image. Then prints the mean per-image Dice on
the real validation images of ISIC 2018, each at its full size, next to that of Otsu's threshold. No real
image is used for training.
"""

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np

from segcourse import recipes
from segcourse.data import load_dataset
from segcourse.data.lesions import APPEARANCE
from segcourse.errors import DataError
from segcourse.inference.evaluation import evaluate
from segcourse.inference.segmenter import Segmenter
from segcourse.metrics import Scores


def otsu(dataset) -> Scores:
    """Score Otsu's threshold on grey values: every dark pixel is lesion."""
    scores = Scores(2)
    for image, mask, name in dataset:
        grey = cv2.cvtColor((image.numpy().transpose(1, 2, 0) * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
        _, dark = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
        scores.update(dark[None], mask[None], [name])
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=10, help="time budget in minutes, including the generation of images"
    )
    parser.add_argument("--count", type=int, default=6000, help="number of procedural lesions to train on")
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    arguments = parser.parse_args()
    try:
        real = load_dataset("isic2018", "val")
    except DataError as error:
        print(f"The real images are not on this machine, so nothing was measured. {error}")
        return

    hard = [*APPEARANCE, "faint borders", "tiny lesions", "cut by the frame"]
    data = {"count": arguments.count, "difficulties": hard}
    plan = recipes.recipe("lesions", minutes=0.9 * arguments.minutes, size=128, data_options=data)
    sets = recipes.datasets("lesions", None, None, plan, arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        recipes.train(plan, sets, Path(folder), seed=arguments.seed)
        network = evaluate(Segmenter.load(Path(folder) / "model.safetensors"), real).compute()
    print(f"per-image Dice on {len(real)} real lesions:")
    print(f"  Otsu's threshold                       {otsu(real).compute()['dice_per_image']:.3f}")
    print(f"  U-Net trained on procedural lesions    {network['dice_per_image']:.3f}")


if __name__ == "__main__":
    main()
