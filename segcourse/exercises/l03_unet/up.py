"""Exercise 3.2: one step up, joined with its skip, for odd sizes as well."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor, nn

from segcourse.exercises.engine import modules
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.weights import set_weights
from segcourse.exercises.l03_unet._draw import convolution, pixels, unit
from segcourse.exercises.l03_unet.double_conv import DoubleConv


class Up(nn.Module):
    """One step up: double `x`, pad it to the skip's size, concatenate, convolve twice."""

    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
        self.conv = DoubleConv(in_channels // 2 + skip_channels, out_channels)

    def forward(self, x, skip):
        x = self.up(x)  # N, in_channels // 2, 2h, 2w
        missing_rows = skip.shape[-2] - x.shape[-2]
        missing_columns = skip.shape[-1] - x.shape[-1]
        x = F.pad(x, [0, missing_columns, 0, missing_rows])  # N, in_channels // 2, H, W
        return self.conv(torch.cat([skip, x], dim=1))  # N, out_channels, H, W


def _missing(x: Tensor, skip: Tensor) -> tuple[int, int]:
    """Return how many columns and rows x lacks."""
    return skip.shape[-1] - x.shape[-1], skip.shape[-2] - x.shape[-2]


class Changed(Up):
    """The right answer, in pieces that variants and mistakes replace one by one."""

    left = top = False  # where the zeros go

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.conv(torch.cat(self.join(self.up(x), skip), dim=1))

    def join(self, x: Tensor, skip: Tensor) -> tuple[Tensor, ...]:
        return skip, self.padded(x, skip)

    def padded(self, x: Tensor, skip: Tensor, **options: Any) -> Tensor:
        columns, rows = _missing(x, skip)
        both = [columns, 0] if self.left else [0, columns]
        return F.pad(x, both + ([rows, 0] if self.top else [0, rows]), **options)


def _with(base: type[Changed] = Changed, **pieces: Any) -> type[Changed]:
    return type("Changed", (base,), pieces)


class PadsLeft(Changed):
    left = True


class PadsTop(Changed):
    top = True


class PadsTopLeft(Changed):
    left = top = True


class WithoutBias(Up):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, skip_channels, out_channels)
        self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2, bias=False)


def _biased(seed: int) -> modules.Look:
    """Look at the output with a bias of 1 in the transposed convolution, if it has one."""

    @modules.paste("")
    def observe(obj, case):
        model, inputs = modules.build(obj, case)
        set_weights(model, inputs, "drawn", seed)
        for layer in model.modules():
            if isinstance(layer, nn.ConvTranspose2d) and layer.bias is not None:
                nn.init.ones_(layer.bias)
        with torch.no_grad():
            return {"value": modules.run(model, *inputs)}

    return observe


EVEN, ODD, FREE, TRAINING = "even sizes", "odd sizes", "any channel numbers", "training"
ODD_SIZES = ((4, 5, "the skip has one column more"), (5, 4, "the skip has one row more"))
ODD_SIZES += ((5, 5, "the skip has one row and one column more"),)


