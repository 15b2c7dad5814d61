"""Find, copy and solve lessons, on a small course of two lessons."""

import os
import shutil
import sysconfig
from pathlib import Path

import nbformat
import pytest
import torch

from segcourse.course import lessons, working_copy
from segcourse.errors import LessonError

STUB = 'def dice_score(prediction, target):\n    raise NotImplementedError("Exercise 5.4")'


def nbgrader(grade_id, **more):
    return {"nbgrader": {"grade_id": grade_id, "schema_version": 3, "locked": False, "task": False, **more}}


def write(folder, *cells):
    folder.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), folder / f"{folder.name}.ipynb")


@pytest.fixture
def course(tmp_path, monkeypatch):
    root = tmp_path / "lessons"
    write(root / "00_start_here", nbformat.v4.new_markdown_cell("# Hello", id="title"))
    write(
        root / "05_losses_metrics",
        nbformat.v4.new_code_cell("from segcourse import check", id="imports"),
        nbformat.v4.new_code_cell(
            STUB, id="dice", metadata=nbgrader("dice_score", grade=False, solution=True)
        ),
        nbformat.v4.new_code_cell(
            'check("dice_score", dice_score)',
            id="check-dice",
            metadata=nbgrader("check_dice_score", grade=True, solution=False, points=3),
        ),
    )
    (root / "05_losses_metrics" / "05_losses_metrics.py").write_text("# %%\n")
    (root / "05_losses_metrics" / "toy.png").write_bytes(b"picture")
    (root / "05_losses_metrics" / ".ipynb_checkpoints").mkdir()
    (root / "05_losses_metrics" / ".ipynb_checkpoints" / "old.ipynb").write_text("{}")
    (root / "notes").mkdir()
    monkeypatch.setattr(lessons, "root", lambda: root)
    return root


@pytest.mark.parametrize(
    "name", ["05", "5", "05_losses_metrics", "losses_metrics", "05_losses_metrics.ipynb"]
)
def test_a_lesson_has_several_names(course, name):
    assert lessons.find(name) == course / "05_losses_metrics"


def test_lesson_zero_is_found_and_an_empty_name_is_not(course):
    assert lessons.find("0").name == "00_start_here"
    with pytest.raises(LessonError):
        lessons.find("")


def test_a_misspelt_lesson_suggests_similar_names(course):
    with pytest.raises(LessonError, match=r"'05_loses_metrics'; did you mean 05_losses_metrics"):
        lessons.find("05_loses_metrics")
    with pytest.raises(LessonError, match="there are 00_start_here, 05_losses_metrics"):
        lessons.find("zzz")


def test_solve_fills_the_exercise_and_leaves_every_other_cell(course):
    solved, original = lessons.solve("05"), lessons.notebook("05")
    assert "def dice_score(" in solved.cells[1].source
    assert "NotImplementedError" not in solved.cells[1].source
    assert [solved.cells[0], solved.cells[2]] == [original.cells[0], original.cells[2]]
    names = {}
    exec(solved.cells[1].source, names)
    assert names["dice_score"](torch.tensor([[1, 1]]), torch.tensor([[1, 0]])) == pytest.approx(2 / 3)


def test_a_solved_notebook_replaces_a_file_only_with_force(course, tmp_path):
    out = tmp_path / "solved.ipynb"
    assert lessons.write_solved("05", out) == out
    out.write_text("mine")
    with pytest.raises(LessonError, match="--force"):
        lessons.write_solved("05", out)
    assert out.read_text() == "mine"
    lessons.write_solved("05", out, force=True)
    nbformat.validate(nbformat.read(out, as_version=4))


def test_jupyterlab_opens_the_folder_without_log_messages(tmp_path):
    command = lessons.lab_command(tmp_path, browser=False)
    assert f"--ServerApp.root_dir={tmp_path.resolve()}" in command
    assert "--no-browser" in command
    assert "--no-browser" not in lessons.lab_command(tmp_path)


def test_jupyterlab_opens_lesson_0_if_it_is_there(course, tmp_path):
    url = "--LabApp.default_url=/lab/tree/00_start_here/00_start_here.ipynb"
    assert url not in lessons.lab_command(tmp_path / "work")
    working_copy.start(tmp_path / "work")
    assert url in lessons.lab_command(tmp_path / "work")


def test_terminals_of_jupyterlab_find_the_commands_of_this_environment(tmp_path, monkeypatch):
    other = tmp_path / "segcourse"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin")
    path = lessons.lab_environment()["PATH"]
    assert path.endswith(os.environ["PATH"])
    assert Path(shutil.which("segcourse", path=path)).parent == Path(sysconfig.get_path("scripts"))
