"""Exercise 8.2: a convolution per channel, then a 1 x 1 convolution."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from numpy.random import Generator
from torch import nn

from segcourse.exercises.engine import modules
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l03_unet._draw import pixels


class DepthwiseSeparableConv(nn.Module):
    """3 x 3 convolution per channel, then 1 x 1 convolution, each with batch norm and ReLU."""

    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, stride, padding=1, groups=in_channels)
        self.pointwise = nn.Conv2d(in_channels, out_channels, kernel_size=1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(in_channels), nn.BatchNorm2d(out_channels)])

    def forward(self, x):
        x = torch.relu(self.norms[0](self.depthwise(x)))  # N, in_channels, H/stride, W/stride
        return torch.relu(self.norms[1](self.pointwise(x)))  # N, out_channels, H/stride, W/stride


SIZE, LAYERS, TRAINING = "size and channels", "depthwise, then pointwise", "training"


def cases(rng: Generator) -> Iterator[Case]:
    seed = int(rng.integers(1000))

    def case(group, numbers, x, look, *traits):
        names = "in_channels", "out_channels", "stride"
        return Case(group, {**dict(zip(names, numbers, strict=True)), "x": x}, traits, look)

    def sized(numbers, *size, trait):
        return case(SIZE, numbers, torch.ones(*size), modules.shape, trait)

    def drawn(numbers, size, *traits, look=None, scale=1.0):
        look = look or modules.output(seed=seed)
        return case(LAYERS, numbers, pixels(rng, *size, scale=scale), look, *traits)

    yield sized((2, 4, 1), 1, 2, 2, 2, trait="the picture has 2 x 2 pixels")
    yield sized((3, 8, 1), 2, 3, 17, 23, trait="there are two pictures of 17 x 23 pixels")
    yield sized((4, 4, 2), 1, 4, 6, 8, trait="stride is 2 and the sides are even")
    yield sized((4, 3, 2), 1, 4, 7, 5, trait="stride is 2 and the sides are odd")
    channels, others, rows, columns = map(int, rng.integers(2, 9, 4))
    yield sized((channels, others, 1), 3, channels, rows, columns, trait="there are three pictures")
    yield drawn((3, 3, 1), (1, 3, 6, 5), "the number of channels stays", "the weights are set by rule")
    yield drawn((3, 6, 1), (2, 3, 5, 6), "the number of channels doubles", "the weights are set by rule")
    yield drawn((4, 2, 2), (1, 4, 7, 8), "stride is 2", "the weights are set by rule")
    yield drawn((3, 4, 1), (1, 3, 5, 5), "the picture holds large numbers", scale=40)
    large = "two pictures hold large numbers, after training"
    yield drawn((4, 6, 1), (2, 4, 7, 8), large, look=modules.output(seed=seed, trained=True), scale=40)
    yield drawn(
        (3, 4, 1),
        (1, 3, 9, 6),
        "the block has seen a smaller picture before",
        look=modules.output_after_smaller(seed),
    )
    both = modules.trainable(lambda case: case.inputs["in_channels"] + case.inputs["out_channels"])
    yield drawn((6, 10, 1), (1, 6, 4, 4), "the weights are counted", look=both)
    for stride, size in ((1, (3, 3, 5, 6)), (2, (2, 3, 6, 9))):
        x = pixels(rng, *size)
        mode = "the block is in training mode"
        yield case(TRAINING, (3, 5, stride), x, modules.training(seed), mode, f"stride is {stride}")
    x = pixels(rng, 2, 3, 5, 4)
    yield case(TRAINING, (3, 6, 1), x, modules.gradients(seed), "gradients are computed")


def celebrate(answer):
    """Show what an untrained block makes of a street, and count its weights."""
    from segcourse.data import load_dataset
    from segcourse.models import count_parameters
    from segcourse.plotting import show_image

    torch.manual_seed(0)
    image = load_dataset("scenes", "test", count=1)[0].image
    maps = answer(3, 3, 1)(image[None]).detach()[0]
    light, ordinary = count_parameters(answer(64, 64, 1)), count_parameters(nn.Conv2d(64, 64, 3))
    print(f"64 to 64 channels: {light:,} parameters with both batch norms, an ordinary one has {ordinary:,}")
    alt = "Three feature maps that your untrained block makes of a street."
    show_image(
        list(maps / maps.amax(dim=(1, 2), keepdim=True)), ["channel 0", "channel 1", "channel 2"], alt=alt
    )


Layers = Callable[[int, int, int], list[nn.Module]]


def _of(layers: Layers) -> Callable[[int, int, int], nn.Module]:
    return lambda i, o, s: nn.Sequential(*layers(i, o, s))


def _made(
    order: str = "DNRPNR",
    norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
    act: Callable[[], nn.Module] = nn.ReLU,
    kernel: int = 3,
    last: int = 1,
    grouped: bool = True,
    strides: Callable[[int], tuple[int, int]] = lambda s: (s, 1),
    **options: Any,
) -> Callable[[int, int, int], nn.Module]:
    """Return a block that differs from the answer in one thing.

    Args:
        order: its layers. D is depthwise, P pointwise, N a norm and R an activation.
        norm, act: what makes these two.
        kernel, last: the sizes of the kernels of D and P.
        grouped: whether D has a kernel per channel alone.
        strides: of D and P.
        options: other arguments of D.
    """

    def layers(i, o, s):
        found, channels, (one, other) = [], i, strides(s)
        for kind in order:
            if kind == "D":
                how = {"padding": kernel // 2, "groups": channels if grouped else 1, **options}
                found.append(nn.Conv2d(channels, channels, kernel, one, **how))
            elif kind == "P":
                found.append(nn.Conv2d(channels, o, last, other, padding=last // 2))
                channels = o
            else:
                found.append(norm(channels) if kind == "N" else act())
        return found

    return _of(layers)


def _unpadded(i: int, o: int, s: int) -> list[nn.Module]:
    return [*_unit(nn.Conv2d(i, i, 3, s, groups=i)), *_unit(nn.Conv2d(i, o, 1))]


def _unit(conv: nn.Conv2d) -> list[nn.Module]:
    return [conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU()]


class _OneKernel(nn.Module):
    """Filters every channel with the same kernel."""

    def __init__(self, i: int, o: int, s: int):
        super().__init__()
        self.one, self.first = nn.Conv2d(1, 1, 3, s, padding=1), nn.BatchNorm2d(i)
        self.rest = nn.Sequential(*_unit(nn.Conv2d(i, o, 1)))

    def forward(self, x):
        y = self.one(x.flatten(0, 1)[:, None])  # N * C, 1, H, W
        y = y.reshape(*x.shape[:2], *y.shape[-2:])
        return self.rest(torch.relu(self.first(y)))


class PerChannel(nn.Module):
    """The same with a convolution per channel, whose weights a check sets in another way."""

    def __init__(self, i: int, o: int, s: int):
        super().__init__()
        self.each = nn.ModuleList(nn.Conv2d(1, 1, 3, s, padding=1) for _ in range(i))
        self.first, self.rest = nn.BatchNorm2d(i), nn.Sequential(*_unit(nn.Conv2d(i, o, 1)))

    def forward(self, x):
        maps = [conv(channel) for conv, channel in zip(self.each, x.split(1, dim=1), strict=True)]
        return self.rest(torch.relu(self.first(torch.cat(maps, dim=1))))


class _Shortcut(nn.Module):
    """Adds the input where sizes allow it, as MobileNetV2 does."""

    def __init__(self, i: int, o: int, s: int):
        super().__init__()
        self.block = DepthwiseSeparableConv(i, o, s)

    def forward(self, x):
        y = self.block(x)
        return x + y if x.shape == y.shape else y


class _AlwaysEval(DepthwiseSeparableConv):
    """Switches its batch norms to eval mode in each call."""

    def forward(self, x):
        self.norms.eval()
        return super().forward(x)


def _other_activations(**kinds: Callable[[], nn.Module]) -> list[tuple[str, Any]]:
    return [
        (f"Your block computes what one with {name} in place of ReLU computes. ReLU is asked for.", wrong)
        for name, make in kinds.items()
        for wrong in (_made(act=make),)
    ]


MODES = "reflect", "replicate", "circular"
DEFAULTS: Sequence[dict[str, Any]] = (
    *({"momentum": momentum} for momentum in (0.01, 0.03, 0.9, 0.99, 0.997, None)),
    *({"eps": 1e-3, "momentum": momentum} for momentum in (0.1, 0.01, 0.03)),
)
_MISTAKES: list[tuple[Any, ...]] = [
    (
        "Your 3 x 3 convolution mixes the channels, as an ordinary one does. With `groups=in_channels` each "
        "channel has its own kernel; the 1 x 1 convolution mixes them.",
        _made(grouped=False),
    ),
    (
        "Your block is an ordinary 3 x 3 convolution with batch norm and ReLU. Split it in two: a kernel per "
        "channel, then a 1 x 1 convolution.",
        _of(lambda i, o, s: _unit(nn.Conv2d(i, o, 3, s, padding=1))),
    ),
    (
        "Your block has no 1 x 1 convolution, so that no channel learns from another. It follows the "
        "depthwise one, with its own batch norm and ReLU.",
        _of(lambda i, o, s: _unit(nn.Conv2d(i, o, 3, s, padding=1, groups=i))),
        _made("DNR"),
    ),
    (
        "Your 1 x 1 convolution comes first. The order is depthwise, then pointwise: that is cheaper where "
        "the number of channels grows.",
        _made("PNRDNR"),
    ),
    (
        "All channels go through the same kernel in your depthwise step. Each channel learns its own.",
        _OneKernel,
    ),
    (
        "Your pointwise convolution is 3 x 3. It only mixes channels, pixel by pixel: 1 x 1.",
        _made(last=3),
    ),
    (
        "Your depthwise convolution is 5 x 5. 3 x 3 is asked for.",
        _made(kernel=5),
    ),
    (
        "Your depthwise convolution is 1 x 1, so that no pixel sees its neighbours. 3 x 3 is asked for.",
        _made(kernel=1),
    ),
    (
        "Your stride is in the 1 x 1 convolution. The depthwise one then computes pixels that are thrown "
        "away; with stride 2, three of four.",
        _made(strides=lambda s: (1, s)),
    ),
    (
        "Both of your convolutions have the stride, so that stride 2 makes the map four times smaller. Only "
        "the depthwise one has it.",
        _made(strides=lambda s: (s, s)),
    ),
    (
        "Your block ignores `stride`. It belongs to the depthwise convolution.",
        _made(strides=lambda s: (1, 1)),
    ),
    (
        "Your block always has stride 2. Use `stride`.",
        _made(strides=lambda s: (2, 1)),
    ),
    (
        "Your pictures shrink by two rows and columns: the depthwise convolution has no padding. "
        "`padding=1` keeps the size where stride is 1.",
        _made(padding=0),
    ),
    (
        "Your pictures grow: a 1 x 1 convolution with padding adds a border. Only the depthwise convolution "
        "needs `padding=1`.",
        _of(
            lambda i, o, s: [
                *_unit(nn.Conv2d(i, i, 3, s, 1, groups=i)),
                *_unit(nn.Conv2d(i, o, 1, padding=1)),
            ]
        ),
    ),
    (
        "Your depthwise convolution pads with the picture's own numbers (`padding_mode`). By default zeros "
        "stand beyond the border.",
        *(_made(padding_mode=mode) for mode in MODES),
    ),
    (
        "Your zeros stand on two sides of the picture alone, two rows and two columns of them. One row or "
        "column of zeros is asked for on each side: `padding=1`.",
        _of(lambda i, o, s: [nn.ZeroPad2d((0, 2, 0, 2)), *_unpadded(i, o, s)]),
        _of(lambda i, o, s: [nn.ZeroPad2d((2, 0, 2, 0)), *_unpadded(i, o, s)]),
    ),
    (
        "Your block pools where stride is 2. Pooling is not asked for: the depthwise convolution has the "
        "stride.",
        *(
            _of(lambda i, o, s, pool=pool: [pool(s), DepthwiseSeparableConv(i, o, 1)])
            for pool in (nn.MaxPool2d, nn.AvgPool2d)
        ),
        *(
            _of(lambda i, o, s, pool=pool: [DepthwiseSeparableConv(i, o, 1), pool(s)])
            for pool in (nn.MaxPool2d, nn.AvgPool2d)
        ),
    ),
    (
        "Your batch norms use the running mean and variance in training mode, too, as after a call of "
        "`eval()` in `forward`. In training mode they use the batch's own.",
        _AlwaysEval,
    ),
    (
        "Your depthwise convolution skips pixels between its taps (`dilation`). 3 x 3 neighbours without "
        "gaps are asked for.",
        _made(padding=2, dilation=2),
    ),
    (
        "There is neither batch norm nor ReLU between your two convolutions. Each of the two is followed by "
        "both.",
        _made("DPNR"),
    ),
    (
        "There is no ReLU between your two convolutions. Each of the two is followed by batch norm and ReLU.",
        _made("DNPNR"),
    ),
    (
        "There is no batch norm between your two convolutions. Each of the two is followed by batch norm and "
        "ReLU.",
        _made("DRPNR"),
    ),
    (
        "Your block ends in the 1 x 1 convolution. Batch norm and ReLU follow it, too.",
        _made("DNRP"),
    ),
    (
        "There is no ReLU at the end of your block: negative numbers leave it. Each of the two convolutions "
        "is followed by batch norm and ReLU.",
        _made("DNRPN"),
    ),
    (
        "There is no batch norm after your 1 x 1 convolution. Each of the two convolutions has its own.",
        _made("DNRPR"),
    ),
    (
        "Your block has no batch norm. Each of the two convolutions is followed by batch norm and ReLU.",
        _made("DRPR"),
    ),
    (
        "Your block has neither batch norm nor ReLU. Each of the two convolutions is followed by both.",
        _made("DP"),
    ),
    (
        "Your block has no ReLU. Each of the two convolutions is followed by batch norm and ReLU.",
        _made("DNPN"),
    ),
    (
        "Batch norm comes after ReLU in your block. Here it comes before: convolution, batch norm, ReLU.",
        _made("DRNPRN"),
    ),
    (
        "Batch norm and ReLU come before each convolution in your block. Here the convolution comes first.",
        _made("NRDNRP"),
    ),
    (
        "You add the input to the result where their shapes agree. MobileNetV2 does so around another block; "
        "none is asked for here.",
        _Shortcut,
    ),
    (
        "Your batch norms use the batch's own statistics in eval mode, too. In eval mode the running mean "
        "and variance are asked for: leave `track_running_stats` out.",
        _made(norm=functools.partial(nn.BatchNorm2d, track_running_stats=False)),
    ),
    (
        "Your batch norms have another `eps` or `momentum` than PyTorch's defaults, 1e-5 and 0.1. Leave both "
        "out.",
        *(_made(norm=functools.partial(nn.BatchNorm2d, **options)) for options in DEFAULTS),
    ),
    (
        "You normalise each picture on its own, as instance norm or group norm does. Batch norm is asked "
        "for.",
        _made(norm=nn.InstanceNorm2d),
        _made(norm=functools.partial(nn.InstanceNorm2d, affine=True)),
        _made(norm=lambda channels: nn.GroupNorm(1, channels)),
    ),
    *_other_activations(
        ReLU6=nn.ReLU6,
        Hardswish=nn.Hardswish,
        LeakyReLU=nn.LeakyReLU,
        SiLU=nn.SiLU,
        GELU=nn.GELU,
        sigmoid=nn.Sigmoid,
    ),
    (
        "Your block drops numbers at random in training mode: two runs on the same picture differ. Dropout "
        "is not asked for.",
        _of(lambda i, o, s: [DepthwiseSeparableConv(i, o, s), nn.Dropout(0.2)]),
    ),
]

EXERCISE = Exercise(
    DepthwiseSeparableConv,
    number="8.2",
    difficulty=2,
    minutes=15,
    groups={SIZE: 1, LAYERS: 2, TRAINING: 1},
    cases=cases,
    variants=(PerChannel,),
    celebrate=celebrate,
    mistakes=[(says, wrong) for says, *wrongs in _MISTAKES for wrong in wrongs],
    finished=(
        "torchvision.models.mobilenetv2:InvertedResidual",
        "segmentation_models_pytorch.decoders.deeplabv3.decoder:SeparableConv2d",
    ),
)
