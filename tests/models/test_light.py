"""The half-resolution U-Net."""

import pytest
import torch

from segcourse.models import create_model
from segcourse.models.light import HalfUNet


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (97, 131), (128, 128)])
def test_logits_come_back_at_the_images_size(size):
    model = HalfUNet(width=4, depth=2).eval()
    assert model(torch.rand(1, 3, *size)).shape == (1, 2, *size)


def test_logits_lie_over_the_pixels_they_judge():
    """A resize that is off by half a pixel would move the maximum; an odd size must not stretch the rest."""
    model = HalfUNet(in_channels=1, num_classes=2, width=1, depth=1).eval()
    model.unet = torch.nn.Identity()
    with torch.no_grad():
        model.stem.weight.fill_(0.25)  # the mean of each 2 × 2 patch
        model.stem.bias.zero_()
        image = torch.zeros(1, 1, 9, 9)
        image[..., 4:6, 2:4] = 1
        logits = model(image)[0, 0]
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    centre = (rows * logits).sum() / logits.sum(), (columns * logits).sum() / logits.sum()
    assert centre[0].item() == pytest.approx(4.5, abs=1e-5)
    assert centre[1].item() == pytest.approx(2.5, abs=1e-5)


def test_a_config_rebuilds_the_network():
    model = create_model("half_unet", num_classes=3, width=4, depth=2)
    assert create_model(**model.config).load_state_dict(model.state_dict())
