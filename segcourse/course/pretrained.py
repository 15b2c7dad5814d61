"""One FCN-8s on EfficientNet-Lite0, from scratch and with ImageNet weights, on photographs of lesions.

    python -m segcourse.course.pretrained

trains both again on 400 images of ISIC 2018, 128 × 128 pixels, from two seeds, and writes
results/pretrained.csv, which lesson 2 shows. It needs the data set and the extra `pretrained`, and takes
about ten minutes on two cores.
"""

from collections import defaultdict
from typing import Any

import torch
from torch.utils.data import Subset

from segcourse.course.ladder import read_table, write_table
from segcourse.data import load_dataset
from segcourse.models.fcn import FCN

STARTS = {"from scratch": False, "pretrained": True}
SEEDS = (0, 1)
PLAN: dict[str, Any] = {"epochs": 5, "batch_size": 16, "learning_rate": 1e-3}


def curves() -> dict[str, list[float]]:
    """Return the shipped validation Dice after each epoch, the mean over the seeds, by start.

    >>> sorted(curves())
    ['from scratch', 'pretrained']
    """
    found: dict[tuple[str, int], list[float]] = defaultdict(list)
    for row in read_table("pretrained.csv"):
        found[row["start"], int(row["epoch"])].append(float(row["dice"]))
    return {
        start: [sum(found[key]) / len(found[key]) for key in sorted(found) if key[0] == start]
        for start in STARTS
    }


def main() -> None:
    """Train both networks from each seed and write the table."""
    from segcourse.training.loop import fit

    train = Subset(load_dataset("isic2018", "train", size=128), range(0, 1600, 4))
    val = Subset(load_dataset("isic2018", "val", size=128), range(0, 400, 4))
    rows: list[dict[str, Any]] = []
    for seed in SEEDS:
        for start, pretrained in STARTS.items():
            torch.manual_seed(seed)
            model = FCN(3, 2, stride=8, encoder="lite0", pretrained=pretrained)
            normalise = (model.encoder.mean, model.encoder.std)
            history = fit(model, train, val, seed=seed, normalise=normalise, folder=False, **PLAN)
            rows += [
                {"start": start, "seed": seed, "epoch": number, "dice": row["dice_per_image"]}
                for number, row in enumerate(history.rows, start=1)
            ]
    write_table("pretrained.csv", rows, "segcourse.course.pretrained")


if __name__ == "__main__":
    main()
