"""Statistics of a class: shares of right answers, causes of wrong ones, repairs, and times.

Shares refer to the submissions that could be graded. An exercise passes if all its groups pass.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from segcourse.exercises.engine.own_work import ASKED
from segcourse.exercises.engine.verdicts import Verdict
from segcourse.grading.reports.item_analysis import interpretation, item_rest
from segcourse.grading.reports.records import ClassRecords, Entry, known_misconceptions
from segcourse.grading.scoring.result import InstructorCell

UNKNOWN = "no known misconception matches"
BORROWED = f"the answer calls a finished implementation, and {ASKED}."


@dataclass(frozen=True)
class Question:
    """One exercise or one of its groups.

    Attributes:
        exercise: The exercise.
        group: The group; None for the whole exercise.
        max_points: The most points that the question can give.
        students: The number of submissions.
        passed: The share of students who passed, from 0 to 1.
        mean: The mean share of the points, from 0 to 1.
        untouched: The share of students who did not start the exercise.
        item_rest: The item-rest correlation.
    """

    exercise: str
    group: str | None
    max_points: float
    students: int
    passed: float
    mean: float
    untouched: float
    item_rest: float

    @property
    def interpretation(self) -> str:
        return interpretation(self.item_rest, self.students)


def questions(records: ClassRecords) -> list[Question]:
    """Return all exercises in order, each followed by its groups."""
    names = dict.fromkeys(name for entry in records.graded for name in entry.verdicts)
    return [question for name in names for question in _questions_of(name, records.graded)]


def _questions_of(name: str, entries: Sequence[Entry]) -> Iterator[Question]:
    graded = [entry for entry in entries if not (v := entry.verdicts.get(name)) or v.observed]
    verdicts = [entry.verdicts.get(name) for entry in graded]
    if not any(verdicts):
        return
    points = [entry.result.points.get(name, 0.0) for entry in graded]
    rest = [sum(entry.result.points.values()) - p for entry, p in zip(graded, points, strict=True)]
    untouched = _mean(not (verdict and verdict.started) for verdict in verdicts)

    def question(group: str | None, most: float, passed: list[bool], points: list[float]) -> Question:
        mean, r = _mean(points) / most if most else math.nan, item_rest(points, rest)
        return Question(name, group, most, len(graded), _mean(passed), mean, untouched, r)

    most = max(entry.result.max_points.get(name, 0.0) for entry in graded)
    yield question(None, most, [bool(verdict and verdict.passed) for verdict in verdicts], points)
    declared = next(verdict for verdict in verdicts if verdict)
    for group in declared.groups:
        worth = group.max_points * most / (declared.max_points or 1)
        passed = [_group_passed(verdict, group.name) for verdict in verdicts]
        yield question(group.name, worth, passed, [worth * yes for yes in passed])


def _group_passed(verdict: Verdict | None, group: str) -> bool:
    return bool(verdict and verdict.started) and any(g.passed for g in verdict.groups if g.name == group)


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values) if values else math.nan


@dataclass
class Cause:
    """One cause of wrong answers to an exercise.

    Attributes:
        exercise: The exercise.
        says: The cause, in words.
        known: Whether it is one of the exercise's misconceptions.
        part: For how many students more is wrong than the cause explains.
        students: The students.
        example: A verdict with a failing case to show.
    """

    exercise: str
    says: str
    known: bool
    part: int = 0
    students: list[str] = field(default_factory=list)
    example: Verdict | None = None

    @property
    def count(self) -> int:
        return len(self.students)


def causes(records: ClassRecords) -> list[Cause]:
    """Return the causes of wrong answers by exercise, in the lesson's order, most frequent first."""
    found: dict[tuple[str, str], Cause] = {}
    order: dict[str, int] = {}
    for entry in records.graded:
        for name, verdict in entry.verdicts.items():
            order.setdefault(name, len(order))
            if verdict.passed or not verdict.started or not verdict.observed:
                continue
            says, known = cause_of(verdict)
            cause = found.setdefault((name, says), Cause(name, says, known))
            cause.part += verdict.partly
            cause.students.append(entry.student)
            if verdict.smallest and (cause.example is None or _size(verdict) < _size(cause.example)):
                cause.example = verdict
    return sorted(found.values(), key=lambda cause: (order[cause.exercise], -cause.count, cause.says))


def cause_of(verdict: Verdict) -> tuple[str, bool]:
    """Return a verdict's cause, and whether it is one of the exercise's misconceptions.

    >>> says = "Your code stops in line 2, `return 1 / 0`: ZeroDivisionError: division by zero."
    >>> cause_of(Verdict("dice_score", (), says, cause="Your code stops with `ZeroDivisionError`."))
    ('Your code stops with `ZeroDivisionError`.', False)
    """
    if ASKED in (verdict.diagnosis or ""):
        return BORROWED, True
    says = verdict.cause or verdict.diagnosis or UNKNOWN
    return says, says in known_misconceptions(verdict.name)


def _size(verdict: Verdict) -> int:
    return len(verdict.smallest.given) + len(verdict.smallest.got)


def borrowed_answers(records: ClassRecords) -> dict[str, list[str]]:
    """Return, by exercise, the students whose answer called a finished implementation."""
    found: dict[str, list[str]] = {}
    for entry in records.graded:
        for name, verdict in entry.verdicts.items():
            if ASKED in (verdict.diagnosis or ""):
                found.setdefault(name, []).append(entry.student)
    return found


def repairs(records: ClassRecords) -> list[tuple[str, int]]:
    """Return the kinds of repair with the number of submissions that needed each, most frequent first."""
    names = {name for entry in records.graded for name in entry.verdicts}
    kinds = Counter(
        kind for entry in records.graded for kind in {repair_kind(r, names) for r in entry.result.repairs}
    )
    return sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))


_KINDS = (
    (r"the (notebook|folder) was called .* and was graded as .*", r"the \1 had another name"),
    (r".* is a zip archive; .*", "a zip archive was handed in; the notebook was extracted from it"),
    (r"“[^”]*”", "“…”"),
    (r": .*", ": …"),
    (r"\b\d[\d.]*\b", "…"),
)


def repair_kind(sentence: str, names: Iterable[str]) -> str:
    """Return a repair without the details that differ between submissions.

    >>> repair_kind("the check of dice_score appeared 3 times and was kept once", ["dice_score"])
    'the check of an exercise appeared … times and was kept once'
    """
    for name in names:
        sentence = re.sub(rf"\b{re.escape(name)}\b", "an exercise", sentence)
    for pattern, kind in _KINDS:
        sentence = re.sub(pattern, kind, sentence)
    return sentence


def instructor_tests(records: ClassRecords) -> dict[str, list[InstructorCell]]:
    """Return the results of the instructor's own tests, by cell."""
    found: dict[str, list[InstructorCell]] = {}
    for entry in records.graded:
        for test in entry.result.tests:
            if test.kind == "test":
                found.setdefault(test.grade_id, []).append(test)
    return found


def scores(records: ClassRecords) -> list[float]:
    """Return the scores of all students who have one."""
    return [entry.score for entry in records.entries if entry.score is not None]


def slowest(records: ClassRecords, most: int = 5) -> list[Entry]:
    """Return the entries that took longest to run."""
    return sorted(records.graded, key=lambda entry: (-entry.result.seconds, entry.student))[:most]
