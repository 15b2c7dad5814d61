"""Nothing a student does by accident stops a class: everyone has a status, a page and the mark they merit."""

import csv
from html import unescape

import pytest
from accident_class import LIMITS, MEGABYTES, accidents
from accidents import cells, editors, files, runs
from grading_class import LESSON, RIGHT, as_bytes, hand_in, notebook
from nbgrader.api import Gradebook

from segcourse.exercises.display import text
from segcourse.grading import grade_lesson
from segcourse.grading.course import Course
from segcourse.grading.nbgrader_plugins import StatusExport

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

CLASS = accidents(files, editors, cells, runs)
everyone = pytest.mark.parametrize("accident", CLASS.values(), ids=CLASS)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    (folder / "course.toml").write_text(f"[limits]\nnotebook_mb = {MEGABYTES}\n")
    for accident in CLASS.values():
        accident.hand_in(folder)
    return folder


@pytest.fixture(scope="module")
def graded(course, lessons):
    results = grade_lesson(LESSON, course, lessons=lessons, limits=LIMITS, workers=2).results
    return {result.student: result for result in results}


@pytest.fixture(scope="module")
def exported(graded, course, tmp_path_factory):
    place, table = Course.open(course), tmp_path_factory.mktemp("export") / "grades.csv"
    with Gradebook(place.db_url, place.name) as book:
        StatusExport(to=str(table)).export(book)
    with open(table, newline="") as file:
        return {row["student_id"]: row for row in csv.DictReader(file)}


def page(course, student: str) -> str:
    """A student's page as lower-case text: it begins its own sentences."""
    return unescape(
        (course / "feedback" / student / LESSON / f"{LESSON}.html").read_text(encoding="utf-8")
    ).lower()


def test_the_class_is_large_and_complete(graded):
    assert len(CLASS) >= 80
    assert set(graded) == set(CLASS)


@everyone
def test_the_mark_is_what_the_work_merits(graded, accident):
    result = graded[accident.name]
    assert result.score == accident.score, result.status
    if accident.refused:
        assert accident.refused in result.refusal
    else:
        assert result.status == ("graded with repairs" if accident.repaired else "graded")


@everyone
def test_each_repair_is_said_and_nothing_else(graded, accident):
    said = graded[accident.name].repairs
    assert len(said) == len(accident.repaired), said
    for words, sentence in zip(accident.repaired, said, strict=True):
        assert words in sentence


@everyone
def test_the_student_reads_it_all(graded, course, accident):
    result, shown = graded[accident.name], page(course, accident.name)
    for sentence in (*result.repairs, *result.stopped_cells, *(result.refusal or "").split("; ")):
        assert sentence.lower() in shown
    assert ("no score yet" in shown) == (accident.score is None)
    for verdict in result.verdicts:
        assert not verdict.diagnosis or verdict.diagnosis.lower() in shown


@everyone
def test_no_zero_is_silent(graded, accident):
    verdicts = {verdict.name: verdict for verdict in graded[accident.name].verdicts}
    for name, words in accident.told.items():
        assert words in (verdicts[name].diagnosis or "")
    for verdict in verdicts.values():
        assert verdict.points or verdict.diagnosis or "not started yet" in text(verdict)
    for words in accident.stopped:
        assert any(words in stop for stop in graded[accident.name].stopped_cells), graded[
            accident.name
        ].stopped_cells


@everyone
def test_gradebook_and_export_say_the_same(graded, course, exported, accident):
    row = exported[accident.name]
    assert row["score"] == ("" if accident.score is None else str(float(accident.score)))
    assert row["status"] == ("graded" if accident.score is not None else graded[accident.name].status)
    place = Course.open(course)
    with Gradebook(place.db_url, place.name) as book:
        submission = book.find_submission(LESSON, accident.name)
        assert submission.needs_manual_grade == (accident.score is None)
        grades = [grade for handed_in in submission.notebooks for grade in handed_in.grades]
        assert len(grades) == 3
        assert all((grade.auto_score is None) == (accident.score is None) for grade in grades)


def test_a_broken_resubmission_keeps_no_mark_and_a_mended_one_gets_its_own(lessons, tmp_path):
    good, better = notebook({"dice_score": RIGHT["dice_score"]}), notebook(RIGHT)
    path = hand_in(tmp_path, "ada", as_bytes(good))
    marks = []
    for data in (as_bytes(good), as_bytes(good)[:300], as_bytes(better), b"", as_bytes(good)):
        path.write_bytes(data)
        [result] = grade_lesson(LESSON, tmp_path, lessons=lessons, limits=LIMITS).results
        place = Course.open(tmp_path)
        with Gradebook(place.db_url, place.name) as book:
            submission = book.find_submission(LESSON, "ada")
            grade = book.find_grade("check_dice_score", LESSON, LESSON, "ada")
            marks.append((result.score, submission.score, submission.needs_manual_grade, grade.auto_score))
        assert ("no score yet" in page(tmp_path, "ada")) == (result.score is None)
    assert marks == [
        (3, 3, False, 3),
        (None, 0, True, None),
        (7, 7, False, 3),
        (None, 0, True, None),
        (3, 3, False, 3),
    ]


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
        assert result.refusal.split("; ")[0].lower() in page(tmp_path, "ada")
    assert "contains nothing" in reasons[0]
    assert "it is not clear which of" in reasons[1]
    assert "a Python script" in reasons[2]
