"""Exercise 3.1: right answers in other styles, promises and their breakers, mutants that are equal."""

import torch
import torch.nn.functional as F
from contract import Contract
from torch import nn

from segcourse.exercises.l03_unet.double_conv import DoubleConv as Answer
from segcourse.models import blocks


def layers(in_channels, out_channels, padding=1, norm=nn.BatchNorm2d, act=nn.ReLU, bias=True):
    def unit(channels):
        return [nn.Conv2d(channels, out_channels, 3, 1, padding, bias=bias), norm(out_channels), act()]

    return nn.Sequential(*unit(in_channels), *unit(out_channels))


class ByFunction(nn.Module):
    """Defined backwards, called by function."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.bn_b, self.conv_b = nn.BatchNorm2d(outputs), nn.Conv2d(outputs, outputs, 3, padding="same")
        self.bn_a, self.conv_a = nn.BatchNorm2d(outputs), nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)

    def forward(self, picture):
        picture = self.bn_a(self.conv_a(picture)).clamp(min=0)
        return torch.relu_(self.bn_b(self.conv_b(picture)))


class OfUnits(nn.Module):
    """Two of one's own units, with parameters of one's own, padded by hand."""

    class Unit(nn.Module):
        def __init__(self, i, o):
            super().__init__()
            self.weight, self.bias = nn.Parameter(torch.randn(o, i, 3, 3) * 0.1), nn.Parameter(torch.ones(o))
            self.norm = nn.BatchNorm2d(o)

        def forward(self, x):
            return F.relu(self.norm(F.conv2d(F.pad(x, [1, 1, 1, 1]), self.weight, self.bias)))

    def __init__(self, i, o):
        super().__init__()
        self.units = nn.ModuleList([self.Unit(i, o), self.Unit(o, o)])

    def forward(self, x):
        for unit in self.units:
            x = unit(x)
        return x


class Lazy(nn.Module):
    """Layers that find their input channels out by themselves."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.net = nn.Sequential(
            nn.LazyConv2d(out_channels, 3, padding=1), nn.LazyBatchNorm2d(), nn.ReLU(),
            nn.LazyConv2d(out_channels, 3, padding=1), nn.LazyBatchNorm2d(), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x):
        return self.net(x)


class ByUnfolding(nn.Module):
    """A convolution as a matrix product with every 3 x 3 neighbourhood."""

    def __init__(self, i, o):
        super().__init__()
        self.first, self.second = nn.Linear(9 * i, o), nn.Parameter(torch.randn(9 * o, o))
        self.norms = nn.ModuleList([nn.BatchNorm2d(o), nn.BatchNorm2d(o)])

    def forward(self, x):
        n, _, h, w = x.shape
        y = self.first(F.unfold(x, 3, padding=1).transpose(1, 2)).transpose(1, 2).reshape(n, -1, h, w)
        y = F.relu(self.norms[0](y))
        y = (F.unfold(y, 3, padding=1).transpose(1, 2) @ self.second).transpose(1, 2).reshape(n, -1, h, w)
        return F.relu(self.norms[1](y))


class ByEinsum(nn.Module):
    """Nine shifted pictures, weighed and summed by einsum."""

    def __init__(self, i, o):
        super().__init__()
        self.weights = nn.ParameterList([torch.randn(o, i, 9), torch.randn(o, o, 9)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(o), nn.BatchNorm2d(o)])

    def forward(self, x):
        for weight, norm in zip(self.weights, self.norms, strict=True):
            n, c, h, w = x.shape
            shifted = F.unfold(x, 3, padding=1).reshape(n, c, 9, h, w)
            x = F.relu(norm(torch.einsum("ock,nckhw->nohw", weight, shifted)))
        return x


class ByFunctionalNorm(nn.Module):
    """Statistics and parameters kept by hand, normalised by the function."""

    def __init__(self, i, o):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(i, o, 3, padding=1), nn.Conv2d(o, o, 3, padding=1)])
        for k in range(2):
            self.register_buffer(f"mean{k}", torch.zeros(o))
            self.register_buffer(f"var{k}", torch.ones(o))
            self.register_parameter(f"scale{k}", nn.Parameter(torch.ones(o)))
            self.register_parameter(f"shift{k}", nn.Parameter(torch.zeros(o)))

    def forward(self, x):
        for k, conv in enumerate(self.convs):
            mean, var, scale, shift = (getattr(self, f"{n}{k}") for n in ("mean", "var", "scale", "shift"))
            x = F.relu(F.batch_norm(conv(x), mean, var, scale, shift, self.training))
        return x


class WithCall(nn.Module):
    """`__call__` instead of `forward`."""

    def __init__(self, i, o):
        super().__init__()
        self.net = layers(i, o)

    def __call__(self, x):
        return self.net(x)


def norm(**options):
    return lambda i, o: layers(i, o, norm=lambda channels: nn.BatchNorm2d(channels, **options))


class Frozen(Answer):
    def __init__(self, i, o):
        super().__init__(i, o)
        self.layers[0].requires_grad_(False)


class Detached(Answer):
    def forward(self, x):
        return self.layers(x.detach())


class ChangesInput(Answer):
    def forward(self, x):
        y = self.layers(x)
        x.data.mul_(2)
        return y


class Remembers(Answer):
    size = None

    def forward(self, x):
        self.size = self.size or x.shape[-2:]
        return F.interpolate(self.layers(x), self.size) if self.size != x.shape[-2:] else self.layers(x)


