"""EfficientNet-Lite0: depthwise separable convolutions, without squeeze-and-excitation, with ReLU6.

The layers and sizes are those of Tan and Le 2019 (EfficientNet, arXiv:1905.11946, table 1), changed as Google
published them in 2020 for phones ("EfficientNet-Lite"). Layers bear timm's names, so that weights saved with
timm's `tf_efficientnet_lite0` fit.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from segcourse.models.unet import initialise

# per stage: number of blocks, kernel size, stride of the first block, widening, channels
_STAGES = [
    *((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)),
    *((3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
]
_EPSILON = 1e-3  # TensorFlow's default in batch normalisation, with which the weights were trained


class SamePadConv2d(nn.Conv2d):
    """A convolution without bias whose output has ⌈H/stride⌉ × ⌈W/stride⌉ pixels, padded as in TensorFlow.

    With stride 2 and an even side, the padding is one pixel larger at the end than at the start.

    >>> import torch
    >>> SamePadConv2d(1, 1, 3, stride=2)(torch.zeros(1, 1, 8, 9)).shape
    torch.Size([1, 1, 4, 5])
    """

    def __init__(self, inputs: int, outputs: int, kernel_size: int, stride: int = 1, groups: int = 1):
        padding = kernel_size // 2 if stride == 1 else 0  # stride 1 needs the same padding at both ends
        super().__init__(inputs, outputs, kernel_size, stride, padding, groups=groups, bias=False)

    @property
    def pads(self) -> bool:
        """Whether `forward` has to pad; otherwise the padding is that of the convolution, or none."""
        return self.kernel_size != (1, 1) and self.padding == (0, 0)

    def forward(self, x: Tensor) -> Tensor:
        if not self.pads:
            return super().forward(x)
        padding: list[int] = []
        for axis in (1, 0):  # F.pad wants the last axis first
            side, stride, reach = x.shape[2 + axis], self.stride[axis], self.kernel_size[axis] - 1
            missing = max(0, (-(-side // stride) - 1) * stride + self.dilation[axis] * reach + 1 - side)
            padding += [missing // 2, missing - missing // 2]
        return super().forward(F.pad(x, padding))


class InvertedResidual(nn.Module):
    """1×1 convolution to more channels, depthwise convolution, 1×1 convolution to few; plus the input.

    The sum needs equal shapes, so a block that changes size or channels leaves the input out. The result has
    no ReLU, which would lose information where channels are few (Sandler et al. 2018, MobileNetV2,
    arXiv:1801.04381, sections 3.2 and 3.3).
    """

    def __init__(self, inputs: int, outputs: int, kernel_size: int, stride: int, widening: int):
        super().__init__()
        wide = inputs * widening
        self.conv_pw, self.bn1 = SamePadConv2d(inputs, wide, 1), nn.BatchNorm2d(wide, _EPSILON)
        self.conv_dw = SamePadConv2d(wide, wide, kernel_size, stride, groups=wide)
        self.bn2 = nn.BatchNorm2d(wide, _EPSILON)
        self.conv_pwl, self.bn3 = SamePadConv2d(wide, outputs, 1), nn.BatchNorm2d(outputs, _EPSILON)
        self.add = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.bn1(self.conv_pw(x)), inplace=True)  # N, widening · C_in, H, W
        y = F.relu6(self.bn2(self.conv_dw(y)), inplace=True)  # N, widening · C_in, H / stride, W / stride
        y = self.bn3(self.conv_pwl(y))  # N, C_out, H / stride, W / stride
        return x + y if self.add else y


class SeparableConv(nn.Module):
    """Depthwise convolution and 1×1 convolution: the first block, which widens nothing."""

    def __init__(self, inputs: int, outputs: int, kernel_size: int, stride: int):
        super().__init__()
        self.conv_dw = SamePadConv2d(inputs, inputs, kernel_size, stride, groups=inputs)
        self.bn1 = nn.BatchNorm2d(inputs, _EPSILON)
        self.conv_pw, self.bn2 = SamePadConv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs, _EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv_pw(F.relu6(self.bn1(self.conv_dw(x)), inplace=True)))


class EfficientNetLite0(nn.Module):
    """The classifier: N×3×H×W to logits N×1000 of the ImageNet classes; the weights expect 224 × 224 pixels.

    >>> import torch
    >>> EfficientNetLite0()(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 1000])
    """

    def __init__(self, num_classes: int = 1000):
        super().__init__()
        self.conv_stem, self.bn1 = SamePadConv2d(3, 32, 3, stride=2), nn.BatchNorm2d(32, _EPSILON)
        stages, inputs = [], 32
        for count, kernel_size, stride, widening, outputs in _STAGES:
            blocks: list[nn.Module] = []
            for _ in range(count):
                if widening == 1:
                    blocks.append(SeparableConv(inputs, outputs, kernel_size, stride))
                else:
                    blocks.append(InvertedResidual(inputs, outputs, kernel_size, stride, widening))
                inputs, stride = outputs, 1
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.conv_head, self.bn2 = SamePadConv2d(inputs, 1280, 1), nn.BatchNorm2d(1280, _EPSILON)
        self.classifier = nn.Linear(1280, num_classes)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.bn1(self.conv_stem(x)), inplace=True)  # N, 32, H/2, W/2
        x = self.blocks(x)  # N, 320, H/32, W/32
        x = F.relu6(self.bn2(self.conv_head(x)), inplace=True)  # N, 1280, H/32, W/32
        return self.classifier(x.mean((2, 3)))
