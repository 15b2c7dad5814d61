"""Steps 1 to 3 for one submission: admit, run, judge. This process holds the marks and never runs student
code.

What comes out of the sandbox is a list of plain events. They are believed only as far as numbers can be: an
exercise's observations are compared with what the reference answer does on the same cases, computed here.
"""

import base64
import functools
import hashlib
import json
import threading
from collections.abc import Container
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from segcourse import exercises
from segcourse.errors import SegcourseError
from segcourse.exercises import engine
from segcourse.exercises.verdicts import GroupResult, Verdict
from segcourse.grading import course
from segcourse.grading.lesson import parse_lesson
from segcourse.grading.notebooks import Cell, Lesson, Refused
from segcourse.grading.sandbox import backend, runner
from segcourse.grading.sandbox.limits import Limits
from segcourse.grading.scoring import instructor_cells
from segcourse.grading.scoring.events import LOST, Events
from segcourse.grading.scoring.result import Result
from segcourse.grading.submissions.dependencies import left_out, missed
from segcourse.grading.submissions.recognise import Admitted, admit

# The reference answer runs here, with a seed, silenced: what that sets belongs to the whole process.
_judging = threading.Lock()
NOTHING_TO_RUN = runner.Run(({"finished": True},), None, 0.0)


@dataclass(frozen=True)
class Task:
    """All that grading one submission takes, as plain data: no folder is read, so that it can happen on any
    machine.

    `lesson` is the text of the lesson's notebook and `files` the others of its folder; `notes` are repairs
    that were made on the way here; `seed` draws the cases.
    """

    student: str
    name: str
    lesson: str
    files: dict[str, bytes]
    data: bytes
    notes: tuple[str, ...]
    seed: int
    limits: Limits
    max_megabytes: float
    trust: bool
    software: str

    refusal = None  # a Result may have one

    @property
    def digest(self) -> str:
        """The fingerprint that tells a resubmission from the same file graded again."""
        return hashlib.sha256(self.data).hexdigest()

    def to_bytes(self) -> bytes:
        plain = asdict(self) | {"data": _packed(self.data)}
        plain["files"] = {name: _packed(content) for name, content in self.files.items()}
        return json.dumps(plain).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Task":
        plain = json.loads(data)
        plain |= {"data": base64.b64decode(plain["data"]), "notes": tuple(plain["notes"])}
        plain |= {"files": {name: base64.b64decode(content) for name, content in plain["files"].items()}}
        return cls(**plain | {"limits": Limits(**plain["limits"])})


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


def grade_bytes(task: bytes) -> bytes:
    """Grade a task and hand back the result, both as bytes: what a worker of a pool or a cluster is given."""
    return json.dumps(grade(Task.from_bytes(task)).to_json()).encode()


def grade(task: Task) -> Result:
    """Admit, run and judge; whatever is wrong with the submission becomes its status.

    Raises:
        SegcourseError: this machine cannot grade anything: no sandbox, or another segcourse than the one
            that gave out the task.
    """
    if task.software != course.software():
        raise SegcourseError(
            "this worker has another version of segcourse than the grader that sent it work; "
            "install the same one on every machine."
        )
    wall = backend.choose(task.trust)
    lesson = _lesson(task.lesson, task.name, tuple(task.files.items()))
    result = Result(task.student, task.name, max_points=lesson.points, digest=task.digest, isolation=wall)
    result = replace(result, tests=instructor_cells.unseen(lesson))
    try:
        return _grade(task, lesson, result)
    except Refused as error:
        return replace(result, refusal=str(error))
    except Exception as error:  # a fault of ours is one student's "could not be graded", not the class's
        refusal = f"the grader itself failed ({type(error).__name__}: {error}); please report it."
        return replace(result, refusal=refusal)


@functools.lru_cache(maxsize=8)
def _lesson(text: str, name: str, files: tuple[tuple[str, bytes], ...]) -> Lesson:
    return parse_lesson(text, Path(f"{name}.ipynb"), dict(files))


def _grade(task: Task, lesson: Lesson, result: Result) -> Result:
    admitted = admit(task.data, lesson, task.max_megabytes)
    idle = left_out(admitted.cells, lesson)
    events, ran = _run(task, lesson, admitted, idle)
    if missed(events.errors(), idle):
        events, ran = _run(task, lesson, admitted, {})
    if ran.ended and not events.observed and not events.status:
        raise Refused(f"{ran.ended}.")
    with _judging:
        verdicts = tuple(_judge(name, admitted, events, task.seed) for name in lesson.points)
    points = {v.name: v.points * lesson.points[v.name] / (v.max_points or 1) for v in verdicts}
    repairs = [*task.notes, *admitted.repairs, *events.repairs(admitted, ran.ended, task.limits)]
    return replace(
        result, verdicts=verdicts, points=points, tests=instructor_cells.score(lesson, admitted, events),
        repairs=tuple(repairs), stops=tuple(events.stops(admitted)),
        seconds=ran.seconds, cells=admitted.cells, printed=events.printed,
    )  # fmt: skip


def _run(task: Task, lesson: Lesson, admitted: Admitted, idle: Container[int]) -> tuple[Events, runner.Run]:
    """Run the notebook in the sandbox, without the cells that are `idle`."""
    steps = {i: _step(cell) for i, cell in enumerate(admitted.cells) if cell.runs and i not in idle}
    ran = NOTHING_TO_RUN
    if admitted.untouched != lesson.points.keys() or lesson.own:
        job = {"seed": task.seed, "steps": list(steps.values())}
        ran = runner.run(job, task.limits, lesson.files, task.trust, lesson.imports)
    return Events(ran.events, list(steps)), ran


def _step(cell: Cell) -> dict[str, str]:
    if cell.role == "check":
        return {"check": cell.exercise}
    return {"cell": cell.source} | ({"test": cell.grade_id} if cell.role == "test" else {})


def _judge(name: str, admitted: Admitted, events: Events, seed: int) -> Verdict:
    """The verdict on one exercise: from what was observed, and where nothing was, on why not."""
    exercise = exercises.get(name)
    places = (i for i, cell in enumerate(admitted.cells) if cell.role == "check" and cell.exercise == name)
    check = next(places, None)
    if name not in admitted.untouched and (seen := events.observed.get(check)):
        cases = engine.draw(exercise, seed)
        verdict = engine.judge(exercise, [seen.get(case) for case in range(max(seen) + 1)], cases)
    else:
        groups = tuple(GroupResult(group, False, points) for group, points in exercise.groups.items())
        reason = _unseen(name, admitted, events, check)
        verdict = Verdict(name, groups, reason, started=reason is not None)
    hint = admitted.hints.get(name)
    if hint and not verdict.points and not verdict.diagnosis:
        return replace(verdict, diagnosis=hint, started=True)
    return verdict


def _unseen(name: str, admitted: Admitted, events: Events, check: int | None) -> str | None:
    """Why nothing of an exercise was observed; None where nobody has begun it."""
    hint, answers = admitted.hints.get(name), admitted.answers[name]
    if name in admitted.untouched:
        return None
    if name in admitted.missing:
        return hint or f"the cell of {name} was not found in your notebook."
    if events.status.get(check) != "undefined":
        return f"the run ended before {name} could be looked at."
    if error := next((events.error[i] for i in answers if i in events.error), None):
        return f"its cell stopped with {error}, so {name} was never defined."
    if lost := next((LOST[events.status[i]] for i in answers if events.status.get(i) in LOST), None):
        return f"its cell {lost}, so {name} was never defined."
    return hint or f"{name} does not exist when its check comes: is its name spelled so?"
