"""The web pages: lessons with outputs, a reference from docstrings, a search, and no broken link."""

import importlib.util
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from segcourse.course import lessons

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def web_pages():
    spec = importlib.util.spec_from_file_location("web_pages", REPOSITORY / "tools" / "web_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Lessons of the given cells, by name, with a glossary and a table; a context for `lessons`."""

    def written(**by_name):
        root = tmp_path / "lessons"
        for name, cells in by_name.items():
            (root / name).mkdir(parents=True)
            nbformat.write(nbformat.v4.new_notebook(cells=cells), root / name / f"{name}.ipynb")
        rows = "".join(f"| [{name}]({name}/{name}.ipynb) |\n" for name in by_name)
        (root / "README.md").write_text(f"# The lessons\n\n| lesson |\n| --- |\n{rows}", encoding="utf-8")
        for page in ("glossary", "reading_on"):
            (root / f"{page}.md").write_text(f"# {page}\n\nA page.\n", encoding="utf-8")
        monkeypatch.setattr(lessons, "root", lambda: root)
        return root

    return written


LESSON = [
    new_markdown_cell("# Lesson 1 · Numbers\n\nSee the [glossary](../glossary.md).", id="title"),
    new_code_cell("raise SystemError('only for Colab')", id="colab-setup"),
    new_code_cell("print(20 + 22)", id="sum"),
    new_code_cell("raise NotImplementedError('Exercise 1.1')", id="stub"),
    new_markdown_cell("# Sitting 2 · More", id="second"),
]


def test_a_lesson_is_executed_and_a_stub_is_one_line(web_pages, course):
    notebook = web_pages.page(course(**{"01_a": LESSON}) / "01_a")
    assert [cell.id for cell in notebook.cells] == ["title", "sum", "stub", "second"]
    assert [output.text for cell in notebook.cells[1:3] for output in cell.outputs] == [
        "42\n",
        "NotImplementedError: Exercise 1.1\n",
    ]
    assert notebook.cells[3].source == "## Sitting 2 · More"


def test_any_other_error_stops_the_build_and_names_the_cell(web_pages, course):
    root = course(**{"01_a": [new_code_cell("1 / 0", id="division")]})
    with pytest.raises(SystemExit, match="01_a, cell division: ZeroDivisionError"):
        web_pages.page(root / "01_a")


def test_only_the_lessons_that_were_built_are_linked(web_pages, course):
    root = course(**{"01_a": LESSON, "02_b": LESSON})
    page = web_pages.overview([root / "02_b"])
    assert "02_b/02_b\n```" in page
    assert "[02_b](02_b/02_b.ipynb)" in page
    assert "01_a" not in page


@pytest.mark.slow
def test_a_miniature_site(web_pages, course, tmp_path):
    """Warnings are errors: a link to a page that does not exist, or wrong markup in a docstring."""
    pytest.importorskip("myst_nb", reason="the extra site is not installed: make sets it up")
    root, source, html = course(**{"01_a": LESSON}), tmp_path / "source", tmp_path / "html"
    web_pages.write_sources(source, [root / "01_a"])
    assert web_pages.build(source, html) == 0
    lesson = (html / "lessons" / "01_a" / "01_a.html").read_text(encoding="utf-8")
    assert "42" in lesson
    assert 'href="../glossary.html"' in lesson
    assert 'name="viewport"' in lesson  # for phones
    assert "prefers-color-scheme: dark" in lesson
    assert (html / "searchindex.js").is_file()
    reference = (html / "api.html").read_text(encoding="utf-8")
    assert 'id="segcourse.dice_score"' in reference
    assert 'id="segcourse.widgets.predict"' in reference

    (source / "lessons" / "glossary.md").write_text("# Glossary\n\n[gone](gone.md)\n", encoding="utf-8")
    assert web_pages.build(source, html) == 1
