"""The verdict on one answer: points by groups of cases, what is wrong, and a case that shows it."""

from dataclasses import asdict, dataclass
from typing import Any

from segcourse.exercises.engine.shown import Shown


@dataclass(frozen=True)
class GroupResult:
    """A group of cases with a name that students read; it earns its points when all its cases are right."""

    name: str
    passed: bool
    max_points: int

    @property
    def points(self) -> int:
        return self.max_points if self.passed else 0


@dataclass(frozen=True)
class Verdict:
    """The judgement of one answer to one exercise.

    Args:
        name: the exercise.
        groups: the result of each group of cases.
        diagnosis: what is wrong, in sentences; None where nothing is known.
        partly: whether more is wrong than the sentences explain.
        smallest: the first failing case that the sentences speak of.
        started: False for an untouched stub, and for broken code that still does what it did.
        cause: the diagnosis without the student's own numbers and lines, so that a class can be counted.
        printed: what the answer printed on the case shown (on the first one if all are right).
        score: the number that decided about the points, in an exercise with an open end.
        observed: False if something other than the answer ended its run; `diagnosis` then says what.

    >>> verdict = Verdict("dice_score", (GroupResult("overlap", True, 2), GroupResult("empty", False, 1)))
    >>> verdict.points, verdict.max_points, verdict.passed, verdict.status
    (2, 3, False, 'partly right')
    >>> Verdict.from_json(verdict.to_json()) == verdict
    True
    """

    name: str
    groups: tuple[GroupResult, ...]
    diagnosis: str | None = None
    partly: bool = False
    smallest: Shown | None = None
    started: bool = True
    cause: str | None = None
    printed: str = ""
    observed: bool = True
    score: float | None = None

    @property
    def points(self) -> int:
        return sum(group.points for group in self.groups) if self.started else 0

    @property
    def max_points(self) -> int:
        return sum(group.max_points for group in self.groups)

    @property
    def passed(self) -> bool:
        return self.started and all(group.passed for group in self.groups)

    @property
    def status(self) -> str:
        """Return one of "not started", "could not be graded", "passed", "partly right", "wrong"."""
        if not self.started:
            return "not started"
        if not self.observed:
            return "could not be graded"
        return "passed" if self.passed else "partly right" if self.points else "wrong"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON-able data, with the derived figures for people who read the file."""
        figures = {"status": self.status, "points": self.points, "max_points": self.max_points}
        return asdict(self) | {"groups": [asdict(group) for group in self.groups]} | figures

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Verdict":
        """Return the verdict that `to_json` wrote."""
        return cls(
            data["name"],
            tuple(GroupResult(**group) for group in data["groups"]),
            data["diagnosis"],
            data["partly"],
            Shown.from_json(data["smallest"]) if data["smallest"] else None,
            data["started"],
            data["cause"],
            data["printed"],
            data["observed"],
            data.get("score"),  # records of earlier versions have none
        )
