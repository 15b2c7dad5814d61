"""U-Net: number of parameters, any input size, logits as output."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segcourse.models import count_parameters
from segcourse.models.unet import UNet

both = pytest.mark.parametrize("attention", [False, True], ids=["unet", "attention_unet"])


def test_the_original_width_has_31_million_parameters():
    model = UNet(3, 2)
    assert count_parameters(model) == 31_037_698
    # half of the parameters are in the bottom block and in the step up from it
    bottom = count_parameters(model.downs[3]) + count_parameters(model.ups[0])
    assert bottom / count_parameters(model) == pytest.approx(0.75, abs=0.01)
    assert count_parameters(model.stem) / count_parameters(model) < 0.002


def test_the_papers_own_network_without_batch_norm_has_as_many_weights():
    # Ronneberger et al., figure 1: one channel in, two classes out, biases, no batch norm
    widths = [1, 64, 128, 256, 512, 1024]
    convolutions = sum(9 * a * b + b + 9 * b * b + b for a, b in itertools.pairwise(widths))
    for fine in (512, 256, 128, 64):
        convolutions += 4 * 2 * fine * fine + fine  # 2×2 up-convolution
        convolutions += 9 * 2 * fine * fine + fine + 9 * fine * fine + fine
    assert convolutions + 64 * 2 + 2 == 31_030_658
    batch_norm = 2 * sum(2 * width for width in (64, 128, 256, 512, 1024, 512, 256, 128, 64))
    biases = batch_norm // 2
    colours = 9 * 2 * 64
    assert count_parameters(UNet(3, 2)) == 31_030_658 + batch_norm - biases + colours


@both
@pytest.mark.parametrize("size", [(101, 131), (97, 131), (1, 1), (5, 7), (1, 40), (32, 32), (33, 31)])
def test_any_size_comes_back_at_its_own_size(size, attention):
    model = UNet(3, 5, width=2, attention=attention).eval()
    logits = model(torch.rand(2, 3, *size))
    assert logits.shape == (2, 5, *size)
    assert logits.isfinite().all()


def test_odd_sizes_train_too():
    model = UNet(3, 2, width=2)
    assert model(torch.rand(2, 3, 97, 131)).shape == (2, 2, 97, 131)


@both
def test_forward_ends_in_logits_and_not_in_probabilities(attention):
    torch.manual_seed(0)
    model = UNet(3, 2, width=4, attention=attention).eval()
    logits = model(torch.rand(1, 3, 32, 32))
    assert logits.min() < 0 < logits.max()
    assert not torch.allclose(logits.sum(dim=1), torch.ones(1, 32, 32))  # no softmax
    with torch.no_grad():
        model.head.weight *= 1000
    logits = model(torch.rand(1, 3, 32, 32))
    assert logits.abs().max() > 10  # no sigmoid: nothing bounds it
    # After a sigmoid even a perfect answer could not cost less than ln(1 + 1/e) = 0.313
    target = logits.argmax(1)
    assert F.cross_entropy(logits, target) < 0.1
    assert F.cross_entropy(logits.sigmoid(), target) > 0.313


@both
def test_every_parameter_gets_a_gradient(attention):
    torch.manual_seed(0)
    model = UNet(3, 2, width=4, attention=attention)
    model(torch.rand(2, 3, 33, 35)).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@both
def test_the_logits_depend_on_every_skip_and_on_the_bottom(attention):
    torch.manual_seed(0)
    model = UNet(3, 2, width=4, attention=attention).eval()
    x = torch.rand(1, 3, 32, 32)
    before = model(x)
    for part in (model.stem, *model.downs):
        hook = part.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
        assert not torch.allclose(model(x), before)
        hook.remove()


def test_images_of_a_batch_do_not_see_each_other_in_eval_mode():
    model = UNet(3, 2, width=4).eval()
    images = torch.rand(3, 3, 20, 20)
    alone = torch.cat([model(image.unsqueeze(0)) for image in images])
    assert torch.allclose(model(images), alone, atol=1e-5)


def test_attention_gates_add_their_parameters_and_nothing_else():
    plain, gated = UNet(3, 2, width=8), UNet(3, 2, width=8, attention=True)
    assert count_parameters(gated) == count_parameters(plain) + count_parameters(gated.gates)
    for coarse, fine, inner, gate in zip(
        (128, 64, 32, 16), (64, 32, 16, 8), (32, 16, 8, 4), gated.gates, strict=True
    ):
        assert count_parameters(gate) == coarse * inner + inner + fine * inner + inner + 1


def test_open_gates_make_the_attention_unet_a_unet():
    torch.manual_seed(0)
    gated, plain = UNet(3, 2, width=4, attention=True).eval(), UNet(3, 2, width=4).eval()
    plain.load_state_dict(gated.state_dict(), strict=False)
    for gate in gated.gates:
        nn.init.constant_(gate.attention.bias, 100)
    x = torch.rand(1, 3, 33, 47)
    assert torch.allclose(gated(x), plain(x), atol=1e-5)


def test_the_signal_keeps_its_scale_through_a_fresh_network():
    torch.manual_seed(0)
    logits = UNet(3, 2, width=16)(torch.rand(2, 3, 64, 64))
    assert 0.3 < logits.std() < 3


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_depth_and_channels_are_free(depth):
    model = UNet(1, 3, width=2, depth=depth).eval()
    assert len(model.downs) == depth
    assert model(torch.rand(1, 1, 40, 24)).shape == (1, 3, 40, 24)


@both
def test_without_skips_the_decoder_gets_zeros_and_every_weight_stays(attention):
    with_skips, without = (UNet(3, 2, width=2, attention=attention, skips=skips) for skips in (True, False))
    without.load_state_dict(with_skips.state_dict())
    for up in with_skips.ups:
        up.register_forward_pre_hook(lambda module, inputs: (inputs[0], torch.zeros_like(inputs[1])))
    x = torch.rand(1, 3, 21, 19)
    assert torch.equal(without.eval()(x), with_skips.eval()(x))
    assert with_skips.config | {"skips": False} == without.config
