"""What a training run has found: data, split, classes, sizes, network, device and time, before it starts."""

from collections import Counter
from typing import Any

import torch
from torch import nn
from torch.utils.data import Subset

from segcourse.data import SampleDataset
from segcourse.data.folders import FolderDataset
from segcourse.models import count_parameters
from segcourse.palette import IGNORE
from segcourse.recipes.plan import Recipe
from segcourse.recipes.sources import Sets, behind, shapes_of

_SAMPLE = 100  # masks whose pixels are counted


def pixel_counts(dataset: Any, num_classes: int) -> list[int]:
    """Count the pixels of each class, and then the ignored ones, in up to 100 masks, evenly spread."""
    chosen = range(0, len(dataset), max(1, len(dataset) // _SAMPLE))
    indices = getattr(dataset, "indices", range(len(dataset)))
    whole = behind(dataset)
    counts = torch.zeros(256, dtype=torch.int64)
    for i in chosen:
        mask = whole.mask(indices[i]) if isinstance(whole, FolderDataset) else dataset[i][1]
        counts += torch.bincount(torch.as_tensor(mask).flatten().long(), minlength=256)
    return [*counts[:num_classes].tolist(), int(counts[IGNORE])]


def header(plan: Recipe, sets: Sets, model: nn.Module, counts: list[int], facts: dict[str, str]) -> str:
    """Return what was found, one line per fact.

    Args:
        plan: the recipe.
        sets: training set and validation set.
        model: the network.
        counts: see `pixel_counts`.
        facts: lines that only the caller knows: "split", "augmentation", "weights", "device" and "run".
    """
    train, val = sets
    source = behind(train)
    values = getattr(source, "mask_values", range(len(source.class_names)))
    lines = {
        "data": f"{len(train) + len(val)} pairs: {len(train)} for training, {len(val)} for validation",
        "split": facts.get("split", "") if isinstance(train, Subset) else "as given",
        "classes": _classes(source.class_names, counts),
        "mask values": ", ".join(map(str, values)) if list(values) != list(range(len(values))) else "",
        "ignored": ", ".join(map(str, getattr(source, "void_values", ()))),
        "images": _sizes(train),
        "pictures": _pictures(source, plan),
        "augmentation": facts.get("augmentation", ""),
        "model": f"{plan.model}, {count_parameters(model) / 1e6:.2f} million parameters",
        "weights": facts.get("weights", ""),
        "loss": plan.loss + (f", class weights {plan.class_weights}" if plan.class_weights else ""),
        "device": facts.get("device", ""),
        "time": _time(plan),
        "run": facts.get("run", ""),
    }
    return "\n".join(f"{name:13} {text}" for name, text in lines.items() if text)


def _classes(names: tuple[str, ...], counts: list[int]) -> str:
    everything = max(1, sum(counts))
    shares = zip([*names, "ignored"], counts, strict=True)
    return ", ".join(
        f"{name} {_percent(count / everything)}"
        for number, (name, count) in enumerate(shares)
        if count or number < len(names)
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 or share == 0 else "under 0.1 %"


def _sizes(train: SampleDataset) -> str:
    shapes = Counter(shapes_of(train))
    if not shapes:
        return ""
    (common, count) = shapes.most_common(1)[0]
    if len(shapes) == 1:
        return f"{_size(common)} pixels (height × width)"
    least, most = min(shapes, key=lambda s: s[0] * s[1]), max(shapes, key=lambda s: s[0] * s[1])
    usual = f", most often {_size(common)}" if count > 1 else ""
    return f"{_size(least)} to {_size(most)} pixels (height × width){usual}"


def _pictures(source: Any, plan: Recipe) -> str:
    kept = f"resized to {_size(source.size)}" if source.size else "at their own size"
    steps = getattr(source.transform, "transforms", [])
    crops = [step.crop for step in steps if hasattr(step, "crop")]
    return kept + (f", in random crops of {_size(crops[0])}" if crops and crops[0] != source.size else "")


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[0]} × {shape[1]}"


def _time(plan: Recipe) -> str:
    if plan.epochs is None:
        return f"{plan.minutes:g} minute{'s' * (plan.minutes != 1)}, as many epochs as fit"
    return f"{plan.epochs} epoch{'s' * (plan.epochs > 1)}" + (
        f", at most {plan.minutes:g} minutes" if plan.minutes else ""
    )
