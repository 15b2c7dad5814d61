"""What formgrader opens: the repaired notebook, with what its cells printed and what each check said.

Every output here is plain text that the grader wrote or capped; a submission's own outputs never get this
far.
"""

import json
from datetime import UTC, datetime

import nbformat

from segcourse.exercises.display import text
from segcourse.files import replacing
from segcourse.grading.course import Course
from segcourse.grading.notebooks import Cell, Lesson
from segcourse.grading.scoring.result import OwnTest, Result

RECORD = "segcourse.json"
NBGRADERS_OWN = ("timestamp.txt", "submission_secret.txt")  # its exchange leaves them with a submission


def write(course: Course, lesson: Lesson, result: Result) -> None:
    """Write autograded/<student>/<lesson>: the notebook, and what nbgrader's exchange wants to find beside it
    and beside the student's page.
    """
    folder = course.autograded(result.student, lesson.name)
    with replacing(folder / f"{lesson.name}.ipynb") as temporary:
        nbformat.write(notebook(lesson, result), temporary)
    for name in NBGRADERS_OWN:
        given = course.submitted(result.student, lesson.name) / name
        if given.is_symlink() or not given.is_file():
            continue
        for target in (folder, course.feedback(result.student, lesson.name).parent):
            with replacing(target / name) as temporary, given.open("rb") as file:
                temporary.write_bytes(file.read(1000))


def sign(course: Course, result: Result, fingerprint: str) -> None:
    """Write the record: the whole result but its cells. It comes last; where it is, nothing is missing."""
    record = result.to_json() | {"fingerprint": fingerprint}
    record |= {"graded_at": datetime.now(UTC).isoformat(timespec="seconds"), "cells": [], "printed": {}}
    with replacing(course.autograded(result.student, result.lesson) / RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=1))


def signed(course: Course, student: str, lesson: str, fingerprint: str) -> Result | None:
    """The result in the record, if it was made under the same `fingerprint`."""
    try:
        record = json.loads((course.autograded(student, lesson) / RECORD).read_text())
        return Result.from_json(record) if record["fingerprint"] == fingerprint else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def graded_before(course: Course, student: str, lesson: str) -> str | None:
    """The digest of the submission that was graded last, if it is known."""
    try:
        return json.loads((course.autograded(student, lesson) / RECORD).read_text())["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def notebook(lesson: Lesson, result: Result) -> nbformat.NotebookNode:
    """The notebook for formgrader; where nothing could be graded, the lesson's own below the reason."""
    said = [f"**{result.status}**", *(f"- {line}" for line in (*result.repairs, *result.stops))]
    report = _plain_markdown("\n".join(said))
    cells = [{"cell_type": "markdown", "id": "grading-report", "metadata": {}, "source": report}]
    shown = result.cells or lesson.cells
    verdicts = {verdict.name: verdict for verdict in result.verdicts}
    tests = {test.grade_id: test for test in result.tests if test.kind == "test"}
    for index, cell in enumerate(shown):
        told = []
        if cell.role == "check" and cell.exercise in verdicts:
            told.append(text(verdicts[cell.exercise]))
        elif cell.role == "test" and cell.grade_id in tests:
            told.append(_headline(tests[cell.grade_id]))  # first: hidden tests may have shown what follows
        if cell.role != "check" and result.printed.get(index):
            told.append(result.printed[index])
        cells.append(_cell(lesson, cell, f"cell-{index}", told))
    kernel = {name: value for name, value in lesson.notebook.metadata.items() if name == "kernelspec"}
    made = {"nbformat": 4, "nbformat_minor": 5, "cells": cells}
    # nbformat's own functions would check each cell by itself; writing checks the whole
    return nbformat.from_dict(made | {"metadata": kernel | {"language_info": {"name": "python"}}})


def _cell(lesson: Lesson, cell: Cell, name: str, told: list[str]) -> dict:
    metadata = {"nbgrader": dict(lesson.metadata[cell.grade_id])} if cell.grade_id in lesson.metadata else {}
    made = {"cell_type": cell.kind, "id": name, "metadata": metadata, "source": cell.source}
    if cell.kind != "code":
        return made
    outputs = [{"output_type": "stream", "name": "stdout", "text": line} for line in told]
    return made | {"execution_count": None, "outputs": outputs}


def _headline(test: OwnTest) -> str:
    points = "not yet graded" if test.points is None else f"{test.points:.3g} of {test.max_points:.3g} points"
    return f"{test.grade_id}, the instructor's own test: {points}\n{test.says}\n"


def _plain_markdown(line: str) -> str:
    """File names and messages come from students: nothing in them may become a tag, a link or a picture."""
    return line.replace("&", "&amp;").replace("<", "&lt;").replace("[", "&#91;")
