"""A lesson's rubric: one criterion per group of cases, in the columns of Canvas's rubric import."""

from collections.abc import Iterator
from pathlib import Path

from segcourse import exercises
from segcourse.files import write_csv
from segcourse.grading.notebooks import Lesson
from segcourse.grading.reports.feedback import examples

COLUMNS = (
    "Rubric Name", "Criteria Name", "Criteria Description", "Criteria Enable Range",
    *("Rating Name", "Rating Description", "Rating Points") * 2,
)  # fmt: skip


def write(path: Path, lesson: Lesson) -> None:
    """Write the rubric of `lesson`; its points are those that the lesson's cells give.

    Raises:
        SaveError: The file cannot be written.
    """
    write_csv(path, (COLUMNS, *_criteria(lesson)))


def _criteria(lesson: Lesson) -> Iterator[tuple]:
    for name, points in lesson.points.items():
        exercise = exercises.get(name)
        for group, share in exercise.groups.items():
            about = f"For example: {'; '.join(traits)}." if (traits := examples(name).get(group)) else ""
            ratings = ("Right", "All cases of this group are right.", f"{points * share / exercise.points:g}")
            missed = ("Not right yet", "At least one case of this group is not right.", "0")
            yield lesson.name, f"{exercise.number} {name}: {group}", about, "false", *ratings, *missed
    for name, points in lesson.own.items():
        best = ("Full points", "", f"{points:g}")
        yield lesson.name, name, "Your own cell.", "true", *best, "No points", "", "0"
