"""Exercise 3.5 (stretch): let the coarser level decide which parts of a skip pass."""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import nn

from segcourse.exercises.engine import modules
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observing import Explained
from segcourse.exercises.engine.weights import find_uses
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


BILINEAR: dict[str, Any] = {"mode": "bilinear"}
NEAREST: dict[str, Any] = {"mode": "nearest"}
CORNERS: dict[str, Any] = {"mode": "bilinear", "align_corners": True}


class Changed(AttentionGate):
    """The right answer, in pieces that variants and mistakes replace one by one."""

    options = BILINEAR
    early = False  # whether the gate is enlarged before its convolution
    biases = (True, True, True)  # of W_g, W_x and ψ

    def __init__(self, gate_channels, skip_channels, inner_channels):
        super().__init__(gate_channels, skip_channels, inner_channels)
        for layer, bias in zip((self.gate, self.skip, self.attention), self.biases, strict=True):
            layer.bias = layer.bias if bias else None

    def forward(self, gate, skip):
        large = (
            self.branch(self.enlarged(gate, skip)) if self.early else self.enlarged(self.branch(gate), skip)
        )
        both = self.meet(self.skip(skip), large)
        return self.weigh(self.squash(self.attention(both)), gate, skip)

    def branch(self, gate):
        return self.gate(gate)

    def enlarged(self, gate, skip):
        return F.interpolate(gate, size=skip.shape[-2:], **self.options)

    def meet(self, skip, gate):
        return F.relu(skip + gate)

    def squash(self, x):
        return torch.sigmoid(x)

    def weigh(self, attention, gate, skip):
        return skip * attention


def _with(base: type[Changed] = Changed, **pieces: Any) -> type[Changed]:
    return type("Changed", (base,), pieces)


MODES = (BILINEAR, NEAREST, CORNERS)
NO_NORM = "There is batch norm in your gate. None is asked for: the three 1 x 1 convolutions are enough."
ONE_BY_ONE = (
    "At least one of your convolutions is larger than 1 x 1. 1 x 1 is asked for: each pixel decides by its "
    "own features."
)


SIZES, MAP, WEIGHED = "sizes", "one attention map", "the skip, weighed"


@modules.paste("{net}")
def layers(obj: Callable, case: Case) -> dict[str, Any]:
    """Observe how many weights there are, and stop at layers that a gate does without."""
    uses = find_uses(*modules.build(obj, case))
    if any(use.role.startswith("running") for use in uses):
        raise Explained(NO_NORM)
    if any(use.tensor.shape[axis] > 1 for use in uses for axis in use.taps):
        raise Explained(ONE_BY_ONE)
    return modules.trainable(lambda case: 0)(obj, case)


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
    yield case(MAP, (4, 3, 5), *x, layers, "the weights are counted")
    yield case(MAP, (4, 3, 5), *x, modules.training(seed), "the gate is in training mode")


class _PerChannel(Changed):
    def __init__(self, gate_channels, skip_channels, inner_channels):
        super().__init__(gate_channels, skip_channels, inner_channels)
        self.attention = nn.Conv2d(inner_channels, skip_channels, kernel_size=1)


class _InnerIsSkip(Changed):
    def __init__(self, gate_channels, skip_channels, inner_channels):
        super().__init__(gate_channels, skip_channels, skip_channels)


class _InnerIsGate(Changed):
    def __init__(self, gate_channels, skip_channels, inner_channels):
        super().__init__(gate_channels, skip_channels, gate_channels)


class _NoGate(Changed):
    def __init__(self, gate_channels, skip_channels, inner_channels):
        super().__init__(gate_channels, skip_channels, inner_channels)
        self.gate = nn.Identity()

    def meet(self, skip, gate):
        return F.relu(skip)


class _NoSkip(Changed):
    def __init__(self, gate_channels, skip_channels, inner_channels):
        super().__init__(gate_channels, skip_channels, inner_channels)
        self.skip = nn.Identity()

    def meet(self, skip, gate):
        return F.relu(gate)


class _NoPsi(Changed):
    def __init__(self, gate_channels, skip_channels, inner_channels):
        super().__init__(gate_channels, skip_channels, inner_channels)
        self.attention = nn.Identity()


