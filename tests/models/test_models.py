"""Networks by name, rebuilt from their config."""

import pytest
import torch
from torch import nn

from segcourse import models
from segcourse.errors import DataError
from segcourse.models import count_parameters, create_model

# options of a small network, where they are not those of a U-Net
_WITH_ENCODER = {"width": 4, "channels": 4}
SMALL = {
    "fcn": {"width": 4},
    **dict.fromkeys(("deeplabv3", "encoder_unet", "lesion_net", "lraspp"), _WITH_ENCODER),
}


@pytest.mark.parametrize("name", models.names())
def test_a_model_is_built_again_from_its_config(name):
    options = SMALL.get(name, {"width": 4, "depth": 3})
    model = create_model(name, num_classes=3, in_channels=4, **options).eval()
    assert model.config["name"] == name
    again = create_model(**model.config).eval()
    again.load_state_dict(model.state_dict())
    x = torch.rand(1, 4, 19, 17)
    assert torch.equal(again(x), model(x))


def test_the_two_names_are_two_networks():
    plain, gated = (create_model(name, 2, width=4) for name in ("unet", "attention_unet"))
    assert count_parameters(gated) > count_parameters(plain)


@pytest.mark.parametrize(("arguments", "options", "says"), [
    (("unett", 2), {}, "no model 'unett'; use one of attention_unet, .*unet"),
    (("unet", 0), {}, "num_classes"),
    (("unet", 2), {"width": 0}, "width"),
    (("unet", 2), {"dpeth": 4}, "dpeth"),
])  # fmt: skip
def test_unknown_names_and_options_are_explained(arguments, options, says):
    with pytest.raises(DataError, match=says):
        create_model(*arguments, **options)


def test_count_parameters_counts_trainable_parameters_once():
    layer = nn.Linear(3, 2)
    assert count_parameters(nn.Sequential(layer, layer)) == 8  # shared
    layer.bias.requires_grad_(False)
    assert count_parameters(layer) == 6
    assert count_parameters(nn.BatchNorm2d(4)) == 8  # running mean and variance are not parameters
