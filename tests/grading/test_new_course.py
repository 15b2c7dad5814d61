"""A new course: everything that the README's commands need, and nothing overwritten."""

import subprocess

import nbformat
import pytest
from grading_class import LESSON, gradebook
from nbgrader import utils
from repository import CONFIGURED, nbgrader

from segcourse import cli
from segcourse.course import lessons
from segcourse.grading import new_course
from segcourse.grading.course import Course


@pytest.fixture
def folder(tmp_path):
    new_course.create(tmp_path / "course")
    return tmp_path / "course"


def test_a_new_course_has_all_files_but_no_class(folder):
    files = {path.name for path in (folder / "grading").iterdir()}
    assert files == {"README.md", "course.toml", "nbgrader_config.py", ".gitignore"}
    assert (folder / "lessons" / LESSON / f"{LESSON}.ipynb").is_file()
    for name in files:
        assert (folder / "grading" / name).read_bytes() == (CONFIGURED / name).read_bytes()


def test_a_folder_of_other_lessons_beside_the_course_is_ignored(tmp_path):
    (tmp_path / "lessons" / "piano").mkdir(parents=True)
    (tmp_path / "grading").mkdir()
    assert Course.open(tmp_path / "grading").lessons == lessons.root()


def test_nothing_is_overwritten(folder, capsys):
    (folder / "grading" / "course.toml").write_text('name = "mine"\n')
    (folder / "grading" / "README.md").unlink()
    (folder / "lessons" / LESSON / f"{LESSON}.ipynb").write_text("edited")
    with pytest.raises(SystemExit) as stop:
        cli.main(["course", "new", str(folder)])
    assert not stop.value.code
    assert capsys.readouterr().out.startswith(f"{folder}: 1 new file(s)")
    assert Course.open(folder / "grading").name == "mine"
    assert (folder / "lessons" / LESSON / f"{LESSON}.ipynb").read_text() == "edited"


def test_git_ignores_the_class(folder):
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    private = ["gradebook.db", "course.secret", f"submitted/ada/{LESSON}/x", "grades.csv", ".grading.lock"]
    ignored = subprocess.run(
        ["git", "check-ignore", *(f"grading/{name}" for name in private)], cwd=folder, capture_output=True
    )
    assert len(ignored.stdout.split()) == len(private)


@pytest.mark.sandbox
@pytest.mark.slow
def test_nbgrader_and_segcourse_use_the_courses_own_lessons(folder, monkeypatch, capsys):
    path = folder / "lessons" / LESSON / f"{LESSON}.ipynb"
    lesson = nbformat.read(path, as_version=4)
    next(cell for cell in lesson.cells if utils.is_grade(cell)).metadata.nbgrader.points = 77
    nbformat.write(lesson, path)
    nbgrader(folder, "generate_assignment", LESSON)
    with gradebook(folder / "grading") as book:
        assert book.find_assignment(LESSON).max_score > 77
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as stop:  # with other points it would refuse to grade
        cli.main(["grade", "05"])
    assert not stop.value.code
    assert f"No one handed in {LESSON}." in capsys.readouterr().out
