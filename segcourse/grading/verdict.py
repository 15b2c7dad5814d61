"""Steps 1 to 3 for one submission: admit, run, judge. This process holds the marks and never runs student
code.

What comes out of the sandbox is a list of plain events. They are believed only as far as numbers can be: an
exercise's observations are compared with what the reference answer does on the same cases, computed here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from segcourse import exercises
from segcourse.exercises import engine
from segcourse.exercises.observations import clip
from segcourse.exercises.verdicts import GroupResult, Verdict
from segcourse.grading import sandbox
from segcourse.grading.admit import Admitted, admit, digest, find_submission
from segcourse.grading.course import Course
from segcourse.grading.notebooks import Cell, Lesson, Refused

NOTHING_TO_RUN = sandbox.Run(({"finished": True},), None, 0.0)


@dataclass(frozen=True)
class Result:
    """What is said about one submission; `refusal` is the sentence if it could not be graded."""

    student: str
    lesson: str
    verdicts: tuple[Verdict, ...] = ()
    points: dict[str, float] = field(default_factory=dict)
    max_points: dict[str, float] = field(default_factory=dict)
    repairs: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    refusal: str | None = None
    digest: str | None = None
    seconds: float = 0.0
    cells: tuple[Cell, ...] = ()
    printed: dict[int, str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """One of "graded", "graded with repairs", "could not be graded: <sentence>"."""
        if self.refusal:
            return f"could not be graded: {self.refusal}"
        return "graded with repairs" if self.repairs else "graded"

    @property
    def score(self) -> float | None:
        """The sum of the points; None, and never 0, for what could not be graded."""
        return None if self.refusal else sum(self.points.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "student": self.student,
            "lesson": self.lesson,
            "status": self.status,
            "score": self.score,
            "max_score": sum(self.max_points.values()),
            "exercises": {
                verdict.name: verdict.to_json()
                | {"points": self.points[verdict.name], "max_points": self.max_points[verdict.name]}
                for verdict in self.verdicts
            },
            "repairs": list(self.repairs),
            "stopped_cells": list(self.stops),
            "digest": self.digest,
            "seconds": round(self.seconds, 2),
        }


def grade_submission(course: Course, lesson: Lesson, student: str, trust: bool = False) -> Result:
    """Admit, run and judge what `student` handed in; whatever is wrong with it becomes its status."""
    result = Result(student, lesson.name, max_points=lesson.points)
    try:
        data, notes = find_submission(
            course.submitted(student, lesson.name), lesson.name, course.max_megabytes
        )
        result = replace(result, digest=digest(data))
        return grade_notebook(course, lesson, data, result, notes, trust)
    except Refused as error:
        return replace(result, refusal=str(error))


def grade_notebook(
    course: Course,
    lesson: Lesson,
    data: bytes,
    result: Result,
    notes: Iterable[str] = (),
    trust: bool = False,
) -> Result:
    """The same for a notebook's bytes: no folder is read, so that this can happen on any machine.

    Raises:
        Refused: the notebook cannot be graded.
    """
    admitted = admit(data, lesson, course.max_megabytes)
    runs = ("run", "exercise", "check")
    steps = {i: _step(cell) for i, cell in enumerate(admitted.cells) if cell.role in runs}
    seed, ran = course.seed(lesson.name), NOTHING_TO_RUN
    if admitted.untouched != lesson.points.keys():
        job = {"seed": seed, "steps": list(steps.values())}
        ran = sandbox.run(job, course.limits, _pictures(lesson), trust)
    events = Events(ran.events, list(steps))
    if ran.ended and not events.observed and not events.status:
        raise Refused(f"{ran.ended}.")
    verdicts = tuple(_judge(name, admitted, events, seed) for name in lesson.points)
    points = {v.name: v.points * lesson.points[v.name] / (v.max_points or 1) for v in verdicts}
    repairs = [*notes, *admitted.repairs, *events.repairs(admitted, ran.ended, course.limits)]
    return replace(
        result, verdicts=verdicts, points=points, repairs=tuple(repairs), stops=tuple(events.stops(admitted)),
        seconds=ran.seconds, cells=admitted.cells, printed=events.printed,
    )  # fmt: skip


def _step(cell: Cell) -> dict[str, str]:
    return {"check": cell.exercise} if cell.role == "check" else {"cell": cell.source}


def _pictures(lesson: Lesson) -> list[Path]:
    """What a lesson's notebook may open: the other files of its folder."""
    files = (path for path in lesson.path.parent.iterdir() if path.is_file())
    return sorted(path for path in files if path.suffix not in (".ipynb", ".py"))


