"""Read back what grading recorded for one lesson: each student's record and the gradebook's marks.

A record may be missing, damaged or written by another version. Its student's entry then says so, and all
other records are still read.
"""

import functools
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from segcourse import exercises
from segcourse.exercises.engine.verdicts import Verdict
from segcourse.grading.course import RECORD, Course
from segcourse.grading.gradebook.autograded import record_path
from segcourse.grading.gradebook.marks import Marks, read_marks
from segcourse.grading.roster import doubts, open_roster
from segcourse.grading.scoring.result import Result

REGRADE = "grade the lesson again"


@dataclass(frozen=True)
class Entry:
    """One student who handed in.

    Attributes:
        student: The student's id, or a pseudonym.
        result: The recorded result, if it can be read.
        problem: Why there is no result.
        marks: The gradebook's marks, if it has any.
    """

    student: str
    result: Result | None = None
    problem: str | None = None
    marks: Marks | None = None

    @property
    def graded(self) -> bool:
        """Whether the submission could be graded."""
        return self.result is not None and self.result.refusal is None

    @property
    def status(self) -> str:
        """The status from `segcourse grade`, or why it is unknown."""
        return self.result.status if self.result else f"not recorded: {self.problem}"

    @property
    def why(self) -> str | None:
        """Why there is no automatic score."""
        return self.result.refusal if self.result else self.problem

    @property
    def score(self) -> float | None:
        """The gradebook's score, or the automatic score if the gradebook does not know the submission."""
        if self.marks is not None:
            return self.marks.score
        return self.result.score if self.result else None

    @property
    def max_score(self) -> float:
        if self.marks is not None:
            return self.marks.max_points
        return self.result.max_score if self.result else 0.0

    @property
    def waiting(self) -> float:
        """The points that a person still has to decide on."""
        return sum(mark.max_points for mark in self.marks.waiting) if self.marks and self.graded else 0.0

    @property
    def label(self) -> str:
        """The student's name and id, or the id alone if the gradebook knows no name."""
        name = self.marks.name if self.marks else ""
        return f"{name} ({self.student})" if name else self.student

    @property
    def late(self) -> str:
        """How late the submission is, and what that costs; "" if it is not late."""
        return self.marks.late if self.marks else ""

    def points(self, exercise: str) -> float:
        """Return the points that count for an exercise: those given by hand, else the automatic ones."""
        mark = self.marks.of(f"check_{exercise}") if self.marks else None
        automatic = self.result.points.get(exercise, 0.0) if self.result else 0.0
        return mark.by_hand if mark and mark.by_hand is not None else automatic

    @property
    def verdicts(self) -> dict[str, Verdict]:
        return {verdict.name: verdict for verdict in self.result.verdicts} if self.result else {}


@dataclass(frozen=True)
class ClassRecords:
    """The entries of a whole class for one lesson.

    Attributes:
        lesson: The lesson's name.
        course: The course's name.
        entries: The students who handed in, sorted.
        absent: The students in the gradebook who did not hand in.
        doubts: Under which names there are submissions of no known student.
        graded_at: The latest time of grading, in ISO 8601.
        unsandboxed: The students graded with --trust-submissions.
        unknown: The students who handed in but are not on the roster.
    """

    lesson: str
    course: str
    entries: tuple[Entry, ...]
    absent: tuple[str, ...] = ()
    doubts: str = ""
    graded_at: str | None = None
    unsandboxed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def graded(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.graded)

    @property
    def sandboxes(self) -> tuple[str, ...]:
        """The sandbox backends that were used: "bubblewrap", "docker"."""
        return tuple(sorted({entry.result.isolation for entry in self.graded} - {"none"}))


def read_class(course: Course, lesson: str) -> ClassRecords:
    """Read the entries of all students who handed in `lesson` or have marks in it."""
    known = read_marks(course, lesson)
    recorded = {path.parent.parent.name for path in course.records(lesson)}
    if known.marks:  # a student who was removed from the gradebook is not in the class any more
        recorded &= known.marks.keys()
    students = sorted({*course.students(lesson), *recorded, *(s for s, m in known.marks.items() if m)})
    entries, times, unsandboxed = [], [], []
    for student in students:
        entry, data = _read_entry(course, lesson, student)
        entries.append(replace(entry, marks=known.marks.get(student)))
        times += [data["graded_at"]] if type(data.get("graded_at")) is str else []
        unsandboxed += [student] if entry.graded and entry.result.isolation == "none" else []
    absent = tuple(sorted(known.marks.keys() - set(students)))
    roster, last = open_roster(course), max(times, default=None)
    return ClassRecords(
        lesson, course.name, tuple(entries), absent, doubts(course, roster, lesson), last,
        tuple(unsandboxed), tuple(roster.unowned(students)),
    )  # fmt: skip


