"""Certain observations of failing cases: an error and the student's line, a container, a shape, a gradient.

Each rule returns a fact that holds for the records that it names, or None. Nothing here is a guess.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from segcourse.exercises.engine import relations, slips
from segcourse.exercises.engine.exercise import ONCE_MORE, Case, Exercise
from segcourse.exercises.engine.observations import CAUGHT, HANDLING, SHAPES, Observation, describe, same
from segcourse.exercises.engine.observing import LEFT_IN, MODE, MODE_OF, Explained


@dataclass(frozen=True, eq=False)
class Record:
    """One case: what was expected, what was seen, and which fields differ (none if it is right)."""

    index: int
    case: Case
    expected: Observation
    seen: Observation
    fields: tuple[str, ...]


Records = Sequence[Record]


class Fact(NamedTuple):
    """A certain observation: its sentence, the short sentence that a class report counts, and where it holds.

    `about_all` marks a sentence about all cases together.
    """

    says: str
    cause: str
    records: Records
    about_all: bool = False


def facts(exercise: Exercise, records: Records, failing: Records) -> list[Fact]:
    """Return what is certain, the gravest first; each failing record counts for one fact at most."""
    left, found = list(failing), []
    for rule in _RULES:
        if fact := rule(exercise, records, left):
            found.append(fact)
            left = [record for record in left if record not in fact.records]
    return found


def wrong_container(failing: Records) -> Fact | None:
    """Return the fact that a result is held by another kind of object than asked for, if it is."""
    affected = [record for record in failing if "type" in record.fields]
    if not affected or isinstance(affected[0].seen.get("value"), str):
        return None
    came, wanted = str(affected[0].seen.get("type")), str(affected[0].expected.get("type"))
    advice = {
        "a tensor": " Keep to tensors, or turn the result into one: `torch.as_tensor(…)`.",
        "an int": "" if came in ("a list", "a tuple") else " `int(…)` makes one of a tensor or a float.",
    }.get(wanted, "")
    says = f"Your answer returns {came}, and {wanted} is asked for.{advice}"
    return Fact(says, f"Your answer returns {came} instead of {wanted}.", affected)


def own_line(record: Record) -> str:
    """Return where the student's own code stops, as "line 3, `x = y.mean()`"; "" if it does not stop."""
    number, _, code = str(record.seen.get("line", "")).partition(": ")
    return f"{number}, `{code}`" if code else number


def at_line(record: Record) -> list[str]:
    """Return sentences on the student's line where an error comes from, and on the error handled there."""
    line, caught = own_line(record), str(record.seen.get(CAUGHT, ""))
    if not line:
        return []
    if record.seen.get("error") != Explained.__name__:
        return [f"Your code stops in {line}.", *_handled(record)]
    return [f"See {line}: {caught.rstrip('.')}." if caught else f"See {line}.", *_handled(record)]


def _handled(record: Record) -> list[str]:
    """Return the sentence on the error that the student's code was handling, if it did."""
    handled = str(record.seen.get(HANDLING, ""))
    return [f"Your code gets there while it handles another error: {handled}."] if handled else []


def _stops(exercise: Exercise, records: Records, failing: Records) -> Fact | None:
    stopped = [record for record in failing if "error" in record.seen]
    if not stopped:
        return None
    first = stopped[0].seen
    kind, message = str(first["error"]), str(first.get("message", ""))
    affected = [r for r in stopped if r.seen["error"] == kind and r.seen.get("line") == first.get("line")]
    if (
        kind == "NotImplementedError"
        and message.startswith("Exercise ")
        and message != f"Exercise {exercise.number}"
    ):
        says = (
            f"Your code uses what {message[:1].lower()}{message[1:]} asks for, and that is not written yet."
        )
        return Fact(says, "Your answer uses an exercise that is not written yet.", affected)
    if first.get("stub") == LEFT_IN:
        says = f"The stub's `raise NotImplementedError` is still there, in {own_line(stopped[0])}. Delete it."
        return Fact(says, "The stub's `raise NotImplementedError` is still there.", affected)
    if kind == Explained.__name__:
        return Fact(" ".join([message, *at_line(stopped[0])]), message, affected)
    if message and not kind[:1].isupper() and "." not in kind:  # a whole clause of the grader, as "timeout"
        says = f"{message[:1].upper()}{message[1:]}."
        return Fact(says, says, affected)
    meaning = slips.explain(kind, message)
    what = f"{meaning} ({kind}: {message})" if meaning else f"{kind}: {message}"
    line = own_line(stopped[0])
    place = f"Your code stops in {line}" if line else "An error comes up while the check runs your answer"
    says = " ".join([f"{place}: {what.rstrip('.')}.", *_handled(stopped[0])])
    return Fact(says, f"Your code stops with `{kind}`.", affected)


