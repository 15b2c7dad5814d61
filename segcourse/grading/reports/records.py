"""What grading left behind for one lesson, read back: each student's record, and the gradebook's marks.

Records are the grader's own files, but they may be missing, older than this version or damaged: that is said
of the student concerned, and the others are read.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from segcourse.exercises.verdicts import Verdict
from segcourse.grading.course import Course
from segcourse.grading.gradebook.autograded import RECORD
from segcourse.grading.gradebook.marks import Marks, read
from segcourse.grading.scoring.result import Result

AGAIN = "grade the lesson once more"
OURS = "Explained: "  # the error whose message the course wrote


@dataclass(frozen=True)
class Entry:
    """One student who handed in: the result, or the `problem` that there is none, and the gradebook's
    marks, None where it knows nothing of the submission."""

    student: str
    result: Result | None = None
    problem: str | None = None
    marks: Marks | None = None

    @property
    def graded(self) -> bool:
        """Whether the grader could look at the submission."""
        return self.result is not None and self.result.refusal is None

    @property
    def status(self) -> str:
        """As `segcourse grade` says it, or why nothing is known."""
        return self.result.status if self.result else f"not recorded: {self.problem}"

    @property
    def why(self) -> str | None:
        """Why there is no automatic score."""
        return self.result.refusal if self.result else self.problem

    @property
    def score(self) -> float | None:
        """What the gradebook says now; the automatic score where it knows nothing of this submission."""
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
        """Points that a person still has to decide on."""
        return sum(mark.max_points for mark in self.marks.waiting) if self.marks and self.graded else 0.0

    @property
    def verdicts(self) -> dict[str, Verdict]:
        return {verdict.name: verdict for verdict in self.result.verdicts} if self.result else {}


@dataclass(frozen=True)
class ClassRecords:
    """Everyone's entry for one lesson, in order, and who is in the gradebook and did not hand in."""

    lesson: str
    course: str
    entries: tuple[Entry, ...]
    absent: tuple[str, ...] = ()
    graded_at: str | None = None  # the latest time among the records, ISO 8601
    unsandboxed: tuple[str, ...] = ()  # graded with --trust-submissions

    @property
    def graded(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.graded)

    @property
    def walls(self) -> tuple[str, ...]:
        """What kept submissions apart from the machine: "bubblewrap", "docker"."""
        return tuple(sorted({entry.result.isolation for entry in self.graded} - {"none"}))


def read_class(course: Course, lesson: str) -> ClassRecords:
    """Read back what was recorded for `lesson`: everyone who handed in or was graded."""
    roll = read(course, lesson)
    recorded = (path.parent.parent.name for path in course.root.glob(f"autograded/*/{lesson}/{RECORD}"))
    students = sorted({*course.students(lesson), *recorded, *(s for s, m in roll.marks.items() if m)})
    entries, times, unsandboxed = [], [], []
    for student in students:
        entry, data = _read(course, lesson, student)
        entries.append(replace(entry, marks=roll.marks.get(student)))
        times += [data["graded_at"]] if type(data.get("graded_at")) is str else []
        unsandboxed += [student] if entry.graded and entry.result.isolation == "none" else []
    absent = tuple(sorted(roll.marks.keys() - set(students)))
    return ClassRecords(
        lesson, course.name, tuple(entries), absent, max(times, default=None), tuple(unsandboxed)
    )


def _read(course: Course, lesson: str, student: str) -> tuple[Entry, dict[str, Any]]:
    path = course.autograded(student, lesson) / RECORD
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Entry(student, replace(Result.from_json(data), student=student)), data
    except FileNotFoundError:
        return Entry(student, problem=f"it has not been graded yet; {AGAIN}."), {}
    except (OSError, ValueError):
        return Entry(student, problem=f"{RECORD} cannot be read; {AGAIN}."), {}
    except (KeyError, TypeError, AttributeError):
        return Entry(student, problem=f"{RECORD} was written by another version; {AGAIN}."), {}


def pseudonyms(course: Course, records: ClassRecords) -> dict[str, str]:
    """A name for everyone that stays the same from report to report.

    The course's secret makes them: nobody without it can find out who is who by trying the names.
    """
    students = [*(entry.student for entry in records.entries), *records.absent]
    drawn = {student: f"{course.seed(f'pseudonym of {student}'):012X}" for student in students}
    length = next(n for n in (4, 6, 8, 12) if n == 12 or len({d[:n] for d in drawn.values()}) == len(drawn))
    return {student: f"student {letters[:length]}" for student, letters in drawn.items()}


def anonymous(course: Course, records: ClassRecords, names: dict[str, str]) -> ClassRecords:
    """The same class under `names`; sentences lose what tells who is meant.

    Names of files that were handed in are private too, for people write their own names there.
    """
    private = {*names, *(name for known in read(course, records.lesson).names.values() for name in known)}
    for student in names:
        folder = course.submitted(student, records.lesson)
        if folder.is_dir() and not folder.is_symlink():
            private |= {path.name for path in folder.iterdir()} - {f"{records.lesson}.ipynb"}
    hide = _hiding(private)
    entries = (_hidden(entry, names[entry.student], hide) for entry in records.entries)
    return replace(
        records,
        entries=tuple(sorted(entries, key=lambda entry: entry.student)),
        absent=tuple(sorted(names[student] for student in records.absent)),
        unsandboxed=tuple(sorted(names[student] for student in records.unsandboxed)),
    )


def _hiding(private: Iterable[str]) -> Callable[[str], str]:
    words = sorted((word for word in private if len(word) > 1), key=len, reverse=True)
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words) or r"(?!)", re.I)
    return lambda sentence: pattern.sub("…", sentence)


def _hidden(entry: Entry, name: str, hide: Callable[[str], str]) -> Entry:
    """An entry under another name; nothing that a person wrote to the student stays."""
    marks, result = entry.marks, entry.result
    if marks:
        cells = tuple(replace(mark, comment="") for mark in marks.cells)
        marks = replace(marks, cells=cells, status=hide(marks.status))
    if result:
        result = replace(
            result,
            student=name,
            refusal=result.refusal and hide(result.refusal),
            repairs=tuple(map(hide, result.repairs)),
            stops=("a cell",) * len(result.stops),
            verdicts=tuple(_wordless(verdict, hide) for verdict in result.verdicts),
            tests=tuple(replace(test, says=hide(test.says)) for test in result.tests),
        )
    return replace(entry, student=name, result=result, marks=marks)


def _wordless(verdict: Verdict, hide: Callable[[str], str]) -> Verdict:
    """A verdict without the message of the student's own error; its kind stays."""
    case = verdict.smallest
    if case and not case.got.startswith(OURS):
        case = replace(case, got=re.sub(r"^(\w+): .*", r"\1", case.got))
    return replace(verdict, diagnosis=verdict.diagnosis and hide(verdict.diagnosis), smallest=case)
