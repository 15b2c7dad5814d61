"""Folders and files in submitted/ that lie in the wrong place or cannot be read: each is said, none stops."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from grading_class import LESSON, gradebook, hand_in, make_lessons

from segcourse.grading.course import Course
from segcourse.grading.notebooks import Refused
from segcourse.grading.scoring.result import Result
from segcourse.grading.session import Session
from segcourse.grading.submissions.find import find_notebook

NAME = f"{LESSON}.ipynb"


@pytest.fixture
def session() -> Iterator[Session]:
    """A session of a user who may not read everything; root may, so that root becomes another user here."""
    root = Path(tempfile.mkdtemp())
    course = root / "grading"
    course.mkdir()
    make_lessons(root)
    gradebook(course).close()
    for path in (root, *root.rglob("*")):
        path.chmod(0o777)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with Session(LESSON, course, lessons=root / "lessons", trust=True) as opened:
            yield opened
    finally:
        os.seteuid(user)
        shutil.rmtree(root)


def loose(course: Course, student: str, name: str, data: bytes = b"x") -> None:
    path = course.root / "submitted" / student / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def found(course: Course, student: str) -> tuple[bytes, list[str]]:
    return find_notebook(course.submitted(student, LESSON), LESSON, 50)


def test_a_notebook_beside_the_lessons_folder_is_graded(tmp_path):
    course = Course(tmp_path)
    loose(course, "ada", NAME, b"ada's")
    loose(course, "ben", f"Copy of {NAME}", b"ben's")
    loose(course, "cleo", NAME, b"an older one")
    hand_in(tmp_path, "cleo", b"cleo's")
    loose(course, "dan", f"{LESSON} (1).ipynb")
    loose(course, "dan", f"{LESSON} (2).ipynb")
    loose(course, "eve", "06_skin_lesion.ipynb")
    loose(course, "fay", "work.ipynb")
    loose(course, ".", f"{LESSON} (gil).ipynb")
    (tmp_path / "submitted" / "hal").mkdir()
    (tmp_path / "submitted" / "hal" / NAME).symlink_to(tmp_path / "submitted" / "ada" / NAME)
    assert list(course.students(LESSON)) == ["ada", "ben", "cleo", "dan", "hal"]
    assert found(course, "ada") == (b"ada's", [f"{NAME} was not in a folder called {LESSON}"])
    assert found(course, "ben")[0] == b"ben's"
    assert found(course, "cleo") == (b"cleo's", [])
    with pytest.raises(Refused, match="hand in one notebook called"):
        found(course, "dan")
    with pytest.raises(Refused, match="is not a folder"):
        found(course, "hal")
    misplaced = {
        str(path.relative_to(tmp_path / "submitted")) for path in course.misplaced([LESSON, "06_skin_lesion"])
    }
    assert misplaced == {f"{LESSON} (gil).ipynb", f"cleo/{NAME}", f"dan/{LESSON} (2).ipynb", "fay/work.ipynb"}


@pytest.mark.parametrize("closed", ["ada", f"ada/{LESSON}", f"ada/{LESSON}/deeper"])
def test_a_folder_that_cannot_be_read_is_named(session, closed):
    hand_in(session.course.root, "ada", b"a picture", "picture.png")
    folder = session.course.root / "submitted" / closed
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o300)
    assert list(session.course.students(LESSON)) == ["ada"]
    result = session.record(session.prepare("ada"))
    assert f"{closed.rpartition('/')[2]} cannot be read (Permission denied)" in result.refusal
    folder.chmod(0o700)


def test_a_file_that_cannot_be_read_is_named(session):
    hand_in(session.course.root, "ada", b"{}").chmod(0)
    result = session.record(session.prepare("ada"))
    assert f"{NAME} cannot be read (Permission denied)" in result.refusal


def test_a_time_that_cannot_be_read_is_said_and_stops_nothing(session):
    time = hand_in(session.course.root, "ada", b"{}").with_name("timestamp.txt")
    time.write_text("2026-01-01 00:00:00 UTC")
    time.chmod(0)
    result = session.record(Result("ada", LESSON, points={"mean_iou": 2.0}))
    assert result.repairs == (
        "timestamp.txt cannot be read (Permission denied); the time of submission is unknown",
    )
    assert session.gradebook.marks("ada").automatic == 2
