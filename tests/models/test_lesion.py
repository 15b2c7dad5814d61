"""LesionNet: rates that live on its map, and the published ones that do not."""

import pytest
import torch
from torch.nn import functional as F

from segcourse.models import create_model
from segcourse.models.deeplab import ASPP
from segcourse.models.lesion import PUBLISHED, LesionNet


@pytest.mark.parametrize("size", [(1, 1), (33, 50), (97, 131)])
def test_logits_come_back_at_the_images_size(size):
    model = LesionNet(num_classes=3, width=4, channels=4).eval()
    assert model(torch.rand(1, 3, *size)).shape == (1, 3, *size)


def live_taps(branch, side):
    """Return how many of the nine weights of a branch's 3×3 convolution change its output on a map."""
    convolution = branch[0]
    image = torch.rand(1, convolution.in_channels, side, side)
    weight = convolution.weight.detach().clone().requires_grad_()
    rate = convolution.dilation
    F.conv2d(image, weight, padding=rate, dilation=rate).sum().backward()
    return int((weight.grad.abs().sum((0, 1)) > 0).sum())


def test_every_weight_of_every_rate_lives_at_128_pixels_and_the_published_rates_do_not():
    model = LesionNet(width=4, channels=4).eval()
    side = model.encoder(torch.rand(1, 3, 128, 128))[-1].shape[-1]
    assert [live_taps(branch, side) for branch in model.decoder.lateral[-1].branches[1:]] == [9, 9, 9]
    dead = ASPP(8, 4, PUBLISHED["rates"])
    assert [live_taps(branch, 256 // 32) for branch in dead.branches[1:]] == [9, 1, 1]


def test_the_published_network_can_be_built():
    model = create_model("lesion_net", 2, **PUBLISHED).eval()
    assert model.encoder.channels == (24, 32, 48, 136, 1536)
    assert model(torch.rand(1, 3, 64, 64)).shape == (1, 2, 64, 64)
