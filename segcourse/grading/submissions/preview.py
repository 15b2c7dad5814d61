"""Preview for students: what the grader will find in a notebook. Nothing is executed.

The cells are found by the grader's own code, so that both always agree.
"""

import ast
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

from segcourse.course import lessons
from segcourse.course.doctor import Finding
from segcourse.errors import SegcourseError
from segcourse.grading.lesson import read_lesson
from segcourse.grading.notebooks import Cell, Lesson, Refused
from segcourse.grading.submissions.read import read_notebook
from segcourse.grading.submissions.recognise import Submission, recognise

MEGABYTES = 50


def findings(path: Path) -> list[Finding]:
    """Return what a grader would find in the notebook at `path`: its lesson, then each exercise.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        return described(*find_lesson(Path(path).read_bytes(), Path(path).stem))
    except SegcourseError as refusal:
        return [Finding("Notebook", "problem", str(refusal))]


def described(lesson: Lesson, submission: Submission) -> list[Finding]:
    """Return the findings about a notebook whose lesson is known."""
    found = [Finding("Notebook", "ok", f"{lesson.name}, {sum(lesson.points.values()):g} points.")]
    found += [_exercise(name, lesson, submission) for name in lesson.points]
    for cell in submission.cells:
        if cell.role == "run" and (error := _syntax_error(cell)):
            found.append(Finding("Cell", "problem", f"{cell}: {error}; what it defines will be missing."))
    return found + [Finding("Repair", "note", f"{repair}.") for repair in submission.repairs]


def find_lesson(data: bytes, stem: str) -> tuple[Lesson, Submission]:
    """Return the lesson that a notebook belongs to, by its file name or else by its content.

    Raises:
        SegcourseError: It is no notebook of any lesson.
    """
    read_notebook(data, MEGABYTES)  # refuses what is not a notebook at all
    refusals = {}
    for path in sorted(lessons.notebooks(), key=lambda path: path.stem != stem):
        try:
            lesson = read_lesson(path)
            return lesson, recognise(data, lesson, MEGABYTES)
        except SegcourseError as refusal:  # it belongs to another lesson, or this lesson has no exercises
            refusals[path.stem] = refusal
    known = ", ".join(refusals)
    raise refusals.get(stem) or Refused(f"the notebook contains no exercise of any lesson here ({known}).")


def _exercise(name: str, lesson: Lesson, submission: Submission) -> Finding:
    hint = submission.hints.get(name)
    if name in submission.missing:
        missing = "its cell is missing; copy it from a fresh lesson: segcourse start FOLDER."
        return Finding(name, "problem", hint or missing)
    if name in submission.untouched:
        return Finding(name, "note", hint or f"not started, {lesson.points[name]:g} points.")
    cell = submission.cells[submission.answers[name][-1]]
    if error := _syntax_error(cell):
        return Finding(name, "problem", f"{error}; it earns no points until you fix this.")
    if hint:
        # a line that raises may be intended; all other hints mean that nothing can be observed
        return Finding(name, "note" if "raise NotImplementedError" in hint else "problem", hint)
    return Finding(name, "ok", "written; run its check to see its points.")


def _syntax_error(cell: Cell) -> str | None:
    """Return where Python cannot parse this cell, apart from magics."""
    try:
        source = TransformerManager().transform_cell(cell.source)
        compile(source, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
    except (SyntaxError, ValueError) as error:
        return f"line {getattr(error, 'lineno', None) or '?'}: {getattr(error, 'msg', error)}"
    return None
