"""Exercise 4.5: right answers in other styles, promises and their breakers, mutants that are equal."""

import torch
import torch.nn.functional as F
from contract import Contract
from torch import nn
from torchvision.models.segmentation.deeplabv3 import ASPP as TorchvisionASPP

from segcourse.exercises.l04_dilated_aspp import aspp as module
from segcourse.exercises.l04_dilated_aspp.aspp import ASPP as Answer
from segcourse.exercises.l04_dilated_aspp.aspp import _pooling, _with
from segcourse.models import deeplab


def unit(i, o, k=1, rate=1, **norm):
    conv = nn.Conv2d(i, o, k, padding=rate * (k // 2), dilation=rate, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(o, **norm), nn.ReLU(inplace=True))


class PooledFirst(nn.Module):
    """The pooled branch first, enlarged by interpolation; layers by name; rates from the last to the first."""

    def __init__(self, c_in, c_out, atrous):
        super().__init__()
        self.image = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(c_in, c_out, 1), nn.ReLU())
        self.rates = atrous
        for i, rate in enumerate(atrous):
            self.add_module(f"branch_{i}", unit(c_in, c_out, 3, rate))
        self.point, self.out = unit(c_in, c_out), unit(c_out * (2 + len(atrous)), c_out)

    def forward(self, features):
        height, width = features.shape[2:]
        parts = [F.interpolate(self.image(features), size=(height, width), mode="bilinear")]
        for i in reversed(range(len(self.rates))):
            parts.insert(0, getattr(self, f"branch_{i}")(features))
        return self.out(torch.concat([self.point(features), *parts], 1))


class ByFunction(nn.Module):
    """Own parameters, padded by hand; the pooled branch as a matrix product."""

    def __init__(self, i, o, rates):
        super().__init__()
        self.point = nn.Parameter(torch.randn(o, i, 1, 1))
        self.wide = nn.ParameterList([torch.randn(o, i, 3, 3) for _ in rates])
        self.pool, self.mix = nn.Linear(i, o), nn.Parameter(torch.randn(o, (len(rates) + 2) * o, 1, 1))
        self.norms, self.rates = nn.ModuleList(nn.BatchNorm2d(o) for _ in range(len(rates) + 2)), rates

    def forward(self, x):
        y = [self.norms[0](F.conv2d(x, self.point)).clamp_min(0)]
        for weight, rate, norm in zip(self.wide, self.rates, self.norms[1:-1], strict=True):
            y.append(F.relu(norm(F.conv2d(F.pad(x, [rate] * 4), weight, dilation=rate))))
        mean = F.relu(self.pool(x.flatten(2).mean(-1)))  # N, o
        y.append(mean[..., None, None].expand(-1, -1, *x.shape[2:]))
        return F.relu(self.norms[-1](F.conv2d(torch.cat(y, 1), self.mix)))


class SumOfParts(nn.Module):
    """The last convolution as one per branch, added up: the same numbers."""

    def __init__(self, i, o, rates):
        super().__init__()
        self.first = nn.ModuleList([unit(i, o), *(unit(i, o, 3, rate) for rate in rates)])
        self.pool = nn.Conv2d(i, o, 1)
        self.mix, self.norm = nn.Conv2d((len(rates) + 2) * o, o, 1), nn.BatchNorm2d(o)

    def forward(self, x):
        maps = [branch(x) for branch in self.first]
        maps.append(F.relu(self.pool(F.adaptive_avg_pool2d(x, 1))).repeat(1, 1, x.shape[2], x.shape[3]))
        return F.relu(self.norm(self.mix(torch.hstack(maps))))


class Lazy(nn.Module):
    def __init__(self, in_channels, out_channels, rates):
        super().__init__()
        sizes = [{"kernel_size": 1}, *({"kernel_size": 3, "padding": "same", "dilation": r} for r in rates)]
        self.branches = nn.ModuleList(
            nn.Sequential(nn.LazyConv2d(out_channels, **size), nn.LazyBatchNorm2d(), nn.ReLU())
            for size in sizes
        )
        self.pool = nn.LazyConv2d(out_channels, 1)
        self.end = nn.Sequential(nn.LazyConv2d(out_channels, 1), nn.LazyBatchNorm2d(), nn.ReLU())

    def forward(self, x):
        maps = [branch(x) for branch in self.branches]
        mean = torch.relu(self.pool(x.mean((-1, -2), keepdim=True)))
        return self.end(torch.cat([*maps, mean + torch.zeros_like(maps[0])], dim=1))


class ChangesInput(Answer):
    def forward(self, x):
        y = super().forward(x)
        x.data.mul_(2)
        return y


class Detached(Answer):
    def forward(self, x):
        return super().forward(x.detach())


class Frozen(Answer):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.pooled.requires_grad_(False)


class BranchPerRate(module._BranchPerRate):
    """Equal rates share a branch, and its output is joined once for each of them."""

    joined_twice = True


class TestASPP(Contract):
    name = "ASPP"
    library = deeplab.ASPP
    right = {
        "pooled first": PooledFirst,
        "by function": ByFunction,
        "hstack and repeat": SumOfParts,
        "lazy layers": Lazy,
    }
    promises = (
        ("`ASPP(in_channels, out_channels, rates)`", "there are four rates", lambda i, o, r: Answer(o, i, r)),
        ("one or more ints, one per dilated branch", "there is one rate", lambda i, o, r: Answer(i, o, (r[0], r[1], r[2]))),
        ("one or more ints, one per dilated branch", "the weights are counted", lambda i, o, r: Answer(i, o, r[:1])),
        ("two may be equal", "two rates are equal", module._BranchPerRate, BranchPerRate),
        ("also smaller than the rates", "the map is smaller than the rates", _with(
            conv=lambda self, i, o, rate: nn.Conv2d(i, o, 3, dilation=rate))),
        ("every branch has out_channels channels", "the weights are counted", lambda i, o, r: nn.Sequential(
            Answer(i, 2 * o, r), nn.Conv2d(2 * o, o, 1))),
        ("all of them look at the input itself", "two maps differ", module._OneAfterTheOther),
        ("the 1 x 1 branch and the dilated branches: convolution, batch norm, ReLU", "the branches",
         _with(unit=lambda self, conv, channels: nn.Sequential(conv, nn.ReLU()))),
        ("A dilated branch has a 3 x 3 kernel", "the weights are counted",
         _with(conv=lambda self, i, o, rate: nn.Conv2d(i, o, 5, padding=2 * rate, dilation=rate)),
         _with(conv=lambda self, i, o, rate: nn.Conv2d(i, o, 1))),
        ("zeros around the map keep its size", "the map is 1 everywhere",
         _with(conv=lambda self, i, o, rate: nn.Conv2d(i, o, 3, padding=rate, dilation=rate, padding_mode="replicate"))),
        ("the mean of each picture over height and width", "two maps differ",
         _pooling(module._BatchMean(), module._one_by_one, nn.ReLU()),
         _pooling(nn.AdaptiveMaxPool2d(1), module._one_by_one, nn.ReLU())),
        ("1 x 1 convolution, ReLU, no batch norm", "the map is -1 everywhere",
         _pooling(nn.AdaptiveAvgPool2d(1), module._one_by_one)),
        ("no batch norm", "the batch holds two maps",
         _pooling(nn.AdaptiveAvgPool2d(1), module._one_by_one, lambda i, o: nn.BatchNorm2d(o), nn.ReLU())),
        ("the branches are concatenated along the channels", "the branches", module._Sum),
        ("a 1 x 1 convolution to out_channels, batch norm and ReLU follow", "the branches",
         _with(last=lambda self, i, o: nn.Conv2d(i, o, 1)),
         _with(last=lambda self, i, o: nn.Sequential(nn.Conv2d(i, o, 1), nn.BatchNorm2d(o)))),
        ("returns N x out_channels x H x W", "sizes", _with(last=lambda self, i, o: nn.Identity())),
        ("a batch of one can be trained on", "the batch holds one map",
         lambda i, o, r: TorchvisionASPP(i, list(r), o)),
        ("batch norm with PyTorch's defaults", "training", module._normed(momentum=0.3), module._normed(track_running_stats=False),
         module._normed(eps=0.1)),
        ("no dropout", "training",
         _with(last=lambda self, i, o: nn.Sequential(self.unit(nn.Conv2d(i, o, 1), o), nn.Dropout(0.5)))),
        ("gradients reach every parameter", "gradients are computed", Detached),
        ("input: float tensor", "sizes", ChangesInput),
    )  # fmt: skip
    equal = {
        r"(2 \+ len\(rates\)|out_channels \* \(len)": "a sum and a product commute",
        r"torch\.concat|\.nanmean|expand_as\(maps\[(1|-1)\]\)|dim=\(-2, 3\)": "another name for the same",
        r"maps = \[branch.*->  pooled": "the branches may run in any order",
    }
    said = (
        (Detached, "The gradient of x is missing"),
        (Frozen, "trainable weights (biases not counted)"),
        (module._normed(momentum=0.3), "in eval mode afterwards it is not"),
        (lambda i, o, r: [nn.Conv2d(i, o, 1)], "object is not callable"),
    )
