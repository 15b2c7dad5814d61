"""Lesson 3's wrong answers, as code: what each misconception in `unet` would have a student write."""

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segcourse.models import blocks


def conv(in_channels: int, out_channels: int, size: int = 3) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, size, padding=size // 2, bias=False)


def sequential(layers: Callable[[int, int], list[nn.Module]]) -> Callable[[int, int], nn.Module]:
    return lambda in_channels, out_channels: nn.Sequential(*layers(in_channels, out_channels))


class OneBatchNorm(nn.Module):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.first, self.second = conv(in_channels, out_channels), conv(out_channels, out_channels)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.second(F.relu(self.norm(self.first(x))))))


def unit(in_channels: int, out_channels: int, size: int = 3) -> list[nn.Module]:
    return [conv(in_channels, out_channels, size), nn.BatchNorm2d(out_channels), nn.ReLU()]


def batch_only(in_channels: int, out_channels: int) -> list[nn.Module]:
    norm = {"num_features": out_channels, "track_running_stats": False}
    return [
        *(conv(in_channels, out_channels), nn.BatchNorm2d(**norm), nn.ReLU()),
        *(conv(out_channels, out_channels), nn.BatchNorm2d(**norm), nn.ReLU()),
    ]


class Up(blocks.Up):
    """The right answer, with a place for one mistake."""

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.conv(torch.cat(self.join(self.up(x), skip), dim=1))

    def join(self, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        return skip, padded(x, skip)


def padded(x: Tensor, skip: Tensor) -> Tensor:
    return F.pad(x, [0, skip.shape[-1] - x.shape[-1], 0, skip.shape[-2] - x.shape[-2]])


class UpWithoutPadding(Up):
    def join(self, x, skip):
        return skip, x


class UpPadsSwapped(Up):
    def join(self, x, skip):
        return skip, F.pad(x, [0, skip.shape[-2] - x.shape[-2], 0, skip.shape[-1] - x.shape[-1]])


class UpCropsSkip(Up):
    def join(self, x, skip):
        return skip[..., : x.shape[-2], : x.shape[-1]], x


class UpStretchesX(Up):
    def join(self, x, skip):
        return skip, F.interpolate(x, size=skip.shape[-2:], mode="bilinear")


class UpShrinksSkip(Up):
    def join(self, x, skip):
        return F.interpolate(skip, size=x.shape[-2:], mode="bilinear"), x


class UpIgnoresSkip(Up):
    def join(self, x, skip):
        x = padded(x, skip)
        return x, torch.zeros_like(skip)


class UpAdds(Up):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, skip_channels, out_channels)
        self.conv = blocks.DoubleConv(in_channels // 2, out_channels)

    def forward(self, x, skip):
        return self.conv(skip + padded(self.up(x), skip))


class UpInterpolates(Up):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, skip_channels, out_channels)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear")
        self.conv = blocks.DoubleConv(in_channels + skip_channels, out_channels)


class UpKeepsChannels(Up):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, skip_channels, out_channels)
        self.up = nn.ConvTranspose2d(in_channels, in_channels, kernel_size=2, stride=2)
        self.conv = blocks.DoubleConv(in_channels + skip_channels, out_channels)


class UpAssumesHalf(Up):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, in_channels // 2, out_channels)


