"""Exercise 3.2: one step up, joined with its skip, for odd sizes as well."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor, nn

from segcourse.exercises.engine import modules
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l03_unet._draw import pixels, unit
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


class Changed(Up):
    """The right answer, with a place for one change."""

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.conv(torch.cat(self.join(self.up(x), skip), dim=1))

    def join(self, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        return skip, padded(x, skip)


def padded(x: Tensor, skip: Tensor, left: bool = False, top: bool = False) -> Tensor:
    rows, columns = skip.shape[-2] - x.shape[-2], skip.shape[-1] - x.shape[-1]
    return F.pad(x, [columns * left, columns * (not left), rows * top, rows * (not top)])


class PadsLeft(Changed):
    def join(self, x, skip):
        return skip, padded(x, skip, left=True)


class PadsTop(Changed):
    def join(self, x, skip):
        return skip, padded(x, skip, top=True)


class PadsTopLeft(Changed):
    def join(self, x, skip):
        return skip, padded(x, skip, left=True, top=True)


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


class _Unpadded(Changed):
    def join(self, x, skip):
        return skip, x


class _PadsSwapped(Changed):
    def join(self, x, skip):
        return skip, F.pad(x, [0, skip.shape[-2] - x.shape[-2], 0, skip.shape[-1] - x.shape[-1]])


class _PadsCopies(Changed):
    def join(self, x, skip):
        rows, columns = skip.shape[-2] - x.shape[-2], skip.shape[-1] - x.shape[-1]
        return skip, F.pad(x, [0, columns, 0, rows], mode="replicate")


class _CropsSkip(Changed):
    def join(self, x, skip):
        return skip[..., : x.shape[-2], : x.shape[-1]], x


class _StretchesX(Changed):
    def join(self, x, skip):
        return skip, F.interpolate(x, size=skip.shape[-2:], mode="bilinear")


class _StretchesXNearest(Changed):
    def join(self, x, skip):
        return skip, F.interpolate(x, size=skip.shape[-2:])


class _ShrinksSkip(Changed):
    def join(self, x, skip):
        return F.interpolate(skip, size=x.shape[-2:], mode="bilinear"), x


class _IgnoresSkip(Changed):
    def join(self, x, skip):
        x = padded(x, skip)
        return x, torch.zeros_like(skip)


class _IgnoresX(Changed):
    def join(self, x, skip):
        return skip, padded(torch.zeros_like(x), skip)


class _Adds(Up):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, skip_channels, out_channels)
        self.conv = DoubleConv(in_channels // 2, out_channels)

    def forward(self, x, skip):
        return self.conv(skip + padded(self.up(x), skip))


class _Interpolates(Changed):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, skip_channels, out_channels)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear")
        self.conv = DoubleConv(in_channels + skip_channels, out_channels)


class _KeepsChannels(Changed):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, skip_channels, out_channels)
        self.up = nn.ConvTranspose2d(in_channels, in_channels, kernel_size=2, stride=2)
        self.conv = DoubleConv(in_channels + skip_channels, out_channels)


class _AssumesHalf(Changed):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, in_channels // 2, out_channels)


class _AssumesIn(Changed):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, skip_channels, out_channels)
        self.conv = DoubleConv(in_channels, out_channels)


class _ConvolvesOnce(Changed):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, skip_channels, out_channels)
        self.conv = nn.Sequential(*unit(in_channels // 2 + skip_channels, out_channels))


class _ActivatesX(Changed):
    def join(self, x, skip):
        return skip, padded(F.relu(x), skip)


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


EXERCISE = Exercise(
    Up,
    number="3.2",
    difficulty=2,
    minutes=15,
    groups={EVEN: 1, ODD: 1, FREE: 1, TRAINING: 1},
    cases=cases,
    celebrate=celebrate,
    variants=(PadsLeft, PadsTop, PadsTopLeft),
    mistakes=[
        (
            "Your x is joined as it comes. Where pooling dropped an odd row or column, doubling does not "
            "bring it back, and x is one pixel smaller than the skip. Pad x first.",
            _Unpadded,
        ),
        (
            "You pad rows where columns are missing. F.pad counts from the last axis: [left, right, top, "
            "bottom].",
            _PadsSwapped,
        ),
        (
            "You pad x with copies of its last row and column. Zeros are asked for: nothing is known there.",
            _PadsCopies,
        ),
        (
            "You crop the skip to x, so that the output loses a row or a column, and at the next level "
            "another. Pad x to the skip; the skip has the size that you want back.",
            _CropsSkip,
        ),
        (
            "You stretch x to the skip's size (bilinear). Every pixel then moves by a fraction, and x no "
            "longer lies where the skip lies. Add a row or a column of zeros instead.",
            _StretchesX,
        ),
        (
            "You stretch x to the skip's size by repeating rows and columns. Then x no longer lies where "
            "the skip lies. Add a row or a column of zeros at one side instead.",
            _StretchesXNearest,
        ),
        (
            "You shrink the skip to x's size. That blurs the very detail that the skip is there for, and "
            "the output comes back too small. The skip stays as it is; x is padded.",
            _ShrinksSkip,
        ),
        (
            "The skip never reaches your output: whatever is in it, the result is the same. Concatenate "
            "it with x.",
            _IgnoresSkip,
        ),
        (
            "What comes from below never reaches your output: whatever is in x, the result is the same. "
            "Concatenate the enlarged x with the skip.",
            _IgnoresX,
        ),
        (
            "You add the skip to x. A U-Net concatenates them along the channels, so that the next "
            "convolution can weigh detail and context separately (adding is what an FCN does).",
            _Adds,
        ),
        (
            "You enlarge x by bilinear interpolation. That has no weights, and here they are asked for: a "
            "transposed convolution, kernel 2, stride 2.",
            _Interpolates,
        ),
        (
            "Your transposed convolution keeps all in_channels. It should hand on half of them, "
            "in_channels // 2, so that x and the skip weigh the same.",
            _KeepsChannels,
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
            "After joining, your block computes what a single convolution with batch norm and ReLU "
            "computes. Both halves of a U-Net are built from DoubleConv.",
            _ConvolvesOnce,
        ),
        (
            "You apply ReLU to x after the transposed convolution. None is asked for there: the double "
            "convolution comes next.",
            _ActivatesX,
        ),
    ],
    finished=(
        "segcourse.models.blocks:Up",
        "segmentation_models_pytorch.decoders.unet.decoder:UnetDecoderBlock",
        "monai.networks.nets.basic_unet:UpCat",
    ),
)
