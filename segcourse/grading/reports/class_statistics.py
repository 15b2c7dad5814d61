"""Statistics of a class: shares of right answers, causes of wrong ones, repairs, and times.

Shares refer to the submissions that could be graded. An exercise passes if all its groups pass.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from segcourse.exercises.own_work import ASKED
from segcourse.exercises.verdicts import Verdict
from segcourse.grading.reports.item_analysis import interpretation, item_rest
from segcourse.grading.reports.records import ClassRecords, Entry
from segcourse.grading.scoring.result import InstructorCell

UNKNOWN = "no known misconception matches"
BORROWED = f"the answer calls a finished implementation, and {ASKED}."
PART, HERE = "part of it: ", "here, "  # how a diagnosis begins that explains only some of what is wrong


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


def _questions_of(name: str, graded: Sequence[Entry]) -> Iterator[Question]:
    verdicts = [entry.verdicts.get(name) for entry in graded]
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
        says: The sentence about the cause.
        known: Whether the course knows this misconception.
        whole: How many students it explains completely.
        part: How many it explains in part ("part of it: …").
        here: How many it explains, though it would also fail other cases ("here, …").
        students: The students.
        example: A verdict that shows the smallest case.
    """

    exercise: str
    says: str
    known: bool
    whole: int = 0
    part: int = 0
    here: int = 0
    students: list[str] = field(default_factory=list)
    example: Verdict | None = None

    @property
    def count(self) -> int:
        return self.whole + self.part + self.here


def causes(records: ClassRecords) -> list[Cause]:
    """Return the causes of wrong answers by exercise, in the lesson's order, most frequent first."""
    found: dict[tuple[str, str], Cause] = {}
    order: dict[str, int] = {}
    for entry in records.graded:
        for name, verdict in entry.verdicts.items():
            order.setdefault(name, len(order))
            if verdict.passed or not verdict.started:
                continue
            says, extent, known = cause_of(verdict)
            cause = found.setdefault((name, says), Cause(name, says, known))
            setattr(cause, extent, getattr(cause, extent) + 1)
            cause.students.append(entry.student)
            if verdict.smallest and (cause.example is None or _size(verdict) < _size(cause.example)):
                cause.example = verdict
    return sorted(found.values(), key=lambda cause: (order[cause.exercise], -cause.count, cause.says))


def cause_of(verdict: Verdict) -> tuple[str, str, bool]:
    """Return a verdict's cause, its extent ("whole", "part" or "here"), and whether it is a known one.

    Of an error, only the class counts, because messages differ from student to student.

    >>> cause_of(Verdict("dice_score", (), "part of it: you summed over the whole batch."))
    ('you summed over the whole batch.', 'part', True)
    >>> cause_of(Verdict("dice_score", (), "your code stops with ValueError: 3 is not 4"))
    ('your code stops with ValueError', 'whole', False)
    """
    says = verdict.diagnosis or UNKNOWN
    extent = "part" if says.startswith(PART) else "here" if says.startswith(HERE) else "whole"
    says = says.removeprefix(PART).removeprefix(HERE)
    if ASKED in says:
        return BORROWED, extent, True
    if stopped := re.match(r"(your code stops with|its cell stopped with) (\w+)", says):
        return stopped.group(), extent, False
    return says, extent, verdict.diagnosis is not None


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


def repair_kind(sentence: str, exercises: Iterable[str]) -> str:
    """Return a repair without the details that differ between submissions.

    >>> repair_kind("the check of dice_score appeared 3 times and was kept once", ["dice_score"])
    'the check of an exercise appeared … times and was kept once'
    """
    for name in exercises:
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
