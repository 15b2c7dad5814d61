"""Exercise 4.3: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from contract import Contract, nothing_changes
from torch import nn

from segcourse import exercises
from segcourse.exercises.engine.exercise import draw
from segcourse.exercises.l04_dilated_aspp.dilated_conv2d import _padded, _taps
from segcourse.exercises.l04_dilated_aspp.dilated_conv2d import dilated_conv2d as answer


def stretched(x, weight, dilation):
    """A kernel with zeros between its taps, and an ordinary convolution."""
    o, c, k, _ = weight.shape
    span = dilation * (k - 1) + 1
    wide = torch.zeros(o, c, span, span)
    wide[:, :, ::dilation, ::dilation] = weight
    return F.conv2d(x, wide)


def by_unfold(image, kernel, rate):
    o, k = len(kernel), kernel.shape[-1]
    n, _, h, w = image.shape
    columns = F.unfold(image, k, dilation=rate)
    return (kernel.flatten(1) @ columns).view(n, o, h - rate * (k - 1), w - rate * (k - 1))


def by_pixels(x, weight, dilation):
    n, _, h, w = x.shape
    o, _, k, _ = weight.shape
    rows, columns = h - dilation * (k - 1), w - dilation * (k - 1)
    out = torch.zeros(n, o, rows, columns)
    for row in range(rows):
        for column in range(columns):
            part = x[:, :, row : row + dilation * (k - 1) + 1 : dilation]
            part = part[..., column : column + dilation * (k - 1) + 1 : dilation]  # N, C, k, k
            out[:, :, row, column] = (part[:, None] * weight[None]).sum(dim=(2, 3, 4))
    return out


def by_numpy(x, weight, dilation):
    x, weight = x.numpy(), weight.numpy()
    k = weight.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(x, (dilation * (k - 1) + 1,) * 2, axis=(2, 3))
    windows = windows[..., ::dilation, ::dilation]
    return torch.from_numpy(np.einsum("nchwij,ocij->nohw", windows, weight)).float()


def by_strides(x, weight, dilation):
    """`as_strided`: a view of the picture with an axis for each axis of the kernel."""
    n, c, h, w = x.shape
    k = weight.shape[-1]
    a, b, s, t = x.stride()
    size = (n, c, h - dilation * (k - 1), w - dilation * (k - 1), k, k)
    view = x.as_strided(size, (a, b, s, t, dilation * s, dilation * t))
    return torch.tensordot(view, weight, dims=([1, 4, 5], [1, 2, 3])).permute(0, 3, 1, 2)


class TestDilatedConv2d(Contract):
    name = "dilated_conv2d"
    library = staticmethod(stretched)
    right = {
        "stretched kernel": stretched,
        "unfold": by_unfold,
        "pixels": by_pixels,
        "NumPy": by_numpy,
        "strides": by_strides,
    }
    promises = (
        ("float tensor, N x C x H x W", "there are three pictures", lambda x, w, d: answer(x[:1], w, d),
         lambda x, w, d: answer(x, w, d).mean(0, keepdim=True)),
        ("O x C x k x k", "three channels become one", lambda x, w, d: answer(x.mean(1, keepdim=True), w[:, :1], d)),
        ("O x C x k x k", "three channels become three", lambda x, w, d: answer(x, w.transpose(0, 1), d)),
        ("k may be any number from 1 up", "the kernel has one tap", lambda x, w, d: answer(x, F.pad(w, [1, 1, 1, 1]), d)),
        ("k may be any number from 1 up", "the kernel has 4 x 4 taps", lambda x, w, d: answer(x, w[..., :3, :3], d)),
        ("an int of at least 1", "dilation is 1", lambda x, w, d: answer(x, w, max(2, d))),
        ("`dilation * i` rows below", "dilation is 3", lambda x, w, d: _taps(x, w, 1, d)),
        ("`dilation * j` columns to the right", "dilation is 3", lambda x, w, d: _taps(x, w, d, 1)),
        ("The kernel is not flipped", "the kernel is not symmetric", lambda x, w, d: answer(x, w.flip(-1, -2), d)),
        ("no padding and no stride", "where the taps fall", _padded, lambda x, w, d: answer(x, w, d)[..., ::2, ::2]),
        ("(there is at least one)", "the kernel spans the whole height", lambda x, w, d: answer(x, w, d)[:, :, 1:]),
        ("returns a float tensor, N x O", "sizes", lambda x, w, d: answer(x, w, d).numpy(), lambda x, w, d: answer(x, w, d)[0],
         lambda x, w, d: answer(x, w, d).long()),
        ("the sum over all taps and all C channels", "channels and batches", lambda x, w, d: answer(x, w, d) / x.shape[1],
         lambda x, w, d: answer(x[:, :1], w[:, :1], d)),
        ("`x`: float tensor", "sizes", nothing_changes(answer)),
    )  # fmt: skip
    equal = {
        r"\(k - 1\) \* dilation|height \+ top|width \+ left|[ij] \* dilation": "a sum and a product commute",
        r"shape\[(2|--2)\]|k = weight\.shape\[-2\]": "another name of the same axis, or of one of the same length",
        r"; .*->  (width|out) = |seen\) \+ out": "the order of these two does not matter",
    }
    said = (
        (lambda x, w, d: F.conv2d(x, w, dilation=d), "passes dilation on to PyTorch's own convolution"),
        (
            lambda x, w, d: nn.Conv2d(1, 1, 3, dilation=2)(x),
            "passes dilation on to PyTorch's own convolution",
        ),
        (lambda x, w, d: F.conv2d(x, w), "Your result is that of dilation 1"),
        (lambda x, w, d: answer(x, w, d)[..., 1:], "has shape (1, 1, 1, 0), and (1, 1, 1, 1) is expected"),
        (lambda x, w, d: 2 * answer(x, w, d), "Your numbers are 2 times the expected ones"),
    )

    @pytest.mark.parametrize("seed", [None, 7])
    def test_it_is_pytorchs_own_dilated_convolution(self, seed):
        for case in draw(self.exercise, seed):
            x, weight, dilation = case.inputs.values()
            torch.testing.assert_close(
                answer(x, weight, dilation), F.conv2d(x, weight, dilation=dilation), rtol=1e-5, atol=1e-5
            )

    def test_few_digits_cost_the_points(self):
        for cast in (torch.half, torch.bfloat16):
            wrong = exercises.assess(self.name, lambda x, w, d, cast=cast: answer(x.to(cast), w.to(cast), d))
            assert not wrong.passed
