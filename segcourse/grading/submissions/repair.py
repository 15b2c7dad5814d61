"""Putting an exercise's cells in order, so that a student's own answer is what its check meets.

Notebooks are edited in any order and run in any order: answers lie below their checks, helpers below their
answers, untouched stubs below both, and answers in cells that have become text.
"""

from dataclasses import replace

from segcourse.grading.notebooks import Cell, Lesson
from segcourse.grading.submissions import patterns

RUNS = ("run", "exercise")


def code_again(cells: list[Cell], lesson: Lesson) -> tuple[list[Cell], list[str]]:
    """Run as code what is code: an exercise, or a cell of the lesson, that a slip has turned into text."""
    texts = {cell.source.strip() for cell in lesson.cells if cell.kind != "code"}
    answers = {cell.grade_id for cell in lesson.cells if cell.kind != "code" and cell.grade_id}
    codes = {cell.source.strip() for cell in lesson.cells if cell.role == "run"}
    result, notes = [], []
    for cell in cells:
        said = cell.source.strip()
        answered = [name for name in lesson.points if patterns.defines(name, said)]
        as_meant = cell.kind == "code" or said in texts or cell.grade_id in answers or "```" in said
        if not as_meant and (answered or said in codes):
            cell = replace(cell, kind="code", role="run")
            notes.append(f"{_called(answered, cell)} had been turned into text; it was run as code")
        result.append(cell)
    return result, notes


def _called(answered: list[str], cell: Cell) -> str:
    return f"the cell of {answered[0]}" if answered else str(cell)


def without_elsewhere(cells: list[Cell]) -> tuple[list[Cell], list[str]]:
    """Leave out the lines that only work in another editor or on a GPU; the rest of their cell runs."""
    on_colab = any("google.colab" in cell.source for cell in cells)
    result, notes = [], []
    for cell in cells:
        kept, lost = patterns.without_elsewhere(cell.source, on_colab) if cell.kind == "code" else ("", [])
        if lost:
            lines = "; ".join(lost[:5])
            notes.append(
                f"lines that only work in another editor or on a GPU were left out of {cell}: {lines}"
            )
        result.append(replace(cell, source=kept) if lost else cell)
    return result, notes


def written(cells: list[Cell], lesson: Lesson, name: str) -> list[int]:
    """Where a student has written `name`: the cells that define it, else its own cell if it was touched."""
    stub = patterns.bare(lesson.cell(name).source)
    own = [i for i, cell in enumerate(cells) if cell.exercise == name and cell.role in ("exercise", "skip")]
    idle = {i for i in own if patterns.bare(cells[i].source) == stub}
    touched = [i for i, cell in enumerate(cells) if cell.role in RUNS and i not in idle]
    definitions = [i for i in touched if patterns.defines(name, cells[i].source)]
    named = definitions or [i for i in touched if i in own]
    return named if named or own else [i for i in touched if patterns.assigns(name, cells[i].source)]


def stubs_aside(cells: list[Cell], lesson: Lesson) -> tuple[list[Cell], list[str]]:
    """Leave out each untouched stub whose exercise is written elsewhere; below the answer it would win."""
    result, notes = list(cells), []
    for name in lesson.points:
        answers, stub = written(cells, lesson, name), patterns.bare(lesson.cell(name).source)
        for i, cell in enumerate(cells):
            of_name = cell.role == "exercise" and cell.exercise == name
            if answers and of_name and patterns.bare(cell.source) == stub:
                result[i] = replace(cell, role="skip")
                if i > answers[-1]:
                    notes.append(f"the untouched stub of {name} stands below the answer and was left out")
    return result, notes


def one_check(cells: list[Cell], lesson: Lesson, name: str) -> tuple[list[Cell], list[str]]:
    """Leave exactly one labelled answer and one check of `name`, below the answer and what it calls."""
    own = [i for i, cell in enumerate(cells) if cell.exercise == name and cell.role in ("exercise", "skip")]
    checks = [i for i, cell in enumerate(cells) if cell.exercise == name and cell.role == "check"]
    answers = written(cells, lesson, name)
    if not own and not checks and not answers:
        return cells, []
    original = lesson.cell(f"check_{name}")
    notes = _said_of(name, answers, own, [cells[i] for i in checks], original, cells)
    last = max((answers or own)[-1:], default=-1)
    if -1 < (checks or [last])[-1] < last:
        notes.append(f"{name} is written below its check; the check was moved down")
    place = max([last, *checks[-1:]])
    later = list(lesson.points)[list(lesson.points).index(name) :]  # the lesson's own order needs no repair
    needed, place = _needed_below(cells, answers, place, set(later))
    if needed:
        notes.append(f"{name} uses {', '.join(needed)}, written below its check; the check was moved down")
    labelled = next((i for i in reversed(answers) if cells[i].exercise in (name, None)), max(own, default=-1))
    result = []
    for i, cell in enumerate(cells):
        if i in answers and cell.exercise is None:
            cell = replace(cell, role="exercise", exercise=name)
        if i in (*own, *answers) and cell.exercise == name:
            # nbgrader stops at two cells of one grade_id
            cell = replace(cell, grade_id=name if i == labelled else None)
        if i in checks and patterns.defined(own_code := patterns.without_checks(cell.source)):
            result.append(replace(cell, source=own_code, role="run", exercise=None, grade_id=None))
        if i not in checks:
            result.append(cell)
        if i == place:
            result.append(original)
    return result, notes


def _said_of(
    name: str, answers: list[int], own: list[int], checks: list[Cell], original: Cell, cells: list[Cell]
) -> list[str]:
    notes = []
    times = sum(patterns.defines(name, cells[i].source) for i in answers)
    if times > 1:
        notes.append(f"{name} is written {times} times; the last one was graded")
    if len(checks) > 1:
        notes.append(f"the check of {name} stood there {len(checks)} times; it was kept once")
    if not checks and (answers or own):
        notes.append(f"the check of {name} was missing; it was put back")
    if any(_plain(check) != _plain(original) for check in checks):
        notes.append(f"the check of {name} had been changed; the original was used")
    return notes


def _plain(check: Cell) -> str:
    return patterns.bare(check.source).replace("'", '"')


def _needed_below(
    cells: list[Cell], answers: list[int], place: int, later: set[str]
) -> tuple[list[str], int]:
    """What the answer calls that is defined only below `place`, `later` aside, and the last such place."""
    if not answers:
        return [], place
    runs = [(i, cell.source) for i, cell in enumerate(cells) if cell.role in RUNS]
    known = later.union(name for i, text in runs if i <= place for name in patterns.defined(text))
    wanted, needed, last = patterns.called(cells[answers[-1]].source) - known, [], place
    for i, text in runs:
        here = [name for name in patterns.defined(text) if i > place and name in wanted]
        if here:
            needed, last = [*needed, *here], i
            known.update(patterns.defined(text))
            wanted = (wanted | patterns.called(text)) - known
    return needed[:5], last
