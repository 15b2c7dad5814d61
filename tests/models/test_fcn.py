"""FCN-32s, 16s and 8s: sizes, what each adds, and upsampling that starts as bilinear."""

import pytest
import torch
from torch.nn import functional as F

from segcourse.errors import DataError
from segcourse.models import create_model
from segcourse.models.fcn import FCN, bilinear_kernel, bilinear_upsampling


@pytest.mark.parametrize("stride", [32, 16, 8])
@pytest.mark.parametrize("encoder", ["small", "resnet18"])
@pytest.mark.parametrize("size", [(1, 1), (37, 50), (64, 64)])
def test_logits_come_back_at_the_images_size(stride, encoder, size):
    model = FCN(stride=stride, encoder=encoder).eval()
    with torch.no_grad():
        assert model(torch.rand(1, 3, *size)).shape == (1, 2, *size)


@pytest.mark.parametrize("stride", [2, 4, 8, 16, 32])
def test_upsampling_starts_as_bilinear_interpolation_away_from_the_border(stride):
    x = torch.rand(1, 3, 5, 6)
    y = bilinear_upsampling(3, stride)(x)
    expected = F.interpolate(x, scale_factor=stride, mode="bilinear", align_corners=False)
    inside = (..., slice(stride // 2, -(stride // 2)), slice(stride // 2, -(stride // 2)))
    torch.testing.assert_close(y[inside], expected[inside])
    assert y.shape == expected.shape
    assert not torch.allclose(y, expected)  # the border fades


def test_the_kernel_is_the_one_of_the_reference_implementation():
    """shelhamer/fcn.berkeleyvision.org, surgery.py: factor = (size + 1) // 2, centre = factor - 0.5."""
    for stride in (2, 4, 8):
        size = 2 * stride
        factor, centre = (size + 1) // 2, (size + 1) // 2 - 0.5
        one = 1 - (torch.arange(size) - centre).abs() / factor
        torch.testing.assert_close(bilinear_kernel(stride), torch.outer(one, one))


def test_finer_scores_change_nothing_at_first_and_reach_the_result_later():
    torch.manual_seed(0)
    model, x = FCN(stride=8, width=4).eval(), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = model(x)
        _, half, quarter = model.scores  # strides 32, 16 and 8
        for score in (half, quarter):
            assert not score.weight.any()
            assert not score.bias.any()
        for score in (half, quarter):
            score.bias.fill_(1.0)
            after = model(x)
            middle = (..., slice(16, 48), slice(16, 48))
            torch.testing.assert_close(
                after[middle], before[middle] + 1
            )  # added, not concatenated or averaged
            before = after


def test_a_finer_stride_sees_finer_detail():
    """The gradient of one logit shows which cells of a map it can use: 2 × 2 of the finest map."""
    for stride in (32, 16, 8):
        model = FCN(stride=stride, width=4).eval()
        maps = [torch.rand(1, wide, 128 // at, 128 // at, requires_grad=True)
                for wide, at in zip(model.encoder.channels, model.encoder.strides, strict=True)]  # fmt: skip
        torch.nn.init.ones_(model.scores[-1].weight)
        model.encoder.forward = lambda x, maps=maps: maps
        model(torch.rand(1, 3, 128, 128))[0, 0, 64, 64].backward()
        used = dict(zip(model.encoder.strides, maps, strict=True))
        assert {at for at, one in used.items() if one.grad is not None} == {
            s for s in (8, 16, 32) if s >= stride
        }
        assert (used[stride].grad[0].abs().sum(dim=0) > 0).sum() == 4


def test_a_saved_config_asks_for_no_pretrained_weights():
    config = FCN(stride=16, width=4).config
    assert config == {
        "name": "fcn",
        "in_channels": 3,
        "num_classes": 2,
        "stride": 16,
        "encoder": "small",
        "width": 4,
    }


@pytest.mark.parametrize(("options", "says"), [
    ({"stride": 4}, "stride 4 was requested; use 32, 16 or 8"),
    ({"encoder": "vgg17"}, "no encoder 'vgg17'"),
    ({"depth": 3}, "does not accept these options"),
])  # fmt: skip
def test_unknown_options_are_explained(options, says):
    with pytest.raises(DataError, match=says):
        create_model("fcn", 2, **options)
