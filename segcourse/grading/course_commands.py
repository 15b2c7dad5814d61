"""The commands for instructors under `segcourse course`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from segcourse.grading.commands import GRADING, CourseFolder, Lesson, require_nbgrader

app = typer.Typer(
    help="Create a course; export marks and rubrics; answer regrade requests.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Out = Annotated[Path | None, typer.Option(help="The file to write [default: in COURSE/exports].")]


@app.command()
def new(folder: Annotated[Path, typer.Argument(help="The course's folder; created if missing.")]) -> None:
    """Create a course in FOLDER: lessons/ for you to edit, and grading/ with a README.

    Existing files are never changed.
    """
    from segcourse.grading import new_course

    added = new_course.create(folder)
    typer.echo(f"{folder}: {len(added)} new file(s); existing files are unchanged.")
    typer.echo(f"Next: cd {folder}, and read grading/README.md.")


@app.command()
def moodle(lesson: Lesson, course: CourseFolder = GRADING, out: Out = None) -> None:
    """Export the final scores of LESSON for Moodle's "Import grades from CSV"."""
    require_nbgrader()
    from segcourse.grading.exports import moodle

    _export(lesson, course, out, "moodle", moodle.write)


@app.command()
def canvas(
    lesson: Lesson,
    course: CourseFolder = GRADING,
    out: Out = None,
    column: Annotated[
        str | None,
        typer.Option(help='The assignment in Canvas, such as "Lesson 5 (1234)" [default: LESSON].'),
    ] = None,
) -> None:
    """Export the final scores of LESSON for the import of Canvas's gradebook."""
    require_nbgrader()
    from segcourse.grading.exports import canvas

    _export(
        lesson,
        course,
        out,
        "canvas",
        lambda path, scores: canvas.write(path, scores, column or scores.lesson),
    )


@app.command()
def rubric(lesson: Lesson, course: CourseFolder = GRADING, out: Out = None) -> None:
    """Export the rubric of LESSON, one criterion per group of cases, for Canvas's rubric import."""
    require_nbgrader()
    from segcourse.course.lessons import find
    from segcourse.grading.course import Course
    from segcourse.grading.exports import rubric
    from segcourse.grading.lesson import read_lesson

    opened = Course.open(course)
    name = find(lesson, opened.lessons).name
    path = out or opened.root / "exports" / f"{name}-rubric.csv"
    rubric.write(path, read_lesson(opened.lessons / name / f"{name}.ipynb"))
    typer.echo(f"The rubric is {path}.")


def _export(lesson: str, course: Path, out: Path | None, platform: str, write: Callable) -> None:
    """Export the scores, and say who is left out and why."""
    from segcourse.exercises.engine.observations import clip
    from segcourse.grading.exports import scores

    opened, name = _open(course, lesson)
    found = scores.read(opened, name)
    path = out or opened.root / "exports" / f"{found.lesson}-{platform}.csv"
    write(path, found)
    typer.echo(f"{path}: {len(found.scores)} score(s), of {found.max_points:g} points.")
    for student, why in found.left_out.items():
        typer.echo(f"left out: {clip(student, 60)} ({clip(why, 200)})")


@app.command()
def requests(lesson: Lesson, course: CourseFolder = GRADING) -> None:
    """List the open regrade requests of LESSON: regrade.md or regrade.txt, handed in beside the notebook."""
    require_nbgrader()
    from segcourse.grading import regrade

    found = regrade.open_requests(*_open(course, lesson))
    for request in found:
        typer.echo(str(request))
    typer.echo(f"{len(found)} open regrade request(s).")


@app.command()
def answer(
    lesson: Lesson,
    student: Annotated[str, typer.Argument(help="The student's id.")],
    text: Annotated[str, typer.Argument(help="Your answer.")],
    exercise: Annotated[str | None, typer.Option(help="Answer only the request about this exercise.")] = None,
    course: CourseFolder = GRADING,
) -> None:
    """Answer a student's regrade requests: log the answer in COURSE/regrade. Give points in formgrader."""
    require_nbgrader()
    from segcourse.grading import regrade

    for request in regrade.answer(*_open(course, lesson), student, text, exercise):
        typer.echo(f"answered: {request}")


def _open(course: Path, lesson: str) -> tuple[Any, str]:
    """Return the course, opened, and the lesson's full name."""
    from segcourse.grading.course import Course
    from segcourse.grading.reports.class_report import find_lesson

    opened = Course.open(course)
    return opened, find_lesson(opened, lesson)
