"""Create a course: nbgrader's course folder, and beside it the instructor's copy of the lessons."""

from pathlib import Path

from segcourse.course import working_copy
from segcourse.files import copy_new
from segcourse.grading.sandbox.environment import PACKAGE

FILES = ("README.md", "course.toml", "nbgrader_config.py", ".gitignore")


def create(folder: Path) -> list[Path]:
    """Write the files of a new course to `folder`; return those that were added.

    An existing file is never changed.

    Raises:
        LessonError: There are no lessons to copy.
        SaveError: A file could not be written.
    """
    wanted = [(source, folder / "lessons" / name) for source, name in working_copy.files()]
    wanted += [(_templates() / name, folder / "grading" / name) for name in FILES]
    return [target for source, target in wanted if copy_new(source, target)]


def _templates() -> Path:
    """Return the folder of the files: in the installed package, else the checkout's `grading/`."""
    shipped = PACKAGE / "_course" / "grading"
    return shipped if shipped.is_dir() else PACKAGE.parent / "grading"
