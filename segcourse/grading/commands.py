"""The commands for instructors, `segcourse grade` and `segcourse report`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from segcourse.errors import SegcourseError, first_few

Visibility = Literal["visible", "after_due_date", "after_published", "hidden"]


def grade(
    lesson: Annotated[str, typer.Argument(help="The lesson's name or number, for example 05.")],
    course: Annotated[Path, typer.Option(help="nbgrader's course folder.")] = Path("grading"),
    student: Annotated[
        list[str] | None, typer.Option(help="Grade only this student; can be repeated.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print only JSON.")] = False,
    cell_seconds: Annotated[
        float | None, typer.Option(help="CPU time limit per cell, in seconds [default: see course.toml].")
    ] = None,
    case_seconds: Annotated[
        float | None, typer.Option(help="CPU time limit per test case of an answer, in seconds.")
    ] = None,
    total_seconds: Annotated[float | None, typer.Option(help="Time limit per notebook, in seconds.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Regrade submissions that haven't changed.")] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Number of submissions graded in parallel [default: one per core]."),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Grade on the Dask cluster at this address, such as tcp://HOST:8786.")
    ] = None,
    trust_submissions: Annotated[
        bool, typer.Option("--trust-submissions", help="Run students' code without a sandbox. Dangerous.")
    ] = False,
) -> None:
    """Grade all submissions of LESSON: write the gradebook and feedback pages, and print a table.

    If you stop the command, run it again to continue.
    """
    _require_nbgrader()
    from segcourse.grading import grade_lesson
    from segcourse.grading.sandbox import backend

    if trust_submissions:
        typer.echo(f"No sandbox: {backend.TRUST_WARNING}.", err=True)
    limits = {"cell_seconds": cell_seconds, "case_seconds": case_seconds, "total_seconds": total_seconds}
    options = {"students": student, "limits": limits, "trust": trust_submissions}
    options |= {"again": again, "workers": workers, "scheduler": scheduler}
    try:
        result = grade_lesson(lesson, course, progress=not json, **options)
    except KeyboardInterrupt:
        typer.echo("Stopped. Finished results are kept; run the same command to continue.", err=True)
        raise typer.Exit(130) from None
    typer.echo(result.json() if json else result.table())
    if not json:
        _mention_requests(result.lesson, course)


def report(
    lesson: Annotated[str, typer.Argument(help="The lesson's name or number, for example 05.")],
    course: Annotated[Path, typer.Option(help="nbgrader's course folder.")] = Path("grading"),
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report [default: COURSE/reports/LESSON].")
    ] = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Replace names with pseudonyms.")] = False,
    pages: Annotated[
        bool, typer.Option("--pages", help="Also rewrite the feedback pages, with points given by hand.")
    ] = False,
) -> None:
    """Write the class report of LESSON: a page with charts, and tables as CSV."""
    _require_nbgrader()
    from segcourse.grading.reports import class_report

    page, made = class_report.write(lesson, course, out, hide_names=anonymous)
    typer.echo(f"{made.summary}\nThe report is {page}. Its tables are in the same folder.")
    _mention_requests(made.records.lesson, course)
    if pages:
        typer.echo(f"Rewrote {class_report.rewrite_pages(lesson, course)} feedback page(s).")


def gradescope(
    lesson: Annotated[str, typer.Argument(help="The lesson's name or number, for example 05.")],
    course: Annotated[Path, typer.Option(help="nbgrader's course folder.")] = Path("grading"),
    out: Annotated[
        Path | None, typer.Option(help="The zip file [default: COURSE/exports/LESSON-gradescope.zip].")
    ] = None,
    visibility: Annotated[
        Visibility, typer.Option(help="When students see the results of their submission.")
    ] = "visible",
) -> None:
    """Write an autograder of LESSON for Gradescope.

    The file contains the course's secret: keep it private.
    """
    _require_nbgrader()
    from segcourse.course.lessons import find
    from segcourse.grading.course import Course
    from segcourse.grading.gradescope import package

    opened = Course.open(course)
    name = find(lesson, opened.lessons).name
    path = out or opened.root / "exports" / f"{name}-gradescope.zip"
    package.write(path, opened, name, visibility)
    typer.echo(f"The autograder is {path}. It contains the course's secret: keep it private.")


def _mention_requests(lesson: str, course: Path) -> None:
    from segcourse.exercises.engine.observations import clip
    from segcourse.grading import regrade
    from segcourse.grading.course import Course

    if opened := regrade.open_requests(Course.open(course), lesson):
        students = first_few(sorted({clip(request.student, 60) for request in opened}))
        typer.echo(
            f"Open regrade requests: {len(opened)} ({students}); see `segcourse course requests {lesson}`."
        )


def _require_nbgrader() -> None:
    try:
        import nbgrader  # noqa: F401
    except ImportError as error:
        raise SegcourseError(
            'grading needs nbgrader, which is not installed; run pip install "segcourse[teach]".'
        ) from error
