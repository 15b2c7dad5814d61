"""An instructor's repository with the tiny lesson and the real course folder, and nbgrader's commands."""

import csv
import os
import shutil
import sys
from pathlib import Path

import nbformat
from grading_class import LESSON, RIGHT, as_bytes, gradebook, make_lessons
from nbgrader import utils
from processes import Process

from segcourse.grading.nbgrader_plugins import StatusExport

CONFIGURED = Path(__file__).parents[2] / "grading"
# half a point per hour; an instructor adds this to nbgrader_config.py
LATE_PENALTIES = """
from nbgrader.plugins import LateSubmissionPlugin

class HalfAPointAnHour(LateSubmissionPlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return 0.5 * total_seconds_late / 3600

c.AssignLatePenalties.plugin_class = HalfAPointAnHour
"""


def make(root: Path, settings: str = "") -> Path:
    """Create the repository in `root`, with `settings` added to nbgrader_config.py; return the course."""
    folder, course = make_lessons(root) / LESSON, root / "grading"
    course.mkdir()
    (folder / f"{LESSON}.py").write_text("# the text twin\n")
    (folder / "picture.txt").write_text("a picture\n")
    shutil.copy(CONFIGURED / "course.toml", course)
    own = (CONFIGURED / "nbgrader_config.py").read_text()
    (course / "nbgrader_config.py").write_text(own + settings)
    return course


def environment(root: Path) -> dict[str, str]:
    """Return an instructor's environment variables."""
    return {
        "JUPYTER_CONFIG_PATH": str(root / "grading"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(root),
    }


def nbgrader(root: Path, *arguments: str, folder: Path | None = None, code: int = 0, **settings: str) -> str:
    """Run nbgrader as an instructor does, or as a student with other environment variables.

    Args:
        root: The repository.
        arguments: nbgrader's arguments.
        folder: Where to run it. Default: the repository.
        code: The expected exit code.
        settings: More environment variables.

    Returns:
        Everything that nbgrader printed.
    """
    variables = os.environ | environment(root) | settings
    process = Process(_launch, arguments, environment=variables, folder=folder or root)
    assert process.wait() == code, process.output
    return process.output


def _launch(arguments: tuple[str, ...]) -> None:
    from nbgrader.apps import NbGraderApp

    try:
        NbGraderApp.launch_instance(list(arguments))
    except Exception:
        sys.excepthook(*sys.exc_info())  # as Python does at the end of a program; multiprocessing does not
        sys.exit(1)


def exported(root: Path) -> dict[str, dict[str, str]]:
    """Return the rows of `nbgrader export`, by student."""
    nbgrader(root, "export")
    return _rows(root / "grading" / "grades.csv")


def table(course: Path) -> dict[str, dict[str, str]]:
    """Return the same rows, exported within this process."""
    with gradebook(course) as book:
        StatusExport(to=str(course / "grades.csv")).export(book)
    return _rows(course / "grades.csv")


def _rows(path: Path) -> dict[str, dict[str, str]]:
    with open(path, newline="") as file:
        return {row["student_id"]: row for row in csv.DictReader(file)}


def answered(course: Path, answers: dict[str, str] = RIGHT) -> bytes:
    """Return the notebook as it was released, with `answers`."""
    made = nbformat.read(course / "release" / LESSON / f"{LESSON}.ipynb", as_version=4)
    for cell in made.cells:
        if utils.is_solution(cell):
            cell.source = answers.get(cell.metadata.nbgrader.grade_id, cell.source)
    return as_bytes(made)
