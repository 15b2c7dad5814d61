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


def _writers(length):
    """Return answers whose result has another length: where a copy does not fit, it is cut or stops them."""

    def zeros(x, weight, stride):
        return torch.zeros(length(len(x), len(weight), stride))

    def cut(x, weight, stride):
        return _placed(x, weight, stride, length=length(len(x), len(weight), stride))

    def by_index(x, weight, stride):
        out = zeros(x, weight, stride)
        for i in range(len(x)):
            for j in range(len(weight)):
                out[i * stride + j] += x[i] * weight[j]
        return out

    def by_slice(x, weight, stride):
        out = zeros(x, weight, stride)
        for i in range(len(x)):
            out[i * stride : i * stride + len(weight)] += x[i] * weight
        return out

    def by_sum(x, weight, stride):
        out = zeros(x, weight, stride)
        for i in range(len(x)):
            end = i * stride + len(weight)
            out[i * stride : end] = out[i * stride : end] + x[i] * weight
        return out

    return cut, by_index, by_slice, by_sum


def _only(which):
    """Return an answer that places the copies of some numbers of x; the result has its full length."""
    return lambda x, weight, stride: _placed(
        torch.where(torch.isin(torch.arange(len(x)), torch.arange(len(x))[which]), x, 0), weight, stride
    )


def _three(length):
    """Return an answer that uses three weights of the kernel, whatever its size."""

    def wrong(x, weight, stride):
        out = torch.zeros((len(x) - 1) * stride + length(len(weight)))
        for i in range(len(x)):
            for j in range(3):
                out[i * stride + j] += x[i] * weight[j]
        return out

    return wrong


def _whole(x, weight, stride):
    """Cut off the fraction after each addition, as an integer array does."""
    out = torch.zeros((len(x) - 1) * stride + len(weight))
    for i in range(len(x)):
        for j in range(len(weight)):
            out[i * stride + j] = (out[i * stride + j] + x[i] * weight[j]).trunc()
    return out


def _adds(x, weight, stride):
    return _placed(x, torch.ones_like(weight), stride) + _placed(torch.ones_like(x), weight, stride)


def _piles_up(x, weight, stride):
    out = torch.zeros((len(x) - 1) * stride + len(weight))
    for i, number in enumerate(x):
        weight *= number
        out[i * stride : i * stride + len(weight)] += weight
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
            "Where copies overlap, you keep only the last one. They are added: `out[start:end] += …`. (With "
            "an index that names a place several times, `out[places] += …` keeps one number: `index_add_`.)",
            _overwrites,
        ),
        (
            "Where copies overlap, you keep only the first one. They are added.",
            lambda x, weight, stride: _overwrites(x.flip(0), weight.flip(0), stride).flip(0),
        ),
        (
            "You add the number of x to the kernel. Each copy is the kernel times the number.",
            _adds,
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
            "Your result has the right length, but copy i starts at place i. It should start at i * stride.",
            lambda x, weight, stride: F.pad(_placed(x, weight, 1), [0, (len(x) - 1) * (stride - 1)]),
        ),
        (
            "You spread the weights of the kernel, `stride` places apart, instead of its copies. The "
            "copies start `stride` places apart, and each copy stays in one piece.",
            lambda x, weight, stride: _placed(x, weight, stride, place=lambda i, j: i + j * stride),
        ),
        *(
            (says, wrong)
            for says, length in (
                (
                    "Your result has len(x) * stride numbers. The last copy starts at (len(x) - 1) * stride "
                    "and is len(weight) long.",
                    lambda n, k, s: n * s,
                ),
                (
                    "Your result has stride - 1 places too many at the end. It ends with the last copy, "
                    "which starts at (len(x) - 1) * stride.",
                    lambda n, k, s: n * s + k - 1,
                ),
                (
                    "Your result has `stride` places too many at the end. It ends with the last copy, "
                    "which starts at (len(x) - 1) * stride.",
                    lambda n, k, s: n * s + k,
                ),
                (
                    "Your result ends where the last copy starts. The last copy is len(weight) long.",
                    lambda n, k, s: (n - 1) * s + 1,
                ),
                (
                    "Your result ends before the last copy. The last copy starts at (len(x) - 1) * stride "
                    "and is len(weight) long.",
                    lambda n, k, s: (n - 1) * s,
                ),
                (
                    "Your result is as long as with stride 1. The last copy starts at (len(x) - 1) * stride "
                    "and is len(weight) long.",
                    lambda n, k, s: n + k - 1,
                ),
                (
                    "Your result has len(x) * len(weight) numbers. The last copy starts at (len(x) - 1) * "
                    "stride and is len(weight) long.",
                    lambda n, k, s: n * k,
                ),
            )
            for wrong in _writers(length)
        ),
        (
            "Your copies start stride + 1 places apart: with stride s, there are s - 1 places between two "
            "starts, not s.",
            lambda x, weight, stride: _placed(x, weight, stride + 1),
        ),
        (
            "Your copies start stride - 1 places apart. They start `stride` places apart.",
            lambda x, weight, stride: _placed(x, weight, stride - 1),
        ),
        (
            "Your copies lie one after the other, len(weight) apart. They start `stride` places apart, so "
            "that they may overlap or leave gaps.",
            lambda x, weight, stride: _placed(x, weight, len(weight)),
        ),
        (
            "Where the stride is larger than the kernel, your copies lie one after the other. They start "
            "`stride` places apart, and the places under no copy are 0.",
            lambda x, weight, stride: _placed(x, weight, min(stride, len(weight))),
        ),
        (
            "The copy of the last number of x is missing. Each number makes a copy: 0 to len(x) - 1.",
            _only(slice(-1)),
        ),
        (
            "The copy of the first number of x is missing. Each number makes a copy: 0 to len(x) - 1.",
            _only(slice(1, None)),
        ),
        (
            "Your result holds the copy of the first number of x only. Return after the loop.",
            _only(slice(1)),
        ),
        (
            "Your result holds the copy of the last number of x only. Make the zeros once, before the loop.",
            _only(slice(-1, None)),
        ),
        *(
            (
                "Your numbers are cut off to whole numbers, as in an integer array. Sum in floating point: "
                "`torch.zeros` makes that.",
                wrong,
            )
            for wrong in (
                _whole,
                lambda x, weight, stride: _placed(x, weight, stride).trunc(),
                lambda x, weight, stride: _placed(x.trunc(), weight.trunc(), stride),
            )
        ),
        *(
            (
                "You count on three weights, whatever the kernel. Use `len(weight)`.",
                _three(length),
            )
            for length in (lambda k: 3, lambda k: k)
        ),
        (
            "You multiply `weight` in place (`*=`): the factors pile up from copy to copy, and the caller's "
            "kernel changes. Make a new tensor: `x[i] * weight`.",
            _piles_up,
        ),
        (
            "You place the numbers of x `stride` places apart, with zeros between them. Each number should "
            "make a copy of the kernel there, times the number.",
            lambda x, weight, stride: _placed(x, (torch.arange(len(weight)) == 0).float(), stride),
        ),
        (
            "You use the kernel's first weight only. Each copy holds all weights, times a number of x.",
            lambda x, weight, stride: _placed(x, weight * (torch.arange(len(weight)) == 0), stride),
        ),
        (
            "You add up all numbers of x before you multiply. Each number makes a separate copy.",
            lambda x, weight, stride: _placed(x.sum().expand(len(x)), weight, stride),
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
