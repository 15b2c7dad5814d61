"""Cells that an instructor added to a lesson, in a submission: tests and tasks as the instructor wrote them,
answers as the student did, each exactly once.

nbgrader calls such a cell locked and does the same; a student's copy of a test counts for nothing but its
place.
"""

from dataclasses import replace

from segcourse.grading.notebooks import Cell, Lesson


def put_back(cells: list[Cell], lesson: Lesson) -> tuple[list[Cell], list[str]]:
    """The cells with every locked one restored and every answer kept once, and what that changed."""
    notes = []
    for index, original in enumerate(lesson.cells):
        if lesson.restored(original):
            cells, said = _restored(cells, lesson, index)
        elif original.role == "manual":
            cells, said = _one_answer(cells, lesson, index)
        else:
            continue
        notes += said
    return cells, notes


def _restored(cells: list[Cell], lesson: Lesson, index: int) -> tuple[list[Cell], list[str]]:
    original, notes = lesson.cells[index], []
    copies = _copies(cells, original)
    released = lesson.handed_out(original).strip()
    if not copies:
        notes.append(f"{original} was missing; it was put back")
    if len(copies) > 1:
        notes.append(f"{original} stood there {len(copies)} times; it was kept once")
    if any(cells[i].source.strip() != released for i in copies):
        notes.append(f"{original} had been changed; the original was used")
    place, earlier = _place(cells, lesson, index), _last(cells, lesson.cells[:index], labelled=True)
    if copies:
        place = max(copies[-1], earlier)
        notes += [f"{original} stood above what it needs; it was moved down"] if earlier > copies[-1] else []
    head = [cell for i, cell in enumerate(cells[: place + 1]) if i not in copies]
    tail = [cell for i, cell in enumerate(cells[place + 1 :], place + 1) if i not in copies]
    return [*head, original, *tail], notes


def _one_answer(cells: list[Cell], lesson: Lesson, index: int) -> tuple[list[Cell], list[str]]:
    original = lesson.cells[index]
    copies = _copies(cells, original)
    if not copies:
        notice = f"This answer ({original.grade_id}) was missing from the submission; it was put back."
        source = f"{'# ' if original.kind == 'code' else ''}{notice}\n\n{original.source}"
        place = _place(cells, lesson, index) + 1
        return (
            [*cells[:place], replace(original, source=source), *cells[place:]],
            [f"{original} was missing; its empty cell was put back"],
        )
    written = [i for i in copies if cells[i].source.strip() != original.source.strip()]
    kept = (written or copies)[-1]
    result = [replace(cell, kind=original.kind) if i == kept else cell for i, cell in enumerate(cells)]
    for i in set(copies) - {kept}:
        result[i] = replace(cells[i], grade_id=None, role="run" if cells[i].kind == "code" else "text")
    more = f"{original} stood there {len(copies)} times; the last one that was written was kept"
    return result, [more] if len(copies) > 1 else []


def _copies(cells: list[Cell], original: Cell) -> list[int]:
    return [i for i, cell in enumerate(cells) if cell.grade_id == original.grade_id]


def _place(cells: list[Cell], lesson: Lesson, index: int) -> int:
    """Behind which cell a missing one belongs: the nearest that precedes it in the lesson; -1: none."""
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