class _Concatenates(Changed):
    def __init__(self, gate_channels, skip_channels, inner_channels):
        super().__init__(gate_channels, skip_channels, inner_channels)
        self.attention = nn.Conv2d(2 * inner_channels, 1, kernel_size=1)

    def meet(self, skip, gate):
        return F.relu(torch.cat([skip, gate], dim=1))


class _ConcatenatesInputs(Changed):
    def __init__(self, gate_channels, skip_channels, inner_channels):
        super().__init__(gate_channels, skip_channels, inner_channels)
        self.gate, self.skip = nn.Identity(), nn.Identity()
        self.both = nn.Conv2d(gate_channels + skip_channels, inner_channels, kernel_size=1)

    def meet(self, skip, gate):
        return F.relu(self.both(torch.cat([skip, gate], dim=1)))


class _AllOnes(Changed):
    def squash(self, x):
        return x.softmax(dim=1)


class _ShrinksSkip(Changed):
    """As in the paper: the map is made at the gate's size, and then enlarged."""

    smaller: dict[str, Any] | None = BILINEAR
    sigmoid_last = False

    def forward(self, gate, skip):
        size, fine = gate.shape[-2:], self.skip(skip)
        fine = (
            F.interpolate(fine, size, **self.smaller) if self.smaller else F.adaptive_avg_pool2d(fine, size)
        )
        logit = self.attention(self.meet(fine, self.gate(gate)))
        if self.sigmoid_last:
            return skip * self.squash(self.enlarged(logit, skip))
        return skip * self.enlarged(self.squash(logit), skip)


class _StridedSkip(Changed):
    """The paper's own W_x, which shrinks the skip."""

    kernel = 2

    def __init__(self, gate_channels, skip_channels, inner_channels):
        super().__init__(gate_channels, skip_channels, inner_channels)
        self.skip = nn.Conv2d(skip_channels, inner_channels, self.kernel, stride=2)

    def forward(self, gate, skip):
        return skip * self.enlarged(
            self.squash(self.attention(self.meet(self.skip(skip), self.gate(gate)))), skip
        )


class _Doubles(Changed):
    def enlarged(self, gate, skip):
        return F.interpolate(gate, scale_factor=2, **self.options)


class _SwappedForward(Changed):
    def forward(self, skip, gate):
        return super().forward(gate, skip)


class _SwappedSizes(Changed):
    def __init__(self, gate_channels, skip_channels, inner_channels):
        super().__init__(skip_channels, gate_channels, inner_channels)


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


ACTIVATIONS = (F.leaky_relu, functools.partial(F.leaky_relu, negative_slope=0.2), F.tanh, F.sigmoid, F.gelu)


def _mistakes() -> Iterator[tuple[str, type[Changed]]]:
    for says, *wrongs in _ONCE:
        yield from ((says, wrong) for wrong in wrongs)
    for says, *wrongs in _IN_EVERY_MODE:
        yield from ((says, _with(wrong, options=options)) for wrong in wrongs for options in MODES)


