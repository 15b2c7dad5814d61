"""`fit`: accumulation, exact resume, weighted means, and everything that can stop a run."""

import builtins
import csv
import errno
import itertools
import math
import signal
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from squares import CtrlC, Squares, numbers, run, tiny_net
from torch import nn

from segcourse.devices import Speed
from segcourse.errors import DataError, DeviceError, ModelFileError, SaveError, TrainingError
from segcourse.losses import combined_loss, cross_entropy
from segcourse.metrics import Scores
from segcourse.models import create_model
from segcourse.models.forward import IMAGENET, Forward
from segcourse.training.accelerator import make_accelerator
from segcourse.training.batches import Batches, derive_seed
from segcourse.training.budget import seconds_to_validate
from segcourse.training.loop import backward
from segcourse.training.optimizer import cosine_schedule, make_optimizer
from segcourse.training.runs import Run
from segcourse.training.state import read_state

CPU = torch.device("cpu")
PLAIN = Speed(bf16=False, channels_last=False)


pytestmark = pytest.mark.usefixtures("one_thread")


SIZES = [(2, 2, 2), (3, 2, 1)]
LOSSES = [cross_entropy, combined_loss]


def gradients(model):
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def batch_with_ignored_pixels(count=6):
    samples = [Squares(count, ignored={0: 15, 1: 12})[i] for i in range(count)]
    return torch.stack([image for image, _, _ in samples]), torch.stack([mask for _, mask, _ in samples])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("sizes", SIZES)
