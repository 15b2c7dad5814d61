"""Exercise 3.1: convolution, batch norm and ReLU, twice."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import nn

from segcourse.exercises.engine import modules
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l03_unet._draw import convolution, pixels, unit


class DoubleConv(nn.Module):
    """(3 x 3 convolution, batch norm, ReLU) twice; the size stays."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )

    def forward(self, x):
        return self.layers(x)


SIZE, LAYERS, TRAINING = "size and channels", "convolution, batch norm, ReLU, twice", "training"


def cases(rng: Generator) -> Iterator[Case]:
    seed = int(rng.integers(1000))

    def case(group, in_channels, out_channels, x, look, trait):
        inputs = {"in_channels": in_channels, "out_channels": out_channels, "x": x}
        return Case(group, inputs, (trait,), look)

    def sized(in_channels, out_channels, *size, trait):
        x = torch.ones(*size)
        return case(SIZE, in_channels, out_channels, x, modules.shape, trait)

    yield sized(1, 2, 1, 1, 2, 2, trait="the picture has 2 x 2 pixels")
    yield sized(3, 8, 2, 3, 17, 23, trait="there are two pictures of 17 x 23 pixels")
    yield sized(4, 4, 1, 4, 1, 1, trait="the picture has one pixel")
    channels, others, rows, columns = map(int, rng.integers(2, 9, 4))
    yield sized(channels, others, 3, channels, rows, columns, trait="there are three pictures")
    yield case(
        LAYERS,
        1,
        8,
        torch.ones(1, 1, 15, 15),
        modules.field_of_view,
        "the central pixel of the output is looked at",
    )
    yield case(
        LAYERS, 2, 6, pixels(rng, 1, 2, 6, 5), modules.output(seed=seed), "the weights are set by rule"
    )
    x = pixels(rng, 2, 3, 7, 8, scale=20)
    look = modules.output(seed=seed, trained=True)
    yield case(LAYERS, 3, 5, x, look, "two pictures hold large numbers, after training")
    x = pixels(rng, 1, 3, 9, 6)
    look = modules.output_after_smaller(seed)
    yield case(LAYERS, 3, 3, x, look, "the block has seen a smaller picture before")
    look = modules.trainable(lambda case: 2 * case.inputs["out_channels"])
    yield case(LAYERS, 3, 5, x, look, "the weights are counted")
    x = pixels(rng, 3, 2, 5, 6)
    yield case(TRAINING, 2, 4, x, modules.training(seed), "the block is in training mode")
    x = pixels(rng, 2, 3, 5, 4)
    yield case(TRAINING, 3, 4, x, modules.gradients(seed), "gradients are computed")


Layers = Callable[[int, int], list[nn.Module]]


def _of(layers: Layers) -> Callable[[int, int], nn.Module]:
    return lambda in_channels, out_channels: nn.Sequential(*layers(in_channels, out_channels))


class _OneBatchNorm(nn.Module):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.first, self.second = (
            convolution(in_channels, out_channels),
            convolution(out_channels, out_channels),
        )
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        return F.relu(self.norm(self.second(F.relu(self.norm(self.first(x))))))


class _SecondTwice(nn.Module):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.first = nn.Sequential(*unit(in_channels, out_channels))
        self.again = nn.Sequential(*unit(out_channels, out_channels))

    def forward(self, x):
        return self.again(self.again(self.first(x)))


class _Shortcut(nn.Module):
    """Adds the first half's result, or the input through a 1 x 1 convolution, to the second half's."""

    projects, last = False, True

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.first = nn.Sequential(*unit(in_channels, out_channels))
        self.second = nn.Sequential(*unit(out_channels, out_channels)[:2])
        self.across = convolution(in_channels, out_channels, 1) if self.projects else None

    def forward(self, x):
        y = self.first(x)
        z = self.second(y)
        across = self.across(x) if self.across else y
        return F.relu(z + across) if self.last else F.relu(z) + across


