"""Recipes: the training settings of a data set, as TOML files that people can read, copy and change."""

import tomllib
import typing
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from segcourse.data.catalogue import catalogue_folder
from segcourse.errors import DataError
from segcourse.models import names
from segcourse.training.budget import check_length

AUGMENT = ("upright", "any", "none")
FIT_OPTIONS: dict[str, Any] = {"ema": float, "checkpointing": bool, "compile": bool, "threads": int}


@dataclass(frozen=True)
class Recipe:
    """The settings of a training run. A recipe file is TOML with these names; what it leaves out is default.

    Attributes:
        model, model_options: for `create_model`. A recipe file may name only the course's own networks.
        start: a model file whose network and weights the training starts with, or "lesions", the network
            that comes with the package. Its network replaces `model`; another library's needs `model`, too.
        size: working size that images are resized to: side of a square, or (height, width). None: their own.
        crop: size of random crops. None: 256 × 256 of images that keep their own size, else no crops.
        augment: "upright" (mirror images), "any" (also upside down and turned), "none", or a Python file
            that defines `transform`. None: the data set's card decides; "upright" for folders.
        strength: strength of colour changes and of small affine maps, see `train_transform`.
        epochs: passes over the training set. None: as many as fit in `minutes`.
        minutes: time budget; the schedule ends with it or with `epochs`. None: no limit.
        batch_size, learning_rate, weight_decay: for `fit`.
        loss: name of the loss, see `loss_by_name`.
        class_weights: "balanced", or one number per class. None: all 1.
        threshold: probability above which a pixel is class 1, for two classes. None: chosen on validation.
        fit_options: other options of `fit`: `ema`, `checkpointing`, `compile` and `threads`.
        data_options: options of `load_dataset` for the training split.
    """

    model: str = "half_unet"
    model_options: dict = field(default_factory=lambda: {"width": 32})
    start: str | None = None
    size: int | tuple | None = None
    crop: int | tuple | None = None
    augment: str | None = None
    strength: float | int = 1.0
    epochs: int | None = None
    minutes: float | int | None = 10
    batch_size: int = 8
    learning_rate: float | int = 1e-3
    weight_decay: float | int = 1e-2
    loss: str = "ce+dice"
    class_weights: str | tuple | None = None
    threshold: float | int | None = None
    fit_options: dict = field(default_factory=dict)
    data_options: dict = field(default_factory=dict)


def recipe(data: str = "", **changes: Any) -> Recipe:
    """Return the recipe of a data set (for a folder: the general recipe) with some settings changed.

    Args:
        data: name of a data set, or a folder.
        changes: see `changed`.

    >>> recipe("isic2018", epochs=3, size=None).minutes is None
    True
    >>> recipe("isic2018", minutes=18).epochs is None  # as many as fit in 18 minutes
    True
    """
    path = recipe_folder() / f"{data}.toml"
    return changed(read_recipe(path) if data.isidentifier() and path.is_file() else Recipe(), **changes)


def recipe_folder() -> Path:
    """Return the folder of the recipes of named data sets: `datasets/recipes` in the repository."""
    return catalogue_folder() / "recipes"


def changed(known: Recipe, **changes: Any) -> Recipe:
    """Return a recipe with some settings changed; None keeps a setting.

    `epochs` without `minutes` removes the time budget, and `minutes` without `epochs` the number of epochs. A
    new size, or an augmentation from a file, removes the recipe's crops. Another model gets default options:
    a width of 32, or none for another library's, and removes `start`. `fit_options` are added to those of
    the recipe.

    Raises:
        DataError: two changes contradict each other, or a length is not above 0.
    """
    changes = {name: value for name, value in changes.items() if value is not None}
    for given, other in (("epochs", "minutes"), ("minutes", "epochs"), ("size", "crop")):
        if given in changes:
            changes.setdefault(other, None)
    model = changes.get("model", known.model)
    if "start" in changes and {"model", "model_options"} & changes.keys() and not is_import_path(model):
        raise DataError(
            f"{changes['start']} brings its own network, so a model and a width beside it have no effect; "
            "leave them out, or leave start out."
        )
    if model != known.model:
        changes.setdefault("start", None)
        changes.setdefault("model_options", {} if is_import_path(model) else Recipe().model_options)
    if "fit_options" in changes:
        changes["fit_options"] = known.fit_options | changes["fit_options"]
    if is_file(changes.get("augment")):
        if changes.get("crop"):
            raise DataError(
                f"{changes['augment']} decides about crops itself; leave the crop out, or crop in that file."
            )
        changes["crop"] = None
    plan = replace(known, **changes)
    check_length(plan.epochs, plan.minutes)
    return plan


def find_recipe(given: str) -> Recipe:
    """Return a recipe by the name of its data set, or from a file.

    Raises:
        DataError: there is no such name or file, or the file is not a recipe.
    """
    shipped = {path.stem: path for path in sorted(recipe_folder().glob("*.toml"))}
    if given not in shipped and not Path(given).is_file():
        raise DataError(f"there is no recipe {given!r}; give a TOML file, or one of {', '.join(shipped)}.")
    return read_recipe(given if Path(given).is_file() else shipped[given])


def is_file(augment: str | None) -> bool:
    """Return True if the augmentation is not one of the names, so it must be a Python file."""
    return augment is not None and augment not in AUGMENT


def is_import_path(model: Any) -> bool:
    """Return True if the model is another library's: the import path of what builds it."""
    return isinstance(model, str) and "." in model


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe file: TOML with the names of `Recipe`.

    Code never comes with a recipe, so `augment` and `model` must be names of the course here.

    Raises:
        DataError: the file is missing or not TOML, or it holds an unknown name or a value of a wrong type.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"the recipe {path} cannot be read ({error}); a recipe is a TOML file.") from error
    return changed(Recipe(), **checked(table, str(path)))


def checked(table: dict[str, Any], where: str) -> dict[str, Any]:
    """Return a recipe's table with lists as tuples, after a check of its names, its types, and for code."""
    kinds = typing.get_type_hints(Recipe)
    for name, value in table.items():
        if name not in kinds:
            known = ", ".join(one.name for one in fields(Recipe))
            raise DataError(f"{where} holds the unknown name {name!r}; a recipe has {known}.")
        table[name] = value = tuple(value) if isinstance(value, list) else value
        if not isinstance(value, kinds[name]) or isinstance(value, bool):
            wanted = str(getattr(kinds[name], "__name__", kinds[name])).replace("tuple", "list")
            raise DataError(f"{where} holds {name} = {value!r}; expected {wanted}.")
    for name, value in table.get("fit_options", {}).items():
        if type(value) is not FIT_OPTIONS.get(name):
            known = ", ".join(f"{one} ({kind.__name__})" for one, kind in FIT_OPTIONS.items())
            raise DataError(f"{where} holds {name} = {value!r} in fit_options; expected some of {known}.")
    if is_file(table.get("augment")):
        raise DataError(
            f"{where} names the augmentation {table['augment']!r}; a recipe may name {', '.join(AUGMENT)}. "
            "Give a Python file yourself, with the option --augment FILE."
        )
    if is_import_path(table.get("model")):
        raise DataError(
            f"{where} names the model {table['model']!r}, which is code of another library; a recipe may "
            f"name {', '.join(names())}. Give the import path yourself: --model {table['model']}."
        )
    return table
