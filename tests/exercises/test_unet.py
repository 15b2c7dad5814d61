"""Lesson 3's exercises: any right answer passes, each wrong one is told its own sentence."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segcourse.exercises import unet
from segcourse.exercises.engine import draw, judge, observe_all
from segcourse.models import blocks
from segcourse.models.unet import UNet

torch.set_num_threads(1)

SEEDS = [None, 7]
POINTS = {"DoubleConv": 3, "Up": 4, "UNet": 6, "count_parameters": 2, "AttentionGate": 3}
EXERCISES = {exercise.name: exercise for exercise in unet.EXERCISES}
MISTAKES = [
    pytest.param(exercise, m, id=f"{exercise.name}-{i}")
    for exercise in unet.EXERCISES
    for i, m in enumerate(exercise.misconceptions)
]


def verdict(name, obj, seed=None):
    exercise = EXERCISES[name]
    cases = draw(exercise, seed)
    return judge(exercise, observe_all(exercise, obj, cases), cases)


# Other ways of writing what is asked.


def convolve_twice(in_channels, out_channels):
    """A function that returns layers, with biases that batch norm makes useless."""

    def unit(channels):
        return [
            nn.Conv2d(channels, out_channels, 3, 1, 1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        ]

    return nn.Sequential(*unit(in_channels), *unit(out_channels))


class DoubleConvByFunction(nn.Module):
    """Defined backwards, called by function."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.bn_b, self.conv_b = nn.BatchNorm2d(outputs), nn.Conv2d(outputs, outputs, 3, padding="same")
        self.bn_a, self.conv_a = nn.BatchNorm2d(outputs), nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)

    def forward(self, picture):
        picture = self.bn_a(self.conv_a(picture)).clamp(min=0)
        return torch.relu_(self.bn_b(self.conv_b(picture)))


class DoubleConvOfUnits(nn.Module):
    """Two of one's own units, padded by hand, in half the lines."""

    class Unit(nn.Module):
        def __init__(self, i, o):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(o, i, 3, 3) * 0.1)
            self.norm = nn.BatchNorm2d(o)

        def forward(self, x):
            return F.relu(self.norm(F.conv2d(F.pad(x, [1, 1, 1, 1]), self.weight)))

    def __init__(self, i, o):
        super().__init__()
        self.units = nn.ModuleList([self.Unit(i, o), self.Unit(o, o)])

    def forward(self, x):
        for unit in self.units:
            x = unit(x)
        return x


