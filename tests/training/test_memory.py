"""The memory of a step, known from the sizes of its tensors."""

import torch
from torch import nn

from segcourse.training.checkpointing import activation_checkpointing
from segcourse.training.memory import memory_curve

MB = 2**18  # floats


def test_the_curve_rises_and_falls_with_the_tensors():
    kept = []

    def step():
        one = torch.zeros(2 * MB)
        two = torch.zeros(3 * MB)
        del one
        kept.append(torch.zeros(MB))
        del two

    curve = memory_curve(step)
    assert max(curve) == 5
    assert curve[0] == 0
    assert curve[-1] == 1  # what stays


def test_checkpointing_blocks_lowers_the_peak():
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 1)) for _ in range(6)]
    model, images = nn.Sequential(*blocks), torch.rand(1, 8, 128, 256)  # each map takes 1 MB
    model = nn.ModuleDict({"all": nn.ModuleList(blocks)})

    def step():
        x = images
        for block in model["all"]:
            x = block(x)
        x.sum().backward()

    step()
    plain = max(memory_curve(step))
    with activation_checkpointing(model):
        saving = max(memory_curve(step))
    assert plain > 12  # two maps per block at least
    assert saving < 0.8 * plain
