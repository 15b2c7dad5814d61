"""An encoder with a light decoder."""

import pytest
import torch
from torch import nn

from segcourse.models.encoder_unet import EncoderUNet, LightDecoder


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (97, 131)])
def test_logits_come_back_at_the_images_size(size):
    model = EncoderUNet(num_classes=3, width=4, channels=4).eval()
    assert model(torch.rand(1, 3, *size)).shape == (1, 3, *size)


def test_every_map_of_the_encoder_reaches_the_logits():
    decoder = LightDecoder((4, 8, 16), channels=4, num_classes=2).eval()
    maps = [torch.rand(1, width, side, side, requires_grad=True) for width, side in ((4, 8), (8, 4), (16, 2))]
    decoder(maps).square().sum().backward()
    assert all(one.grad.abs().sum() > 0 for one in maps)


def test_a_decoder_of_one_map_is_a_convolution_per_pixel_after_its_3x3_window():
    decoder = LightDecoder((1,), channels=1, num_classes=1).eval()
    with torch.no_grad():
        decoder.lateral[0].weight.fill_(2)
        decoder.smooth[0][0].weight.fill_(1)
        decoder.head.weight.fill_(10)
    point = torch.zeros(1, 1, 5, 5)
    point[..., 2, 2] = 1
    scale = (1 + decoder.smooth[0][1].eps) ** -0.5  # batch norm that has seen nothing yet
    expected = torch.zeros(5, 5)
    expected[1:4, 1:4] = 20 * scale
    torch.testing.assert_close(decoder([point])[0, 0], expected)


def test_dropout_takes_whole_channels_in_training_only():
    decoder = LightDecoder((4,), channels=16, num_classes=2, dropout=0.5)
    image = torch.rand(1, 4, 6, 6)
    assert not torch.equal(decoder([image]), decoder([image]))
    decoder.eval()
    assert torch.equal(decoder([image]), decoder([image]))
    assert isinstance(decoder.dropout, nn.Dropout2d)
