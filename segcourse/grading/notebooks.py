"""Cells and lessons as the grader reads them."""

import ast
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from segcourse.errors import SegcourseError


class Refused(SegcourseError):
    """A submission cannot be graded; the message says why and what the student can do."""


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook.

    Attributes:
        source: The cell's source.
        kind: "code", "markdown" or "raw".
        role: "text", "run" (ordinary code), "exercise" (code that answers `exercise`), "check" (where
            `exercise` is observed) or "skip" (long demonstrations, further checks). Of cells that an
            instructor added: "test", "manual" (an answer that a person grades) or "task".
        exercise: The name of the exercise that the cell answers or checks.
        grade_id: nbgrader's name of the cell.
        id: The notebook's own id of the cell.
        tags: The cell's tags.
    """

    source: str
    kind: str = "code"
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
    """A lesson without its instructor's solutions: the reference for submissions.

    Attributes:
        name: The lesson's name.
        path: The lesson's notebook.
        cells: The notebook's cells, with hidden tests.
        points: The points of each exercise.
        metadata: nbgrader's metadata of each cell, by grade_id.
        notebook: The notebook, with hidden tests.
        text: The notebook's file as it was read.
        files: The other files of the lesson's folder, such as pictures.
        own: The points of each cell that an instructor added, by grade_id.
        released: What students received instead of cells with hidden tests, by grade_id.
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
                with contextlib.suppress(SyntaxError):  # cells with magics
                    found += [
                        n for n in ast.parse(cell.source).body if isinstance(n, ast.Import | ast.ImportFrom)
                    ]
        return tuple(dict.fromkeys(map(ast.unparse, found)))

    def released_source(self, cell: Cell) -> str:
        """Return the source of one of the lesson's cells as students received it."""
        return self.released.get(cell.grade_id, cell.source)

    def is_locked(self, cell: Cell) -> bool:
        """Return whether nbgrader restores the cell, so that a student's copy of it does not count."""
        about = self.metadata.get(cell.grade_id, {})
        return (
            cell.role != "check"
            and not about.get("solution")
            and bool(about.get("grade") or about.get("locked") or about.get("task"))
        )


def checked_exercise(cell: nbformat.NotebookNode) -> str | None:
    """Return the exercise that a lesson's cell checks; None for all other cells."""
    about = cell.metadata.get("nbgrader", {})
    if not about.get("grade") or about.get("solution") or not about["grade_id"].startswith("check_"):
        return None
    name = about["grade_id"].removeprefix("check_")
    return name if f'check("{name}"' in cell.source else None
