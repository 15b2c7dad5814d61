"""A training run around its loop: the place it has reached, its files, its progress bar, and Ctrl-C."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list
from torch import nn
from tqdm.auto import tqdm

from segcourse.devices import Speed, find_device
from segcourse.errors import ModelFileError
from segcourse.models.weights import load_weights, read_weights, save_weights, weights_of
from segcourse.training.state import read_state, save_state


@dataclass
class History:
    """What a training run did.

    Attributes:
        rows: a dict an epoch: epoch (from 1), train_loss, lr, seconds and, with validation data, val_loss and
            scores.
        best: the best of them.
        folder: where best.safetensors, last.pt and TensorBoard's curves are; None when nothing was written.
        speed: the number format and memory order that it ran in.
        interrupted: Ctrl-C ended it early.
    """

    rows: list[dict] = field(default_factory=list)
    best: dict | None = None
    folder: Path | None = None
    speed: Speed | None = None
    interrupted: bool = False


class Run:
    """Where a training run is, and how it is shown, stopped, saved and resumed.

    Everything random is drawn from (seed, epoch, step), so that the place, the weights and the optimizer's
    state are all that a continuation needs. Only the main one of several processes writes and shows.
    """

    def __init__(self, model, optimizer, settings: dict, folder, epochs, steps, minutes, progress, main):
        self.model, self.optimizer, self.settings = model, optimizer, settings
        self.epochs, self.steps, self.budget = epochs, steps, 60 * (minutes or math.inf)
        self.epoch, self.step, self.loss_sum, self.images = 0, 0, 0.0, 0
        self.seconds, self.reserved, self.started = 0.0, 0.0, time.monotonic()
        self.history, self.best_weights = History(folder=folder), None
        self.main, self.stop = main, False
        self.show, self.bar = progress and main, None
        self.curves = None

    def elapsed(self) -> float:
        """Seconds of training so far, those before a resume included."""
        return self.seconds + time.monotonic() - self.started

    def fraction(self) -> float:
        """The part of the run that is done, 0 to 1: by steps or by the clock, whichever is further."""
        return min(
            1.0, max((self.epoch * self.steps + self.step) / (self.epochs * self.steps), self._time_used())
        )

    def out_of_time(self) -> bool:
        """Is the budget spent, with what the next validation will need?"""
        return self._time_used() >= 1

    def _time_used(self) -> float:
        if math.isinf(self.budget):
            return 0.0
        return agreed((self.elapsed() + self.reserved) / self.budget)

    def step_done(self, loss: float, images: int) -> None:
        """Count a step: its mean loss weighs as much as it has images. A waiting Ctrl-C takes effect here."""
        self.step += 1
        self.loss_sum += loss * images
        self.images += images
        self.bar.set_description_str(f"epoch {self.epoch + 1} of {self.epochs} ", refresh=False)
        self.bar.set_postfix_str(f"loss {self.train_loss():.3f}", refresh=False)
        self.bar.update(self.fraction() - self.bar.n)
        if self.stop:
            raise KeyboardInterrupt

    def train_loss(self) -> float:
        return self.loss_sum / self.images

    def epoch_done(self, row: dict) -> None:
        """Record the epoch's row, keep the weights if they are the best so far, and save."""
        row["seconds"] = round(self.elapsed(), 2)
        self.history.rows.append(row)
        self.epoch, self.step, self.loss_sum, self.images = self.epoch + 1, 0, 0.0, 0
        if self.history.best is None or _score(row) > _score(self.history.best):
            self.history.best = row
            self.best_weights = weights_of(self.model)
            self._write(lambda folder: save_weights(folder / "best.safetensors", self.best_weights))
        self.save()
        self._write(lambda folder: self._plot(folder, row))
        if not self.bar.disable:
            self.bar.write(describe(row))
        if self.stop:
            raise KeyboardInterrupt

    def save(self) -> None:
        """Write last.pt."""
        state = {
            "model": weights_of(self.model),
            "optimizer": self.optimizer.state_dict(),
            "settings": self.settings,
            "place": (self.epoch, self.step, self.loss_sum, self.images, self.elapsed()),
            "rows": self.history.rows,
            "best": self.history.best,
            "speed": tuple(self.history.speed),
        }
        self._write(lambda folder: save_state(folder / "last.pt", state))

    def load(self) -> None:
        """Continue from last.pt.

        Raises:
            ModelFileError: there is none, or it is another run's.
        """
        path = self.history.folder / "last.pt"
        state = read_state(path)
        for name, now in self.settings.items():
            if state["settings"].get(name) != now:
                raise ModelFileError(
                    f"{path} was made with {name}={state['settings'].get(name)}, now it is {now}: continued, "
                    "the run would be neither. Give the same value, or start in another folder."
                )
        load_weights(self.model, state["model"], path)
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step, self.loss_sum, self.images, self.seconds = state["place"]
        self.history.rows, self.history.best = state["rows"], state["best"]
        self.history.speed = Speed(*state["speed"])
        if self.history.best is not None:
            self.best_weights = read_weights(self.history.folder / "best.safetensors")[0]

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Ctrl-C inside waits for the end of a step, saves the place and ends the run; a second one does not
        wait."""
        in_main_thread = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGINT, self._ctrl_c) if in_main_thread else None
        self.bar = tqdm(
            total=1.0,
            initial=self.fraction(),
            disable=not self.show,
            bar_format="{desc}{percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}",
        )
        try:
            yield
        except KeyboardInterrupt:
            self.history.interrupted = True
            self.save()
            self.bar.write(self._farewell())
        finally:
            if in_main_thread:
                signal.signal(signal.SIGINT, before)
            self.bar.close()
            if self.curves:
                self.curves.close()

    def _ctrl_c(self, *_):
        if self.stop:
            raise KeyboardInterrupt
        self.stop = True

    def _farewell(self) -> str:
        place = f"Stopped in epoch {self.epoch + 1} of {self.epochs}, after {self.step} of {self.steps} steps"
        if self.history.folder is None:
            return f"{place}; nothing was saved, because folder=False."
        return (
            f"{place}; saved in {self.history.folder}. To go on, call again with that folder and resume=True."
        )

    def _write(self, action) -> None:
        if self.main and self.history.folder is not None:
            action(self.history.folder)

    def _plot(self, folder: Path, row: dict) -> None:
        if self.curves is None:
            from torch.utils.tensorboard import SummaryWriter  # costs a second to import

            self.curves = SummaryWriter(folder, purge_step=row["epoch"])
        for name, value in row.items():
            if name != "epoch":
                self.curves.add_scalar(name, value, row["epoch"])
        self.curves.flush()


def make_accelerator(device: str | torch.device | None) -> Accelerator:
    """Accelerate's view of `device`, or of all devices when started by `accelerate launch`."""
    device = find_device(device)
    state = AcceleratorState._shared_state
    if state and state["num_processes"] == 1:  # an earlier run in this process may have used another device
        AcceleratorState._reset_state(reset_partial_state=True)
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    return Accelerator(cpu=device.type == "cpu", mixed_precision="no")


