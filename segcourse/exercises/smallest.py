"""The smallest failing case, told in words, with its label maps ready to be drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segcourse.exercises.observations import Observation, describe, plain, same


@dataclass(frozen=True)
class Smallest:
    """The smallest failing case, as text; `masks` holds its small label maps (name -> images -> rows) for
    drawing."""

    group: str
    given: str
    expected: str
    got: str
    masks: dict[str, list] = field(default_factory=dict)


def smallest(case: Any, expected: Observation, seen: Observation) -> Smallest:
    """Tell a failing case (an `engine.Case`): its inputs, what was expected of the fields that differ, and
    what came."""
    given = case.given or ", ".join(
        f"{name} = {describe(value if isinstance(value, str) else plain(value))}"
        for name, value in case.inputs.items()
    )
    masks = {name: mask for name, value in case.inputs.items() if (mask := _mask(plain(value))) is not None}
    fields = [f for f in expected if f not in seen or not same(seen[f], expected[f], case.tolerance)]
    return Smallest(
        case.group,
        f"{case.note}: {given}" if case.note else given,
        _told(expected, fields, seen),
        _told(seen, fields, expected),
        masks,
    )


def _mask(value: np.ndarray | str) -> list | None:
    """A small label map as nested lists, ready to be drawn."""
    if (
        isinstance(value, str)
        or value.dtype.kind == "f"
        or value.ndim not in (2, 3)
        or not 0 < value.size <= 128
    ):
        return None
    return value.astype(int).reshape(-1, *value.shape[-2:]).tolist()


def _told(one: Observation, fields: Sequence[str], other: Observation) -> str:
    if "error" in one:
        return f"{one['error']}: {one.get('message', '')}".rstrip(": ")
    told = []
    for name in fields or [f for f in one if f != "changed"]:
        words = _contrast(one.get(name, "nothing"), other.get(name, "nothing"))
        told.append(words if name == "value" else f"{name} {words}")
    if "changed" in one:
        told.append(f"and {one['changed']} was changed")
    return ", ".join(told)


def _contrast(here: np.ndarray | str, there: np.ndarray | str) -> str:
    """`here` with as many digits, or the one place, that it takes to tell it from `there`."""
    for digits in range(3, 9):
        if (words := describe(here, digits)) != describe(there, digits):
            return words
    if isinstance(here, str) or isinstance(there, str) or here.shape != there.shape:
        return describe(here)
    away = np.nan_to_num(np.abs(here.astype(float) - there.astype(float)), nan=np.inf)
    place = np.unravel_index(np.argmax(np.where(np.isnan(here) & np.isnan(there), 0, away)), here.shape)
    at = ", ".join(str(int(index)) for index in place)
    return f"{describe(here[place])} at [{at}] of {describe(here)}"