def _nothing(exercise: Exercise, records: Records, failing: Records) -> Fact | None:
    affected = [record for record in failing if isinstance(record.seen.get("value"), str)]
    if not affected:
        return None
    came, wanted = affected[0].seen["value"], affected[0].expected.get("type", "a number")
    affected = [record for record in affected if record.seen["value"] == came]
    if came == "None":
        says = "Your answer returns None."
        return Fact(f"{says} Does every path end in a `return`?", says, affected)
    says = f"Your answer returns {came}, and {wanted} of plain numbers is asked for."
    says += " `async def` makes coroutines: write `def`." if came == "a coroutine" else ""
    return Fact(says, f"Your answer returns {came}.", affected)


def _remembers(exercise: Exercise, records: Records, failing: Records) -> Fact | None:
    first, last = records[0], records[-1]
    if ONCE_MORE not in last.case.traits or "error" in last.seen or "error" in first.seen:
        return None
    fields = [f for f in first.seen if f in first.expected and f in last.seen]
    if all(same(last.seen[f], first.seen[f], last.case.tolerance) for f in fields):
        return None
    says = (
        "The same input gives another result the second time: something is drawn at random, or kept from "
        "an earlier call (a global variable, or a default argument that is changed)."
    )
    return Fact(says, "The same input gives another result the second time.", failing, about_all=True)


def _constant(exercise: Exercise, records: Records, failing: Records) -> Fact | None:
    values = [record.seen.get("value") for record in records]
    first = values[0]
    if len(records) < 4 or not all(isinstance(v, np.ndarray) and same(v, first, 0.0) for v in values):
        return None
    return Fact(
        f"Your answer is {describe(first)} for every input.",
        "Your answer is the same for every input.",
        failing,
        about_all=True,
    )


def _shape(exercise: Exercise, records: Records, failing: Records) -> Fact | None:
    """An array of another shape; where only a network's size is looked at, the shape is a field."""
    affected = [record for record in failing if _reshaped(record)]
    if not affected:
        return None
    field = _reshaped(affected[0])
    affected = [record for record in affected if field == "shape" or _reshaped(record) in (field, "shape")]
    seen, expected = affected[0].seen[field], affected[0].expected[field]
    came, wanted = (_size(array.tolist() if field == "shape" else array.shape) for array in (seen, expected))
    subject = "Your result" if field in ("value", "shape") else f"The {field}"
    says = f"{subject} has shape {came}, and {wanted} is expected."
    pairs = [(r.seen[field], r.expected[field]) for r in affected if _reshaped(r) == field]
    how = relations.reshaped(pairs, affected[0].case.tolerance) if field != "shape" else None
    cause = how or "Your result has another shape than expected."
    return Fact(f"{says} {how}" if how else says, cause, affected)


def _reshaped(record: Record) -> str | None:
    for field in record.fields:
        came, wanted = record.seen.get(field), record.expected.get(field)
        if field in _MEANINGS:
            continue  # its sentence says more than two lengths
        if not (isinstance(came, np.ndarray) and isinstance(wanted, np.ndarray)):
            continue
        if field == "shape" or came.shape != wanted.shape:
            return field
    return None


