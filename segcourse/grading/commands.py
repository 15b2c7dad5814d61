"""The commands for instructors: grade, report, roster and remove-student."""

import contextlib
from pathlib import Path
from typing import Annotated, Literal

import typer

from segcourse.errors import SegcourseError, first_few

Lesson = Annotated[str, typer.Argument(help="The lesson's name or number, for example 05.")]
CourseFolder = Annotated[Path, typer.Option(help="nbgrader's course folder.")]
GRADING = Path("grading")
Visibility = Literal["visible", "after_due_date", "after_published", "hidden"]


def grade(
    lesson: Lesson,
    course: CourseFolder = GRADING,
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
    require_nbgrader()
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
    lesson: Lesson,
    course: CourseFolder = GRADING,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report [default: COURSE/reports/LESSON].")
    ] = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Replace names with pseudonyms.")] = False,
    pages: Annotated[
        bool, typer.Option("--pages", help="Also rewrite the feedback pages, with points given by hand.")
    ] = False,
    leaderboard: Annotated[
        bool, typer.Option("--leaderboard", help="Print the leader board of the lesson's open end instead.")
    ] = False,
) -> None:
    """Write the class report of LESSON: a page with charts, and tables as CSV."""
    require_nbgrader()
    if leaderboard:
        _print_leaderboard(lesson, course, out, anonymous)
        return
    from segcourse.grading.reports import class_report

    page, made = class_report.write(lesson, course, out, hide_names=anonymous)
    typer.echo(f"{made.summary}\nThe report is {page}. Its tables are in the same folder.")
    _mention_requests(made.records.lesson, course)
    if made.records.doubts:
        typer.echo(f"Run `segcourse roster {lesson}` to say who handed in {made.records.doubts}.")
    if pages:
        typer.echo(f"Rewrote {class_report.rewrite_pages(lesson, course)} feedback page(s).")


def _print_leaderboard(lesson: str, course: Path, out: Path | None, anonymous: bool) -> None:
    from segcourse.grading.reports import leaderboard

    path, board = leaderboard.write(lesson, course, out, hide_names=anonymous)
    typer.echo(leaderboard.table(board) if board else "There is no score yet; grade the lesson first.")
    typer.echo(f"The leader board is {path}.")


def gradescope(
    lesson: Lesson,
    course: CourseFolder = GRADING,
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
    require_nbgrader()
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


def roster(
    lesson: Lesson,
    course: CourseFolder = GRADING,
    match: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER=ID", help="Give the submission in FOLDER to a student; can be repeated."
        ),
    ] = None,
) -> None:
    """Match the submissions of LESSON to the roster, and print who handed in under which name.

    A submission whose student is certain is renamed to the student's id. All others are listed in
    COURSE/matches.csv: fill in its column "student" and run the command again, or use --match.
    """
    require_nbgrader()
    from segcourse.grading.course import Course
    from segcourse.grading.enrolment import match_submissions
    from segcourse.grading.lock import Lock
    from segcourse.grading.reports.class_report import find_lesson

    chosen = {}
    for decision in match or ():
        folder, sign, student = decision.rpartition("=")
        if not (folder and sign and student):
            raise typer.BadParameter(f'{decision!r} is not FOLDER=ID, such as "Ada Lovelace=ada01"')
        chosen[folder.strip()] = student.strip()
    opened = Course.open(course)
    name = find_lesson(opened, lesson)
    with contextlib.closing(Lock(opened.root)):
        found = match_submissions(opened, name, chosen)
    typer.echo(found.table())
    if not found.roster.people:
        typer.echo(
            "There is no roster, so each folder's name is the student's id. To get one, import a list with "
            "names or e-mail addresses: nbgrader db student import FILE.csv"
        )
    for note in found.notes:
        typer.echo(f"{note[0].upper()}{note[1:]}.")
    if found.undecided:
        typer.echo(
            f'Fill in the column "student" of {opened.root / "matches.csv"} and run this command again.'
        )


def remove_student(
    student: Annotated[str, typer.Argument(help="The student's id.")],
    course: CourseFolder = GRADING,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove STUDENT from the gradebook, all pages and all later reports.

    Marks are deleted, points given by hand too. The submissions and pages are moved to COURSE/removed; delete
    them there when they are not needed any more.
    """
    require_nbgrader()
    from segcourse.grading import enrolment
    from segcourse.grading.course import Course
    from segcourse.grading.lock import Lock

    opened = Course.open(course)
    if not yes:
        typer.confirm(f"Delete all marks of {student} in {opened.root}?", abort=True)
    with contextlib.closing(Lock(opened.root)):
        removed = enrolment.remove_student(opened, student)
    for line in removed:
        typer.echo(f"Removed {line}.")
    typer.echo("Reports and grades.csv change when you write them again.")


def require_nbgrader() -> None:
    try:
        import nbgrader  # noqa: F401
    except ImportError as error:
        raise SegcourseError(
            'grading needs nbgrader, which is not installed; run pip install "segcourse[teach]".'
        ) from error
