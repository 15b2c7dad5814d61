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


def write_course(folder, patched, by_name):
    """Write lessons of the given cells, a glossary and a table, and let `lessons` find them."""
    root = folder / "lessons"
    for name, cells in by_name.items():
        (root / name).mkdir(parents=True)
        nbformat.write(nbformat.v4.new_notebook(cells=cells), root / name / f"{name}.ipynb")
    rows = "".join(f"| [{name}]({name}/{name}.ipynb) |\n" for name in by_name)
    (root / "README.md").write_text(f"# The lessons\n\n| lesson |\n| --- |\n{rows}", encoding="utf-8")
    for page in ("glossary", "reading_on"):
        (root / f"{page}.md").write_text(f"# {page}\n\nA page.\n", encoding="utf-8")
    patched.setattr(lessons, "root", lambda: root)
    return root


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Lessons of the given cells, by name, with a glossary and a table: a function that writes them."""
    return lambda **by_name: write_course(tmp_path, monkeypatch, by_name)


LESSON = [
    new_markdown_cell("# Lesson 1 · Numbers\n\nSee the [glossary](../glossary.md).", id="title"),
    new_code_cell("raise SystemError('only for Colab')", id="colab-setup"),
    new_code_cell("print(20 + 22, 'and a line that is wider than a phone')", id="sum"),
    new_code_cell("raise NotImplementedError('Exercise 1.1')", id="stub"),
    new_markdown_cell("# Sitting 2 · More", id="second"),
]


def test_a_lesson_is_executed_and_a_stub_is_one_line(web_pages, course):
    notebook = web_pages.page(course(**{"01_a": LESSON}) / "01_a")
    assert [cell.id for cell in notebook.cells] == ["title", "sum", "stub", "second"]
    assert [output.text for cell in notebook.cells[1:3] for output in cell.outputs] == [
        "42 and a line that is wider than a phone\n",
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


@pytest.fixture(scope="module")
def site(web_pages, tmp_path_factory):
    """A site of one lesson, as the folders of its sources and its pages."""
    pytest.importorskip("myst_nb", reason="the extra site is not installed: make sets it up")
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patched:
        root = write_course(folder, patched, {"01_a": LESSON})
        web_pages.write_sources(folder / "source", [root / "01_a"])
    assert web_pages.build(folder / "source", folder / "html") == 0
    return folder / "source", folder / "html"


@pytest.mark.slow
def test_a_miniature_site(web_pages, site):
    """Warnings are errors: a link to a page that does not exist, or wrong markup in a docstring."""
    source, html = site
    lesson = (html / "lessons" / "01_a" / "01_a.html").read_text(encoding="utf-8")
    assert "42" in lesson
    assert 'href="../glossary.html"' in lesson
    assert 'name="viewport"' in lesson  # for phones
    assert "prefers-color-scheme: dark" in lesson
    assert not list(html.glob("**/*.doctree"))  # Sphinx's cache is not published
    reference = (html / "api.html").read_text(encoding="utf-8")
    assert 'id="segcourse.dice_score"' in reference
    assert 'id="segcourse.widgets.predict"' in reference
    assert "ArrayLike" in reference
    assert "_SupportsArray" not in reference

    (source / "lessons" / "glossary.md").write_text("# Glossary\n\n[gone](gone.md)\n", encoding="utf-8")
    assert web_pages.build(source, html) == 1


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_the_pages_break_no_rule_of_axe_and_fit_a_phone(site, page, broken_rules, theme, width):
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 844})
    for name in ("lessons/01_a/01_a.html", "api.html", "search.html?q=dice_score"):
        page.goto(f"{site[1].as_uri()}/{name}")
        # axe takes ten seconds for the whole reference, whose entries look alike
        page.evaluate("document.querySelectorAll('dl.py').forEach((entry, i) => i < 12 || entry.remove())")
        if "search" in name:
            page.get_by_role("link", name="segcourse.dice_score").wait_for()
        assert broken_rules(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
