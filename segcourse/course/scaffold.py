"""Write a new lesson's notebook and text, or add new exercises to it: `make lesson NAME=12_your_lesson`.

Headings, stubs and checks come from the exercises in `segcourse/exercises/l12_your_lesson/`. What the
author has to write is marked TODO.
"""

import inspect
import re
import sys

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from segcourse import exercises
from segcourse.course import frame, lessons, solutions
from segcourse.errors import LessonError, SegcourseError
from segcourse.exercises import Exercise

METADATA = {
    "jupytext": {
        "cell_metadata_filter": "nbgrader,tags,slideshow,-all",
        "notebook_metadata_filter": "kernelspec,jupytext,-jupytext.text_representation.jupytext_version",
    },
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
}
WHY = "TODO: why this matters, how many minutes the lesson takes, and which lessons it builds on."
END = "## 1. Where this ends\n\nTODO: a picture of the result, with titles, scores and alt text."
TASK = """### {heading}

TODO: what to write, in one sentence.

- TODO: shapes, dtypes and ranges of the arguments
- TODO: what is returned, and the edge cases that are checked

<details><summary>Hint 1: TODO</summary>
TODO: where to look.
</details>
<details><summary>Hint 2: TODO</summary>
TODO: the next step, but not the answer.
</details>"""
QUESTION = "TODO: a question\n\nTODO: predict before you run; a surprise with a number; the idea."
LAST = {
    "ladder": "The ladder\n\nTODO: this lesson's method beside the earlier ones, on the same images.",
    "wrong": "When it goes wrong\n\nTODO: two or three broken snippets to repair.",
    "summary": "In five lines\n\nTODO: the summary, a table of what to use when, and where to read on.",
}


def scaffold(name: str) -> list[str]:
    """Write what is missing of a lesson, and return the names of the exercises that were added.

    Args:
        name: the lesson's folder, NN_slug.

    Raises:
        LessonError: the name has another form, or notebook and text of an existing lesson differ.
        SaveError: a file could not be written.
    """
    if not re.fullmatch(r"\d\d_[a-z0-9]+(_[a-z0-9]+)*", name):
        raise LessonError(f"{name!r} is not the name of a lesson; give two digits and words: 06_skin_lesion.")
    path = lessons.root() / name / f"{name}.ipynb"
    declared = [exercises.get(exercise) for exercise in exercises.names(name)]
    text = path.with_suffix(".py")
    if not path.exists() and not text.exists():
        cells = frame.framed(_lesson(name, declared), name, frame.project())
        frame.write(path, new_notebook(cells=cells, metadata=METADATA))
        return [exercise.name for exercise in declared]
    notebook = nbformat.read(path, as_version=4)
    if text.read_text(encoding="utf-8") != jupytext.writes(notebook, fmt="py:percent"):
        raise LessonError(f"{path} and its text differ; run `make lessons` first.")
    there = {lessons.grade_id(cell) for cell in notebook.cells}
    missing = [exercise for exercise in declared if exercise.name not in there]
    for exercise in missing:
        place = _place(notebook.cells, [one.name for one in declared[: declared.index(exercise)]])
        notebook.cells[place:place] = _exercise(exercise)
    if missing:
        frame.write(path, notebook)
    return [exercise.name for exercise in missing]


def _lesson(name: str, declared: list[Exercise]) -> list[NotebookNode]:
    number, _, slug = name.partition("_")
    title = f"# Lesson {int(number)} · {slug.replace('_', ' ').capitalize()}\n\n{WHY}"
    objectives = "\n".join(f"- TODO: `{exercise.name}`" for exercise in declared) or "- TODO"
    cells = [
        new_markdown_cell(title, id="title"),
        new_markdown_cell(f"## What you will be able to do\n\n{objectives}", id="objectives"),
        new_code_cell("from segcourse import check, load_dataset", id="imports"),
        new_code_cell('lesions = load_dataset("lesions", "test", count=100)', id="data"),
        new_markdown_cell(END, id="end"),
    ]
    for section, exercise in enumerate(declared, start=2):
        cells.append(new_markdown_cell(f"## {section}. {QUESTION}", id=f"question-{exercise.name}"))
        cells += _exercise(exercise)
    for section, (label, text) in enumerate(LAST.items(), start=len(declared) + 2):
        cells.append(new_markdown_cell(f"## {section}. {text}", id=label))
    return cells


def _exercise(exercise: Exercise) -> list[NotebookNode]:
    name = exercise.name
    task = TASK.format(heading=solutions.heading(exercise))
    stub, check = ({"nbgrader": solutions.metadata(exercise, of_check)} for of_check in (False, True))
    needed = [p for p in inspect.signature(exercise.answer).parameters.values() if p.default is p.empty]
    attempt = (
        f"print({name}({', '.join(f'{p.name}=...' for p in needed)}))  # TODO: a tiny input and its shape"
    )
    return [
        new_markdown_cell(task, id=f"exercise-{name}", metadata={"lines_to_next_cell": 2}),
        new_code_cell(solutions.stub(exercise), id=f"answer-{name}", metadata=stub),
        new_code_cell(attempt, id=f"try-{name}", metadata={"tags": ["raises-exception"]}),
        new_code_cell(solutions.check(exercise), id=f"check-{name}", metadata=check),
    ]


def _place(cells: list[NotebookNode], earlier: list[str]) -> int:
    """Return the place after the check of the last of the earlier exercises, else after the imports."""
    checks = [i for i, cell in enumerate(cells) if lessons.grade_id(cell) in [f"check_{e}" for e in earlier]]
    code = [i for i, cell in enumerate(cells) if cell.cell_type == "code" and cell.id not in frame.IDS]
    return checks[-1] + 1 if checks else code[0] + 1 if code else len(cells)


if __name__ == "__main__":
    lesson = sys.argv[1]
    try:
        added = scaffold(lesson)
    except (SegcourseError, OSError) as error:
        sys.exit(str(error))
    print(f"{lessons.root() / lesson}: {', '.join(added) or 'no exercise'} added")
