"""Exercise 2.3: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
from contract import Contract

from segcourse.exercises.l02_fcn import bilinear_kernel as module
from segcourse.exercises.l02_fcn.bilinear_kernel import bilinear_kernel as answer
from segcourse.models import fcn


def by_the_papers_code(stride):
    """shelhamer/fcn.berkeleyvision.org, surgery.py."""
    size = 2 * stride
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 == 1 else factor - 0.5
    og = np.ogrid[:size, :size]
    return torch.from_numpy((1 - abs(og[0] - center) / factor) * (1 - abs(og[1] - center) / factor))


def by_loop(s):
    rows = [[0.0] * (2 * s) for _ in range(2 * s)]
    for i in range(2 * s):
        for j in range(2 * s):
            rows[i][j] = (1 - abs(i + 0.5 - s) / s) * (1 - abs(j + 0.5 - s) / s)
    return torch.tensor(rows)


def by_mirror(stride):
    rising = torch.linspace(1, 2 * stride - 1, stride) / (2 * stride)
    tent = torch.cat([rising, rising.flip(0)])
    return torch.einsum("i,j->ij", tent, tent)


def by_convolving_boxes(stride):
    """Two boxes make a tent, and a box of two moves it to between the weights."""
    box = np.ones(stride) / stride
    tent = np.convolve(np.convolve(box, box) * stride, [0.5, 0.5])
    return torch.tensor(np.outer(tent, tent), dtype=torch.float32)


class TestBilinearKernel(Contract):
    name = "bilinear_kernel"
    library = staticmethod(fcn.bilinear_kernel)
    right = {
        "the paper's code": by_the_papers_code,
        "loop": by_loop,
        "mirror": by_mirror,
        "boxes": by_convolving_boxes,
    }
    promises = (
        ("an even int, 2 or more", "the stride is not a power of two", lambda s: answer(1 << (s.bit_length() - 1))),
        ("an even int, 2 or more", "the stride is 2", lambda s: answer(max(s, 4))),
        ("returns a float tensor, 2 * stride x 2 * stride", "any even stride", lambda s: answer(s).numpy(), module._tent,
         lambda s: answer(s)[None, None], lambda s: answer(s).round().long()),
        ("the centre lies between the four middle weights", "the stride is 2", module._on_a_pixel, module._linspaced,
         module._to_stride),
        ("(1 - distance along the rows / stride) times (1 - distance along the columns / stride)", "the stride is 4",
         module._cone, module._block, lambda s: torch.minimum(module._tent(s)[:, None], module._tent(s))),
        ("the weights aren't rescaled", "the stride is 8", lambda s: answer(s) / answer(s).sum(),
         lambda s: answer(s) / answer(s).max(), lambda s: answer(s) / s),
        ("they sum to stride * stride", "the stride is 8", lambda s: answer(s) / s**2),
    )  # fmt: skip
    equal = {
        r"-> .*(tent \* tent\[:, None\]|stride \* 2)": "a product commutes",
        r"-> .*stride - 0\.5 - torch": "only the distances count, not their signs",
    }
    said = (
        (lambda s: answer(s) * 3, "3 times the expected ones"),
        (lambda s: answer(s).tolist(), "returns a list"),
    )
