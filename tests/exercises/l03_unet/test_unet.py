"""Exercise 3.3: right answers in other styles, promises and their breakers, mutants that are equal."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from contract import Contract
from torch import nn

from segcourse import exercises
from segcourse.exercises.engine.exercise import draw
from segcourse.exercises.l03_unet import unet as module
from segcourse.exercises.l03_unet import up as steps
from segcourse.exercises.l03_unet.up import Up
from segcourse.models import blocks
from segcourse.models.unet import UNet


class ByHand(nn.Module):
    """Every level by name, as in the paper's figure."""

    def __init__(self, n_channels, n_classes, width=64):
        super().__init__()
        w = [width * 2**k for k in range(5)]
        self.outc = nn.Conv2d(w[0], n_classes, 1, bias=False)
        self.pool = nn.MaxPool2d(2)
        self.up1, self.up2 = Up(w[4], w[3], w[3]), blocks.Up(w[3], w[2], w[2])
        self.up3, self.up4 = blocks.Up(w[2], w[1], w[1]), Up(w[1], w[0], w[0])
        self.inc, self.d1 = blocks.DoubleConv(n_channels, w[0]), blocks.DoubleConv(w[0], w[1])
        self.d2, self.d3 = blocks.DoubleConv(w[1], w[2]), blocks.DoubleConv(w[2], w[3])
        self.d4 = blocks.DoubleConv(w[3], w[4])

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.d1(self.pool(x1))
        x3 = self.d2(self.pool(x2))
        x4 = self.d3(self.pool(x3))
        x = self.up1(self.d4(self.pool(x4)), x4)
        x = self.up2(x, x3)
        return self.outc(self.up4(self.up3(x, x2), x1))


class Recursive(nn.Module):
    """A level that holds the level below."""

    class Level(nn.Module):
        def __init__(self, i, o, below):
            super().__init__()
            self.enter, self.below = blocks.DoubleConv(i, o), None
            if below:
                self.below = Recursive.Level(o, 2 * o, below - 1)
                self.up = Up(2 * o, o, o)

        def forward(self, x):
            x = self.enter(x)
            return self.up(self.below(F.max_pool2d(x, kernel_size=2)), x) if self.below else x

    def __init__(self, in_channels, num_classes, width=64):
        super().__init__()
        self.net = nn.Sequential(self.Level(in_channels, width, 4), nn.Conv2d(width, num_classes, 1))

    def forward(self, x):
        return self.net(x)


class OfTheLibrarysBlocks(nn.Module):
    """Downs of the library, and a linear layer at the end."""

    def __init__(self, i, c, width=64):
        super().__init__()
        w = [width * 2**k for k in range(5)]
        self.stem, self.head = blocks.DoubleConv(i, width), nn.Linear(width, c)
        self.downs = nn.ModuleList(blocks.Down(a, b) for a, b in itertools.pairwise(w))
        self.ups = nn.ModuleList(blocks.Up(b, a, a) for a, b in reversed(list(itertools.pairwise(w))))

    def forward(self, x):
        skips = [self.stem(x)]
        for down in self.downs:
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in self.ups:
            x = up(x, skips.pop())
        return self.head(x.movedim(1, -1)).movedim(-1, 1)


class WithHooks(ByHand):
    """The skips are caught by hooks."""

    def forward(self, x):
        caught = []
        encoders = (self.inc, self.d1, self.d2, self.d3)
        hooks = [e.register_forward_hook(lambda m, i, out: caught.append(out)) for e in encoders]
        x = self.inc(x)
        for down in (self.d1, self.d2, self.d3, self.d4):
            x = down(self.pool(x))
        for hook in hooks:
            hook.remove()
        for up in (self.up1, self.up2, self.up3, self.up4):
            x = up(x, caught.pop())
        return self.outc(x)


class Remembers(ByHand):
    size = None

    def forward(self, x):
        self.size = self.size or x.shape[-2:]
        return F.interpolate(super().forward(x), self.size)


def frozen(part):
    class Frozen(ByHand):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            getattr(self, part).requires_grad_(False)

    return Frozen


class NoGradientBelow(module.Changed):
    def forward(self, x):
        x, skips = self.stem(x), []
        for conv in self.convs:
            skips.append(x)
            x = conv(self.shrink(x))
        x = x.detach()
        for up, skip in zip(self.ups, skips[::-1], strict=True):
            x = up(x, skip)
        return self.head(x)


