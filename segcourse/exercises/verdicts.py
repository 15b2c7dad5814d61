"""What is said about one answer: points by groups of cases, the cause if it is known, and the smallest
case that shows it."""

from dataclasses import asdict, dataclass
from typing import Any

from segcourse.exercises.smallest import Smallest


@dataclass(frozen=True)
class GroupResult:
    """A group of cases that a student knows by name; its points count when all its cases are right."""

    name: str
    passed: bool
    max_points: int

    @property
    def points(self) -> int:
        return self.max_points if self.passed else 0


@dataclass(frozen=True)
class Verdict:
    """The judgement of one answer to one exercise.

    `diagnosis` is a sentence or None; `partly` says that it explains only some of the failing cases.
    `started` is False for an untouched stub.

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
    smallest: Smallest | None = None
    started: bool = True

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
        """One of "not started", "passed", "partly right", "wrong"."""
        if not self.started:
            return "not started"
        return "passed" if self.passed else "partly right" if self.points else "wrong"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON-able data; the derived figures are written out for whoever reads the file."""
        figures = {"status": self.status, "points": self.points, "max_points": self.max_points}
        return asdict(self) | {"groups": [asdict(group) for group in self.groups]} | figures

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Verdict":
        """The verdict that `to_json` wrote."""
        return cls(
            data["name"],
            tuple(GroupResult(**group) for group in data["groups"]),
            data["diagnosis"],
            data["partly"],
            Smallest.from_json(data["smallest"]) if data["smallest"] else None,
            data["started"],
        )
