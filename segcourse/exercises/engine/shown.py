"""The failing case that a reply shows: in words, as lines to paste, and with small arrays to draw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.facts import Record
from segcourse.exercises.engine.observations import ASIDE, Observation, describe, differing, plain, same
from segcourse.exercises.engine.observing import MODE, MODE_OF, Explained

MAX_CELLS, MAX_COLUMNS = 128, 16  # of what is drawn: it has to be read, on a phone too
PAPER = 16  # numbers that a person can work through with a pencil
_YES_OR_NO = {"True": "yes", "False": "no"}  # a field such as "without gradients"
LABEL_MAPS = ("prediction", "target")  # what the exercises call their masks; other whole numbers are counts


@dataclass(frozen=True)
class Picture:
    """A small array to draw.

    Args:
        part: "given", "expected" or "yours".
        name: what the array is called; "" for the value itself.
        images: for each 2-d slice the rows of cells, as text.
        titles: what each slice is called, such as "image 0, channel 1"; empty where there is one only.
        labels: whether the cells are class ids.
        wrong: [slice, row, column] of each cell that is not as expected.
    """

    part: str
    name: str
    images: list[list[list[str]]]
    titles: list[str]
    labels: bool
    wrong: list[list[int]]


@dataclass(frozen=True)
class Shown:
    """A failing case.

    Args:
        group: its group.
        given: traits and inputs, in words.
        expected, got: what was expected and what came, in words.
        code: a line that builds exactly the inputs and one that calls the answer; () for inputs too large.
        fetch: the same for practice cases of any size, with `exercises.inputs`.
        paper: whether the case is small enough for pencil and paper.
        pictures: its small arrays.
    """

    group: str
    given: str
    expected: str
    got: str
    code: tuple[str, ...] = ()
    fetch: tuple[str, ...] = ()
    paper: bool = False
    pictures: tuple[Picture, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Shown":
        """Return the case that `dataclasses.asdict` and JSON turned into plain data."""
        pictures = tuple(Picture(**picture) for picture in data["pictures"])
        return cls(
            **data | {"pictures": pictures, "code": tuple(data["code"]), "fetch": tuple(data["fetch"])}
        )


def show_case(exercise: Exercise, record: Record) -> Shown:
    """Return a failing case with its inputs, what was expected in the fields that differ, and what came."""
    case, expected, seen = record.case, record.expected, record.seen
    given = case.given or ", ".join(
        f"{name} = {describe(value if isinstance(value, str) else plain(value))}"
        for name, value in case.inputs.items()
    )
    fields = [f for f in record.fields if f in expected and f != "type"]
    if not fields:  # an error, or the right numbers in the wrong container
        fields = ["value"] if "value" in expected else [f for f in expected if f not in ASIDE][:1]
    tensors = [plain(value) for value in case.inputs.values() if isinstance(value, torch.Tensor)]
    sizes = [value.size for value in tensors if isinstance(value, np.ndarray)]
    names, call = call_of(exercise, case)
    return Shown(
        case.group,
        f"{'; '.join(case.traits)}: {given}" if case.traits else given,
        _told(expected, fields, seen),
        _told(seen, fields, expected),
        _code(case, names, call),
        (f"{', '.join(names)} = segcourse.exercises.inputs({exercise.name!r}, {record.index})", *call)
        if names
        else call,
        bool(sizes) and sum(sizes) <= PAPER and not case.observe,
        (*_given(case), *_outputs(case, fields, expected, seen)),
    )


def call_of(exercise: Exercise, case: Case) -> tuple[list[str], tuple[str, ...]]:
    """Return the inputs to build first, and the line that calls the answer, () if there is none."""
    line = getattr(case.observe or exercise.observe, "line", None)
    if line is None:
        return list(case.inputs), (f"{exercise.name}({', '.join(case.inputs)})",)
    tensors = [name for name, value in case.inputs.items() if isinstance(value, torch.Tensor)]
    numbers = ", ".join(str(value) for name, value in case.inputs.items() if name not in tensors)
    call = line.format(net=f"{exercise.name}({numbers})", tensors=", ".join(tensors))
    return tensors, (call,) if call else ()


def _code(case: Case, names: Sequence[str], call: tuple[str, ...]) -> tuple[str, ...]:
    """Return lines with the inputs written out; () if they are too large."""
    if case.build:
        return case.build, *call
    literals = [_literal(case.inputs[name]) for name in names]
    if not all(literals) or sum(map(len, literals)) > 2000:
        return ()
    return (f"{', '.join(names)} = {', '.join(literals)}", *call) if names else call


def _literal(value: Any) -> str:
    """Return an expression that builds exactly this value; "" if there is no short one.

    >>> _literal(torch.tensor([1, 0], dtype=torch.uint8)), _literal(torch.ones(2, 3)), _literal(0.5)
    ('torch.tensor([1, 0], dtype=torch.uint8)', 'torch.full((2, 3), 1.0)', '0.5')
    """
    if not isinstance(value, torch.Tensor):
        return repr(value) if isinstance(value, int | float) else ""
    usual = {torch.int64, torch.float32, torch.bool}
    dtype = "" if value.dtype in usual else f", dtype={value.dtype}"
    if value.numel() > 4 and (value == value.flatten()[0]).all():
        return f"torch.full({tuple(value.shape)}, {value.flatten()[0].item()!r}{dtype})"
    if value.numel() > 32 or not value.is_contiguous():
        return ""
    return f"torch.tensor({value.tolist()}{dtype})"


def _given(case: Case) -> list[Picture]:
    """Return the inputs that are label maps or tables of counts; real numbers are described in words."""
    arrays = ((name, plain(value)) for name, value in case.inputs.items())
    return [
        Picture("given", name, _cells(array, 0), _titles(array), name in LABEL_MAPS, [])
        for name, array in arrays
        if _drawable(array) and array.ndim > 1 and array.dtype.kind != "f"
    ]


def _outputs(case: Case, fields: Sequence[str], expected: Observation, seen: Observation) -> list[Picture]:
    """Return what was expected and what came, cell by cell, for the fields that differ in their numbers."""
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
        pictures.append(Picture("expected", name, _cells(right, digits), _titles(right), False, []))
        pictures.append(Picture("yours", name, _cells(came, digits), _titles(came), False, places))
    return pictures


def _drawable(value: np.ndarray | str | None) -> bool:
    return (
        isinstance(value, np.ndarray)
        and 0 < value.ndim <= 4
        and 1 < value.size <= MAX_CELLS
        and value.shape[-1] <= MAX_COLUMNS
    )


def _images(array: np.ndarray) -> np.ndarray:
    """Return the array as slices of rows and columns; one row where it has no rows."""
    return array.reshape(-1, *((1, *array.shape)[-2:]))


def _titles(array: np.ndarray) -> list[str]:
    """Return what each slice is called: a batch has images, and N x C x H x W has channels, too."""
    if array.ndim < 3:
        return [""]
    if array.ndim == 3:
        return [f"image {i}" for i in range(len(array))] if len(array) > 1 else [""]
    images, channels = array.shape[:2]
    names = [
        (f"image {i}" * (images > 1), f"channel {c}" * (channels > 1))
        for i in range(images)
        for c in range(channels)
    ]
    return [", ".join(filter(None, pair)) for pair in names]


def _cells(array: np.ndarray, digits: int) -> list[list[list[str]]]:
    array = array.astype(int) if array.dtype.kind == "b" else array
    return [[[describe(cell, digits) for cell in row] for row in image] for image in _images(array)]


def _digits(one: np.ndarray, other: np.ndarray) -> int:
    """Return how many decimals it takes to separate these numbers, one by one."""
    pairs = list(zip(one.ravel(), other.ravel(), strict=True))
    enough = (d for d in range(3, 8) if all(describe(a, d) != describe(b, d) for a, b in pairs))
    return next(enough, 8)


def _told(one: Observation, fields: Sequence[str], other: Observation) -> str:
    if "error" in one:
        return "see above" if one["error"] == Explained.__name__ else f"an error ({one['error']})"
    words = []
    for name in fields:
        value = _contrast(one.get(name, "nothing"), other.get(name, "nothing"))
        words.append(value if name == "value" else f"{name}: {_YES_OR_NO.get(value, value)}")
    told = isinstance(one.get("value"), str)  # an object that holds no numbers is told by its kind
    if "type" in one and one["type"] != other.get("type") and "error" not in other and not told:
        words.append(f"in {one['type']}")
    if "changed" in one:
        meaning = f" ({MODE})" if str(one["changed"]).startswith(MODE_OF) else ""
        words.append(f"and {one['changed']}{meaning} was changed")
    return ", ".join(words)


def _contrast(here: np.ndarray | str, there: np.ndarray | str) -> str:
    """Return `here` with as many digits, or the one place, that it takes to separate it from `there`."""
    for digits in range(3, 9):
        if (words := describe(here, digits)) != describe(there, digits):
            return words
    if isinstance(here, str) or isinstance(there, str) or here.shape != there.shape:
        return describe(here)
    if same(here, there, 0.0):
        return describe(here)
    away = np.nan_to_num(np.abs(here.astype(float) - there.astype(float)), nan=np.inf)
    place = np.unravel_index(np.argmax(np.where(np.isnan(here) & np.isnan(there), 0, away)), here.shape)
    at = ", ".join(str(int(index)) for index in place)
    return f"{describe(here[place])} at [{at}] of {describe(here)}"