def run_folder(folder: str | Path | bool | None, model: nn.Module, resume: bool) -> Path | None:
    """Where a run keeps its files; None for nowhere."""
    if resume and not folder:
        raise ModelFileError("resume needs the folder of the run to continue: pass folder=….")
    if folder is None:
        folder = f"runs/{type(model).__name__.lower()}-{datetime.now():%Y%m%d-%H%M%S}"
    return Path(folder) if folder else None


def agreed(value):
    """The main process's value: several processes that measure must not decide differently."""
    return broadcast_object_list([value])[0]


def describe(row: dict) -> str:
    """An epoch's row in one line.

    >>> describe({"epoch": 3, "train_loss": 0.25, "lr": 0.001, "seconds": 61.0, "val_loss": 0.5})
    'epoch 3: 61 s, train_loss 0.250, val_loss 0.500'
    """
    names = ("train_loss", "val_loss", "dice_per_image", "mean_iou")
    return f"epoch {row['epoch']}: {row['seconds']:.0f} s, " + ", ".join(
        f"{name} {row[name]:.3f}" for name in names if name in row
    )


def _score(row: dict) -> float:
    """What makes an epoch better: its score; without validation, being later."""
    score = row.get("score", row["epoch"])
    return -math.inf if math.isnan(score) else score


def explain_divergence(value: float, images: tuple, names: tuple) -> str:
    """A sentence on a loss that is NaN or infinite, with the files of its batch, or those of them that are to
    blame."""
    files = [(name, image) for batch, batch_names in zip(images, names, strict=True)
             for image, name in zip(batch, batch_names, strict=True)]  # fmt: skip
    broken = [name for name, image in files if not image.isfinite().all()]
    if broken:
        return (
            f"the loss became {value}, because these images hold NaN or infinite values: {', '.join(broken)}."
        )
    return (
        f"the loss became {value} in the batch of {', '.join(name for name, _ in files)}. Look at these "
        "images and masks; if they are fine, lower the learning rate or use precision='fp32'."
    )