def _size(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"


def _changed(exercise: Exercise, records: Records, failing: Records) -> Fact | None:
    affected = [record for record in failing if record.fields == ("changed",)]
    if not affected:
        return None
    begin = "The result is right, but your" if _all_right(records) else "Your"
    if (changed := str(affected[0].seen["changed"])).startswith(MODE_OF):
        says = f"{begin} code changes {changed}: {MODE}. The caller needs this model as it came."
        return Fact(says, "Your answer changes the mode of a model.", affected)
    says = (
        f"{begin} code changes its input {affected[0].seen['changed']} in place, "
        "and the caller needs that data unchanged. Work on a copy, or make a new one."
    )
    elsewhere = any("changed" in record.seen for record in records if record not in affected)
    return Fact(says, "Your answer changes its input in place.", affected, about_all=elsewhere)


def _all_right(records: Records) -> bool:
    """Return whether every result is right, whatever else is wrong."""
    return not any({"value", "shape", "error"} & set(record.fields) for record in records)


AFTERWARDS = "after training"
# Fields besides the value, and what it means when one is not as expected, whatever was seen instead.
_MEANINGS = {
    "field of view": "One output pixel sees {came} input pixels (rows x columns); {wanted} are expected.",
    "parameters without a gradient": "{came} of your parameters get no gradient: they are never trained.",
    "gradients that are NaN": "{came} of your parameters get a gradient that is NaN or infinite.",
    "a gradient arrives": "No gradient, or one that is not finite, arrives at the logits.",
    "weights": "Your layers have {came} trainable weights (biases not counted); {wanted} are expected.",
    "scale and shift": "Your batch norms have fewer scales and shifts to train than ours: one is missing, "
    "has `affine=False`, is used several times, or stands where there are fewer channels.",
    "two runs agree": "In training mode, two runs on the same input give different results.",
    "image and mask are flipped alike": "Image and mask are not always flipped alike.",
    "records lost or doubled": "{came} of the records are missing in your lists, or occur twice.",
    "patients on both sides": "Some patients are on both sides of your split.",
    "batches used": "You take {came} batches from the loader; {wanted} are expected.",
    "clicks per call": "Call by call, the method gets {came} clicks; {wanted} are expected.",
    "clicks in order": "The method gets other clicks than the user made, or in another order.",
    "pixels that the user saw": "The user sees other masks than the newest prediction and the target, in "
    "this order.",
    "in training mode": "You call the model in eval mode, or never.",
    "in eval mode": "You call the model in training mode.",
    "without gradients": "PyTorch records what your evaluation does, as if a backward pass followed.",
    "the model's mode is as before": "The model, or a part of it, is not in the mode in which it came.",
    AFTERWARDS: "In training mode your result is right; in eval mode afterwards it is not. Eval mode "
    "uses batch norm's running mean and variance, which by PyTorch's defaults move by a tenth per batch.",
}


def _field(exercise: Exercise, records: Records, failing: Records) -> Fact | None:
    """A field other than the value; the value is right, or there is none."""
    affected = [record for record in failing if record.fields[0] in _MEANINGS]
    if any("value" in record.fields and AFTERWARDS not in " ".join(record.case.traits) for record in records):
        affected = [
            record for record in affected if record.fields[0] != AFTERWARDS
        ]  # more is wrong than that
    if not affected:
        return None
    field = affected[0].fields[0]
    affected = [record for record in affected if record.fields[0] == field]
    came, wanted = (
        _plainly(record.get(field, "None"), " x " if field == "field of view" else ", ")
        for record in (affected[0].seen, affected[0].expected)
    )
    says = " ".join([_MEANINGS[field].format(came=came, wanted=wanted), *_which(affected[0])])
    cause = f"Your network differs from what is asked for: {field}."
    return Fact(says, cause if "{" in _MEANINGS[field] else says, affected)


def _which(record: Record) -> list[str]:
    """Return the sentence that says which parameters are meant; none if that was not looked at."""
    yours, ours = (_shapes(one.get(SHAPES)) for one in (record.seen, record.expected))
    if record.fields[0] == "parameters without a gradient" and yours:
        return [f"Their shapes: {_some(yours)}."]
    if record.fields[0] == "weights" and (yours or ours):
        return [
            f"Shapes that only yours have: {_some(yours - ours)}; that only ours have: {_some(ours - yours)}."
        ]
    return []


def _shapes(rows: np.ndarray | str | None) -> Counter[tuple[int, ...]]:
    rows = rows.tolist() if isinstance(rows, np.ndarray) else []
    return Counter(tuple(filter(None, row)) for row in rows)


def _some(shapes: Counter[tuple[int, ...]]) -> str:
    all_ = list(shapes.elements())
    return ", ".join(map(_size, all_[:3])) + ", …" * (len(all_) > 3) if all_ else "none"


def _plainly(value: np.ndarray | str, between: str) -> str:
    whole = isinstance(value, np.ndarray) and value.ndim == 1
    return between.join(str(number) for number in value.tolist()) if whole else describe(value)


def _gradient(exercise: Exercise, records: Records, failing: Records) -> Fact | None:
    """A gradient that is missing, spoiled, or wrong although every value is right."""
    affected = [record for record in failing if record.fields[0].startswith("gradient of")]
    affected += [record for record in failing if record.fields[0] == "gradient"]
    if not affected:
        return None
    field = affected[0].fields[0]
    values = [(record, record.seen.get(field, "None")) for record in affected if record.fields[0] == field]
    right = field == "gradient" and _all_right(records)
    what = "The result is right, but its gradient" if right else f"The {field}"
    if missing := [record for record, value in values if isinstance(value, str)]:
        says = (
            f"{what} is missing: this input is not used, or a step on the way is cut off from it "
            "(`torch.no_grad()`, `.detach()`, `.item()`, `float()`, NumPy, argmax)."
        )
        return Fact(says, "The gradient is missing.", missing)
    if broken := [record for record, value in values if not np.isfinite(value).all()]:
        says = f"{what} holds NaN or infinity: one step of training would spoil every weight."
        return Fact(says, "The gradient holds NaN or infinity.", broken)
    if zero := [record for record, value in values if not value.any()]:
        says = f"{what} is zero everywhere: training would change nothing."
        return Fact(says, "The gradient is zero everywhere.", zero)
    if any("value" in record.fields or "error" in record.fields for record in records):
        return None  # other results have other gradients
    pairs = [(value, record.expected[field]) for record, value in values]
    how = relations.relation(pairs, affected[0].case.tolerance)
    says = f"{what} is not. {how.replace('Your', 'Its', 1)}" if how else (
        f"The results are right, but the {field} is not: part of the computation may be cut off from it, as "
        "by `.detach()`, `.data` or `torch.no_grad()`."
    )  # fmt: skip
    return Fact(says, "The gradient is wrong.", [record for record, _ in values])


_RULES: tuple[Callable[[Exercise, Records, Records], Fact | None], ...] = (
    _stops,
    _nothing,
    _remembers,
    _constant,
    _shape,
    _changed,
    _field,
    _gradient,
)
