"""Exercise 2.1: right answers in other styles, promises and their breakers, mutants that are equal."""

import math

import numpy as np
import torch
from contract import Contract
from torch import nn

from segcourse.exercises.l02_fcn.conv_output_size import conv_output_size as answer


def by_walking(size, kernel, stride=1, padding=0, dilation=1):
    last = [j * dilation for j in range(kernel)][-1]
    count, place = 0, -padding
    while place + last < size + padding:
        count, place = count + 1, place + stride
    return count


def by_a_convolution(size, kernel, stride=1, padding=0, dilation=1):
    """PyTorch's own convolution: what the formula must agree with."""
    layer = nn.Conv1d(1, 1, kernel, stride=stride, padding=padding, dilation=dilation)
    return layer(torch.zeros(1, 1, size)).shape[-1]


def by_pytorch_docs(size, kernel, stride=1, padding=0, dilation=1):
    return math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1)


class TestConvOutputSize(Contract):
    name = "conv_output_size"
    library = staticmethod(by_a_convolution)
    right = {
        "walking": by_walking,
        "PyTorch's formula": by_pytorch_docs,
        "range": lambda n, k, s=1, p=0, d=1: len(range(0, n + 2 * p - d * (k - 1), s)),
        "NumPy's own integer": lambda *a, **k: np.int64(by_walking(*a, **k)),
    }
    promises = (
        ("with the same defaults: 1, 0 and 1", "everything else is left at its default",
         lambda n, k, s=2, p=0, d=1: answer(n, k, s, p, d), lambda n, k, s=1, p=1, d=1: answer(n, k, s, p, d),
         lambda n, k, s=1, p=0, d=2: answer(n, k, s, p, d)),
        ("`size`: the number of inputs along the axis", "the kernel is even",
         lambda n, k, s=1, p=0, d=1: answer(n, k | 1, s, p, d)),
        ("`padding` zeros are added at *both* ends", "stride 1, padding 1",
         lambda n, k, s=1, p=0, d=1: (n + p - d * (k - 1) - 1) // s + 1),
        ("with dilation d, neighbouring weights lie d places apart", "dilation 2",
         lambda n, k, s=1, p=0, d=1: answer(n, k, s, p), lambda n, k, s=1, p=0, d=1: (n + 2 * p - d * k) // s + 1),
        ("with dilation d", "the kernel is 1 and the dilation 4", lambda n, k, s=1, p=0, d=1: answer(n, max(k, 2), s, p, d)),
        ("a last step that does not fit is left out", "the last step does not fit",
         lambda n, k, s=1, p=0, d=1: -(-(n + 2 * p - d * (k - 1) - 1) // s) + 1),
        ("moves by `stride` as long as it fits", "the stride is larger than the kernel",
         lambda n, k, s=1, p=0, d=1: answer(n, k, min(s, k), p, d)),
        ("It always fits at least once", "the kernel fits once", lambda n, k, s=1, p=0, d=1: answer(n, k, s, p, d) - 1),
        ("the kernel starts at the first place", "the kernel is as large as the input",
         lambda n, k, s=1, p=0, d=1: (n + 2 * p - d * (k - 1) - 1) // s),
        ("returns an int", "strides", lambda *a, **k: float(answer(*a, **k)), lambda *a, **k: torch.tensor(answer(*a, **k)),
         lambda *a, **k: (answer(*a, **k),) * 2),
    )  # fmt: skip
    equal = {
        r"-> .*(1 \+ dilation|1 \+ \(size|\* dilation \+ 1|2 \* padding \+ size|padding \* 2)": "sums and products commute",
        r"^\s*->  \w+ = int\(": "the arguments are ints already",
    }
    said = (
        (lambda *a, **k: answer(*a, **k) / 1, "returns a float, and an int is asked for"),
        (lambda *a, **k: answer(*a, **k) + 1, "one too large"),
    )
