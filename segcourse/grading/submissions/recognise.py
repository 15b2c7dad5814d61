"""Step 1, admit: from the bytes that a student handed in to a notebook that can be run, with every repair
said.

Cells are found by nbgrader's grade_id, else by their cell id, else by what they say: editors such as Colab
drop metadata. The repaired notebook has each exercise's check exactly once, after the student's last
definition and what that needs.
"""

from dataclasses import dataclass, replace

from segcourse.grading.notebooks import Cell, Lesson, Refused
from segcourse.grading.submissions import patterns, repair
from segcourse.grading.submissions.locked_cells import put_back
from segcourse.grading.submissions.read import read_notebook


@dataclass(frozen=True)
class Admitted:
    """A submission ready to run: its cells in order, what was repaired, which exercises it leaves open.

    `answers` says in which cells an exercise is written; `hints` holds a sentence for exercises whose text
    explains why nothing of them may be seen.
    """

    cells: tuple[Cell, ...]
    repairs: tuple[str, ...]
    missing: frozenset[str]
    untouched: frozenset[str]
    answers: dict[str, tuple[int, ...]]
    hints: dict[str, str]


def admit(data: bytes, lesson: Lesson, max_megabytes: float = 50) -> Admitted:
    """Recognise the cells of a submission and put right what can be put right.

    Raises:
        Refused: `data` is not a notebook, is too big, or is another lesson's notebook.
    """
    cells, repairs = read_notebook(data, max_megabytes)
    cells, notes = repair.without_elsewhere(cells)
    repairs += notes
    cells, notes = repair.code_again(cells, lesson)
    repairs += notes
    cells, lost = _recognise(cells, lesson)
    if not any(cell.role in ("exercise", "check", "test", "manual", "task") for cell in cells):
        raise Refused(_wrong_lesson(cells, lesson))
    if lost:
        repairs.append(
            f"the labels of {lost} cell(s) were lost (some editors drop them); found by what they say"
        )
    cells, notes = repair.stubs_aside(cells, lesson)
    repairs += notes
    for name in lesson.points:
        cells, notes = repair.one_check(cells, lesson, name)
        repairs += notes
    cells, notes = put_back(cells, lesson)
    repairs += notes
    answers = {name: tuple(repair.written(cells, lesson, name)) for name in lesson.points}
    stubs = {cell.exercise for cell in cells if cell.role == "exercise"}
    untouched = frozenset(name for name, places in answers.items() if not places and name in stubs)
    missing = frozenset(name for name, places in answers.items() if not places and name not in stubs)
    repairs += [f"the cell of {name} is missing" for name in lesson.points if name in missing]
    return Admitted(tuple(cells), tuple(repairs), missing, untouched, answers, _hints(cells, lesson, answers))


def _hints(cells: list[Cell], lesson: Lesson, answers: dict[str, tuple[int, ...]]) -> dict[str, str]:
    given = {patterns.bare(cell.source) for cell in lesson.cells}
    own = [c.source for c in cells if c.role in repair.RUNS and patterns.bare(c.source) not in given]
    known = {name for cell in lesson.cells for name in patterns.defined(cell.source)} | lesson.points.keys()
    said = {
        name: patterns.hint(name, cells[places[-1]].source if places else "", own, known)
        for name, places in answers.items()
    }
    return {name: sentence for name, sentence in said.items() if sentence}


def _recognise(cells: list[Cell], lesson: Lesson) -> tuple[list[Cell], int]:
    """Give each cell its role, exercise and grade_id; count the cells that had lost their labels."""
    by_grade_id = {cell.grade_id: cell for cell in lesson.cells if cell.grade_id}
    by_id = {cell.id: cell for cell in lesson.cells if cell.id}
    by_source = {lesson.handed_out(cell).strip(): cell for cell in lesson.cells}
    labelled = {cell.grade_id for cell in cells}
    result, lost = [], 0
    for cell in cells:
        twin = by_grade_id.get(cell.grade_id) or by_id.get(cell.id)
        if twin is None and (same := by_source.get(cell.source.strip())):
            twin = same if same.grade_id not in labelled or not same.grade_id else None
        if twin is None or ((twin.kind == "code") != (cell.kind == "code") and twin.role != "manual"):
            twin = _by_text(cell, lesson, labelled)
        if twin is None:
            only_checks = patterns.CHECK.search(cell.source) and not patterns.without_checks(cell.source)
            role = "skip" if cell.role == "run" and only_checks else cell.role
            result.append(replace(cell, role=role, grade_id=None))
            continue
        lost += bool(twin.grade_id and twin.grade_id not in labelled)
        role, exercise, grade_id = twin.role, twin.exercise, twin.grade_id
        if role == "check" and patterns.defines(exercise, cell.source):
            role, grade_id = "exercise", exercise  # an answer in the check's own cell is still an answer
        if role == "skip" and cell.source.strip() != twin.source.strip():
            role = "run"  # a student who wrote into a demonstration's cell wants it to be run
        result.append(replace(cell, role=role, exercise=exercise, grade_id=grade_id, tags=twin.tags))
    return result, lost


def _by_text(cell: Cell, lesson: Lesson, labelled: set[str | None]) -> Cell | None:
    """The lesson's exercise or check that an unlabelled cell must be, going by what it says."""
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
    """Say which lesson's notebook this is, if it is one's."""
    from segcourse import exercises

    text = "\n".join(cell.source for cell in cells if cell.role != "text")
    for name in exercises.names():
        other = exercises.get(name).lesson
        if other != lesson.name and (patterns.defines(name, text) or f'check("{name}"' in text):
            return (
                f"this is the notebook of {other}, handed in as {lesson.name}; hand in {lesson.name}.ipynb."
            )
    return f"none of the exercises of {lesson.name} was found in it; hand in {lesson.name}.ipynb."
