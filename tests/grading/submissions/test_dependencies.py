"""Which cells of a lesson run for a submission; skipping the others changes no mark."""

import json

import nbformat
import pytest
from grading_class import LESSON, RIGHT, hand_in, notebook
from nbformat.v4 import new_code_cell

from segcourse.grading import grade_lesson
from segcourse.grading.lesson import read_lesson
from segcourse.grading.submissions.dependencies import unneeded_cells
from segcourse.grading.submissions.recognise import recognise

DEMONSTRATIONS = [
    "masks = [torch.zeros(2, 2) for number in range(3)]",
    "masks.append(torch.ones(2, 2))",
    "def share(mask):\n    return mask.mean()",
    "shares = [share(mask) for mask in masks]\nprint(shares)",
    "import time\ntime.sleep(0)",
    "settings = {}",
    "settings['scale'] = 2",
]


def with_demonstrations(answers=None, extra=None) -> nbformat.NotebookNode:
    made = notebook(answers, extra)
    made.cells[2:2] = [new_code_cell(source, id=f"demo-{i}") for i, source in enumerate(DEMONSTRATIONS)]
    return made


@pytest.fixture
def folder(tmp_path):
    (tmp_path / LESSON).mkdir()
    nbformat.write(with_demonstrations(), tmp_path / LESSON / f"{LESSON}.ipynb")
    return tmp_path


@pytest.mark.parametrize(
    ("answer", "run"),
    [
        ("def mean_iou(matrix):\n    return iou_per_class(matrix).nanmean()", set()),
        ("def mean_iou(matrix):\n    return share(iou_per_class(matrix))", {2}),
        ("def mean_iou(masks):\n    return iou_per_class(masks).nanmean()", set()),  # its own masks
        ("def mean_iou(matrix):\n    return matrix.shares / settings['scale']", {5, 6}),
        ("def mean_iou(matrix, all=shares):\n    return 0", {0, 1, 2, 3}),
        ("def mean_iou(matrix)\n    return settings", {5, 6}),  # a syntax error: its words are still read
        ("def mean_iou(matrix):\n    masks, (shares, *_) = matrix, matrix\n    return shares", set()),
        ("def mean_iou(matrix):\n    with a as shares: masks: int = 1\n    return shares, masks", set()),
        ("mean_iou = lambda masks, shares=None: sum(x for x in masks)", set()),
    ],
)
def test_a_cell_runs_if_something_that_counts_uses_it(folder, answer, run):
    lesson = read_lesson(folder / LESSON / f"{LESSON}.ipynb")
    data = json.dumps(with_demonstrations(RIGHT | {"mean_iou": answer})).encode()
    cells = recognise(data, lesson).cells
    idle = {cells[place].source for place in unneeded_cells(cells, lesson)}
    assert {i for i, source in enumerate(DEMONSTRATIONS) if source not in idle} == run


def test_what_a_student_changed_or_added_runs(folder):
    lesson = read_lesson(folder / LESSON / f"{LESSON}.ipynb")
    made = with_demonstrations(RIGHT, {"end": ["print(masks)"]})
    made.cells[6].source = "import time\ntime.sleep(0.1)"
    cells = recognise(json.dumps(made).encode(), lesson).cells
    idle = {cells[place].source for place in unneeded_cells(cells, lesson)}
    assert idle == {DEMONSTRATIONS[i] for i in (2, 3, 5, 6)}


@pytest.mark.sandbox
def test_a_guess_that_was_wrong_costs_a_second_run_and_no_points(folder, tmp_path):
    """`eval` hides the name in a string, but the error shows it."""
    hidden = (
        "def mean_iou(matrix):\n    return eval('settings')['scale'] / 2 * iou_per_class(matrix).nanmean()"
    )
    course = tmp_path / "course"
    hand_in(course, "ada", json.dumps(with_demonstrations(RIGHT | {"mean_iou": hidden})).encode())
    assert grade_lesson(LESSON, course, lessons=folder).results[0].score == 7
