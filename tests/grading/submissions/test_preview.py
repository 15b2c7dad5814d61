"""`segcourse doctor NOTEBOOK`: it reports what the grader will find, without running anything."""

import nbformat
import pytest

from segcourse import exercises
from segcourse.course import lessons
from segcourse.grading.submissions import preview

LESSON = "05_losses_metrics"
STUB = '{signature}\n    """What is wanted."""\n    raise NotImplementedError("Exercise 5.{number}")'
SIGNATURES = {"dice_score": "def dice_score(prediction, target):", "mean_iou": "def mean_iou(matrix):"}


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A lesson of two exercises, and the path of a student's notebook of it."""
    cells = [nbformat.v4.new_code_cell("from segcourse import check", id="imports")]
    for number, (name, signature) in enumerate(SIGNATURES.items(), 1):
        about = {"grade_id": name, "grade": False, "solution": True, "locked": False, "schema_version": 3}
        test = about | {"grade_id": f"check_{name}", "grade": True, "solution": False, "locked": True}
        test["points"] = exercises.get(name).points
        stub = STUB.format(signature=signature, number=number)
        cells += [
            nbformat.v4.new_code_cell(stub, id=name, metadata={"nbgrader": about}),
            nbformat.v4.new_code_cell(
                f'check("{name}", {name})', id=f"c-{name}", metadata={"nbgrader": test}
            ),
        ]
    folder = tmp_path / "lessons" / LESSON
    folder.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{LESSON}.ipynb")
    monkeypatch.setattr(lessons, "root", lambda: folder.parent)
    return folder / f"{LESSON}.ipynb"


@pytest.fixture
def student(course, tmp_path):
    """Write a notebook in which `change` has edited the lesson's cells, and return its path."""

    def write(change, name=f"{LESSON}.ipynb"):
        notebook = nbformat.read(course, as_version=4)
        change(notebook.cells)
        nbformat.write(notebook, tmp_path / name)
        return tmp_path / name

    return write


def states(findings):
    return {finding.what: finding.state for finding in findings}


def says(findings, what):
    return next(finding.says for finding in findings if finding.what == what)


def test_an_untouched_lesson_is_a_note(student):
    findings = preview.findings(student(lambda cells: None))
    assert states(findings) == {"Notebook": "ok", "dice_score": "note", "mean_iou": "note"}
    assert says(findings, "dice_score") == f"not started, {exercises.get('dice_score').points} points."


def test_written_answers_are_ready(student):
    def answer(cells):
        cells[1].source = "def dice_score(prediction, target):\n    return 1.0"
        cells[3].source = "%time 1\nmean_iou = lambda matrix: 1.0"

    findings = preview.findings(student(answer))
    assert states(findings) == {"Notebook": "ok", "dice_score": "ok", "mean_iou": "ok"}


def test_a_syntax_error_is_a_problem_with_its_line(student):
    def answer(cells):
        cells[1].source = "def dice_score(prediction, target):\n    return (1.0"
        cells[0].source += "\nhelper = = 2"

    findings = preview.findings(student(answer))
    assert states(findings)["dice_score"] == "problem"
    assert says(findings, "dice_score").startswith("line 2: '(' was never closed")
    assert "line 2" in says(findings, "Cell")
    assert "from segcourse import check" in says(findings, "Cell")


def test_an_answer_that_still_raises_is_noted(student):
    def answer(cells):
        cells[1].source = "def dice_score(prediction, target):\n    x = 1\n    raise NotImplementedError"

    assert states(preview.findings(student(answer)))["dice_score"] == "note"


def test_a_stubs_line_above_the_answer_is_named(student):
    def forget(cells):
        cells[1].source = "def dice_score(prediction, target):\n    raise NotImplementedError\n    return 1.0"

    sentence = says(preview.findings(student(forget)), "dice_score")
    assert "(line 2) is still there above your code" in sentence


def test_another_name_is_a_problem_with_both_names(student):
    def rename(cells):
        cells[1].source = "def dice_coefficient(prediction, target):\n    return 1.0"

    findings = preview.findings(student(rename))
    assert states(findings)["dice_score"] == "problem"
    assert "you defined dice_coefficient; the exercise is called dice_score" in says(findings, "dice_score")


def test_a_deleted_exercise_is_a_problem(student):
    findings = preview.findings(student(lambda cells: cells.pop(3)))
    assert states(findings)["mean_iou"] == "problem"


def test_an_edited_check_is_reported(student):
    def cheat(cells):
        cells[2].source = "print('all right')"

    findings = preview.findings(student(cheat))
    assert "the check of dice_score had been changed" in says(findings, "Repair")


def test_labels_that_an_editor_dropped_are_found_again(student):
    def strip(cells):
        for number, cell in enumerate(cells):
            cell.metadata.clear()
            cell.id = f"new-{number}"
        cells[1].source = "def dice_score(prediction, target):\n    return 1.0"

    findings = preview.findings(student(strip, "Untitled7.ipynb"))
    assert states(findings)["dice_score"] == "ok"


def test_a_notebook_under_another_name_is_recognised(student):
    assert says(preview.findings(student(lambda cells: None, "final_v2.ipynb")), "Notebook").startswith(
        LESSON
    )


@pytest.mark.parametrize(
    ("data", "sentence"),
    [(b"", "empty"), (b"%PDF-1.7", "PDF"), (b'{"cells": [', "damaged"), (b'{"cells": []}', "exercise")],
)
def test_a_file_that_is_not_a_notebook_of_the_course_is_one_problem(course, tmp_path, data, sentence):
    path = tmp_path / "x.ipynb"
    path.write_bytes(data)
    [finding] = preview.findings(path)
    assert finding.state == "problem"
    assert sentence in finding.says


def test_nothing_is_executed(student, tmp_path):
    trace = tmp_path / "trace"
    preview.findings(student(lambda cells: cells[0].update(source=f"open({str(trace)!r}, 'w')")))
    assert not trace.exists()
