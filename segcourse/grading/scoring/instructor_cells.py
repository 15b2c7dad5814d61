"""Score the tests, answers and tasks that an instructor added to a lesson, as nbgrader scores them.

A test cell runs in the sandbox, in the student's own process. It is weaker evidence than the exercises'
checks, which no student's code can reach: a submission can be written to make such a test pass.
"""

import math
from typing import Any

from nbformat.v4 import new_code_cell, new_output

from segcourse.grading.notebooks import Lesson
from segcourse.grading.scoring.events import LOST, Events
from segcourse.grading.scoring.result import InstructorCell
from segcourse.grading.submissions.recognise import Submission


def ungraded(lesson: Lesson) -> tuple[InstructorCell, ...]:
    """Return the instructor's cells of a submission that could not be graded: all need a person."""
    return tuple(
        InstructorCell(name, None, points, "", _kind(lesson, name)) for name, points in lesson.own.items()
    )


def score(lesson: Lesson, submission: Submission, events: Events) -> tuple[InstructorCell, ...]:
    """Score the instructor's cells of one submission."""
    places = {cell.grade_id: place for place, cell in enumerate(submission.cells)}
    cells = []
    for name, most in lesson.own.items():
        kind, place = _kind(lesson, name), places[name]
        if kind == "test":
            points, says = _score_test(lesson, name, events, place)
        elif kind == "answer":
            points = _determine_grade(lesson, name, submission.cells[place].source)
            says = "no answer was written" if points == 0 else "to be graded by hand"
        else:
            points, says = None, "a task, to be graded by hand"
        cells.append(InstructorCell(name, points, most, says, kind))
    return tuple(cells)


def _kind(lesson: Lesson, name: str) -> str:
    return {"test": "test", "manual": "answer"}.get(lesson.cell(name).role, "task")


def _score_test(lesson: Lesson, name: str, events: Events, place: int) -> tuple[float | None, str]:
    status, most = events.status.get(place), lesson.own[name]
    hidden = "; part of this test is hidden" if name in lesson.released else ""
    outputs = []
    if status is None:
        return None, "the run ended before this test; to be graded by hand"
    if status in LOST:
        return 0.0, f"{LOST[status]}{hidden}"
    if status == "error":
        outputs = [new_output("error", ename="", evalue="", traceback=[])]
        says = f"failed with {events.error.get(place, 'an error')}{hidden}"
    elif status != "ran":
        return None, "its result is unknown; to be graded by hand"
    else:
        value, says = events.value.get(place), "passed"
        if problem := _invalid_credit(value, most):
            return None, f"{problem}; to be graded by hand"
        if type(value) in (int, float):
            shown = {"text/plain": str(float(value))}
            outputs = [new_output("execute_result", data=shown, execution_count=1)]
            says = "passed" if value == most else f"partial credit{hidden}"
    return _determine_grade(lesson, name, lesson.cell(name).source, outputs), says


def _invalid_credit(value: Any, most: float) -> str | None:
    """Return why the value of a test's last line cannot be its points.

    nbgrader would give full points for such a value, or stop.
    """
    if type(value) in (bool, str):
        return f"its last line is {value if type(value) is bool else 'text'}, not a number of points"
    if type(value) in (int, float) and not 0 <= value <= most:
        shown = "not a number" if math.isnan(value) else f"{value:g}"
        return f"its last line is {shown}, not between 0 and {most:g} points"
    return None


def _determine_grade(lesson: Lesson, name: str, source: str, outputs: list | None = None) -> float | None:
    """Return nbgrader's own score of a graded cell.

    An error gives 0 points, and a number gives that many. An unchanged answer gives 0; any other answer gives
    None.
    """
    from nbgrader.utils import compute_checksum, determine_grade  # workers of a cluster may lack nbgrader

    original = lesson.cell(name)
    cell = new_code_cell(original.source, metadata={"nbgrader": dict(lesson.metadata[name])})
    cell.cell_type = original.kind
    cell.metadata.nbgrader.checksum = compute_checksum(cell)
    cell.source, cell.outputs = source, outputs or []
    return determine_grade(cell)[0]
