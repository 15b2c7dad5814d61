"""The network that a training run starts with: new, with weights from elsewhere, or from a model file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from segcourse.errors import DataError, ModelFileError
from segcourse.inference.model_file import read_model_file
from segcourse.inference.shipped import weights_file
from segcourse.models import create_model, is_own
from segcourse.models.encoders import Encoder
from segcourse.models.foreign import find_constructor, without_weights
from segcourse.models.forward import IMAGENET
from segcourse.recipes.plan import Recipe, is_import_path

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]  # mean and std of each channel


def network(plan: Recipe, num_classes: int) -> tuple[nn.Module, Recipe, Normalisation, dict[str, str]]:
    """Return a recipe's network, the recipe that was used, the normalisation, and lines for the header.

    Without its pretrained weights, the default network from scratch replaces one of the course; another
    library's network starts from scratch itself. The header then says why.

    Raises:
        DataError: the model or an option is unknown.
        ModelFileError: the file in `plan.start` is missing or not a model file, or weights can't be had that
            were not asked for with `pretrained`.
    """
    if plan.start is not None:
        return _started(plan, plan.start, num_classes)
    said: dict[str, str] = {}
    try:
        model = create_model(plan.model, num_classes, **plan.model_options)
    except ModelFileError as error:
        if is_import_path(plan.model):
            scratch = without_weights(find_constructor(plan.model))
            plan = replace(plan, model_options=plan.model_options | scratch)
        elif plan.model_options.get("pretrained"):
            plan = replace(plan, model=Recipe.model, model_options=Recipe().model_options)
        else:
            raise
        model = create_model(plan.model, num_classes, **plan.model_options)
        said = {"weights": f"none, because {error}"}
    encoder = getattr(model, "encoder", None)
    return model, plan, (encoder.mean, encoder.std) if isinstance(encoder, Encoder) else IMAGENET, said


def _started(
    plan: Recipe, start: str, num_classes: int
) -> tuple[nn.Module, Recipe, Normalisation, dict[str, str]]:
    """Return the network of a model file; for another number of classes, its last layer is new."""
    if Path(start).suffix.lower() in (".onnx", ".engine"):
        raise ModelFileError(
            f"{start} is an export, which can't be trained; give the model.safetensors that it was made from."
        )
    build = plan.model if is_import_path(plan.model) else None
    model, palette, preprocessing = read_model_file(weights_file(start), build, argument="model")
    normalisation, said = (preprocessing["mean"], preprocessing["std"]), f"those of {start}"
    same = len(palette.names) == num_classes
    if not is_own(model):
        if not same:
            raise DataError(
                f"{start} knows {len(palette.names)} classes and the data have {num_classes}; segcourse can "
                "replace the last layer of the course's networks only. Leave start out."
            )
        return model, plan, normalisation, {"weights": said}
    if build:
        raise DataError(f"{start} holds a network of the course, not {build}; leave the model or start out.")
    options: dict[str, Any] = dict(model.config)  # type: ignore[arg-type]
    if not same:
        known = model.state_dict()
        model = create_model(**options | {"num_classes": num_classes})
        fresh = {key: one for key, one in model.state_dict().items() if one.shape != known[key].shape}
        model.load_state_dict(known | fresh)
        said += f", but the last layer, which is new for {num_classes} classes"
    del options["num_classes"]  # the data decide it
    plan = replace(plan, model=options.pop("name"), model_options=options)
    return model, plan, normalisation, {"weights": said}
