"""`segcourse start`: files are added and brought up to date, and nobody's work is lost."""

import json

import nbformat
import pytest

from segcourse.course import lessons, working_copy
from segcourse.errors import LessonError

LESSON = "05_losses_metrics"
NOTEBOOK = f"{LESSON}/{LESSON}.ipynb"


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Put one lesson of two cells and a picture into a wheel; called again, it brings another text."""
    folder = tmp_path / "wheel" / LESSON
    folder.mkdir(parents=True)
    (folder / f"{LESSON}.py").write_text("# %%\n")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "old.ipynb").write_text("{}")
    monkeypatch.setattr(lessons, "root", lambda: folder.parent)

    def published(text, picture="picture"):
        cells = [
            nbformat.v4.new_markdown_cell(f"# {text}", id="title"),
            nbformat.v4.new_code_cell("def dice_score(): ...", id="dice"),
        ]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{LESSON}.ipynb")
        (folder / "toy.png").write_text(picture)

    published("first text")
    return published


@pytest.fixture
def work(publish, tmp_path):
    """A folder on which `start` has run once."""
    working_copy.start(tmp_path / "work")
    return tmp_path / "work"


def edit(path, change):
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)


def ran_and_saved(notebook):
    """What JupyterLab does to a notebook in which somebody presses Shift + Enter down to the end."""
    output = nbformat.v4.new_output("stream", text="a guess")
    notebook.cells[1].update(execution_count=1, outputs=[output], metadata={"trusted": True})
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.cells.append(nbformat.v4.new_code_cell(""))


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


def title(path):
    return nbformat.read(path, as_version=4).cells[0].source


def test_notebooks_and_pictures_are_copied_and_nothing_else(publish, tmp_path):
    changes = working_copy.start(tmp_path / "work")
    assert changes.added == [NOTEBOOK, f"{LESSON}/toy.png"]
    assert (tmp_path / "work" / LESSON / "toy.png").read_text() == "picture"
    assert contents(tmp_path / "work").keys() == {NOTEBOOK, f"{LESSON}/toy.png", working_copy.RECORD}


def test_the_pages_that_lessons_lead_to_come_with_them(publish, tmp_path):
    for name in ("glossary.md", "README.md"):
        (lessons.root() / name).write_text("a page")
    assert working_copy.start(tmp_path / "work").added == [NOTEBOOK, f"{LESSON}/toy.png", "glossary.md"]


def test_a_second_start_changes_nothing(work):
    before = contents(work)
    assert working_copy.start(work).sentences() == ["Nothing is new; no file was changed."]
    assert contents(work) == before


def test_files_that_nobody_changed_get_the_text_of_today(work, publish):
    publish("second text", "another picture")
    assert working_copy.start(work).updated == [NOTEBOOK, f"{LESSON}/toy.png"]
    assert title(work / NOTEBOOK) == "# second text"
    assert (work / LESSON / "toy.png").read_text() == "another picture"
    assert not list(work.rglob("*.bak"))


def test_running_and_saving_is_no_work_but_outputs_are_kept(work, publish):
    edit(work / NOTEBOOK, ran_and_saved)
    before = (work / NOTEBOOK).read_bytes()
    publish("second text")
    changes = working_copy.start(work)
    assert changes.updated == [NOTEBOOK]
    assert title(work / NOTEBOOK) == "# second text"
    assert (work / f"{NOTEBOOK}.bak").read_bytes() == before
    assert f"{NOTEBOOK} held outputs; they are in {NOTEBOOK}.bak." in changes.sentences()


@pytest.mark.parametrize(
    "change",
    [
        lambda notebook: notebook.cells[1].update(source="def dice_score(): return 1"),
        lambda notebook: notebook.cells[0].update(source="# first text\n\nmy note"),
        lambda notebook: notebook.cells.append(nbformat.v4.new_code_cell("mine = 1")),
        lambda notebook: notebook.cells.pop(0),
    ],
    ids=["answer", "note", "own cell", "deleted cell"],
)
def test_work_is_kept_and_the_newer_text_is_beside_it_once(work, publish, change):
    edit(work / NOTEBOOK, change)
    mine = (work / NOTEBOOK).read_bytes()
    assert working_copy.start(work).kept == {}  # there is no newer text
    publish("second text")
    new = f"{LESSON}/{LESSON}_new.ipynb"
    changes = working_copy.start(work)
    assert changes.kept == {NOTEBOOK: new}
    assert f"{NOTEBOOK} is your work and was kept; its new text is in {new}." in changes.sentences()
    assert (work / NOTEBOOK).read_bytes() == mine
    assert title(work / new) == "# second text"
    (work / new).unlink()  # seen, and not wanted
    assert working_copy.start(work).sentences() == ["Nothing is new; no file was changed."]
    assert not (work / new).exists()


def test_a_newer_text_in_which_somebody_works_is_not_lost_either(work, publish):
    edit(work / NOTEBOOK, lambda notebook: notebook.cells.pop())
    publish("second text")
    working_copy.start(work)
    beside = work / LESSON / f"{LESSON}_new.ipynb"
    publish("third text")
    working_copy.start(work)
    assert title(beside) == "# third text"
    assert not list(work.rglob("*.bak"))
    edit(beside, lambda notebook: notebook.cells.pop())
    mine = beside.read_bytes()
    publish("fourth text")
    working_copy.start(work)
    assert title(beside) == "# fourth text"
    assert beside.with_name(f"{beside.name}.bak").read_bytes() == mine


@pytest.mark.parametrize("record", [None, "{", "[]", "{}"], ids=["missing", "damaged", "list", "empty"])
def test_without_a_record_every_other_text_counts_as_work(work, publish, record):
    mine = (work / NOTEBOOK).read_bytes()
    if record is None:
        (work / working_copy.RECORD).unlink()
    else:
        (work / working_copy.RECORD).write_text(record)
    publish("second text")
    assert working_copy.start(work).kept == {NOTEBOOK: f"{LESSON}/{LESSON}_new.ipynb"}
    assert (work / NOTEBOOK).read_bytes() == mine
    assert json.loads((work / working_copy.RECORD).read_text())


@pytest.mark.parametrize("text", ["my evening's work", "", "[1]", '{"cells": [1, {"source": 7}]}'])
def test_a_file_that_is_no_notebook_is_kept(work, publish, text):
    (work / NOTEBOOK).write_text(text)
    publish("second text")
    working_copy.start(work)
    assert (work / NOTEBOOK).read_text() == text


def test_a_deleted_lesson_comes_back(work):
    (work / NOTEBOOK).unlink()
    assert working_copy.start(work).added == [NOTEBOOK]


def test_start_in_a_path_that_is_a_file_is_explained(publish, tmp_path):
    (tmp_path / "work").write_text("a file")
    with pytest.raises(OSError, match="could not be written"):
        working_copy.start(tmp_path / "work")
    assert (tmp_path / "work").read_text() == "a file"


def test_a_course_without_lessons_is_explained(tmp_path, monkeypatch):
    monkeypatch.setattr(lessons, "root", lambda: tmp_path / "nowhere")
    with pytest.raises(LessonError, match="no lessons in"):
        working_copy.start(tmp_path / "work")
