"""Evaluate a model on a data set: scores as a table or JSON, and pictures of the worst cases."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from segcourse.boundary import boundary_scores
from segcourse.data import SampleDataset, load_dataset
from segcourse.data.folders import FolderDataset
from segcourse.data.samples import as_samples, class_names_of
from segcourse.data.splits import has_splits
from segcourse.errors import DataError, first_few
from segcourse.files import check_writable, replacing, write_csv
from segcourse.inference.segmenter import Segmenter
from segcourse.metrics import Scores, dice_per_class
from segcourse.models.foreign import Constructor
from segcourse.plotting.display import FigureWithAlt
from segcourse.plotting.results import show_results
from segcourse.threads import choose_threads, use_threads

BOUNDARY = ("hd95", "surface_dice")  # what `evaluate` adds to the scores of an image
TOLERANCE = 0.01  # of the diagonal, in the surface Dice
_GENERAL = re.compile(r"(background|foreground|class \d+)$", re.IGNORECASE)


def dataset(
    images: Path | None,
    masks: Path | None,
    data: str | None,
    split: str = "val",
    csv: Path | None = None,
    **meaning: Any,
) -> SampleDataset:
    """Return the data set to evaluate on: folders of images and masks, a CSV file, or a data set by name.

    Args:
        images, masks, csv: as in `FolderDataset`. A CSV file with a column `split` gives only that split.
        data, split: name of a data set, and its split.
        meaning: `mask_values`, `void_values`, `class_names` and `palette`, as in `FolderDataset`.

    Raises:
        DataError: several or none are given, or the folder or the data set does not exist.
    """
    if sum(source is not None for source in (data, images, csv)) != 1:
        raise DataError("give either --images (and --masks), or --csv, or --data.")
    if data is not None:
        return load_dataset(data, split, **meaning)
    rows = split if csv is not None and has_splits(csv) else None
    return FolderDataset(images, masks, csv=csv, split=rows, cache=False, **meaning)


def evaluate(
    segmenter: Segmenter,
    dataset: SampleDataset,
    batch_size: int = 8,
    *,
    boundary: bool = False,
    progress: bool = True,
    **options: Any,
) -> Scores:
    """Score a segmenter on a data set, each image at the size of its mask.

    Args:
        segmenter: the model.
        dataset: samples (image float 3×H×W in [0, 1], mask H×W, name), for example a FolderDataset without
            `size`; or any list of pairs, see `as_samples`.
        batch_size: images per batch.
        boundary: also add `hd95` (pixels) and `surface_dice` to the scores of each image, see
            `boundary_scores`. The tolerance is 1 % of the image's diagonal, at least one pixel.
        progress: show a progress bar.
        options: `flips`, `tile` and `overlap`, as in `Segmenter.predict`.

    Raises:
        DataError: the data set is empty, an image and its mask differ in size, or the classes of the data are
            not those of the model.
    """
    dataset = as_samples(dataset, len(segmenter.mean), num_classes=len(segmenter.class_names))
    if len(dataset) == 0:
        raise DataError("the data set is empty; there is nothing to evaluate.")
    compare_classes(segmenter.class_names, class_names_of(dataset))
    scores = Scores(len(segmenter.class_names))
    threads = choose_threads(segmenter.logits, dataset[0][0], batch_size)
    with use_threads(threads), tqdm(total=len(dataset), unit="image", disable=not progress) as bar:
        for start in range(0, len(dataset), batch_size):
            samples = [dataset[i] for i in range(start, min(start + batch_size, len(dataset)))]
            predictions = segmenter.predict_batch([image for image, _, _ in samples], **options)
            for prediction, (_, mask, name) in zip(predictions, samples, strict=True):
                if prediction.shape != mask.shape:
                    raise DataError(
                        f"the image {name} is {prediction.shape[0]}×{prediction.shape[1]}, but its mask is "
                        f"{mask.shape[0]}×{mask.shape[1]}; give masks at the size of their images."
                    )
                truth = np.asarray(mask)
                scores.update(prediction[None], truth[None], names=[name])
                if boundary:
                    tolerance = max(1.0, TOLERANCE * np.hypot(*truth.shape))
                    both = boundary_scores(prediction, truth, scores.num_classes, tolerance)
                    scores.per_image[-1] |= dict(zip(BOUNDARY, both, strict=True))
            bar.update(len(samples))
    return scores


def compare_classes(model: Sequence[str], data: Sequence[str] | None) -> None:
    """Check that a model and a data set have the same classes in the same order.

    General names, such as "foreground" and "class 3", fit any other name.

    Args:
        model, data: class names; None if the data set has none.

    Raises:
        DataError: the numbers or the names differ.

    >>> compare_classes(("skin", "lesion"), ("background", "foreground"))
    >>> compare_classes(("skin", "lesion"), ("lesion", "skin"))
    Traceback (most recent call last):
    segcourse.errors.DataError: class 0 is 'skin' in the model and 'lesion' in the data; ...
    """
    if data is None:
        return
    if len(model) != len(data):
        raise DataError(
            f"the model has {len(model)} classes ({first_few(model)}) and the data {len(data)} "
            f"({first_few(data)}); evaluate on data with the classes of the model. If these masks only lack "
            "a class, list the values of all classes with mask_values=(…)."
        )
    for i, (one, other) in enumerate(zip(model, data, strict=True)):
        if one.lower() != other.lower() and not (_GENERAL.match(one) or _GENERAL.match(other)):
            raise DataError(
                f"class {i} is {one!r} in the model and {other!r} in the data; evaluate on data with the "
                "classes of the model. If both mean the same, give the data the model's class names: "
                f"{', '.join(model)}."
            )


def report(
    model: Path,
    dataset: SampleDataset,
    out: Path | None = None,
    *,
    device: str | None = None,
    build: Constructor | str | None = None,
    progress: bool = True,
    **options: Any,
) -> dict:
    """Evaluate a model file and return all scores, also those of boundaries, as plain data, see `summary`.

    Args:
        model: the file that `Segmenter.save` wrote.
        dataset: samples (image, mask, name), each image at its full size.
        out: folder for worst.png and scores.csv. Default: write neither.
        device, build: as in `Segmenter.load`.
        progress: show a progress bar.
        options: `flips`, `tile` and `overlap`, as in `Segmenter.predict`.
    """
    segmenter = Segmenter.load(model, device, build=build)
    if out is not None:
        check_writable(out)
    scores = evaluate(segmenter, dataset, boundary=True, progress=progress, **options)
    if out is not None:
        save_figure(show_cases(segmenter, dataset, scores, worst_only=True, **options), out / "worst.png")
        columns = ["name", "dice", "iou", *BOUNDARY]
        write_csv(out / "scores.csv", [columns, *([row[name] for name in columns] for row in ranked(scores))])
    results = summary(scores, segmenter.class_names)
    return results | {"threshold": segmenter.threshold} if len(segmenter.class_names) == 2 else results


def summary(scores: Scores, class_names: Sequence[str], worst: int = 5) -> dict:
    """Return `Scores.compute()` with scores by class name, and the `worst` images, as plain data.

    `hd95` and `surface_dice` are means over images, if `evaluate` added them; `pixels_per_class` is the share
    of a class in the ground truth, 0 to 1.
    """
    results: dict[str, Any] = scores.compute()
    for name in BOUNDARY:
        if name in scores.per_image[0]:
            results[name] = float(np.nanmean([math.nan, *(row[name] for row in scores.per_image)]))
    pixels = scores.matrix.sum(1).double()
    per_class = {
        "iou_per_class": results["iou_per_class"],
        "dice_per_class": dice_per_class(scores.matrix).tolist(),
        "pixels_per_class": (pixels / pixels.sum()).tolist(),
    }
    results |= {name: dict(zip(class_names, values, strict=True)) for name, values in per_class.items()}
    rows = ranked(scores)[:worst]
    return results | {"worst": [{key: row[key] for key in ("name", "dice", "iou")} for row in rows]}


def ranked(scores: Scores) -> list[dict]:
    """Return the rows of `scores.per_image` with their `index`, sorted by Dice: worst first, NaN last.

    >>> import torch
    >>> scores = Scores(2)
    >>> half, none = torch.tensor([[[1, 1]]]), torch.tensor([[[0, 0]]])
    >>> scores.update(torch.cat([half, half, none]), torch.cat([half, none, none]), names=["a", "b", "c"])
    >>> [(row["name"], row["index"]) for row in ranked(scores)]
    [('b', 1), ('a', 0), ('c', 2)]
    """
    rows = [row | {"index": index} for index, row in enumerate(scores.per_image)]
    return sorted(rows, key=lambda row: math.inf if math.isnan(row["dice"]) else row["dice"])


def as_json(results: dict) -> str:
    """Return the results as JSON; NaN, which JSON lacks, becomes null.

    >>> as_json({"dice": float("nan"), "images": 2})
    '{"dice": null, "images": 2}'
    """

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [clean(item) for item in value]
        return None if isinstance(value, float) and math.isnan(value) else value

    return json.dumps(clean(results), allow_nan=False)


def as_table(results: dict) -> str:
    """Return the results as text: the scores, a table of the classes, and the worst images."""
    units = {"hd95": " pixels"}
    lines = [f"{'images':20} {results['images']}"]
    for name, value in results.items():
        if isinstance(value, float):
            lines.append(f"{name.replace('_', ' '):20} {_number(value)}{units.get(name, '')}")
    names = list(results["iou_per_class"])
    width = max(map(len, ["class", *names]))
    lines += ["", f"{'class':{width}}  {'IoU':>6}  {'Dice':>6}  pixels"]
    for name in names:
        iou, dice, pixels = (results[f"{score}_per_class"][name] for score in ("iou", "dice", "pixels"))
        lines.append(f"{name:{width}}  {_number(iou):>6}  {_number(dice):>6}  {pixels:6.2%}")
    lines += ["", *(f"worst: {row['name']}, Dice {_number(row['dice'])}" for row in results["worst"])]
    if any("–" in line for line in lines):
        lines.append("– means that there was nothing to find, and that nothing was found.")
    return "\n".join(lines)


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"


def show_cases(
    segmenter: Segmenter,
    dataset: SampleDataset,
    scores: Scores,
    worst_only: bool = False,
    **options: Any,
) -> FigureWithAlt:
    """Return a figure of the two worst cases, the median case and the best case.

    Args:
        segmenter, dataset, scores: the model, its data set, and the scores of `evaluate`.
        worst_only: show the six worst cases instead.
        options: `flips`, `tile` and `overlap`, as in `Segmenter.predict`.
    """
    dataset = as_samples(dataset, len(segmenter.mean))
    rows = ranked(scores)
    rows = [row for row in rows if not math.isnan(row["dice"])] or rows
    titled = [("worst", row) for row in rows[: 6 if worst_only else 2]]
    if not worst_only and len(rows) > 3:
        titled += [("median", rows[len(rows) // 2]), ("best", rows[-1])]
    samples = [dataset[row["index"]] for _, row in titled]
    return show_results(
        [image[:3] if len(image) == 4 else image for image, _, _ in samples],  # without depth or alpha
        [mask for _, mask, _ in samples],
        [segmenter.predict(image, **options) for image, _, _ in samples],
        palette=segmenter.palette,
        titles=[f"{rank}: {row['name']}" for rank, row in titled],
    )


def save_figure(figure: FigureWithAlt, path: Path) -> Path:
    """Write a figure as PNG, with its alt text as the PNG's description."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, metadata={"Description": figure.alt})
    return path