def _read_entry(course: Course, lesson: str, student: str) -> tuple[Entry, dict[str, Any]]:
    try:
        data = json.loads(record_path(course, student, lesson).read_text(encoding="utf-8"))
        return Entry(student, replace(Result.from_json(data), student=student)), data
    except FileNotFoundError:
        return Entry(student, problem=f"it has not been graded yet; {REGRADE}."), {}
    except (OSError, ValueError):
        return Entry(student, problem=f"{RECORD} cannot be read; {REGRADE}."), {}
    except (KeyError, TypeError, AttributeError):
        return Entry(student, problem=f"{RECORD} was written by another version; {REGRADE}."), {}


def pseudonyms(course: Course, records: ClassRecords) -> dict[str, str]:
    """Return a pseudonym for each student that stays the same in all reports.

    The pseudonyms come from the course's secret. Without the secret, trying all names does not reveal who is
    who.
    """
    students = [*(entry.student for entry in records.entries), *records.absent]
    drawn = {student: f"{course.seed(f'pseudonym of {student}'):012X}" for student in students}
    length = next(n for n in (4, 6, 8, 12) if n == 12 or len({d[:n] for d in drawn.values()}) == len(drawn))
    return {student: f"student {letters[:length]}" for student, letters in drawn.items()}


def anonymize(course: Course, records: ClassRecords, names: dict[str, str]) -> ClassRecords:
    """Return the class with pseudonyms, and without everything in sentences that identifies a student.

    Names of submitted files are removed too, because students often put their own names there.
    """
    private = {*names, *(n for known in read_marks(course, records.lesson).names.values() for n in known)}
    for student in names:
        folder = course.submitted(student, records.lesson)
        if folder.is_dir() and not folder.is_symlink():
            private |= {path.name for path in folder.iterdir()} - {f"{records.lesson}.ipynb"}
    hide = _redaction(private)
    entries = (_anonymize_entry(entry, names[entry.student], hide) for entry in records.entries)
    return replace(
        records,
        entries=tuple(sorted(entries, key=lambda entry: entry.student)),
        absent=tuple(sorted(names[student] for student in records.absent)),
        doubts=hide(records.doubts),
        unsandboxed=tuple(sorted(names[student] for student in records.unsandboxed)),
        unknown=tuple(sorted(names[student] for student in records.unknown)),
    )


def _redaction(private: Iterable[str]) -> Callable[[str], str]:
    """Return a function that replaces private words with an ellipsis."""
    words = sorted((word for word in private if len(word) > 1), key=len, reverse=True)
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words) or r"(?!)", re.I)
    return lambda sentence: pattern.sub("…", sentence)


def _anonymize_entry(entry: Entry, name: str, hide: Callable[[str], str]) -> Entry:
    """Return an entry under another name, without what a person wrote to the student."""
    marks, result = entry.marks, entry.result
    if marks:
        marks = replace(marks, comments={}, name="", status=hide(marks.status))
    if result:
        result = replace(
            result,
            student=name,
            refusal=result.refusal and hide(result.refusal),
            repairs=tuple(map(hide, result.repairs)),
            stopped_cells=("a cell",) * len(result.stopped_cells),
            verdicts=tuple(_anonymize_verdict(verdict, hide) for verdict in result.verdicts),
            tests=tuple(replace(test, says=hide(test.says)) for test in result.tests),
        )
    return replace(entry, student=name, result=result, marks=marks)


def _anonymize_verdict(verdict: Verdict, hide: Callable[[str], str]) -> Verdict:
    """Return a verdict without the student's own lines, error messages and output."""
    cause = verdict.cause or verdict.diagnosis
    if cause and cause not in known_misconceptions(verdict.name):  # a student may be called like a word in it
        cause = hide(cause)
    return replace(verdict, diagnosis=cause, cause=cause, printed="")


@functools.cache
def known_misconceptions(exercise: str) -> frozenset[str]:
    """Return the sentences about the exercise's misconceptions; none if the exercise no longer exists."""
    if exercise not in exercises.names():
        return frozenset()
    return frozenset(misconception.says for misconception in exercises.get(exercise).misconceptions)
