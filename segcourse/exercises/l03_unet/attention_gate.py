"""Exercise 3.5 (stretch): let the coarser level decide which parts of a skip pass."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import nn

from segcourse.exercises.engine import modules
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l03_unet._draw import pixels


class AttentionGate(nn.Module):
    """Fade the skip where the coarser gate sees nothing of interest; returns the skip's shape."""

    def __init__(self, gate_channels, skip_channels, inner_channels):
        super().__init__()
        self.gate = nn.Conv2d(gate_channels, inner_channels, kernel_size=1)
        self.skip = nn.Conv2d(skip_channels, inner_channels, kernel_size=1)
        self.attention = nn.Conv2d(inner_channels, 1, kernel_size=1)

    def forward(self, gate, skip):
        gate = F.interpolate(self.gate(gate), size=skip.shape[-2:], mode="bilinear")  # N, inner, H, W
        attention = torch.sigmoid(self.attention(F.relu(self.skip(skip) + gate)))  # N, 1, H, W
        return skip * attention


class Changed(AttentionGate):
    """The right answer, in pieces that variants and mistakes replace one by one."""

    def forward(self, gate, skip):
        both = self.meet(self.skip(skip), self.enlarged(self.gate(gate), skip))
        return self.weigh(self.squash(self.attention(both)), gate, skip)

    def enlarged(self, gate, skip):
        return F.interpolate(gate, size=skip.shape[-2:], mode="bilinear")

    def meet(self, skip, gate):
        return F.relu(skip + gate)

    def squash(self, x):
        return torch.sigmoid(x)

    def weigh(self, attention, gate, skip):
        return skip * attention


def _with(**pieces: Any) -> type[Changed]:
    return type("Changed", (Changed,), pieces)


def _enlarging(**options: Any) -> type[Changed]:
    return _with(enlarged=lambda self, gate, skip: F.interpolate(gate, size=skip.shape[-2:], **options))


SIZES, MAP, WEIGHED = "sizes", "one attention map", "the skip, weighed"


def cases(rng: Generator) -> Iterator[Case]:
    seed = int(rng.integers(1000))

    def case(group, channels, gate, skip, look, trait):
        names = ("gate_channels", "skip_channels", "inner_channels")
        inputs = {**dict(zip(names, channels, strict=True)), "gate": gate, "skip": skip}
        return Case(group, inputs, (trait,), look)

    coarse, fine = torch.ones(1, 2, 1, 1), torch.ones(1, 1, 2, 2)
    yield case(SIZES, (2, 1, 1), coarse, fine, modules.shape, "the gate has half the skip's height and width")
    x = torch.ones(2, 4, 2, 3), torch.ones(2, 3, 5, 7)
    yield case(SIZES, (4, 3, 2), *x, modules.shape, "the skip has 5 x 7 pixels and the gate 2 x 3")
    rows, columns = map(int, rng.integers(3, 9, 2))
    x = torch.ones(1, 3, rows, columns), torch.ones(1, 4, 2 * rows, 2 * columns)
    yield case(SIZES, (3, 4, 1), *x, modules.shape, "one channel is inside")
    look = modules.output_after_smaller(seed)
    # gate and skip differ in their channels, so that it does not matter which of them is convolved first
    x = pixels(rng, 1, 3, 4, 3), pixels(rng, 1, 2, 8, 6)
    yield case(WEIGHED, (3, 2, 4), *x, look, "the gate has seen smaller pictures before")

    by_hand, one = modules.output("transparent"), fine[..., :1, :1]
    yield case(WEIGHED, (2, 1, 1), -coarse, one, by_hand, "the gate is -1 and the skip 1: their sum is 0")
    yield case(
        WEIGHED, (2, 1, 1), -5 * coarse, one, by_hand, "the gate is -5 and the skip 1: their sum is below 0"
    )
    yield case(WEIGHED, (2, 1, 1), coarse, 2 * one, by_hand, "the gate is 1 and the skip 2")
    x = pixels(rng, 2, 4, 3, 2), pixels(rng, 2, 2, 6, 4)
    yield case(WEIGHED, (4, 2, 3), *x, modules.gradients(seed), "gradients are computed")
    drawn = modules.output(seed=seed)
    x = pixels(rng, 1, 3, 3, 3), pixels(rng, 1, 2, 3, 3)
    yield case(MAP, (3, 2, 5), *x, drawn, "gate and skip have the same size")
    even = pixels(rng, 2, 4, 1, 1).expand(2, 4, 2, 3).clone()
    yield case(MAP, (4, 3, 5), even, pixels(rng, 2, 3, 5, 7), drawn, "the gate is the same everywhere")
    x = pixels(rng, 2, 4, 3, 2, scale=5), pixels(rng, 2, 3, 6, 5, scale=5)
    yield case(MAP, (4, 3, 4), *x, drawn, "the gate has half the skip's size")
    negative = modules.output("mirrored", seed)
    yield case(MAP, (4, 3, 4), *x, negative, "what goes into the sigmoid is below 0")
    look = modules.trainable(lambda case: 0)
    yield case(MAP, (4, 3, 5), *x, look, "the weights are counted")
    yield case(MAP, (4, 3, 5), *x, modules.training(seed), "the gate is in training mode")


class _PerChannel(Changed):
    def __init__(self, gate_channels, skip_channels, inner_channels):
        super().__init__(gate_channels, skip_channels, inner_channels)
        self.attention = nn.Conv2d(inner_channels, skip_channels, kernel_size=1)