class _AddsInput(_Shortcut):
    def forward(self, x):
        return F.relu(self.second(self.first(x)) + x)


class _BroughtBack(nn.Module):
    """Unpadded convolutions, whose result is brought back to the picture's size."""

    options: dict[str, Any] | None = None

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.layers = nn.Sequential(*_padded(0, 0)(in_channels, out_channels))

    def forward(self, x):
        y = self.layers(x)
        return F.interpolate(y, x.shape[-2:], **self.options) if self.options else F.pad(y, [2, 2, 2, 2])


def _with(base: type[nn.Module], **pieces: Any) -> type[nn.Module]:
    return type("Changed", (base,), pieces)


def _padded(
    *paddings: int, strides: Sequence[int] = (1, 1), dilations: Sequence[int] = (1, 1), kind: str = "zeros"
) -> Layers:
    def layers(i, o):
        one, other = paddings
        first = (
            nn.Conv2d(i, o, 3, strides[0], one, dilations[0], padding_mode=kind),
            nn.BatchNorm2d(o),
            nn.ReLU(),
        )
        return [
            *first,
            nn.Conv2d(o, o, 3, strides[1], other, dilations[1], padding_mode=kind),
            nn.BatchNorm2d(o),
            nn.ReLU(),
        ]

    return layers


def _in_order(order: str, last: str | None = None) -> Layers:
    """Return both halves with layers in this order: C is the convolution, N batch norm, R ReLU."""

    def layers(i, o):
        found, channels = [], i
        for kind in order + (order if last is None else last):
            if kind == "C":
                found.append(convolution(channels, o))
                channels = o
            else:
                found.append(nn.BatchNorm2d(channels) if kind == "N" else nn.ReLU())
        return found

    return layers


def _norm(make: Callable[[int], nn.Module]) -> Layers:
    return lambda i, o: [convolution(i, o), make(o), nn.ReLU(), convolution(o, o), make(o), nn.ReLU()]


def _activation(make: Callable[[], nn.Module]) -> Layers:
    return lambda i, o: [*unit(i, o)[:2], make(), *unit(o, o)[:2], make()]


def celebrate(answer):
    """Show what an untrained block makes of a picture."""
    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import show_image

    torch.manual_seed(0)
    maps = answer(3, 4)(lesion().image[None]).detach()[0]
    titles = [f"channel {i}" for i in range(4)]
    show_image(
        list(maps / maps.amax(dim=(1, 2), keepdim=True)),
        titles,
        alt="Four feature maps that your untrained block makes of a lesion.",
    )


