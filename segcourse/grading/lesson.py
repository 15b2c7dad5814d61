"""Read a lesson's notebook, the reference for submissions."""

import contextlib
from dataclasses import replace
from pathlib import Path

import nbformat

from segcourse.errors import SegcourseError
from segcourse.grading.notebooks import Cell, Lesson, checked_exercise


def read_lesson(path: Path) -> Lesson:
    """Read a lesson's notebook; its exercises are the cells that nbgrader grades as check_<name>.

    Raises:
        SegcourseError: The file is missing or has no graded cell.
    """
    if not path.is_file():
        raise SegcourseError(
            f"{path} does not exist; the lesson NAME is graded against the notebook lessons/NAME/NAME.ipynb."
        )
    files = sorted(file for file in path.parent.iterdir() if file.suffix not in (".ipynb", ".py"))
    return parse_lesson(
        path.read_text(encoding="utf-8"),
        path,
        {file.name: file.read_bytes() for file in files if file.is_file()},
    )


def parse_lesson(text: str, path: Path, files: dict[str, bytes]) -> Lesson:
    """Parse a lesson.

    Args:
        text: The notebook's file.
        path: Where the notebook lies; used in messages only.
        files: The other files of the lesson's folder.

    Raises:
        SegcourseError: The notebook has no graded cell.
    """
    notebook, released = _without_solutions(nbformat.reads(text, as_version=4))
    cells, points, own, metadata = [], {}, {}, {}
    for cell in notebook.cells:
        about = cell.metadata.get("nbgrader", {})
        grade_id = about.get("grade_id")
        if grade_id:
            metadata[grade_id] = {name: value for name, value in about.items() if name != "checksum"}
        if name := checked_exercise(cell):
            points[name] = float(about["points"])
        elif about.get("grade") or about.get("task"):
            own[grade_id] = float(about["points"])
        tags = tuple(cell.metadata.get("tags", ()))
        role = "text" if cell.cell_type != "code" else "skip" if "skip-grading" in tags else "run"
        cells.append(Cell(cell.source, cell.cell_type, role, None, grade_id, cell.get("id"), tags))
    if not points and not own:
        raise SegcourseError(f"{path} has no exercise: nbgrader grades none of its cells.")
    cells = [_with_role(cell, points, metadata) for cell in cells]
    return Lesson(path.stem, path, tuple(cells), points, metadata, notebook, text, files, own, released)


def _without_solutions(
    notebook: nbformat.NotebookNode,
) -> tuple[nbformat.NotebookNode, dict[str, str]]:
    """Return the lesson without its instructor's solutions, and the released cells that hide something."""
    if not _changed_by_instructor(notebook):
        return notebook, {}
    graded = released = notebook
    with contextlib.suppress(ImportError):  # students lack nbgrader, but their lesson has no solutions
        from segcourse.grading.release import prepare

        graded, released = prepare(notebook)
    shown = {
        cell.metadata.nbgrader.grade_id: seen.source
        for cell, seen in zip(graded.cells, released.cells, strict=True)
        if cell.source != seen.source
    }
    return graded, shown


def _changed_by_instructor(notebook: nbformat.NotebookNode) -> bool:
    """Return whether there is more than exercises and their checks; avoids nbgrader's slow import."""
    labelled = {cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells} - {None}
    exercises = {name for cell in notebook.cells if (name := checked_exercise(cell))}
    ours = exercises | {f"check_{name}" for name in exercises}
    return not labelled <= ours or any("BEGIN " in cell.source for cell in notebook.cells)


def _with_role(cell: Cell, points: dict[str, float], metadata: dict[str, dict]) -> Cell:
    if cell.grade_id in points:
        return replace(cell, role="exercise", exercise=cell.grade_id)
    name = (cell.grade_id or "").removeprefix("check_")
    if name in points and cell.grade_id:
        return replace(cell, role="check", exercise=name)
    about = metadata.get(cell.grade_id, {})
    if about.get("task"):
        return replace(cell, role="task")
    if about.get("grade"):
        return replace(cell, role="manual" if about.get("solution") else "test")
    return cell
