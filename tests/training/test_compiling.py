"""torch.compile in `fit`."""

import logging

import pytest
import torch
from squares import Squares, run
from torch import nn

from segcourse.errors import TrainingError


def two_layers():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU())


@pytest.mark.slow
def test_a_compiled_run_has_the_numbers_of_a_plain_one(one_thread, monkeypatch):
    # pytest's handler of log messages makes the compiler write traces, for a minute
    monkeypatch.setattr(logging.getLogger("torch.__trace"), "propagate", False)
    options = {"folder": False, "epochs": 1, "train": Squares(4)}
    try:
        fast = run(two_layers(), compile=True, **options)
    except TrainingError as error:
        pytest.skip(str(error))
    plain = run(two_layers(), **options)
    for one, other in zip(plain.rows, fast.rows, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=1e-5)
        assert one["val_loss"] == pytest.approx(other["val_loss"], abs=1e-5)


def test_a_machine_without_a_compiler_is_explained_before_the_training(monkeypatch):
    def broken(function):
        raise RuntimeError("no C++ compiler\nand much more")

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(TrainingError, match=r"torch.compile does not work .*: no C\+\+ compiler\)"):
        run(folder=False, compile=True)
