"""Open nbgrader's gradebook. What is wrong with it is said in a sentence, and a lost one is not replaced."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from nbgrader.api import Assignment, Gradebook, InvalidEntry, SubmittedAssignment
from sqlalchemy.exc import SQLAlchemyError

from segcourse.errors import SegcourseError
from segcourse.grading.course import Course

# parts of SQLite's messages
ADVICE = {
    "readonly": "make the file and its folder writable for you",
    "full": "free some disk space",
    "disk I/O": "free some disk space, and check the disk",
    "locked": "another program is writing to it; wait, or close formgrader and other graders",
    "malformed": "it is damaged; move it away and put your backup in its place",
    "not a database": "it is damaged; move it away and put your backup in its place",
    "unable to open": "check that it is a file that you can read and write",
    "no such": "another version of nbgrader wrote it; run `nbgrader db upgrade`",
}


class GradebookError(SegcourseError):
    """The gradebook is lost, or cannot be read or written; nothing in it was changed."""


@contextlib.contextmanager
def open_gradebook(course: Course) -> Iterator[Gradebook]:
    """Open a course's gradebook; a new course gets a new one.

    Raises:
        GradebookError: The gradebook cannot be read or written.
    """
    with explained(course.gradebook):
        with _alembic_on_path():
            book = Gradebook(course.db_url, course.name)
        with book:
            yield book


def refuse_lost(course: Course) -> None:
    """Refuse a course in which submissions were graded that the gradebook does not know.

    Raises:
        GradebookError: The marks of a graded lesson are not in the gradebook, or it cannot be read.
    """
    graded, known = {path.parts[-2] for path in course.records()}, set()
    if course.gradebook.exists():
        with explained(course.gradebook), Gradebook(course.db_url, course.name) as book:
            rows = book.db.query(Assignment.name).join(SubmittedAssignment).distinct()
            known = {name for (name,) in rows}
    if lost := sorted(graded - known):
        what = "holds no marks of" if course.gradebook.exists() else "is missing, with the marks of"
        raise GradebookError(
            f"{course.gradebook} {what} {', '.join(lost)}, although submissions were graded. Points and "
            "comments that were given by hand are stored only there. Restore it from your backup. If "
            f"it is lost, move {course.root / 'autograded'} elsewhere and grade again without them."
        )


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the database's errors into a GradebookError."""
    try:
        yield
    except (SQLAlchemyError, InvalidEntry) as error:  # nbgrader turns some of the former into the latter
        raise GradebookError(explain(error, path)) from error


def explain(error: Exception, path: Path) -> str:
    """Return what is wrong with the gradebook at `path`, and what to do.

    >>> explain(InvalidEntry("database or disk is full"), Path("gradebook.db"))[:70]
    'gradebook.db cannot be used (database or disk is full): free some disk'
    """
    reason = " ".join(str(getattr(error, "orig", None) or error).split())
    advice = next((advice for words, advice in ADVICE.items() if words in reason), "restore your backup")
    return f"{path} cannot be used ({reason}): {advice}. Everything that was recorded before is kept."


@contextlib.contextmanager
def _alembic_on_path() -> Iterator[None]:
    """Put this Python's scripts on PATH, where nbgrader expects `alembic` when it creates a gradebook."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = f"{os.path.dirname(sys.executable)}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before
