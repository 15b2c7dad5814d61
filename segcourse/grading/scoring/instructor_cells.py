"""An instructor's own nbgrader cells in a lesson: tests, answers and tasks, scored as nbgrader scores them.

A test cell runs in the sandbox at its place in the student's process. That makes it weaker evidence than our
checks, which no student's code can reach: a submission that sets out to can make such a test pass.
"""

import math
from typing import TYPE_CHECKING, Any

from nbformat.v4 import new_code_cell, new_output

from segcourse.grading.scoring.result import OwnTest

if TYPE_CHECKING:
    from segcourse.grading.notebooks import Lesson
    from segcourse.grading.scoring.events import Events
    from segcourse.grading.submissions.recognise import Admitted

FAILED = {
    "too slow": "took longer than a cell may",
    "hung": "could not be stopped",
    "died": "ended the whole program",
}


def unseen(lesson: "Lesson") -> tuple[OwnTest, ...]:
    """The instructor's cells where nothing could be graded: every one asks for a person."""
    return tuple(OwnTest(name, None, points, "", _kind(lesson, name)) for name, points in lesson.own.items())


def score(lesson: "Lesson", admitted: "Admitted", events: "Events") -> tuple[OwnTest, ...]:
    """What the instructor's cells of one submission came to."""
    places = {cell.grade_id: place for place, cell in enumerate(admitted.cells)}
    tests = []
    for name, most in lesson.own.items():
        kind, place = _kind(lesson, name), places[name]
        if kind == "test":
            points, says = _run(lesson, name, events, place)
        elif kind == "answer":
            points, says = _written(lesson, name, admitted.cells[place].source)
        else:
            points, says = None, "a task: a person gives the points"
        tests.append(OwnTest(name, points, most, says, kind))
    return tuple(tests)


def _kind(lesson: "Lesson", name: str) -> str:
    return {"test": "test", "manual": "answer"}.get(lesson.cell(name).role, "task")


def _run(lesson: "Lesson", name: str, events: "Events", place: int) -> tuple[float | None, str]:
    status, most = events.status.get(place), lesson.own[name]
    hidden = "; part of this test is hidden" if name in lesson.released else ""
    if status is None:
        return None, "the run ended before this test came; a person decides"
    if status in FAILED:
        return 0.0, f"{FAILED[status]}{hidden}"
    if status == "error":
        error = events.error.get(place, "an error")
        outputs, says = (
            [new_output("error", ename="", evalue="", traceback=[])],
            f"failed with {error}{hidden}",
        )
    elif status != "ran":
        return None, "its outcome is not known; a person decides"
    else:
        value = events.value.get(place)
        if problem := _no_credit(value, most):
            return None, f"{problem}; a person decides"
        outputs, says = [], "passed"
        if type(value) in (int, float):
            shown = {"text/plain": str(float(value))}
            outputs = [new_output("execute_result", data=shown, execution_count=1)]
            says = "passed" if value == most else f"partial credit{hidden}"
    return _determine(lesson, name, lesson.cell(name).source, outputs), says


def _no_credit(value: Any, most: float) -> str | None:
    """Why what a test's last line showed cannot be its points, where nbgrader gives them all, or stops."""
    if type(value) in (bool, str):
        told = str(value) if type(value) is bool else "text"
        return f"its last line is {told} instead of a number of points"
    if type(value) in (int, float) and not 0 <= value <= most:
        told = "not a number" if math.isnan(value) else f"{value:g}"
        return f"its last line is {told}, and from 0 to {most:g} points can be had"
    return None


def _written(lesson: "Lesson", name: str, source: str) -> tuple[float | None, str]:
    points = _determine(lesson, name, source)
    return points, "no answer was written" if points == 0 else "a person gives the points"


def _determine(lesson: "Lesson", name: str, source: str, outputs: list | None = None) -> float | None:
    """nbgrader's own verdict on a graded cell: an error is 0, a number is so many points, an answer left as
    it was is 0 and any other answer None.
    """
    from nbgrader.utils import compute_checksum, determine_grade

    original = lesson.cell(name)
    cell = new_code_cell(original.source, metadata={"nbgrader": dict(lesson.metadata[name])})
    cell.cell_type = original.kind
    cell.metadata.nbgrader.checksum = compute_checksum(cell)
    cell.source, cell.outputs = source, outputs or []
    return determine_grade(cell)[0]
