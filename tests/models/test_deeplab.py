"""DeepLabV3: sizes, what ASPP sees, a batch of one, and output stride without new weights."""

import pytest
import torch
from torch import nn
from torchvision.models.segmentation.deeplabv3 import ASPP as TorchvisionASPP

from segcourse.errors import DataError
from segcourse.models import create_model
from segcourse.models.deeplab import ASPP, DeepLabV3

OPTIONS = ({}, {"output_stride": 8}, {"output_stride": 32}, {"decoder": True}, {"rates": (1, 2)})


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("size", [(1, 1), (5, 40), (33, 31), (97, 131)])
def test_any_size_comes_back_at_its_own_size(size, options):
    model = DeepLabV3(3, 5, width=2, channels=4, **options).eval()
    logits = model(torch.rand(2, 3, *size))
    assert logits.shape == (2, 5, *size)
    assert logits.isfinite().all()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_parameter_gets_a_gradient(options):
    model = DeepLabV3(3, 2, width=4, channels=8, **options).train()
    model(torch.rand(2, 3, 65, 70)).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_it_trains_on_a_batch_of_one_but_there_the_mean_of_the_map_has_no_effect():
    """The last batch norm of ASPP subtracts what all pixels of a single map have in common."""
    block, x = ASPP(6, 4, (1, 2)).train(), torch.randn(1, 6, 9, 7)
    with_mean = block(x)
    with torch.no_grad():
        block.pooled.bias += 5
    torch.testing.assert_close(block(x), with_mean, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(block.eval()(x), with_mean)


def test_a_smaller_output_stride_has_the_same_weights_and_a_finer_map():
    coarse, fine = DeepLabV3(3, 2, width=2, channels=4), DeepLabV3(3, 2, width=2, channels=4, output_stride=8)
    fine.load_state_dict(coarse.state_dict())
    seen = []
    for model in (coarse, fine):
        model.aspp.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape[-2:]))
        model(torch.rand(2, 3, 96, 64))
    assert seen == [(6, 4), (12, 8)]


def test_rates_are_the_papers_unless_given():
    for stride, rates in ((16, [6, 12, 18]), (8, [12, 24, 36])):
        model = DeepLabV3(3, 2, width=2, channels=4, output_stride=stride)
        found = [branch[0].dilation[0] for branch in model.aspp.branches]
        assert found == [1, *rates]
        assert model.config["rates"] == rates


def test_aspp_is_torchvisions_without_batch_norm_in_the_pooled_branch_and_without_dropout():
    own, theirs = ASPP(6, 4, (1, 2, 3)).eval(), TorchvisionASPP(6, [1, 2, 3], 4).eval()
    convolutions = [layer for layer in theirs.modules() if isinstance(layer, nn.Conv2d)]
    pairs = [branch[0] for branch in own.branches] + [own.pooled, own.project[0]]
    for mine, other in zip(pairs, convolutions, strict=True):
        mine.weight.data.copy_(other.weight)
    own.pooled.bias.data.zero_()
    theirs.convs[-1][2] = nn.Identity()
    x = torch.randn(2, 6, 9, 7)
    torch.testing.assert_close(own(x), theirs(x), rtol=1e-5, atol=1e-6)


def test_every_pixel_sees_the_whole_picture_through_the_pooled_branch():
    model = DeepLabV3(3, 2, width=4, channels=8).eval()
    x = torch.rand(1, 3, 200, 48, requires_grad=True)
    model(x)[0, :, 0, 0].sum().backward()
    assert (x.grad.abs().sum(dim=1) > 0).float().mean() > 0.99


def test_it_is_built_with_any_encoder_and_again_from_its_config_without_a_download():
    model = create_model("deeplabv3", 3, encoder="resnet18", channels=8, decoder=True).eval()
    again = create_model(**model.config).eval()
    again.load_state_dict(model.state_dict())
    x = torch.rand(1, 3, 40, 33)
    assert torch.equal(model(x), again(x))
    assert "pretrained" not in model.config


def test_options_that_do_not_exist_are_explained():
    with pytest.raises(DataError, match="output_stride=7"):
        DeepLabV3(3, 2, output_stride=7)
    with pytest.raises(DataError, match="dilations"):
        create_model("deeplabv3", 2, dilations=(1, 2))
    with pytest.raises(DataError, match="does not accept these options"):
        DeepLabV3(3, 2, encoder="resnet18", width=8)
