"""A whole training run: say what was found, train, choose the threshold, write the results."""

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import ConcatDataset

from segcourse.data import SampleDataset
from segcourse.devices import find_device
from segcourse.errors import DataError
from segcourse.inference.evaluation import evaluate, save_figure, show_cases
from segcourse.inference.segmenter import Segmenter
from segcourse.inference.threshold import choose_threshold
from segcourse.losses import balanced_weights, loss_by_name
from segcourse.palette import Palette
from segcourse.plotting.charts import plot_history
from segcourse.recipes.augmentation import augment_of
from segcourse.recipes.header import header, pixel_counts
from segcourse.recipes.network import network
from segcourse.recipes.plan import Recipe, is_import_path
from segcourse.recipes.settings import claim, overwriting, write_settings
from segcourse.recipes.sources import Sets, at_own_size, behind
from segcourse.training.accelerator import make_accelerator
from segcourse.training.history import History, describe
from segcourse.training.loop import fit
from segcourse.training.runs import CHECKPOINT

_LEAST_BATCHES = 25  # per epoch of a run that is timed: validation and checkpoints would take most of it


def train(
    plan: Recipe,
    sets: Sets,
    folder: Path | None = None,
    name: str = "run",
    *,
    source: dict | None = None,
    recipe_name: str = "",
    force: bool = False,
    announce: Callable[[str], object] | None = None,
    notes: dict[str, str] | None = None,
    **options: Any,
) -> tuple[History, dict]:
    """Train with a recipe; write the run's folder.

    The folder gets model.safetensors, results.png, curves.png, history.csv, settings.json and, for files,
    split.csv, which lists the pairs of both sets. Of several processes (`accelerate launch`), all train, and
    only the main process announces, evaluates and writes.

    Args:
        plan: the settings.
        sets: training set and validation set, see `datasets`.
        folder: the run's folder. Default: `runs/<name>-<time>`.
        name: name of the run.
        source: the arguments of `datasets`, which settings.json keeps for `--resume`.
        recipe_name: name or file of the recipe, for settings.json.
        force: overwrite an earlier run in `folder`.
        announce: called with what was found, before the training starts.
        notes: more lines for `announce`, see `header`.
        options: for `fit`.

    Returns:
        The history, and the scores of `Scores.compute()` on the validation set (empty after Ctrl-C, and in
        other processes than the main one), with `class_names` and, for two classes, `threshold`.

    Raises:
        SaveError: `folder` holds an earlier run, and `force` is False.
    """
    train_set, val_set = sets
    whole = behind(train_set)
    folder = folder or Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    resume = options.pop("resume", False)
    accelerator = make_accelerator(options.get("device"))
    main, processes = accelerator.is_main_process, accelerator.num_processes
    if not main:
        announce, options["on_epoch"] = None, None
    new = main and not resume
    old = claim(folder, force) if new else []
    continued = resume and (folder / CHECKPOINT).exists()  # else killed before it: from the start
    if continued and not is_import_path(plan.model):
        plan = replace(plan, start=None)  # all weights are in the checkpoint
    device = find_device(options.get("device"))
    torch.manual_seed(options.get("seed", 0))
    model, plan, normalise, weights_from = network(plan, len(whole.class_names))
    mean, std = options.pop("normalise", normalise)
    if continued:
        weights_from = {"weights": f"those of {folder / CHECKPOINT}"}
    counts = pixel_counts(train_set, len(whole.class_names)) if announce or plan.class_weights else []
    weights = class_weights(plan.class_weights, whole.class_names, counts)
    loss = loss_by_name(plan.loss, weights)
    if announce:
        shown = replace(plan, class_weights=None if weights is None else tuple(weights))
        several = f", {processes} processes" if processes > 1 else ""
        facts = {"device": f"{device}{several}", "run": str(folder)} | (notes or {}) | weights_from
        announce(header(shown, sets, model, counts, facts))
    with overwriting(folder, old) if new else contextlib.nullcontext():
        if new:
            kept = ("seed", "precision", "workers", "accumulate", "device")
            running = {key: options[key] for key in kept if options.get(key) is not None}
            running["normalise"] = [mean, std]
            write_settings(folder, plan, sets, source or {}, running, recipe_name)
        history = fit(
            model,
            train_set if plan.epochs else _repeated(train_set, plan.batch_size),
            val_set,
            epochs=plan.epochs,
            batch_size=plan.batch_size,
            learning_rate=plan.learning_rate,
            weight_decay=plan.weight_decay,
            loss=loss,
            minutes=plan.minutes,
            normalise=(mean, std),
            folder=folder,
            resume=continued,
            **{**plan.fit_options, **options},
        )
    if history.best is None or not main:
        return history, {}
    segmenter = Segmenter(
        model,
        whole.class_names,
        Palette(whole.class_names, whole.palette.colours),
        size=plan.size or whole.size,
        mean=mean,
        std=std,
        device=device,
        upright=augment_of(plan, (source or {}).get("data")) != "any",
    )
    val_set = at_own_size(val_set)
    if len(whole.class_names) == 2 and not history.interrupted:
        segmenter.threshold = plan.threshold or choose_threshold(segmenter, val_set)
    segmenter.save(folder / "model.safetensors")
    save_figure(plot_history(history), folder / "curves.png")
    if history.interrupted:
        return history, {}
    scores = evaluate(segmenter, val_set, plan.batch_size, progress=False)
    save_figure(show_cases(segmenter, val_set, scores), folder / "results.png")
    results: dict[str, Any] = scores.compute() | {"class_names": whole.class_names}
    if len(whole.class_names) == 2:
        results["threshold"] = segmenter.threshold
    return history, results


