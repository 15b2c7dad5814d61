"""Is a notebook ready to hand in: what the grader will find in it, said before it does. Nothing is executed.

The cells are found by the grader's own code, so that the answer here and the answer there are one.
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
from segcourse.grading.submissions.recognise import Admitted, admit

MEGABYTES = 50


def findings(path: Path) -> list[Finding]:
    """What a grader would find in the notebook at `path`: which lesson it is, then exercise by exercise.

    Raises:
        OSError: the file cannot be read.
    """
    data = Path(path).read_bytes()
    try:
        lesson, admitted = _recognise(data, Path(path).stem)
    except SegcourseError as refusal:
        return [Finding("Notebook", "problem", str(refusal))]
    found = [Finding("Notebook", "ok", f"{lesson.name}, {sum(lesson.points.values()):g} points to be had.")]
    found += [_exercise(name, lesson, admitted) for name in lesson.points]
    for cell in admitted.cells:
        if cell.role == "run" and (error := _syntax_error(cell)):
            found.append(Finding("Cell", "problem", f"{cell}: {error}; what it defines will be missing."))
    return found + [Finding("Repair", "note", f"{repair}.") for repair in admitted.repairs]


def _recognise(data: bytes, stem: str) -> tuple[Lesson, Admitted]:
    """The lesson that this notebook answers: the one it is called after, else the first that fits."""
    read_notebook(data, MEGABYTES)  # what is no notebook at all is refused for that
    refusals = {}
    for path in sorted(lessons.notebooks(), key=lambda path: path.stem != stem):
        try:
            lesson = read_lesson(path)
            return lesson, admit(data, lesson, MEGABYTES)
        except SegcourseError as refusal:  # another lesson's notebook; or a lesson without exercises
            refusals[path.stem] = refusal
    raise refusals.get(stem) or Refused(f"it holds no exercise of any lesson here ({', '.join(refusals)}).")


def _exercise(name: str, lesson: Lesson, admitted: Admitted) -> Finding:
    hint = admitted.hints.get(name)
    if name in admitted.missing:
        gone = "its cell is gone; copy it from a fresh lesson: segcourse start FOLDER."
        return Finding(name, "problem", hint or gone)
    if name in admitted.untouched:
        return Finding(name, "note", hint or f"not started, {lesson.points[name]:g} points.")
    cell = admitted.cells[admitted.answers[name][-1]]
    if error := _syntax_error(cell):
        return Finding(name, "problem", f"{error}; without a repair it earns no points.")
    if hint:
        # a line that raises may be meant; whatever else a hint names leaves nothing to look at
        return Finding(name, "note" if "raise NotImplementedError" in hint else "problem", hint)
    return Finding(name, "ok", "written; run its check to see its points.")


def _syntax_error(cell: Cell) -> str | None:
    """Where Python would stop reading this cell, magics aside."""
    try:
        source = TransformerManager().transform_cell(cell.source)
        compile(source, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
    except (SyntaxError, ValueError) as error:
        return f"line {getattr(error, 'lineno', None) or '?'}: {getattr(error, 'msg', error)}"
    return None
