"""Networks by name. Each returns logits (float N×C×H×W) at the size of its input, for any H and W."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from segcourse.errors import DataError
from segcourse.models import foreign
from segcourse.models.deeplab import DeepLabV3
from segcourse.models.encoder_unet import EncoderUNet
from segcourse.models.fcn import FCN
from segcourse.models.lesion import LesionNet
from segcourse.models.light import HalfUNet
from segcourse.models.lraspp import LRASPP
from segcourse.models.unet import UNet

_MODELS: dict[str, Callable[..., nn.Module]] = {
    "unet": UNet,
    "attention_unet": partial(UNet, attention=True),
    "half_unet": HalfUNet,
    "fcn": FCN,
    "deeplabv3": DeepLabV3,
    "encoder_unet": EncoderUNet,
    "lesion_net": LesionNet,
    "lraspp": LRASPP,
}


def names() -> list[str]:
    """Return the names that `create_model` accepts.

    >>> names()
    ['attention_unet', 'deeplabv3', 'encoder_unet', 'fcn', 'half_unet', 'lesion_net', 'lraspp', 'unet']
    """
    return sorted(_MODELS)


def create_model(name: str, num_classes: int, in_channels: int = 3, **options: Any) -> nn.Module:
    """Return a new network; `create_model(**model.config)` builds one of the course's own again.

    Args:
        name: "unet", "attention_unet", "half_unet", "fcn", "deeplabv3", "encoder_unet", "lesion_net" or
            "lraspp"; or the import path of another library's constructor, such as
            "torchvision.models.segmentation.deeplabv3_resnet50".
        num_classes: number of output channels.
        in_channels: number of input channels.
        options: arguments of the network's class, such as `width` and `depth`.

    Raises:
        DataError: the name or an option is unknown, or a number is below 1.

    >>> create_model("unet", num_classes=2, width=8).config
    {'name': 'unet', 'in_channels': 3, 'num_classes': 2, 'width': 8, 'depth': 4}
    """
    if "." in name:
        return foreign.create(name, num_classes, in_channels, **options)
    if name not in _MODELS:
        raise DataError(f"there is no model {name!r}; use one of {', '.join(names())}.")
    sizes = {"num_classes": num_classes, "in_channels": in_channels, **options}
    wrong = {key: value for key, value in sizes.items() if type(value) is int and value < 1}
    if wrong:
        raise DataError(f"{name} was requested with {wrong}; each of these must be at least 1.")
    try:
        return _MODELS[name](num_classes=num_classes, in_channels=in_channels, **options)
    except TypeError as error:
        raise DataError(f"{name} does not accept these options: {error}.") from error


def is_own(model: nn.Module) -> bool:
    """Return True for a network of `create_model`, False for one of another library.

    >>> is_own(create_model("unet", num_classes=2, width=8)), is_own(nn.Identity())
    (True, False)
    """
    config = getattr(model, "config", None)  # other libraries have an attribute of this name, too
    return isinstance(config, dict) and config.get("name") in _MODELS


def count_parameters(model: nn.Module) -> int:
    """Count the trainable parameters: shared parameters count once, frozen ones do not count.

    >>> count_parameters(nn.Conv2d(3, 8, kernel_size=3))  # 3·3·3·8 weights and 8 biases
    224
    """
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
