"""The lessons in one table: words, minutes, exercises and given code.

    python -m segcourse.course.overview

writes lessons/README.md.
"""

import re

import nbformat

from segcourse import exercises
from segcourse.course import lessons
from segcourse.files import replacing

WORDS_PER_MINUTE = 150  # for a reader whose first language is not English
HEAD = """# The lessons

| lesson | words | minutes to read | exercises | minutes for exercises | lines of given code | longest cell |
| --- | --- | --- | --- | --- | --- | --- |
"""
FOOT = f"""
Reading is counted at {WORDS_PER_MINUTE} words per minute. Given code is all code beside the exercises, in
lines that are neither empty nor comments. `make lessons` writes this table.

The [glossary](glossary.md) explains the terms, with their Chinese names. [Where to read on](reading_on.md)
leads beyond the course.
"""


def table() -> str:
    """Return the table of all lessons, in Markdown."""
    return HEAD + "".join(f"{_row(folder.name)}\n" for folder in lessons.folders()) + FOOT


def _row(lesson: str) -> str:
    notebook = lessons.notebook(lesson)
    words = sum(len(cell.source.split()) for cell in notebook.cells if cell.cell_type == "markdown")
    given = [
        _lines(cell) for cell in notebook.cells if cell.cell_type == "code" and not lessons.grade_id(cell)
    ]
    declared = [exercises.get(name) for name in exercises.names(lesson)]
    minutes = sum(exercise.minutes for exercise in declared)
    link = f"[{title(notebook)}]({lesson}/{lesson}.ipynb)"
    numbers = (words, round(words / WORDS_PER_MINUTE), len(declared), minutes, sum(given), max(given))
    return f"| {link} | {' | '.join(map(str, numbers))} |"


def title(notebook: nbformat.NotebookNode) -> str:
    """Return the text of a lesson's first heading."""
    found = re.search(r"(?m)^# (.+)$", notebook.cells[0].source)
    return found[1] if found else ""


def _lines(cell: nbformat.NotebookNode) -> int:
    lines = (line.strip() for line in cell.source.splitlines())
    return sum(bool(line) and not line.startswith("#") for line in lines)


if __name__ == "__main__":
    with replacing(lessons.root() / "README.md") as temporary:
        temporary.write_text(table(), encoding="utf-8")
