"""The sandbox's record, sorted by cell of the submission."""

import re
from collections.abc import Iterable
from typing import Any

from segcourse.exercises.engine.observations import clip
from segcourse.grading.notebooks import Cell, Lesson
from segcourse.grading.sandbox.limits import Limits
from segcourse.grading.sandbox.runner import Run
from segcourse.grading.submissions import patterns
from segcourse.grading.submissions.dependencies import is_missed, left_out
from segcourse.grading.submissions.recognise import Submission

# a stub's error; an error that PyTorch raises under this name has another message
STUB_ERROR = re.compile(r"NotImplementedError(: Exercise [\d.]+)?( \(line \d+\))?")
LOST = {"died": "stopped the whole kernel", "hung": "could not be interrupted", "too slow": "took too long"}


class Events:
    """The sandbox's events by cell; events of the wrong shape are ignored.

    Args:
        events: The events, in order.
        places: The cell of each step.

    Attributes:
        observed: The observations of each check's cases.
        status: How each cell ended.
        error: The error of each cell that stopped with one.
        printed: What each cell printed.
        value: The value of the last line of each instructor's test.
        finished: Whether the run was completed.
        gave_up: Whether the run ended because it had lost too many workers.
        out_of_time: Whether the run took too long.
    """

    def __init__(self, events: Iterable[dict], places: list[int]) -> None:
        self.observed: dict[int, dict[int, Any]] = {}
        self.status: dict[int, str] = {}
        self.error: dict[int, str] = {}
        self.printed: dict[int, str] = {}
        self.value: dict[int, Any] = {}
        self.finished = self.gave_up = self.out_of_time = False
        for event in events:
            self.finished |= event.get("finished") is True
            self.gave_up |= event.get("finished") is False
            self.out_of_time |= event.get("out_of_time") is True
            step = event.get("step")
            if type(step) is not int or not 0 <= step < len(places):
                continue
            place = places[step]
            if type(event.get("case")) is int and 0 <= event["case"] < 10_000:
                self.observed.setdefault(place, {}).setdefault(event["case"], event.get("observation"))
            elif type(event.get("status")) is str:
                self.status.setdefault(place, event["status"])
                if type(event.get("error")) is str:
                    self.error[place] = clip(event["error"])
                self.value.setdefault(place, event.get("value"))
                if type(event.get("printed")) is str:
                    self.printed[place] = event["printed"][:100_000]

    def why_lost(self, name: str, submission: Submission, run: Run, limits: Limits) -> str | None:
        """Return what ended the observation of an exercise, if that was not its answer; otherwise None."""
        check = submission.check(name)
        if name in submission.untouched | submission.missing or check is None:
            return None
        if run.out_of_memory and self._is_incomplete(check, submission.answers[name]):
            return f"the submission used more than its {limits.memory_gb:g} GB of memory and was ended"
        return None if check in self.status else self._why_ended(run, limits)

    def _is_incomplete(self, check: int, answers: Iterable[int]) -> bool:
        """Return whether a check or its answer's cell ended in a way that a lack of memory explains."""
        seen = self.observed.get(check, {}).values()
        crashed = any(type(case) is dict and case.get("error") == "crash" for case in seen)
        return crashed or check not in self.status or any(self.status.get(cell) == "died" for cell in answers)

    def _why_ended(self, run: Run, limits: Limits) -> str:
        slow = f"the notebook took more than {limits.total_seconds:g} s"
        stopped = "the kernel stopped too often" if self.gave_up else "its processes were ended"
        return run.ended or (slow if self.out_of_time else stopped)

    def errors(self) -> Iterable[str]:
        """Yield all error messages of cells and answers."""
        yield from self.error.values()
        for observations in self.observed.values():
            for seen in observations.values():
                if type(seen) is dict and "message" in seen:
                    yield clip(seen["message"])

    def repairs(self, submission: Submission, lesson: Lesson, run: Run, limits: Limits) -> list[str]:
        """Return a sentence about each cell of the student that the run skipped, and about an early end."""
        reasons = LOST | {"too slow": f"took more than {limits.cell_seconds:g} s"}
        repairs = [
            f"{cell} {reasons[self.status[place]]} and was skipped"
            for place, cell in _students_cells(submission, lesson)
            if self.status.get(place) in reasons
        ]
        if run.ended or not self.finished:
            repairs.append(f"the run ended early: {self._why_ended(run, limits)}")
        return repairs

    def stopped_cells(self, submission: Submission, lesson: Lesson) -> list[str]:
        """Return a sentence about each of the student's cells that stopped with an error.

        Untouched stubs do not count, nor does the lack of a name that a long demonstration defines: the
        grader runs no long demonstrations.
        """
        absent = left_out(lesson)
        stopped = [
            f"{cell}: {self.error[place]}{_lost_lines(cell.source, self.error[place])}"
            for place, cell in _students_cells(submission, lesson)
            if self.status.get(place) == "error" and place in self.error
            if not STUB_ERROR.fullmatch(self.error[place]) and not is_missed([self.error[place]], absent)
        ]
        return stopped[:20]


def _students_cells(submission: Submission, lesson: Lesson) -> Iterable[tuple[int, Cell]]:
    """Yield the cells that the student wrote or changed, with their places.

    A cell of the lesson may depend on cells that the grader skips, or on a wrong answer. What happens to
    it is not the student's fault.
    """
    given = {patterns.normalized(cell.source) for cell in lesson.cells}
    for place, cell in enumerate(submission.cells):
        if cell.role not in ("check", "test") and patterns.normalized(cell.source) not in given:
            yield place, cell


def _lost_lines(source: str, error: str) -> str:
    """Name the lines that did not run after a failed import: often imports that the lesson needs."""
    at = re.search(r"\(line (\d{1,6})\)$", error)
    lines = source.splitlines()[int(at[1]) - 1 :] if at else []
    below = "; ".join(line.strip() for line in lines[1:] if line.strip())
    imported = below and re.match(r"import |from ", lines[0])
    return f"; the lines below did not run: {clip(below, 80)}" if imported else ""
