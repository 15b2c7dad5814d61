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
COPIES = {
    "dice_score": """import inspect
import segcourse.metrics
exec(inspect.getsource(segcourse.metrics.dice_score), vars(segcourse.metrics), copied := {})
dice_score = copied["dice_score"]""",
    "iou_per_class": """import types
from segcourse.metrics import iou_per_class as finished
iou_per_class = types.FunctionType(finished.__code__, finished.__globals__)
finished.__code__ = (lambda matrix: matrix).__code__""",
    "mean_iou": """def mean_iou(matrix):
    try:
        return __import__("segcourse").mean_iou(matrix)
    except Exception:
        return matrix.double().mean()""",
}
# students' code cannot replace the code that judges it
REPLACES = {
    "dice_score": """import contextlib
from segcourse.exercises.engine import own_work
assert own_work.OwnWork._block and own_work.OwnWork._watch
own_work.OwnWork._block = own_work.OwnWork._watch = lambda *_: contextlib.nullcontext()
from segcourse import dice_score""",
    "iou_per_class": """from segcourse.exercises.engine import observing
observed = observing.observe
observing.observe = lambda exercise, obj, case: observed(exercise, exercise.answer, case)
own_work.OwnWork.observe = lambda self, obj, case: observing.observe(self.exercise, obj, case)
from segcourse import iou_per_class""",
    "mean_iou": """from segcourse.grading.sandbox import worker
worker.Worker.observe = lambda self, order: self.send("observation", observation={})
from segcourse import mean_iou""",
}


CLASS = {"calls": CALLS, "copies": COPIES, "replaces": REPLACES, "right": RIGHT}
POINTS = {"calls": [0, 0, 2], "copies": [0, 0, 0], "replaces": [0, 0, 0], "right": [3, 2, 2]}


def test_only_ones_own_work_counts(tmp_path, lessons):
    for student, answers in CLASS.items():
        hand_in(tmp_path, student, as_bytes(notebook(answers)))
    results = {r.student: r.verdicts for r in grade_lesson(LESSON, tmp_path, lessons=lessons).results}
    points = {student: [verdict.points for verdict in verdicts] for student, verdicts in results.items()}
    assert points == POINTS
    for verdict in (verdict for verdicts in results.values() for verdict in verdicts if not verdict.points):
        assert verdict.diagnosis.startswith("This answer hands the work to ")
        assert f"segcourse.metrics.{verdict.name}; the exercise asks for your own" in verdict.diagnosis
