"""What every lesson promises: checked objectives, exercises that can be graded, pictures with words."""

import itertools
import re
from pathlib import Path

import nbformat
import pytest

from segcourse import exercises
from segcourse.course import solutions

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((REPOSITORY / "lessons").glob("*/*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cells(path):
    return nbformat.read(path, as_version=4).cells


def test_every_exercise_has_one_stub_then_its_check(path, cells):
    """As its declaration makes them: solving and scaffolding know no other form."""
    wanted = exercises.names(path.stem)
    found = [cell for cell in cells if "nbgrader" in cell.metadata]
    assert [cell.metadata["nbgrader"]["grade_id"] for cell in found] == [
        label for name in wanted for label in (name, f"check_{name}")
    ]
    for name, stub, check in zip(wanted, found[::2], found[1::2], strict=True):
        exercise = exercises.get(name)
        assert (stub.source, check.source) == (solutions.stub(exercise), solutions.check(exercise))
        assert stub.metadata["nbgrader"] == solutions.metadata(exercise)
        assert check.metadata["nbgrader"] == solutions.metadata(exercise, of_check=True)


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
        assert re.search(rf"(?m)^#+ {re.escape(solutions.heading(exercises.get(name)))}$", text), name


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


def test_a_cell_tries_each_exercise_before_its_check(path, cells):
    """It may stop at the stub, so that "Run All" goes on."""
    for before, cell in itertools.pairwise(cells):
        if cell.metadata.get("nbgrader", {}).get("grade"):
            assert "raises-exception" in before.metadata.get("tags", []), cell.id


def test_cells_in_view_have_at_most_fifteen_lines(cells):
    for cell in cells:
        lines = [one for one in cell.source.splitlines() if one.strip() and not one.strip().startswith("#")]
        assert cell.cell_type == "markdown" or "nbgrader" in cell.metadata or len(lines) <= 15, cell.id
