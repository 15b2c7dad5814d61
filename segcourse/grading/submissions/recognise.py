"""Match a submission's cells with the lesson's, and repair what can be repaired.

Cells are found by nbgrader's grade_id, else by their cell id, else by their content, because editors such as
Colab drop metadata. The repaired notebook has each exercise's check exactly once, after the student's last
definition and everything that the definition needs.
"""

from dataclasses import dataclass, replace

from segcourse.grading.notebooks import Cell, Lesson, Refused
from segcourse.grading.submissions import patterns, repair
from segcourse.grading.submissions.locked_cells import restore_locked_cells
from segcourse.grading.submissions.read import read_notebook


@dataclass(frozen=True)
class Submission:
    """A submission that is ready to run.

    Attributes:
        cells: The repaired notebook's cells, in order.
        repairs: A sentence about each repair.
        missing: The exercises whose cell was not found.
        untouched: The exercises that were not started.
        answers: The cells that answer each exercise.
        hints: Why nothing right may be observed of an exercise, if its source code shows a reason.
    """

    cells: tuple[Cell, ...]
    repairs: tuple[str, ...]
    missing: frozenset[str]
    untouched: frozenset[str]
    answers: dict[str, tuple[int, ...]]
    hints: dict[str, str]

    def check(self, exercise: str) -> int | None:
        """Return the place of the exercise's check."""
        cells = enumerate(self.cells)
        return next((i for i, cell in cells if cell.role == "check" and cell.exercise == exercise), None)


def recognise(data: bytes, lesson: Lesson, max_megabytes: float = 50) -> Submission:
    """Recognise and repair the cells of a submitted notebook.

    Raises:
        Refused: The data is not a notebook, is too big, or is the notebook of another lesson.
    """
    cells, repairs = read_notebook(data, max_megabytes)
    for fix in (repair.remove_foreign_lines, repair.restore_code_cells):
        cells, notes = fix(cells, lesson)
        repairs += notes
    cells, unlabelled = _match(cells, lesson)
    if not any(cell.role in ("exercise", "check", "test", "manual", "task") for cell in cells):
        raise Refused(_wrong_lesson(cells, lesson))
    if unlabelled:
        found = "recognised by their content (some editors drop the labels)"
        repairs.append(f"{unlabelled} cell(s) had lost their nbgrader labels and were {found}")
    for fix in (repair.skip_stubs, repair.place_checks, restore_locked_cells):
        cells, notes = fix(cells, lesson)
        repairs += notes
    answers = {name: tuple(repair.find_answers(cells, lesson, name)) for name in lesson.points}
    stubs = {cell.exercise for cell in cells if cell.role == "exercise"}
    untouched = frozenset(name for name, places in answers.items() if not places and name in stubs)
    missing = frozenset(name for name, places in answers.items() if not places and name not in stubs)
    repairs += [f"the cell of {name} is missing" for name in lesson.points if name in missing]
    hints = _hints(cells, lesson, answers)
    return Submission(tuple(cells), tuple(repairs), missing, untouched, answers, hints)


def _hints(cells: list[Cell], lesson: Lesson, answers: dict[str, tuple[int, ...]]) -> dict[str, str]:
    given = {patterns.normalized(cell.source) for cell in lesson.cells}
    own = [c.source for c in cells if c.role in repair.RUNS and patterns.normalized(c.source) not in given]
    known = {name for cell in lesson.cells for name in patterns.definitions(cell.source)}
    known |= lesson.points.keys()
    hints = {
        name: patterns.hint(name, cells[places[-1]].source if places else "", own, known)
        for name, places in answers.items()
    }
    return {name: hint for name, hint in hints.items() if hint}


def _match(cells: list[Cell], lesson: Lesson) -> tuple[list[Cell], int]:
    """Give each cell its role, exercise and grade_id; also return how many had lost their labels."""
    by_grade_id = {cell.grade_id: cell for cell in lesson.cells if cell.grade_id}
    by_id = {cell.id: cell for cell in lesson.cells if cell.id}
    by_source = {lesson.released_source(cell).strip(): cell for cell in lesson.cells}
    labelled = {cell.grade_id for cell in cells}
    result, unlabelled = [], 0
    for cell in cells:
        rehearses = patterns.REHEARSAL.search(cell.source)  # it would run the notebook once more
        original = by_grade_id.get(cell.grade_id) or by_id.get(cell.id)
        if original is None and (same := by_source.get(cell.source.strip())):
            original = same if same.grade_id not in labelled or not same.grade_id else None
        wrong_kind = original and (original.kind == "code") != (cell.kind == "code")
        if original is None or (wrong_kind and original.role != "manual"):
            original = _match_by_content(cell, lesson, labelled)
        if original is None:
            only_checks = patterns.CHECK.search(cell.source) and not patterns.without_checks(cell.source)
            role = "skip" if cell.role == "run" and (only_checks or rehearses) else cell.role
            result.append(replace(cell, role=role, grade_id=None))
            continue
        unlabelled += bool(original.grade_id and original.grade_id not in labelled)
        role, exercise, grade_id = original.role, original.exercise, original.grade_id
        if role == "check" and patterns.defines(exercise, cell.source):
            role, grade_id = "exercise", exercise  # an answer in the check's own cell is still an answer
        if (
            role == "skip"
            and not rehearses
            and patterns.normalized(cell.source) != patterns.normalized(original.source)
        ):
            role = "run"  # a student who edits a demonstration's code wants it to run
        result.append(replace(cell, role=role, exercise=exercise, grade_id=grade_id, tags=original.tags))
    return result, unlabelled


def _match_by_content(cell: Cell, lesson: Lesson, labelled: set[str | None]) -> Cell | None:
    """Return the lesson's exercise or check that an unlabelled cell defines or calls."""
    if cell.role != "run":
        return None
    for name in lesson.points:
        if patterns.defines(name, cell.source):
            return lesson.cell(name)
    if check := patterns.CHECK.fullmatch(cell.source.strip()):
        name = check.group(2)
        if name in lesson.points and f"check_{name}" not in labelled:
            return lesson.cell(f"check_{name}")
    return None


def _wrong_lesson(cells: list[Cell], lesson: Lesson) -> str:
    """Return a sentence that names the lesson whose notebook this is, if it is one."""
    from segcourse import exercises

    text = "\n".join(cell.source for cell in cells if cell.role != "text")
    for name in exercises.names():
        other = exercises.get(name).lesson
        if other != lesson.name and (patterns.defines(name, text) or f'check("{name}"' in text):
            return (
                f"this is the notebook of {other}, handed in as {lesson.name}; hand in {lesson.name}.ipynb."
            )
    return f"the notebook contains no exercise of {lesson.name}; hand in {lesson.name}.ipynb."
