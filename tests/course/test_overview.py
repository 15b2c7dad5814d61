"""The table of all lessons."""

import nbformat

from segcourse.course import lessons, overview


def test_the_table_in_the_repository_is_of_today():
    """After a change of a lesson: `make lessons`."""
    assert (lessons.root() / "README.md").read_text(encoding="utf-8") == overview.table()


def test_what_is_counted(monkeypatch):
    cells = [
        nbformat.v4.new_markdown_cell("# A lesson\n\nFive words."),
        nbformat.v4.new_code_cell("# a comment\n\nx = 1\nprint(x)  # counts"),
        nbformat.v4.new_code_cell("def f(): ...", metadata={"nbgrader": {"grade_id": "f"}}),
        nbformat.v4.new_code_cell("x"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    monkeypatch.setattr(lessons, "notebook", lambda lesson: notebook)
    monkeypatch.setattr(overview.exercises, "names", lambda lesson: ())
    assert overview._row("01_a") == "| [A lesson](01_a/01_a.ipynb) | 5 | 0 | 0 | 0 | 3 | 2 |"
