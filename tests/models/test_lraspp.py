"""LR-ASPP: sizes, parity with torchvision, and what its gate does."""

import pytest
import torch
import torch.nn.functional as F
from torchvision.models.segmentation.lraspp import LRASPPHead

from segcourse.models.lraspp import LRASPP


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (97, 131)])
def test_logits_come_back_at_the_images_size(size):
    model = LRASPP(num_classes=3, width=4, channels=4).eval()
    assert model(torch.rand(1, 3, *size)).shape == (1, 3, *size)


def test_its_head_computes_what_torchvisions_does():
    """Not the encoder: torchvision dilates the layer that loses its stride, too, and we those after it."""
    ours = LRASPP(num_classes=5, encoder="mobilenet_v3_large").eval()
    head = LRASPPHead(40, 960, num_classes=5, inter_channels=128).eval()
    pairs = {
        ours.project[0]: head.cbr[0],
        ours.project[1]: head.cbr[1],
        ours.gate: head.scale[1],
        ours.coarse_head: head.high_classifier,
        ours.fine_head: head.low_classifier,
    }
    for one, other in pairs.items():
        one.load_state_dict(other.state_dict())
    image = torch.rand(1, 3, 90, 128)
    with torch.inference_mode():
        *_, fine, _, coarse = ours.encoder(image)
        wanted = F.interpolate(head({"low": fine, "high": coarse}), (90, 128), mode="bilinear")
        torch.testing.assert_close(ours(image), wanted)


def test_every_parameter_gets_a_gradient():
    model = LRASPP(width=4, channels=8).train()
    model(torch.rand(2, 3, 65, 70)).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_gate_of_zero_leaves_the_fine_scores_alone():
    model = LRASPP(num_classes=2, width=4, channels=4).eval()
    with torch.no_grad():
        model.gate.weight.fill_(-1e4)  # the map behind ReLU is positive, so the gate is closed
        for stage in model.encoder.stages:
            for buffer in stage.buffers():
                if buffer.is_floating_point():
                    buffer.uniform_(0.5, 1.5)
    image = torch.rand(1, 3, 32, 32)
    closed = model(image)
    with torch.no_grad():
        model.project[0].weight.mul_(3)
    torch.testing.assert_close(model(image), closed)
