"""nbgrader's own commands, run as an instructor and a student run them, with the course's configuration."""

import contextlib
import json
import os
import shutil
import zipfile
from pathlib import Path

import nbformat
import pytest
from grading_class import IOU_FOR_DICE, LESSON, POINTS, RIGHT, as_bytes, hand_in, notebook
from nbgrader import utils
from nbgrader.api import Gradebook
from repository import LATE_PENALTIES, answered, exported, make, nbgrader, table

from segcourse.grading import grade_lesson
from segcourse.grading.course import Course
from segcourse.grading.lock import Lock

WRONG = RIGHT | {"dice_score": IOU_FOR_DICE}


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    """A repository with the tiny lesson released, and the real course folder with late penalties."""
    root = tmp_path_factory.mktemp("released")
    make(root, LATE_PENALTIES)
    nbgrader(root, "generate_assignment", LESSON)
    return root


@pytest.fixture
def repository(released, tmp_path) -> Path:
    """A copy of that repository, to which a test may add submissions."""
    return shutil.copytree(released, tmp_path, dirs_exist_ok=True)


def test_a_released_lesson_has_its_stubs_and_locked_checks(released):
    release = released / "grading" / "release" / LESSON
    assert sorted(path.name for path in release.iterdir()) == [
        f"{LESSON}.ipynb",
        "picture.txt",
    ]  # no text twin
    cells = nbformat.read(release / f"{LESSON}.ipynb", as_version=4).cells
    original = {cell.id: cell.source for cell in notebook().cells}
    assert {cell.id: cell.source for cell in cells} == original
    for cell in cells:
        if utils.is_grade(cell):
            assert (cell.metadata.editable, cell.metadata.deletable) == (False, False)
            assert (
                cell.metadata.nbgrader.points
                == POINTS[cell.metadata.nbgrader.grade_id.removeprefix("check_")]
            )
        if utils.is_solution(cell):
            assert cell.metadata.deletable is False
            assert "editable" not in cell.metadata
            assert "NotImplementedError" in cell.source


def hand_in_a_class(course: Path) -> None:
    """Submissions that are right but two hours late, wrong, or unexpected by nbgrader in four ways."""
    late = hand_in(course, "ada", answered(course))
    late.with_name("timestamp.txt").write_text("2026-05-01 14:00:00 UTC")
    hand_in(course, "ben", answered(course, WRONG))
    hand_in(course, "cleo", b"{ unfinished")
    hand_in(course, "dan", answered(course), "Copy of my work.ipynb")
    hand_in(course, "eve", b"%PDF", "work.pdf")
    forged = hand_in(course, "fay", answered(course, {}))
    forged.with_name("segcourse.json").write_text('{"score": 7}')
    os.symlink(course / "gradebook.db", forged.with_name("marks.db"))
    with Gradebook(Course.open(course).db_url) as book:
        book.update_or_create_assignment(LESSON, duedate="2026-05-01 12:00:00 UTC")


@pytest.mark.sandbox
@pytest.mark.slow
def test_nbgrader_and_segcourse_give_the_same_marks(repository):
    course = repository / "grading"
    hand_in_a_class(course)
    nbgrader(repository, "autograde", LESSON)
    theirs = exported(repository)
    assert {name: (row["score"], row["late_submission_penalty"]) for name, row in theirs.items()} == {
        "ada": ("6.0", "1.0"), "ben": ("4.0", "0"), "cleo": ("", ""), "dan": ("7.0", "0"), "eve": ("", ""),
        "fay": ("0.0", "0"),
    }  # fmt: skip
    statuses = {name: row["status"] for name, row in theirs.items()}
    assert statuses.pop("cleo").startswith("could not be graded: the file is damaged or incomplete")
    assert statuses.pop("eve").startswith("could not be graded")
    assert set(statuses.values()) == {"graded"}
    record = json.loads((course / "autograded" / "ben" / LESSON / "segcourse.json").read_text())
    assert (record["status"], record["score"]) == ("graded", 4)
    assert "intersection over union" in (course / "feedback" / "ben" / LESSON / f"{LESSON}.html").read_text()
    record = json.loads((course / "autograded" / "fay" / LESSON / "segcourse.json").read_text())
    assert record["score"] == 0
    assert not (course / "autograded" / "fay" / LESSON / "marks.db").exists()

    grade_lesson(LESSON, course, lessons=repository / "lessons", again=True)
    assert table(course) == theirs
    nbgrader(repository, "generate_feedback", LESSON, "--force")  # nbgrader's own pages, over ours
    page = (course / "feedback" / "cleo" / LESSON / f"{LESSON}.html").read_text()
    assert "damaged or incomplete" in page


