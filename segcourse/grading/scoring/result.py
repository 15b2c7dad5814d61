"""The result of grading one submission."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from segcourse.exercises.engine.verdicts import Verdict
from segcourse.grading.notebooks import Cell


@dataclass(frozen=True)
class InstructorCell:
    """The score of a cell that an instructor added.

    Attributes:
        grade_id: nbgrader's name of the cell.
        points: The points; None means that a person must grade the cell.
        max_points: The most points that the cell can give.
        says: The reason for the points.
        kind: "test" (run in the student's own process), "answer" or "task" (both graded by a person).
    """

    grade_id: str
    points: float | None
    max_points: float
    says: str
    kind: str = "test"

    @property
    def unanswered(self) -> bool:
        """Whether the student left this answer unchanged."""
        return self.kind == "answer" and self.points == 0


@dataclass(frozen=True)
class Result:
    """The result of grading one submission; `refusal` says why it could not be graded.

    `failed` says that the reason is the grader or the machine, not the submission.

    >>> Result("ada", "05_losses_metrics", points={"dice_score": 2.0}).score
    2.0
    >>> refused = Result("bob", "05_losses_metrics", refusal="the file is empty.")
    >>> refused.status, refused.score, Result.from_json(refused.to_json()) == refused
    ('could not be graded: the file is empty.', None, True)
    """

    student: str
    lesson: str
    verdicts: tuple[Verdict, ...] = ()
    points: dict[str, float] = field(default_factory=dict)
    max_points: dict[str, float] = field(default_factory=dict)
    tests: tuple[InstructorCell, ...] = ()
    repairs: tuple[str, ...] = ()
    stopped_cells: tuple[str, ...] = ()
    refusal: str | None = None
    digest: str | None = None
    seconds: float = 0.0
    isolation: str = "none"
    cells: tuple[Cell, ...] = ()
    printed: dict[int, str] = field(default_factory=dict)
    failed: bool = False

    @property
    def is_final(self) -> bool:
        """Whether grading the same file again would give the same: neither grader nor machine failed."""
        return not self.failed and all(verdict.observed for verdict in self.verdicts)

    @property
    def status(self) -> str:
        """One of "graded", "graded with repairs", "could not be graded: <reason>"."""
        if self.refusal:
            return f"could not be graded: {self.refusal}"
        return "graded with repairs" if self.repairs else "graded"

    @property
    def score(self) -> float | None:
        """The sum of the points; None, never 0, if the submission could not be graded."""
        if self.refusal:
            return None
        return sum(self.points.values()) + sum(test.points or 0 for test in self.tests)

    @property
    def max_score(self) -> float:
        return sum(self.max_points.values()) + sum(test.max_points for test in self.tests)

    @property
    def marks(self) -> dict[str, float | None]:
        """The points of each graded cell, by grade_id; None where a person must grade."""
        marks: dict[str, float | None] = {f"check_{name}": points for name, points in self.points.items()}
        marks |= {f"check_{verdict.name}": None for verdict in self.verdicts if not verdict.observed}
        return marks | {test.grade_id: test.points for test in self.tests}

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON data, with status and scores for other programs."""
        return {
            "student": self.student,
            "lesson": self.lesson,
            "status": self.status,
            "refusal": self.refusal,
            "score": self.score,
            "max_score": self.max_score,
            "exercises": {
                verdict.name: verdict.to_json()
                | {"points": self.points[verdict.name], "max_points": self.max_points[verdict.name]}
                for verdict in self.verdicts
            },
            "max_points": self.max_points,
            "tests": [dataclasses.asdict(test) for test in self.tests],
            "repairs": list(self.repairs),
            "stopped_cells": list(self.stopped_cells),
            "digest": self.digest,
            "seconds": round(self.seconds, 3),
            "isolation": self.isolation,
            "cells": [dataclasses.asdict(cell) for cell in self.cells],
            "printed": {str(index): text for index, text in self.printed.items()},
            "failed": self.failed,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Result":
        """Return the result that `to_json` wrote."""
        exercises = data["exercises"]
        return cls(
            data["student"],
            data["lesson"],
            tuple(Verdict.from_json(verdict) for verdict in exercises.values()),
            {name: verdict["points"] for name, verdict in exercises.items()},
            data["max_points"],
            tuple(InstructorCell(**test) for test in data["tests"]),
            tuple(data["repairs"]),
            tuple(data["stopped_cells"]),
            data["refusal"],
            data["digest"],
            data["seconds"],
            data["isolation"],
            tuple(Cell(**cell | {"tags": tuple(cell["tags"])}) for cell in data["cells"]),
            {int(index): text for index, text in data["printed"].items()},
            data["failed"],
        )