def class_weights(
    given: str | tuple | None, class_names: Sequence[str], counts: Sequence[int]
) -> list[float] | None:
    """Return one weight per class: those given, or for "balanced" those that balance the pixel counts.

    >>> class_weights("balanced", ["skin", "lesion"], [75, 25, 3])  # the last count is of ignored pixels
    [0.6667, 2.0]
    """
    if given is None:
        return None
    if given == "balanced":
        return balanced_weights(counts[: len(class_names)])
    if isinstance(given, str) or not all(isinstance(one, int | float) and one >= 0 for one in given):
        raise DataError(f"the class weights are {given!r}; give balanced, or one number per class.")
    if len(given) != len(class_names):
        raise DataError(
            f"there are {len(given)} class weights for {len(class_names)} classes "
            f"({', '.join(class_names)}); give one number per class."
        )
    return [float(one) for one in given]


def _repeated(dataset: SampleDataset, batch_size: int) -> SampleDataset:
    """Repeat a small data set, so that an epoch has at least 25 batches; each repeat is augmented again."""
    times = math.ceil(_LEAST_BATCHES * batch_size / len(dataset))
    joined: Any = ConcatDataset([dataset] * times)  # type: ignore[list-item]
    return joined if times > 1 else dataset


def print_epoch(row: dict) -> None:
    """Print an epoch's row, where there is no terminal for a progress bar."""
    print(describe(row), flush=True)


def report(history: History, scores: dict) -> str:
    """Return the result of a training run as text."""
    lines = [] if history.best is None else [f"best: {describe(history.best)}"]
    if scores:
        names = ("dice_per_image", "jaccard_per_image", "threshold_jaccard", "mean_iou")
        shown = ", ".join(f"{name} {scores[name]:.4f}" for name in names)
        lines.append(f"model.safetensors on {scores['images']} validation images: {shown}")
        if len(scores["class_names"]) > 2:
            pairs = zip(scores["class_names"], scores["iou_per_class"], strict=True)
            lines.append("IoU: " + ", ".join(f"{name} {value:.2f}" for name, value in pairs))
        if "threshold" in scores:
            lines.append(f"threshold {scores['threshold']:g}, chosen on these images")
    lines.append(f"all files are in {history.folder}")
    return "\n".join(lines)
