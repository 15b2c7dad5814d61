"""Regrade requests: a student hands in `regrade.md` or `regrade.txt` beside the notebook, a person answers.

A request begins with the name of an exercise: "dice_score: my answer is right, because …". Text above the
first name is a request about the whole lesson. Answers are logged in regrade/LESSON.csv in the course folder.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from segcourse.errors import SegcourseError
from segcourse.exercises.engine.observations import clip
from segcourse.files import replacing, write_csv
from segcourse.grading.course import Course
from segcourse.grading.csv_cells import escape_formula
from segcourse.grading.gradebook.marks import Marks, read_marks
from segcourse.grading.notebooks import Refused
from segcourse.grading.submissions.find import read_plain_file

FILES = ("regrade.md", "regrade.txt")
MAX_MEGABYTES, MAX_REASON = 0.02, 1500
COLUMNS = ("answered", "student", "exercise", "reason", "points", "answer")


@dataclass(frozen=True)
class Request:
    """A student's request; `exercise` is empty if it is about the whole lesson."""

    student: str
    exercise: str
    reason: str

    def __str__(self) -> str:
        return f"{clip(self.student, 60)}, {self.exercise or 'the whole lesson'}: {self.reason}"


def open_requests(course: Course, lesson: str) -> list[Request]:
    """Return all requests without an answer, by student; a changed request is a new one."""
    texts = [
        (student, text) for student in course.students(lesson) for text in _texts(course, student, lesson)
    ]
    if not texts:
        return []
    cells = (
        cell.name for marks in read_marks(course, lesson).marks.values() if marks for cell in marks.cells
    )
    exercises = {name.removeprefix("check_") for name in cells}
    found = [Request(student, *each) for student, text in texts for each in _split(text, exercises).items()]
    known = {tuple(row[name] for name in COLUMNS[1:4]) for row in _log(course, lesson)}
    return [each for each in found if _logged(each) not in known]


def answer(
    course: Course, lesson: str, student: str, text: str, exercise: str | None = None
) -> list[Request]:
    """Answer a student's open requests: log the answer, and write it beside the student's page.

    Args:
        course: The course.
        lesson: The lesson's name.
        student: The student's id.
        text: The answer.
        exercise: Answer only the request about this exercise.

    Returns:
        The requests that were answered.

    Raises:
        SegcourseError: There is no such request, or a file cannot be written.
    """
    mine = [each for each in open_requests(course, lesson) if each.student == student]
    chosen = [each for each in mine if exercise in (None, each.exercise)]
    if not chosen:
        about = exercise or lesson
        raise SegcourseError(
            f"{student} has no open request about {about}; see `segcourse course requests {lesson}`."
        )
    marks, rows = read_marks(course, lesson).marks.get(student), _log(course, lesson)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for each in chosen:
        values = (now, *_logged(each), _points(marks, each.exercise), escape_formula(text))
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    write_csv(_log_path(course, lesson), [COLUMNS, *(tuple(row[name] for name in COLUMNS) for row in rows)])
    with replacing(course.feedback(student, lesson).with_name("regrade.txt")) as temporary:
        answered = (row for row in rows if row["student"] == escape_formula(student))
        lines = (
            f"{row['exercise'] or lesson}: {row['reason']}\nAnswer: {row['answer']}\n" for row in answered
        )
        temporary.write_text("\n".join(lines), encoding="utf-8")
    return chosen


def _points(marks: Marks | None, exercise: str) -> float | None:
    """Return the points that an exercise, or the whole lesson, has now."""
    if marks is None or not exercise:
        return marks and marks.score
    mark = marks.of(f"check_{exercise}") or marks.of(exercise)
    return mark and mark.points


def _texts(course: Course, student: str, lesson: str) -> Iterator[str]:
    """Yield what a student handed in as requests; if it cannot be read, yield why."""
    folder = course.submitted(student, lesson)
    for name in FILES if folder.is_dir() and not folder.is_symlink() else ():
        if (folder / name).exists() or (folder / name).is_symlink():
            try:
                yield read_plain_file(folder / name, MAX_MEGABYTES).decode("utf-8", "replace")
            except Refused as error:
                yield str(error)


def _split(text: str, exercises: Iterable[str]) -> dict[str, str]:
    """Split a file into the reasons, by exercise.

    >>> _split("Hello,\\n\\n- dice_score: empty masks\\nare right.\\n## mean_iou", {"dice_score", "mean_iou"})
    {'': 'Hello,', 'dice_score': 'empty masks are right.', 'mean_iou': ''}
    """
    found: dict[str, list[str]] = {}
    exercise = ""
    for line in text.splitlines():
        word = re.match(r"\W*(\w*)\W*(.*)", line)
        if word[1] in exercises:
            exercise, line = word.groups()
        if line.strip() or (exercise and exercise not in found):
            found.setdefault(exercise, []).append(line.strip())
    return {name: clip(" ".join(filter(None, lines)), MAX_REASON) for name, lines in found.items()}


def _logged(request: Request) -> tuple[str, str, str]:
    """Return a request as it stands in the log, which is safe to open in a spreadsheet."""
    return tuple(map(escape_formula, (request.student, request.exercise, request.reason)))


def _log_path(course: Course, lesson: str) -> Path:
    return course.root / "regrade" / f"{lesson}.csv"


def _log(course: Course, lesson: str) -> list[dict[str, str]]:
    path = _log_path(course, lesson)
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if any(set(row) != set(COLUMNS) for row in rows):
        raise SegcourseError(f"{path} should have the columns {', '.join(COLUMNS)}; restore your backup.")
    return rows