class UpConvolvesOnce(Up):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, skip_channels, out_channels)
        self.conv = nn.Sequential(*unit(in_channels // 2 + skip_channels, out_channels))


class Net(nn.Module):
    """The right answer, in pieces that the mistakes below replace one by one."""

    depth, growth, up, modules_in = 4, 2, blocks.Up, nn.ModuleList

    def __init__(self, in_channels: int, num_classes: int, width: int):
        super().__init__()
        widths = [width * self.growth**step for step in range(self.depth + 1)]
        steps = list(pairwise(widths))
        self.stem = blocks.DoubleConv(in_channels, width)
        self.convs = self.modules_in(blocks.DoubleConv(fine, coarse) for fine, coarse in steps)
        self.ups = nn.ModuleList(self.up(coarse, fine, fine) for fine, coarse in reversed(steps))
        self.head = self.last(width, num_classes)

    def last(self, width: int, num_classes: int) -> nn.Module:
        return nn.Conv2d(width, num_classes, kernel_size=1)

    def shrink(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 2)

    def kept(self, before: Tensor, after: Tensor) -> Tensor:
        return before

    def order(self, skips: list[Tensor]) -> list[Tensor]:
        return skips[::-1]

    def forward(self, x: Tensor) -> Tensor:
        x, skips = self.stem(x), []
        for conv in self.convs:
            smaller = self.shrink(x)
            skips.append(self.kept(x, smaller))
            x = conv(smaller)
        for up, skip in zip(self.ups, self.order(skips), strict=True):
            x = up(x, skip)
        return self.head(x)


class WithoutSkips(Net):
    def kept(self, before, after):
        return torch.zeros_like(before)


class SkipsAfterPooling(Net):
    def kept(self, before, after):
        return after


class SkipsInEncoderOrder(Net):
    def order(self, skips):
        return skips


class PooledSkips(Net):
    def kept(self, before, after):
        return F.interpolate(after, size=before.shape[-2:])


class ThreeLevels(Net):
    depth = 3


class OneWidth(Net):
    growth = 1


class AveragePooling(Net):
    def shrink(self, x):
        return F.avg_pool2d(x, 2)


class PlainList(Net):
    modules_in = list


class ResizesThePicture(nn.Module):
    def __init__(self, *sizes):
        super().__init__()
        self.net = Net(*sizes)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        fits = [-(-length // 16) * 16 for length in size]
        return F.interpolate(self.net(F.interpolate(x, fits)), size)


class NoPadding(Net):
    up = UpWithoutPadding


class OneChannel(Net):
    def last(self, width, num_classes):
        return nn.Conv2d(width, 1, kernel_size=1)


def ending(*layers: nn.Module) -> type[nn.Module]:
    class Ending(Net):
        def last(self, width, num_classes):
            return nn.Sequential(nn.Conv2d(width, num_classes, kernel_size=1), *layers)

    return Ending


class ClassIds(Net):
    def forward(self, x):
        return super().forward(x).argmax(dim=1)


class Gate(blocks.AttentionGate):
    """The right answer, in pieces that the mistakes below replace one by one."""

    def forward(self, gate: Tensor, skip: Tensor) -> Tensor:
        return self.weigh(
            self.squash(self.attention(self.meet(self.skip(skip), self.enlarged(gate, skip)))), gate, skip
        )

    def enlarged(self, gate: Tensor, skip: Tensor) -> Tensor:
        return F.interpolate(self.gate(gate), size=skip.shape[-2:], mode="bilinear")

    def meet(self, skip: Tensor, gate: Tensor) -> Tensor:
        return F.relu(skip + gate)

    def squash(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)

    def weigh(self, attention: Tensor, gate: Tensor, skip: Tensor) -> Tensor:
        return skip * attention


class GateSoftmax(Gate):
    def squash(self, x):
        return x.flatten(2).softmax(dim=2).view_as(x)


class GateUnbounded(Gate):
    def squash(self, x):
        return x


class GateNotEnlarged(Gate):
    def enlarged(self, gate, skip):
        return self.gate(gate)


class GateWithoutRelu(Gate):
    def meet(self, skip, gate):
        return skip + gate


class GateMultiplies(Gate):
    def meet(self, skip, gate):
        return F.relu(skip * gate)


class GateWeighsGate(Gate):
    def weigh(self, attention, gate, skip):
        return F.interpolate(gate, size=skip.shape[-2:]) * attention


class GateResidual(Gate):
    def weigh(self, attention, gate, skip):
        return skip + skip * attention


class GateMapOnly(Gate):
    def weigh(self, attention, gate, skip):
        return attention


class GatePerChannel(Gate):
    def __init__(self, gate_channels, skip_channels, inner_channels):
        super().__init__(gate_channels, skip_channels, inner_channels)
        self.attention = nn.Conv2d(inner_channels, skip_channels, kernel_size=1)


class GateIgnoresGate(Gate):
    def meet(self, skip, gate):
        return F.relu(skip + 0 * gate)
