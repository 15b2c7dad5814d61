"""A scaffolded lesson: the form of every lesson, both files equal, and nothing overwritten."""

import inspect
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from segcourse import exercises
from segcourse.course import frame, lessons
from segcourse.course.scaffold import scaffold
from segcourse.errors import LessonError

TESTS = Path(__file__).resolve().parents[1]
NAME = "06_skin_lesion"


def twice(x):
    """Return 2 x."""
    return 2 * x


def half(x):
    """Return x / 2."""
    return x / 2


def thrice(x):
    """Return 3 x."""
    return 3 * x


@pytest.fixture
def declare(tmp_path, monkeypatch):
    """Declare functions as the exercises of a new lesson, and keep its files in a temporary folder."""

    example = exercises.get("mean_iou")

    def declared(*answers):
        known = {}
        for answer in answers:
            monkeypatch.setattr(answer, "__module__", f"segcourse.exercises.l{NAME}.{answer.__name__}")
            number = f"6.{1 + [twice, half, thrice].index(answer)}"
            known[answer.__name__] = replace(example, answer=answer, number=number)
        monkeypatch.setattr(exercises, "_registry", lambda: known)
        return tmp_path / NAME / f"{NAME}.ipynb"

    monkeypatch.setattr(lessons, "root", lambda: tmp_path)
    return declared


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_promises_are_kept(path):
    """Run the tests of lessons on one notebook, and ruff on its text."""
    for arguments in (["format", "--check", "--line-length=110"], ["check", "--select=F,I"]):
        subprocess.run([sys.executable, "-m", "ruff", *arguments, path.with_suffix(".py")], check=True)
    given = {"path": path, "cells": nbformat.read(path, as_version=4).cells}
    for file in ("test_shape.py", "test_sync.py"):
        tests = runpy.run_path(str(TESTS / "lessons" / file))
        for name, test in tests.items():
            if name.startswith("test_"):
                test(**{argument: given[argument] for argument in inspect.signature(test).parameters})


def test_a_new_lesson_keeps_the_promises_of_every_lesson(declare):
    path = declare(twice, half)
    assert scaffold(NAME) == ["twice", "half"]
    assert_promises_are_kept(path)
    cells = nbformat.read(path, as_version=4).cells
    assert cells[0].source.startswith("# Lesson 6 · Skin lesion\n")
    ids = ["question-twice", "exercise-twice", "answer-twice", "try-twice", "check-twice", "question-half"]
    assert [cell.id for cell in cells][6:12] == ids
    assert cells[9].metadata.tags == ["raises-exception"]
    assert cells[7].source.count("<details>") == 2
    for cell in cells:
        if cell.cell_type == "code" and cell.id not in frame.IDS:
            compile(cell.source, cell.id, "exec")


def test_a_second_run_changes_nothing(declare):
    path = declare(twice)
    scaffold(NAME)
    before = contents(path.parent)
    assert scaffold(NAME) == []
    assert contents(path.parent) == before


def test_new_exercises_join_what_the_author_has_written(declare):
    path = declare(half)
    scaffold(NAME)
    for file in (path, path.with_suffix(".py")):
        file.write_text(file.read_text().replace("Lesson 6 · Skin lesion", "My title"))
    declare(twice, half, thrice)
    assert scaffold(NAME) == ["twice", "thrice"]
    assert_promises_are_kept(path)
    assert "My title" in path.read_text()
    found = [lessons.grade_id(cell) for cell in nbformat.read(path, as_version=4).cells]
    assert list(filter(None, found))[::2] == ["twice", "half", "thrice"]


def test_unsynced_edits_are_not_lost(declare):
    path = declare(half).with_suffix(".py")
    scaffold(NAME)
    path.write_text(path.read_text() + "\n# %%\nmy_work = 1\n")
    declare(half, twice)
    with pytest.raises(LessonError, match="make lessons"):
        scaffold(NAME)
    assert "my_work" in path.read_text()


@pytest.mark.parametrize("name", ["", "skin_lesion", "6_skin", "06_Skin", "../06_skin"])
def test_a_name_of_another_form_is_explained(declare, name):
    declare()
    with pytest.raises(LessonError, match="06_skin_lesion"):
        scaffold(name)
