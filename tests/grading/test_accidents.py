"""Accidents of students: none stops the batch, and each student gets a status, a page and the right mark."""

import re
from html import unescape
from pathlib import Path

import pytest
from accident_class import LIMITS, MEGABYTES, accidents
from accidents import cells, editors, files, runs
from grading_class import LESSON, RIGHT, as_bytes, gradebook, hand_in, make_lessons, notebook
from repository import table

from segcourse.exercises.engine.display import text
from segcourse.grading import grade_lesson

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

CLASS = accidents(files, editors, cells, runs)
everyone = pytest.mark.parametrize("accident", CLASS.values(), ids=CLASS)


def grade_everyone(folder: Path):
    """Grade the class; return the course, the results and the rows of the export."""
    course = folder / "course"
    course.mkdir()
    (course / "course.toml").write_text(f"[limits]\nnotebook_mb = {MEGABYTES}\n")
    for accident in CLASS.values():
        accident.hand_in(course)
    options = {"lessons": make_lessons(folder), "limits": LIMITS, "workers": 4}
    results = grade_lesson(LESSON, course, **options).results
    return course, {result.student: result for result in results}, table(course)


@pytest.fixture(scope="session")
def accidents_graded(once):
    return once(grade_everyone)


@pytest.fixture(scope="session")
def course(accidents_graded):
    return accidents_graded[0]


@pytest.fixture(scope="session")
def graded(accidents_graded):
    return accidents_graded[1]


@pytest.fixture(scope="session")
def exported(accidents_graded):
    return accidents_graded[2]


def page(course, student: str) -> str:
    """Return a student's page as `plain` text."""
    return plain((course / "feedback" / student / LESSON / f"{LESSON}.html").read_text(encoding="utf-8"))


def plain(words: str) -> str:
    """Return text without capital letters and marks around code, which a page changes."""
    return re.sub("</?code>|`", "", unescape(words)).lower()


def test_the_class_is_large_and_complete(graded):
    assert len(CLASS) >= 80
    assert set(graded) == set(CLASS)


@everyone
def test_the_mark_is_right(graded, accident):
    result = graded[accident.name]
    assert result.score == accident.score, result.status
    if accident.refused:
        assert accident.refused in result.refusal
    else:
        assert result.status == ("graded with repairs" if accident.repaired else "graded")


@everyone
def test_each_repair_is_reported_and_nothing_else(graded, accident):
    repairs = graded[accident.name].repairs
    assert len(repairs) == len(accident.repaired), repairs
    for words, sentence in zip(accident.repaired, repairs, strict=True):
        assert words in sentence


@everyone
def test_the_student_can_read_all_of_it(graded, course, accident):
    result, shown = graded[accident.name], page(course, accident.name)
    for sentence in (*result.repairs, *result.stopped_cells, *(result.refusal or "").split("; ")):
        assert plain(sentence) in shown
    assert ("no score yet" in shown) == (accident.score is None)
    for verdict in result.verdicts:
        assert not verdict.diagnosis or plain(verdict.diagnosis) in shown


@everyone
def test_every_zero_has_a_reason(graded, accident):
    verdicts = {verdict.name: verdict for verdict in graded[accident.name].verdicts}
    for name, words in accident.diagnosed.items():
        assert words in (verdicts[name].diagnosis or "")
    for verdict in verdicts.values():
        assert verdict.points or verdict.diagnosis or "not started yet" in text(verdict)
    stopped_cells = graded[accident.name].stopped_cells
    for words in accident.stopped:
        assert any(words in sentence for sentence in stopped_cells), stopped_cells


def test_gradebook_and_export_agree(graded, course, exported):
    with gradebook(course) as book:
        for accident in CLASS.values():
            row, ungraded = exported[accident.name], accident.score is None
            assert row["score"] == ("" if ungraded else str(float(accident.score)))
            assert row["status"] == (graded[accident.name].status if ungraded else "graded")
            submission = book.find_submission(LESSON, accident.name)
            assert submission.needs_manual_grade == ungraded
            grades = [grade for handed_in in submission.notebooks for grade in handed_in.grades]
            assert len(grades) == 3
            assert all((grade.auto_score is None) == ungraded for grade in grades)


def test_a_broken_resubmission_keeps_no_mark_and_a_fixed_one_gets_its_own(lessons, tmp_path):
    good, better = notebook({"dice_score": RIGHT["dice_score"]}), notebook(RIGHT)
    path = hand_in(tmp_path, "ada", as_bytes(good))
    marks = []
    for data in (as_bytes(good), as_bytes(good)[:300], as_bytes(better), b""):
        path.write_bytes(data)
        [result] = grade_lesson(LESSON, tmp_path, lessons=lessons, limits=LIMITS).results
        with gradebook(tmp_path) as book:
            submission = book.find_submission(LESSON, "ada")
            grade = book.find_grade("check_dice_score", LESSON, LESSON, "ada")
            marks.append((result.score, submission.score, submission.needs_manual_grade, grade.auto_score))
        assert ("no score yet" in page(tmp_path, "ada")) == (result.score is None)
    assert marks == [(3, 3, False, 3), (None, 0, True, None), (7, 7, False, 3), (None, 0, True, None)]


def test_another_reason_for_no_score_replaces_the_old_one(lessons, tmp_path):
    path = hand_in(tmp_path, "ada", b"", ".keep")
    reasons = []
    for names in ([], ["a.ipynb", "b.ipynb"], [f"{LESSON}.py"]):
        for old in path.parent.iterdir():
            old.unlink()
        for name in names:
            path.with_name(name).write_bytes(b"{}")
        [result] = grade_lesson(LESSON, tmp_path, lessons=lessons, limits=LIMITS).results
        reasons.append(result.refusal)
        assert plain(result.refusal.split("; ")[0]) in page(tmp_path, "ada")
    assert "contains nothing" in reasons[0]
    assert "it is not clear which of" in reasons[1]
    assert "a Python script" in reasons[2]