LOST = {"died": "ended the whole kernel", "hung": "could not be stopped", "too slow": "took too long"}


class Events:
    """The sandbox's events, by cell of the admitted notebook; anything of the wrong shape is passed over."""

    def __init__(self, events: Iterable[dict], places: list[int]) -> None:
        self.observed: dict[int, dict[int, Any]] = {}
        self.status: dict[int, str] = {}
        self.error: dict[int, str] = {}
        self.printed: dict[int, str] = {}
        self.finished = self.out_of_time = False
        for event in events:
            self.finished |= event.get("finished") is True
            self.out_of_time |= event.get("out_of_time") is True
            step = event.get("step")
            if type(step) is not int or not 0 <= step < len(places):
                continue
            place = places[step]
            if type(event.get("case")) is int and 0 <= event["case"] < 10_000:
                self.observed.setdefault(place, {}).setdefault(event["case"], event.get("saw"))
            elif type(event.get("status")) is str:
                self.status.setdefault(place, event["status"])
                if type(event.get("error")) is str:
                    self.error[place] = clip(event["error"])
                if type(event.get("printed")) is str:
                    self.printed[place] = event["printed"][:100_000]

    def repairs(self, admitted: Admitted, ended: str | None, limits: sandbox.Limits) -> list[str]:
        """What the run itself had to leave out."""
        said = LOST | {"too slow": f"took more than {limits.cell_seconds:g} s"}
        left_out = [
            f"{admitted.cells[place]} {said[status]} and was left out"
            for place, status in self.status.items()
            if status in said and admitted.cells[place].role != "check"
        ]
        if ended or not self.finished:
            slow = f"the notebook took more than {limits.total_seconds:g} s"
            why = ended or (slow if self.out_of_time else "the kernel ended again and again")
            left_out.append(f"the run ended early: {why}")
        return left_out

    def stops(self, admitted: Admitted) -> list[str]:
        """Cells that stopped with an error, unopened exercises aside."""
        told = [
            f"{admitted.cells[place]}: {error}"
            for place, error in self.error.items()
            if not error.startswith("NotImplementedError") and self.status[place] == "error"
        ]
        return told[:20]


def _judge(name: str, admitted: Admitted, events: Events, seed: int) -> Verdict:
    """The verdict on one exercise, from what was observed and nothing else."""
    exercise = exercises.get(name)
    groups = (GroupResult(group, False, points) for group, points in exercise.groups.items())
    nothing = Verdict(name, tuple(groups))
    if name in admitted.untouched:
        return replace(nothing, started=False)
    places = {"check": [], "exercise": []}
    for i, cell in enumerate(admitted.cells):
        if cell.exercise == name:
            places[cell.role].append(i)
    check, answers = (places["check"] or [None])[0], places["exercise"]
    if seen := events.observed.get(check):
        cases = engine.draw(exercise, seed)
        return engine.judge(exercise, [seen.get(case) for case in range(max(seen) + 1)], cases)
    if name in admitted.missing:
        return replace(nothing, diagnosis=f"the cell of {name} was not found in your notebook.")
    if events.status.get(check) != "undefined":
        return replace(nothing, diagnosis=f"the run ended before {name} could be looked at.")
    if error := next((events.error[i] for i in answers if i in events.error), None):
        return replace(nothing, diagnosis=f"its cell stopped with {error}, so {name} was never defined.")
    if lost := next((LOST[events.status[i]] for i in answers if events.status.get(i) in LOST), None):
        return replace(nothing, diagnosis=f"its cell {lost}, so {name} was never defined.")
    return replace(nothing, diagnosis=f"{name} does not exist when its check comes: is its name spelled so?")
