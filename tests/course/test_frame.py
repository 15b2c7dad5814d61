"""The first and last cells of lessons: the same everywhere, written by one command."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from segcourse.course import frame, lessons
from segcourse.errors import LessonError

NAMES = [folder.name for folder in lessons.folders()]
LESSON = "05_losses_metrics"
PROJECT = {"optional-dependencies": {"deploy": ["onnx>=1.17", "flask>=3.0"]}}
OWN = [new_markdown_cell("# Title", id="title"), new_code_cell("import torch", id="imports")]
GITHUB = "https://github.com/someone/segcourse"


def at(address):
    return PROJECT | {"urls": {"Repository": address}}


@pytest.mark.parametrize("name", NAMES)
def test_every_lesson_has_the_frame_of_today(name):
    cells = lessons.notebook(name).cells
    assert frame.framed(cells, name, frame.project()) == cells, "run `make lessons`"


def test_the_set_up_is_the_first_code_and_handing_in_is_last():
    made = frame.framed(OWN, LESSON, PROJECT)
    assert [cell.id for cell in made] == ["title", "colab-setup", "imports", "hand-in", "hand-in-doctor"]
    assert made[-1].source.endswith(f'hand_in.doctor("{LESSON}.ipynb")')
    assert made[-1].metadata.tags == ["skip-grading"]


def test_a_lesson_without_exercises_has_nothing_to_hand_in():
    assert [cell.id for cell in frame.framed(OWN, "00_start_here", PROJECT)] == [
        "title",
        "colab-setup",
        "imports",
    ]


def test_a_frame_is_replaced_and_never_doubled():
    once = frame.framed(OWN, LESSON, at(GITHUB))
    once[1].source = "an older badge"
    assert frame.framed(once, LESSON, at(GITHUB)) == frame.framed(OWN, LESSON, at(GITHUB))
    assert frame.framed(once, LESSON, PROJECT) == frame.framed(OWN, LESSON, PROJECT)


@pytest.mark.parametrize("address", [GITHUB, f"{GITHUB}.git", f"{GITHUB}/"])
def test_an_address_on_github_gives_a_badge(address):
    title, badge, setup, *_ = frame.framed(OWN, LESSON, at(address))
    assert title.id == "title"
    wanted = "colab.research.google.com/github/someone/segcourse/blob/main/lessons"
    assert f"{wanted}/{LESSON}/{LESSON}.ipynb" in badge.source
    assert f'"segcourse[deploy] @ git+{address}"' in setup.source


def test_an_address_elsewhere_gives_no_badge_because_colab_opens_none():
    made = frame.framed(OWN, LESSON, at("https://gitlab.com/someone/segcourse"))
    assert [cell.id for cell in made][:2] == ["title", "colab-setup"]
    assert "git+https://gitlab.com/someone/segcourse" in made[1].source


def test_without_an_address_the_cell_says_what_to_upload():
    source = frame.framed(OWN, LESSON, PROJECT)[1].source
    assert "# segcourse-….whl comes from your teacher; upload it first" in source
    assert "%pip install --quiet --constraint installed.txt segcourse-*.whl onnx flask\n" in source


@pytest.fixture
def course(tmp_path, monkeypatch):
    monkeypatch.setattr(lessons, "root", lambda: tmp_path)
    path = tmp_path / LESSON / f"{LESSON}.ipynb"
    frame.write(path, nbformat.v4.new_notebook(cells=OWN))
    return path


def test_all_lessons_are_written_once(course):
    assert frame.frame_all() == [LESSON]
    assert nbformat.read(course, as_version=4).cells[1].id == "colab-setup"
    assert "# %pip install" in course.with_suffix(".py").read_text(encoding="utf-8")
    before = course.read_bytes()
    assert frame.frame_all() == []
    assert course.read_bytes() == before


def test_unsynced_edits_are_not_lost(course):
    text = course.with_suffix(".py")
    text.write_text(text.read_text() + "\n# %%\nmy_work = 1\n")
    with pytest.raises(LessonError, match="make lessons"):
        frame.frame_all()
    assert "my_work" in text.read_text()
