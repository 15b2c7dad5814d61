"""The peers and timers of benchmarks/: the networks and losses are those that their authors publish."""

import importlib
import math
import sys
import time
from pathlib import Path

import pytest
import torch

from segcourse.losses import cross_entropy
from segcourse.models import UNet


@pytest.fixture
def load(monkeypatch):
    """Import a module of benchmarks/, which is a folder of scripts and no package."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return importlib.import_module


@pytest.fixture
def peers(load):
    return load("_peers")


def test_milesials_network_has_the_layers_of_the_original_unet(load, peers):
    train_step = load("train_step")
    torch.manual_seed(0)
    ours = UNet(3, 2)
    peer = peers.MilesialUNet()
    assert [p.shape for p in peer.parameters()] == [p.shape for p in ours.parameters()]
    assert sum(p.numel() for p in peer.parameters()) == 31_037_698
    train_step.compare_logits(ours, torch.rand(1, 3, 32, 48))  # raises where they differ
    broken = UNet(3, 2, skips=False)
    with pytest.raises(AssertionError):  # the comparison can tell networks apart
        train_step.compare_logits(broken, torch.rand(1, 3, 32, 48))


def test_milesials_dice_pools_the_classes(peers):
    # class 1 has p = 0.8 on its pixel and 0.4 on the other: right are 0.8 + 0.6 of 2 pixels, so Dice is 0.7
    p = torch.tensor([[[[0.2, 0.6]], [[0.8, 0.4]]]])  # 1, 2, 1, 2
    target = torch.tensor([[[1, 0]]])
    dice_loss = peers.milesial_loss(p.log(), target) - cross_entropy(p.log(), target)
    assert dice_loss.item() == pytest.approx(0.3, abs=1e-6)


def test_milesials_loop_has_the_published_settings(peers):
    loop = peers.milesial(torch.device("cpu"))
    settings = loop.optimizer.param_groups[0]
    assert isinstance(loop.optimizer, torch.optim.RMSprop)
    assert (settings["lr"], settings["momentum"], settings["weight_decay"]) == (1e-5, 0.999, 1e-8)
    assert (loop.clip, loop.autocast, loop.memory_format) == (1.0, None, torch.channels_last)
    assert peers.milesial(torch.device("cpu"), amp=True).autocast == torch.bfloat16


def test_a_step_clips_the_gradient_and_returns_the_loss(peers):
    model = torch.nn.Conv2d(3, 2, kernel_size=1, bias=False)
    torch.nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    loop = peers.Loop(model, optimizer, lambda logits, target: 1000 * cross_entropy(logits, target), clip=1.0)
    loss = loop.step(torch.ones(1, 3, 1, 1), torch.ones(1, 1, 1, dtype=torch.long))
    assert loss == pytest.approx(1000 * math.log(2))
    assert model.weight.norm().item() == pytest.approx(1)  # one step of length 1 from 0


def test_missing_smp_is_said_and_left_out(peers, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    assert peers.smp_unet(torch.device("cpu")) is None
    assert 'pip install "segcourse[peers]"' in capsys.readouterr().out


def test_cpu_time_does_not_count_waiting(load):
    race = load("_race")
    seconds = race.race({"a": lambda: time.sleep(0.05)}, rounds=2, timer=race.cpu_time)
    waited = race.race({"a": lambda: time.sleep(0.05)}, rounds=2)
    assert max(seconds["a"]) < 0.05 <= min(waited["a"])


def test_table_shows_ratios_and_images_per_second(load):
    text = load("_race").table({"ours": [1.0, 2.0, 1.0], "peer": [3.0, 4.0, 3.0]}, ours="ours", images=6)
    assert text.splitlines()[1].split() == ["ours", "1000.0", "1000.0", "1.00", "6.0"]
    assert text.splitlines()[2].split() == ["peer", "3000.0", "3000.0", "3.00", "2.0"]


def test_without_isic_the_lesions_are_procedural(load, monkeypatch, capsys):
    monkeypatch.setattr("segcourse.data.catalogue.find_folder", lambda *_, **__: None)
    assert load("_lesions").lesions_name() == "lesions"
    assert "segcourse data get isic2018" in capsys.readouterr().out
