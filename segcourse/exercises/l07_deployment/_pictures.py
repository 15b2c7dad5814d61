"""Small pictures for the cases of this lesson, and how a picture is observed."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case
from segcourse.exercises.engine.observing import Explained

FIFTHS = (0.2, 0.4, 0.6, 0.8)  # whole numbers mixed in fifths never end in a half, which rounds either way


def picture(rng: Generator, height: int, width: int) -> np.ndarray:
    """Return random colours, uint8 H×W×3, none of them black or white."""
    return rng.integers(1, 255, (height, width, 3)).astype(np.uint8)


def look(answer: Callable, case: Case) -> dict[str, Any]:
    """Observe the picture that an answer returns: its numbers, and that it is a new uint8 array."""
    value = answer(*case.inputs.values())
    if isinstance(value, np.ndarray):
        if value.dtype != np.uint8:
            raise Explained(
                f"Your picture has the type {value.dtype}; uint8 is asked for. Image files and browsers know "
                "no other: round, then `.astype(np.uint8)`."
            )
        if any(isinstance(one, np.ndarray) and np.shares_memory(value, one) for one in case.inputs.values()):
            raise Explained(
                "Your picture shares its memory with an argument: who paints on it paints on the original, "
                "too. Return a new array."
            )
    return {"value": value}


def lesion() -> tuple[np.ndarray, np.ndarray]:
    """Return a drawn lesion, uint8 H×W×3, and its mask, uint8 H×W of 0 and 1."""
    from segcourse.data import load_dataset

    image, mask = load_dataset("lesions", "test", size=128, count=1).picture(0)
    return image, mask
