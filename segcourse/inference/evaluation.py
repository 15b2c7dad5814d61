"""What an evaluation says: figures as a table or JSON, and the cases to look at."""

import csv
import json
import math
from pathlib import Path

from torch.utils.data import Dataset

from segcourse.data import FolderDataset, load_dataset
from segcourse.errors import DataError
from segcourse.files import replacing
from segcourse.inference.segmenter import Segmenter, evaluate
from segcourse.metrics import Scores
from segcourse.plotting.results import show_results


def dataset(images: Path | None, masks: Path | None, data: str | None, split: str = "val") -> Dataset:
    """What to evaluate on, every image at its own size: folders of images and masks, or a set by name.

    Raises:
        DataError: both or neither were given, or there is no such set or folder.
    """
    if (data is None) == (images is None):
        raise DataError("give either --images (and --masks) or --data, to say what to evaluate on.")
    return FolderDataset(images, masks, cache=False) if data is None else load_dataset(data, split)


def report(
    model: Path, dataset: Dataset, out: Path | None = None, *, device=None, progress=True, **options
) -> dict:
    """Evaluate a model file; with `out` also write worst.png and scores.csv there.

    `options` are those of `Segmenter.predict`.
    """
    segmenter = Segmenter.load(model, device)
    scores = evaluate(segmenter, dataset, progress=progress, **options)
    if out is not None:
        save_figure(show_cases(segmenter, dataset, scores, worst_only=True, **options), out / "worst.png")
        with (
            replacing(out / "scores.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            table = csv.DictWriter(file, ["name", "dice", "iou"], extrasaction="ignore")
            table.writeheader()
            table.writerows(ranked(scores))
    return summary(scores, segmenter.class_names)


def summary(scores: Scores, class_names, worst: int = 5) -> dict:
    """All figures of an evaluation as plain data: `Scores.compute()`, IoU by class, the worst images."""
    figures = scores.compute()
    figures["iou_per_class"] = dict(zip(class_names, figures["iou_per_class"], strict=True))
    rows = ranked(scores)[:worst]
    return figures | {"worst": [{key: row[key] for key in ("name", "dice", "iou")} for row in rows]}


def ranked(scores: Scores) -> list[dict]:
    """The rows of `scores.per_image`, each with its `index`; worst Dice first, NaN (nothing there) last.

    >>> import torch
    >>> scores = Scores(2)
    >>> half, none = torch.tensor([[[1, 1]]]), torch.tensor([[[0, 0]]])
    >>> scores.update(torch.cat([half, half, none]), torch.cat([half, none, none]), names=["a", "b", "c"])
    >>> [(row["name"], row["index"]) for row in ranked(scores)]
    [('b', 1), ('a', 0), ('c', 2)]
    """
    rows = [row | {"index": index} for index, row in enumerate(scores.per_image)]
    return sorted(rows, key=lambda row: math.inf if math.isnan(row["dice"]) else row["dice"])


def as_json(figures: dict) -> str:
    """JSON text; NaN, which JSON lacks, becomes null.

    >>> as_json({"dice": float("nan"), "images": 2})
    '{"dice": null, "images": 2}'
    """

    def clean(value):
        if isinstance(value, dict):
            return {key: clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [clean(item) for item in value]
        return None if isinstance(value, float) and math.isnan(value) else value

    return json.dumps(clean(figures), allow_nan=False)


def as_table(figures: dict) -> str:
    """The same as lines to read."""
    lines = [f"{'images':20} {figures['images']}"]
    for name, value in figures.items():
        if isinstance(value, float):
            lines.append(f"{name.replace('_', ' '):20} {_number(value)}")
    lines += [f"IoU of {name:13} {_number(value)}" for name, value in figures["iou_per_class"].items()]
    lines += [f"worst: {row['name']}, Dice {_number(row['dice'])}" for row in figures["worst"]]
    return "\n".join(lines)


def _number(value: float) -> str:
    return "– (nothing there, nothing found)" if math.isnan(value) else f"{value:.4f}"


def show_cases(segmenter: Segmenter, dataset: Dataset, scores: Scores, worst_only: bool = False, **options):
    """A figure of the worst cases and, unless `worst_only`, of a middling and the best one.

    `options` are those of `Segmenter.predict`.
    """
    rows = ranked(scores)
    rows = [row for row in rows if not math.isnan(row["dice"])] or rows
    titled = [("worst", row) for row in rows[: 6 if worst_only else 2]]
    if not worst_only and len(rows) > 3:
        titled += [("median", rows[len(rows) // 2]), ("best", rows[-1])]
    samples = [dataset[row["index"]] for _, row in titled]
    return show_results(
        [image for image, _, _ in samples],
        [mask for _, mask, _ in samples],
        [segmenter.predict(image, **options) for image, _, _ in samples],
        palette=segmenter.palette,
        titles=[f"{rank}: {row['name']}" for rank, row in titled],
    )


def save_figure(figure, path: Path) -> Path:
    """Write a figure as PNG, with its description in the file."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, metadata={"Description": figure.alt})
    return path
