"""Exercise 2.5: right answers in other styles, promises and their breakers, mutants that are equal."""

import torch
import torch.nn.functional as F
from contract import Contract, nothing_changes
from torch import nn

from segcourse.exercises.l02_fcn import fuse_scores as module
from segcourse.exercises.l02_fcn.fuse_scores import fuse_scores as answer
from segcourse.models import fcn


def by_transposed_convolution(coarse, fine):
    """The library's upsampling, on a map whose border is repeated: it fades outside what is cut off."""
    up = fcn.bilinear_upsampling(coarse.shape[1], 2).requires_grad_(False)
    large = up(F.pad(coarse, [1, 1, 1, 1], mode="replicate"))[..., 2:-2, 2:-2]
    return fine + large[..., : fine.shape[2], : fine.shape[3]]


def by_layer(coarse, fine):
    up = nn.Upsample(scale_factor=2, mode="bilinear")
    height, width = fine.shape[-2:]
    return torch.add(fine, up(coarse)[:, :, :height, :width])


def by_doubled_size(a, b):
    doubled = F.interpolate(a, size=(2 * a.size(2), 2 * a.size(3)), mode="bilinear")
    return b + doubled.narrow(2, 0, b.size(2)).narrow(3, 0, b.size(3))


def by_hand(coarse, fine):
    """Three quarters of the nearest cell and a quarter of the next, axis by axis."""
    for axis in (2, 3):
        n = coarse.shape[axis]
        here = torch.arange(n)
        before, after = here.clamp(min=1) - 1, (here + 1).clamp(max=n - 1)
        near = coarse.index_select(axis, here) * 0.75
        pair = [near + 0.25 * coarse.index_select(axis, other) for other in (before, after)]
        coarse = torch.stack(pair, dim=axis + 1).flatten(axis, axis + 1)
    return coarse[:, :, : fine.shape[2], : fine.shape[3]] + fine


class TestFuseScores(Contract):
    name = "fuse_scores"
    library = staticmethod(by_transposed_convolution)
    right = {"layer": by_layer, "doubled size": by_doubled_size, "by hand": by_hand}
    promises = (
        ("`fine`: float tensor, N x C x H x W", "there are two pictures and three classes",
         lambda c, f: answer(c[:1], f[:1]), lambda c, f: answer(c.transpose(0, 1), f.transpose(0, 1)).sum(1, keepdim=True)),
        ("both rounded up", "each map has a single cell", lambda c, f: c + f.squeeze(), module._pads_fine),
        ("doubled in height and width by bilinear interpolation", "fine is 0 everywhere",
         lambda c, f: F.interpolate(c, scale_factor=2) + f, module._fades, module._zeros_between),
        ("(`align_corners=False`, PyTorch's default)", "fine is 0 everywhere",
         lambda c, f: F.interpolate(c, scale_factor=2, mode="bilinear", align_corners=True) + f),
        ("the last row or column is cut off", "both are odd", module._cut_first, module._pads_fine,
         lambda c, f: module._large(c) + f),
        ("so nothing is stretched", "the number of rows is odd",
         lambda c, f: F.interpolate(c, f.shape[-2:], mode="bilinear") + f),
        ("so nothing is stretched", "the number of columns is odd",
         lambda c, f: F.interpolate(c, f.shape[-2:], mode="bilinear") + f),
        ("returns the sum", "even sizes", lambda c, f: (answer(c, f)) / 2, lambda c, f: answer(c, f) - f,
         lambda c, f: answer(torch.zeros_like(c), f)),
        ("returns the sum, N x C x H x W", "each map has a single cell", lambda c, f: answer(c, f).squeeze()),
        ("gradients flow to both inputs", "gradients are computed", lambda c, f: answer(c.detach(), f),
         lambda c, f: answer(c, f.detach()), lambda c, f: answer(c, f).detach()),
        ("`fine`: float tensor", "even sizes", nothing_changes(answer)),
    )  # fmt: skip
    equal = {
        r"-> .*fine \+ ": "addition commutes",
        r"-> .*shape\[(2|--2)\]": "of four axes, the last but one is axis 2",
        r"-> .*mode='bilinear'\)": "align_corners=False is the default",
    }
    said = (
        (lambda c, f: answer(c, f).numpy(), "returns a NumPy array"),
        (lambda c, f: answer(c.detach(), f), "The gradient of coarse is missing"),
        (lambda c, f: torch.cat([module._cut(module._large(c), f), f]), "has shape"),
    )
