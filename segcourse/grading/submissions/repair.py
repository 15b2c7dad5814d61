"""Put an exercise's cells in order, so that its check meets the student's own answer.

Notebooks are edited and run in any order. Answers may come after their checks, helper functions after the
answers, untouched stubs after both, and an answer's cell may have become a text cell.
"""

from dataclasses import replace

from segcourse.grading.notebooks import Cell, Lesson
from segcourse.grading.submissions import patterns

RUNS = ("run", "exercise")


def remove_foreign_lines(cells: list[Cell], lesson: Lesson) -> tuple[list[Cell], list[str]]:
    """Remove the lines that only work in another editor or on a GPU; also return the repairs."""
    on_colab = any(patterns.IMPORTS_COLAB.search(cell.source) for cell in cells)
    result, notes = [], []
    for cell in cells:
        source, removed = cell.source, []
        if cell.kind == "code":
            source, removed = patterns.without_foreign_lines(cell.source, on_colab)
        if removed:
            what = "lines that only work in another editor or on a GPU"
            notes.append(f"{what} were removed from {cell}: {'; '.join(removed[:5])}")
        result.append(replace(cell, source=source))
    return result, notes


def restore_code_cells(cells: list[Cell], lesson: Lesson) -> tuple[list[Cell], list[str]]:
    """Turn exercises and code of the lesson that became text back into code; also return the repairs."""
    texts = {cell.source.strip() for cell in lesson.cells if cell.kind != "code"}
    answers = {cell.grade_id for cell in lesson.cells if cell.kind != "code" and cell.grade_id}
    codes = {cell.source.strip() for cell in lesson.cells if cell.role == "run"}
    result, notes = [], []
    for cell in cells:
        source = cell.source.strip()
        answered = [name for name in lesson.points if patterns.defines(name, source)]
        intended = cell.kind == "code" or source in texts or cell.grade_id in answers or "```" in source
        if not intended and (answered or source in codes):
            cell = replace(cell, kind="code", role="run")
            name = f"the cell of {answered[0]}" if answered else str(cell)
            notes.append(f"{name} had been turned into text and was run as code")
        result.append(cell)
    return result, notes


def find_answers(cells: list[Cell], lesson: Lesson, name: str) -> list[int]:
    """Return the cells that define `name`, or else its own cell if the student has edited it."""
    stub = patterns.normalized(lesson.cell(name).source)
    own = [i for i, cell in enumerate(cells) if cell.exercise == name and cell.role in ("exercise", "skip")]
    untouched = {i for i in own if patterns.normalized(cells[i].source) == stub}
    edited = [i for i, cell in enumerate(cells) if cell.role in RUNS and i not in untouched]
    defining = [i for i in edited if patterns.defines(name, cells[i].source)]
    found = defining or [i for i in edited if i in own]
    return found if found or own else [i for i in edited if patterns.assigns(name, cells[i].source)]


def skip_stubs(cells: list[Cell], lesson: Lesson) -> tuple[list[Cell], list[str]]:
    """Skip each untouched stub whose exercise is answered elsewhere; also return the repairs.

    A stub that runs after the answer would overwrite it.
    """
    result, notes = list(cells), []
    for name in lesson.points:
        answers, stub = find_answers(cells, lesson, name), patterns.normalized(lesson.cell(name).source)
        for i, cell in enumerate(cells):
            is_exercise = cell.role == "exercise" and cell.exercise == name
            if answers and is_exercise and patterns.normalized(cell.source) == stub:
                result[i] = replace(cell, role="skip")
                if i > answers[-1]:
                    notes.append(f"the untouched stub of {name} came after the answer and was skipped")
    return result, notes


def place_checks(cells: list[Cell], lesson: Lesson) -> tuple[list[Cell], list[str]]:
    """Give each exercise one check, after its answer and what the answer needs; also return the repairs."""
    repairs = []
    for name in lesson.points:
        cells, notes = _place_check(cells, lesson, name)
        repairs += notes
    return cells, repairs


def _place_check(cells: list[Cell], lesson: Lesson, name: str) -> tuple[list[Cell], list[str]]:
    own = [i for i, cell in enumerate(cells) if cell.exercise == name and cell.role in ("exercise", "skip")]
    checks = [i for i, cell in enumerate(cells) if cell.exercise == name and cell.role == "check"]
    answers = find_answers(cells, lesson, name)
    if not own and not checks and not answers:
        return cells, []
    original = lesson.cell(f"check_{name}")
    notes = []
    times = sum(patterns.defines(name, cells[i].source) for i in answers)
    if times > 1:
        notes.append(f"{name} is defined {times} times; the last definition was graded")
    if len(checks) > 1:
        notes.append(f"the check of {name} appeared {len(checks)} times and was kept once")
    if not checks and (answers or own):
        notes.append(f"the check of {name} was missing and was restored")
    if any(_normalized_check(cells[i]) != _normalized_check(original) for i in checks):
        notes.append(f"the check of {name} had been changed and was replaced by the original")
    last = max((answers or own)[-1:], default=-1)
    if -1 < (checks or [last])[-1] < last:
        notes.append(f"{name} is defined after its check; the check was moved down")
    later = list(lesson.points)[list(lesson.points).index(name) :]  # the lesson's own order needs no repair
    needed, place = _needed_below(cells, answers, max([last, *checks[-1:]]), set(later))
    if needed:
        names = ", ".join(needed)
        notes.append(f"{name} uses {names}, defined after its check; the check was moved down")
    labelled = next((i for i in reversed(answers) if cells[i].exercise in (name, None)), max(own, default=-1))
    result = []
    for i, cell in enumerate(cells):
        if i in answers and cell.exercise is None:
            cell = replace(cell, role="exercise", exercise=name)
        if i in (*own, *answers) and cell.exercise == name:
            # nbgrader stops at two cells with one grade_id
            cell = replace(cell, grade_id=name if i == labelled else None)
        if i in checks:  # keep the student's own code in a check's cell
            if patterns.definitions(own_code := patterns.without_checks(cell.source)):
                result.append(replace(cell, source=own_code, role="run", exercise=None, grade_id=None))
        else:
            result.append(cell)
        if i == place:
            result.append(original)
    return result, notes


def _normalized_check(check: Cell) -> str:
    return patterns.normalized(check.source).replace("'", '"')


def _needed_below(
    cells: list[Cell], answers: list[int], place: int, later: set[str]
) -> tuple[list[str], int]:
    """Find what the answer calls that is defined only below `place`, except for the names in `later`.

    Returns:
        The names, and the last cell that defines one of them.
    """
    if not answers:
        return [], place
    runs = [(i, cell.source) for i, cell in enumerate(cells) if cell.role in RUNS]
    known = later.union(name for i, text in runs if i <= place for name in patterns.definitions(text))
    wanted, needed, last = patterns.calls(cells[answers[-1]].source) - known, [], place
    for i, text in runs:
        here = [name for name in patterns.definitions(text) if i > place and name in wanted]
        if here:
            needed, last = [*needed, *here], i
            known.update(patterns.definitions(text))
            wanted = (wanted | patterns.calls(text)) - known
    return needed[:5], last