class TestDoubleConv(Contract):
    name = "DoubleConv"
    library = blocks.DoubleConv
    right = {
        "a function that returns layers": layers,
        "by function": ByFunction,
        "own units": OfUnits,
        "lazy layers": Lazy,
        "unfold and matrix products": ByUnfolding,
        "einsum": ByEinsum,
        "functional batch norm": ByFunctionalNorm,
        "__call__": WithCall,
        "padding same, no bias": lambda i, o: layers(i, o, padding="same", bias=False),
    }
    promises = (
        ("the first convolution changes the number of channels", "training",
         lambda i, o: nn.Sequential(*layers(i, i)[:3], *layers(i, o)[:3])),
        ("input: float tensor, N x in_channels x H x W, any H and W", "the picture has one pixel",
         lambda i, o: nn.Sequential(layers(i, o), nn.AvgPool2d(2), nn.Upsample(scale_factor=2))),
        ("any H and W", "the block has seen a smaller picture before", Remembers),
        ("N x out_channels x H x W, the same H and W", "there are two pictures of 17 x 23 pixels",
         lambda i, o: layers(i, o, padding=0)),
        ("batch norm with PyTorch's defaults", "the block is in training mode", norm(momentum=0.2), norm(momentum=None),
         norm(track_running_stats=False), norm(eps=0.1), lambda i, o: layers(i, o, norm=nn.Identity)),
        ("batch norm with PyTorch's defaults", "the weights are counted", norm(affine=False)),
        ("between convolution and ReLU", "training", lambda i, o: layers(i, o, norm=nn.ReLU, act=lambda: nn.BatchNorm2d(o))),
        ("3 x 3 convolution, batch norm, ReLU, and the same again", "the weights are set by rule",
         lambda i, o: layers(i, o, act=nn.LeakyReLU), lambda i, o: nn.Sequential(*layers(i, o)[:3]),
         lambda i, o: nn.Sequential(*layers(i, o)[:5])),
        ("the check looks at what the block does: sizes, numbers, training mode, gradients", "gradients are computed",
         Detached),
        ("sizes, numbers, training mode, gradients", "the weights are counted", Frozen),
        ("An answer never changes its inputs", "size and channels", ChangesInput),
    )  # fmt: skip
    equal = {r"^def __init__\(self, in": "the order of methods does not matter"}
    said = (
        (lambda i, o: layers(i, o, padding=0), "Your pictures shrink by four rows and columns"),
        (norm(momentum=0.2), "In training mode your result is right; in eval mode afterwards it is not"),
        (norm(affine=False), "fewer scales and shifts to train than ours"),
        (Detached, "The gradient of x is missing"),
        (Frozen, "trainable weights (biases not counted)"),
        (lambda i, o: [nn.Conv2d(i, o, 3)], "object is not callable"),
    )


def test_the_ten_classic_slips_have_a_sentence_each():
    from segcourse import exercises

    class NoSuper(nn.Module):
        def __init__(self, i, o):
            self.net = layers(i, o)

    class Foward(nn.Module):
        def __init__(self, i, o):
            super().__init__()

        def foward(self, x):
            return x

    class LayerOfX(Answer):
        def forward(self, x):
            return nn.ReLU(self.layers(x))

    class LayerOfXInside(Answer):
        def forward(self, x):
            return self.layers(nn.ReLU(x))

    class WrongChannels(nn.Sequential):
        def __init__(self, i, o):
            super().__init__(nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), nn.Conv2d(i, o, 3, padding=1))

    class WrongNorm(nn.Sequential):
        def __init__(self, i, o):
            super().__init__(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(i + 1))

    class OnlyInit(nn.Module):
        def __init__(self, in_channels, out_channels):
            super().__init__()
            self.net = layers(in_channels, out_channels)

        def forward(self, x):
            raise NotImplementedError("Exercise 3.1")

    class LostName(nn.Module):
        def __init__(self, i, o):
            super().__init__()
            self.net = Unit(i, o)  # noqa: F821

    class Misspelt(Answer):
        def forward(self, x):
            return self.layer(x)

    class NoReturn(Answer):
        def forward(self, x):
            self.layers(x)

    class InAList(nn.Module):
        def __init__(self, i, o):
            super().__init__()
            self.all = list(layers(i, o))

        def forward(self, x):
            for layer in self.all:
                x = layer(x)
            return x

    for wrong, words in (
        (NoSuper, "`super().__init__()` has not run"),
        (Foward, "has no method called `forward`"),
        (LayerOfX, "Your answer returns a ReLU"),
        (LayerOfXInside, "the layer object ReLU arrives where a tensor is needed"),
        (WrongChannels, "a convolution that was made for 1 input channels gets 2"),
        (WrongNorm, "a batch norm that was made for"),
        (OnlyInit, "The stub's `raise NotImplementedError` is still there"),
        (LostName, "the name Unit is not known here"),
        (Misspelt, "has no attribute called layer"),
        (NoReturn, "Your `forward` returns None"),
        (InAList, "in a plain Python list"),
        (lambda i: layers(i, i), "a call passes 2 arguments where 1 fit"),
    ):
        verdict = exercises.assess("DoubleConv", wrong, own=False)
        assert verdict.started
        assert words in verdict.diagnosis, (words, verdict.diagnosis)
