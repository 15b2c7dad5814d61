"""What every lesson promises: checked objectives, exercises that can be graded, pictures with words."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from segcourse import exercises

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((REPOSITORY / "lessons").glob("*/*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cells(path):
    return nbformat.read(path, as_version=4).cells


def graded(cells, **wanted):
    """grade_id -> cell, for the cells whose nbgrader metadata has the `wanted` values."""
    about = {cell.metadata["nbgrader"]["grade_id"]: cell for cell in cells if "nbgrader" in cell.metadata}
    return {
        name: cell
        for name, cell in about.items()
        if wanted.items() <= dict(cell.metadata["nbgrader"]).items()
    }


def test_every_exercise_has_one_stub_then_its_check(path, cells):
    stubs, checks = graded(cells, solution=True), graded(cells, grade=True)
    labels = [cell.metadata["nbgrader"]["grade_id"] for cell in cells if "nbgrader" in cell.metadata]
    wanted = exercises.names(path.stem)
    assert list(stubs) == wanted
    assert labels == [label for name in wanted for label in (name, f"check_{name}")]
    for name in wanted:
        check = checks[f"check_{name}"]
        assert check.source == f'check("{name}", {name})'
        assert check.metadata["nbgrader"] == {
            "grade": True, "solution": False, "locked": True, "task": False, "schema_version": 3,
            "grade_id": f"check_{name}", "points": exercises.get(name).points,
        }  # fmt: skip
        assert stubs[name].metadata["nbgrader"] == {
            "grade": False, "solution": True, "locked": False, "task": False, "schema_version": 3,
            "grade_id": name,
        }  # fmt: skip


def test_a_stub_parses_defines_its_name_and_raises_only_when_called(path, cells):
    for name, cell in graded(cells, solution=True).items():
        [definition] = ast.parse(
            cell.source
        ).body  # solving replaces the cell, so that nothing else may stand there
        assert isinstance(definition, ast.FunctionDef | ast.ClassDef)
        assert definition.name == name
        assert ast.get_docstring(definition), f"{name} does not say what is wanted"
        assert "raise NotImplementedError(" in cell.source


def test_every_objective_names_the_exercise_that_shows_it(path, cells):
    wanted = exercises.names(path.stem)
    section = next(
        (c.source for c in cells if re.search(r"(?mi)^#+ .*(you will be able|objectives)", c.source)), ""
    )
    objectives = re.findall(r"(?m)^\s*(?:[-*]|\d+\.)\s+((?:.+\n?)(?:^ {2,}\S.*\n?)*)", section)
    named = [set(re.findall(r"`(\w+)", objective)) & set(wanted) for objective in objectives]
    if wanted:
        assert objectives, "no list under a heading that says what the reader will be able to do"
        assert all(named), [o for o, n in zip(objectives, named, strict=True) if not n]


def test_every_exercise_announces_difficulty_minutes_and_points(path, cells):
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for name in exercises.names(path.stem):
        heading = next(
            (line for line in text.splitlines() if line.startswith("#") and f"`{name}`" in line), ""
        )
        points = exercises.get(name).points
        pattern = rf"difficulty [123] of 3 · \d+ minutes · {points} points?"
        assert re.search(pattern, heading), f"{name}: {heading or 'no heading'}"


def test_pictures_are_there_and_are_described(path, cells):
    for cell in cells:
        if cell.cell_type != "markdown":
            continue
        for alt, target in re.findall(r"!\[(.*?)\]\((.*?)\)", cell.source, re.DOTALL):
            assert len(alt.split()) >= 3, f"{target} wants a description in words"
            assert "://" in target or (path.parent / target).is_file(), target
        for tag in re.findall(r"<img\b[^>]*>", cell.source):
            assert re.search(r'\balt="[^"]{10,}"', tag), tag


def test_hints_are_folded_and_closed(cells):
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert text.count("<details>") == text.count("</details>") == text.count("<summary>")
