"""An exercise as cells: the stub, and an answer that stands alone in a notebook."""

import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.nbgraderformat import MetadataValidator

from segcourse import exercises
from segcourse.course import lessons, solutions


def test_a_stub_keeps_signatures_and_docstrings_and_no_code():
    lines = solutions.stub(exercises.get("UNet")).splitlines()
    assert lines[0].startswith("class UNet(")
    assert lines.count('        raise NotImplementedError("Exercise 3.3")') == 2  # __init__ and forward
    assert "Conv2d" not in "\n".join(lines)


def test_an_answer_uses_those_above_it_and_imports_what_else_it_needs():
    alone, below = (solutions.source_of("UNet", defined) for defined in (set(), {"DoubleConv", "Up"}))
    assert "from segcourse.exercises.l03_unet.double_conv import DoubleConv" in alone
    assert "double_conv" not in below
    assert "from torch import nn" in below


@pytest.mark.parametrize("name", exercises.names())
def test_every_answer_of_the_course_stands_alone_and_passes(name):
    names = {"__name__": "__main__"}
    exec(compile(solutions.source_of(name), "a cell", "exec"), names)
    verdict = exercises.assess(name, names[name], seed=1)
    assert verdict.passed, verdict


def test_nbgrader_accepts_the_metadata():
    exercise = exercises.get("mean_iou")
    cells = [
        new_code_cell(solutions.check(exercise) if of_check else solutions.stub(exercise), metadata=about)
        for of_check in (False, True)
        for about in [{"nbgrader": solutions.metadata(exercise, of_check)}]
    ]
    for cell in cells:
        assert MetadataValidator().validate_nb(new_notebook(cells=[cell])) is None
    assert cells[1].metadata.nbgrader.points == exercise.points


def test_a_solved_answer_uses_what_the_notebook_assigns_above_it():
    """And not the stand-in of the course's own answer."""
    [cell] = [c for c in lessons.solve("06").cells if lessons.grade_id(c) == "predict_masks"]
    assert "network(" in cell.source
    assert "_stand_in" not in cell.source
    assert "_stand_in" in solutions.source_of("predict_masks")


def test_a_repair_starts_from_its_broken_code_under_the_answers_name_and_docstring():
    lines = solutions.stub(exercises.get("mask_to_save")).splitlines()
    assert lines[0] == "def mask_to_save(logits):"
    assert lines[1].startswith('    """Return masks')
    assert lines[2:] == ["    ids = logits.argmax(dim=1)", "    return ids.byte() * 255"]
