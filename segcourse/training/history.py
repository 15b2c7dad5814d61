"""The record of a training run, epoch by epoch."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from segcourse.devices import Speed


@dataclass
class History:
    """The record of a training run.

    Attributes:
        rows: one dict per epoch: epoch (from 1), train_loss, lr, seconds (since the start of the run) and,
            with validation data, val_loss and scores.
        best: the row of the best epoch.
        folder: folder of best.safetensors, last.pt, history.csv and TensorBoard's curves; None if nothing is
            written.
        speed: number format and memory format of the run.
        interrupted: True if Ctrl-C ended the run early.
    """

    rows: list[dict] = field(default_factory=list)
    best: dict | None = None
    folder: Path | None = None
    speed: Speed | None = None
    interrupted: bool = False

    def add(self, row: dict) -> bool:
        """Append an epoch's row, and return True if the epoch is the best so far."""
        self.rows.append(row)
        if self.best is not None and _score(row) <= _score(self.best):
            return False
        self.best = row
        return True

    def table(self) -> list[list]:
        """Return the rows as a table, the column names first.

        >>> History([{"epoch": 1, "train_loss": 0.5}, {"epoch": 2, "train_loss": 0.25}]).table()
        [['epoch', 'train_loss'], [1, 0.5], [2, 0.25]]
        """
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        return [columns, *([row.get(name, "") for name in columns] for row in self.rows)]


def describe(row: dict) -> str:
    """Describe an epoch's row in one line.

    >>> describe({"epoch": 3, "train_loss": 0.25, "lr": 0.001, "seconds": 61.0, "val_loss": 0.5})
    'epoch 3: 61 s, train_loss 0.250, val_loss 0.500'
    """
    names = ("train_loss", "val_loss", "dice_per_image", "mean_iou")
    return f"epoch {row['epoch']}: {row['seconds']:.0f} s, " + ", ".join(
        f"{name} {row[name]:.3f}" for name in names if name in row
    )


def _score(row: dict) -> float:
    """Return an epoch's score; without validation data, later epochs score higher."""
    score = row.get("score", row["epoch"])
    return -math.inf if math.isnan(score) else score
