"""The end of a training run: by a number of epochs, or by a time budget that includes the validation."""

import math
import time
from collections.abc import Callable
from typing import Any

from torch.utils.data import Subset

from segcourse.errors import TrainingError
from segcourse.training.batches import Batches


def check_length(epochs: int | None, minutes: float | None) -> None:
    """Refuse a run without an end, and one without any time.

    Raises:
        TrainingError: the time budget is not above 0, the number of epochs is below 1, or there is neither.
    """
    if epochs is not None and epochs < 1:
        raise TrainingError(f"the number of epochs is {epochs}; give 1 or more.")
    if minutes is not None and not 0 < minutes < math.inf:
        raise TrainingError(
            f"the time budget is {minutes:g} minutes; give more than 0 minutes, or a number of epochs."
        )
    if epochs is None and minutes is None:
        raise TrainingError("the run has no end; give a number of epochs, or a time budget in minutes.")


def seconds_to_validate(validate: Callable[[Batches], object], batches: Batches) -> float:
    """Estimate the time of a validation from its first batch, so that even the first epoch leaves time."""
    part: Any = Subset(batches.dataset, range(min(batches.batch_size, len(batches.dataset))))  # type: ignore[arg-type]
    first = Batches(part, batches.batch_size, shuffle=False, workers=batches.workers)
    for _ in range(2):  # the first time is longer: libraries prepare themselves
        started = time.monotonic()
        validate(first)
    return (time.monotonic() - started) * len(batches.dataset) / (len(part) * batches.world)
