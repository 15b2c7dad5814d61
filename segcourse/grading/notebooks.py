"""What the grader sees in a notebook: cells that know what they are for, and the lesson they belong to."""

import ast
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from segcourse.errors import SegcourseError


class Refused(SegcourseError):
    """A submission that cannot be graded; the sentence says why, and what the student can do."""


@dataclass(frozen=True)
class Cell:
    """One cell: what it says, and what it is for.

    `role` is "text", "run" (ordinary code), "exercise" (code that answers `exercise`), "check" (where
    `exercise` is observed) or "skip" (long demonstrations, further checks); of cells that an instructor
    added "test", "manual" (an answer that a person reads) or "task". `grade_id` is nbgrader's name of the
    cell, if it has one.
    """

    source: str
    kind: str = "code"  # or "markdown", "raw"
    role: str = "run"
    exercise: str | None = None
    grade_id: str | None = None
    id: str | None = None
    tags: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        return self.kind == "code" and self.role != "skip"

    def __str__(self) -> str:
        if self.role == "exercise":
            return f"the cell of {self.exercise}"
        if self.role in ("test", "manual", "task"):
            return f"the {'answer' if self.role == 'manual' else self.role} {self.grade_id}"
        first = next((line.strip() for line in self.source.splitlines() if line.strip()), "")
        return f"the cell that begins “{first[:50]}{'…' if len(first) > 50 else ''}”"


@dataclass(frozen=True)
class Lesson:
    """A lesson: the reference that submissions are compared with, without an instructor's model solutions.

    `points` maps each exercise's name to its points, `own` each cell's grade_id that an instructor added and
    gave points; `metadata` maps each grade_id to nbgrader's metadata of that cell. `cells` and `notebook`
    hold hidden tests; `released` maps the grade_ids of cells that have some to what students got instead.
    `text` is the notebook's file as it was read, `files` are the others of its folder (pictures).
    """

    name: str
    path: Path
    cells: tuple[Cell, ...]
    points: dict[str, float]
    metadata: dict[str, dict]
    notebook: dict
    text: str
    files: dict[str, bytes] = field(default_factory=dict)
    own: dict[str, float] = field(default_factory=dict)
    released: dict[str, str] = field(default_factory=dict)

    def cell(self, grade_id: str) -> Cell:
        return next(cell for cell in self.cells if cell.grade_id == grade_id)

    @property
    def imports(self) -> tuple[str, ...]:
        """The import statements of the lesson's cells, each once."""
        found = []
        for cell in self.cells:
            if cell.role == "run":
                with contextlib.suppress(SyntaxError):  # magics
                    found += [
                        n for n in ast.parse(cell.source).body if isinstance(n, ast.Import | ast.ImportFrom)
                    ]
        return tuple(dict.fromkeys(map(ast.unparse, found)))

    def handed_out(self, cell: Cell) -> str:
        """The source of one of the lesson's cells as students got it."""
        return self.released.get(cell.grade_id, cell.source)

    def restored(self, cell: Cell) -> bool:
        """Whether nbgrader locks the cell, so that a student's copy of it counts for nothing."""
        about = self.metadata.get(cell.grade_id, {})
        return (
            cell.role != "check"
            and not about.get("solution")
            and bool(about.get("grade") or about.get("locked") or about.get("task"))
        )


def checks(cell: nbformat.NotebookNode) -> str | None:
    """The exercise that a lesson's cell checks; None for other cells, an instructor's own tests too."""
    about = cell.metadata.get("nbgrader", {})
    if not about.get("grade") or about.get("solution") or not about["grade_id"].startswith("check_"):
        return None
    name = about["grade_id"].removeprefix("check_")
    return name if f'check("{name}"' in cell.source else None
