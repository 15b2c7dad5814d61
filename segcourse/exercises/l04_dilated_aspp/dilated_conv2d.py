"""Exercise 4.3: convolve with a kernel whose taps lie several pixels apart."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch.overrides import TorchFunctionMode

from segcourse.exercises.engine.exercise import Case, Exercise, call
from segcourse.exercises.engine.observing import NotYourOwn
from segcourse.exercises.engine.own_work import ASKED
from segcourse.exercises.l04_dilated_aspp._draw import pixels


def dilated_conv2d(x, weight, dilation):
    """Convolve N x C x H x W with O x C x k x k, taps `dilation` pixels apart, without padding."""
    k = weight.shape[-1]
    height = x.shape[-2] - dilation * (k - 1)
    width = x.shape[-1] - dilation * (k - 1)
    out = 0
    for i in range(k):
        for j in range(k):
            top, left = dilation * i, dilation * j
            seen = x[:, :, top : top + height, left : left + width]  # N, C, height, width
            out = out + torch.einsum("oc,nchw->nohw", weight[:, :, i, j], seen)
    return out


class _Refused(TorchFunctionMode):
    """Refuses PyTorch's own dilated convolution, under whatever name it is called."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in (torch.conv2d, torch.conv3d, torch.convolution):
            rate = kwargs.get("dilation", args[5] if len(args) > 5 else 1)
            if any(step != 1 for step in (rate if isinstance(rate, tuple | list) else [rate])):
                raise NotYourOwn(
                    f"This answer passes dilation on to PyTorch's own convolution; {ASKED}. "
                    "A convolution without that argument is fine, and so are other functions."
                )
        return func(*args, **kwargs)


def observe(function: Any, case: Case) -> dict[str, Any]:
    with _Refused():
        return call(function, case)


observe.line = f"{dilated_conv2d.__name__}(x, weight, dilation)"
PLACES, CHANNELS, SIZES = "where the taps fall", "channels and batches", "sizes"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, x, weight, dilation, *traits):
        return Case(group, {"x": x, "weight": weight, "dilation": dilation}, traits)

    count = torch.arange(1.0, 10.0).view(1, 1, 3, 3)
    corners = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    yield case(PLACES, count, torch.ones(1, 1, 2, 2), 2, "the four taps are the corners of the picture")
    yield case(PLACES, count, corners, 2, "the kernel is not symmetric")
    yield case(PLACES, count, corners, 1, "dilation is 1")
    pixel = torch.zeros(1, 1, 9, 9)
    pixel[0, 0, 4, 4] = 1
    weight = torch.arange(1.0, 10.0).view(1, 1, 3, 3)
    yield case(PLACES, pixel, weight, 2, "one pixel is bright")
    yield case(PLACES, pixels(rng, 1, 1, 11, 12), pixels(rng, 1, 1, 3, 3), 3, "dilation is 3")
    yield case(PLACES, pixels(rng, 1, 1, 6, 7), pixels(rng, 1, 1, 3, 3), 1, "dilation is 1")
    yield case(
        SIZES, pixels(rng, 1, 1, 7, 10), pixels(rng, 1, 1, 3, 3), 3, "the kernel spans the whole height"
    )
    yield case(
        SIZES, pixels(rng, 1, 1, 10, 7), pixels(rng, 1, 1, 3, 3), 3, "the kernel spans the whole width"
    )
    yield case(SIZES, pixels(rng, 1, 1, 4, 5), pixels(rng, 1, 1, 1, 1), 3, "the kernel has one tap")
    yield case(SIZES, pixels(rng, 1, 1, 9, 8), pixels(rng, 1, 1, 4, 4), 2, "the kernel has 4 x 4 taps")
    yield case(SIZES, pixels(rng, 1, 1, 13, 11), pixels(rng, 1, 1, 5, 5), 2, "the kernel has 5 x 5 taps")
    yield case(CHANNELS, pixels(rng, 1, 3, 6, 7), pixels(rng, 1, 3, 3, 3), 2, "three channels become one")
    yield case(CHANNELS, pixels(rng, 1, 1, 6, 7), pixels(rng, 4, 1, 3, 3), 2, "one channel becomes four")
    yield case(CHANNELS, pixels(rng, 2, 3, 6, 8), pixels(rng, 3, 3, 2, 2), 3, "three channels become three")
    yield case(CHANNELS, pixels(rng, 3, 2, 8, 6), pixels(rng, 4, 2, 3, 3), 2, "there are three pictures")
    n, c, o, d = (int(number) for number in rng.integers(2, 5, 4))
    x, weight = pixels(rng, n, c, 2 * d + 3, 2 * d + 4), pixels(rng, o, c, 3, 3)
    yield case(CHANNELS, x, weight, d, "there are several pictures, channels and kernels")


def _taps(x, weight, down, right):
    """Convolve with other dilations along the rows and along the columns."""
    o, c, rows, columns = weight.shape
    stretched = weight.new_zeros(o, c, down * (rows - 1) + 1, right * (columns - 1) + 1)
    stretched[:, :, ::down, ::right] = weight
    return F.conv2d(x, stretched)


