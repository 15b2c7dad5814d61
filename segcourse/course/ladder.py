"""The ladder: every method of the course on the same held-out lesions.

    python -m segcourse.course.ladder [--starts 10] [--photographs]

trains each network again and writes results/ladder.csv and results/starts.csv, which lessons show beside the
student's own results. This takes about 15 minutes on two cores. With --photographs, the same methods learn
from photographs of ISIC 2018, which must be there, and results/photographs.csv is written. The two are never
mixed in one chart.
"""

import argparse
import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Subset

from segcourse import losses
from segcourse.classical import PixelForest, grabcut, grow_region, kmeans, otsu
from segcourse.data import Sample, SampleDataset, load_dataset
from segcourse.data.lesions import APPEARANCE, Lesions
from segcourse.files import replacing
from segcourse.metrics import dice_score
from segcourse.models.deeplab import DeepLabV3
from segcourse.models.fcn import FCN
from segcourse.models.unet import UNet
from segcourse.plotting import ladder_chart
from segcourse.plotting.display import FigureWithAlt

if TYPE_CHECKING:
    from segcourse.course.trials import Trials

RESULTS = Path(__file__).parent / "results"
PLAN: dict[str, Any] = {"epochs": 8, "batch_size": 8, "learning_rate": 3e-3}
TINY = 0.02  # of the picture
COMMAND = "segcourse.course.ladder"
RUNGS = ("FCN-32s", "U-Net without skips", "U-Net", "DeepLabV3")  # networks of `VARIANTS` in the ladder


class Pictures(NamedTuple):
    """The pictures of all lessons, 64 × 64 pixels.

    Attributes:
        train, val: 400 and 60 lesions, of which one in twelve covers less than 2 % of its picture.
        test: the 120 held-out lesions of the ladder, each at least 2 % of its picture.
        tiny: 50 more held-out lesions, each below 2 %.
    """

    train: SampleDataset
    val: SampleDataset
    test: list[Sample]
    tiny: list[Sample]


def pictures() -> Pictures:
    """Return the data sets that every method of the ladder is trained and tested on."""
    kinds = (*APPEARANCE, "tiny lesions")

    def lesions(split: str, count: int, difficulties: tuple[str, ...] = kinds) -> Lesions:
        data = load_dataset("lesions", split, size=64, count=count, difficulties=difficulties)
        assert isinstance(data, Lesions)
        return data

    test, more = lesions("test", 120, tuple(APPEARANCE)), lesions("test", 600)
    samples = (more[i] for i in range(len(more)))
    tiny = [sample for sample in samples if sample.mask.float().mean() < TINY][:50]
    return Pictures(lesions("train", 400), lesions("val", 60), [test[i] for i in range(len(test))], tiny)


def photographs() -> Pictures:
    """Return as many photographs of ISIC 2018, 64 × 64 pixels; the held-out ones are of its other split.

    Raises:
        DataError: the data set is not there; the message says how to get it.
    """
    train, others = (load_dataset("isic2018", split, size=64) for split in ("train", "val"))
    learning, val = (Subset(train, range(first, 1600, 4)[:count]) for first, count in ((0, 400), (1, 60)))
    return Pictures(learning, val, [others[i] for i in range(0, 360, 3)], [])


def small_unet() -> nn.Module:
    """Return the U-Net of the ladder, of width 8: 0.5 million parameters."""
    return UNet(3, 2, width=8)


def small_deeplab() -> nn.Module:
    """Return the DeepLabV3 of the ladder, 0.4 million parameters; its rates are alive on a map of 8 × 8."""
    return DeepLabV3(3, 2, width=8, channels=32, output_stride=8, rates=(2, 4, 6))


def fcn(stride: int) -> dict[str, Any]:
    """Return the variant FCN-32s, 16s or 8s for `compare`: the small encoder, 1.2 million parameters."""
    return {"model": lambda: FCN(3, 2, stride=stride), "initial": None}  # its upsampling starts as bilinear


