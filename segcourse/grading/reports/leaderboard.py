"""The leader board of a lesson with an open end: its students by the score that the grader computed."""

from dataclasses import dataclass
from pathlib import Path

from segcourse import exercises
from segcourse.errors import LessonError
from segcourse.grading.course import Course
from segcourse.grading.reports import csv_tables
from segcourse.grading.reports.class_report import find_lesson
from segcourse.grading.reports.records import ClassRecords, anonymize, pseudonyms, read_class

COLUMNS = ("rank", "student", "exercise", "score", "points", "max_points")


@dataclass(frozen=True)
class Place:
    """One line of the board; equal scores share a rank.

    Attributes:
        student: The student's name and id, or a pseudonym.
        score: The score, as the grader computed it.
    """

    rank: int
    student: str
    exercise: str
    score: float
    points: float
    max_points: float


def places(records: ClassRecords) -> list[Place]:
    """Return the places of a class, best first; students without a score have none."""
    scored = [
        (verdict.score, entry.label, verdict)
        for entry in records.graded
        for verdict in entry.verdicts.values()
        if verdict.score is not None
    ]
    scored.sort(key=lambda one: (one[2].name, -one[0], one[1]))
    return [
        Place(
            1 + sum(other.name == verdict.name and better > score for better, _, other in scored),
            label, verdict.name, score, verdict.points, verdict.max_points,
        )
        for score, label, verdict in scored
    ]  # fmt: skip


def table(board: list[Place]) -> str:
    """Return the board as text.

    >>> print(table([Place(1, "ada", "predict_masks", 0.871, 6, 6)]))
    rank  score  points  student
       1  0.871  6 of 6  ada
    """
    rows = [
        f"{place.rank:4}  {place.score:.3f}  {f'{place.points:g} of {place.max_points:g}':6}  {place.student}"
        for place in board
    ]
    return "\n".join(["rank  score  points  student", *rows])


def write(
    lesson: str, course: Path, out: Path | None = None, *, hide_names: bool = False
) -> tuple[Path, list[Place]]:
    """Write leaderboard.csv, and return its path and the board; arguments as in `class_report.write`.

    Raises:
        LessonError: There is no such lesson, or none of its exercises has a score.
        SegcourseError: There is no such course folder, or the file cannot be written.
    """
    opened = Course.open(Path(course))
    name = find_lesson(opened, lesson)
    if not any(exercises.get(exercise).score for exercise in exercises.names(name)):
        others = {exercises.get(one).lesson for one in exercises.names() if exercises.get(one).score}
        raise LessonError(
            f"{name} has no exercise with a score, so it has no leader board. These have: "
            f"{', '.join(sorted(others))}."
        )
    records = read_class(opened, name)
    if hide_names:
        records = anonymize(opened, records, pseudonyms(opened, records))
    board = places(records)
    folder = out or opened.root / "reports" / (f"{name}-anonymous" if hide_names else name)
    csv_tables.write_table(folder / "leaderboard.csv", COLUMNS, map(vars, board))
    return folder / "leaderboard.csv", board