def _padded(x, weight, dilation):
    reach = dilation * (weight.shape[-1] - 1)
    before, after = reach // 2, reach - reach // 2
    return dilated_conv2d(F.pad(x, [before, after, before, after]), weight, dilation)


def _one_tap(x, weight, dilation, which):
    alone = torch.zeros_like(weight)
    alone[:, :, which, which] = weight[:, :, which, which]
    return dilated_conv2d(x, alone, dilation)


def _first_picture(x, weight, dilation):
    return dilated_conv2d(x[:1], weight, dilation)


def _each_kernel_alike(x, weight, dilation):
    """Sum the channels, then convolve them with the sum of the kernels."""
    return dilated_conv2d(x.sum(1, keepdim=True), weight.sum(1, keepdim=True), dilation)


def celebrate(answer):
    """Show the edges that the same kernel finds, with dilation 1 and 6."""
    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import show_image

    picture = lesion().image.mean(dim=0)[None, None]
    edges = torch.tensor([[[[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]]])
    maps = [answer(picture, edges, rate)[0, 0].abs() for rate in (1, 3, 6)]
    titles = ["the picture", "dilation 1", "dilation 3", "dilation 6"]
    alt = "A lesion, and its vertical edges by your convolution: thin lines, then ever wider bands."
    show_image([picture[0, 0], *(one / one.max() for one in maps)], titles, alt=alt)


EXERCISE = Exercise(
    dilated_conv2d,
    number="4.3",
    difficulty=2,
    minutes=15,
    groups={PLACES: 2, SIZES: 1, CHANNELS: 1},
    cases=cases,
    celebrate=celebrate,
    observe=observe,
    mistakes=[
        (
            "Your result is that of dilation 1, whatever `dilation` says. Tap i, j reads the pixel dilation "
            "* i rows below and dilation * j columns to the right.",
            lambda x, weight, dilation: _taps(x, weight, 1, 1),
        ),
        (
            "Your taps lie dilation + 1 pixels apart. Dilation is the step from tap to tap, not the number "
            "of pixels between them.",
            lambda x, weight, dilation: _taps(x, weight, dilation + 1, dilation + 1),
        ),
        (
            "You flip the kernel in both directions. Mathematics calls that convolution; the layers of "
            "networks don't flip, and neither does this exercise.",
            lambda x, weight, dilation: dilated_conv2d(x, weight.flip(-2, -1), dilation),
        ),
        (
            "You exchange rows and columns of the kernel. weight[o, c, i, j] belongs to the tap i steps down "
            "and j steps to the right.",
            lambda x, weight, dilation: dilated_conv2d(x, weight.transpose(-2, -1), dilation),
        ),
        (
            "You pad the picture with zeros, so that the result keeps its size. Without padding it loses "
            "dilation * (k - 1) rows and columns.",
            _padded,
        ),
        (
            "Your columns are dilated and your rows are not. Tap i, j lies dilation * i rows down, too.",
            lambda x, weight, dilation: _taps(x, weight, 1, dilation),
        ),
        (
            "Your rows are dilated and your columns are not. Tap i, j lies dilation * j columns to the "
            "right, too.",
            lambda x, weight, dilation: _taps(x, weight, dilation, 1),
        ),
        (
            "Your result holds every dilation-th output pixel only, as if you had convolved every "
            "dilation-th pixel of the picture. A dilated kernel visits every pixel: its stride is 1.",
            lambda x, weight, dilation: _taps(x[..., ::dilation, ::dilation], weight, 1, 1),
        ),
        (
            "Your result is what the last tap alone gives. Add the taps up: `out = out + …`.",
            lambda x, weight, dilation: _one_tap(x, weight, dilation, -1),
        ),
        (
            "Your result is what the first tap alone gives. Return after all taps are added up.",
            lambda x, weight, dilation: _one_tap(x, weight, dilation, 0),
        ),
        (
            "You return the mean over the input channels. A convolution sums over them.",
            lambda x, weight, dilation: dilated_conv2d(x, weight, dilation) / x.shape[1],
        ),
        (
            "You return the mean over the taps. A convolution sums over them.",
            lambda x, weight, dilation: dilated_conv2d(x, weight, dilation) / weight[0, 0].numel(),
        ),
        (
            "You sum the channels of picture and kernel before you multiply. Each channel has its own "
            "kernel: multiply first, then sum.",
            _each_kernel_alike,
        ),
        (
            "You use the first input channel only. Sum over all of them.",
            lambda x, weight, dilation: dilated_conv2d(x[:, :1], weight[:, :1], dilation),
        ),
        (
            "Your result holds the first output channel only. weight has O x C kernels: one output channel "
            "for each of its O rows.",
            lambda x, weight, dilation: dilated_conv2d(x, weight[:1], dilation),
        ),
        (
            "Your result holds the first picture of the batch only. Return one result per picture.",
            _first_picture,
        ),
    ],
)
