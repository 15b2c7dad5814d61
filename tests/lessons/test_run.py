"""Lessons run: solved ones from top to bottom with full marks, unsolved ones up to their stubs."""

import re
import shutil

import nbformat
import pytest
from nbclient import NotebookClient

from segcourse import exercises
from segcourse.course import lessons

NAMES = [folder.name for folder in lessons.folders()]
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("name", NAMES)]


def run(notebook, name, folder, **options):
    """Execute the notebook in a copy of its lesson's folder, so that the repository stays as it is."""
    shutil.copytree(lessons.find(name), folder / name)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder / name}}, **options)
    client.execute()
    return notebook


def errors(notebook):
    """(cell id, kind, message) of each error that a cell ended in."""
    return [
        (cell.id, output.ename, output.evalue)
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    ]


def test_the_solved_lesson_runs_and_earns_every_point(name, tmp_path):
    solved = run(lessons.solve(name), name, tmp_path)
    for exercise in exercises.names(name):
        [check] = [c for c in solved.cells if lessons.grade_id(c) == f"check_{exercise}"]
        points = exercises.get(exercise).points
        assert f"{points} of {points}" in shown(check), exercise
    undescribed = [
        cell.id
        for cell in solved.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {}) and not described(output.data)
    ]
    assert not undescribed, "pictures without alt text"


def test_the_unsolved_lesson_runs_up_to_its_stubs(name, tmp_path):
    unsolved = run(lessons.notebook(name), name, tmp_path, allow_errors=True)
    surprises = [error for error in errors(unsolved) if error[1] != "NotImplementedError"]
    assert not surprises
    for exercise in exercises.names(name):
        [check] = [c for c in unsolved.cells if lessons.grade_id(c) == f"check_{exercise}"]
        assert "not started" in shown(check), exercise


def test_no_exercise_needs_a_demonstration_that_grading_skips(name, tmp_path):
    if not exercises.names(name):
        pytest.skip("this lesson has no exercises")
    solved = lessons.solve(name)
    solved.cells = [cell for cell in solved.cells if "skip-grading" not in cell.metadata.get("tags", [])]
    run(solved, name, tmp_path, allow_errors=True)
    checks = [cell for cell in solved.cells if (lessons.grade_id(cell) or "").startswith("check_")]
    assert not errors(nbformat.v4.new_notebook(cells=checks))
    assert all(re.search(r"(\d+) of \1", shown(check)) for check in checks)


def shown(cell):
    """The plain text of all that a cell showed."""
    texts = []
    for output in cell.get("outputs", []):
        texts += [
            output.get("text", ""),
            output.get("data", {}).get("text/plain", ""),
            output.get("evalue", ""),
        ]
        texts.append(re.sub(r"<[^>]+>", "", output.get("data", {}).get("text/html", "")))
    return "\n".join(texts)


def described(data):
    return bool(re.search(r'\balt="[^"]+"', data.get("text/html", "")))
