"""The autograded/ folder: the repaired notebook for formgrader, and the record of the result.

Every output in that notebook is plain text that the grader wrote or capped. A submission's own outputs never
get here. Text cells that a student wrote or changed are sanitised.
"""

import html
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat

from segcourse.exercises.engine.display import text
from segcourse.files import replacing
from segcourse.grading.course import RECORD, Course
from segcourse.grading.gradebook.inert_text import inert_text
from segcourse.grading.notebooks import Cell, Lesson
from segcourse.grading.scoring.result import InstructorCell, Result

EXCHANGE_FILES = ("timestamp.txt", "submission_secret.txt")  # nbgrader's exchange adds these to a submission


def write_notebook(course: Course, lesson: Lesson, result: Result) -> None:
    """Write the notebook, and copy nbgrader's files to it and to the feedback page."""
    folder = course.autograded(result.student, lesson.name)
    with replacing(folder / f"{lesson.name}.ipynb") as temporary:
        nbformat.write(make_notebook(lesson, result), temporary)
    for name in EXCHANGE_FILES:
        given = course.submitted(result.student, lesson.name) / name
        try:
            if given.is_symlink() or not given.is_file():
                continue
            with given.open("rb") as file:
                content = file.read(1000)
        except OSError:  # a file that cannot be read is reported with the time of submission
            continue
        with given.open("rb") as file:
            content = file.read(1000)
        for target in (folder, course.feedback(result.student, lesson.name).parent):
            with replacing(target / name) as temporary:
                temporary.write_bytes(content)


def write_record(course: Course, result: Result, fingerprint: str) -> None:
    """Write the result without its cells; it is written last and shows that grading is complete.

    A result that is not final has no fingerprint, so that the next run grades the submission again.
    """
    record = result.to_json() | {"fingerprint": fingerprint if result.is_final else None}
    record |= {"graded_at": datetime.now(UTC).isoformat(timespec="seconds"), "cells": [], "printed": {}}
    with replacing(record_path(course, result.student, result.lesson)) as temporary:
        temporary.write_text(json.dumps(record, indent=1))


def read_record(course: Course, student: str, lesson: str) -> dict[str, Any]:
    """Return the record of a student's last graded submission; {} if there is none or it cannot be read."""
    try:
        record = json.loads(record_path(course, student, lesson).read_text())
    except (OSError, ValueError):
        return {}
    return record if type(record) is dict else {}


def read_cells(course: Course, student: str, lesson: str) -> list[dict[str, Any]]:
    """Return the cells of a student's autograded notebook; none if it is missing or cannot be read."""
    path = course.autograded(student, lesson) / f"{lesson}.ipynb"
    try:
        return json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def read_answers(course: Course, student: str, lesson: str) -> dict[str, str]:
    """Return the source of each labelled cell of a student's autograded notebook, by grade_id."""
    cells = read_cells(course, student, lesson)
    labelled = ((cell.get("metadata", {}).get("nbgrader", {}).get("grade_id"), cell) for cell in cells)
    return {name: "".join(cell["source"]) for name, cell in labelled if name}


def record_path(course: Course, student: str, lesson: str) -> Path:
    return course.autograded(student, lesson) / RECORD


def make_notebook(lesson: Lesson, result: Result) -> nbformat.NotebookNode:
    """Return the notebook for formgrader; if nothing could be graded, it has the lesson's own cells."""
    lines = [f"**{result.status}**\n", *(f"- {line}" for line in (*result.repairs, *result.stopped_cells))]
    report = inert_text(html.escape("\n".join(lines), quote=False))  # file names of students are in there
    cells = [{"cell_type": "markdown", "id": "grading-report", "metadata": {}, "source": report}]
    verdicts = {verdict.name: verdict for verdict in result.verdicts}
    tests = {test.grade_id: test for test in result.tests if test.kind == "test"}
    for index, cell in enumerate(result.cells or lesson.cells):
        outputs = []
        if cell.role == "check" and cell.exercise in verdicts:
            outputs.append(text(verdicts[cell.exercise]))
        elif cell.role == "test" and cell.grade_id in tests:
            outputs.append(_headline(tests[cell.grade_id]))  # first: what follows may come from a hidden test
        if cell.role != "check" and result.printed.get(index):
            outputs.append(result.printed[index])
        cells.append(_cell(lesson, cell, f"cell-{index}", outputs))
    kernel = {name: value for name, value in lesson.notebook.metadata.items() if name == "kernelspec"}
    made = {"nbformat": 4, "nbformat_minor": 5, "cells": cells}
    # nbformat's own functions would validate each cell separately; writing validates the whole notebook
    return nbformat.from_dict(made | {"metadata": kernel | {"language_info": {"name": "python"}}})


def _cell(lesson: Lesson, cell: Cell, name: str, outputs: list[str]) -> dict:
    metadata = {"nbgrader": dict(lesson.metadata[cell.grade_id])} if cell.grade_id in lesson.metadata else {}
    made = {"cell_type": cell.kind, "id": name, "metadata": metadata, "source": cell.source}
    if cell.kind != "code":
        ours = cell.source in (own.source for own in lesson.cells)
        return made if ours else made | {"cell_type": "markdown", "source": inert_text(cell.source)}
    streams = [{"output_type": "stream", "name": "stdout", "text": output} for output in outputs]
    return made | {"execution_count": None, "outputs": streams}


def _headline(test: InstructorCell) -> str:
    points = "not graded yet" if test.points is None else f"{test.points:.3g} of {test.max_points:.3g} points"
    return f"{test.grade_id}, the instructor's own test: {points}\n{test.says}\n"
