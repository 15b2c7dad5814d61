"""Regrade requests: found beside the notebook, listed, answered once, logged."""

import csv

import pytest
from grading_class import LESSON, RIGHT, as_bytes, hand_in, notebook
from typer.testing import CliRunner

from segcourse import cli
from segcourse.errors import SegcourseError
from segcourse.grading import Session, regrade
from segcourse.grading.course import Course
from segcourse.grading.regrade import Request
from segcourse.grading.reports import class_report
from segcourse.grading.scoring.result import Result

TEXT = """- dice_score: for empty masks
  nothing was found, so =1 is right.
**mean_iou**
My mean leaves absent classes out.
"""


@pytest.fixture
def course(tmp_path, lessons, lesson):
    """ada and ben were graded and ask for a regrade, ben in general; cleo hands in a link."""
    with Session(LESSON, tmp_path, lessons=lessons, trust=True) as session:
        for student in ("ada", "ben", "cleo"):
            path = hand_in(tmp_path, student, as_bytes(notebook(RIGHT)))
            points = dict.fromkeys(lesson.points, 1.5)
            session.record(Result(student, LESSON, points=points, max_points=lesson.points, digest="1"))
            if student == "ada":
                path.with_name("regrade.md").write_text(TEXT)
            elif student == "ben":
                path.with_name("regrade.txt").write_bytes(b"I was \xff ill.\x1b[2J")
            else:
                path.with_name("regrade.md").symlink_to(tmp_path / "course.secret")
    return Course.open(tmp_path)


DICE = Request("ada", "dice_score", "for empty masks nothing was found, so =1 is right.")
MEAN = Request("ada", "mean_iou", "My mean leaves absent classes out.")


def read_log(course):
    with open(course.root / "regrade" / f"{LESSON}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_requests_are_read_by_exercise_and_no_link_is_followed(course):
    found = regrade.open_requests(course, LESSON)
    assert found[:2] == [DICE, MEAN]
    assert found[2].student == "ben"
    assert found[2].exercise == ""
    assert found[2].reason.startswith("I was \ufffd ill.")
    assert "\x1b" not in str(found[2])
    assert "regrade.md is a link, not a file" in found[3].reason
    assert (course.root / "course.secret").read_text().strip() not in str(found)


def test_an_answer_is_logged_once_and_a_changed_request_is_open_again(course):
    assert regrade.answer(course, LESSON, "ada", "=Right, 2 points.", "dice_score") == [DICE]
    (row,) = read_log(course)
    assert row.pop("answered")
    assert row == {
        "student": "ada",
        "exercise": "dice_score",
        "reason": DICE.reason,
        "points": "1.5",
        "answer": "'=Right, 2 points.",  # no spreadsheet runs it
    }
    assert DICE not in regrade.open_requests(course, LESSON)
    assert regrade.answer(course, LESSON, "ada", "No: see the text.") == [MEAN]
    told = course.feedback("ada", LESSON).with_name("regrade.txt").read_text()
    assert told.index("Right, 2 points.") < told.index("No: see the text.")
    with pytest.raises(SegcourseError, match="ada has no open request about mean_iou"):
        regrade.answer(course, LESSON, "ada", "again", "mean_iou")

    path = course.submitted("ada", LESSON) / "regrade.md"
    path.write_text("mean_iou: please look again")
    assert regrade.open_requests(course, LESSON)[0] == Request("ada", "mean_iou", "please look again")
    assert len(read_log(course)) == 2


def test_a_damaged_log_is_not_written_over(course):
    regrade.answer(course, LESSON, "ada", "yes")
    path = course.root / "regrade" / f"{LESSON}.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(SegcourseError, match=r"should have the columns answered, student"):
        regrade.answer(course, LESSON, "ben", "yes")
    assert path.read_text() == "a,b\n1,2\n"


def test_the_commands_list_mention_and_answer_requests(course):
    def run(*arguments):
        done = CliRunner().invoke(cli.app, [*arguments, "--course", str(course.root)])
        assert done.exit_code == 0, done.output
        return done.output

    said = run("course", "requests", "5")
    assert f"ada, dice_score: {DICE.reason}\n" in said
    assert said.endswith("4 open regrade request(s).\n")
    mention = f"Open regrade requests: 4 (ada, ben, cleo); see `segcourse course requests {LESSON}`."
    assert mention in run("report", LESSON)
    assert run("course", "answer", "5", "ada", "yes").count("answered: ada") == 2
    for student in ("ben", "cleo"):
        run("course", "answer", "5", student, "no")
    assert "regrade" not in run("report", LESSON)


def test_the_class_report_lists_open_requests_and_an_anonymous_one_does_not(course):
    page, _ = class_report.write(LESSON, course.root)
    words = page.read_text(encoding="utf-8").split("<h2>Regrade requests</h2>")[1].split("</table>")[0]
    assert "for empty masks nothing was found, so =1 is right." in words
    assert "the whole lesson" in words
    anonymous, _ = class_report.write(LESSON, course.root, hide_names=True)
    assert "nothing was found" not in anonymous.read_text(encoding="utf-8")
    for student in ("ada", "ben", "cleo"):
        regrade.answer(course, LESSON, student, "thank you")
    page, _ = class_report.write(LESSON, course.root)
    assert "Regrade requests" not in page.read_text(encoding="utf-8")
