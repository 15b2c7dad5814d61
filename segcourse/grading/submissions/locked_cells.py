"""Restore the cells that an instructor added: tests and tasks from the lesson, answers from the student.

nbgrader calls such tests and tasks locked and restores them too. Of a student's copy, only the position
counts.
"""

from dataclasses import replace

from segcourse.grading.notebooks import Cell, Lesson


def restore_locked_cells(cells: list[Cell], lesson: Lesson) -> tuple[list[Cell], list[str]]:
    """Restore every locked cell and keep every answer exactly once; also return the repairs."""
    repairs = []
    for index, original in enumerate(lesson.cells):
        if lesson.is_locked(original):
            cells, notes = _restore(cells, lesson, index)
        elif original.role == "manual":
            cells, notes = _keep_one_answer(cells, lesson, index)
        else:
            continue
        repairs += notes
    return cells, repairs


def _restore(cells: list[Cell], lesson: Lesson, index: int) -> tuple[list[Cell], list[str]]:
    original, notes = lesson.cells[index], []
    copies = _copies(cells, original)
    released = lesson.released_source(original).strip()
    if not copies:
        notes.append(f"{original} was missing and was restored")
    if len(copies) > 1:
        notes.append(f"{original} appeared {len(copies)} times and was kept once")
    if any(cells[i].source.strip() != released for i in copies):
        notes.append(f"{original} had been changed and was replaced by the original")
    place, earlier = _place(cells, lesson, index), _last(cells, lesson.cells[:index], labelled=True)
    if copies:
        place = max(copies[-1], earlier)
        if earlier > copies[-1]:
            notes.append(f"{original} came before what it needs and was moved down")
    head = [cell for i, cell in enumerate(cells[: place + 1]) if i not in copies]
    tail = [cell for i, cell in enumerate(cells[place + 1 :], place + 1) if i not in copies]
    return [*head, original, *tail], notes


def _keep_one_answer(cells: list[Cell], lesson: Lesson, index: int) -> tuple[list[Cell], list[str]]:
    original = lesson.cells[index]
    copies = _copies(cells, original)
    if not copies:
        notice = f"This answer ({original.grade_id}) was missing from the submission and was restored."
        source = f"{'# ' if original.kind == 'code' else ''}{notice}\n\n{original.source}"
        place = _place(cells, lesson, index) + 1
        return (
            [*cells[:place], replace(original, source=source), *cells[place:]],
            [f"{original} was missing; its empty cell was restored"],
        )
    edited = [i for i in copies if cells[i].source.strip() != original.source.strip()]
    kept = (edited or copies)[-1]
    result = [replace(cell, kind=original.kind) if i == kept else cell for i, cell in enumerate(cells)]
    for i in set(copies) - {kept}:
        result[i] = replace(cells[i], grade_id=None, role="run" if cells[i].kind == "code" else "text")
    note = f"{original} appeared {len(copies)} times; the last one with an answer was kept"
    return result, [note] if len(copies) > 1 else []


def _copies(cells: list[Cell], original: Cell) -> list[int]:
    return [i for i, cell in enumerate(cells) if cell.grade_id == original.grade_id]


def _place(cells: list[Cell], lesson: Lesson, index: int) -> int:
    """Return after which cell a missing one belongs: the nearest that precedes it in the lesson, or -1."""
    return _last(cells, lesson.cells[:index], labelled=False)


def _last(cells: list[Cell], before: tuple[Cell, ...], labelled: bool) -> int:
    for known in reversed(before):
        if known.grade_id:
            places = _copies(cells, known)
        else:
            places = [] if labelled or not known.id else [i for i, c in enumerate(cells) if c.id == known.id]
        if places:
            return places[-1]
    return -1
