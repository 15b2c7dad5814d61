"""The instructors' part of the command line, as `segcourse.cli` is for everybody."""

from pathlib import Path
from typing import Annotated

import typer

from segcourse.errors import SegcourseError


def grade(
    lesson: Annotated[str, typer.Argument(help="A lesson's name or number, for example 05.")],
    course: Annotated[Path, typer.Option(help="nbgrader's course folder.")] = Path("grading"),
    student: Annotated[list[str] | None, typer.Option(help="Only this student; may be repeated.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    cell_seconds: Annotated[float | None, typer.Option(help="Stop a cell after so long.")] = None,
    case_seconds: Annotated[float | None, typer.Option(help="Stop an answer after so long.")] = None,
    total_seconds: Annotated[float | None, typer.Option(help="Stop a notebook after so long.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what is graded and has not changed.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="So many at a time [default: cores].")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Of a Dask cluster: tcp://HOST:8786.")] = None,
    trust_submissions: Annotated[
        bool, typer.Option("--trust-submissions", help="No sandbox: students' code gets all your rights.")
    ] = False,
) -> None:
    """Grade what the class handed in for LESSON: gradebook, feedback pages, and a table.

    Stopped at any time, it goes on where it was when it is started again.
    """
    _need_nbgrader()
    from segcourse.grading import grade_lesson
    from segcourse.grading.sandbox import backend

    if trust_submissions:
        typer.echo(f"No sandbox: {backend.TRUST_WARNING}.", err=True)
    limits = {"cell_seconds": cell_seconds, "case_seconds": case_seconds, "total_seconds": total_seconds}
    options = {"students": student, "limits": limits, "trust": trust_submissions}
    options |= {"again": again, "workers": workers, "scheduler": scheduler}
    try:
        done = grade_lesson(lesson, course, progress=not json, **options)
    except KeyboardInterrupt:
        typer.echo("Stopped. What was graded stays; the same command goes on from there.", err=True)
        raise typer.Exit(130) from None
    typer.echo(done.json() if json else done.table())


def report(
    lesson: Annotated[str, typer.Argument(help="A lesson's name or number, for example 05.")],
    course: Annotated[Path, typer.Option(help="nbgrader's course folder.")] = Path("grading"),
    out: Annotated[Path | None, typer.Option(help="Where to write [default: COURSE/reports/LESSON].")] = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Pseudonyms instead of names.")] = False,
    pages: Annotated[
        bool, typer.Option("--pages", help="Write students' feedback anew, with points given by hand.")
    ] = False,
) -> None:
    """Write the class report of LESSON, a page with charts and tables as CSV, from what was graded."""
    _need_nbgrader()
    from segcourse.grading.reports import class_report

    page, made = class_report.write(lesson, course, out, hide_names=anonymous)
    typer.echo(f"{made.summary}\nThe report is in {page}, its tables lie beside it.")
    if pages:
        typer.echo(f"{class_report.rewrite_pages(lesson, course)} feedback page(s) were written anew.")


def _need_nbgrader() -> None:
    try:
        import nbgrader  # noqa: F401
    except ImportError as error:
        raise SegcourseError(
            'grading needs nbgrader, which students do not; install it with pip install "segcourse[teach]".'
        ) from error
