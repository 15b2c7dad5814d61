"""Write the zip file that an instructor uploads to Gradescope."""

import json
import os
import platform
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from segcourse.course.lessons import find
from segcourse.files import replacing
from segcourse.grading.course import Course
from segcourse.grading.sandbox.environment import PACKAGE

SCRIPTS = ("setup.sh", "run_autograder")


def write(out: Path, course: Course, lesson: str, visibility: str = "visible") -> None:
    """Write the autograder of a lesson.

    The file contains the course's secret, so that Gradescope gives the marks that `segcourse grade` gives. It
    is readable for its owner only.

    Args:
        out: The zip file.
        course: The course.
        lesson: The lesson's name or number.
        visibility: When students see the results, as Gradescope names it.

    Raises:
        LessonError: There is no such lesson.
        SaveError: The file cannot be written.
    """
    folder = find(lesson, course.lessons)
    course.seed(folder.name)  # creates the secret of a new course
    texts = {
        "python-version": platform.python_version().rpartition(".")[0] + "\n",
        "requirements.txt": "".join(f"{line}\n" for line in requirements()),
        "settings.json": json.dumps({"lesson": folder.name, "visibility": visibility}),
    }
    with replacing(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in SCRIPTS:
            executable = zipfile.ZipInfo(name)
            executable.external_attr = 0o100755 << 16
            archive.writestr(executable, Path(__file__).with_name(name).read_bytes())
        for name, text in texts.items():
            archive.writestr(name, text)
        for source, name in _files(course, folder):
            archive.write(source, name)
    os.chmod(out, 0o600)


def requirements() -> list[str]:
    """Return what grading needs, in the versions that are installed here, so that marks agree.

    >>> [line for line in requirements() if line.startswith(("numpy", "nbgrader"))] == [
    ...     f"numpy=={metadata.version('numpy')}", f"nbgrader=={metadata.version('nbgrader')}"
    ... ]
    True
    """
    found = []
    for text in metadata.requires("segcourse") or ():
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate({"extra": "teach"}):
            version = metadata.version(wanted.name).partition("+")[0]
            # the headless build of the same OpenCV needs no system library
            name = "opencv-python-headless" if wanted.name == "opencv-python" else wanted.name
            found.append(f"{name}=={version}")
    return found


def _files(course: Course, lesson: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file to pack, and its name in the zip file."""
    for name in ("course.toml", "course.secret"):
        if (course.root / name).exists():
            yield course.root / name, f"course/{name}"
    for path in sorted(lesson.iterdir()):
        if path.is_file() and path.suffix != ".py":
            yield path, f"lessons/{lesson.name}/{path.name}"
    shipped = PACKAGE / "_course"
    catalogue = (shipped if shipped.is_dir() else PACKAGE.parent) / "datasets"
    for folder, place in ((PACKAGE, "package/segcourse"), (catalogue, "package/datasets")):
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_file() and not {"__pycache__", "_course"} & set(inside.parts):
                yield path, f"{place}/{inside.as_posix()}"
