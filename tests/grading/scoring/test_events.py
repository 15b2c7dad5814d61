"""Cells that stopped: only what a student wrote or changed is held against the student."""

import json

import nbformat
import pytest
from grading_class import RIGHT, notebook
from nbformat.v4 import new_code_cell

from segcourse.grading.lesson import parse_lesson
from segcourse.grading.notebooks import Lesson
from segcourse.grading.sandbox.limits import Limits
from segcourse.grading.scoring.events import Events
from segcourse.grading.scoring.grade import NOTHING_TO_RUN
from segcourse.grading.submissions.recognise import recognise

QUESTION = 'with predict("Dice?", ["0.5", "1"]) as reveal:\n    reveal(dice)'
TRAINS = ("curves = train()", {"tags": ["skip-grading"]})
SHOWS = ("show_curves(curves)", {"tags": ["skip-grading"]})
NO_ANSWER = "DataError: call reveal(...) with the answer inside the block of predict(...). (line 1)"


def lesson_notebook(answers=None, changes=None, extra=None) -> nbformat.NotebookNode:
    """Return the tiny lesson with a question and two long demonstrations, as a student changed it."""
    made = notebook(answers, extra)
    added = [new_code_cell(QUESTION)] + [new_code_cell(s, metadata=about) for s, about in (TRAINS, SHOWS)]
    for number, cell in enumerate(added):
        cell.id = f"demo-{number}"
        cell.source = (changes or {}).get(cell.source, cell.source)
    made.cells[2:2] = added
    return made


@pytest.fixture
def the_lesson(tmp_path) -> Lesson:
    return parse_lesson(json.dumps(lesson_notebook()), tmp_path / "05_losses_metrics.ipynb", {})


def ended(lesson: Lesson, made: nbformat.NotebookNode, how: dict[str, dict]) -> tuple[list[str], list[str]]:
    """Return the stopped cells and the repairs of a run in which the cell of each source ended like this."""
    submission = recognise(json.dumps(made).encode(), lesson)
    places = [i for i, cell in enumerate(submission.cells) if cell.source in how]
    assert len(places) == len(how)
    told = [{"step": i, **how[submission.cells[place].source]} for i, place in enumerate(places)]
    events = Events([*told, {"finished": True}], places)
    repairs = events.repairs(submission, lesson, NOTHING_TO_RUN, Limits())
    return events.stopped_cells(submission, lesson), repairs


def test_a_cell_of_the_lesson_is_never_held_against_a_student(the_lesson):
    how = {QUESTION: {"status": "error", "error": NO_ANSWER}}
    assert ended(the_lesson, lesson_notebook(RIGHT), how) == ([], [])
    how = {QUESTION: {"status": "too slow"}}
    assert ended(the_lesson, lesson_notebook(RIGHT), how) == ([], [])


def test_a_comment_leaves_a_cell_the_lessons_own(the_lesson):
    noted = {QUESTION: f"# I guess 0.5\n\n{QUESTION}\n", SHOWS[0]: f"# later\n{SHOWS[0]}"}
    made = lesson_notebook(RIGHT, noted)
    how = {noted[QUESTION]: {"status": "error", "error": NO_ANSWER}}
    assert ended(the_lesson, made, how) == ([], [])
    cells = recognise(json.dumps(made).encode(), the_lesson).cells
    assert next(cell.role for cell in cells if cell.source == noted[SHOWS[0]]) == "skip"


def test_what_a_student_wrote_or_changed_is_listed(the_lesson):
    changed = {QUESTION: QUESTION.replace("dice", "dice / 0")}
    made = lesson_notebook(RIGHT, changed, {"end": ["1 / 0", "while True: pass"]})
    division = {"status": "error", "error": "ZeroDivisionError: division by zero (line 1)"}
    how = {changed[QUESTION]: division, "1 / 0": division, "while True: pass": {"status": "too slow"}}
    stopped, repairs = ended(the_lesson, made, how)
    assert [line.partition("”")[0] for line in stopped] == [
        'the cell that begins “with predict("Dice?", ["0.5", "1"]) as reveal:',
        "the cell that begins “1 / 0",
    ]
    assert repairs == ["the cell that begins “while True: pass” took more than 60 s and was skipped"]


def test_a_name_that_only_a_long_demonstration_defines_is_no_mistake(the_lesson):
    """The grader does not train; a student who changes the chart below has done nothing wrong."""
    made = lesson_notebook(RIGHT, {SHOWS[0]: "show_curves(curves, ylabel='Dice')"}, {"end": ["print(curve)"]})
    how = {
        "show_curves(curves, ylabel='Dice')": "NameError: name 'curves' is not defined (line 1)",
        "print(curve)": "NameError: name 'curve' is not defined (line 1)",
    }
    stopped, _ = ended(the_lesson, made, {s: {"status": "error", "error": e} for s, e in how.items()})
    assert stopped == [f"the cell that begins “print(curve)”: {how['print(curve)']}"]
