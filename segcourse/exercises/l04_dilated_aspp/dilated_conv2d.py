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


def _cut(result, x, weight, dilation):
    """Cut a result that is too large to the size asked for."""
    reach = dilation * (weight.shape[-1] - 1)
    return result[..., : x.shape[-2] - reach, : x.shape[-1] - reach]


def _taps_variants(down, right):
    """Return answers with other steps between taps, whose size follows from the steps or is as asked for."""

    def own_size(x, weight, dilation):
        return _taps(x, weight, down(dilation), right(dilation))

    return own_size, lambda x, weight, dilation: _cut(own_size(x, weight, dilation), x, weight, dilation)


def _padded(x, weight, dilation):
    return _with_padding(lambda reach, k, d: (reach // 2, reach - reach // 2))(x, weight, dilation)


def _with_padding(around):
    """Return an answer that pads the picture; `around` says by how much before and after."""

    def wrong(x, weight, dilation):
        k = weight.shape[-1]
        before, after = around(dilation * (k - 1), k, dilation)
        return dilated_conv2d(F.pad(x, [before, after, before, after]), weight, dilation)

    return wrong


def _height(size, k, d):
    return size - d * (k - 1)


def _slice(d, i, length, k):
    return slice(d * i, d * i + length)


# What the sum over taps starts from decides which error a wrong size ends in.
STARTS = (
    lambda x, *size: (0, False),
    lambda x, *size: (torch.zeros(*size), False),
    lambda x, *size: (torch.zeros(*size), True),
    lambda x, *size: (x.new_zeros(*size), False),
    lambda x, *size: (x.new_zeros(*size), True),
)


def _loops(size=None, place=_slice, taps=lambda k: range(k)):
    """Return answers that add up the taps, with another size, other places or other taps.

    `size` gets height, width, k and dilation; `place` gets dilation, tap, the result's length and k.
    """
    size = size or (lambda h, w, k, d: (_height(h, k, d), _height(w, k, d)))

    def answer(start):
        def wrong(x, weight, dilation):
            k = weight.shape[-1]
            height, width = size(*x.shape[-2:], k, dilation)
            out, in_place = start(x, len(x), len(weight), height, width)
            for i in taps(k):
                for j in taps(k):
                    seen = x[:, :, place(dilation, i, height, k), place(dilation, j, width, k)]
                    product = torch.einsum("oc,nchw->nohw", weight[:, :, i, j], seen)
                    if in_place:
                        out += product
                    else:
                        out = out + product
            return out

        return wrong

    return tuple(map(answer, STARTS))


def _rolled(sign, cut):
    """Return an answer that shifts the whole picture round for each tap."""

    def wrong(x, weight, dilation):
        k, out = weight.shape[-1], 0
        for i in range(k):
            for j in range(k):
                seen = torch.roll(x, (sign * dilation * i, sign * dilation * j), (-2, -1))
                out = out + torch.einsum("oc,nchw->nohw", weight[:, :, i, j], seen)
        return _cut(out, x, weight, dilation) if cut else out

    return wrong


def _in_place(kernel_first):
    """Return an answer that multiplies slices of x in place."""

    def wrong(x, weight, dilation):
        o, _, k, _ = weight.shape
        height, width = _height(x.shape[-2], k, dilation), _height(x.shape[-1], k, dilation)
        out = torch.zeros(len(x), o, height, width)
        kernels, taps = range(o), [(i, j) for i in range(k) for j in range(k)]
        order = [(n, tap) for n in kernels for tap in taps] if kernel_first else [
            (n, tap) for tap in taps for n in kernels
        ]  # fmt: skip
        for n, (i, j) in order:
            seen = x[:, :, _slice(dilation, i, height, k), _slice(dilation, j, width, k)]
            seen *= weight[n, :, i, j, None, None]
            out[:, n] += seen.sum(dim=1)
        return out

    return wrong


def _some_taps(chosen):
    """Return an answer that uses some of the taps only; `chosen` gets rows and columns of taps and k."""

    def wrong(x, weight, dilation):
        k = weight.shape[-1]
        taps = torch.arange(k)
        return dilated_conv2d(x, weight * chosen(taps[:, None], taps, k), dilation)

    return wrong


def _first_picture(x, weight, dilation):
    return dilated_conv2d(x[:1], weight, dilation)


def _stretched(weight, dilation):
    o, c, k, _ = weight.shape
    stretched = weight.new_zeros(o, c, dilation * k, dilation * k)
    stretched[:, :, ::dilation, ::dilation] = weight
    return stretched


def _each_kernel_alike(x, weight, dilation):
    """Sum the channels, then convolve them with the sum of the kernels."""
    return dilated_conv2d(x.sum(1, keepdim=True), weight.sum(1, keepdim=True), dilation)


def _repeated(x, weight, dilation, end=0):
    kernel = weight.repeat_interleave(dilation, -2).repeat_interleave(dilation, -1)
    return F.conv2d(x, kernel[..., : end or None, : end or None])


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
        *(
            (
                "Your result is that of dilation 1, whatever `dilation` says. Tap i, j reads the pixel "
                "dilation * i rows below and dilation * j columns to the right.",
                wrong,
            )
            for wrong in _taps_variants(lambda d: 1, lambda d: 1)
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
            "You exchange rows and columns. weight[o, c, i, j] belongs to the tap i steps down "
            "and j steps to the right.",
            lambda x, weight, dilation: dilated_conv2d(x, weight.transpose(-2, -1), dilation),
        ),
        (
            "You flip the kernel upside down. Its first row of taps reads the upper pixels.",
            lambda x, weight, dilation: dilated_conv2d(x, weight.flip(-2), dilation),
        ),
        (
            "You flip the kernel from left to right. Its first column of taps reads the left pixels.",
            lambda x, weight, dilation: dilated_conv2d(x, weight.flip(-1), dilation),
        ),
        *(
            (
                "You pad the picture with zeros, and your result is too large. Without padding it loses "
                "dilation * (k - 1) rows and columns.",
                _with_padding(around),
            )
            for around in (
                lambda reach, k, d: (reach // 2, reach - reach // 2),
                lambda reach, k, d: (reach - reach // 2, reach // 2),
                lambda reach, k, d: (reach // 2, reach // 2),
                lambda reach, k, d: (d * (k // 2), d * (k // 2)),
                lambda reach, k, d: (d, d),
                lambda reach, k, d: (0, reach),
                lambda reach, k, d: (reach, reach),
            )
        ),
        (
            "You pad the picture with zeros, and cut your result to the picture's size. Without padding it "
            "loses dilation * (k - 1) rows and columns.",
            lambda x, weight, dilation: _with_padding(lambda reach, k, d: (d * (k // 2), d * (k // 2)))(
                x, weight, dilation
            )[..., : x.shape[-2], : x.shape[-1]],
        ),
        *(
            (
                "The last row and the last column of your result are missing. The kernel fits "
                "height - dilation * (k - 1) times below each other, and likewise side by side.",
                wrong,
            )
            for wrong in _loops(lambda h, w, k, d: (_height(h, k, d) - 1, _height(w, k, d) - 1))
        ),
        *(
            (
                "Your columns are dilated and your rows are not. Tap i, j lies dilation * i rows down, too.",
                wrong,
            )
            for wrong in _taps_variants(lambda d: 1, lambda d: d)
        ),
        *(
            (
                "Your rows are dilated and your columns are not. Tap i, j lies dilation * j columns to the "
                "right, too.",
                wrong,
            )
            for wrong in _taps_variants(lambda d: d, lambda d: 1)
        ),
        *(
            (
                "You add dilation to the number of the tap. Multiply: tap i, j reads dilation * i rows below "
                "and dilation * j columns to the right.",
                wrong,
            )
            for shift in (
                lambda d, i: i + d - 1 if i else 0,
                lambda d, i: i + d if i else 0,
                lambda d, i: i + d - 1,
                lambda d, i: i + d,
            )
            for wrong in _loops(
                place=lambda d, i, length, k, shift=shift: slice(shift(d, i), shift(d, i) + length)
            )
        ),
        (
            "Your taps read pixels above and to the left, round the border of the picture. Tap i, j reads "
            "below and to the right: to bring those pixels here, shift the picture by minus dilation * i.",
            _rolled(1, cut=True),
        ),
        *(
            (
                "Your result has the picture's size: where a tap leaves the picture, it reads pixels of the "
                "opposite side. Cut the last dilation * (k - 1) rows and columns.",
                _rolled(sign, cut=False),
            )
            for sign in (-1, 1)
        ),
        (
            "Your kernel is dense and moves `dilation` pixels at a time: that is a stride. Dilation moves "
            "the taps apart, and the kernel visits every pixel.",
            lambda x, weight, dilation: F.conv2d(x, weight, stride=dilation),
        ),
        *(
            (
                "Your kernel spans dilation * k pixels: it has zeros also after its last tap, and your "
                "result is too small. From the first tap to the last it spans dilation * (k - 1) + 1.",
                wrong,
            )
            for wrong in (
                lambda x, weight, dilation: F.conv2d(x, _stretched(weight, dilation)),
                *_loops(lambda h, w, k, d: (h - d * k + 1, w - d * k + 1)),
            )
        ),
        *(
            (
                "You enlarge the kernel by repeating its weights. A dilated kernel has no more taps than "
                "before: between them there is nothing, or zeros.",
                wrong,
            )
            for wrong in (_repeated, lambda x, weight, dilation: _repeated(x, weight, dilation, 1 - dilation))
        ),
        *(
            (
                "You count on three taps per axis, whatever the kernel. Take k from `weight.shape`.",
                wrong,
            )
            for wrong in _loops(lambda h, w, k, d: (h - 2 * d, w - 2 * d), taps=lambda k: range(3))
        ),
        *(
            (
                "You compute the result's width from the picture's height, or the other way round. The "
                "picture need not be square.",
                wrong,
            )
            for size in (lambda h, w: (h, h), lambda h, w: (w, w), lambda h, w: (w, h))
            for wrong in _loops(lambda h, w, k, d, size=size: tuple(_height(n, k, d) for n in size(h, w)))
        ),
        *(
            (
                "Your result has the size that dilation 1 makes. A dilated kernel spans more: the result "
                "loses dilation * (k - 1) rows and columns.",
                wrong,
            )
            for wrong in _loops(lambda h, w, k, d: (h - k + 1, w - k + 1))
        ),
        *(
            (
                "You subtract dilation * k from height and width. A kernel of k taps has k - 1 steps: the "
                "result loses dilation * (k - 1) rows and columns.",
                wrong,
            )
            for wrong in _loops(lambda h, w, k, d: (h - d * k, w - d * k))
        ),
        *(
            (
                "Your slices start later and later, and all of them end at the same place: they get "
                "shorter. Each tap's slice is as large as the result: `start : start + height`.",
                wrong,
            )
            for wrong in _loops(place=lambda d, i, length, k: slice(d * i, length))
        ),
        *(
            (
                "Your slices end at `-dilation * (k - 1 - i)`. For the last tap that is -0, the beginning, "
                "and nothing is left. End at `start + height`.",
                wrong,
            )
            for wrong in _loops(place=lambda d, i, length, k: slice(d * i, -d * (k - 1 - i)))
        ),
        *(
            (
                "You multiply a slice of x in place (`*=`). A slice is a view: x itself changes, and later "
                "taps read the changed pixels. Make a new tensor: `part * …`.",
                _in_place(kernel_first),
            )
            for kernel_first in (True, False)
        ),
        (
            "Your result holds every dilation-th output pixel only, as if you had convolved every "
            "dilation-th pixel of the picture. A dilated kernel visits every pixel: its stride is 1.",
            lambda x, weight, dilation: _taps(x[..., ::dilation, ::dilation], weight, 1, 1),
        ),
        (
            "Your result is what the last tap alone gives. Add the taps up: `out = out + …`.",
            _some_taps(lambda i, j, k: (i == k - 1) & (j == k - 1)),
        ),
        (
            "Your result is what the first tap alone gives. Return after all taps are added up.",
            _some_taps(lambda i, j, k: (i == 0) & (j == 0)),
        ),
        (
            "Your result is what the first row of taps gives. Return after all rows are added up.",
            _some_taps(lambda i, j, k: i == 0),
        ),
        (
            "Your result is what the last row of taps gives. Add all rows up.",
            _some_taps(lambda i, j, k: i == k - 1),
        ),
        (
            "You use the taps on the diagonal only. Each row of taps meets each column: two loops.",
            _some_taps(lambda i, j, k: i == j),
        ),
        (
            "You leave out the last row and the last column of taps. They count, too: 0 to k - 1.",
            _some_taps(lambda i, j, k: (i < k - 1) & (j < k - 1)),
        ),
        (
            "You leave out the first row and the first column of taps. They count, too: 0 to k - 1.",
            _some_taps(lambda i, j, k: (i > 0) & (j > 0)),
        ),
        (
            "You return the mean over taps and input channels. A convolution sums over them.",
            lambda x, weight, dilation: dilated_conv2d(x, weight, dilation) / weight[0].numel(),
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
            "You use the last input channel only. Sum over all of them.",
            lambda x, weight, dilation: dilated_conv2d(x[:, -1:], weight[:, -1:], dilation),
        ),
        (
            "You add up the results of all kernels. Each of the O kernels makes its own output channel.",
            lambda x, weight, dilation: dilated_conv2d(x, weight, dilation).sum(1, keepdim=True),
        ),
        (
            "Your result has the kernels first and the pictures second. N x O x … is asked for.",
            lambda x, weight, dilation: dilated_conv2d(x, weight, dilation).transpose(0, 1),
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