@pytest.mark.sandbox
@pytest.mark.slow
def test_points_by_hand_stay_until_another_submission_cannot_be_graded(repository):
    course = repository / "grading"
    hand_in(course, "ben", answered(course, WRONG))
    grade_lesson(LESSON, course, lessons=repository / "lessons")
    with Gradebook(Course.open(course).db_url) as book:
        book.find_grade("check_dice_score", LESSON, LESSON, "ben").manual_score = 1.5
        book.db.commit()
    assert nbgrader(repository, "autograde", LESSON).count("Skipping existing assignment") == 1
    nbgrader(repository, "autograde", LESSON, "--force")
    row = table(course)["ben"]
    assert (row["score"], row["status"]) == ("5.5", "needs manual grading")  # a person should look again

    with contextlib.closing(Lock(course.resolve())):
        log = nbgrader(repository, "autograde", LESSON, "--force", code=1)
    assert "another grader is writing into" in log
    assert (course / "autograded" / "ben" / LESSON / "segcourse.json").exists()

    hand_in(course, "ben", b"{ unfinished")
    nbgrader(repository, "autograde", LESSON, "--force")
    row = table(course)["ben"]
    assert row["score"] == ""
    page = (course / "feedback" / "ben" / LESSON / f"{LESSON}.html").read_text()
    assert "the manual score 1.5 for dice_score belonged to an earlier submission and was removed" in page


@pytest.mark.sandbox
@pytest.mark.slow
def test_a_lesson_and_its_feedback_travel_through_nbgraders_exchange(repository, tmp_path_factory):
    exchange, home = tmp_path_factory.mktemp("exchange"), tmp_path_factory.mktemp("student")
    exchange.chmod(0o777)
    course = repository / "grading"
    place = f'c.Exchange.root = "{exchange}"\n'
    with (course / "nbgrader_config.py").open("a") as file:
        file.write(place)
    (home / "nbgrader_config.py").write_text(f"c = get_config()\n{place}")
    nbgrader(repository, "release_assignment", LESSON)

    def student(*arguments):
        about = {"folder": home, "JUPYTER_CONFIG_PATH": "", "HOME": str(home)}
        return nbgrader(repository, *arguments, LESSON, "--course=segcourse", **about)

    student("fetch_assignment")
    handed_out = nbformat.reads(answered(course, WRONG), as_version=4)
    handed_out.cells = [cell for cell in handed_out.cells if cell.id != "demo"]  # it sleeps for minutes
    nbformat.write(handed_out, home / LESSON / f"{LESSON}.ipynb")
    checked = nbgrader(repository, "validate", str(home / LESSON / f"{LESSON}.ipynb"))
    assert "You return intersection over union" in checked
    student("submit")
    nbgrader(repository, "collect", LESSON)
    (name,) = [path.name for path in (course / "submitted").iterdir()]
    grade_lesson(LESSON, course, lessons=repository / "lessons")
    nbgrader(repository, "release_feedback", LESSON)
    student("fetch_feedback")
    (page,) = (home / LESSON / "feedback").rglob("*.html")
    assert page.read_text() == (course / "feedback" / name / LESSON / f"{LESSON}.html").read_text()
    assert "intersection over union" in page.read_text()


