"""Exercise 4.1: right answers in other styles, promises and their breakers, mutants that are equal."""

import math

import torch
from contract import Contract
from torch import nn

from segcourse.exercises.l04_dilated_aspp.effective_kernel_size import effective_kernel_size as answer


def by_gaps(taps, step):
    skipped = (taps - 1) * (step - 1)
    return taps + skipped


def by_places(kernel, dilation):
    places = [dilation * tap for tap in range(kernel)]
    return max(places) - min(places) + 1


def by_gradient(kernel, dilation):
    layer = nn.Conv1d(1, 1, kernel, dilation=dilation)
    x = torch.rand(1, 1, 1000, requires_grad=True)
    layer(x)[..., 0].sum().backward()
    return int(x.grad[0, 0].nonzero().max()) + 1


def by_loop(kernel, dilation):
    size = 1
    while kernel > 1:
        size, kernel = size + dilation, kernel - 1
    return size


class TestEffectiveKernelSize(Contract):
    name = "effective_kernel_size"
    library = staticmethod(by_gaps)
    right = {"gaps": by_gaps, "places": by_places, "gradient": by_gradient, "loop": by_loop}
    promises = (
        ("the number of taps along one axis, at least 1", "the kernel has one tap",
         lambda k, d: max(2, k) * d - d + 1),
        ("(also an even number)", "the number of taps is even", lambda k, d: answer(k | 1, d),
         lambda k, d: 2 * d * (k // 2) + 1),
        ("the step from one tap to the next in pixels, at least 1", "kernels of 3 taps", lambda k, d: answer(k, d + 1)),
        ("Dilation 1 is an ordinary kernel", "dilation is 1", lambda k, d: answer(k, max(2, d))),
        ("returns an int", "kernels of 3 taps", lambda k, d: float(answer(k, d)), lambda k, d: torch.tensor(answer(k, d)),
         lambda k, d: (answer(k, d),)),
        ("how many pixels the kernel spans along this axis, from its first to its last tap, both counted",
         "other kernels", lambda k, d: answer(k, d) - 1, lambda k, d: answer(k, d) ** 2),
    )  # fmt: skip
    equal = {
        r"->  return (\(kernel - 1\) \* dilation \+ 1|1 \+ dilation \*)": "a product and a sum commute",
    }
    said = (
        (lambda k, d: k * d, "You return kernel times dilation"),
        (lambda k, d: math.sqrt(answer(k, d)), "Your answer returns a float, and an int is asked for"),
        (lambda k, d: 3 * answer(k, d), "Your numbers are 3 times the expected ones"),
        (lambda k: k, "a call passes 2 arguments where 1 fit"),
    )