# wrong answers in which it does not show how the gate is enlarged
_ONCE: list[tuple[Any, ...]] = [
    (
        "Your gate keeps its own size. It comes from one level below and has half the skip's height "
        "and width: enlarge its branch to the skip's size before you add.",
        _with(enlarged=lambda self, gate, skip: gate),
    ),
    (
        "Your gate changes nothing: the skip decides on its own. Add the gate's branch to the skip's "
        "before the ReLU.",
        _with(meet=lambda self, skip, gate: F.relu(skip + 0 * gate)),
        _with(meet=lambda self, skip, gate: F.relu(skip + 0 * gate), biases=(False, True, True)),
        _NoGate,
    ),
    (
        "Your skip comes back as it was: the attention is 1 everywhere. A softmax over a single channel does "
        "that; use a sigmoid.",
        *(_with(_AllOnes, biases=b) for b in itertools.product((True, False), repeat=3)),
    ),
    (
        "Your gate is the same at every pixel, as if averaged over the picture. It cannot say where "
        "something is. Enlarge it to the skip's size by interpolation.",
        _with(enlarged=lambda self, gate, skip: gate.mean((2, 3), keepdim=True)),
        _with(enlarged=lambda self, gate, skip: gate.amax((2, 3), keepdim=True)),
        _with(enlarged=lambda self, gate, skip: gate.amax((2, 3), keepdim=True), early=True),
    ),
    (
        "You enlarge the gate by bicubic interpolation. Nearest or bilinear is asked for.",
        _with(options={"mode": "bicubic"}),
        _with(options={"mode": "bicubic", "align_corners": True}),
    ),
    (
        "You shrink the skip for the sum and enlarge the attention, as the paper does. Here the gate is "
        "enlarged to the skip's size before the sum, and the skip stays whole.",
        *(
            _with(_ShrinksSkip, smaller=smaller, options=options, sigmoid_last=last)
            for smaller in (*MODES, None)
            for options in MODES
            for last in (False, True)
        ),
        *(_with(_StridedSkip, kernel=kernel, options=options) for kernel in (1, 2) for options in MODES),
    ),
    (
        "Gate and skip are mixed up: a convolution for one of them gets the other. The orders are "
        "`AttentionGate(gate_channels, skip_channels, inner_channels)` and `forward(gate, skip)`.",
        *(_with(wrong, early=early) for wrong in (_SwappedForward, _SwappedSizes) for early in (False, True)),
    ),
    (NO_NORM, _BatchNorm),
    (ONE_BY_ONE, _ThreeByThree),
]
_IN_EVERY_MODE: list[tuple[Any, ...]] = [
    (
        "Your attention is a softmax over all pixels: they share one unit, and the larger the "
        "picture, the fainter the skip. A sigmoid decides pixel by pixel.",
        _with(squash=lambda self, x: x.flatten(2).softmax(dim=2).view_as(x)),
    ),
    (
        "Your attention is a softmax along rows or columns: their pixels share one unit. A sigmoid decides "
        "pixel by pixel.",
        _with(squash=lambda self, x: x.softmax(dim=2)),
        _with(squash=lambda self, x: x.softmax(dim=3)),
    ),
    (
        "Your skip is multiplied by numbers without bounds: the sigmoid has no effect. Attention lies "
        "between 0 and 1.",
        _with(squash=lambda self, x: x),
    ),
    (
        "Your attention goes through a sigmoid twice, so that it lies between 0.5 and 0.73. Once is enough.",
        _with(squash=lambda self, x: x.sigmoid().sigmoid()),
    ),
    (
        "Sigmoid and ReLU are exchanged: yours squashes the sum, and cuts off what ψ returns. ReLU follows "
        "the sum, and the sigmoid follows ψ.",
        _with(meet=lambda self, skip, gate: torch.sigmoid(skip + gate), squash=lambda self, x: F.relu(x)),
    ),
    (
        "There is no ReLU after the sum. Without it, the sigmoid sees one weighted sum of skip and gate, and "
        "inner_channels has no effect.",
        _with(meet=lambda self, skip, gate: skip + gate),
    ),
    (
        "Your attention is a plain sum without ReLU and sigmoid. ReLU follows the sum, and the sigmoid "
        "follows ψ.",
        _with(meet=lambda self, skip, gate: skip + gate, squash=lambda self, x: x),
    ),
    (
        "You apply ReLU to each branch before the sum. The sum goes through ReLU, so that one branch "
        "can outvote the other.",
        *(
            _with(meet=lambda self, skip, gate: F.relu(skip) + F.relu(gate), early=early)
            for early in (False, True)
        ),
        _with(
            meet=lambda self, skip, gate: F.relu(skip) + gate,
            branch=lambda self, gate: F.relu(self.gate(gate)),
        ),
    ),
    (
        "You apply ReLU to one branch before the sum. The sum goes through ReLU, so that one branch can "
        "outvote the other.",
        _with(meet=lambda self, skip, gate: F.relu(skip) + gate),
        _with(meet=lambda self, skip, gate: skip + F.relu(gate)),
    ),
    (
        "You multiply the two branches. This gate is additive: their sum goes through ReLU (Oktay et "
        "al. 2018, equation 1).",
        _with(meet=lambda self, skip, gate: F.relu(skip * gate)),
        _with(meet=lambda self, skip, gate: skip * gate),
    ),
    (
        "You subtract one branch from the other. This gate is additive: their sum goes through ReLU.",
        _with(meet=lambda self, skip, gate: F.relu(skip - gate)),
        _with(meet=lambda self, skip, gate: F.relu(gate - skip)),
    ),
    (
        "You concatenate skip and gate. This gate is additive: W_x skip and W_g gate have inner_channels "
        "channels each, and are added.",
        _Concatenates,
    ),
    (
        "One convolution of skip and gate together computes the same kind of sum. Here W_x and W_g are asked "
        "for as two separate convolutions.",
        _ConcatenatesInputs,
    ),
    (
        "You weigh the gate and hand it on. The gate only decides; what passes, weighed, is the skip.",
        _with(weigh=lambda self, attention, gate, skip: self.enlarged(gate, skip) * attention),
        _with(weigh=lambda self, attention, gate, skip: self.enlarged(self.gate(gate), skip) * attention),
    ),
    (
        "You weigh W_x skip, with its inner_channels channels. It is only for the attention: multiply the "
        "skip itself.",
        _with(weigh=lambda self, attention, gate, skip: self.skip(skip) * attention),
    ),
    (
        "You add the skip again after weighing it. Then nothing can ever be faded out: each pixel is "
        "kept at least once.",
        _with(weigh=lambda self, attention, gate, skip: skip + skip * attention),
    ),
    (
        "You add the attention to the skip. Multiply: then 0 fades a pixel out, and 1 lets it pass whole.",
        _with(weigh=lambda self, attention, gate, skip: skip + attention),
    ),
    (
        "You return the attention map. Multiply the skip by it: the weighed skip is asked for.",
        _with(weigh=lambda self, attention, gate, skip: attention),
        _with(weigh=lambda self, attention, gate, skip: attention, squash=lambda self, x: x),
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
        "Your ψ is missing: each inner channel goes into the sigmoid. A 1 x 1 convolution from "
        "inner_channels to a single channel makes one number per pixel.",
        _NoPsi,
    ),
    (
        "Your W_g and W_x do not lead to inner_channels channels, but to as many as gate or skip have.",
        _InnerIsSkip,
        _InnerIsGate,
    ),
    (
        "Your skip has no say in its own weight: only the gate decides. Add the skip's branch to the "
        "gate's before the ReLU.",
        _with(meet=lambda self, skip, gate: F.relu(0 * skip + gate)),
        _with(meet=lambda self, skip, gate: F.relu(0 * skip + gate), biases=(True, False, True)),
        _NoSkip,
    ),
    (
        "You double the gate's size, which fits only where the skip is exactly twice as large. Enlarge it to "
        "the skip's size: `size=skip.shape[-2:]`.",
        _Doubles,
    ),
    (
        "You enlarge the gate to W x H. Height comes first: `size=skip.shape[-2:]`.",
        _with(
            enlarged=lambda self, gate, skip: F.interpolate(
                gate, (skip.shape[-1], skip.shape[-2]), **self.options
            )
        ),
    ),
    (
        "There is a second ReLU before the sigmoid, so that the attention never falls below 0.5.",
        _with(squash=lambda self, x: torch.sigmoid(F.relu(x))),
    ),
    (
        "Your attention is cut off at 0 and has no upper bound, as after a ReLU. A sigmoid stays between 0 "
        "and 1.",
        _with(squash=lambda self, x: F.relu(x)),
    ),
    (
        "There is a ReLU at the end of your gate: numbers of the skip below 0 are lost. Return the weighed "
        "skip as it is.",
        _with(weigh=lambda self, attention, gate, skip: F.relu(skip * attention)),
    ),
    (
        "The sum goes through another activation than ReLU, such as LeakyReLU, tanh or a sigmoid.",
        *(_with(meet=lambda self, skip, gate, act=act: act(skip + gate)) for act in ACTIVATIONS),
    ),
    (
        "Your attention is a tanh, which runs from -1 to 1. A sigmoid stays between 0 and 1.",
        _with(squash=lambda self, x: torch.tanh(x)),
    ),
]


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
    variants=tuple(_with(options=options) for options in (NEAREST, {"mode": "nearest-exact"}, CORNERS)),
    mistakes=list(_mistakes()),
    finished=("segcourse.models.blocks:AttentionGate", "monai.networks.nets.attentionunet:AttentionBlock"),
)
