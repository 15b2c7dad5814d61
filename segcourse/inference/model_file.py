"""The model file: a network's weights and settings in one safetensors file, read without running code."""

import json
from pathlib import Path
from typing import Any

from torch import nn

from segcourse.errors import ModelFileError
from segcourse.models import create_model
from segcourse.models.weights import load_weights, read_weights, save_weights, weights_of
from segcourse.palette import Palette

FORMAT = 1


def write_model_file(path: str | Path, model: nn.Module, palette: Palette, **preprocessing: Any) -> None:
    """Write a network with its classes and preprocessing.

    Args:
        path: the file.
        model: a network with `config`, the arguments of `create_model` that build it.
        palette: class names and colours.
        preprocessing: `mean`, `std`, `size` and `threshold`, as in `Segmenter`.

    Raises:
        SaveError: the folder is not writable or the disk is full. An older file is unchanged.
        ModelFileError: the model has no `config`, so it could not be built again.
    """
    config = getattr(model, "config", None)
    if not config:
        raise ModelFileError(
            f"{type(model).__name__} has no `config`, so a saved file could not be loaded again. "
            "Set `model.config` to the arguments of create_model that build the model."
        )
    classes = {"class_names": palette.names, "colours": palette.colours}
    settings = {"format": FORMAT, "model": config, **classes, **preprocessing}
    save_weights(path, weights_of(model), {"segcourse": json.dumps(settings)})


def read_model_file(path: str | Path) -> tuple[nn.Module, Palette, dict[str, Any]]:
    """Read the network, the palette and the preprocessing (`mean`, `std`, `size`, `threshold`).

    Raises:
        ModelFileError: the file is missing, damaged, not written by segcourse, written by a newer version, or
            its weights don't fit its settings.
    """
    tensors, metadata = read_weights(path)
    if "segcourse" not in metadata:
        raise ModelFileError(
            f"{path} holds only weights, without the settings that segcourse saves with them (classes, "
            "normalisation, size). Use a file written by Segmenter.save or `segcourse fit`."
        )
    try:
        settings = json.loads(metadata["segcourse"])
        if settings["format"] > FORMAT:
            raise ModelFileError(
                f"{path} was written by a newer version of segcourse (file format {settings['format']}; "
                f"this version reads up to {FORMAT}). Update segcourse."
            )
        model = create_model(**settings["model"])
        palette = Palette(settings["class_names"], settings["colours"])
        preprocessing = {name: settings[name] for name in ("mean", "std", "size")}
        preprocessing["threshold"] = settings.get("threshold", 0.5)  # older files have none
    except ModelFileError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"{path} describes a model that this version of segcourse can't build ({error})."
        ) from error
    load_weights(model, tensors, path)
    return model, palette, preprocessing
