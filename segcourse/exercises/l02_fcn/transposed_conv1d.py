"""Exercise 2.2: a transposed convolution in one dimension, from copies of the kernel."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise


def transposed_conv1d(x, weight, stride):
    """Return the sum of copies of `weight`, each times a number of x, `stride` places apart."""
    n, k = len(x), len(weight)
    out = torch.zeros((n - 1) * stride + k)
    for i in range(n):
        out[i * stride : i * stride + k] += x[i] * weight
    return out


APART, OVERLAP, ENDS = "copies side by side", "copies that overlap", "single numbers"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, x, weight, stride, *traits):
        numbers = [torch.as_tensor(values, dtype=torch.float32) for values in (x, weight)]
        return Case(group, {"x": numbers[0], "weight": numbers[1], "stride": stride}, traits)

    yield case(APART, [1, 2], [1, 3], 2, "the kernel is as long as the stride")
    yield case(APART, [1, 2], [1, 3], 4, "the kernel is shorter than the stride")
    yield case(OVERLAP, [1, 2], [1, 3, 5], 2, "the kernel is longer than the stride")
    yield case(OVERLAP, [1, 2, 4], [1, 3, 5, 7, 9], 1, "the stride is 1")
    yield case(OVERLAP, [1, 1, 1], [1, 10, 100, 1000], 1, "three copies overlap")
    yield case(OVERLAP, [2, -2, 2], [0.25, 0.75, 0.75, 0.25], 2, "the kernel is the bilinear one")
    yield case(ENDS, [3], [1, 2, 4], 2, "x has one number")
    yield case(ENDS, [1, 2, 3], [2], 3, "the kernel has one number")
    yield case(ENDS, [1, 2, 3], [2], 1, "the kernel has one number and the stride is 1")
    yield case(ENDS, [0, 5, 0], [1, 2, 3], 3, "one number of x is not 0")
    for group, stride, k in ((APART, 3, 3), (APART, 5, 2), (OVERLAP, 2, 5), (OVERLAP, 3, 4), (ENDS, 4, 6)):
        n = 1 if group == ENDS else int(rng.integers(3, 7))
        yield case(group, rng.normal(0.5, 1, n), rng.normal(0.5, 1, k), stride)


def _placed(x, weight, stride, length=None, place=None):
    """Return the sum of copies, copy i of the kernel at place(i, j) for its weight j."""
    place = place or (lambda i, j: i * stride + j)
    n, k = len(x), len(weight)
    places = [(place(i, j), x[i] * weight[j]) for i in range(n) for j in range(k)]
    out = torch.zeros(length or max(at for at, _ in places) + 1)
    for at, number in places:
        if at < len(out):
            out[at] += number
    return out


def _overwrites(x, weight, stride):
    out = torch.zeros((len(x) - 1) * stride + len(weight))
    for i, number in enumerate(x):
        out[i * stride : i * stride + len(weight)] = number * weight
    return out


def _averages(x, weight, stride):
    return _placed(x, weight, stride) / _placed(torch.ones_like(x), torch.ones_like(weight), stride).clamp(
        min=1
    )


def _largest(x, weight, stride):
    copies = [_placed(x * (torch.arange(len(x)) == i), weight, stride) for i in range(len(x))]
    return torch.stack(copies).max(dim=0).values


def _convolution(x, weight, stride):
    return x.unfold(0, len(weight), stride) @ weight


def _same_length(x, weight, stride):
    return F.conv1d(x[None, None], weight[None, None], padding=len(weight) // 2)[0, 0]


def _repeats(x, weight, stride):
    return x.repeat_interleave(stride)


def _ignores_weight(x, weight, stride):
    return _placed(x, torch.ones_like(weight), stride)


def celebrate(answer):
    """Show a row of pixels enlarged eight times, with two kernels."""
    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import show_curves

    row = lesion().image.mean(dim=0)[32, ::8]
    offsets = torch.arange(16) - 7.5
    kernels = {"eight ones": torch.ones(8), "a tent of 16 weights": 1 - offsets.abs() / 8}
    curves = {name: answer(row, kernel, 8)[:64].tolist() for name, kernel in kernels.items()}
    show_curves(curves, range(64), xlabel="place", ylabel="brightness")


EXERCISE = Exercise(
    transposed_conv1d,
    number="2.2",
    difficulty=2,
    minutes=10,
    groups={APART: 1, OVERLAP: 1, ENDS: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "Where copies overlap, you keep only the last one. They are added: `+=`, not `=`.",
            _overwrites,
        ),
        (
            "Where copies overlap, you average them. They are added.",
            _averages,
        ),
        (
            "Where copies overlap, you keep the larger number. They are added.",
            _largest,
        ),
        (
            "Your kernel is reversed. Each copy is placed as it is: its first weight comes first.",
            lambda x, weight, stride: _placed(x, weight.flip(0), stride),
        ),
        (
            "Your result equals the one of stride 1: copy i starts at place i. It should start at i * "
            "stride.",
            lambda x, weight, stride: _placed(x, weight, 1),
        ),
        (
            "You spread the weights of the kernel, `stride` places apart, instead of its copies. The "
            "copies start `stride` places apart, and each copy stays in one piece.",
            lambda x, weight, stride: _placed(x, weight, stride, place=lambda i, j: i + j * stride),
        ),
        (
            "Your result ends after len(x) * stride numbers. The last copy starts at (len(x) - 1) * "
            "stride and is len(weight) long.",
            lambda x, weight, stride: _placed(x, weight, stride, length=len(x) * stride),
        ),
        (
            "Your result has stride - 1 places too many at the end. It ends with the last copy, which "
            "starts at (len(x) - 1) * stride.",
            lambda x, weight, stride: F.pad(_placed(x, weight, stride), [0, stride - 1]),
        ),
        (
            "Your result ends where the last copy starts. The last copy is len(weight) long.",
            lambda x, weight, stride: _placed(x, weight, stride, length=(len(x) - 1) * stride + 1),
        ),
        (
            "Your copies start stride + 1 places apart: with stride s, there are s - 1 places between two "
            "starts, not s.",
            lambda x, weight, stride: _placed(x, weight, stride + 1),
        ),
        (
            "Your copies lie one after the other, len(weight) apart. They start `stride` places apart, so "
            "that they may overlap or leave gaps.",
            lambda x, weight, stride: _placed(x, weight, len(weight)),
        ),
        (
            "You convolve, which makes x shorter: each result is a sum over neighbours. A transposed "
            "convolution goes the other way, and each number of x makes a copy of the kernel.",
            _convolution,
        ),
        (
            "Your result is as long as a convolution with padding makes it, and the stride has no effect. "
            "Each number of x makes a copy of the kernel, `stride` places after the copy before.",
            _same_length,
        ),
        (
            "You repeat each number `stride` times. Each number should make a copy of the kernel, times "
            "the number.",
            _repeats,
        ),
        (
            "Each of your copies consists of ones. A copy holds the kernel's weights, times a number of x.",
            _ignores_weight,
        ),
        (
            "You place the kernel itself, not the kernel times a number of x.",
            lambda x, weight, stride: _placed(torch.ones_like(x), weight, stride),
        ),
        (
            "Your numbers of x come in the opposite order.",
            lambda x, weight, stride: _placed(x.flip(0), weight, stride),
        ),
    ],
    finished=(
        "torch.nn.modules.conv:ConvTranspose1d",
        "torch.nn.modules.conv:ConvTranspose2d",
        *(f"{module}:conv_transpose{n}d" for module in ("torch", "torch.nn.functional") for n in (1, 2)),
    ),
)
