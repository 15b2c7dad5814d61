"""A student's feedback page: points per group and by hand, pictures, and nothing that runs."""

import json
import re
from dataclasses import replace
from datetime import datetime

import pytest

from segcourse import exercises
from segcourse.grading import Session
from segcourse.grading.course import Course
from segcourse.grading.gradebook.marks import Mark, Marks
from segcourse.grading.reports import class_report, feedback
from segcourse.grading.scoring.result import InstructorCell, Result

LESSON = "05_losses_metrics"
MAX = {"confusion_matrix": 8.0, "dice_score": 3.0}


@pytest.fixture
def course(tmp_path):
    return Course(tmp_path, "Segmentation")


def result(**more) -> Result:
    """Return a result with two wrong answers: a transposed confusion matrix, and a wrong Dice score."""
    verdicts = tuple(
        exercises.assess(name, exercises.get(name).misconceptions[0].wrong, own=False)
        for name in ("confusion_matrix", "dice_score")
    )
    points = {v.name: v.points * MAX[v.name] / v.max_points for v in verdicts}
    return Result("ada", LESSON, verdicts, points, MAX, **more)


def words(page: str) -> str:
    """Return the text that a reader of the page sees."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def test_each_group_shows_examples_and_its_share_of_the_points(course):
    text = words(feedback.page(course, result()))
    # four groups of one point each, worth 8 points in this lesson
    assert re.search(r"✗ (&nbsp;)? ?small masks: 0 of 2", text)
    assert "absent classes: 0 of 2 (for example: the last two classes are absent;" in text
    assert "Your matrix is transposed" in text


def test_the_smallest_case_is_drawn_without_a_picture_file(course):
    page = feedback.page(course, result())
    assert 'aria-label="expected, row by row: 1 2; 0 1"' in page
    assert "yours, row by row: 1 0; 2 1; not as expected: row 0 column 1, row 1 column 0" in page
    assert not re.search(r"<(img|svg|script)", page)


def test_the_score_is_the_gradebooks(course):
    made = result()
    automatic = made.score
    assert f"{automatic:.3g} of 11 points This score is automatic" in words(feedback.page(course, made))
    cells = (
        Mark("check_confusion_matrix", 8.0, 0.0, 4.0),
        Mark("check_dice_score", 3.0, made.points["dice_score"]),
        Mark("essay", 5.0, None, 3.0),
    )
    comments = {"confusion_matrix": "You understood it: half the points.", "essay": "<b>Well</b> argued."}
    made = result(tests=(InstructorCell("essay", None, 5.0, "to be graded by hand", "answer"),))
    page = feedback.page(course, made, Marks(cells, penalty=1.5, comments=comments))
    text = words(page)
    by_dice = made.points["dice_score"]
    assert f"{by_dice + 7 - 1.5:.3g} of 16 points" in text
    assert f"{by_dice:.3g} automatic, 7 by hand, minus 1.5 for late submission." in text
    assert "4 of 8 wrong; points given by hand (automatic: 0)" in text
    assert "essay 3 of 5 your answer" in text
    assert "You understood it: half the points." in text
    assert "&lt;b&gt;Well&lt;/b&gt; argued." in page


def test_regrading_and_the_report_show_points_given_by_hand(lessons, tmp_path):
    with Session(LESSON, tmp_path, lessons=lessons, trust=True) as session:
        verdict = exercises.assess("mean_iou", exercises.get("mean_iou").misconceptions[0].wrong, own=False)
        points = {"dice_score": 0.0, "iou_per_class": 0.0, "mean_iou": 1.0}
        made = Result("ada", LESSON, (verdict,), points, session.lesson.points)
        page = session.course.feedback("ada", LESSON)
        session.record(made)
        assert "1 of 7 points This score is automatic" in words(page.read_text())
        session.gradebook.book.find_grade("check_mean_iou", LESSON, LESSON, "ada").manual_score = 2.0
        session.gradebook.book.db.commit()
        session.record(made)
        assert "2 of 7 points 0 automatic, 2 by hand" in words(page.read_text())
        session.gradebook.book.find_grade("check_mean_iou", LESSON, LESSON, "ada").manual_score = 1.5
        session.gradebook.book.db.commit()
    assert class_report.rewrite_pages(LESSON, tmp_path) == 1
    assert "1.5 of 7 points 0 automatic, 1.5 by hand" in words(page.read_text())


def test_comments_from_formgrader_reach_the_page(lessons, tmp_path):
    """formgrader comments on the cells that students edit, not on those that give points."""
    with Session(LESSON, tmp_path, lessons=lessons, trust=True) as session:
        verdict = exercises.assess("mean_iou", exercises.get("mean_iou").misconceptions[0].wrong, own=False)
        points = {"dice_score": 0.0, "iou_per_class": 0.0, "mean_iou": 1.0}
        made = Result("ada", LESSON, (verdict,), points, session.lesson.points)
        session.record(made)
        book = session.gradebook.book
        commented = {c.name for c in book.find_submission_notebook(LESSON, LESSON, "ada").comments}
        assert commented == {"dice_score", "iou_per_class", "mean_iou"}
        book.find_comment("mean_iou", LESSON, LESSON, "ada").manual_comment = "A mean <b>of what</b>?"
        book.find_comment("dice_score", LESSON, LESSON, "ada").manual_comment = "Try the next one, too."
        book.db.commit()
        page = session.course.feedback("ada", LESSON)
        session.record(made)
        regraded = page.read_text()
    page.unlink()
    class_report.rewrite_pages(LESSON, tmp_path)
    assert page.read_text() == regraded
    text = words(regraded)
    assert "1 of 2 points Your instructor's comment A mean &lt;b&gt;of what&lt;/b&gt;?" in text
    assert "Your instructor's comment on dice_score Try the next one, too." in text


def test_the_page_says_who_handed_in_what_and_when(course):
    marks = Marks((), 1.0, name="Ada Lovelace", handed_in=datetime(2027, 1, 5, 14, 30), seconds_late=9000)
    text = words(feedback.page(course, result(), marks))
    assert "Lesson 5 · Losses and metrics: what is a good mask? Ada Lovelace ( ada ) · Segmentation" in text
    assert "handed in on 5 January 2027, 14:30 UTC, 2 h 30 min late" in text
    assert "Exercise 5.1 · confusion_matrix : 0 of 8 points" in text
    assert "5.4 dice_score" in text


def test_code_stands_beside_its_verdict_and_what_is_right_is_folded(course):
    right = exercises.assess("dice_score", exercises.get("dice_score").answer, own=False)
    made = result()
    made = replace(made, verdicts=(made.verdicts[0], right))
    answers = {
        "confusion_matrix": "def confusion_matrix(p, t):\n    return p < t\u202e",
        "dice_score": "2 * 3",
    }
    cells = [
        {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": name}}, "source": source}
        for name, source in answers.items()
    ]
    notebook = course.autograded("ada", LESSON) / f"{LESSON}.ipynb"
    notebook.parent.mkdir(parents=True)
    notebook.write_text(json.dumps({"cells": cells}))
    page = feedback.page(course, made)
    wrong, passed = re.findall(r"<section.*?</section>", page, re.S)
    assert '<span class="at">2  </span>    return p &lt; t\ufffd</pre>' in wrong
    before_hints = wrong.partition("<summary>Hint 1")[0]
    assert "Your matrix is transposed" in before_hints
    assert "<details>" not in before_hints[: before_hints.index("Hints from the lesson")]
    assert "<code>torch.bincount</code> counts." in wrong
    assert "Hint" not in passed
    folded = re.search(r"<details>.*</details>", passed, re.S)[0]
    assert "2 * 3" in folded
    assert folded.count("✓") == len(right.groups)
    assert "✓" not in passed.replace(folded, "")


def test_a_score_that_is_not_complete_says_so(course):
    cells = (Mark("check_confusion_matrix", 8.0, 0.0), Mark("check_dice_score", 3.0, 2.0))
    essay = (Mark("essay", 5.0, review=True),)
    made = result(tests=(InstructorCell("essay", None, 5.0, "to be graded by hand", "answer"),))
    text = words(feedback.page(course, made, Marks(cells + essay)))
    assert "2 of 16 points so far" in text
    assert "Your instructor will grade up to 5 more points by hand" in text
    assert "essay – of 5 your answer, not graded yet" in text


def test_a_refusal_is_not_a_zero_unless_a_person_gave_points(course):
    refused = Result("ada", LESSON, max_points=MAX, refusal="the file is empty; hand it in again.")
    waiting = tuple(Mark(f"check_{name}", most, review=True) for name, most in MAX.items())
    status = f"could not be graded: {refused.refusal}"
    for marks in (None, Marks(waiting, status=status)):
        text = words(feedback.page(course, refused, marks))
        assert "no score yet" in text
        assert "The file is empty; hand it in again." in text
        assert not re.search(r"\d of \d", text)
    by_hand = tuple(Mark(f"check_{name}", most, None, 1.0) for name, most in MAX.items())
    text = words(feedback.page(course, refused, Marks(by_hand, status="graded")))
    assert "2 of 11 points" in text
    assert "2 by hand" in text


def test_an_instructors_own_tests_are_marked_as_such(course):
    own = (
        InstructorCell("adds_up", 1.0, 2.0, "partial credit"),
        InstructorCell("late", None, 1.0, "the run ended before"),
    )
    text = words(feedback.page(course, result(tests=own)))
    assert "Your instructor's own tests Run inside your notebook" in text.replace("&#39;", "'")
    assert "adds_up: 1 of 2 points Partial credit" in text
    assert "late: not graded yet The run ended before" in text


def test_nothing_on_the_page_runs(course):
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202e"

    def raising(prediction, target):
        raise ValueError(hostile)

    made = Result(
        hostile * 100, LESSON, (exercises.assess("dice_score", raising),), {"dice_score": 0.0}, MAX,
        (InstructorCell(hostile, 0.0, 1.0, hostile),), (hostile,), (hostile,),
    )  # fmt: skip
    page = feedback.page(
        course, made, Marks((Mark(hostile, 1.0, 0.0),), comments={hostile: hostile}, name=hostile)
    )
    assert "default-src 'none'" in page
    assert not re.search(r"<(script|img|svg|iframe|a href=\"[^#])", page)
    assert page.count("&lt;script&gt;") >= 6
    assert len(page) < 40_000