def test_accumulated_gradients_are_those_of_the_big_batch(loss, sizes):
    images, masks = batch_with_ignored_pixels()
    forward = Forward(tiny_net(), CPU, PLAIN, *IMAGENET)
    value = loss(forward(images), masks)
    value.backward()
    wanted = gradients(forward.network)

    forward = Forward(tiny_net(), CPU, PLAIN, *IMAGENET)
    got = backward(
        make_accelerator("cpu"), forward, loss, images.split(list(sizes)), masks.split(list(sizes))
    )
    assert got == pytest.approx(value.item(), abs=1e-6)
    torch.testing.assert_close(gradients(forward.network), wanted, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_mean_of_micro_batch_losses_has_another_gradient(loss):
    images, masks = batch_with_ignored_pixels()
    model = tiny_net()
    loss(model(images), masks).backward()
    wanted = gradients(model).clone()
    model.zero_grad()
    for part, target in zip(images.split(2), masks.split(2), strict=True):
        (loss(model(part), target) / 3).backward()
    assert (gradients(model) - wanted).norm() > 0.05 * wanted.norm()


def test_a_whole_run_in_micro_batches_equals_the_run_in_big_ones():
    data = Squares(10, ignored={0: 15, 5: 10})
    big, small = tiny_net(), tiny_net()
    a = run(big, data, batch_size=6, accumulate=1, folder=False)
    b = run(small, data, batch_size=2, accumulate=3, folder=False)
    for one, other in zip(a.rows, b.rows, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=1e-4)
    for one, other in zip(big.parameters(), small.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_accumulation_counts_running_statistics_once_and_repeats_its_dropout():
    images, masks = batch_with_ignored_pixels()
    forward = Forward(tiny_net(norm=True), CPU, PLAIN, *IMAGENET)
    backward(make_accelerator("cpu"), forward, cross_entropy, images.split(3), masks.split(3))
    assert forward.network[1].num_batches_tracked == 2

    drawn = []
    forward = Forward(tiny_net(dropout=0.5), CPU, PLAIN, *IMAGENET)
    forward.network[3].register_forward_hook(
        lambda module, inputs, output: drawn.append(output.detach() == 0)
    )
    backward(make_accelerator("cpu"), forward, cross_entropy, images.split(3), masks.split(3))
    assert torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn[1], drawn[3])
    assert not torch.equal(drawn[0], drawn[1])


def test_batches_depend_only_on_seed_and_epoch():
    def contents(workers=0, seed=3, epoch=1, start=0):
        batches = Batches(Squares(7), 3, seed=seed, workers=workers).epoch(epoch, start)
        return [(names, image) for image, _, names in batches]

    once = contents()
    torch.rand(5)
    for again in (contents(), contents(workers=2)):
        assert [names for names, _ in again] == [names for names, _ in once]
        assert all(torch.equal(a, b) for (_, a), (_, b) in zip(again, once, strict=True))
    assert torch.equal(contents(start=2)[0][1], once[2][1])
    assert [names for names, _ in contents(epoch=2)] != [names for names, _ in once]
    assert [names for names, _ in contents(seed=4)] != [names for names, _ in once]


def test_processes_share_an_epoch():
    shares = [
        [n for _, _, names in Batches(Squares(7), 2, rank=r, world=2).epoch(0) for n in names] for r in (0, 1)
    ]
    assert set(shares[0]) | set(shares[1]) == {f"square {i}" for i in range(7)}
    assert len(Batches(Squares(7), 2, rank=0, world=2)) == len(Batches(Squares(7), 2, rank=1, world=2))
    in_order = [Batches(Squares(5), 2, rank=r, world=2, shuffle=False) for r in (0, 1)]
    names = [n for batches in in_order for _, _, names in batches.epoch(0) for n in names]
    assert sorted(names) == [
        f"square {i}" for i in range(5)
    ]  # each once: scores must not count an image twice


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("straight")
    model = tiny_net(norm=True, dropout=0.2)
    return run(model, folder=folder), model, folder


def stop_after(epoch):
    def on_epoch(row):
        if row["epoch"] == epoch:
            raise KeyboardInterrupt

    return on_epoch


@pytest.mark.parametrize("workers", [0, 1])
def test_two_epochs_and_two_resumed_are_bitwise_four(straight, tmp_path, workers):
    stopped = run(folder=tmp_path, on_epoch=stop_after(2))
    assert stopped.interrupted
    assert len(stopped.rows) == 2
    torch.manual_seed(99)
    model = tiny_net(norm=True, dropout=0.2)
    nn.init.zeros_(model[0].weight)  # whatever it holds before
    history = run(model, folder=tmp_path, resume=True, workers=workers)
    assert numbers(history) == numbers(straight[0])
    wanted = straight[1].state_dict()
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(("few", "threads", "used"), [(1e9, None, 1), (1, None, 3), (1e9, 2, 2)])
def test_a_small_network_trains_on_one_thread(monkeypatch, few, threads, used):
    monkeypatch.setattr("segcourse.threads.FEW", few)
    seen = []

    def loss(logits, target):
        seen.append(torch.get_num_threads())
        return cross_entropy(logits, target)

    torch.set_num_threads(3)
    run(loss=loss, threads=threads, epochs=1, folder=False)
    assert set(seen) == {used}
    assert torch.get_num_threads() == 3


def test_the_progress_bar_leaves_one_line_per_epoch(capsys):
    run(progress=True, epochs=2, folder=False)
    out, err = capsys.readouterr()
    lines = [line.rpartition("\r")[2] for line in out.split("\n")]  # what a terminal still shows at the end
    assert [line.partition(":")[0] for line in lines] == ["epoch 1", "epoch 2", ""]
    assert err == ""


@pytest.mark.parametrize("at", [1, 16, 25])
def test_ctrl_c_within_an_epoch_saves_the_position(straight, tmp_path, at, capsys):
    handler = signal.getsignal(signal.SIGINT)
    history = run(train=CtrlC(at), folder=tmp_path, progress=True)
    assert history.interrupted
    assert signal.getsignal(signal.SIGINT) is handler
    message = f"saved in {tmp_path}. To continue, pass this folder and resume=True."
    assert message in capsys.readouterr().out
    state = read_state(tmp_path / "last.pt")
    assert state["place"][1] in (1, 2)  # in the middle of an epoch of three steps
    assert numbers(run(folder=tmp_path, resume=True)) == numbers(straight[0])


def test_an_interrupt_from_inside_the_data_is_resumed_exactly(straight, tmp_path):
    class Raises(Squares):
        left = 17

        def __getitem__(self, index):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
            return super().__getitem__(index)

    assert run(train=Raises(), folder=tmp_path).interrupted
    assert numbers(run(folder=tmp_path, resume=True)) == numbers(straight[0])


def test_resume_refuses_a_missing_and_a_different_run(straight, tmp_path):
    with pytest.raises(ModelFileError, match="nothing to resume"):
        run(folder=tmp_path, resume=True)
    with pytest.raises(ModelFileError, match="needs the folder"):
        run(resume=True)
    (tmp_path / "last.pt").write_bytes((straight[2] / "last.pt").read_bytes())
    with pytest.raises(ModelFileError, match="batch_size=4, but now batch_size=5"):
        run(folder=tmp_path, resume=True, batch_size=5)
    with pytest.raises(ModelFileError, match="a different model"):
        run(create_model("unet", 2, width=4, depth=1), folder=tmp_path, resume=True)
    (tmp_path / "last.pt").write_bytes((straight[2] / "last.pt").read_bytes()[:3000])
    with pytest.raises(ModelFileError, match="damaged"):
        run(folder=tmp_path, resume=True)


def test_a_training_state_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (builtins.exec, ("raise SystemExit",))

    torch.save({"format": 1, "model": Evil()}, tmp_path / "last.pt")
    with pytest.raises(ModelFileError, match="not a training state"):
        read_state(tmp_path / "last.pt")


def test_the_last_smaller_batch_counts_by_its_size():
    """Nine images in batches of 4, 4, 1: the naive mean of three batch means gives the last image a third."""
    data = Squares(9, ignored={8: 0})
    model = tiny_net()
    history = run(model, Squares(4), data, epochs=1, loss=cross_entropy, learning_rate=0.0, folder=False)
    forward = Forward(model.eval(), CPU, PLAIN, *IMAGENET)
    batches = [
        (forward(image), mask, len(image)) for image, mask, _ in Batches(data, 4, shuffle=False).epoch(0)
    ]
    means = [F.cross_entropy(logits, mask).item() for logits, mask, _ in batches]
    weighted = sum(mean * n for mean, (_, _, n) in zip(means, batches, strict=True)) / 9
    assert history.rows[0]["val_loss"] == pytest.approx(weighted, abs=1e-6)
    assert abs(sum(means) / 3 - weighted) > 1e-4


def test_validation_images_may_differ_in_size():
    class Ragged(Squares):
        def __getitem__(self, index):
            return Squares(9, size=16 + 4 * (index % 3))[index]

    model = tiny_net(norm=True)
    history = run(model, Squares(4), Ragged(7), epochs=1, learning_rate=0.0, folder=False)
    forward = Forward(model.eval(), CPU, PLAIN, *IMAGENET)
    scores = Scores(2)
    for image, mask, names in Batches(Ragged(7), 1, shuffle=False).epoch(0):
        scores.update(forward(image).argmax(1), mask, names)
    assert history.rows[0]["dice_per_image"] == pytest.approx(scores.compute()["dice_per_image"])


def test_a_step_counts_by_its_images():
    progress = Run(nn.Conv2d(1, 1, 1), None, {}, None, 1, 3, None, False, True)
    with progress.interruptible():
        for loss, images in ((1.0, 4), (1.0, 4), (10.0, 1)):
            progress.step_done(loss, images)
    assert progress.train_loss() == pytest.approx(2.0)  # the naive mean is 4


def test_training_learns_and_leaves_the_best_weights(straight):
    history, model, folder = straight
    assert history.rows[-1]["train_loss"] < history.rows[0]["train_loss"]
    assert history.best["score"] == max(row["score"] for row in history.rows)
    best = load_file(folder / "best.safetensors")
    assert all(torch.equal(best[name], tensor) for name, tensor in model.state_dict().items())
    assert any(folder.glob("events.out.tfevents*"))


def test_cosine_schedule_rises_then_falls():
    values = [cosine_schedule(i / 100) for i in range(101)]
    peak = values.index(max(values))
    assert peak == 3
    assert values[peak] == pytest.approx(1)
    assert values[:4] == sorted(values[:4])
    assert values[3:] == sorted(values[3:], reverse=True)
    assert values[-1] == pytest.approx(0)


def test_minutes_end_the_run_with_a_finished_schedule():
    history = run(epochs=10_000, minutes=1 / 60, folder=False)
    assert 1 <= len(history.rows) < 10_000
    assert history.rows[-1]["lr"] < 0.1 * 1e-3


def test_without_a_number_of_epochs_the_time_is_used_up():
    history = run(epochs=None, minutes=1.5 / 60, folder=False)
    assert history.rows[-1]["seconds"] >= 0.9 * 1.5
    assert history.rows[-1]["lr"] < 0.1 * 1e-3


def test_the_first_epoch_leaves_time_for_its_validation(monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr("segcourse.training.budget.time.monotonic", lambda: next(clock))  # a second per look
    seen = []
    batches = Batches(Squares(20), 4, shuffle=False)
    assert seconds_to_validate(lambda part: seen.extend(part.epoch(0)), batches) == 5
    assert [len(names) for _, _, names in seen] == [4, 4]  # the first batch, twice
    monkeypatch.undo()
    # a validation that would take longer than the whole budget leaves half of it to the training
    monkeypatch.setattr("segcourse.training.loop.seconds_to_validate", lambda validate, batches: 1e6)
    assert run(epochs=None, minutes=2 / 60, folder=False).rows


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"minutes": 0}, "the time budget is 0 minutes; give more than 0"),
        ({"minutes": -1}, "-1 minutes"),
        ({"minutes": math.nan}, "nan minutes"),
        ({"epochs": None}, "the run has no end"),
        ({"epochs": 0}, "the number of epochs is 0; give 1 or more"),
    ],
)
def test_a_run_needs_an_end_and_some_time(options, sentence):
    with pytest.raises(TrainingError, match=sentence):
        run(folder=False, **options)