class _BatchNorm(Changed):
    def __init__(self, gate_channels, skip_channels, inner_channels):
        super().__init__(gate_channels, skip_channels, inner_channels)
        self.norms = nn.ModuleList(nn.BatchNorm2d(inner_channels) for _ in range(2))

    def meet(self, skip, gate):
        return F.relu(self.norms[0](skip) + self.norms[1](gate))


class _ThreeByThree(Changed):
    def __init__(self, gate_channels, skip_channels, inner_channels):
        super().__init__(gate_channels, skip_channels, inner_channels)
        self.gate = nn.Conv2d(gate_channels, inner_channels, kernel_size=3, padding=1)
        self.skip = nn.Conv2d(skip_channels, inner_channels, kernel_size=3, padding=1)


class _SecondRelu(Changed):
    def squash(self, x):
        return torch.sigmoid(F.relu(x))


def celebrate(answer):
    """Show the attention map of an untrained gate."""
    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import show_image

    torch.manual_seed(0)
    skip = lesion().image[None]
    gate = torch.nn.functional.avg_pool2d(skip, 2)
    faded = answer(3, 3, 8)(gate, skip).detach()[0]
    alt = "A lesion, and the same picture, faded pixel by pixel by your untrained gate."
    show_image([skip[0], faded], ["skip", "after your gate"], alt=alt)


EXERCISE = Exercise(
    AttentionGate,
    number="3.5",
    difficulty=2,
    minutes=15,
    groups={SIZES: 1, MAP: 1, WEIGHED: 1},
    cases=cases,
    celebrate=celebrate,
    variants=(
        _enlarging(mode="nearest"),
        _enlarging(mode="nearest-exact"),
        _enlarging(mode="bilinear", align_corners=True),
    ),
    mistakes=[
        (
            "Your attention is a softmax over all pixels: they share one unit, and the larger the "
            "picture, the fainter the skip. A sigmoid decides pixel by pixel.",
            _with(squash=lambda self, x: x.flatten(2).softmax(dim=2).view_as(x)),
        ),
        (
            "Your skip is multiplied by numbers without bounds: the sigmoid has no effect. Attention lies "
            "between 0 and 1.",
            _with(squash=lambda self, x: x),
        ),
        (
            "Your gate keeps its own size. It comes from one level below and has half the skip's height "
            "and width: enlarge its branch to the skip's size before you add.",
            _with(enlarged=lambda self, gate, skip: gate),
        ),
        (
            "There is no ReLU after the sum. Without it skip and gate are only added up, and cannot decide "
            "together.",
            _with(meet=lambda self, skip, gate: skip + gate),
        ),
        (
            "You apply ReLU to each branch before the sum. The sum goes through ReLU, so that one branch "
            "can outvote the other.",
            _with(meet=lambda self, skip, gate: F.relu(skip) + F.relu(gate)),
        ),
        (
            "You multiply the two branches. This gate is additive: their sum goes through ReLU (Oktay et "
            "al. 2018, equation 1).",
            _with(meet=lambda self, skip, gate: F.relu(skip * gate)),
        ),
        (
            "You subtract one branch from the other. This gate is additive: their sum goes through ReLU.",
            _with(meet=lambda self, skip, gate: F.relu(skip - gate)),
        ),
        (
            "You weigh the gate and hand it on. The gate only decides; what passes, weighed, is the skip.",
            _with(
                weigh=lambda self, attention, gate, skip: (
                    F.interpolate(gate, size=skip.shape[-2:]) * attention
                )
            ),
        ),
        (
            "You add the skip again after weighing it. Then nothing can ever be faded out: each pixel is "
            "kept at least once.",
            _with(weigh=lambda self, attention, gate, skip: skip + skip * attention),
        ),
        (
            "You return the attention map. Multiply the skip by it: the weighed skip is asked for.",
            _with(weigh=lambda self, attention, gate, skip: attention),
        ),
        (
            "You multiply by 1 - attention. Where the attention is 1, the skip passes whole.",
            _with(weigh=lambda self, attention, gate, skip: skip * (1 - attention)),
        ),
        (
            "You make one map per channel of the skip. Here one number per pixel fades all its channels "
            "together, so that ψ has a single output channel.",
            _PerChannel,
        ),
        (
            "Your gate changes nothing: the skip decides on its own. Add the gate's branch to the skip's "
            "before the ReLU.",
            _with(meet=lambda self, skip, gate: F.relu(skip + 0 * gate)),
        ),
        (
            "Your skip has no say in its own weight: only the gate decides. Add the skip's branch to the "
            "gate's before the ReLU.",
            _with(meet=lambda self, skip, gate: F.relu(0 * skip + gate)),
        ),
        (
            "There is batch norm in your gate. None is asked for: the three 1 x 1 convolutions are enough.",
            _BatchNorm,
        ),
        (
            "Your convolutions are 3 x 3. 1 x 1 is asked for: each pixel decides by its own features.",
            _ThreeByThree,
        ),
        (
            "There is a second ReLU before the sigmoid, so that the attention never falls below 0.5.",
            _SecondRelu,
        ),
        (
            "Your attention is a tanh, which runs from -1 to 1. A sigmoid stays between 0 and 1.",
            _with(squash=lambda self, x: torch.tanh(x)),
        ),
    ],
    finished=("segcourse.models.blocks:AttentionGate", "monai.networks.nets.attentionunet:AttentionBlock"),
)
