"""A reply may be silent, never false: sentences that once claimed more than the cases show."""

import torch
import torch.nn.functional as F
from torch import nn

from segcourse import exercises
from segcourse.exercises.l01_pixel_classification.grow_region import grow_region
from segcourse.exercises.l02_fcn.fcn32s import _HiddenEncoder
from segcourse.exercises.l03_unet.double_conv import DoubleConv
from segcourse.exercises.l03_unet.unet import UNet
from segcourse.exercises.l05_losses_metrics.soft_dice_loss import soft_dice_loss


def said(name, answer):
    return exercises.assess(name, answer, own=False).diagnosis


class Squeezes(DoubleConv):
    def forward(self, x):
        return super().forward(x).squeeze()


class CentresItsInput(UNet):
    def forward(self, x):
        x -= x.mean()
        return super().forward(x)


class AddsSkips(nn.Module):
    """A U-Net that adds its skips, by its own layers."""

    def __init__(self, in_channels, num_classes, width=64):
        super().__init__()
        widths = [in_channels, *(width * 2**level for level in range(5))]
        self.downs = nn.ModuleList(map(DoubleConv, widths, widths[1:]))
        self.grow = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in widths[-2:0:-1])
        self.ups = nn.ModuleList(DoubleConv(w, w) for w in widths[-2:0:-1])
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, x):
        skips = []
        for level, down in enumerate(self.downs):
            x = down(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for grow, up, skip in zip(self.grow, self.ups, skips[-2::-1], strict=True):
            x = grow(x)
            rows, columns = skip.shape[-2] - x.shape[-2], skip.shape[-1] - x.shape[-1]
            x = up(F.pad(x, [0, columns, 0, rows]) + skip)
        return self.head(x)


def test_numbers_of_another_shape_are_not_called_close():
    assert "Your result has shape" in said("DoubleConv", Squeezes)
    assert "close" not in said("DoubleConv", Squeezes)


def test_a_changed_input_is_not_called_right_where_other_results_are_wrong():
    words = said("UNet", CentresItsInput)
    assert "Your code changes its input image in place" in words
    assert "The result is right" not in words


def test_eval_mode_is_not_blamed_for_what_is_wrong_before_training():
    assert "In training mode your result is right" not in said("UNet", AddsSkips)


def test_a_missing_gradient_is_not_placed_where_alone_somebody_looked():
    words = said("soft_dice_loss", lambda logits, target: soft_dice_loss(logits, target).item())
    assert "its gradient is missing" in words
    assert "only where the logits are bfloat16" not in words


def test_a_sentence_about_some_cases_says_so():
    def clamped(logits, target, gamma=2.0):
        nll = F.cross_entropy(logits.float().clamp(-10, 10), target, reduction="none")
        return (torch.clamp(1 - torch.exp(-nll), min=1e-12) ** gamma * nll).mean()

    words = said("focal_loss", clamped)
    assert "Your numbers are the expected ones minus" in words
    assert "This is so in " in words


def test_one_number_in_place_of_another_is_not_said_to_stand_everywhere():
    def twice_in_the_first_row(gray, seed, tolerance):
        region = grow_region(gray, seed, tolerance)
        region[0] *= 2
        return region

    words = said("grow_region", twice_in_the_first_row)
    assert words.startswith("2 comes where 1 is expected. This is so in ")


def test_weights_of_other_shapes_are_named():
    class ConvolvesTwiceAsWide(DoubleConv):
        def __init__(self, in_channels, out_channels):
            super().__init__(in_channels, out_channels)
            self.__dict__.update(DoubleConv(in_channels, 2 * out_channels).__dict__)

        def forward(self, x):
            return super().forward(x)[:, ::2]

    words = said("DoubleConv", ConvolvesTwiceAsWide)
    assert "trainable weights (biases not counted)" in words
    assert "Shapes that only yours have: (" in words


def test_code_that_the_check_stopped_is_not_said_to_stop():
    words = said("FCN32s", _HiddenEncoder)
    assert "nn.Module" in words
    assert "Your code stops" not in words
