"""Networks by name. Each returns logits, float N×C×H×W, at the size of its input, whatever that size is."""

from functools import partial

from torch import nn

from segcourse.errors import DataError
from segcourse.models.light import HalfUNet
from segcourse.models.unet import UNet

_MODELS = {"unet": UNet, "attention_unet": partial(UNet, attention=True), "half_unet": HalfUNet}


def names() -> list[str]:
    """The names that `create_model` knows.

    >>> names()
    ['attention_unet', 'half_unet', 'unet']
    """
    return sorted(_MODELS)


def create_model(name: str, num_classes: int, in_channels: int = 3, **options) -> nn.Module:
    """A fresh network by its name; `create_model(**model.config)` builds it again.

    `options` are the constructor's: width, depth, …

    Raises:
        DataError: the name or an option is unknown, or a number is not positive.

    >>> create_model("unet", num_classes=2, width=8).config
    {'name': 'unet', 'in_channels': 3, 'num_classes': 2, 'width': 8, 'depth': 4}
    """
    if name not in _MODELS:
        raise DataError(f"there is no model {name!r}; choose one of {', '.join(names())}.")
    sizes = {"num_classes": num_classes, "in_channels": in_channels, **options}
    wrong = {key: value for key, value in sizes.items() if type(value) is int and value < 1}
    if wrong:
        raise DataError(f"{name} was asked for with {wrong}; each of these is a number of at least 1.")
    try:
        return _MODELS[name](num_classes=num_classes, in_channels=in_channels, **options)
    except TypeError as error:
        raise DataError(f"{name} does not take these options: {error}.") from error


def count_parameters(model: nn.Module) -> int:
    """How many numbers training may change: shared ones count once, frozen ones not at all.

    >>> count_parameters(nn.Conv2d(3, 8, kernel_size=3))  # 3·3·3·8 weights and 8 biases
    224
    """
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
