"""From what was observed to a verdict; this never sees a student's code, so it can run in another process."""

import functools
from collections.abc import Sequence
from typing import Any

from segcourse.errors import SegcourseError
from segcourse.exercises.engine.diagnosis import diagnose
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.facts import Record
from segcourse.exercises.engine.observations import HANDED_OVER, Observation, alike, decode, differences
from segcourse.exercises.engine.observing import UNTOUCHED, NotYourOwn, observe
from segcourse.exercises.engine.shown import show_case
from segcourse.exercises.engine.tiers import judge_score
from segcourse.exercises.engine.verdicts import GroupResult, Verdict

UNSEEN = "nothing"  # in place of an error's kind, where no observation arrived


@functools.lru_cache(maxsize=4096)  # a U-Net's mistakes times its cases
def observed(exercise: Exercise, obj: Any, case: Case) -> Observation:
    """Return what a right or a known wrong answer does on a case; computed once per case.

    Raises:
        NotYourOwn: an answer that is being checked calls `check` or `assess` itself.
    """
    found = decode(observe(exercise, obj, case))
    if found.get("error") == NotYourOwn.__name__:
        raise NotYourOwn("An answer can't call `check` or `assess` while it is being checked.")
    return found


def judge(exercise: Exercise, observations: Sequence[Any], cases: Sequence[Case]) -> Verdict:
    """Return points, groups and diagnosis for a student's record; runs no student code.

    Args:
        observations: what `observe_all` returned, or its JSON. It may be shorter than `cases`: what is
            missing is wrong.
    """
    cases = tuple(cases)
    seen = _read(observations, len(cases))
    if exercise.score:
        return judge_score(exercise, seen, cases)
    records = [_record(exercise, case, i, seen[i]) for i, case in enumerate(cases)]
    failing = [record for record in records if record.fields]
    wrong = {record.case.group for record in failing}
    groups = tuple(GroupResult(g, g not in wrong, p) for g, p in exercise.groups.items())
    if not failing:
        return Verdict(exercise.name, groups, printed=str(seen[0].get("printed", "")))
    if all(observation.get("stub") == UNTOUCHED for observation in seen):
        return Verdict(exercise.name, groups, started=False)
    if exercise.starter and all(_unrepaired(exercise, record) for record in records):
        shown = show_case(exercise, failing[0])
        return Verdict(exercise.name, groups, exercise.symptom, smallest=shown, started=False)
    if handed_over := _handed_over(failing):
        return Verdict(exercise.name, groups, handed_over)
    says, cause, partly, shown = diagnose(exercise, records, observed)
    printed = str(shown.seen.get("printed", ""))
    case = show_case(exercise, shown)
    return Verdict(exercise.name, groups, says, partly, case, cause=cause, printed=printed)


def _read(records: Sequence[Any], count: int) -> list[Observation]:
    """Return one observation per case; what is missing or was tampered with becomes an error."""
    seen: list[Observation] = []
    for index in range(count):
        try:
            seen.append(decode(records[index]))
        except IndexError:
            seen.append({"error": UNSEEN, "message": "your code was stopped before this case"})
        except SegcourseError:
            seen.append({"error": UNSEEN, "message": "what was recorded here cannot be read"})
    return seen


def _record(exercise: Exercise, case: Case, index: int, seen: Observation) -> Record:
    """Compare an observation with the answer's, and with the variants' if it differs.

    The expected observation is that which it resembles most.
    """
    nearest = Record(index, case, {}, seen, ("everything",) * 99)
    for right in (exercise.answer, *exercise.variants, *case.variants):
        expected = observed(exercise, right, case)
        fields = tuple(differences(seen, expected, case.tolerance))
        if len(fields) < len(nearest.fields):
            nearest = Record(index, case, expected, seen, fields)
        if not fields:
            break
    return nearest


def _unrepaired(exercise: Exercise, record: Record) -> bool:
    """Return whether an answer does on this case what the exercise's broken code does."""
    return alike(record.seen, observed(exercise, exercise.starter, record.case), record.case.tolerance)


def _handed_over(failing: Sequence[Record]) -> str | None:
    """Return the sentence for an answer that called a finished implementation and is wrong without it."""
    for record in failing:
        if record.seen.get("error") == NotYourOwn.__name__:
            return str(record.seen.get("message"))
        if HANDED_OVER in record.seen:
            return str(record.seen[HANDED_OVER])
    return None
