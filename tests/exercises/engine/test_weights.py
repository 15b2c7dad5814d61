"""Weights by rule: the same layers get the same weights, whatever their names and wherever defined."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segcourse.exercises.engine.observing import Explained
from segcourse.exercises.engine.weights import set_weights
from segcourse.models.unet import UNet

torch.set_num_threads(1)


class Forward(nn.Module):
    """Two convolutions, defined in the order of their use."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x):
        return self.norm(self.b(F.relu(self.a(x))))


class Backward(nn.Module):
    """The same two, defined the other way round, called by function, without a bias."""

    def __init__(self):
        super().__init__()
        self.last_shift = nn.Parameter(torch.randn(2))
        self.last_scale = nn.Parameter(torch.randn(2))
        self.register_buffer("mean", torch.randn(2))
        self.register_buffer("var", torch.rand(2))
        self.second = nn.Parameter(torch.randn(2, 2, 3, 3))
        self.first = nn.Parameter(torch.randn(2, 2, 3, 3))

    def forward(self, x):
        x = F.conv2d(F.conv2d(x, self.first, padding=1).clamp(min=0), weight=self.second, padding=1)
        return F.batch_norm(x, self.mean, self.var, weight=self.last_scale, bias=self.last_shift)


@pytest.mark.parametrize("rule", ["transparent", "drawn"])
def test_names_order_of_definition_and_way_of_calling_make_no_difference(rule):
    x = torch.rand(1, 2, 5, 4)
    one, other = (set_weights(model, (x,), rule)(x) for model in (Forward(), Backward()))
    assert torch.allclose(one, other, atol=1e-6)
    assert not torch.allclose(one, torch.zeros_like(one))


def test_the_order_of_concatenation_makes_no_difference_but_what_is_concatenated_does():
    conv = set_weights(nn.Conv2d(3, 4, 3), (torch.rand(1, 3, 5, 5),), "drawn")
    a, b = torch.rand(1, 1, 5, 5), torch.rand(1, 2, 5, 5)
    assert torch.allclose(conv(torch.cat([a, b], dim=1)), conv(torch.cat([b, a], dim=1)), atol=1e-6)
    assert not torch.allclose(conv(torch.cat([a, b], dim=1)), conv(torch.cat([a, b + 1], dim=1)), atol=1e-2)


def test_a_transparent_unet_is_a_sum_of_max_pooled_pictures():
    """Each Up takes the mean of the skip and what comes from below: a level weighs half of the one above."""
    image = torch.rand(1, 1, 32, 48)
    sizes = (1, 2, 4, 8, 16)
    pooled = [F.interpolate(F.max_pool2d(image, s), scale_factor=s) for s in sizes]
    shares = (1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 16)
    by_hand = sum(share * p for share, p in zip(shares, pooled, strict=True))
    network = set_weights(UNet(1, 1, width=2), (image,), "transparent")
    with torch.no_grad():
        assert torch.allclose(network(image), by_hand, atol=1e-3)


def test_unused_layers_keep_their_weights():
    model = Forward()
    model.spare = nn.Conv2d(2, 2, 1)
    before = model.spare.weight.clone()
    set_weights(model, (torch.rand(1, 2, 4, 4),), "drawn")
    assert torch.equal(before, model.spare.weight)


class ByMatrices(nn.Module):
    """The same two again, as matrix products with neighbourhoods."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.randn(2, 18)), nn.Linear(18, 2)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x):
        size = x.shape[-2:]
        x = F.relu(torch.einsum("ok,nkl->nol", self.a, F.unfold(x, 3, padding=1))).unflatten(2, size)
        return self.norm(self.b(F.unfold(x, 3, padding=1).mT).mT.unflatten(2, size))


def test_matrix_products_get_the_weights_of_convolutions():
    x = torch.rand(1, 2, 5, 4)
    one, other = (set_weights(model, (x,), seed=3)(x) for model in (Forward(), ByMatrices()))
    assert torch.allclose(one, other, atol=1e-5)


def test_seeds_draw_other_weights():
    x = torch.rand(1, 2, 5, 4)
    one, other = (set_weights(Forward(), (x,), seed=seed)(x) for seed in (0, 1))
    assert not torch.allclose(one, other, atol=1e-2)


def test_what_cannot_be_set_is_said():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.mask = nn.Parameter(torch.ones(4, 5))

        def forward(self, x):
            return x * self.mask

    with pytest.raises(Explained, match=r"used in another way \(mul, 4 x 5 numbers\)"):
        set_weights(Odd(), (torch.rand(1, 1, 4, 5),))
    with pytest.raises(Explained, match=r"An nn\.Module is asked for, and this is a function"):
        set_weights(lambda x: x, (torch.rand(1),))