def test_the_history_is_a_table(straight, tmp_path):
    rows = list(csv.DictReader((straight[2] / "history.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert [float(row["val_loss"]) for row in rows] == [row["val_loss"] for row in straight[0].rows]


def test_weight_decay_spares_biases_and_normalisation():
    groups = make_optimizer(tiny_net(norm=True), 0.1).param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert all(parameter.ndim == 4 for parameter in groups[0]["params"])
    assert all(parameter.ndim == 1 for parameter in groups[1]["params"])


class Broken(Squares):
    def __getitem__(self, index):
        image, mask, name = super().__getitem__(index)
        return (image * math.nan if index == 6 else image), mask, name


def test_nan_in_an_image_stops_with_its_name(tmp_path):
    with pytest.raises(TrainingError, match=r"loss became nan.*NaN or infinite values: square 6\.$"):
        run(train=Broken(), folder=tmp_path)


def test_a_diverging_loss_stops_with_the_names_of_its_batch():
    def overflowing(logits, target):
        return cross_entropy(logits, target) * torch.inf

    with pytest.raises(
        TrainingError, match=r"loss became inf in the batch of (square \d, ){3}square \d\. .*learning rate"
    ):
        run(loss=overflowing, folder=False)


def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path, monkeypatch):
    run(folder=tmp_path, on_epoch=stop_after(2))
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.*t*s") if path.suffix != ".0"}
    before["last.pt"] = (tmp_path / "last.pt").read_bytes()

    def half_then_full(path, content):
        with open(path, "wb") as file:
            file.write(bytes(content)[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", half_then_full)
        with pytest.raises(SaveError, match="No space left on device"):
            run(folder=tmp_path, resume=True)
    assert (tmp_path / "last.pt").read_bytes() == before["last.pt"]
    assert not list(tmp_path.glob(".*"))  # no temporary file is left
    assert len(run(folder=tmp_path, resume=True).rows) == 4


def test_missing_devices_are_explained():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU; the test is about one without.")
    with pytest.raises(DeviceError, match="'cuda' was requested, but PyTorch finds no GPUs"):
        run(device="cuda", folder=False)
    with pytest.raises(DeviceError, match="no device called 'gpux'"):
        run(device="gpux", folder=False)


def test_empty_and_ragged_data_are_explained():
    with pytest.raises(DataError, match="empty"):
        run(train=Squares(0), folder=False)

    class Ragged(Squares):
        def __getitem__(self, index):
            return Squares(1, size=16 + index)[0]

    with pytest.raises(DataError, match="must have the same size"):
        run(train=Ragged(), folder=False)


def test_derived_seeds_are_reproducible_and_distinct():
    assert derive_seed(0, 0) == derive_seed(0, 0)
    numbers = itertools.product(range(5), range(5), range(20))
    assert len({derive_seed(*three) for three in numbers}) == 500
