"""The folder of a run: its settings, its split, and the refusal to overwrite an earlier run."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import segcourse
from segcourse.data.splits import write_split
from segcourse.errors import DataError, ModelFileError, SaveError
from segcourse.files import replacing
from segcourse.palette import Palette
from segcourse.recipes.plan import Recipe, checked, is_file, is_import_path
from segcourse.recipes.sources import Sets, behind, pairs_of
from segcourse.training.runs import CHECKPOINT, SETTINGS

SPLIT = "split.csv"
_CODE = {"augment": is_file, "model": is_import_path}
_FILES = (
    *(SETTINGS, SPLIT, "history.csv", CHECKPOINT, "best.safetensors", "model.safetensors"),
    *("results.png", "curves.png", "events.out.tfevents*"),
)


def claim(folder: Path, force: bool = False) -> list[Path]:
    """Return the files of an earlier run in a folder, which a new run would overwrite.

    Raises:
        SaveError: there are some, and `force` is False.
    """
    found = [path for name in _FILES for path in sorted(folder.glob(name))]
    if found and not force:
        raise SaveError(
            f"{folder} holds an earlier run ({found[0].name}). Continue that run with --resume {folder}, "
            "choose another folder with --out, or overwrite the run with --force."
        )
    return found


@contextlib.contextmanager
def overwriting(folder: Path, old: list[Path]) -> Iterator[None]:
    """Set the files of an earlier run aside; a new run that leaves no checkpoint gives way to them again.

    Of a first run in the folder, an error before the first checkpoint leaves nothing; after Ctrl-C, the run's
    settings stay, with which it resumes.
    """
    aside = folder / ".earlier"
    for path in old:
        aside.mkdir(exist_ok=True)
        path.rename(aside / path.name)
    failed = True
    try:
        yield
        failed = False
    finally:
        if (failed or old) and not (folder / CHECKPOINT).exists():
            for path in claim(folder, force=True):
                path.unlink()
            for path in old:
                (aside / path.name).rename(path)
        shutil.rmtree(aside, ignore_errors=True)
        with contextlib.suppress(OSError):  # the folder holds files, or was never made
            folder.rmdir()


def write_settings(folder: Path, plan: Recipe, sets: Sets, source: dict, running: dict, name: str) -> None:
    """Write settings.json, and the split as split.csv if the data are files.

    Args:
        folder: the run's folder.
        plan: the recipe, with all changes.
        sets: training set and validation set.
        source: the arguments of `datasets`.
        running: `seed` and other arguments of `fit` by which the run resumes.
        name: name or file of the recipe.
    """
    pairs = [pairs_of(one) for one in sets]
    if all(pairs):
        write_split(folder / SPLIT, *pairs)
    whole = behind(sets[0])
    meaning = {"class_names": whole.class_names, "colours": whole.palette.colours}
    meaning |= {
        key: list(getattr(whole, key)) for key in ("mask_values", "void_values") if hasattr(whole, key)
    }
    settings = {
        "segcourse": segcourse.__version__,
        "recipe_name": name,
        "recipe": {key: value for key, value in asdict(plan).items() if value is not None},
        "data": {key: _plain(value) for key, value in source.items() if value is not None},
        "classes": meaning,
        "running": running,
    }
    with replacing(folder / SETTINGS) as temporary:
        temporary.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_settings(
    folder: Path, augment: str | None = None, model: str | None = None
) -> tuple[Recipe, dict, dict]:
    """Return the recipe of a run, and its arguments of `datasets` and of `fit`.

    A run on files reads its pairs from its split.csv, so files that came later do not change the split.

    Args:
        folder: the run's folder.
        augment, model: the augmentation and the model that were given again.

    Raises:
        ModelFileError: the folder holds no run, or its settings cannot be read.
        DataError: the run's augmentation or model is code, which has to be named again.
    """
    path = folder / SETTINGS
    if not path.is_file():
        raise ModelFileError(
            f"there is no run to resume in {folder}: {SETTINGS} is missing. Give the folder of a run that "
            "`segcourse fit` started."
        )
    settings = _read(path)
    table, source, running = settings["recipe"], settings["data"], settings["running"]
    code = {name: table.pop(name) for name, is_code in _CODE.items() if is_code(table.get(name))}
    plan = Recipe(**{"epochs": None, "minutes": None, **checked(table, str(path))})
    if model is not None and model == code.get("model"):
        plan = replace(plan, model=model)  # so that the model keeps the options of the run
    if (folder / SPLIT).is_file():
        source = {"csv": folder / SPLIT, "check": False, **_meaning(settings)}
    elif "palette" in source:
        source["palette"] = Palette(source["palette"]["names"], source["palette"]["colours"])
    given = {"augment": augment, "model": model}
    if missing := [f"--{name} {value}" for name, value in code.items() if given[name] is None]:
        raise DataError(
            f"this run uses code that its settings may not call by themselves ({', '.join(code.values())}). "
            f"If you trust that code, name it again: --resume {folder} {' '.join(missing)}"
        )
    return plan, source, running


def meaning_of(csv: Path) -> dict[str, Any]:
    """Return what the masks in a run's split.csv mean, as arguments of `FolderDataset`; {} for other files.

    Some of the masks may lack a class or the ignored pixels, so their values alone can't tell.
    """
    path = csv.with_name(SETTINGS)
    return _meaning(_read(path)) if csv.name == SPLIT and path.is_file() else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        return {name: settings[name] for name in ("recipe", "data", "running", "classes")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{path} cannot be read ({error}); start the run again.") from error


def _meaning(settings: dict[str, Any]) -> dict[str, Any]:
    classes, given = settings["classes"], settings["data"].get("palette")
    known = {key: classes[key] for key in ("mask_values", "void_values", "class_names")}
    names, colours = (
        (given["names"], given["colours"]) if given else (known["class_names"], classes["colours"])
    )
    return known | {"palette": Palette(names, colours)}


def _plain(value: Any) -> Any:
    if isinstance(value, Palette):
        return asdict(value)
    return str(value.resolve()) if isinstance(value, Path) else value