def one_sum_dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the soft Dice loss with all pixels and classes in one sum: 1 - mean p(true class)."""
    return 1 - logits.softmax(dim=1).gather(1, target.unsqueeze(1)).mean()


VARIANTS: dict[str, dict[str, Any]] = {
    "FCN-32s": fcn(32),
    "FCN-16s": fcn(16),
    "FCN-8s": fcn(8),
    "U-Net": {"loss": losses.combined_loss},
    "U-Net without skips": {"model": lambda: UNet(3, 2, width=8, skips=False)},
    "cross-entropy": {"loss": losses.cross_entropy},
    "soft Dice": {"loss": losses.soft_dice_loss},
    "focal": {"loss": losses.focal_loss},
    "one-sum Dice": {"loss": one_sum_dice_loss},
    "DeepLabV3": {"model": small_deeplab},
}


TOLERANCE = 32  # grey values: the best of 16, 20, … 56 on the 400 training lesions


def classical_masks(train: Iterable[Sample], samples: Iterable[Sample]) -> dict[str, Tensor]:
    """Return the masks N×H×W of each method without a network, by its name in `results`.

    Region growing starts at the middle of the picture, GrabCut's box leaves a narrow margin, and the darker
    of two clusters counts as lesion. Only the forest learns; its random seed is 0 (other seeds change its
    mean Dice by less than 0.01).

    Args:
        train: what the forest is trained on.
        samples: the pictures to segment.
    """
    forest = PixelForest().fit(train)
    methods: dict[str, Callable[[Tensor], Tensor]] = {
        "Otsu's threshold": otsu,
        "region growing": _grown_from_the_middle,
        "k-means": lambda image: (kmeans(image) == 0).long(),
        "GrabCut": grabcut,
        "random forest": forest.predict,
    }
    images = [sample.image for sample in samples]
    return {name: torch.stack([method(image) for image in images]) for name, method in methods.items()}


def _grown_from_the_middle(image: Tensor) -> Tensor:
    grey = 255 * image.mean(dim=0)
    return grow_region(grey, (grey.shape[0] // 2, grey.shape[1] // 2), TOLERANCE)


def starts() -> list[dict[str, Any]]:
    """Return the shipped results of all starts, a row per variant and seed.

    Each row has `variant`, `seed`, mean Dice on the `ordinary` and `tiny` held-out lesions, `missed` (the
    number of tiny lesions without a predicted pixel), and mean Dice on the `smallest`, `middle` and `largest`
    third of the ordinary lesions.
    """
    rows = [dict(row) for row in read_table("starts.csv")]
    return [row | {key: float(row[key]) for key in row if key != "variant"} for row in rows]


def spread(score: str, *variants: str) -> dict[str, list[float]]:
    """Return one score of several variants, a number per start.

    >>> len(spread("ordinary", "U-Net")["U-Net"])
    10
    """
    return {name: [row[score] for row in starts() if row["variant"] == name] for name in variants}


def results(table: str = "ladder.csv") -> dict[str, np.ndarray]:
    """Return the shipped Dice of each held-out lesion, the mean over all starts, by method.

    Args:
        table: "ladder.csv", or "photographs.csv": ten starts, or three.
    """
    rows = read_table(table)
    return {method: np.array([float(row[method]) for row in rows]) for method in rows[0]}


def show(yours: Mapping[str, Any], *methods: str) -> FigureWithAlt:
    """Show shipped methods, then your own, on the held-out lesions.

    Args:
        yours: the Dice of each of the 120 held-out lesions, by name.
        methods: names of `results`. Default: all methods.
    """
    shipped = results()
    return ladder_chart({name: shipped[name] for name in methods or shipped} | dict(yours))


def show_photographs() -> FigureWithAlt:
    """Show the shipped methods, trained and tested on photographs of ISIC 2018."""
    return ladder_chart(results("photographs.csv"))


def thirds(masks: Tensor) -> dict[str, Tensor]:
    """Return the indices of the smallest, the middle and the largest third of N masks, sorted by area."""
    order = masks.flatten(1).sum(dim=1).argsort(stable=True)
    return dict(zip(("smallest", "middle", "largest"), order.chunk(3), strict=True))


def read_table(name: str) -> list[dict[str, str]]:
    """Read a shipped table of results: a dict per row."""
    with (RESULTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def write_table(name: str, rows: list[dict[str, Any]], command: str) -> None:
    """Write a table of results, and above it the command that wrote it."""
    with replacing(RESULTS / name) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# written by `python -m {command}`\n")
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )


def main() -> None:
    """Train every variant from every start and write the two tables."""
    from segcourse.course.trials import compare  # imports the training loop

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=10, help="number of random seeds. Default: 10")
    parser.add_argument("--photographs", action="store_true", help="learn from ISIC 2018 instead")
    given = parser.parse_args()
    seeds = range(given.starts)
    train, val, test, tiny = photographs() if given.photographs else pictures()
    truth = torch.stack([sample.mask for sample in test])
    variants = {name: VARIANTS[name] for name in RUNGS} if given.photographs else VARIANTS
    trials = compare(variants, train, val, seeds=seeds, model=small_unet, **PLAN)
    ordinary = {key: dice_score(masks, truth) for key, masks in trials.masks(test).items()}
    if not given.photographs:
        write_table("starts.csv", _starts(trials, ordinary, truth, tiny), COMMAND)
    learning = [Sample(*train[i]) for i in range(len(train))]
    methods = {name: dice_score(masks, truth) for name, masks in classical_masks(learning, test).items()}
    for name in RUNGS:
        methods[name] = torch.stack([ordinary[name, seed] for seed in seeds]).mean(dim=0)
    columns = {name: scores.tolist() for name, scores in methods.items()}
    table = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if given.photographs:
        write_table("photographs.csv", table, f"{COMMAND} --photographs --starts {given.starts}")
    else:
        write_table("ladder.csv", table, COMMAND)


def _starts(
    trials: "Trials", ordinary: dict[tuple[str, int], Tensor], truth: Tensor, tiny: list[Sample]
) -> list[dict[str, Any]]:
    """Return a row per variant and seed, as `starts` describes them."""
    tiny_truth, rows = torch.stack([sample.mask for sample in tiny]), []
    for (name, seed), masks in sorted(trials.masks(tiny).items()):
        dice = ordinary[name, seed]
        row = {"variant": name, "seed": seed, "ordinary": dice.mean().item()}
        row |= {"tiny": dice_score(masks, tiny_truth).mean().item()}
        row |= {"missed": int((masks.sum(dim=(1, 2)) == 0).sum())}
        rows.append(row | {third: dice[which].mean().item() for third, which in thirds(truth).items()})
    return rows


if __name__ == "__main__":
    main()
