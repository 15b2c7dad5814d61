"""The blocks of the U-Net: sizes, gradients, and values."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from segcourse.models import count_parameters
from segcourse.models.blocks import AttentionGate, DoubleConv, Down, Up

sides = st.integers(1, 9)


@given(height=sides, width=sides)
@settings(max_examples=15)
def test_a_step_down_and_up_again_has_the_skips_size(height, width):
    skip = torch.randn(1, 2, height, width)
    deep = Down(2, 4).eval()(skip)
    assert deep.shape == (1, 4, max(1, height // 2), max(1, width // 2))
    assert Up(4, 2, 3).eval()(deep, skip).shape == (1, 3, height, width)


def test_joining_without_padding_fails_at_odd_sizes():
    skip = torch.randn(1, 2, 5, 7)
    up = Up(4, 2, 2)
    doubled = up.up(Down(2, 4)(skip))
    assert doubled.shape[-2:] == (4, 6)
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
        torch.cat([skip, doubled], dim=1)
    assert up(Down(2, 4)(skip), skip).shape[-2:] == (5, 7)


def test_down_takes_the_largest_of_four():
    down = Down(1, 1)
    down.conv = torch.nn.Identity()
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert down(x).flatten().tolist() == [5, 7, 13, 15]


def test_up_joins_skip_then_upsampled_and_pads_with_zeros_below_and_right():
    up = Up(2, 1, 1)
    up.conv = torch.nn.Identity()
    torch.nn.init.ones_(up.up.weight)
    torch.nn.init.zeros_(up.up.bias)
    joined = up(torch.ones(1, 2, 1, 1), skip=torch.full((1, 1, 3, 3), 5.0))
    assert joined[0, 0].eq(5).all()
    assert joined[0, 1].tolist() == [[2, 2, 0], [2, 2, 0], [0, 0, 0]]


def test_double_conv_has_no_bias_that_batch_norm_would_take_away():
    block = DoubleConv(3, 8)
    assert count_parameters(block) == 3 * 8 * 9 + 2 * 8 + 8 * 8 * 9 + 2 * 8
    x = torch.randn(4, 3, 6, 6)
    shifted = F.conv2d(x, block[0].weight, bias=torch.full((8,), 7.0), padding=1)
    assert torch.allclose(block[1](shifted), block[1](block[0](x)), atol=1e-5)


def test_double_conv_sees_five_pixels():
    block = DoubleConv(1, 4).eval()
    x = torch.randn(1, 1, 9, 9, requires_grad=True)
    with torch.no_grad():
        for layer in (block[0], block[3]):
            layer.weight.abs_()  # positive weights: no path is cut by a ReLU
        x.abs_()
    block(x)[0, :, 4, 4].sum().backward()
    seen = x.grad[0, 0] != 0
    assert seen[2:7, 2:7].all()
    assert seen.sum() == 25


def test_an_attention_gate_scales_each_pixel_of_the_skip_by_0_to_1():
    gate, skip = torch.randn(2, 6, 3, 3), torch.randn(2, 4, 7, 6)
    out = AttentionGate(6, 4, 5)(gate, skip)
    share = out / skip
    assert out.shape == skip.shape
    assert ((share > 0) & (share < 1)).all()
    assert torch.allclose(share, share[:, :1].expand_as(share), atol=1e-5)  # one number for all channels


def test_an_attention_gate_computes_equation_1_of_the_paper():
    block = AttentionGate(1, 1, 1)
    with torch.no_grad():
        for layer, weight in ((block.gate, 2.0), (block.skip, 3.0), (block.attention, 0.5)):
            layer.weight.fill_(weight)
        block.gate.bias.fill_(1.0)
        block.attention.bias.fill_(-4.0)
    gate, skip = torch.full((1, 1, 1, 1), 0.5), torch.full((1, 1, 2, 2), 2.0)
    # ψ relu(3·2 + 2·0.5 + 1) + b = 0.5·8 - 4 = 0, and sigmoid(0) = 1/2
    assert torch.allclose(block(gate, skip), torch.ones(1, 1, 2, 2))


def test_a_closed_gate_lets_nothing_through():
    block = AttentionGate(2, 2, 2)
    torch.nn.init.constant_(block.attention.bias, -100)
    assert block(torch.randn(1, 2, 2, 2), torch.randn(1, 2, 4, 4)).abs().max() < 1e-6
