"""Exercise 3.5: right answers in other styles, promises and their breakers, mutants that are equal."""

import pytest
import torch
import torch.nn.functional as F
from contract import Contract
from torch import nn

from segcourse.exercises.engine.exercise import draw
from segcourse.exercises.l03_unet import attention_gate as module
from segcourse.exercises.l03_unet.attention_gate import AttentionGate as Answer
from segcourse.models import blocks


class EnlargesFirst(nn.Module):
    """Enlarges the gate first, by repeating pixels, and calls everything something else."""

    def __init__(self, F_g, F_l, F_int):
        super().__init__()
        self.psi = nn.Sequential(nn.Conv2d(F_int, 1, 1), nn.Sigmoid())
        self.W_x, self.W_g = nn.Conv2d(F_l, F_int, 1), nn.Conv2d(F_g, F_int, 1)

    def forward(self, g, x):
        g = F.interpolate(g, size=x.shape[2:], mode="nearest")
        return x * self.psi(F.relu(self.W_x(x) + self.W_g(g), inplace=True))


class ByFunction(nn.Module):
    """One weight tensor per step; the map as an exponential."""

    def __init__(self, g, s, i):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.randn(i, s, 1, 1)), nn.Parameter(torch.randn(i, g, 1, 1))
        self.c = nn.Parameter(torch.randn(1, i, 1, 1))

    def forward(self, gate, skip):
        gate = F.interpolate(F.conv2d(gate, self.b), skip.shape[-2:], mode="bilinear", align_corners=True)
        logit = F.conv2d((F.conv2d(skip, self.a) + gate).clamp_min(0), self.c)
        return skip / (1 + torch.exp(-logit))


class OfLayers(EnlargesFirst):
    """An nn.Upsample made when the size is known, and the map written out to all channels."""

    def forward(self, gate, skip):
        total = nn.Upsample(skip.shape[-2:], mode="bilinear")(self.W_g(gate)).add_(self.W_x(skip))
        return torch.mul(self.psi(total.relu()).expand_as(skip), skip)


class ByEinsum(nn.Module):
    """1 x 1 convolutions as einsum, matmul and a linear layer."""

    def __init__(self, g, s, i):
        super().__init__()
        self.g, self.x = nn.Parameter(torch.randn(g, i)), nn.Parameter(torch.randn(i, s))
        self.psi = nn.Linear(i, 1)

    def forward(self, gate, skip):
        gate = F.interpolate(torch.einsum("gi,nghw->nihw", self.g, gate), skip.shape[-2:], mode="nearest")
        both = F.relu(gate + (self.x @ skip.flatten(2)).unflatten(2, skip.shape[-2:]))
        return skip * torch.sigmoid(self.psi(both.movedim(1, -1))).movedim(-1, 1)


class Halves(Answer):
    def forward(self, gate, skip):
        gate = F.interpolate(self.gate(gate), scale_factor=2)
        return skip * torch.sigmoid(self.attention(F.relu(self.skip(skip) + gate)))


class TestAttentionGate(Contract):
    name = "AttentionGate"
    library = blocks.AttentionGate
    right = {
        "enlarges first": EnlargesFirst,
        "by function": ByFunction,
        "layers": OfLayers,
        "einsum": ByEinsum,
    }
    promises = (
        ("`AttentionGate(gate_channels, skip_channels, inner_channels)`, `forward(gate, skip)`", "one attention map",
         lambda g, s, i: EnlargesFirst(s, g, i)),
        ("about twice the size", "the skip has 5 x 7 pixels and the gate 2 x 3", Halves),
        ("1 x 1 convolutions to inner_channels", "the weights are counted", module._ThreeByThree,
         lambda g, s, i: EnlargesFirst(g, s, i + 1)),
        ("one from inner_channels to a single channel", "one attention map", module._PerChannel),
        ("no batch norm", "the gate is in training mode", module._BatchNorm),
        ("the gate (or $W_g$ gate) is enlarged to H x W by interpolation (nearest or bilinear) before the sum",
         "the gate has half the skip's size", module._with(options={"mode": "bicubic"}),
         module._with(enlarged=lambda self, gate, skip: gate.mean((-2, -1), keepdim=True).expand_as(
             F.interpolate(gate, skip.shape[-2:])))),
        ("before the sum", "the gate is -5 and the skip 1: their sum is below 0", module._with(meet=lambda self, skip, gate: skip + gate)),
        ("returns N x skip_channels x H x W: the skip", "sizes",
         module._with(weigh=lambda self, attention, gate, skip: attention)),
        ("each pixel of it multiplied by one number between 0 and 1", "the skip, weighed",
         module._with(squash=lambda self, x: x), module._with(squash=lambda self, x: torch.tanh(x)),
         module._with(weigh=lambda self, attention, gate, skip: skip + skip * attention)),
        ("one number between 0 and 1", "one attention map", module._with(squash=lambda self, x: torch.sigmoid(F.relu(x)))),
    )  # fmt: skip
    equal = {
        r"->  return attention \* skip|F\.relu\(gate \+ self\.skip": "these operations commute",
        r"shape\[(--)?2:\]": "of four axes, the last two begin at axis 2",
        r"^self\.\w+ = .*; self\.\w+ = .*  ->  self": "the order of the lines does not matter",
        r"_result = .*; gate\.mul_": "gate is a tensor of the answer's own by then",
        r"^def __init__\(self, gate": "the order of methods does not matter",
        r"mode='nearest'|mode=.bilinear.\)  ->  .*size=skip\.shape\[-2:\]\)$": "nearest is allowed as well",
    }
    said = (
        (Halves, "shape"),
        (module._PerChannel, "You make one map per channel"),
        (lambda g, s, i: Answer(g, s, i).requires_grad_(False), "trainable weights"),
    )

    def test_what_a_person_can_check_by_hand(self):
        """Skip 1 and gate -1: their sum is 0, and sigmoid(0) is a half."""
        case = next(
            c for c in draw(self.exercise) if "the gate is -1 and the skip 1: their sum is 0" in c.traits
        )
        assert case.observe(Answer, case)["value"].item() == pytest.approx(0.5)
