"""Networks of other libraries: built by a function that the caller names, never by what a file names."""

import importlib
import inspect
import json
from collections.abc import Callable
from typing import Any

from torch import nn

from segcourse.errors import DataError, ModelFileError

Constructor = Callable[..., nn.Module]

_WITHOUT_WEIGHTS = {"weights": None, "weights_backbone": None, "encoder_weights": None, "pretrained": False}
_CLASSES = ("num_classes", "classes", "n_classes")  # torchvision and timm; smp; milesial's U-Net
_CHANNELS = ("in_channels", "in_chans", "n_channels")


def find_constructor(path: str) -> Constructor:
    """Import the function or class that builds a network.

    Importing runs code. So call this with what a person typed, never with what a file holds.

    Args:
        path: module and name, such as "torchvision.models.segmentation.deeplabv3_resnet50".

    Raises:
        DataError: there is no such function or class.

    >>> find_constructor("torch.nn.Conv2d")
    <class 'torch.nn.modules.conv.Conv2d'>
    """
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise DataError(
            f"there is no network {path!r} ({error}); expected the module and the name of a function or "
            "class that builds one, such as torchvision.models.segmentation.deeplabv3_resnet50."
        ) from error
    if not callable(found):
        raise DataError(
            f"{path!r} is a {type(found).__name__}, not a function or class that builds a network."
        )
    return found


def create(path: str, num_classes: int, in_channels: int = 3, **options: Any) -> nn.Module:
    """Build a network of another library; `describe` then knows how it was built.

    Args:
        path: as in `find_constructor`.
        num_classes, in_channels: passed on under the names that the constructor has for them.
        options: other arguments of the constructor: strings, numbers, booleans, None and lists of these.

    Raises:
        DataError: there is no such constructor, or it does not take these arguments.
        ModelFileError: the constructor could not download the weights that it starts with.

    >>> describe(create("segcourse.models.unet.UNet", num_classes=2, width=8))["arguments"]
    {'num_classes': 2, 'in_channels': 3, 'width': 8}
    """
    build = find_constructor(path)
    parameters = inspect.signature(build).parameters
    classes = next((name for name in _CLASSES if name in parameters), None)
    channels = next((name for name in _CHANNELS if name in parameters), None)
    if classes is None or (channels is None and in_channels != 3):
        usual = _CLASSES if classes is None else _CHANNELS
        raise DataError(
            f"{path} takes no argument called {', '.join(usual[:-1])} or {usual[-1]}; build the network in "
            "Python and pass it to segcourse.fit."
        )
    arguments = {classes: num_classes, **({channels: in_channels} if channels else {}), **options}
    try:
        json.dumps(arguments)
        model = build(**arguments)
    except TypeError as error:
        raise DataError(f"{path} does not accept these options: {error}.") from error
    except OSError as error:
        without = ", ".join(f"{name}={value}" for name, value in without_weights(build).items())
        raise ModelFileError(
            f"the weights that {path} starts with could not be downloaded ({str(error).splitlines()[0]}). "
            f"Connect to the internet, or start from random weights with {without or 'its own options'}."
        ) from error
    if not isinstance(model, nn.Module):
        raise DataError(f"{path} returned a {type(model).__name__}; expected a network (torch.nn.Module).")
    return _built_by(model, {"build": path, "arguments": arguments})


def without_weights(build: Constructor) -> dict[str, Any]:
    """Return the options with which a constructor downloads no weights.

    >>> without_weights(find_constructor("torchvision.models.resnet18"))
    {'weights': None}
    """
    taken = inspect.signature(build).parameters
    return {name: none for name, none in _WITHOUT_WEIGHTS.items() if name in taken}


def describe(model: nn.Module) -> dict:
    """Return {"build", "arguments"}: what built a network; arguments are None where nothing tells them.

    They are known of networks from `create`, and where the network keeps them as a dict in `config`, as those
    of segmentation_models_pytorch do.

    >>> describe(nn.Flatten())
    {'build': 'torch.nn.modules.flatten.Flatten', 'arguments': None}
    """
    if known := getattr(model, "built_by", None):
        return known
    arguments = getattr(model, "config", None)
    try:
        json.dumps(arguments)
    except TypeError:
        arguments = None
    kind = type(model)
    return {
        "build": f"{kind.__module__}.{kind.__qualname__}",
        "arguments": arguments if isinstance(arguments, dict) else None,
    }


def rebuild(
    description: dict, build: Constructor | str | None, path: Any, argument: str = "build"
) -> nn.Module:
    """Build the network of a model file again, without downloading weights.

    Args:
        description: what `describe` returned.
        build: the constructor, or its import path; it must come from the caller.
        path: the file, for error messages.
        argument: what the caller calls `build`, for error messages.

    Raises:
        ModelFileError: `build` is missing or does not accept the arguments in the file.
    """
    name, arguments = str(description["build"]), description["arguments"]
    if build is None:
        how = f"pass it yourself: {argument}={name!r}."
        if arguments is None:
            how = f"pass a function without arguments that builds it as {name} did: {argument}=FUNCTION."
        raise ModelFileError(
            f"{path} holds a network that {name} built. segcourse does not call what a file names, "
            f"because any function could stand there. If you trust that one, {how}"
        )
    build = find_constructor(build) if isinstance(build, str) else build
    try:
        model = build() if arguments is None else build(**{**arguments, **without_weights(build)})
    except (TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path} was saved with the arguments {arguments} of {name}, which `build` does not accept "
            f"({error}). Pass the function or class that built the network: build={name!r}."
        ) from error
    if not isinstance(model, nn.Module):
        raise ModelFileError(
            f"`build` returned a {type(model).__name__}; expected a network (torch.nn.Module)."
        )
    return _built_by(model, description)


def _built_by(model: nn.Module, description: dict) -> nn.Module:
    setattr(model, "built_by", description)  # noqa: B010 type checkers take attributes of modules for tensors
    return model