def cases(rng: Generator) -> Iterator[Case]:
    seed = int(rng.integers(1000))

    def case(group, channels, x, skip, look, *traits):
        names = ("in_channels", "skip_channels", "out_channels")
        inputs = {**dict(zip(names, channels, strict=True)), "x": x, "skip": skip}
        return Case(group, inputs, traits, look)

    x = torch.arange(1.0, 5.0).view(1, 1, 2, 2).repeat(1, 2, 1, 1)
    first = "each layer hands on the mean of its channels"
    yield case(EVEN, (2, 1, 1), x, torch.ones(1, 1, 4, 4), modules.output("transparent"), first)
    drawn = modules.output(seed=seed)
    two = pixels(rng, 2, 4, 3, 2), pixels(rng, 2, 2, 6, 4)
    yield case(EVEN, (4, 2, 3), *two, drawn, "there are two pictures")
    dark = torch.zeros(1, 4, 3, 2), pixels(rng, 1, 2, 6, 4)
    yield case(EVEN, (4, 2, 3), *dark, drawn, "x is 0 everywhere")
    large = pixels(rng, 1, 4, 2, 3, scale=30), pixels(rng, 1, 2, 4, 6, scale=30)
    yield case(EVEN, (4, 2, 3), *large, drawn, "the numbers are large")

    for rows, columns, trait in ODD_SIZES:
        x, skip = pixels(rng, 1, 2, 2, 2), pixels(rng, 1, 1, rows, columns)
        yield case(ODD, (2, 1, 3), x, skip, drawn, trait)
    x, skip = pixels(rng, 2, 2, 2, 3), pixels(rng, 2, 1, 5, 7)
    yield case(ODD, (2, 1, 3), x, skip, drawn, "there are two pictures of odd size")
    x, skip = torch.ones(1, 4, 2, 3), torch.zeros(1, 2, 5, 7)
    yield case(ODD, (4, 2, 3), x, skip, drawn, "the skip is 0 everywhere")
    dark = torch.zeros(1, 2, 2, 2), torch.arange(1.0, 26.0).view(1, 1, 5, 5)
    yield case(ODD, (2, 1, 3), *dark, drawn, "x is 0 everywhere, the skip has 5 x 5 pixels")
    x, skip = torch.zeros(1, 4, 50, 65), torch.zeros(1, 2, 101, 131)
    yield case(ODD, (4, 2, 2), x, skip, modules.shape, "the skip has 101 x 131 pixels")
    x, skip = pixels(rng, 1, 2, 4, 3), pixels(rng, 1, 1, 8, 7)
    look = modules.output_after_smaller(seed)
    yield case(ODD, (2, 1, 3), x, skip[..., :8, :7], look, "the block has seen smaller pictures before")

    inputs = {"in_channels": 2, "skip_channels": 1, "out_channels": 3}
    inputs |= {"x": torch.zeros(1, 2, 2, 2), "skip": torch.zeros(1, 1, 5, 5)}
    trait = "everything is 0, and the transposed convolution has a bias of 1"
    yield Case(ODD, inputs, (trait,), _biased(seed), variants=(WithoutBias,))

    inside, out = map(int, rng.integers(4, 9, 2))
    for channels in ((4, 3, 5), (6, 1, 4), (5, 3, 4), (inside, inside - 1, out)):
        x, skip = pixels(rng, 1, channels[0], 2, 3), pixels(rng, 1, channels[1], 4, 6)
        yield case(FREE, channels, x, skip, modules.shape, "the skip has other channels than half of x's")
        yield case(EVEN, channels, x, skip, drawn, "the skip has other channels than half of x's")

    x, skip = pixels(rng, 2, 4, 3, 4), pixels(rng, 2, 2, 6, 8)
    yield case(
        TRAINING,
        (4, 2, 3),
        x,
        skip,
        modules.training(seed),
        "the block is in training mode",
    )
    yield case(TRAINING, (4, 2, 3), x, skip, modules.gradients(seed), "gradients are computed")
    look = modules.trainable(lambda case: 2 * case.inputs["out_channels"])
    yield case(TRAINING, (4, 2, 3), x, skip, look, "the weights are counted")


def _joining(join: Callable[[Any, Tensor, Tensor], tuple[Tensor, ...]]) -> type[Changed]:
    return _with(join=join)


def _stretched(x: Tensor, other: Tensor, **options: Any) -> Tensor:
    return F.interpolate(x, size=other.shape[-2:], **options)


SMOOTH: dict[str, Any] = {"mode": "bilinear"}
CORNERS = SMOOTH | {"align_corners": True}
NEAREST: dict[str, Any] = {"mode": "nearest"}
_Unpadded = _joining(lambda self, x, skip: (skip, x))
_CropsSkip = _joining(lambda self, x, skip: (skip[..., : x.shape[-2], : x.shape[-1]], x))
_StretchesX, _StretchesXWhole, _StretchesXNearest = (
    _joining(lambda self, x, skip, options=options: (skip, _stretched(x, skip, **options)))
    for options in (SMOOTH, CORNERS, NEAREST)
)
_IgnoresSkip = _joining(lambda self, x, skip: (self.padded(x, skip), torch.zeros_like(skip)))
_ActivatesX = _joining(lambda self, x, skip: (skip, F.relu(self.padded(x, skip))))


class _PadsSwapped(Changed):
    def padded(self, x, skip, **options):
        columns, rows = _missing(x, skip)
        both = [rows, 0] if self.left else [0, rows]
        return F.pad(x, both + ([columns, 0] if self.top else [0, columns]))


