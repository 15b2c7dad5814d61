"""How each data set is trained on by default, and the whole job: data, training, model file, pictures."""

import math
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset, Subset

from segcourse.data import FolderDataset, check_folder, load_dataset, train_transform
from segcourse.errors import DataError
from segcourse.inference.evaluation import save_figure, show_cases
from segcourse.inference.segmenter import Segmenter, evaluate
from segcourse.models import create_model
from segcourse.plotting.charts import plot_history
from segcourse.training.history import History, describe
from segcourse.training.loop import fit


@dataclass(frozen=True)
class Recipe:
    """What `segcourse fit` does unless told otherwise.

    Attributes:
        model, model_options: for `create_model`.
        size: side of the square that images are squashed to.
        epochs, batch_size, learning_rate, weight_decay: for `fit`.
        strength: of the augmentation, see `train_transform`.
        minutes: what the training may take; a slower machine gets fewer epochs, annealed all the same.
        data_options: for `load_dataset` of the training split.
    """

    model: str = "half_unet"
    model_options: dict = field(default_factory=lambda: {"width": 32})
    size: int = 128
    epochs: int = 10
    batch_size: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    strength: float = 1.0
    minutes: float | None = None
    data_options: dict = field(default_factory=dict)


# Made for two CPU cores: what a set needs there, in a few minutes, to be worth looking at.
RECIPES = {
    "lesions": Recipe(size=96, epochs=4, strength=0, minutes=2.4, data_options={"count": 2400}),
    "isic2018": Recipe(epochs=15, strength=0.5, minutes=9),
    "camvid": Recipe(size=192, epochs=20, batch_size=8),
}


def recipe(data: str, **changes) -> Recipe:
    """The recipe for a data set (the general one for a folder), with those `changes` that are not None.

    Epochs that were asked for are not cut short by the recipe's minutes; minutes that were asked for get as
    many epochs as will fill them.

    >>> recipe("isic2018", epochs=3, size=None).minutes is None
    True
    >>> recipe("isic2018", minutes=18).epochs
    30
    """
    known = RECIPES.get(data, Recipe())
    changes = {name: value for name, value in changes.items() if value is not None}
    if "epochs" in changes:
        changes.setdefault("minutes", None)
    elif "minutes" in changes and known.minutes:
        changes["epochs"] = math.ceil(known.epochs * changes["minutes"] / known.minutes)
    return replace(known, **changes)


def datasets(
    data: str | None, images: Path | None, masks: Path | None, plan: Recipe, seed: int = 0
) -> tuple[Dataset, Dataset]:
    """Training and validation set: by name, from a folder, or from a folder of images and one of masks.

    A folder without `train` and `val` inside is checked and then split by chance, a fifth for validation.

    Raises:
        DataError: no such set or folder, or the check found something wrong.
    """
    if (data is None) == (images is None):
        raise DataError("give either --data or --images and --masks, to say what to train on.")
    transform = train_transform(strength=plan.strength)
    if data is not None and not Path(data).is_dir():
        train = load_dataset(data, "train", size=plan.size, transform=transform, **plan.data_options)
        return train, load_dataset(data, "val", size=plan.size)
    folder = Path(data if data is not None else images)
    if images is None and (folder / "train").is_dir() and (folder / "val").is_dir():
        train = _checked(folder / "train", None, plan, transform)
        return train, _checked(folder / "val", None, plan, None, train)
    whole = _checked(folder, masks, plan, transform)
    plain = _checked(folder, masks, plan, None, whole)
    order = np.random.default_rng(seed).permutation(len(whole))
    held_out = len(order) // 5
    if held_out == 0:
        raise DataError(
            f"{folder} holds {len(order)} pairs; at least 5 are needed to keep one for validation."
        )
    return Subset(whole, order[held_out:].tolist()), Subset(plain, order[:held_out].tolist())


def _checked(folder: Path, masks: Path | None, plan: Recipe, transform, like: FolderDataset | None = None):
    if like is None:
        report = check_folder(folder, masks)
        if not report.ok:
            raise DataError(f"{report.table()}\n{folder} has to be put right before training (see above).")
        return FolderDataset(folder, masks, size=plan.size, transform=transform)
    meaning = {
        "mask_values": like.mask_values,
        "void_values": like.void_values,
        "class_names": like.class_names,
    }
    return FolderDataset(folder, masks, size=plan.size, transform=transform, **meaning)


def train(
    plan: Recipe, sets: tuple[Dataset, Dataset], folder: Path | None = None, name: str = "run", **options
) -> tuple[History, dict]:
    """Train by a recipe; leave model.safetensors, results.png and curves.png in the run's folder.

    Args:
        folder: default `runs/<name>-<time>`.
        options: for `fit`.

    Returns:
        The history and the figures of `Scores.compute()` on the validation set (empty after Ctrl-C).
    """
    train_set, val_set = sets
    source = getattr(train_set, "dataset", train_set)  # a Subset's
    folder = folder or Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    torch.manual_seed(options.get("seed", 0))
    model = create_model(plan.model, len(source.class_names), **plan.model_options)
    history = fit(
        model,
        train_set,
        val_set,
        epochs=plan.epochs,
        batch_size=plan.batch_size,
        learning_rate=plan.learning_rate,
        weight_decay=plan.weight_decay,
        minutes=plan.minutes,
        folder=folder,
        **options,
    )
    if history.best is None:
        return history, {}
    segmenter = Segmenter(
        model, source.class_names, source.palette, size=plan.size, device=options.get("device")
    )
    segmenter.save(folder / "model.safetensors")
    save_figure(plot_history(history), folder / "curves.png")
    if history.interrupted:
        return history, {}
    scores = evaluate(segmenter, val_set, plan.batch_size, progress=False)
    save_figure(show_cases(segmenter, val_set, scores), folder / "results.png")
    return history, scores.compute()


def report(history: History, figures: dict) -> str:
    """What a training run ended with, in lines to read."""
    lines = [] if history.best is None else [f"best: {describe(history.best)}"]
    if figures:
        names = ("dice_per_image", "jaccard_per_image", "threshold_jaccard", "mean_iou")
        scores = ", ".join(f"{name} {figures[name]:.4f}" for name in names)
        lines.append(f"model.safetensors on {figures['images']} validation images: {scores}")
    lines.append(f"everything is in {history.folder}")
    return "\n".join(lines)
