"""The smallest failing case, told in words, with its small arrays ready to be drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segcourse.exercises.observations import Observation, describe, differing, plain, same

MAX_CELLS, MAX_COLUMNS = 128, 16  # of what is drawn: it has to be read, on a phone too
LABEL_MAPS = ("prediction", "target")  # what the exercises call their masks; other whole numbers are counts


@dataclass(frozen=True)
class Picture:
    """A small array to draw: `images` holds for each of its images the rows of cells, as text.

    `part` is "given", "expected" or "yours". The cells of label maps are class ids (`labels`); `wrong` holds,
    for what is not as expected, the [image, row, column] of each such cell.
    """

    part: str
    name: str
    images: list[list[list[str]]]
    labels: bool
    wrong: list[list[int]]


@dataclass(frozen=True)
class Smallest:
    """The smallest failing case, as text; `pictures` holds its small arrays for drawing."""

    group: str
    given: str
    expected: str
    got: str
    pictures: tuple[Picture, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Smallest":
        """The case that `dataclasses.asdict` and JSON turned into plain data."""
        return cls(**data | {"pictures": tuple(Picture(**picture) for picture in data["pictures"])})


def smallest(case: Any, expected: Observation, seen: Observation) -> Smallest:
    """Tell a failing case (an `engine.Case`): its inputs, what was expected of the fields that differ, and
    what came."""
    given = case.given or ", ".join(
        f"{name} = {describe(value if isinstance(value, str) else plain(value))}"
        for name, value in case.inputs.items()
    )
    fields = [f for f in expected if f not in seen or not same(seen[f], expected[f], case.tolerance)]
    return Smallest(
        case.group,
        f"{case.note}: {given}" if case.note else given,
        _told(expected, fields, seen),
        _told(seen, fields, expected),
        (*_given(case), *_outputs(case, fields, expected, seen)),
    )


def _given(case: Any) -> list[Picture]:
    """The inputs that are label maps or tables of counts; real numbers are told in words."""
    arrays = ((name, plain(value)) for name, value in case.inputs.items())
    return [
        Picture("given", name, _cells(array, 0), name in LABEL_MAPS, [])
        for name, array in arrays
        if _drawable(array) and array.ndim > 1 and array.dtype.kind != "f"
    ]


def _outputs(case: Any, fields: Sequence[str], expected: Observation, seen: Observation) -> list[Picture]:
    """What was expected and what came, cell by cell, for the fields that differ in their numbers."""
    pictures = []
    for field in fields:
        right, came = expected[field], seen.get(field)
        if not _drawable(right) or not _drawable(came):
            continue
        name, wrong = "" if field == "value" else field, np.zeros(came.shape, bool)
        if came.shape == right.shape:
            wrong = differing(came, right, case.tolerance).reshape(came.shape)
        digits = _digits(came[wrong], right[wrong]) if came.shape == right.shape else 3
        places = np.argwhere(_images(wrong)).tolist()
        pictures.append(Picture("expected", name, _cells(right, digits), False, []))
        pictures.append(Picture("yours", name, _cells(came, digits), False, places))
    return pictures


def _drawable(value: np.ndarray | str | None) -> bool:
    return (
        isinstance(value, np.ndarray)
        and 0 < value.ndim <= 4
        and 1 < value.size <= MAX_CELLS
        and value.shape[-1] <= MAX_COLUMNS
    )


def _images(array: np.ndarray) -> np.ndarray:
    """The array as images of rows and columns; one row where it has no rows."""
    return array.reshape(-1, *((1, *array.shape)[-2:]))


def _cells(array: np.ndarray, digits: int) -> list[list[list[str]]]:
    array = array.astype(int) if array.dtype.kind == "b" else array
    return [[[describe(cell, digits) for cell in row] for row in image] for image in _images(array)]


def _digits(one: np.ndarray, other: np.ndarray) -> int:
    """How many decimals it takes to tell these numbers apart, one by one."""
    pairs = list(zip(one.ravel(), other.ravel(), strict=True))
    enough = (d for d in range(3, 8) if all(describe(a, d) != describe(b, d) for a, b in pairs))
    return next(enough, 8)


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