class _PadsOneAxis(Changed):
    axis = -1

    def padded(self, x, skip, **options):
        size = [*skip.shape[:2], *x.shape[-2:]]
        size[self.axis] = skip.shape[self.axis]
        return super().padded(x, skip.new_zeros(size))


class _Built(Changed):
    """The right answer of other layers, which mistakes name."""

    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, skip_channels, out_channels)
        self.up, between = self.step(in_channels, out_channels)
        self.conv = self.end(between + skip_channels, out_channels)

    def step(self, i, o):
        return nn.ConvTranspose2d(i, i // 2, 2, 2), i // 2

    def end(self, i, o):
        return DoubleConv(i, o)


def _step(step: Callable[[int, int], tuple[nn.Module, int]]) -> type[Changed]:
    return _with(_Built, step=lambda self, i, o: step(i, o))


def _end(end: Callable[[int, int], nn.Module]) -> type[Changed]:
    return _with(_Built, end=lambda self, i, o: end(i, o))


class _Adds(Changed):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, skip_channels, out_channels)
        self.conv = DoubleConv(in_channels // 2, out_channels)

    def forward(self, x, skip):
        return self.conv(skip + self.padded(self.up(x), skip))


_KeepsChannels = _step(lambda i, o: (nn.ConvTranspose2d(i, i, 2, 2), i))
_ConvolvesOnce = _end(lambda i, o: nn.Sequential(*unit(i, o)))


INTERPOLATES = tuple(
    _step(lambda i, o, options=options: (nn.Upsample(scale_factor=2, **options), i))
    for options in (SMOOTH, CORNERS, NEAREST)
)


def _transposed(*size: int, **options: int) -> type[Changed]:
    return _step(lambda i, o: (nn.ConvTranspose2d(i, i // 2, *size, **options), i // 2))


def _upsampled(kernel: int, **options: Any) -> type[Changed]:
    up = functools.partial(nn.Upsample, scale_factor=2, **options)
    return _step(lambda i, o: (nn.Sequential(up(), convolution(i, i // 2, kernel)), i // 2))


def _normed(*more: nn.Module) -> type[Changed]:
    return _step(
        lambda i, o: (
            nn.Sequential(nn.ConvTranspose2d(i, i // 2, 2, 2), nn.BatchNorm2d(i // 2), *more),
            i // 2,
        )
    )


def _expects(channels: Callable[[int, int, int], int]) -> type[Changed]:
    class Expects(Changed):
        def __init__(self, in_channels, skip_channels, out_channels):
            super().__init__(in_channels, skip_channels, out_channels)
            self.conv = DoubleConv(channels(in_channels, skip_channels, out_channels), out_channels)

    return Expects


_AssumesHalf = _expects(lambda i, s, o: 2 * (i // 2))
_AssumesIn = _expects(lambda i, s, o: i)


class _OutputSize(Changed):
    def forward(self, x, skip):
        return self.conv(torch.cat([skip, self.up(x, output_size=list(skip.shape[-2:]))], dim=1))


class _HandsOnSkip(Changed):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, skip_channels, out_channels)
        self.up = nn.ConvTranspose2d(in_channels, skip_channels, 2, 2)
        self.conv = DoubleConv(2 * skip_channels, out_channels)


class _Swapped(Changed):
    def forward(self, skip, x):
        return super().forward(x, skip)


class _SwappedSizes(Changed):
    def __init__(self, skip_channels, in_channels, out_channels):
        super().__init__(in_channels, skip_channels, out_channels)


class _Concatenates(Changed):
    dim = 0

    def forward(self, x, skip):
        return self.conv(torch.cat(self.join(self.up(x), skip), dim=self.dim))


def celebrate(answer):
    """Show a channel of an untrained step up, from a map half as large."""
    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import show_image

    torch.manual_seed(0)
    picture = lesion().image[None, :, :, :51]
    small = torch.nn.functional.avg_pool2d(picture, 2)
    out = answer(3, 3, 4)(small, picture).detach()[0, 0]
    titles = ["from below, 32 x 25", "skip, 64 x 51", "one channel of your Up"]
    alt = "A small blurred lesion, the sharp skip, and a feature map of the size of the skip."
    show_image([small[0], picture[0], out / out.max()], titles, alt=alt)


def _mistakes() -> Iterator[tuple[str, type[Changed]]]:
    for says, *wrongs in _ONCE:
        yield from ((says, wrong) for wrong in wrongs)
    for says, *wrongs in _ON_EITHER_SIDE:
        yield from (
            (says, _with(wrong, left=first, top=first)) for wrong in wrongs for first in (False, True)
        )


# wrong answers in which it does not show on which side x is padded
_ONCE: list[tuple[Any, ...]] = [
    (
        "Your x stays one pixel smaller than the skip where pooling dropped a row or column: doubling does "
        "not bring it back. Pad x before you concatenate (half of one missing row, `1 // 2`, is 0).",
        _Unpadded,
    ),
    (
        "Where one row or column is missing, your padding adds more: one on each side. Add zeros at one side "
        "only.",
        _joining(lambda self, x, skip: (skip, F.pad(x, [n for n in _missing(x, skip) for _ in "12"]))),
    ),
    (
        "Where a row or column is missing, your padding cuts one off: the difference has the wrong sign. "
        "Subtract x's size from the skip's.",
        _joining(
            lambda self, x, skip: (skip, F.pad(x, [n for lack in _missing(x, skip) for n in (0, -lack)]))
        ),
    ),
    (
        "Your extra row and column hold the transposed convolution's bias instead of zeros, as with "
        "`output_size=` or with padding before it. Pad the enlarged x.",
        _OutputSize,
    ),
    (
        "You crop the skip to x, so that the output loses a row or a column, and at the next level "
        "another. Pad x to the skip; the skip has the size that you want back.",
        _CropsSkip,
        _joining(lambda self, x, skip: (skip[..., -x.shape[-2] :, -x.shape[-1] :], x)),
    ),
    (
        "You stretch x to the skip's size (bilinear). Every pixel then moves by a fraction, and x no "
        "longer lies where the skip lies. Add a row or a column of zeros instead.",
        _StretchesX,
        _StretchesXWhole,
    ),
    (
        "You shrink the skip to x's size. That blurs the very detail that the skip is there for, and "
        "the output comes back too small. The skip stays as it is; x is padded.",
        *(
            _joining(lambda self, x, skip, options=options: (_stretched(skip, x, **options), x))
            for options in (SMOOTH, CORNERS, {"mode": "area"})
        ),
    ),
    (
        "What comes from below never reaches your output: whatever is in x, the result is the same. "
        "Concatenate the enlarged x with the skip.",
        _joining(lambda self, x, skip: (skip, self.padded(torch.zeros_like(x), skip))),
    ),
    (
        "Your `forward` exchanges x and skip: the transposed convolution gets the skip. The order is "
        "`forward(x, skip)`.",
        _Swapped,
    ),
    (
        "Your class exchanges in_channels and skip_channels. The order is `Up(in_channels, skip_channels, "
        "out_channels)`.",
        _SwappedSizes,
    ),
    (
        "You concatenate along the pictures of the batch: `torch.cat` joins along axis 0 if nothing else is "
        "said. Channels are axis 1.",
        _Concatenates,
    ),
    (
        "You concatenate along rows or columns. Channels are axis 1 of N x C x H x W: `dim=1`.",
        _with(_Concatenates, dim=2),
        _with(_Concatenates, dim=3),
    ),
    *(
        (
            f"One of your two layers counts {name} channels in the doubled x, the other in_channels // 2. "
            "in_channels // 2 is asked for: with the skip there are in_channels // 2 + skip_channels.",
            _expects(lambda i, s, o, channels=channels: channels(i, s, o) + s),
        )
        for name, channels in (
            ("in_channels", lambda i, s, o: i),
            ("out_channels", lambda i, s, o: o),
            ("skip_channels", lambda i, s, o: s),
        )
    ),
    *(
        (
            f"Your double convolution expects {name} channels. After concatenating there are "
            "in_channels // 2 from x and skip_channels from the skip.",
            _expects(channels),
        )
        for name, channels in (
            ("skip_channels", lambda i, s, o: s),
            ("in_channels // 2", lambda i, s, o: i // 2),
        )
    ),
]
_ON_EITHER_SIDE: list[tuple[Any, ...]] = [
    (
        "You pad rows where columns are missing. F.pad counts from the last axis: [left, right, top, "
        "bottom].",
        _PadsSwapped,
    ),
    (
        "You pad one of height and width only. Rows and columns can be missing, both at once, too.",
        _PadsOneAxis,
        _with(_PadsOneAxis, axis=-2),
    ),
    (
        "Where x is too small, copies of its own rows and columns fill it up (padding with a `mode`, or "
        "stretching). Zeros are asked for: nothing is known there.",
        _StretchesXNearest,
        _joining(lambda self, x, skip: (skip, _stretched(x, skip, mode="nearest-exact"))),
        *(
            _joining(lambda self, x, skip, mode=mode: (skip, self.padded(x, skip, mode=mode)))
            for mode in ("replicate", "reflect", "circular")
        ),
    ),
    (
        "You pad x with ones. Zeros are asked for.",
        _joining(lambda self, x, skip: (skip, self.padded(x, skip, value=1.0))),
    ),
    (
        "The skip never reaches your output: whatever is in it, the result is the same. Concatenate "
        "it with x.",
        _IgnoresSkip,
    ),
    (
        "You add the skip to x. A U-Net concatenates them along the channels, so that the next "
        "convolution can weigh detail and context separately (adding is what an FCN does).",
        _Adds,
    ),
    (
        "You enlarge x by interpolation. That has no weights, and here they are asked for: a "
        "transposed convolution, kernel 2, stride 2.",
        *INTERPOLATES,
    ),
    (
        "You enlarge x by interpolation and convolve it. A transposed convolution, kernel 2, stride 2, is "
        "asked for: it does both.",
        *(_upsampled(kernel, **options) for kernel in (1, 3) for options in (SMOOTH, CORNERS, NEAREST)),
    ),
    (
        "Your transposed convolution keeps all in_channels. It should hand on half of them, "
        "in_channels // 2, so that x and the skip weigh the same.",
        _KeepsChannels,
    ),
    (
        "Your transposed convolution hands on out_channels channels. in_channels // 2 are asked for; the "
        "double convolution makes out_channels of them.",
        _step(lambda i, o: (nn.ConvTranspose2d(i, o, 2, 2), o)),
    ),
    (
        "Your transposed convolution hands on skip_channels channels. in_channels // 2 are asked for.",
        _HandsOnSkip,
    ),
    (
        "Your transposed convolution has a larger kernel. Kernel 2 and stride 2 are asked for: each pixel "
        "becomes 2 x 2 pixels, which do not overlap.",
        _transposed(4, 2, 1),
        _transposed(3, 2, 1, 1),
        _transposed(3, 2),
    ),
    (
        "Your transposed convolution does not double the size, as with stride 1. Kernel 2 and stride 2 are "
        "asked for.",
        _transposed(2),
    ),
    (
        "There is batch norm after your transposed convolution. None is asked for there: the double "
        "convolution comes next.",
        _normed(),
        _normed(nn.ReLU()),
    ),
    (
        "Your double convolution expects in_channels // 2 channels from the skip. The skip's number is "
        "given: skip_channels.",
        _AssumesHalf,
    ),
    (
        "Your double convolution expects in_channels channels. After concatenating there are "
        "in_channels // 2 from x and skip_channels from the skip.",
        _AssumesIn,
    ),
    (
        "After joining, your block computes what a single convolution computes, with or without batch norm "
        "and ReLU. Both halves of a U-Net are built from DoubleConv.",
        _ConvolvesOnce,
        _end(lambda i, o: nn.Sequential(convolution(i, o), nn.ReLU())),
        _end(convolution),
    ),
    (
        "You apply ReLU to x after the transposed convolution. None is asked for there: the double "
        "convolution comes next.",
        _ActivatesX,
    ),
]

EXERCISE = Exercise(
    Up,
    number="3.2",
    difficulty=2,
    minutes=15,
    groups={EVEN: 1, ODD: 1, FREE: 1, TRAINING: 1},
    cases=cases,
    celebrate=celebrate,
    variants=(PadsLeft, PadsTop, PadsTopLeft),
    mistakes=list(_mistakes()),
    finished=(
        "segcourse.models.blocks:Up",
        "segmentation_models_pytorch.decoders.unet.decoder:UnetDecoderBlock",
        "monai.networks.nets.basic_unet:UpCat",
    ),
)