def test_files_from_platforms_and_people_are_sorted(repository):
    course, right = repository / "grading", as_bytes(notebook(RIGHT))
    inbox = course / "downloaded" / LESSON / "archive"
    inbox.mkdir(parents=True)
    with zipfile.ZipFile(inbox / "CS101-Lesson 5-99.zip", "w") as archive:
        archive.writestr(f"Ada Lovelace_1_assignsubmission_file_/{LESSON}.ipynb", right)
        archive.writestr("Ben B_2_assignsubmission_file_/work.pdf", b"%PDF")
        archive.writestr("Ben B_2_assignsubmission_file_/answer.zip", b"PK a student's own")
        archive.writestr("__MACOSX/._x", b"")
    (inbox / f"{LESSON} (cleo).ipynb").write_bytes(right)
    (inbox / f"{LESSON} (1).ipynb").write_bytes(right)
    (inbox / f"x_dan_attempt_2026-05-01-12-00-00_{LESSON}.ipynb").write_bytes(b"the first")
    (inbox / f"x_dan_attempt_2026-05-02-12-00-00_{LESSON}.ipynb").write_bytes(b"the second")
    log = nbgrader(repository, "zip_collect", LESSON)
    assert f"Who handed in {LESSON} (1).ipynb?" in log
    files = (path for path in (course / "submitted").rglob("*") if path.is_file())
    assert sorted(str(path.relative_to(course / "submitted")) for path in files) == [
        f"Ada Lovelace/{LESSON}/{LESSON}.ipynb",
        f"Ben B/{LESSON}/answer.zip",
        f"Ben B/{LESSON}/work.pdf",
        f"cleo/{LESSON}/{LESSON}.ipynb",
        f"dan/{LESSON}/{LESSON}.ipynb",
        f"dan/{LESSON}/timestamp.txt",
    ]
    assert (course / "submitted" / "dan" / LESSON / f"{LESSON}.ipynb").read_bytes() == b"the second"


def test_feedback_is_released_to_those_who_used_the_exchange(repository, tmp_path_factory):
    exchange = tmp_path_factory.mktemp("exchange")
    exchange.chmod(0o777)
    course = repository / "grading"
    with (course / "nbgrader_config.py").open("a") as file:
        file.write(f'c.Exchange.root = "{exchange}"\n')
    files = {"ada": ("2026-05-01 12:00:00 UTC", b"secret"), "ben": None, "cleo": ("x", b"\xff\xfe")}
    for student, sent in files.items():
        page = Course.open(course).feedback(student, LESSON)
        page.parent.mkdir(parents=True)
        page.write_text(f"the page of {student}")
        if sent:
            page.with_name("timestamp.txt").write_text(sent[0])
            page.with_name("submission_secret.txt").write_bytes(sent[1])
    said = nbgrader(repository, "release_feedback", LESSON)
    assert "Traceback" not in said
    for student in ("ben", "cleo"):
        assert f"{student} did not hand in through the exchange; send them {course}" in said
    (page,) = exchange.rglob("*.html")
    assert page.read_text() == "the page of ada"


def _lose_the_gradebook(course: Path) -> None:
    record = course / "autograded" / "ada" / LESSON / "segcourse.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    (course / "gradebook.db").unlink()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("break_it", "command", "sentence"),
    [
        (
            lambda course: (course / "gradebook.db").write_bytes(b"junk" * 999),
            ["export"],
            "it is damaged; move",
        ),
        (
            lambda course: (course / "gradebook.db").write_bytes(b"junk" * 999),
            ["autograde", LESSON],
            "it is damaged; move",
        ),
        (_lose_the_gradebook, ["autograde", LESSON, "--force"], "gradebook.db is missing, with the marks of"),
        (lambda course: (course / "grades.csv").mkdir(), ["export"], "could not be written"),
    ],
    ids=["export damaged", "autograde damaged", "autograde lost", "folder in the way"],
)
def test_nbgraders_commands_end_with_a_sentence(repository, break_it, command, sentence):
    hand_in(repository / "grading", "ada", as_bytes(notebook(RIGHT)))
    break_it(repository / "grading")
    told = nbgrader(repository, *command, code=1)
    assert "Traceback" not in told
    assert sentence in told.splitlines()[-1]
