"""Exercise 2.2: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
import torch.nn.functional as F
from contract import Contract, nothing_changes

from segcourse.exercises.l02_fcn import transposed_conv1d as module
from segcourse.exercises.l02_fcn.transposed_conv1d import transposed_conv1d as answer


def by_pytorch(x, weight, stride):
    """PyTorch's own: what the sum of copies must agree with."""
    return F.conv_transpose1d(x[None, None], weight[None, None], stride=stride)[0, 0]


def by_places(x, weight, stride):
    out = [0.0] * ((len(x) - 1) * stride + len(weight))
    for i, number in enumerate(x.tolist()):
        for j, w in enumerate(weight.tolist()):
            out[stride * i + j] += number * w
    return torch.tensor(out)


def by_numpy(x, weight, stride):
    spread = np.zeros((len(x) - 1) * stride + 1)
    spread[::stride] = x.numpy()
    return torch.from_numpy(np.convolve(spread, weight.numpy()))


def by_scatter(x, weight, stride):
    places = torch.arange(len(x))[:, None] * stride + torch.arange(len(weight))
    out = torch.zeros(int(places.max()) + 1)
    return out.scatter_add(0, places.flatten(), torch.outer(x, weight).flatten())


def by_matrix(x, weight, stride):
    """The transpose of a convolution's matrix."""
    n, k = len(x), len(weight)
    matrix = torch.zeros(n, (n - 1) * stride + k)
    for i in range(n):
        matrix[i, i * stride : i * stride + k] = weight
    return matrix.T @ x


class TestTransposedConv1d(Contract):
    name = "transposed_conv1d"
    library = staticmethod(by_pytorch)
    right = {"places": by_places, "NumPy": by_numpy, "scatter": by_scatter, "matrix": by_matrix}
    promises = (
        ("float32 tensor with n numbers", "x has one number", lambda x, w, s: answer(x.squeeze(), w, s)),
        ("n, k and stride are at least 1", "the kernel has one number", lambda x, w, s: answer(x, w.squeeze(), s)),
        ("n, k and stride are at least 1", "the stride is 1", lambda x, w, s: answer(x, w, max(s, 2))),
        ("is `weight` times `x[i]`", "one number of x is not 0", module._repeats, module._ignores_weight),
        ("it starts at place `i * stride`", "copies side by side", lambda x, w, s: answer(x, w, 1)),
        ("the kernel isn't reversed", "the kernel is longer than the stride", lambda x, w, s: answer(x, w.flip(0), s)),
        ("where copies overlap, they are added", "three copies overlap", module._overwrites, module._averages,
         module._largest),
        ("places under no copy are 0", "the kernel is shorter than the stride", lambda x, w, s: answer(x, w, len(w))),
        ("(n - 1) * stride + k numbers", "the kernel is longer than the stride",
         lambda x, w, s: answer(x, w, s)[: len(x) * s]),
        ("it ends with the last copy", "the kernel is shorter than the stride", lambda x, w, s: F.pad(answer(x, w, s), [0, s - 1])),
        ("returns a float tensor", "copies that overlap", lambda x, w, s: answer(x, w, s).tolist(),
         lambda x, w, s: answer(x, w, s).numpy(), lambda x, w, s: answer(x, w, s)[None]),
        ("float32 tensor with n numbers", "copies that overlap", nothing_changes(answer)),
    )  # fmt: skip
    equal = {
        r"-> .*(weight \* x\[i\]|stride \* i |stride \* \(n - 1\)|k \+ )": "sums and products commute",
        r"return out\.flatten": "the result has one axis",
    }
    said = (
        (lambda x, w, s: answer(x, w, s).tolist(), "returns a list"),
        (lambda x, w, s: answer(x, w, s) / 2, "0.5 times the expected ones"),
        (lambda x, w, s: answer(x, w, s)[1:], "The first of the expected entries is missing"),
    )