class DecodesWithTooFewChannels(UNet):
    """The skips come in the right order; the Up blocks expect half the channels that arrive."""

    def __init__(self, in_channels, num_classes, width=64):
        super().__init__(in_channels, num_classes, width)
        self.ups = nn.ModuleList(blocks.Up(width * 2**k, width * 2**k, width * 2**k) for k in (3, 2, 1, 0))


class TestUNet(Contract):
    name = "UNet"
    library = UNet
    right = {
        "by hand": ByHand,
        "recursive": Recursive,
        "the library's blocks": OfTheLibrarysBlocks,
        "hooks": WithHooks,
        "pads its input": module._PadsInput,
        "pads its input evenly": module._PadsInputEvenly,
        "pads top left": module._with(up=steps.PadsTopLeft),
    }
    promises = (
        ("`UNet(in_channels, num_classes, width=64)`", "no width is given",
         lambda i, c, width=32: ByHand(i, c, width)),
        ("H and W at least 16", "two pictures have 16 x 16 pixels", module._with(depth=5)),
        ("the picture is N x in_channels x H x W", "the picture has 101 x 131 pixels, and there is one class",
         module._Crops, module._with(up=steps._CropsSkip), module._with(up=steps._Unpadded)),
        ("H and W at least 16", "the picture has 21 x 35 pixels", module._Resizes, module._ResizesOutput),
        ("H and W at least 16", "the network has seen a smaller picture before", Remembers),
        ("level 1 is a double convolution", "the weights are counted",
         module._with(last=lambda self, width, classes: nn.Sequential(blocks.DoubleConv(width, width),
                                                                     nn.Conv2d(width, classes, 1)))),
        ("each step down is a 2 x 2 max pooling and a double convolution", "the weights are set by rule",
         module._with(shrink=lambda self, x: F.avg_pool2d(x, 2)), module._with(shrink=lambda self, x: x[..., ::2, ::2])),
        ("what the double convolution of the same level returned, from before the pooling", "four levels, four skips",
         module._with(kept=lambda self, before, after: torch.zeros_like(before)),
         module._with(kept=lambda self, before, after: F.interpolate(after, size=before.shape[-2:]))),
        ("at the end a 1 x 1 convolution turns the width channels into num_classes channels", "the weights are counted",
         module._TwoHeads),
        ("returns logits, N x num_classes x H x W: any real numbers, no sigmoid, no softmax", "logits",
         *module.ENDINGS),
        ("returns logits, N x num_classes x H x W", "two pictures have 17 x 23 pixels, and there are five classes",
         module._with(last=lambda self, width, classes: nn.Conv2d(width, 1, 1)), module._ClassIds),
        ("gradients reach every parameter, through the skips as well", "gradients are computed",
         module._Detached, NoGradientBelow),
        ("gradients reach every parameter", "the weights are counted", frozen("inc"), frozen("d4")),
    )  # fmt: skip
    equal = {
        r"width \* [248]|2 \* c.*c \* 2": "multiplication commutes",
        r"^(super|widths|self\.\w+|x = self\.first).*;.*  ->  ": "the order of the lines does not matter",
        r"^def __init__\(self, in": "the order of methods does not matter",
    }
    said = (
        (frozen("d4"), "trainable weights"),
        (DecodesWithTooFewChannels, "a convolution that was made for 16 input channels gets 32"),
        (lambda i, c, width=64: ByHand(i, c, 2 * width), "trainable weights"),
        (module.ENDINGS[2], "Your results are cut off at zero"),
    )

    def test_what_a_person_can_check_by_hand(self):
        """A bright pixel halves level by level."""
        case = next(c for c in draw(self.exercise) if c.observe is module.levels)
        strengths = module.levels(self.exercise.answer, case)["value"].tolist()
        assert strengths == pytest.approx([1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 0], abs=1e-3)

    def test_every_level_moves_the_output_by_a_hundred_tolerances(self):
        """Else a network that loses a level could pass."""
        for seed in range(5):
            case = next(c for c in draw(self.exercise, seed) if "the weights are set by rule" in c.traits)
            right = case.observe(module.Changed, case)["value"]
            for level in range(4):

                def kept(self, before, after, level=level):
                    width = before.shape[1]
                    return torch.zeros_like(before) if width == 2 * 2**level else before

                moved = case.observe(module._with(kept=kept), case)["value"]
                assert (moved - right).abs().max() > 100 * case.tolerance * right.abs().max(), level

    def test_what_comes_after_the_last_convolution_costs_its_point_only(self):
        points = {exercises.assess(self.name, ending, own=False).points for ending in module.ENDINGS}
        assert points == {5}