SMOOTH = {"mode": "bilinear"}
STRETCHES: tuple[dict[str, Any], ...] = (SMOOTH, SMOOTH | {"align_corners": True}, {"mode": "nearest"})
DEFAULTS = 1e-5, 0.1
EPS_AND_MOMENTUM = [
    (eps, momentum)
    for eps in (1e-5, 1e-3)
    for momentum in (0.1, 0.01, 0.03, 0.9, 0.99, None)
    if (eps, momentum) != DEFAULTS
]
ACTIVATIONS = {
    **{f"LeakyReLU ({slope})": functools.partial(nn.LeakyReLU, slope) for slope in (0.01, 0.1, 0.2)},
    "GELU": nn.GELU,
    "SiLU": nn.SiLU,
    "ELU": nn.ELU,
    "a sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
_MISTAKES: list[tuple[Any, ...]] = [
    (
        "Your block computes what one convolution with batch norm and ReLU computes: one output "
        "pixel sees 3 x 3 pixels. Two 3 x 3 convolutions in a row see 5 x 5.",
        _of(unit),
    ),
    (
        "Your block goes through three convolutions, and an output pixel sees 7 x 7 pixels. Two are "
        "asked for.",
        _SecondTwice,
        _of(lambda i, o: [*unit(i, o), *unit(o, o), *unit(o, o)]),
    ),
    (
        "Your pictures shrink by four rows and columns: without padding each 3 x 3 convolution takes a "
        "border of one pixel away. `padding=1` keeps the size.",
        _of(_padded(0, 0)),
    ),
    (
        "Your pictures shrink by two rows and columns: one of your two convolutions has no padding. "
        "`padding=1` keeps the size.",
        _of(_padded(0, 1)),
        _of(_padded(1, 0)),
    ),
    (
        "Your pictures grow, as with `padding=2`. A 3 x 3 convolution keeps the size with `padding=1`.",
        _of(_padded(2, 2)),
    ),
    (
        "Your convolutions have no padding, and their smaller result is stretched or padded to H x W "
        "afterwards. Use `padding=1` in each convolution.",
        *(_with(_BroughtBack, options=options) for options in (*STRETCHES, None)),
    ),
    (
        "Your convolutions pad with the picture's own numbers (`padding_mode`). By default zeros stand "
        "beyond the border.",
        *(_of(_padded(1, 1, kind=kind)) for kind in ("reflect", "replicate", "circular")),
    ),
    (
        "Your convolutions skip pixels between those that they weigh (`dilation`). 3 x 3 neighbours without "
        "gaps are asked for.",
        *(_of(_padded(*both, dilations=both)) for both in ((2, 2), (1, 2), (2, 1))),
    ),
    (
        "Your block makes the picture smaller, by a stride of 2 or by pooling. It keeps H and W: the step "
        "down comes later.",
        *(_of(_padded(1, 1, strides=strides)) for strides in ((2, 1), (1, 2), (2, 2))),
        _of(lambda i, o: [nn.MaxPool2d(2), *unit(i, o), *unit(o, o)]),
        _of(lambda i, o: [*unit(i, o), *unit(o, o), nn.MaxPool2d(2)]),
    ),
    (
        "Your block returns what comes before the last ReLU: negative numbers leave it. Each of the "
        "two convolutions has its own batch norm and ReLU.",
        _of(_in_order("CNR", "CN")),
    ),
    (
        "Your block ends in the second convolution. Batch norm and ReLU follow it, too.",
        _of(_in_order("CNR", "C")),
    ),
    (
        "There is no ReLU between your two convolutions. Without one in between, two convolutions "
        "are one linear map: a single 5 x 5 convolution could do the same.",
        _of(_in_order("CN", "CNR")),
    ),
    (
        "Your two convolutions follow each other directly. Batch norm and ReLU come after the first one, "
        "too.",
        _of(_in_order("C", "CNR")),
        _of(_in_order("C", "CNRNR")),
    ),
    (
        "Your block has no ReLU at all, so that it is a linear map. Each convolution is followed by "
        "batch norm and ReLU.",
        _of(_in_order("CN")),
    ),
    (
        "Your block has neither batch norm nor a ReLU between its convolutions. Each convolution is followed "
        "by both.",
        _of(_in_order("C", "CR")),
        _of(_in_order("C")),
    ),
    (
        "Your block has no batch norm. Without it a network of eighteen convolutions depends much more on "
        "its starting weights and its learning rate.",
        _of(_in_order("CR")),
    ),
    (
        "There is no batch norm after your second convolution. Each of the two has its own.",
        _of(_in_order("CNR", "CR")),
    ),
    (
        "There is no batch norm after your first convolution. Each of the two has its own.",
        _of(_in_order("CR", "CNR")),
    ),
    (
        "Batch norm comes after ReLU in your block. Here it comes before: the convolution's output is "
        "centred first, so that ReLU cuts off about half of it.",
        _of(_in_order("CRN")),
    ),
    (
        "Batch norm and ReLU come before each convolution in your block. Here the convolution comes first, "
        "then batch norm, then ReLU.",
        _of(_in_order("NRC")),
    ),
    (
        "Batch norm comes before each convolution in your block. Here it comes after the convolution, before "
        "ReLU.",
        _of(_in_order("NCR")),
    ),
    (
        "ReLU comes before each convolution in your block. Here the convolution comes first, then batch "
        "norm, then ReLU.",
        _of(_in_order("RCN")),
    ),
    (
        "Both convolutions go through the same batch norm layer. Its running mean and variance then "
        "belong to neither of them, and eval mode differs from what was trained. Make two.",
        _OneBatchNorm,
    ),
    (
        "Your batch norm uses the batch's own statistics in eval mode, too: the result for one picture then "
        "depends on which others came with it. In eval mode the running mean and variance are asked for.",
        _of(_norm(lambda o: nn.BatchNorm2d(o, track_running_stats=False))),
    ),
    (
        "Your batch norm has another `eps` or `momentum` than PyTorch's defaults, 1e-5 and 0.1. Leave both "
        "out.",
        *(
            _of(_norm(functools.partial(nn.BatchNorm2d, eps=eps, momentum=momentum)))
            for eps, momentum in EPS_AND_MOMENTUM
        ),
    ),
    (
        "You normalise each picture on its own, as instance norm or group norm does. Batch norm is asked "
        "for.",
        _of(_norm(nn.InstanceNorm2d)),
        _of(_norm(lambda o: nn.InstanceNorm2d(o, affine=True))),
        _of(_norm(lambda o: nn.GroupNorm(1, o))),
    ),
    *(
        (
            f"Your block computes what one with {name} in place of ReLU computes. ReLU is asked for.",
            _of(_activation(make)),
        )
        for name, make in ACTIVATIONS.items()
    ),
    (
        "You add a shortcut: what comes before the second convolution, or the input, is added to its result. "
        "None is asked for here.",
        _Shortcut,
        _with(_Shortcut, last=False),
        _with(_Shortcut, projects=True),
        _with(_Shortcut, projects=True, last=False),
        _AddsInput,
    ),
    (
        "Your second convolution changes the number of channels. The first one goes from in_channels to "
        "out_channels, and the second one from out_channels to out_channels.",
        _of(lambda i, o: [*unit(i, i), *unit(i, o)]),
    ),
    (
        "Your second convolution expects in_channels again. After the first one there are out_channels.",
        _of(lambda i, o: [*unit(i, o), *unit(i, o)]),
    ),
    (
        "Your first convolution expects out_channels, and in_channels arrive. The order is "
        "`nn.Conv2d(in_channels, out_channels, …)`.",
        _of(lambda i, o: [*unit(o, i), *unit(i, i)]),
    ),
    (
        "Your block is one 5 x 5 convolution with batch norm and ReLU. Two 3 x 3 convolutions see "
        "the same 25 pixels with 18 weights instead of 25, and have a ReLU in between.",
        _of(lambda i, o: unit(i, o, size=5)),
    ),
    (
        "Your convolutions look at one pixel at a time (1 x 1). Two 3 x 3 convolutions are asked for.",
        _of(lambda i, o: [*unit(i, o, size=1), *unit(o, o, size=1)]),
    ),
    (
        "One of your two convolutions is 1 x 1. Both are 3 x 3 here.",
        _of(lambda i, o: [*unit(i, o, size=1), *unit(o, o)]),
        _of(lambda i, o: [*unit(i, o), *unit(o, o, size=1)]),
    ),
    (
        "Your block drops numbers at random in training mode: two runs on the same picture differ. "
        "Dropout is not asked for.",
        _of(lambda i, o: [*unit(i, o), *unit(o, o), nn.Dropout(0.2)]),
    ),
]

EXERCISE = Exercise(
    DoubleConv,
    number="3.1",
    difficulty=1,
    minutes=10,
    groups={SIZE: 1, LAYERS: 1, TRAINING: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[(says, wrong) for says, *wrongs in _MISTAKES for wrong in wrongs],
    finished=("segcourse.models.blocks:DoubleConv", "monai.networks.nets.basic_unet:TwoConv"),
)
