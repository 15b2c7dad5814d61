"""A lesson's notebook, read as the reference that submissions are compared with."""

import contextlib
from dataclasses import replace
from pathlib import Path

import nbformat

from segcourse.errors import SegcourseError
from segcourse.grading.notebooks import Cell, Lesson, checks


def read_lesson(path: Path) -> Lesson:
    """Read the notebook of a lesson (trusted): its exercises are the cells that nbgrader grades as
    check_<name>.

    Raises:
        SegcourseError: the file is missing or has no exercise.
    """
    if not path.is_file():
        raise SegcourseError(
            f"{path} does not exist; a lesson NAME is graded against lessons/NAME/NAME.ipynb."
        )
    files = sorted(file for file in path.parent.iterdir() if file.suffix not in (".ipynb", ".py"))
    return parse_lesson(
        path.read_text(encoding="utf-8"),
        path,
        {file.name: file.read_bytes() for file in files if file.is_file()},
    )


def parse_lesson(text: str, path: Path, files: dict[str, bytes]) -> Lesson:
    """The lesson whose notebook says `text`; the path is only named.

    Raises:
        SegcourseError: it has no exercise.
    """
    notebook, released = _without_answers(nbformat.reads(text, as_version=4))
    cells, points, own, metadata = [], {}, {}, {}
    for cell in notebook.cells:
        about = cell.metadata.get("nbgrader", {})
        grade_id = about.get("grade_id")
        if grade_id:
            metadata[grade_id] = {name: value for name, value in about.items() if name != "checksum"}
        if name := checks(cell):
            points[name] = float(about["points"])
        elif about.get("grade") or about.get("task"):
            own[grade_id] = float(about["points"])
        tags = tuple(cell.metadata.get("tags", ()))
        role = "text" if cell.cell_type != "code" else "skip" if "skip-grading" in tags else "run"
        cells.append(Cell(cell.source, cell.cell_type, role, None, grade_id, cell.get("id"), tags))
    if not points and not own:
        raise SegcourseError(f"{path} has no exercise: there is no cell in it that nbgrader grades.")
    cells = [_named(cell, points, metadata) for cell in cells]
    return Lesson(path.stem, path, tuple(cells), points, metadata, notebook, text, files, own, released)


def _without_answers(
    notebook: nbformat.NotebookNode,
) -> tuple[nbformat.NotebookNode, dict[str, str]]:
    """The lesson without its instructor's solutions, and what students got of cells with hidden regions."""
    if not _changed_by_instructor(notebook):
        return notebook, {}
    graded = released = notebook
    with contextlib.suppress(ImportError):  # nbgrader handed the lesson out to whoever lacks it: cut already
        from segcourse.grading.release import prepare

        graded, released = prepare(notebook)
    shown = {
        cell.metadata.nbgrader.grade_id: seen.source
        for cell, seen in zip(graded.cells, released.cells, strict=True)
        if cell.source != seen.source
    }
    return graded, shown


def _changed_by_instructor(notebook: nbformat.NotebookNode) -> bool:
    """Whether there is anything but exercises and their checks; asked before nbgrader's slow import."""
    labelled = {cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells} - {None}
    exercises = {name for cell in notebook.cells if (name := checks(cell))}
    ours = exercises | {f"check_{name}" for name in exercises}
    return not labelled <= ours or any("BEGIN " in cell.source for cell in notebook.cells)


def _named(cell: Cell, points: dict[str, float], metadata: dict[str, dict]) -> Cell:
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
