"""Submissions that only call finished implementations get no points, and are told why."""

import pytest
from grading_class import LESSON, RIGHT, as_bytes, hand_in, notebook

from segcourse.grading import grade_lesson

pytestmark = pytest.mark.sandbox

CALLS = {
    "dice_score": "from segcourse import dice_score",
    "iou_per_class": "import segcourse\n\niou_per_class = lambda matrix: segcourse.iou_per_class(matrix)",
    "mean_iou": RIGHT["mean_iou"],
}
# students' code cannot replace the code that judges it
REPLACES = {
    "dice_score": """import contextlib
from segcourse.exercises.engine import own_work
assert own_work._blocked
own_work._blocked = lambda *_: contextlib.nullcontext()
from segcourse import dice_score""",
    "iou_per_class": """from segcourse.exercises.engine import observing
observed = observing.observe
observing.observe = lambda exercise, obj, case: observed(exercise, exercise.answer, case)
own_work.observe = observing.observe
from segcourse import iou_per_class""",
    "mean_iou": """from segcourse.grading.sandbox import worker
worker.Worker.observe = lambda self, order: self.send("observation", observation={})
from segcourse import mean_iou""",
}


CLASS = {"calls": CALLS, "replaces": REPLACES, "right": RIGHT}
POINTS = {"calls": [0, 0, 2], "replaces": [0, 0, 0], "right": [3, 2, 2]}


def test_only_ones_own_work_counts(tmp_path, lessons):
    for student, answers in CLASS.items():
        hand_in(tmp_path, student, as_bytes(notebook(answers)))
    results = {r.student: r.verdicts for r in grade_lesson(LESSON, tmp_path, lessons=lessons).results}
    points = {student: [verdict.points for verdict in verdicts] for student, verdicts in results.items()}
    assert points == POINTS
    for verdict in (verdict for verdicts in results.values() for verdict in verdicts if not verdict.points):
        assert verdict.diagnosis.startswith("This answer hands the work to ")
        assert f"segcourse.metrics.{verdict.name}; the exercise asks for your own" in verdict.diagnosis