class UpPadsEvenly(nn.Module):
    """The padding of milesial's Pytorch-UNet, half on each side, x before the skip."""

    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__()
        self.double_conv = convolve_twice(in_channels // 2 + skip_channels, out_channels)
        self.grow = nn.ConvTranspose2d(in_channels, in_channels // 2, 2, 2)

    def forward(self, x1, x2):
        x1 = self.grow(x1)
        dy, dx = x2.size(2) - x1.size(2), x2.size(3) - x1.size(3)
        x1 = F.pad(x1, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.double_conv(torch.cat([x1, x2], 1))


class UpIntoCanvas(UpPadsEvenly):
    """Writes x into a canvas of the skip's size."""

    def forward(self, x, skip):
        x = self.grow(x)
        canvas = x.new_zeros(*x.shape[:2], *skip.shape[2:])
        canvas[:, :, : x.shape[2], : x.shape[3]] = x
        return self.double_conv(torch.cat((skip, canvas), dim=1))


class UpPadsTopLeft(nn.Module):
    """Pads above and on the left with a layer, without a bias."""

    def __init__(self, i, s, o):
        super().__init__()
        self.t = nn.ConvTranspose2d(i, i // 2, kernel_size=2, stride=2, bias=False)
        self.c = DoubleConvByFunction(i // 2 + s, o)

    def forward(self, x, skip):
        x = self.t(x)
        rows, columns = (a - b for a, b in zip(skip.shape[-2:], x.shape[-2:], strict=True))
        return self.c(torch.concat([skip, nn.ZeroPad2d((columns, 0, rows, 0))(x)], dim=-3))


class UNetByHand(nn.Module):
    """Every level by name, as in the paper's figure."""

    def __init__(self, n_channels, n_classes, width=64):
        super().__init__()
        w = [width * 2**k for k in range(5)]
        self.outc = nn.Conv2d(w[0], n_classes, 1, bias=False)
        self.pool = nn.MaxPool2d(2)
        self.up1, self.up2 = UpPadsEvenly(w[4], w[3], w[3]), UpIntoCanvas(w[3], w[2], w[2])
        self.up3, self.up4 = UpPadsTopLeft(w[2], w[1], w[1]), UpPadsEvenly(w[1], w[0], w[0])
        self.inc, self.d1 = convolve_twice(n_channels, w[0]), convolve_twice(w[0], w[1])
        self.d2, self.d3 = DoubleConvOfUnits(w[1], w[2]), convolve_twice(w[2], w[3])
        self.d4 = convolve_twice(w[3], w[4])

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.d1(self.pool(x1))
        x3 = self.d2(self.pool(x2))
        x4 = self.d3(self.pool(x3))
        x = self.up1(self.d4(self.pool(x4)), x4)
        x = self.up2(x, x3)
        return self.outc(self.up4(self.up3(x, x2), x1))


class UNetRecursive(nn.Module):
    """A level that holds the level below."""

    class Level(nn.Module):
        def __init__(self, i, o, below):
            super().__init__()
            self.enter, self.below = convolve_twice(i, o), None
            if below:
                self.below = UNetRecursive.Level(o, 2 * o, below - 1)
                self.up = UpIntoCanvas(2 * o, o, o)

        def forward(self, x):
            x = self.enter(x)
            return self.up(self.below(F.max_pool2d(x, kernel_size=2)), x) if self.below else x

    def __init__(self, in_channels, num_classes, width=64):
        super().__init__()
        self.net = nn.Sequential(self.Level(in_channels, width, 4), nn.Conv2d(width, num_classes, 1))

    def forward(self, x):
        return self.net(x)


class UNetPadsItsInput(UNetByHand):
    """Rounds the picture up to a multiple of 16 and cuts the result."""

    def forward(self, x):
        height, width = x.shape[-2:]
        x = F.pad(x, [0, -width % 16, 0, -height % 16])
        return super().forward(x)[..., :height, :width]


def count_with_a_loop(network):
    total = 0
    for _, weight in network.named_parameters():
        if weight.requires_grad:
            product = 1
            for axis in weight.shape:
                product *= axis
            total += product
    return total


class GateBeforeEnlarging(nn.Module):
    """Enlarges the gate first, by repeating pixels, and calls everything something else."""

    def __init__(self, F_g, F_l, F_int):
        super().__init__()
        self.psi = nn.Sequential(nn.Conv2d(F_int, 1, 1), nn.Sigmoid())
        self.W_x, self.W_g = nn.Conv2d(F_l, F_int, 1), nn.Conv2d(F_g, F_int, 1)

    def forward(self, g, x):
        g = F.interpolate(g, size=x.shape[2:], mode="nearest")
        return x * self.psi(F.relu(self.W_x(x) + self.W_g(g), inplace=True))


class GateByFunction(nn.Module):
    """One weight tensor a step; the map as an exponential."""

    def __init__(self, g, s, i):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.randn(i, s, 1, 1)), nn.Parameter(torch.randn(i, g, 1, 1))
        self.c = nn.Parameter(torch.randn(1, i, 1, 1))

    def forward(self, gate, skip):
        gate = F.interpolate(F.conv2d(gate, self.b), skip.shape[-2:], mode="bilinear", align_corners=True)
        logit = F.conv2d((F.conv2d(skip, self.a) + gate).clamp_min(0), self.c)
        return skip / (1 + torch.exp(-logit))


class GateOfLayers(GateBeforeEnlarging):
    """An nn.Upsample made when the size is known, and the map written out to all channels."""

    def forward(self, gate, skip):
        total = nn.Upsample(skip.shape[-2:], mode="bilinear")(self.W_g(gate)).add_(self.W_x(skip))
        return torch.mul(self.psi(total.relu()).expand_as(skip), skip)


STYLES = {
    "DoubleConv": [convolve_twice, DoubleConvByFunction, DoubleConvOfUnits],
    "Up": [UpPadsEvenly, UpIntoCanvas, UpPadsTopLeft],
    "UNet": [UNetByHand, UNetRecursive, UNetPadsItsInput],
    "count_parameters": [
        count_with_a_loop,
        lambda m: int(np.sum([np.prod(p.shape) for p in m.parameters() if p.requires_grad])),
        lambda m: torch.tensor([p.nelement() for p in m.parameters() if p.requires_grad] + [0]).sum(),
    ],
    "AttentionGate": [GateBeforeEnlarging, GateByFunction, GateOfLayers],
}


def test_points_are_those_that_the_lesson_promises():
    assert {name: exercise.points for name, exercise in EXERCISES.items()} == POINTS
    assert {exercise.lesson for exercise in unet.EXERCISES} == {"03_unet"}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", EXERCISES)
def test_the_answer_passes(name, seed):
    assert verdict(name, EXERCISES[name].answer, seed).passed


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "style"), [(name, style) for name in STYLES for style in STYLES[name]])
def test_other_styles_get_every_point(name, style, seed):
    assert verdict(name, style, seed).points == POINTS[name]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("exercise", "mistake"), MISTAKES)
def test_each_mistake_is_told_its_own_sentence(exercise, mistake, seed):
    """That separates every pair, too: if two looked alike, one would read the other's sentence."""
    told = verdict(exercise.name, mistake.wrong, seed)
    assert not told.passed
    assert (told.diagnosis, told.partly) == (mistake.says, False)


@pytest.mark.parametrize("exercise", unet.EXERCISES, ids=lambda exercise: exercise.name)
def test_there_are_mistakes_enough_and_no_sentence_serves_twice(exercise):
    sentences = [mistake.says for mistake in exercise.misconceptions]
    assert len(set(sentences)) == len(sentences) >= 6


@pytest.mark.parametrize("exercise", unet.EXERCISES, ids=lambda exercise: exercise.name)
def test_every_group_of_cases_is_missed_by_some_mistake(exercise):
    verdicts = [verdict(exercise.name, mistake.wrong) for mistake in exercise.misconceptions]
    assert {g.name for v in verdicts for g in v.groups if not g.passed} == set(exercise.groups)


@pytest.mark.parametrize("name", EXERCISES)
def test_an_untouched_stub_has_not_been_started(name):
    class Stub(nn.Module):
        def __init__(self, *sizes):
            raise NotImplementedError("Exercise 3")

    assert not verdict(name, Stub).started


def test_two_mistakes_at_once_are_told_as_a_part():
    class NoSkipsAndSigmoid(unet.mistakes.WithoutSkips):
        def forward(self, x):
            return super().forward(x).sigmoid()

    told = verdict("UNet", NoSkipsAndSigmoid)
    assert told.points < 6
    assert told.smallest is not None


def test_what_a_person_can_check_by_hand():
    """Two 3x3 kernels see 5x5; a bright pixel halves level by level; skip 1 and gate -1: sigmoid(0)."""
    seen = {case.note: case for case in draw(unet.double_conv)}["what the central pixel sees"]
    assert unet.field_of_view(unet.double_conv.answer, seen)["field of view"] == [5, 5]
    pixel = next(case for case in draw(unet.unet) if case.observe is unet.levels)
    strengths = next(iter(unet.levels(unet.unet.answer, pixel).values()))
    assert strengths.tolist() == pytest.approx([1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 0], abs=1e-3)
    even = next(case for case in draw(unet.attention_gate) if case.observe is unet.transparent)
    assert unet.transparent(unet.attention_gate.answer, even)["value"].item() == pytest.approx(0.5)


class JoinsAlongTheBatch(blocks.Up):
    def forward(self, x, skip):
        return self.conv(torch.cat([skip, self.up(x)], dim=0))


class DecodesWithTooFewChannels(UNet):
    """The skips come in the right order; the Up blocks expect half the channels that arrive."""

    def __init__(self, in_channels, num_classes, width=64):
        super().__init__(in_channels, num_classes, width)
        self.ups = nn.ModuleList(blocks.Up(width * 2**k, width * 2**k, width * 2**k) for k in (3, 2, 1, 0))


@pytest.mark.parametrize(("name", "wrong"), [("Up", JoinsAlongTheBatch), ("UNet", DecodesWithTooFewChannels)])
def test_an_error_is_not_taken_for_another_of_its_kind(name, wrong):
    """Most mistakes with shapes end in a RuntimeError: its kind alone would name the wrong one of them."""
    says = verdict(name, wrong).diagnosis
    assert says.startswith("your code stops with RuntimeError: "), says


@pytest.mark.parametrize("reference", [blocks.DoubleConv, blocks.Up, UNet, blocks.AttentionGate])
def test_a_forgotten_return_is_named(reference):
    class Forgets(reference):
        def forward(self, *inputs):
            super().forward(*inputs)

    assert "your `forward` returns None" in verdict(reference.__name__, Forgets).diagnosis


def test_layers_in_a_python_list_are_named_whatever_the_exercise():
    class InAList(nn.Module):
        def __init__(self, in_channels, out_channels):
            super().__init__()
            self.layers = list(blocks.DoubleConv(in_channels, out_channels).children())

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    assert "in a plain Python list" in verdict("DoubleConv", InAList).diagnosis
