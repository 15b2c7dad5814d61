"""nbgrader's own commands, run as an instructor runs them, with the course's configuration."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from grading_class import IOU_FOR_DICE, LESSON, POINTS, RIGHT, as_bytes, hand_in, notebook
from nbgrader import utils

CONFIGURED = Path(__file__).parents[2] / "grading"


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A repository with the tiny lesson, its text twin and the course folder as it stands."""
    root = tmp_path_factory.mktemp("repository")
    folder = root / "lessons" / LESSON
    folder.mkdir(parents=True)
    nbformat.write(notebook(), folder / f"{LESSON}.ipynb")
    (folder / f"{LESSON}.py").write_text("# the text twin\n")
    (folder / "picture.txt").write_text("a picture\n")
    (root / "grading").mkdir()
    for name in ("nbgrader_config.py", "course.toml"):
        shutil.copy(CONFIGURED / name, root / "grading")
    nbgrader(root, "generate_assignment", LESSON)
    return root


def nbgrader(root: Path, *arguments: str) -> str:
    binaries = str(Path(sys.executable).parent)
    environment = os.environ | {
        "JUPYTER_CONFIG_PATH": str(root / "grading"),
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "HOME": str(root),  # nbgrader's log and settings of whoever runs the tests stay out
    }
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_released_lesson_has_its_stubs_and_locked_checks(repository):
    release = repository / "grading" / "release" / LESSON
    assert sorted(path.name for path in release.iterdir()) == [
        f"{LESSON}.ipynb",
        "picture.txt",
    ]  # no text twin
    cells = nbformat.read(release / f"{LESSON}.ipynb", as_version=4).cells
    original = {cell.id: cell.source for cell in notebook().cells}
    assert {cell.id: cell.source for cell in cells} == original
    for cell in cells:
        if utils.is_grade(cell):
            assert (cell.metadata.editable, cell.metadata.deletable) == (False, False)
            assert (
                cell.metadata.nbgrader.points
                == POINTS[cell.metadata.nbgrader.grade_id.removeprefix("check_")]
            )
        if utils.is_solution(cell):
            assert cell.metadata.deletable is False
            assert "editable" not in cell.metadata
            assert "NotImplementedError" in cell.source


@pytest.mark.sandbox
@pytest.mark.slow
def test_autograde_grades_as_we_do(repository):
    released = repository / "grading" / "release" / LESSON / f"{LESSON}.ipynb"
    course = repository / "grading"
    answered = nbformat.read(released, as_version=4)
    for cell in answered.cells:
        if utils.is_solution(cell):
            answers = RIGHT | {"dice_score": IOU_FOR_DICE}
            cell.source = answers[cell.metadata.nbgrader.grade_id]
    hand_in(course, "ada", as_bytes(answered))
    hand_in(course, "bob", b"{ unfinished")
    nbgrader(repository, "autograde", LESSON)
    record = json.loads((course / "autograded" / "ada" / LESSON / "segcourse.json").read_text())
    assert (record["status"], record["score"]) == ("graded", 4)
    assert "intersection over union" in (course / "feedback" / "ada" / LESSON / f"{LESSON}.html").read_text()
    nbgrader(repository, "export")
    with open(repository / "grades.csv", newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert (rows["ada"]["score"], rows["ada"]["status"]) == ("4.0", "graded")
    assert rows["bob"]["score"] == ""
    assert rows["bob"]["status"].startswith("could not be graded: the file is damaged or unfinished")
    nbgrader(repository, "generate_feedback", LESSON, "--force")  # nbgrader's own pages, over ours
    page = (course / "feedback" / "bob" / LESSON / f"{LESSON}.html").read_text()
    assert "damaged or unfinished" in page
