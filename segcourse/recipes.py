"""Default training settings per data set, and a whole training run: data, model file, pictures."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Subset

from segcourse.data import SampleDataset, load_dataset
from segcourse.data.checks import check_folder
from segcourse.data.folders import FolderDataset
from segcourse.data.transforms import train_transform, upright_transform
from segcourse.errors import DataError
from segcourse.inference.evaluation import evaluate, save_figure, show_cases
from segcourse.inference.segmenter import Segmenter
from segcourse.models import create_model
from segcourse.models.encoders import Encoder
from segcourse.models.forward import IMAGENET
from segcourse.plotting.charts import plot_history
from segcourse.training.history import History, describe
from segcourse.training.loop import fit


@dataclass(frozen=True)
class Recipe:
    """The default settings of `segcourse fit` for a data set.

    Attributes:
        model, model_options: for `create_model`.
        size: side in pixels of the square that images are resized to. None: they keep their size.
        epochs, batch_size, learning_rate, weight_decay: for `fit`.
        strength: strength of the augmentation, see `train_transform`.
        crop: (height, width) of random crops, see `upright_transform`, which then replaces `train_transform`.
        minutes: time budget; on a slower machine the schedule ends after fewer epochs. None: no limit.
        data_options: options of `load_dataset` for the training split.
    """

    model: str = "half_unet"
    model_options: dict = field(default_factory=lambda: {"width": 32})
    size: int | None = 128
    epochs: int = 10
    batch_size: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    strength: float = 1.0
    crop: tuple[int, int] | None = None
    minutes: float | None = None
    data_options: dict = field(default_factory=dict)


# For two CPU cores: settings that give useful results there in a few minutes.
RECIPES = {
    "lesions": Recipe(size=96, epochs=4, strength=0, minutes=2.4, data_options={"count": 2400}),
    "isic2018": Recipe(epochs=15, strength=0.5, minutes=9),
    "camvid": Recipe(
        "deeplabv3",
        {"encoder": "lite0", "pretrained": True, "channels": 96, "decoder": True},
        size=None,
        epochs=18,
        batch_size=8,
        crop=(256, 320),
    ),
}


def recipe(data: str, **changes: Any) -> Recipe:
    """Return the recipe of a data set (for a folder: the general recipe) with some settings changed.

    Args:
        data: name of a data set, or a folder.
        changes: settings that replace those of the recipe; None keeps the recipe's setting. `epochs` without
            `minutes` removes the time budget. `minutes` without `epochs` scales the number of epochs.

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
) -> tuple[SampleDataset, SampleDataset]:
    """Return the training set and the validation set.

    A folder without the subfolders `train` and `val` is checked and split at random, a fifth for validation.

    Args:
        data: name of a data set, or a folder of images and masks.
        images, masks: instead of `data`, a folder of images and a folder of masks.
        plan: settings for size and augmentation.
        seed: random seed of the split.

    Raises:
        DataError: the data set or the folder does not exist, or the check found problems.
    """
    source = images if data is None else data
    if source is None or (data is not None and images is not None):
        raise DataError("give either --data, or --images and --masks.")
    transform = upright_transform(plan.crop) if plan.crop else train_transform(strength=plan.strength)
    if data is not None and not Path(data).is_dir():
        train = load_dataset(data, "train", size=plan.size, transform=transform, **plan.data_options)
        return train, load_dataset(data, "val", size=plan.size)
    folder = Path(source)
    if images is None and (folder / "train").is_dir() and (folder / "val").is_dir():
        train = _checked(folder / "train", None, plan, transform)
        return train, _checked(folder / "val", None, plan, None, train)
    whole = _checked(folder, masks, plan, transform)
    plain = _checked(folder, masks, plan, None, whole)
    order = np.random.default_rng(seed).permutation(len(whole))
    held_out = len(order) // 5
    if held_out == 0:
        raise DataError(
            f"{folder} holds {len(order)} pairs; give at least 5, so that one can be used for validation."
        )
    return Subset(whole, order[held_out:].tolist()), Subset(plain, order[:held_out].tolist())


def _checked(
    folder: Path,
    masks: Path | None,
    plan: Recipe,
    transform: Callable | None,
    like: FolderDataset | None = None,
) -> FolderDataset:
    if like is None:
        report = check_folder(folder, masks)
        if not report.ok:
            raise DataError(f"{report.table()}\nFix the problems in {folder} listed above before training.")
        return FolderDataset(folder, masks, size=plan.size, transform=transform)
    meaning: dict[str, Any] = {
        "mask_values": like.mask_values,
        "void_values": like.void_values,
        "class_names": like.class_names,
    }
    return FolderDataset(folder, masks, size=plan.size, transform=transform, **meaning)


def train(
    plan: Recipe,
    sets: tuple[SampleDataset, SampleDataset],
    folder: Path | None = None,
    name: str = "run",
    **options: Any,
) -> tuple[History, dict]:
    """Train with a recipe; write model.safetensors, results.png and curves.png to the run's folder.

    Args:
        plan: the settings.
        sets: training set and validation set.
        folder: the run's folder. Default: `runs/<name>-<time>`.
        name: name of the run.
        options: for `fit`.

    Returns:
        The history, and the scores of `Scores.compute()` on the validation set (empty after Ctrl-C).
    """
    train_set, val_set = sets
    source: Any = getattr(train_set, "dataset", train_set)  # the data set behind a Subset
    folder = folder or Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    torch.manual_seed(options.get("seed", 0))
    model = create_model(plan.model, len(source.class_names), **plan.model_options)
    encoder = getattr(model, "encoder", None)
    mean, std = (encoder.mean, encoder.std) if isinstance(encoder, Encoder) else IMAGENET
    history = fit(
        model,
        train_set,
        val_set,
        epochs=plan.epochs,
        batch_size=plan.batch_size,
        learning_rate=plan.learning_rate,
        weight_decay=plan.weight_decay,
        minutes=plan.minutes,
        normalise=(mean, std),
        folder=folder,
        **options,
    )
    if history.best is None:
        return history, {}
    segmenter = Segmenter(
        model,
        source.class_names,
        source.palette,
        size=plan.size,
        mean=mean,
        std=std,
        device=options.get("device"),
    )
    segmenter.save(folder / "model.safetensors")
    save_figure(plot_history(history), folder / "curves.png")
    if history.interrupted:
        return history, {}
    scores = evaluate(segmenter, val_set, plan.batch_size, progress=False)
    save_figure(show_cases(segmenter, val_set, scores), folder / "results.png")
    return history, scores.compute()


def report(history: History, scores: dict) -> str:
    """Return the result of a training run as text."""
    lines = [] if history.best is None else [f"best: {describe(history.best)}"]
    if scores:
        names = ("dice_per_image", "jaccard_per_image", "threshold_jaccard", "mean_iou")
        shown = ", ".join(f"{name} {scores[name]:.4f}" for name in names)
        lines.append(f"model.safetensors on {scores['images']} validation images: {shown}")
    lines.append(f"all files are in {history.folder}")
    return "\n".join(lines)
