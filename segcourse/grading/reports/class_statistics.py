"""What a class's records add up to: shares, the causes of wrong answers, repairs, and times.

Shares are of the submissions that could be graded. An exercise passes when all its groups do.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from segcourse.exercises.own_work import ASKED
from segcourse.exercises.verdicts import Verdict
from segcourse.grading.reports.item_analysis import item_rest, reading
from segcourse.grading.reports.records import ClassRecords, Entry
from segcourse.grading.scoring.result import OwnTest

UNKNOWN = "nothing known looks like this"
BORROWED = f"the answer hands the work to a finished implementation, and {ASKED}."
PART, HERE = "part of it: ", "here, "  # how a diagnosis begins that explains less than everything


@dataclass(frozen=True)
class Question:
    """One exercise, or one of its groups: how many got it, and whether it tells students apart."""

    exercise: str
    group: str | None
    max_points: float
    students: int
    passed: float  # share, 0 to 1
    mean: float  # mean share of its points, 0 to 1
    untouched: float  # share that did not start the exercise
    item_rest: float

    @property
    def reading(self) -> str:
        return reading(self.item_rest, self.students)


def questions(records: ClassRecords) -> list[Question]:
    """Every exercise in order, each followed by its groups."""
    graded, found = records.graded, []
    for name in dict.fromkeys(name for entry in graded for name in entry.verdicts):
        verdicts = [entry.verdicts.get(name) for entry in graded]
        points = [entry.result.points.get(name, 0.0) for entry in graded]
        rest = [sum(entry.result.points.values()) - p for entry, p in zip(graded, points, strict=True)]
        untouched = _mean(not (verdict and verdict.started) for verdict in verdicts)
        most = max(entry.result.max_points.get(name, 0.0) for entry in graded)
        passed = [bool(verdict and verdict.passed) for verdict in verdicts]
        found.append(_question(name, None, most, passed, points, rest, untouched))
        declared = next(verdict for verdict in verdicts if verdict)
        for group in declared.groups:
            worth = group.max_points * most / (declared.max_points or 1)
            right = [_passed(verdict, group.name) for verdict in verdicts]
            got = [worth * yes for yes in right]
            found.append(_question(name, group.name, worth, right, got, rest, untouched))
    return found


def _question(
    exercise: str,
    group: str | None,
    most: float,
    passed: Sequence[bool],
    points: Sequence[float],
    rest: Sequence[float],
    untouched: float,
) -> Question:
    mean = _mean(points) / most if most else math.nan
    r = item_rest(points, rest)
    return Question(exercise, group, most, len(points), _mean(passed), mean, untouched, r)


def _passed(verdict: Verdict | None, group: str) -> bool:
    return bool(verdict and verdict.started) and any(g.passed for g in verdict.groups if g.name == group)


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values) if values else math.nan


@dataclass
class Cause:
    """One thing that was wrong with answers to an exercise, and who did it.

    `whole` explains all of their failing cases, `part` some ("part of it: …"), `here` these cases and more
    ("here, …"). `known` says that the course has a sentence for it.
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
    """The causes of wrong answers, exercise by exercise in the lesson's order, most frequent first."""
    found: dict[tuple[str, str], Cause] = {}
    order: dict[str, int] = {}
    for entry in records.graded:
        for name, verdict in entry.verdicts.items():
            order.setdefault(name, len(order))
            if verdict.passed or not verdict.started:
                continue
            says, how, known = told(verdict)
            cause = found.setdefault((name, says), Cause(name, says, known))
            setattr(cause, how, getattr(cause, how) + 1)
            cause.students.append(entry.student)
            if verdict.smallest and (cause.example is None or _size(verdict) < _size(cause.example)):
                cause.example = verdict
    return sorted(found.values(), key=lambda cause: (order[cause.exercise], -cause.count, cause.says))


def told(verdict: Verdict) -> tuple[str, str, bool]:
    """A verdict's cause without its variants: the sentence, "whole", "part" or "here", and whether it is a
    known one.

    An error counts by its kind alone: messages differ from student to student.

    >>> told(Verdict("dice_score", (), "part of it: you summed over the whole batch."))
    ('you summed over the whole batch.', 'part', True)
    >>> told(Verdict("dice_score", (), "your code stops with ValueError: 3 is not 4"))
    ('your code stops with ValueError', 'whole', False)
    """
    says = verdict.diagnosis or UNKNOWN
    how = "part" if says.startswith(PART) else "here" if says.startswith(HERE) else "whole"
    says = says.removeprefix(PART).removeprefix(HERE)
    if ASKED in says:
        return BORROWED, how, True
    if stopped := re.match(r"(your code stops with|its cell stopped with) (\w+)", says):
        return stopped.group(), how, False
    return says, how, verdict.diagnosis is not None


def _size(verdict: Verdict) -> int:
    return len(verdict.smallest.given) + len(verdict.smallest.got)


def not_their_own(records: ClassRecords) -> dict[str, list[str]]:
    """Who was told to write their own, by exercise: the answer called a finished implementation."""
    found: dict[str, list[str]] = {}
    for entry in records.graded:
        for name, verdict in entry.verdicts.items():
            if ASKED in (verdict.diagnosis or ""):
                found.setdefault(name, []).append(entry.student)
    return found


def repairs(records: ClassRecords) -> list[tuple[str, int]]:
    """The kinds of repair with how many submissions needed each, most frequent first."""
    names = {name for entry in records.graded for name in entry.verdicts}
    kinds = Counter(
        kind for entry in records.graded for kind in {alike(r, names) for r in entry.result.repairs}
    )
    return sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))


_KINDS = (
    (r"the (notebook|folder) was called .* and was taken as .*", r"the \1 had another name"),
    (r".* is a zip archive; .*", "a zip archive was handed in; the notebook was taken out of it"),
    (r"“[^”]*”", "“…”"),
    (r": .*", ": …"),
    (r"\b\d[\d.]*\b", "…"),
)


def alike(sentence: str, exercises: Iterable[str]) -> str:
    """A repair without what tells one submission from another.

    >>> alike("the check of dice_score stood there 3 times; it was kept once", ["dice_score"])
    'the check of an exercise stood there … times; it was kept once'
    """
    for name in exercises:
        sentence = re.sub(rf"\b{re.escape(name)}\b", "an exercise", sentence)
    for pattern, kind in _KINDS:
        sentence = re.sub(pattern, kind, sentence)
    return sentence


def own_tests(records: ClassRecords) -> dict[str, list[OwnTest]]:
    """What the instructor's own test cells came to, by cell."""
    found: dict[str, list[OwnTest]] = {}
    for entry in records.graded:
        for test in entry.result.tests:
            if test.kind == "test":
                found.setdefault(test.grade_id, []).append(test)
    return found


def scores(records: ClassRecords) -> list[float]:
    """The scores that count, of all who have one."""
    return [entry.score for entry in records.entries if entry.score is not None]


def slowest(records: ClassRecords, most: int = 5) -> list[Entry]:
    """Who took longest to run."""
    return sorted(records.graded, key=lambda entry: (-entry.result.seconds, entry.student))[:most]
