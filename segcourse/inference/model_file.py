"""The model file: a network's weights and settings in one safetensors file, read without running code."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import nn

from segcourse.errors import ModelFileError
from segcourse.models import create_model, is_own, names
from segcourse.models.foreign import Constructor, describe, rebuild
from segcourse.models.weights import load_weights, read_weights, save_weights, weights_of
from segcourse.palette import Palette

FORMAT = 1


def write_model_file(
    path: str | Path, model: nn.Module, settings: dict[str, Any], half: bool = False
) -> None:
    """Write a network with its classes and preprocessing.

    Args:
        path: the file.
        model: a network. One of the course's own has `config`, the arguments of `create_model`; for others
            the file says what built it, see `segcourse.models.foreign.describe`.
        settings: `class_names`, `colours`, `mean`, `std`, `size`, `threshold` and `upright`, as in
            `Segmenter.settings`.
        half: write the weights of convolutions and linear layers in float16.

    Raises:
        SaveError: the folder is not writable or the disk is full. An older file is unchanged.
    """
    config = model.config if is_own(model) else describe(model)
    tensors = weights_of(model)
    if half:  # statistics of batch normalisation may be beyond float16
        large = {name for name, one in tensors.items() if one.is_floating_point() and one.ndim > 1}
        tensors = {name: one.half() if name in large else one for name, one in tensors.items()}
    save_weights(path, tensors, {"segcourse": json.dumps({"format": FORMAT, "model": config, **settings})})


def read_model_file(
    path: str | Path, build: Constructor | str | None = None, argument: str = "build"
) -> tuple[nn.Module, Palette, dict[str, Any]]:
    """Read the network, the palette and what else `write_model_file` wrote.

    Args:
        path: the file.
        build: what builds the network if it is not one of the course's own, see `Segmenter.load`.
        argument: what the caller calls `build`, for error messages.

    Raises:
        ModelFileError: the file is missing, damaged, not written by segcourse, written by a newer version, or
            its weights don't fit its settings; or `build` is missing.
    """
    tensors, metadata = read_weights(path)
    if "segcourse" not in metadata:
        raise ModelFileError(
            f"{path} holds only weights, without the settings that segcourse saves with them (classes, "
            "normalisation, size). Use a file written by Segmenter.save or `segcourse fit`."
        )
    with _explained(path):
        settings = read_settings(metadata["segcourse"], path)
        config = settings["model"]
        if "build" in config:
            model = rebuild(config, build, path, argument)
        elif config["name"] in names():  # an import path there would run another program's code
            model = create_model(**config)
        else:
            raise ModelFileError(
                f"{path} holds a model {config['name']!r} that this version of segcourse can't build; it has "
                f"{', '.join(names())}."
            )
    load_weights(model, tensors, path)
    return model, *preprocessing_of(settings, path)


def read_settings(text: str, path: str | Path) -> dict[str, Any]:
    """Parse the settings in a file's metadata.

    Raises:
        ModelFileError: a newer version of segcourse wrote them, or they are damaged.
    """
    with _explained(path):
        settings = json.loads(text)
        if settings["format"] > FORMAT:
            raise ModelFileError(
                f"{path} was written by a newer version of segcourse (file format {settings['format']}; "
                f"this version reads up to {FORMAT}). Update segcourse."
            )
        return settings


def preprocessing_of(settings: dict[str, Any], path: str | Path) -> tuple[Palette, dict[str, Any]]:
    """Return the palette, and the other settings as arguments of `Segmenter`.

    Raises:
        ModelFileError: a setting is missing or damaged.
    """
    with _explained(path):
        palette = Palette(settings["class_names"], settings["colours"])
        preprocessing = {name: settings[name] for name in ("mean", "std", "size")}
        older = {"threshold": 0.5, "upright": True}  # what files meant that did not hold these
        return palette, preprocessing | {name: settings.get(name, value) for name, value in older.items()}


@contextlib.contextmanager
def _explained(path: str | Path) -> Iterator[None]:
    try:
        yield
    except ModelFileError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"{path} describes a model that this version of segcourse can't build ({error})."
        ) from error
