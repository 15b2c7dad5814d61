"""Steps 1 to 3 for one submission: recognise, run and score it.

This process holds the marks and runs no student code. The sandbox returns a list of plain events. They are
trusted only as numbers: an exercise's observations are compared with what the reference answer does on the
same cases, computed here.
"""

import base64
import functools
import hashlib
import json
import re
import threading
from collections.abc import Container
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from segcourse import exercises
from segcourse.errors import SegcourseError
from segcourse.exercises.engine.exercise import draw
from segcourse.exercises.engine.judging import judge
from segcourse.exercises.engine.observations import clip
from segcourse.exercises.engine.tiers import pack
from segcourse.exercises.engine.verdicts import GroupResult, Verdict
from segcourse.grading import course
from segcourse.grading.lesson import parse_lesson
from segcourse.grading.notebooks import Cell, Lesson, Refused
from segcourse.grading.sandbox import backend, runner
from segcourse.grading.sandbox.limits import Limits
from segcourse.grading.scoring import instructor_cells
from segcourse.grading.scoring.events import LOST, Events
from segcourse.grading.scoring.result import Result
from segcourse.grading.submissions.dependencies import is_missed, unneeded_cells
from segcourse.grading.submissions.recognise import Submission, recognise

# the reference answer runs here, with a fixed random seed and no output: both are settings of the whole
# process
_scoring = threading.Lock()
NOTHING_TO_RUN = runner.Run(({"finished": True},), None, 0.0)


@dataclass(frozen=True)
class Task:
    """Everything that grading one submission needs, as plain data, so that any machine can do it.

    Attributes:
        student: The student's id.
        name: The lesson's name.
        lesson: The lesson's notebook, as text.
        files: The other files of the lesson's folder.
        data: The submitted notebook.
        notes: A sentence about each repair so far.
        seed: The seed of the cases.
        class_seed: The seed of the cases of exercises with a score, the same for all submissions.
        limits: What the submission may use.
        max_megabytes: The size limit of the notebook.
        trust: Whether to run it without a sandbox.
        software: The fingerprint of the grader's segcourse.
    """

    student: str
    name: str
    lesson: str
    files: dict[str, bytes]
    data: bytes
    notes: tuple[str, ...]
    seed: int
    class_seed: int
    limits: Limits
    max_megabytes: float
    trust: bool
    software: str

    @property
    def digest(self) -> str:
        """The fingerprint that tells a resubmission from the same file."""
        return hashlib.sha256(self.data).hexdigest()

    def to_bytes(self) -> bytes:
        plain = asdict(self) | {"data": _encode(self.data)}
        plain["files"] = {name: _encode(content) for name, content in self.files.items()}
        return json.dumps(plain).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Task":
        plain = json.loads(data)
        plain |= {"data": base64.b64decode(plain["data"]), "notes": tuple(plain["notes"])}
        plain |= {"files": {name: base64.b64decode(content) for name, content in plain["files"].items()}}
        return cls(**plain | {"limits": Limits(**plain["limits"])})


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def grade_bytes(task: bytes) -> bytes:
    """Grade a task in a worker of a pool or a cluster; task and result are bytes."""
    return json.dumps(grade(Task.from_bytes(task)).to_json()).encode()


def grade(task: Task) -> Result:
    """Recognise, run and score a submission; whatever is wrong with it becomes its status.

    Raises:
        SegcourseError: This machine cannot grade: it has no sandbox, or another version of segcourse than the
            grader that sent the task.
    """
    if task.software != course.software():
        raise SegcourseError(
            "this worker has another version of segcourse than the grader; install the same version on "
            "every machine."
        )
    isolation = backend.choose(task.trust)
    lesson = _lesson(task.lesson, task.name, tuple(task.files.items()))
    result = Result(
        task.student, task.name, max_points=lesson.points, digest=task.digest, isolation=isolation
    )
    result = replace(result, tests=instructor_cells.ungraded(lesson))
    try:
        return _grade(task, lesson, result)
    except Refused as error:
        return replace(result, refusal=str(error))
    except Exception as error:  # an error of the grader must cost one submission, not the whole batch
        return replace(result, refusal=failure(error), failed=True)


def failure(error: Exception) -> str:
    """Return why the grader itself could not grade a submission."""
    reason = clip(f"{type(error).__name__}: {error}", 300)
    return f"the grader itself failed ({reason}). Grade again; if it fails again, please report this."


@functools.lru_cache(maxsize=8)
def _lesson(text: str, name: str, files: tuple[tuple[str, bytes], ...]) -> Lesson:
    return parse_lesson(text, Path(f"{name}.ipynb"), dict(files))


