"""A training run around the loop: position, checkpoints, progress bar, time budget and Ctrl-C."""

import contextlib
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from segcourse.devices import Speed
from segcourse.errors import ModelFileError
from segcourse.files import write_csv
from segcourse.models.weights import load_weights, read_weights, save_weights, weights_of
from segcourse.training.accelerator import from_main_process
from segcourse.training.history import History, describe
from segcourse.training.state import read_state, save_state

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

CHECKPOINT = "last.pt"
SETTINGS = "settings.json"  # `segcourse fit` writes it to its runs, and resumes from it


class Run:
    """The position of a training run, with everything to show, stop, save and resume the run.

    All random numbers depend on (seed, epoch, step). The position, the weights and the optimizer's state are
    therefore enough to resume. With several processes, only the main process writes files and shows progress.

    Args:
        model, optimizer: what is trained, and saved in checkpoints.
        settings: values that must not change when the run resumes.
        folder: folder of the run's files; None writes nothing.
        epochs: number of epochs; None for as many as fit in the time budget.
        steps: number of steps per epoch.
        minutes: time budget; None for no limit.
        progress: show a progress bar.
        main: True in the main process.
        average: the moving average of the weights, whose weights are the best ones then.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        settings: dict[str, Any],
        folder: Path | None,
        epochs: int | None,
        steps: int,
        minutes: float | None,
        progress: bool,
        main: bool,
        average: AveragedModel | None = None,
    ):
        self.model, self.optimizer, self.settings, self.average = model, optimizer, settings, average
        self.epochs, self.steps, self.budget = epochs or math.inf, steps, 60 * (minutes or math.inf)
        self.epoch, self.step, self.loss_sum, self.images = 0, 0, 0.0, 0
        self.seconds, self.reserved, self.started = 0.0, 0.0, time.monotonic()
        self.history = History(folder=folder)
        self.best_weights: dict[str, torch.Tensor] | None = None
        self.main, self.stop, self.show = main, False, progress and main
        self.bar = tqdm(disable=True)  # `interruptible` replaces it
        self.curves: SummaryWriter | None = None

    def elapsed(self) -> float:
        """Return the seconds of training so far, including the time before a resume."""
        return self.seconds + time.monotonic() - self.started

    def fraction(self) -> float:
        """Return the finished fraction (0 to 1) of the steps or of the time, whichever is larger."""
        steps = (self.epoch * self.steps + self.step) / (self.epochs * self.steps)
        return min(1.0, max(steps, self._time_used()))

    def out_of_time(self) -> bool:
        """Return True if the time budget is spent, apart from the time reserved for the next validation."""
        return self._time_used() >= 1

    def _time_used(self) -> float:
        if math.isinf(self.budget):
            return 0.0
        return from_main_process((self.elapsed() + self.reserved) / self.budget)

    def step_done(self, loss: float, images: int) -> None:
        """Record a finished step with the mean loss of its images, and stop here after Ctrl-C."""
        self.step += 1
        self.loss_sum += loss * images
        self.images += images
        self.bar.set_description_str(f"{self._epoch_name()} ", refresh=False)
        self.bar.set_postfix_str(f"loss {self.train_loss():.3f}", refresh=False)
        self.bar.update(self.fraction() - self.bar.n)
        if self.stop:
            raise KeyboardInterrupt

    def train_loss(self) -> float:
        """Return the mean training loss per image of this epoch so far."""
        return self.loss_sum / self.images

    def epoch_done(self, row: dict) -> None:
        """Record the epoch's row, keep the weights if they are the best so far, and save a checkpoint."""
        row["seconds"] = round(self.elapsed(), 2)
        self.epoch, self.step, self.loss_sum, self.images = self.epoch + 1, 0, 0.0, 0
        if self.history.add(row):
            weights = self.best_weights = weights_of(self.average.module if self.average else self.model)
            self._write(lambda folder: save_weights(folder / "best.safetensors", weights))
        self.save()
        self._write(lambda folder: self._plot(folder, row))
        self._write(lambda folder: write_csv(folder / "history.csv", self.history.table()))
        if not self.bar.disable:
            self.bar.write(describe(row))
        if self.stop:
            raise KeyboardInterrupt

    def save(self) -> None:
        """Write the checkpoint last.pt."""
        state = {
            "model": weights_of(self.model),
            "average": weights_of(self.average) if self.average else {},
            "optimizer": self.optimizer.state_dict(),
            "settings": self.settings,
            "place": (self.epoch, self.step, self.loss_sum, self.images, self.elapsed()),
            "rows": self.history.rows,
            "best": self.history.best,
            "speed": tuple(self.history.speed or ()),
        }
        self._write(lambda folder: save_state(folder / CHECKPOINT, state))

    def load(self) -> None:
        """Continue from the checkpoint last.pt.

        Raises:
            ModelFileError: the file is missing, or it belongs to a run with other settings.
        """
        folder = self.history.folder
        assert folder is not None  # run_folder has made sure
        path = folder / CHECKPOINT
        state = read_state(path)
        for name, now in self.settings.items():
            if state["settings"].get(name) != now:
                raise ModelFileError(
                    f"{path} was saved with {name}={state['settings'].get(name)}, but now {name}={now}. Give "
                    "the same value to resume, or start a new run in another folder."
                )
        load_weights(self.model, state["model"], path)
        if self.average:
            load_weights(self.average, state["average"], path)
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step, self.loss_sum, self.images, self.seconds = state["place"]
        self.history.rows, self.history.best = state["rows"], state["best"]
        self.history.speed = Speed(*state["speed"])
        if self.history.best is not None:
            self.best_weights = read_weights(folder / "best.safetensors")[0]

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let Ctrl-C finish the step, save and end the run; a second Ctrl-C stops immediately."""
        in_main_thread = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGINT, self._ctrl_c) if in_main_thread else None
        self.bar = tqdm(
            total=1.0,
            initial=self.fraction(),
            disable=not self.show,
            file=sys.stdout,  # as the epochs' lines: notebooks cut alternating streams into pieces
            leave=False,
            bar_format="{desc}{percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}",
        )
        try:
            yield
        except KeyboardInterrupt:
            self.history.interrupted = True
            self.save()
            self.bar.write(self._interrupt_message())
        finally:
            if in_main_thread:
                signal.signal(signal.SIGINT, before)
            self.bar.close()
            if self.curves:
                self.curves.close()

    def _ctrl_c(self, *_: Any) -> None:
        if self.stop:
            raise KeyboardInterrupt
        self.stop = True

    def _interrupt_message(self) -> str:
        place = f"Stopped in {self._epoch_name()}, after {self.step} of {self.steps} steps"
        folder = self.history.folder
        if folder is None:
            return f"{place}; nothing was saved, because folder=False."
        by_command = (folder / SETTINGS).exists()
        how = f"run `segcourse fit --resume {folder}`" if by_command else "pass this folder and resume=True"
        return f"{place}; saved in {folder}. To continue, {how}."

    def _epoch_name(self) -> str:
        return f"epoch {self.epoch + 1}" + ("" if math.isinf(self.epochs) else f" of {self.epochs}")

    def _write(self, action: Callable[[Path], None]) -> None:
        if self.main and self.history.folder is not None:
            action(self.history.folder)

    def _plot(self, folder: Path, row: dict) -> None:
        if self.curves is None:
            from torch.utils.tensorboard import SummaryWriter  # takes a second to import

            self.curves = SummaryWriter(folder, purge_step=row["epoch"])
        for name, value in row.items():
            if name != "epoch":
                self.curves.add_scalar(name, value, row["epoch"])
        self.curves.flush()


def run_folder(folder: str | Path | Literal[False] | None, model: nn.Module, resume: bool) -> Path | None:
    """Return the folder for a run's files, or None to write nothing."""
    if resume and not folder:
        raise ModelFileError("resume=True needs the folder of the run: pass folder=.")
    if folder is None:
        folder = f"runs/{type(model).__name__.lower()}-{datetime.now():%Y%m%d-%H%M%S}"
    return Path(folder) if folder else None
