"""Exercise 8.2: right answers in other styles, promises and their breakers, mutants that are equal."""

import torch
import torch.nn.functional as F
from contract import Contract
from torch import nn

from segcourse.exercises.l08_light_and_rgbd.depthwise_separable_conv import DepthwiseSeparableConv as Answer
from segcourse.exercises.l08_light_and_rgbd.depthwise_separable_conv import _made as made


def as_layers(i, o, stride):
    return nn.Sequential(
        nn.Conv2d(i, i, 3, stride, 1, groups=i, bias=False), nn.BatchNorm2d(i), nn.ReLU(inplace=True),
        nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True),
    )  # fmt: skip


class ByFunction(nn.Module):
    """Parameters of one's own, zeros added by hand, layers defined backwards."""

    def __init__(self, channels, outputs, step):
        super().__init__()
        self.last, self.first = nn.BatchNorm2d(outputs), nn.BatchNorm2d(channels)
        self.mix = nn.Parameter(torch.randn(outputs, channels, 1, 1))
        self.kernels, self.step = nn.Parameter(torch.randn(channels, 1, 3, 3)), step

    def forward(self, picture):
        framed = F.pad(picture, [1, 1, 1, 1])
        y = F.conv2d(framed, self.kernels, stride=self.step, groups=picture.shape[1])
        return F.relu(self.last(F.conv2d(F.relu(self.first(y)), self.mix)))


class ByMatrix(nn.Module):
    """The 1 x 1 convolution as a linear layer over the channels of each pixel."""

    def __init__(self, i, o, s):
        super().__init__()
        self.depth = nn.LazyConv2d(i, 3, stride=s, padding=1, groups=i)
        self.mix, self.one, self.two = nn.Linear(i, o), nn.BatchNorm2d(i), nn.BatchNorm2d(o)

    def __call__(self, x):
        y = self.one(self.depth(x)).clamp(min=0)
        return self.two(self.mix(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)).clamp(min=0)


class ByEinsum(nn.Module):
    def __init__(self, i, o, s):
        super().__init__()
        self.depth = nn.Sequential(nn.Conv2d(i, i, (3, 3), (s, s), "valid", groups=i), nn.BatchNorm2d(i))
        self.mix, self.norm = nn.Parameter(torch.randn(i, o)), nn.BatchNorm2d(o)

    def forward(self, x):
        y = self.depth(nn.functional.pad(x, (1,) * 4)).relu()
        return self.norm(torch.einsum("nchw,co->nohw", y, self.mix)).relu()


class ByChannel(nn.Module):
    """A convolution per channel, and an index instead of a split."""

    def __init__(self, i, o, s):
        super().__init__()
        self.b, self.a, self.mix = nn.BatchNorm2d(o), nn.BatchNorm2d(i), nn.Conv2d(i, o, 1, bias=False)
        self.convs = nn.ModuleList([nn.Conv2d(1, 1, 3, stride=s, padding=1, bias=False) for _ in range(i)])

    def forward(self, x):
        y = torch.cat([conv(x[:, k : k + 1]) for k, conv in enumerate(self.convs)], dim=1)
        return self.b(self.mix(self.a(y).relu())).relu()


class Detached(Answer):
    def forward(self, x):
        return super().forward(x.detach())


class Frozen(Answer):
    def __init__(self, i, o, s):
        super().__init__(i, o, s)
        self.pointwise.requires_grad_(False)


class Remembers(Answer):
    size = None

    def forward(self, x):
        y = super().forward(x)
        self.size = self.size or y.shape[-2:]
        return F.interpolate(y, self.size) if self.size != y.shape[-2:] else y


class ChangesInput(Answer):
    def forward(self, x):
        y = super().forward(x)
        x.data.mul_(2)
        return y


def norm(**options):
    return made(norm=lambda channels: nn.BatchNorm2d(channels, **options))


class TestDepthwiseSeparableConv(Contract):
    name = "DepthwiseSeparableConv"
    library = staticmethod(as_layers)
    right = {
        "a function that returns layers": as_layers,
        "by function": ByFunction,
        "lazy layer, linear layer, __call__": ByMatrix,
        "einsum": ByEinsum,
        "a convolution per channel": ByChannel,
        "padding same": lambda i, o, s: as_layers(i, o, s) if s > 1 else made(padding="same")(i, o, s),
    }
    promises = (
        ("a separate kernel for each channel, and the stride", "the weights are set by rule", made(grouped=False)),
        ("`groups=in_channels`", "the weights are counted", made(grouped=False)),
        ("and the stride", "stride is 2 and the sides are even", made(strides=lambda s: (1, 1)), made(strides=lambda s: (s, s))),
        ("and the stride", "stride is 2", made(strides=lambda s: (1, s))),
        ("1 x 1 convolution from in_channels to out_channels", "the number of channels doubles", made(last=3),
         lambda i, o, s: nn.Sequential(nn.Conv2d(i, o, 3, s, 1, groups=i), nn.BatchNorm2d(o), nn.ReLU())),
        ("each followed by batch norm with PyTorch's defaults and ReLU", "the weights are set by rule",
         made("DPNR"), made("DNPNR"), made("DNRP"), made(act=nn.LeakyReLU)),
        ("each followed by batch norm", "the block is in training mode", made("DRNPRN"), made("NRDNRP")),
        ("batch norm with PyTorch's defaults", "the block is in training mode", norm(momentum=0.2), norm(eps=0.1),
         norm(track_running_stats=False)),
        ("batch norm with PyTorch's defaults", "the weights are counted", norm(affine=False)),
        ("and ReLU", "the picture holds large numbers", made(act=nn.ReLU6)),
        ("input: float tensor, N x in_channels x H x W, any H and W", "the block has seen a smaller picture before", Remembers),
        ("zeros stand beyond the border", "the weights are set by rule", made(padding_mode="replicate")),
        ("N x out_channels x H x W for stride 1", "there are two pictures of 17 x 23 pixels", made(padding=0)),
        ("for stride 2 half of both, rounded up", "stride is 2 and the sides are odd", made(padding=0)),
        ("Gradients reach every weight", "gradients are computed", Detached),
        ("Gradients reach every weight", "the weights are counted", Frozen),
        ("An answer never changes its inputs", "size and channels", ChangesInput),
    )  # fmt: skip
    equal = {
        r"nn\.ModuleList\(\[nn\.BatchNorm2d\(in_channels\), nn\.BatchNorm2d\(out_channels\)\]\)  ->  .*Sequential": "both only hold the layers",
        r"^self\.\w+ = .*->  self\.\w+ = nn": "the order of the layers' definitions does not matter",
        r"padding=1, groups=in_channels\)  ->  .*(1, stride|stride, 1)": "no change",
    }
    said = (
        (made(grouped=False), "mixes the channels, as an ordinary one does"),
        (made(padding=0), "Your pictures shrink by two rows and columns"),
        (norm(momentum=0.2), "In training mode your result is right; in eval mode afterwards it is not"),
        (Detached, "The gradient of x is missing"),
        (lambda i, o: as_layers(i, o, 1), "a call passes 3 arguments where 2 fit"),
    )
