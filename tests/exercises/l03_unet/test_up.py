"""Exercise 3.2: right answers in other styles, promises and their breakers, mutants that are equal."""

import torch
import torch.nn.functional as F
from contract import Contract
from torch import nn

from segcourse import exercises
from segcourse.exercises.l03_unet import up as module
from segcourse.exercises.l03_unet.double_conv import DoubleConv
from segcourse.exercises.l03_unet.up import Up as Answer
from segcourse.models import blocks


class PadsEvenly(nn.Module):
    """The padding of milesial's Pytorch-UNet, half on each side, x before the skip."""

    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__()
        self.double_conv = blocks.DoubleConv(in_channels // 2 + skip_channels, out_channels)
        self.grow = nn.ConvTranspose2d(in_channels, in_channels // 2, 2, 2)

    def forward(self, x1, x2):
        x1 = self.grow(x1)
        dy, dx = x2.size(2) - x1.size(2), x2.size(3) - x1.size(3)
        x1 = F.pad(x1, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.double_conv(torch.cat([x1, x2], 1))


class IntoCanvas(PadsEvenly):
    """Writes x into a canvas of the skip's size."""

    def forward(self, x, skip):
        x = self.grow(x)
        canvas = x.new_zeros(*x.shape[:2], *skip.shape[2:])
        canvas[:, :, : x.shape[2], : x.shape[3]] = x
        return self.double_conv(torch.cat((skip, canvas), dim=1))


class ZerosForOnePicture(PadsEvenly):
    def forward(self, x, skip):
        x = self.grow(x)
        rows, columns = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
        x = torch.cat([x, torch.zeros(1, x.shape[1], rows, x.shape[3])], dim=2) if rows else x
        x = torch.cat([x, torch.zeros(1, *x.shape[1:3], columns)], dim=3) if columns else x
        return self.double_conv(torch.cat([skip, x], dim=1))


class PadsTopLeft(nn.Module):
    """Pads above and on the left with a layer, without a bias."""

    def __init__(self, i, s, o):
        super().__init__()
        self.t = nn.ConvTranspose2d(i, i // 2, kernel_size=2, stride=2, bias=False)
        self.c = DoubleConv(i // 2 + s, o)

    def forward(self, x, skip):
        x = self.t(x)
        rows, columns = (a - b for a, b in zip(skip.shape[-2:], x.shape[-2:], strict=True))
        return self.c(torch.concat([skip, nn.ZeroPad2d((columns, 0, rows, 0))(x)], dim=-3))


class ByFunction(nn.Module):
    """The transposed convolution by function, on a parameter of one's own."""

    def __init__(self, i, s, o):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(i, i // 2, 2, 2)), nn.Parameter(torch.zeros(i // 2))
        self.conv = DoubleConv(i // 2 + s, o)

    def forward(self, x, skip):
        x = F.conv_transpose2d(x, self.weight, self.bias, stride=2)
        zeros = skip.new_zeros(*x.shape[:3], skip.shape[3] - x.shape[3])
        x = torch.cat([x, zeros], dim=3)
        zeros = skip.new_zeros(*x.shape[:2], skip.shape[2] - x.shape[2], x.shape[3])
        return self.conv(torch.cat([torch.cat([x, zeros], dim=2), skip], dim=1))


class Joined(Answer):
    def forward(self, x, skip):
        return self.conv(torch.cat([skip, x], dim=1))


class Remembers(Answer):
    missing = None

    def forward(self, x, skip):
        x = self.up(x)
        if self.missing is None:
            self.missing = [0, skip.shape[-1] - x.shape[-1], 0, skip.shape[-2] - x.shape[-2]]
        return self.conv(torch.cat([skip, F.pad(x, self.missing)], dim=1))


class Detached(module.Changed):
    def join(self, x, skip):
        return skip.detach(), self.padded(x, skip)


class ChangesSkip(module.Changed):
    def join(self, x, skip):
        copy = skip.clone()
        skip.data.zero_()
        return copy, self.padded(x, copy)


class NoDim(module.Changed):
    def forward(self, x, skip):
        return self.conv(torch.cat([skip, self.padded(self.up(x), skip)]))


class JoinsTwice(module.Changed):
    def forward(self, x, skip):
        x = self.padded(self.up(x), skip)
        return self.conv(torch.cat([skip, x, x], dim=1))


def changed(**pieces):
    return type("Changed", (module.Changed,), pieces)


def other(up):
    class Other(module.Changed):
        def __init__(self, i, s, o):
            super().__init__(i, s, o)
            self.up = up(i)

    return Other


class TestUp(Contract):
    name = "Up"
    library = blocks.Up
    right = {
        "pads evenly, x first": PadsEvenly,
        "into a canvas": IntoCanvas,
        "pads top left": PadsTopLeft,
        "by function": ByFunction,
    }
    promises = (
        ("`Up(in_channels, skip_channels, out_channels)`, `forward(x, skip)`", "even sizes",
         changed(forward=lambda self, x, skip: module.Changed.forward(self, skip, x))),
        ("where H is 2h or 2h + 1, and W likewise", "the skip has one column more", module._Unpadded, module._CropsSkip),
        ("where H is 2h or 2h + 1, and W likewise", "the skip has one row more", module._PadsSwapped),
        ("where H is 2h or 2h + 1", "the block has seen smaller pictures before", Remembers),
        ("a transposed convolution (kernel 2, stride 2) doubles the size of `x`", "each layer hands on the mean of its channels",
         changed(forward=lambda self, x, skip: self.conv(torch.cat([skip, F.interpolate(self.up(x), skip.shape[-2:])], 1)
                                                         * 0.5))),
        ("a transposed convolution (kernel 2, stride 2)", "the weights are counted",
         other(lambda i: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(i, i // 2, 1))),
         other(lambda i: nn.ConvTranspose2d(i, i // 2, 4, 2, 1))),
        ("leaves `in_channels // 2` channels", "the skip has other channels than half of x's", module._AssumesHalf,
         module._AssumesIn),
        ("`x` is padded with zeros to H x W", "there are two pictures of odd size", ZerosForOnePicture),
        ("`x` is padded with zeros to H x W", "everything is 0, and the transposed convolution has a bias of 1",
         module._OutputSize),
        ("`x` is padded with zeros to H x W", "the skip has one row and one column more", 
         module._joining(lambda self, x, skip: (skip, self.padded(x, skip, mode="replicate")))),
        ("it is not stretched, and the skip stays whole", "odd sizes", module._StretchesX, module._StretchesXNearest,
         module._joining(lambda self, x, skip: (F.interpolate(skip, x.shape[-2:]), x))),
        ("concatenated along the channels, in either order", "there are two pictures", NoDim, module._Adds),
        ("a double convolution turns them into out_channels channels", "even sizes", module._ConvolvesOnce),
        ("returns N x out_channels x H x W", "the skip has 101 x 131 pixels", module._CropsSkip),
        ("and the skip stays whole", "x is 0 everywhere, the skip has 5 x 5 pixels", module._IgnoresSkip),
        ("from below", "gradients are computed", Detached),
        ("from below", "even sizes", ChangesSkip),
    )  # fmt: skip
    equal = {
        r"shape\[--?2\]|shape\[2\]|shape\[-1\]": "of four axes, the last but one is axis 2",
        r"torch\.concat": "concat is another name of cat",
        r"skip_channels \+ in_channels // 2": "addition commutes",
        r"^(missing|self\.up).*; (missing|self\.conv).*  ->  (missing|self\.conv)": "the order of the lines does not matter",
        r"_result = .*; x\.mul_": "x is a tensor of the answer's own by then",
        r"^def __init__\(self, in": "the order of methods does not matter",
    }
    said = (
        (Remembers, "only where the block has seen smaller pictures before"),
        (NoDim, "You concatenate along the pictures"),
        (module._Unpadded, "Your x stays one pixel smaller than the skip"),
        (Detached, "The gradient of skip is missing"),
    )

    def test_an_error_is_not_taken_for_another_of_its_kind(self):
        """Most mistakes with shapes end in a RuntimeError: its kind alone would name the wrong one of them."""
        verdict = exercises.assess("Up", JoinsTwice, own=False)
        assert verdict.diagnosis.startswith("Your code stops in line ")

    def test_what_a_person_can_check_by_hand(self):
        """Each layer hands on the mean of its channels: 1 … 4 enlarged, and the mean with a skip of ones."""
        from segcourse.exercises.engine.exercise import draw

        case = draw(self.exercise)[0]
        [[value]] = case.observe(Answer, case)["value"]
        enlarged = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).repeat_interleave(2, 0).repeat_interleave(2, 1)
        assert torch.allclose(value, (enlarged + 1) / 2, atol=1e-3)
