"""Exports: the columns that Moodle and Canvas document, only final scores, and the points of the rubric."""

import csv
import re

import nbformat
import pytest
from grading_class import LESSON, POINTS, gradebook, hand_in
from instructor_class import OWN, lesson_with_own_cells
from nbgrader.preprocessors import SaveCells

from segcourse import cli
from segcourse.grading.course import Course
from segcourse.grading.exports import canvas, moodle, rubric, scores
from segcourse.grading.gradebook.opening import GradebookError
from segcourse.grading.lesson import parse_lesson

PEOPLE = {  # nbgrader's columns: first name, last name, email, number on the platform
    "ada": ("Ada", "Lovelace", "ada@uni.example", "1001"),
    "=cmd()": (None, None, None, None),
    "ben": ("Ben", "Bit", "ben@uni.example", "moodle-7"),
    "cleo": ("Cleo", "Patra", "cleo@uni.example", None),
    "dan": ("Dan", "Smith", "dan@uni.example", None),
    "eve": ("Eve", "Example", "eve@uni.example", None),
}


@pytest.fixture
def course(tmp_path, lesson):
    """ada is late, ben waits for a person, cleo could not be graded, dan handed in nothing, eve's waits."""
    (tmp_path / "course.toml").write_text("")
    with gradebook(tmp_path) as book:
        book.add_assignment(LESSON)
        about = {"notebook": LESSON, "assignment": LESSON, "db_url": Course.open(tmp_path).db_url}
        SaveCells().preprocess(lesson.notebook, {"nbgrader": about})
        book.db.expire_all()
        for student, known in PEOPLE.items():
            names = zip(("first_name", "last_name", "email", "lms_user_id"), known, strict=True)
            book.add_student(student, **dict(names))
        for student in ("ada", "=cmd()", "ben", "cleo"):
            book.add_submission(LESSON, student)
            notebook = book.find_submission_notebook(LESSON, LESSON, student)
            for grade in notebook.grades:
                grade.auto_score = None if student == "cleo" else grade.cell.max_score - 0.5
                grade.needs_manual_grade = student in ("ben", "cleo")
            if student == "ada":
                notebook.late_submission_penalty = 1.25
            for comment in notebook.comments if student == "cleo" else ():
                comment.auto_comment = "could not be graded: empty."
        book.db.commit()
    hand_in(tmp_path, "eve", b"{}")
    return Course.open(tmp_path)


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_only_final_scores_are_exported_and_everyone_else_is_named(course):
    found = scores.read(course, LESSON)
    assert {row.student: row.score for row in found.scores} == {"ada": 4.25, "=cmd()": 5.5}
    assert found.max_points == sum(POINTS.values())
    assert found.left_out == {
        "ben": "needs manual grading",
        "cleo": "could not be graded: empty.",
        "dan": "not handed in",
        "eve": "handed in, but not graded yet",
    }


def test_moodle_gets_its_columns_with_identity_score_and_feedback(course, tmp_path):
    moodle.write(tmp_path / "m.csv", scores.read(course, LESSON))
    header, *rows = read(tmp_path / "m.csv")
    assert header == ["ID number", "First name", "Last name", "Email address", LESSON, f"{LESSON} (Feedback)"]
    assert len(set(header)) == len(header)  # Moodle maps columns by name
    known = {row[0]: row for row in rows}
    feedback = "dice_score: 2.5 of 3; iou_per_class: 1.5 of 2; mean_iou: 1.5 of 2; late penalty: 1.25"
    assert known["ada"] == ["ada", "Ada", "Lovelace", "ada@uni.example", "4.25", feedback]
    assert known["'=cmd()"][1:5] == ["", "", "", "5.5"]  # no spreadsheet runs it
    # Moodle: "include both feedback and grades", or else all grades of the activity are lost
    assert all(float(row[4]) >= 0 and row[5] for row in rows)


def imported(rows, column):
    """Read a file as Canvas's GradebookImporter does: check the header, then find students and points."""
    header, *rest = rows
    assert "Student" in header[0]
    assert "ID" in header[1]
    assert re.match(r"SIS\s+User\s+ID", header[2])
    assert re.match(r"SIS\s+Login\s+ID", header[3])
    assert "Section" in header[4]
    assert header[5:] == [column]
    assert all(len(row) == len(header) for row in rest)
    (points,) = [float(row[5]) for row in rest if "Points Possible" in row[0]]
    return points, {tuple(row[:4]): float(row[5]) for row in rest if "Points Possible" not in row[0]}


def test_canvas_gets_its_columns_with_the_points_possible(course, tmp_path):
    canvas.write(tmp_path / "c.csv", scores.read(course, LESSON), "Lesson 5 (1234)")
    points, found = imported(read(tmp_path / "c.csv"), "Lesson 5 (1234)")
    assert points == 7
    assert found == {
        ("Lovelace, Ada", "1001", "ada", "ada@uni.example"): 4.25,
        ("'=cmd()", "", "'=cmd()", "'=cmd()"): 5.5,
    }


@pytest.mark.parametrize("platform", ["moodle", "canvas"])
def test_the_commands_say_what_they_wrote_and_whom_they_left_out(course, capsys, platform):
    with pytest.raises(SystemExit) as stop:
        cli.main(["course", platform, "5", "--course", str(course.root)])
    assert not stop.value.code
    path = course.root / "exports" / f"{LESSON}-{platform}.csv"
    said = capsys.readouterr().out
    assert f"{path}: 2 score(s), of 7 points." in said
    assert "left out: dan (not handed in)" in said
    assert len(read(path)) == 3 + (platform == "canvas")


def test_a_lesson_that_was_not_graded_is_said_to_be(course, tmp_path):
    with pytest.raises(GradebookError, match="has not been graded yet"):
        scores.read(course, "03_unet")
    with pytest.raises(GradebookError, match=r"gradebook.db does not exist"):
        scores.read(Course(tmp_path / "elsewhere"), LESSON)


def test_a_rubric_has_a_criterion_per_group_and_the_points_of_the_lesson(tmp_path):
    made = lesson_with_own_cells()
    for cell in made.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "check_dice_score":
            cell.metadata.nbgrader.points = 6  # twice what the exercise declares
    rubric.write(tmp_path / "r.csv", parse_lesson(nbformat.writes(made), tmp_path / f"{LESSON}.ipynb", {}))
    header, *rows = read(tmp_path / "r.csv")
    # the order and names of Canvas's template; the ratings repeat
    assert header[:4] == ["Rubric Name", "Criteria Name", "Criteria Description", "Criteria Enable Range"]
    assert header[4:] == ["Rating Name", "Rating Description", "Rating Points"] * 2
    assert {row[0] for row in rows} == {LESSON}
    assert len({row[1] for row in rows}) == len(rows)  # Canvas merges criteria of one name
    points = {row[1]: (float(row[6]), float(row[9])) for row in rows}
    assert points["5.4 dice_score: empty masks"] == (2, 0)
    assert sum(most for most, _ in points.values()) == 6 + 2 + 2 + sum(OWN.values())
    examples = next(row[2] for row in rows if row[1] == "5.4 dice_score: empty masks")
    assert examples.startswith("For example: both masks are empty;")
