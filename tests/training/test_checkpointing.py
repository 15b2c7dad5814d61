"""Activation checkpointing: the same numbers from fewer stored activations."""

import copy

import pytest
import torch
from squares import Squares, numbers, run, tiny_net
from torch import nn

from segcourse.errors import TrainingError
from segcourse.losses import combined_loss
from segcourse.models import create_model
from segcourse.training.checkpointing import activation_checkpointing

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {
    "unet": {"width": 8, "depth": 2},
    "attention_unet": {"width": 8, "depth": 2},
    "half_unet": {"width": 8, "depth": 2},
    "fcn": {"width": 8},
    "deeplabv3": {"width": 8, "channels": 8, "decoder": True},
    "encoder_unet": {"width": 8, "channels": 8, "dropout": 0.0},
    "lesion_net": {"width": 8, "channels": 8, "dropout": 0.0},
    "lraspp": {"width": 8, "channels": 8},
}


def stored_bytes(model, images, target):
    """Run forward and backward; return the bytes that the forward pass stored for the backward pass."""
    stored = {}

    def keep(tensor):
        stored[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = combined_loss(model(images), target)
        total = sum(size for place, size in stored.items() if place not in weights)
    loss.backward()
    return total


@pytest.mark.parametrize("name", SMALL)
def test_the_courses_networks_store_less_and_compute_the_same(name):
    torch.manual_seed(0)
    plain = create_model(name, 2, **SMALL[name]).train()
    saving = copy.deepcopy(plain)
    images, target = torch.rand(2, 3, 64, 64), torch.randint(0, 2, (2, 64, 64))
    all_of_it = stored_bytes(plain, images, target)
    with activation_checkpointing(saving):
        assert stored_bytes(saving, images, target) < 0.6 * all_of_it
    for (key, one), other in zip(plain.state_dict().items(), saving.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, msg=f"{name}: {key}")  # running statistics count once
    for one, other in zip(plain.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


class Blocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = tiny_net(norm=True, dropout=0.3), nn.Conv2d(2, 2, 1)

    def forward(self, x):
        return self.head(self.body(x))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_checkpointed_run_has_the_numbers_of_a_plain_one(accumulate):
    def history(**options):
        torch.manual_seed(0)
        model = Blocks()
        rows = numbers(run(model, folder=False, epochs=2, accumulate=accumulate, **options))
        assert "forward" not in model.body.__dict__  # nothing of it stays on the network
        return rows

    assert history(checkpointing=True) == history()


def test_a_network_without_blocks_is_explained():
    with pytest.raises(TrainingError, match="Sequential has no blocks"):
        run(folder=False, train=Squares(4), checkpointing=True)
