"""Exercise 8.1: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
from contract import Contract
from torch import nn

from segcourse.exercises.l08_light_and_rgbd.depthwise_separable_cost import (
    depthwise_separable_cost as answer,
)


def by_layers(i, o, k, h, w):
    def count(layer):
        return layer.weight.numel() * h * w

    with torch.device("meta"):  # no memory
        whole, pixel = nn.Conv2d(i, o, k), nn.Conv2d(i, o, 1)
        depth = nn.Conv2d(i, i, k, groups=i)
    return count(whole), count(depth) + count(pixel)


def by_formula(c, d, k, rows, columns):
    ordinary = c * d * k * k * rows * columns
    return ordinary, ordinary // (d * k * k) * (d + k * k)


def by_numpy(*numbers):
    i, o, k, h, w = (np.int64(n) for n in numbers)
    both = np.array([i * o * k**2, i * (k**2 + o)]) * h * w
    return tuple(both.tolist())


def by_steps(in_channels, out_channels, kernel, height, width):
    ordinary = separable = 0
    for _ in range(height):
        row = width * in_channels
        ordinary += row * out_channels * kernel * kernel
        separable += row * kernel * kernel + row * out_channels
    return ordinary, separable


class TestDepthwiseSeparableCost(Contract):
    name = "depthwise_separable_cost"
    library = staticmethod(by_layers)
    right = {"layers": by_layers, "formula": by_formula, "NumPy": by_numpy, "steps": by_steps}
    promises = (
        ("`in_channels`, `out_channels`: ints of at least 1", "there is one output channel",
         lambda i, o, k, h, w: answer(i, max(o, 2), k, h, w)),
        ("ints of at least 1", "there is one input channel", lambda i, o, k, h, w: answer(max(i, 2), o, k, h, w)),
        ("the taps along one axis of a square kernel", "the kernel is even", lambda i, o, k, h, w: answer(i, o, k | 1, h, w)),
        ("the taps along one axis of a square kernel", "the kernel is 1 x 1", lambda i, o, k, h, w: answer(i, o, 3, h, w)),
        ("Every pixel costs the same, at the border too", "small layers",
         lambda i, o, k, h, w: answer(i, o, k, max(h - k + 1, 0), max(w - k + 1, 0))),
        ("`height`, `width`: ints, the size of the *output* map", "the map has one pixel",
         lambda i, o, k, h, w: answer(i, o, k, h + k - 1, w + k - 1)),
        ("returns a tuple of two ints, (ordinary, separable)", "small layers", lambda *n: answer(*n)[::-1],
         lambda *n: tuple(map(float, answer(*n))), lambda *n: answer(*n)[1]),
        ("an ordinary convolution, and of a depthwise separable one", "layers of real networks",
         lambda i, o, k, h, w: (answer(i, o, k, h, w)[0], i * k * k * h * w),
         lambda i, o, k, h, w: (i * k * k * h * w, answer(i, o, k, h, w)[1])),
        ("Additions and biases don't count", "small layers", lambda *n: tuple(2 * one for one in answer(*n))),
        ("Large layers have more multiplications than 32 bits hold", "there are more than 2,147,483,647 multiplications",
         lambda *n: tuple(int(np.int64(one).astype(np.int32)) for one in answer(*n)),
         lambda *n: tuple(int(np.float32(one)) for one in answer(*n))),
    )  # fmt: skip
    equal = {
        r"->  pixels = width \* height": "a product commutes",
        r"->  (depthwise|pointwise) = (pixels \* |kernel \*\* 2 \* |out_channels \* in_channels)": "a product commutes",
        r"->  return .*(depthwise \* out_channels|pointwise \+ depthwise)": "a product or a sum commutes",
        r"^depthwise = .*->  pointwise = ": "the order of the two lines does not matter",
    }
    said = (
        (lambda *n: tuple(map(float, answer(*n))), "Your counts are floats"),
        (lambda *n: list(answer(*n)), "a list"),
        (lambda *n: tuple(5 * one for one in answer(*n)), "5 times the expected ones"),
        (lambda i, o, k, h: None, "a call passes 5 arguments where 4 fit"),
    )
