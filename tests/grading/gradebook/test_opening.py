"""A gradebook that is lost, damaged, locked, read-only or on a full disk: a sentence, and nothing is lost."""

import contextlib
import sqlite3

import pytest
from grading_class import LESSON, RIGHT, as_bytes, gradebook, hand_in, notebook
from sqlalchemy import event
from sqlalchemy.engine import Engine

from segcourse import cli
from segcourse.errors import SegcourseError
from segcourse.grading import Session
from segcourse.grading.course import Course
from segcourse.grading.gradebook.marks import read_marks
from segcourse.grading.gradebook.opening import GradebookError
from segcourse.grading.notebooks import Lesson
from segcourse.grading.scoring.result import Result


@pytest.fixture
def session(lessons):
    """Return a function that opens a course for grading, without a sandbox: nothing is run here."""
    return lambda course: Session(LESSON, course, lessons=lessons, trust=True)


@pytest.fixture
def course(tmp_path, lesson, session):
    """A course in which ada and ben were graded and ada has points by hand."""
    record(session, tmp_path, lesson, "ada", "ben")
    with gradebook(tmp_path) as book:
        book.find_grade("check_dice_score", LESSON, LESSON, "ada").manual_score = 2.5
        book.db.commit()
    return tmp_path


def record(session, course, lesson: Lesson, *students: str) -> None:
    with session(course) as opened:
        for student in students:
            hand_in(course, student, as_bytes(notebook(RIGHT)))
            points = dict.fromkeys(lesson.points, 1.0)
            opened.record(Result(student, LESSON, points=points, max_points=lesson.points, digest="1"))


@contextlib.contextmanager
def pragma(line: str):
    """Set something on every new connection to a database."""

    def execute(connection, _):
        connection.execute(f"PRAGMA {line}")

    event.listen(Engine, "connect", execute)
    try:
        yield
    finally:
        event.remove(Engine, "connect", execute)


def scores(course) -> dict[str, float]:
    return {student: marks.score for student, marks in read_marks(Course.open(course), LESSON).marks.items()}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("query_only = ON", "readonly.*make the file and its folder writable"),
        ("max_page_count = 1", "full.*free some"),
    ],
)
def test_a_gradebook_that_cannot_be_written_keeps_its_marks(course, lesson, session, line, reason):
    before = scores(course)
    assert before == {"ada": 4.5, "ben": 3.0}
    long = "x" * 100_000  # needs new pages
    with pragma(line), session(course) as opened, pytest.raises(GradebookError, match=reason):
        opened.record(Result("cleo", LESSON, max_points=lesson.points, refusal=long, digest="2"))
    assert scores(course) == before


def test_a_gradebook_that_is_locked_is_said_to_be(course, session):
    with contextlib.closing(sqlite3.connect(course / "gradebook.db")) as other, pragma("busy_timeout = 1"):
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(GradebookError, match=r"locked.*close formgrader"):
            session(course)
    assert scores(course)["ada"] == 4.5


@pytest.mark.parametrize("content", [b"no database" * 100, None], ids=["damaged", "folder"])
@pytest.mark.parametrize("command", ["grade", "report"])
def test_a_damaged_gradebook_is_one_sentence_and_stays_as_it_is(
    course, monkeypatch, capsys, command, content
):
    path = course / "gradebook.db"
    path.rename(course / "backup.db")
    path.mkdir() if content is None else path.write_bytes(content)
    monkeypatch.chdir(course)
    with pytest.raises(SystemExit) as stop:
        cli.main(
            [
                command,
                LESSON,
                "--course",
                str(course),
                *(["--trust-submissions"] if command == "grade" else []),
            ]
        )
    assert stop.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"{path} cannot be used (" in said
    assert content is None or path.read_bytes() == content


@pytest.mark.parametrize("lost", ["missing", "empty"])
def test_a_lost_gradebook_is_not_replaced_without_a_word(course, lesson, session, lost):
    path = course / "gradebook.db"
    path.rename(course / "backup.db")
    if lost == "empty":  # nbgrader's own commands make a new one
        gradebook(course).close()
    with pytest.raises(GradebookError, match=rf"gradebook.db .* marks of {LESSON}.*by hand.*autograded"):
        session(course)
    assert path.exists() == (lost == "empty")
    (course / "backup.db").replace(path)
    assert scores(course) == {"ada": 4.5, "ben": 3.0}
    path.unlink()
    (course / "autograded").rename(course / "old")  # the instructor confirms
    record(session, course, lesson, "ada")
    assert scores(course) == {"ada": 3.0}


def test_a_lost_secret_is_not_replaced_without_a_word(course, lesson, session):
    secret = (course / "course.secret").read_text()
    (course / "course.secret").unlink()
    with pytest.raises(SegcourseError, match=r"course.secret is missing.*Restore .*autograded"):
        record(session, course, lesson, "ada")
    assert not (course / "course.secret").exists()
    (course / "autograded").rename(course / "old")
    record(session, course, lesson, "ada")
    assert (course / "course.secret").read_text() != secret
