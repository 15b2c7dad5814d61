"""Check that OpenCV works, and replace it by its headless build where it does not."""

import subprocess
import sys
import tempfile

from segcourse.course.findings import Finding, installed_version, run_python
from segcourse.errors import SegcourseError

_TRY_OPENCV = """
import cv2, numpy
assert cv2.resize(numpy.eye(2, dtype=numpy.uint8), (4, 4)).shape == (4, 4)
print(cv2.__version__)
"""


def check() -> Finding:
    """Check that OpenCV can be imported and resizes an image."""
    version, failure = run_python(_TRY_OPENCV)
    if not failure:
        kind = "headless build" if installed_version("opencv-python-headless") else "full build"
        return Finding("OpenCV", "ok", f"{version}, {kind}")
    advice = "install it again: pip install --force-reinstall opencv-python"
    if _lacks_library(failure):
        advice = (
            "run `segcourse doctor --fix` to install the headless build of the same version, which needs no "
            "system library (or, as administrator, run `apt install libgl1`)"
        )
    return Finding("OpenCV", "problem", f"`import cv2` fails ({failure}); {advice}.")


def fix() -> list[str]:
    """Replace an OpenCV that can't be imported, and return one sentence per repair.

    Without the system library libGL, the package opencv-python can't be imported. Its headless build of the
    same version can. Both packages own the folder cv2/, so the first must be removed before the second is
    installed. `pip check` then reports that opencv-python is missing, which has no effect on the course. The
    wheel is downloaded before anything is removed, so a failed download changes nothing.

    Raises:
        SegcourseError: pip could not download or install the package; the message holds pip's last line.
    """
    _, failure = run_python(_TRY_OPENCV)
    version = installed_version("opencv-python") or installed_version("opencv-python-headless")
    if not _lacks_library(failure) or not version:
        return []
    wanted = f"opencv-python-headless=={version}"
    with tempfile.TemporaryDirectory() as wheels:
        _pip("download", "--no-deps", "--only-binary", ":all:", "--dest", wheels, wanted)
        _pip("uninstall", "--yes", "opencv-python", "opencv-python-headless")
        _pip("install", "--no-deps", "--no-index", "--find-links", wheels, wanted)
    return [f"`import cv2` failed ({failure}), so opencv-python was replaced by {wanted}."]


def _lacks_library(failure: str) -> bool:
    """Return True if an import failed because a system library is missing, such as libGL.so.1."""
    return failure.startswith("ImportError") and ".so" in failure


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["pip printed no reason"])[-1]
        raise SegcourseError(f"`pip {' '.join(arguments)}` failed: {last}")
