"""Gradescope's autograder, tried in a clean folder that is laid out as Gradescope's documentation says.

`setup.sh` needs the network and is not run here: this Python stands in for the environment that it makes.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import psutil
import pytest
from grading_class import IOU_FOR_DICE, LESSON, POINTS, RIGHT, as_bytes, make_lessons, notebook

from segcourse import cli
from segcourse.exercises.engine.verdicts import GroupResult, Verdict
from segcourse.grading.course import Course
from segcourse.grading.gradescope import autograder, package
from segcourse.grading.scoring.result import InstructorCell, Result

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Gradescope runs Linux")
KEYS = {"name", "number", "score", "max_score", "output"}  # of a test, in the documentation


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """The zip file that an instructor uploads."""
    root = tmp_path_factory.mktemp("instructor")
    make_lessons(root)
    (root / "grading").mkdir()
    (root / "grading" / "gradebook.db").write_bytes(b"private")
    with pytest.raises(SystemExit) as stop:
        cli.main(["gradescope", "05", "--course", str(root / "grading"), "--visibility", "after_due_date"])
    assert not stop.value.code
    return root / "grading" / "exports" / f"{LESSON}-gradescope.zip"


@pytest.fixture
def place(archive):
    """Stands for /autograder, after setup.sh; another user must be able to enter it."""
    if os.geteuid() == 0:
        try:
            subprocess.run([sys.executable, "-c", ""], user=61234, extra_groups=(), cwd="/", check=True)
        except PermissionError:
            pytest.skip("other users may not run this Python, as they may the one that setup.sh installs")
    place = Path(tempfile.mkdtemp(prefix="autograder-", dir="/tmp"))
    place.chmod(0o755)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(place / "source")
        mode = packed.getinfo("run_autograder").external_attr >> 16
    shutil.copy(place / "source" / "run_autograder", place)
    (place / "run_autograder").chmod(mode)
    python = place / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (place / "submission").mkdir()
    (place / "results").mkdir()
    yield place
    shutil.rmtree(place)


def run(place: Path, data: bytes, name: str = f"{LESSON}.ipynb") -> dict:
    (place / "submission" / name).write_bytes(data)
    environment = {"PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"]}
    done = subprocess.run(["./run_autograder"], cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((place / "results" / "results.json").read_text())


def test_the_zip_has_its_scripts_at_the_root_and_no_one_elses_work(archive):
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
        for script in ("setup.sh", "run_autograder"):
            assert packed.getinfo(script).external_attr >> 16 & 0o111
            assert packed.read(script).startswith(b"#!/usr/bin/env bash\n")
            subprocess.run(["bash", "-n"], input=packed.read(script), check=True)
        wanted = packed.read("requirements.txt").decode().split()
    assert {"course/course.secret", f"lessons/{LESSON}/{LESSON}.ipynb", "package/segcourse/cli.py"} < set(
        names
    )
    assert "package/datasets/catalogue.toml" in names
    assert not [name for name in names if "gradebook" in name and name.endswith(".db")]
    assert [line.partition("==")[0] for line in wanted if line.startswith("opencv")] == [
        "opencv-python-headless"
    ]
    assert not [line for line in wanted if "+" in line]  # a local build such as 2.6.0+cpu is in no registry
    assert archive.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_a_submission_gets_points_per_exercise_in_gradescopes_format(place):
    made = run(place, as_bytes(notebook(RIGHT | {"dice_score": IOU_FOR_DICE})), "my work.ipynb")
    assert (made["visibility"], made["stdout_visibility"]) == ("after_due_date", "hidden")
    assert "my work.ipynb" in made["output"]  # what was repaired is said
    assert [set(test) for test in made["tests"]] == [KEYS] * len(POINTS)
    assert {test["name"]: (test["score"], test["max_score"]) for test in made["tests"]} == {
        "dice_score": (0, 3),
        "iou_per_class": (2, 2),
        "mean_iou": (2, 2),
    }
    dice = made["tests"][0]
    assert dice["number"] == "5.4"
    assert "intersection over union" in dice["output"]
    assert "score" not in made  # Gradescope adds up the tests


@pytest.mark.slow
def test_a_file_that_cannot_be_graded_says_so_beside_its_0(place):
    made = run(place, b"{ unfinished")
    assert made["score"] == 0
    assert made["output"].startswith("Could not be graded: the file is damaged or incomplete")


THIEF = """import os, subprocess, sys
place = {place!r}
found = []
for name in ("source/course/course.secret", "source/lessons", "results/results.json", "submission"):
    for mode in (os.R_OK, os.W_OK):
        found.append(os.access(os.path.join(place, name), mode))
subprocess.Popen([sys.executable, "-c", "import time\\nwhile True: time.sleep(1)"], start_new_session=True)
def dice_score(prediction, target):
    raise ValueError(f"user {{os.getuid()}} reached {{sum(found)}} of {{len(found)}}")"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="Gradescope runs as root")
def test_students_code_is_another_user_who_reaches_nothing_and_leaves_nothing(place):
    made = run(place, as_bytes(notebook(RIGHT | {"dice_score": THIEF.format(place=str(place))})))
    assert f"user {autograder.STUDENT} reached 0 of 8" in made["tests"][0]["output"]
    assert [test["score"] for test in made["tests"]] == [0, 2, 2]
    deadline = time.monotonic() + 10
    while left := [p for p in psutil.process_iter(["uids"]) if p.info["uids"].real == autograder.STUDENT]:
        assert time.monotonic() < deadline, left


def test_an_instructors_cells_are_tests_or_left_to_a_person():
    verdict = Verdict("dice_score", (GroupResult("empty masks", True, 1),))
    cells = (
        InstructorCell("plain", 1.5, 2, "AssertionError"),
        InstructorCell("essay", None, 5, "", "answer"),
    )
    given = Result("ada", LESSON, (verdict,), {"dice_score": 1.0}, {"dice_score": 1.0}, cells)
    made = autograder.results(given, "visible")
    assert [(test["name"], test["score"]) for test in made["tests"]] == [("dice_score", 1), ("plain", 1.5)]
    assert "essay: 5 points, given by a person" in made["output"]


def test_a_new_course_gets_its_secret(tmp_path):
    make_lessons(tmp_path)
    (tmp_path / "grading").mkdir()
    package.write(tmp_path / "out.zip", Course.open(tmp_path / "grading"), "05")
    with zipfile.ZipFile(tmp_path / "out.zip") as packed:
        assert packed.read("course/course.secret") == (tmp_path / "grading" / "course.secret").read_bytes()
