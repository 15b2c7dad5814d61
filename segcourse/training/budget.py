"""The end of a training run: by a number of epochs, or by a time budget that includes the validation."""

import math
import time

import torch

from segcourse.errors import TrainingError
from segcourse.models.forward import Forward
from segcourse.training.batches import Batches


def check_length(epochs: int | None, minutes: float | None) -> None:
    """Refuse a run without an end, and one without any time.

    Raises:
        TrainingError: the time budget is not above 0, or there is neither a budget nor a number of epochs.
    """
    if minutes is not None and not 0 < minutes < math.inf:
        raise TrainingError(
            f"the time budget is {minutes:g} minutes; give more than 0 minutes, or a number of epochs."
        )
    if epochs is None and minutes is None:
        raise TrainingError("the run has no end; give a number of epochs, or a time budget in minutes.")


@torch.inference_mode()
def seconds_to_validate(forward: Forward, batches: Batches) -> float:
    """Estimate the time of a validation from its first batch, so that even the first epoch leaves time."""
    for _ in range(2):  # the first time is longer: libraries prepare themselves
        started = time.monotonic()
        image = next(batches.epoch(0))[0]
        forward(image).argmax(1).cpu()
    return (time.monotonic() - started) * len(batches.dataset) / (len(image) * batches.world)
