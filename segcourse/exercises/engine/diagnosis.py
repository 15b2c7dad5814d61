"""What a reply says about a wrong answer: first what is certain, then what it looks like.

A false sentence sends a student to repair what is not broken. So a misconception is named only when it
explains every failing case and nothing that is right; as "most of this", when it explains more than half of
the failing cases and nothing that is right. Everything else is read off the record: `facts`, `relations`
between the numbers, and where the answer fails.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from segcourse.exercises.engine.exercise import Case, Exercise, Misconception
from segcourse.exercises.engine.facts import Fact, Record, Records, at_line, facts, wrong_container
from segcourse.exercises.engine.observations import Observation, alike
from segcourse.exercises.engine.observing import Explained
from segcourse.exercises.engine.relations import Pair, outside, relation

Observed = Callable[[Exercise, Any, Case], Observation]  # what a known wrong answer does on a case


class Diagnosis(NamedTuple):
    """What to say about a wrong answer.

    Args:
        says: the sentences; None where nothing is known.
        cause: the same without the student's own numbers and lines, so that a class can be counted.
        partly: whether more is wrong than the sentences explain.
        shown: the case to show.
    """

    says: str | None
    cause: str | None
    partly: bool
    shown: Record


def diagnose(exercise: Exercise, records: Records, observed: Observed) -> Diagnosis:
    """Explain the failing records.

    Args:
        records: of all cases, right ones too.
        observed: returns what a known wrong answer does on a case.
    """
    failing = [record for record in records if record.fields]
    container = wrong_container(failing)
    says = [_located(container, records)] if container else []
    if found := _known(exercise, records, observed):
        says += [found, *at_line(failing[0])]
        return Diagnosis(" ".join(says), found, False, failing[0])

    open_ = [record for record in failing if record.fields != ("type",)]
    certain = facts(exercise, records, open_)
    says += [_located(fact, records) for fact in certain[:2]]
    cause = next((fact.cause for fact in (*certain, container) if fact), None)
    shown = certain[0].records[0] if certain else (open_ or failing)[0]
    explained = [record for fact in certain for record in fact.records]
    numbers = [record for record in open_ if record not in explained]
    if not numbers:
        return Diagnosis(" ".join(says), cause, False, shown)

    if found := _relation(numbers):
        says += [found, *_scope(numbers, records)]
        return Diagnosis(" ".join(says), cause or found, False, shown)
    if certain:
        says.append("Other cases fail, too.")
    if not certain and (most := _mostly(exercise, records, numbers, observed)):
        found, left = most
        says.append(f"Most of this looks as if {found[:1].lower()}{found[1:]}")
        return Diagnosis(" ".join(says), found, True, left)
    if not certain and (found := outside(_pairs(numbers), numbers[0].case.tolerance)):
        cause = found
        says.append(found)
    if not certain and len(numbers) < len(records):
        says.append(f"Your numbers are wrong {_where(numbers, records)}.")
    return Diagnosis(" ".join(says) or None, cause, False, shown)


def _known(exercise: Exercise, records: Records, observed: Observed) -> str | None:
    """Return the sentence of the misconception that does in every case what the student's answer does."""
    order = sorted(records, key=lambda record: not record.fields)  # failing cases first: they rule out most
    for misconception in exercise.misconceptions:
        if all(_alike(exercise, misconception, r, r.seen, observed) for r in order):
            return misconception.says
    return None


def _alike(
    exercise: Exercise, misconception: Misconception, record: Record, seen: Observation, observed: Observed
) -> bool:
    return alike(seen, observed(exercise, misconception.wrong, record.case), record.case.tolerance)


def _mostly(
    exercise: Exercise, records: Records, failing: Records, observed: Observed
) -> tuple[str, Record] | None:
    """Return the misconception that explains most failing cases and is right wherever the answer is right.

    The second element is the first failing case that it does not explain.
    """
    right = [record for record in records if record not in failing]
    best: tuple[int, str, Record] | None = None
    for misconception in exercise.misconceptions:
        if not all(_alike(exercise, misconception, r, r.expected, observed) for r in right):
            continue
        left: list[Record] = []
        for record in failing:
            if not _alike(exercise, misconception, record, record.seen, observed):
                left.append(record)
            if 2 * len(left) >= len(failing):
                break
        count = len(failing) - len(left)
        if left and count > max(2, len(left)) and (best is None or count > best[0]):
            best = count, misconception.says, left[0]
    return best and best[1:]


def _relation(numbers: Records) -> str | None:
    """Return how the numbers of these records relate to the expected ones."""
    pairs = _pairs(numbers)
    return relation(pairs, numbers[0].case.tolerance) if len(pairs) == len(numbers) else None


def _pairs(numbers: Records) -> list[Pair]:
    """Return what came and what was expected, where the value is a wrong array of the right shape."""
    values = [(r.seen.get("value"), r.expected["value"]) for r in numbers if r.fields[0] == "value"]
    arrays = [(a, b) for a, b in values if isinstance(a, np.ndarray) and isinstance(b, np.ndarray)]
    return [pair for pair in arrays if pair[0].shape == pair[1].shape]


def _located(fact: Fact, records: Records) -> str:
    """Return the fact's sentence, and where it holds if it does not hold everywhere."""
    first = fact.records[0]
    explained = first.seen.get("error") == Explained.__name__  # its sentence says what it is about
    if fact.about_all or explained or (first.index == 0 and "error" in first.fields):
        return fact.says  # an error in the very first case is what the student sees
    # Where weights were not counted, or the answer stopped before, they are neither right nor wrong.
    looked_at = set(first.fields) - {"type"} or {"type"}
    always = {"error", "type", "changed"}
    seen = [r for r in records if looked_at & {*r.expected, *always}]
    stopped = [r for r in seen if "error" in r.seen and "error" not in looked_at]
    comparable = [r for r in records if r in fact.records or (r in seen and r not in stopped)]
    return " ".join([fact.says, *_scope(fact.records, comparable)])


def _scope(affected: Records, records: Records) -> list[str]:
    """Return the sentence that says where something holds; none if it holds in all records."""
    if len(affected) == len(records):
        return []
    return [f"This is so {_where(affected, records)}."]


def _where(affected: Records, records: Records) -> str:
    """Return a clause that is true of exactly these records, which are not all."""
    chosen = {record.index for record in affected}
    others = {record.index for record in records} - chosen
    if clause := _clause(chosen, records):
        return f"only {clause}"
    if (clause := _clause(others, records)) and ", or " not in clause:
        return f"everywhere except {clause}" if len(others) > 1 else f"in every case but one, {clause}"
    return f"in {len(chosen)} of {len(records)} cases"


def _clause(chosen: set[int], records: Records) -> str | None:
    """Return up to two traits or groups that together hold for exactly the chosen records, as a clause.

    Two cases that share no trait have more in common than the two traits say.
    """
    places: dict[str, set[int]] = {}
    for record in records:
        for place in (*(f"where {trait}" for trait in record.case.traits), f"in “{record.case.group}”"):
            places.setdefault(place, set()).add(record.index)
    found, left = [], set(chosen)
    while left and len(found) < 2:
        inside = [place for place, indices in places.items() if indices <= chosen and indices & left]
        if not inside:
            return None
        found.append(max(inside, key=lambda place: len(places[place] & left)))
        left -= places[found[-1]]
    if left or len(found) == len(chosen) > 1:
        return None
    return ", or ".join(found)
