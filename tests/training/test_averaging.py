"""The moving average of the weights: by hand, within `fit`, and after a resume."""

import pytest
import torch
from safetensors.torch import load_file
from squares import CtrlC, Squares, numbers, run, tiny_net
from torch import nn

from segcourse.errors import ModelFileError, TrainingError
from segcourse.losses import cross_entropy
from segcourse.training.averaging import weight_average

pytestmark = pytest.mark.usefixtures("one_thread")


def test_weights_and_running_statistics_are_averaged_alike():
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1))
    average = weight_average(model, decay=0.5)
    for value in (4.0, 8.0, 0.0):
        nn.init.constant_(model[0].weight, value)
        model[1].running_mean.fill_(value)
        model[1].num_batches_tracked += 1
        average.update_parameters(model)
    # first a copy: 4. Then d = 2/11: 4·2/11 + 8·9/11 = 80/11. Then d = 3/12: 80/11·3/12 + 0 = 20/11
    for tensor in (average.module[0].weight, average.module[1].running_mean):
        assert tensor.item() == pytest.approx(20 / 11)
    assert average.module[1].num_batches_tracked == 3


def test_fit_validates_and_keeps_the_average(tmp_path):
    seen = []

    def loss(logits, target):
        seen.append(logits.requires_grad)
        return cross_entropy(logits, target)

    plain, model = tiny_net(norm=True), tiny_net(norm=True)
    without = run(plain, folder=False, loss=loss, epochs=2)
    history = run(model, folder=tmp_path, loss=loss, epochs=2, ema=0.9)
    trained = [[row["train_loss"] for row in rows] for rows in (without.rows, history.rows)]
    assert trained[0] == trained[1]  # the average does not change the training
    assert [row["val_loss"] for row in history.rows] != [row["val_loss"] for row in without.rows]
    best = load_file(tmp_path / "best.safetensors")
    assert all(torch.equal(best[name], tensor) for name, tensor in model.state_dict().items())
    assert any(not torch.equal(a, b) for a, b in zip(plain.parameters(), model.parameters(), strict=True))


@pytest.mark.parametrize("at", [16, 25])
def test_an_averaged_run_resumes_exactly(tmp_path, at):
    straight = run(folder=tmp_path / "straight", ema=0.9)
    assert run(train=CtrlC(at), folder=tmp_path / "cut", ema=0.9).interrupted
    model = tiny_net(norm=True, dropout=0.2)
    assert numbers(run(model, folder=tmp_path / "cut", ema=0.9, resume=True)) == numbers(straight)
    wanted = load_file(tmp_path / "straight" / "best.safetensors")
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in model.state_dict().items())
    with pytest.raises(ModelFileError, match=r"ema=0\.9, but now ema=None"):
        run(folder=tmp_path / "cut", resume=True)


@pytest.mark.parametrize("decay", [0, 1, 1.5])
def test_decays_are_between_0_and_1(decay):
    with pytest.raises(TrainingError, match="expected a decay between 0 and 1"):
        run(folder=False, ema=decay, train=Squares(4))