def _grade(task: Task, lesson: Lesson, result: Result) -> Result:
    submission = recognise(task.data, lesson, task.max_megabytes)
    skipped = unneeded_cells(submission.cells, lesson)
    events, run = _run(task, lesson, submission, skipped)
    if is_missed(events.errors(), skipped):
        events, run = _run(task, lesson, submission, {})
    if run.ended and not events.observed and not events.status:
        raise Refused(f"{run.ended}.")
    with _scoring:
        verdicts = tuple(
            _not_observed(name, why)
            if (why := events.why_lost(name, submission, run, task.limits))
            else _judge(name, submission, events, _seed(name, task))
            for name in lesson.points
        )
    points = {v.name: v.points * lesson.points[v.name] / (v.max_points or 1) for v in verdicts}
    early = events.repairs(submission, lesson, run, task.limits)
    repairs = [*task.notes, *submission.repairs, *early]
    return replace(
        result, verdicts=verdicts, points=points, tests=instructor_cells.score(lesson, submission, events),
        repairs=tuple(repairs), stopped_cells=tuple(events.stopped_cells(submission, lesson)),
        seconds=run.seconds, cells=submission.cells, printed=events.printed,
    )  # fmt: skip


def _run(
    task: Task, lesson: Lesson, submission: Submission, skipped: Container[int]
) -> tuple[Events, runner.Run]:
    """Run the notebook in the sandbox without the cells in `skipped`."""
    steps = {
        i: _step(cell, task) for i, cell in enumerate(submission.cells) if cell.runs and i not in skipped
    }
    run = NOTHING_TO_RUN
    if submission.untouched != lesson.points.keys() or lesson.own:
        job = {"seed": task.seed, "steps": list(steps.values())}
        run = runner.run(job, task.limits, lesson.files, task.trust, lesson.imports)
    return Events(run.events, list(steps)), run


def _step(cell: Cell, task: Task) -> dict[str, Any]:
    if cell.role == "check":
        exercise = exercises.get(cell.exercise)
        if not exercise.score:
            return {"check": exercise.name}
        cases = draw(exercise, _seed(exercise.name, task))
        return {"check": exercise.name, "inputs": [pack(case) for case in cases]}
    return {"cell": cell.source} | ({"test": cell.grade_id} if cell.role == "test" else {})


def _seed(name: str, task: Task) -> int:
    return task.class_seed if exercises.get(name).score else task.seed


def _not_observed(name: str, why: str) -> Verdict:
    groups = tuple(GroupResult(group, False, most) for group, most in exercises.get(name).groups.items())
    return Verdict(name, groups, f"{name} could not be graded: {why}.", observed=False)


def _judge(name: str, submission: Submission, events: Events, seed: int) -> Verdict:
    """Return the verdict on one exercise, with the reason if nothing was observed."""
    exercise = exercises.get(name)
    check = submission.check(name)
    if name not in submission.untouched and (seen := events.observed.get(check)):
        cases = draw(exercise, seed)
        verdict = judge(exercise, [seen.get(case) for case in range(max(seen) + 1)], cases)
    else:
        groups = tuple(GroupResult(group, False, points) for group, points in exercise.groups.items())
        says, cause = why_undefined(name, submission, events, check)
        verdict = Verdict(name, groups, says, started=says is not None, cause=cause)
    hint = submission.hints.get(name)
    if hint and not verdict.points and not verdict.diagnosis:
        return replace(verdict, diagnosis=hint, started=True, cause=hint)
    return verdict


def why_undefined(
    name: str, submission: Submission, events: Events, check: int | None
) -> tuple[str | None, str | None]:
    """Return why there was nothing to observe, and the cause that a class report counts.

    Both are None if the exercise was not started.
    """
    hint, answers = submission.hints.get(name), submission.answers[name]
    if name in submission.untouched:
        return None, None
    if name in submission.missing:
        says = hint or f"the cell of {name} was not found in your notebook."
    elif events.status.get(check) in LOST:
        says = f"the check of {name} {LOST[events.status[check]]}."
    elif error := next((events.error[i] for i in answers if i in events.error), None):
        kind = re.match(r"[^:( ]*", error)[0]
        says = f"its cell stopped with {error}, so {name} was never defined."
        return says, f"Its cell stopped with `{kind}`."
    elif lost := next((LOST[events.status[i]] for i in answers if events.status.get(i) in LOST), None):
        says = f"its cell {lost}, so {name} was never defined."
    else:
        says = hint or f"{name} does not exist when its check runs; is its name spelled correctly?"
    return says, says
