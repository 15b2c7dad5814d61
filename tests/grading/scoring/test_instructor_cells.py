"""An instructor's own nbgrader cells, from the lesson's file to the gradebook."""

import contextlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from grading_class import LESSON, POINTS, STUBS, as_bytes, gradebook, hand_in
from instructor_class import (
    ANSWERS,
    SECRET,
    TESTS,
    answered,
    find,
    label,
    lesson_with_own_cells,
    submissions,
)
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader import utils
from nbgrader.api import Gradebook
from repository import make, nbgrader

from segcourse.errors import SegcourseError
from segcourse.grading import grade_lesson
from segcourse.grading.course import Course
from segcourse.grading.gradebook.writer import GradebookWriter
from segcourse.grading.lesson import read_lesson
from segcourse.grading.sandbox import runner
from segcourse.grading.sandbox.limits import Limits
from segcourse.grading.scoring import instructor_cells
from segcourse.grading.scoring.events import Events
from segcourse.grading.scoring.result import Result
from segcourse.grading.submissions.recognise import recognise


def grade_class(root: Path):
    """Grade a class in a repository whose lesson an instructor has added to; return the results."""
    course = make(root)
    (course / "course.toml").write_text("[limits]\ncell_seconds = 1\ncase_seconds = 1\n")
    nbformat.write(lesson_with_own_cells(), root / "lessons" / LESSON / f"{LESSON}.ipynb")
    nbgrader(root, "generate_assignment", LESSON)
    for student, data in submissions(_released(root)).items():
        hand_in(course, student, data)
    results = grade_lesson(LESSON, course, lessons=root / "lessons", workers=3).results
    return root, {result.student: result for result in results}


def _released(root):
    return nbformat.read(root / "grading" / "release" / LESSON / f"{LESSON}.ipynb", as_version=4)


@pytest.fixture(scope="session")
def repository(once):
    return once(grade_class)[0]


@pytest.fixture(scope="session")
def graded(once):
    return once(grade_class)[1]


@pytest.fixture(scope="session")
def own_lesson(repository):
    return read_lesson(repository / "lessons" / LESSON / f"{LESSON}.ipynb")


def test_the_released_lesson_has_all_stubs_and_no_secrets(repository):
    released = _released(repository)
    text = "\n".join(cell.source for cell in released.cells)
    for secret in (SECRET, "0.775", "2J", "Two points", "model answer", "BEGIN", "END"):
        assert secret not in text
    assert {name: find(released, name).source for name in POINTS} == STUBS
    assert find(released, "hidden").source == TESTS["hidden"].partition("\n### BEGIN")[0]
    assert find(released, "essay").source == "Why is Dice above IoU?\n\nYOUR ANSWER HERE"
    assert find(released, "mine").source == "# YOUR CODE HERE\nraise NotImplementedError()"
    for cell in released.cells:
        if checksum := cell.metadata.get("nbgrader", {}).get("checksum"):
            assert checksum == utils.compute_checksum(cell)


def test_a_region_without_an_end_is_refused(tmp_path):
    made = lesson_with_own_cells()
    find(made, "hidden").source = "### BEGIN HIDDEN TESTS\nassert True"
    nbformat.write(made, tmp_path / f"{LESSON}.ipynb")
    with pytest.raises(SegcourseError, match="No end hidden tests statement found"):
        read_lesson(tmp_path / f"{LESSON}.ipynb")


def test_a_test_comes_from_the_instructor_once_and_below_what_it_tests(repository, own_lesson):
    handed_in = submissions(_released(repository))
    for student in ("edited", "deleted", "doubled", "above"):
        submission = recognise(handed_in[student], own_lesson)
        places = {cell.grade_id: place for place, cell in enumerate(submission.cells) if cell.grade_id}
        sources = [cell.source for cell in submission.cells]
        assert ("given = 'read-only'" in sources, "given = 2" in sources) == (True, False)
        for name, source in TESTS.items():
            assert sources.count(source) == 1
            assert sources[places[name]] == source
        assert places["check_mean_iou"] < places["check_plain"] < places["hidden"] < places["partial"]
        assert submission.repairs, student
    assert "the test check_plain came before what it needs and was moved down" in submission.repairs
    untouched = recognise(handed_in["right"], own_lesson)
    assert untouched.repairs == ()


@pytest.mark.parametrize(
    ("value", "points", "says"),
    [
        (None, 4, "passed"),
        (4.0, 4, "passed"),
        (1.5, 1.5, "partial credit"),
        (0.0, 0, "partial credit"),
        (4.5, None, "its last line is 4.5, not between 0 and 4 points; to be graded by hand"),
        (-1.0, None, "its last line is -1, not between 0 and 4 points; to be graded by hand"),
        (float("nan"), None, "its last line is not a number"),
        (float("inf"), None, "its last line is inf"),
        (True, None, "its last line is True, not a number of points"),
        (False, None, "its last line is False"),
        ("", None, "its last line is text"),
        ([4], 4, "passed"),  # as nbgrader: whatever else a cell shows is no verdict
    ],
)
def test_the_last_line_of_a_test_gives_its_points_if_it_is_valid(own_lesson, value, points, says):
    submission = recognise(as_bytes(lesson_with_own_cells()), own_lesson)
    place = next(i for i, cell in enumerate(submission.cells) if cell.grade_id == "partial")
    events = Events([{"step": 0, "status": "ran", "value": value}], [place])
    test = instructor_cells.score(own_lesson, submission, events)[2]
    assert (test.grade_id, test.points, test.max_points) == ("partial", points, 4)
    assert test.says.startswith(says)


def test_a_test_that_was_never_reached_is_graded_by_hand(repository, own_lesson):
    submission = recognise(as_bytes(_released(repository)), own_lesson)
    tests = instructor_cells.score(own_lesson, submission, Events([], []))
    assert [test.points for test in tests] == [None, None, None, 0, None]
    assert tests[0].says == "the run ended before this test; to be graded by hand"


@pytest.mark.sandbox
def test_the_instructors_tests_give_the_right_points(graded):
    got = {student: tuple(test.points for test in graded[student].tests[:3]) for student in graded}
    expected = {student: points for student, (_, points) in ANSWERS.items()}
    expected |= dict.fromkeys(("deleted", "doubled", "above"), (2, 3, 4))
    assert got == expected | {"untouched": (0, 0, 0), "refused": (None, None, None)}
    assert {result.max_score for result in graded.values()} == {27}
    assert graded["right"].score == 7 + 9
    assert graded["refused"].score is None
    says = {student: [test.says for test in graded[student].tests] for student in graded}
    assert says["first_class"][1] == (
        f"failed with AssertionError: one confusion, {SECRET[:3]} (line 5); part of this test is hidden"
    )
    assert says["hanging"][0] == "took too long"
    assert says["crashed"][0] == "stopped the whole kernel"
    assert says["untouched"][0].startswith("failed with NotImplementedError: Exercise 5.3")


@pytest.mark.sandbox
def test_answers_and_tasks_are_graded_by_hand_unless_they_are_unchanged(graded):
    read = {student: {test.grade_id: test for test in graded[student].tests[3:]} for student in graded}
    assert {read[student]["project"].points for student in graded} == {None}
    waiting = {student for student in graded if read[student]["essay"].points is None}
    assert waiting == {"right", "deleted", "refused"}  # what is missing may have been deleted by accident
    assert read["untouched"]["essay"].points == 0
    assert read["untouched"]["essay"].says == "no answer was written"


@pytest.mark.sandbox
def test_the_gradebook_agrees(repository, graded):
    with gradebook(repository / "grading") as book:
        for student, result in graded.items():
            submission = book.find_submission(LESSON, student)
            grades = {grade.name: grade for grade in submission.notebooks[0].grades}
            assert submission.max_score == 27
            assert submission.score == (result.score or 0)
            for test in result.tests:
                assert grades[test.grade_id].auto_score == test.points
                assert grades[test.grade_id].needs_manual_grade == (test.points is None)
        comments = {c.name: c.comment for c in book.find_submission(LESSON, "ones").notebooks[0].comments}
        assert (comments["essay"], comments["project"]) == ("No response.", None)


@pytest.mark.sandbox
def test_formgrader_shows_hidden_tests_and_the_students_page_does_not(repository, graded):
    course = repository / "grading"
    shown = nbformat.read(course / "autograded" / "first_class" / LESSON / f"{LESSON}.ipynb", as_version=4)
    assert find(shown, "hidden").source == TESTS["hidden"]
    assert "hidden, the instructor's own test: 0 of 3 points" in find(shown, "hidden").outputs[0].text
    assert "Two points a class" in find(shown, "project").source
    page = (course / "feedback" / "first_class" / LESSON / f"{LESSON}.html").read_text()
    assert "one confusion" in page
    assert SECRET not in page
    assert "0.775" not in page


SEARCH = """import os, re
control = "".join(["on the ", "left ", "side"])
def found(pattern, memory=f"/proc/{os.getpid()}/mem"):
    times = 0
    for line in open("/proc/self/maps"):
        place, rights, *_ = line.split()
        if rights.startswith("rw"):
            start, end = (int(number, 16) for number in place.split("-"))
            with open(memory, "rb", 0) as file:
                for offset in range(start, end, 1 << 24):
                    file.seek(offset)
                    times += len(re.findall(pattern, file.read(min(1 << 24, end - offset))))
    return times
closed = 0
for process in filter(str.isdecimal, os.listdir("/proc")):
    try:
        open(f"/proc/{process}/mem", "rb").close()
    except PermissionError:
        closed += int(process) != os.getpid()
print(found(rb"on the lef[t] side") > 0, found(rb"bright corner[s]"), closed > 0, len(In))"""


@pytest.mark.sandbox
def test_a_hidden_test_cannot_be_read_before_its_turn_nor_in_the_history_after_it():
    steps = [{"cell": SEARCH}, {"cell": TESTS["hidden"], "test": "hidden"}, {"cell": "print(In, _i, dir())"}]
    imports = ("import torch", "from segcourse import check")  # as the classes, to share their fork server
    ran = runner.run({"seed": 1, "steps": steps}, Limits(cell_seconds=30), imports=imports)
    searched, tested, afterwards, _ = ran.events
    # a string of the cell's own is found in memory; the hidden test is not, nor any other process's memory
    assert searched["printed"] == "True 0 True 2\n"
    assert tested["error"].startswith("NameError")
    assert SECRET not in afterwards["printed"]


@pytest.mark.sandbox
def test_a_lesson_may_have_only_an_instructors_tests(tmp_path):
    made = new_notebook(
        cells=[
            new_code_cell("import torch\n\nfrom segcourse import check", id="imports"),
            new_code_cell("", id="answer", metadata=label("answer", solution=True)),
            new_code_cell(
                "assert twice(2) == 4", id="test", metadata=label("hidden", grade=True, locked=True)
            ),
        ]
    )
    (tmp_path / "lessons" / "90_own").mkdir(parents=True)
    nbformat.write(made, tmp_path / "lessons" / "90_own" / "90_own.ipynb")
    for student, answer in {"ada": "twice = lambda x: 2 * x", "bob": "twice = abs"}.items():
        folder = tmp_path / "course" / "submitted" / student / "90_own"
        folder.mkdir(parents=True)
        (folder / "90_own.ipynb").write_bytes(as_bytes(answered(made, {"answer": answer})))
    done = grade_lesson("90_own", tmp_path / "course", lessons=tmp_path / "lessons")
    assert [(result.student, result.status, result.score) for result in done.results] == [
        ("ada", "graded", 3),
        ("bob", "graded", 0),
    ]


def test_a_refused_resubmission_leaves_no_old_score_of_a_test(own_lesson, tmp_path):
    course, unseen = Course.open(tmp_path), instructor_cells.ungraded(own_lesson)
    full = tuple(replace(test, points=test.max_points) for test in unseen)
    with contextlib.closing(
        GradebookWriter(course, own_lesson)
    ) as book:  # no nbgrader command has made this gradebook
        book.record(Result("ada", LESSON, tests=full), resubmitted=False)
        before = book.book.find_submission(LESSON, "ada")
        assert (before.score, before.max_score) == (20, 27)
        book.record(Result("ada", LESSON, tests=unseen, refusal="the file is empty."), resubmitted=True)
    with Gradebook(course.db_url, course.name) as book:
        (notebook,) = book.find_submission(LESSON, "ada").notebooks
        assert {(grade.auto_score, grade.needs_manual_grade) for grade in notebook.grades} == {(None, True)}
        assert notebook.score == 0
        assert {c.comment for c in notebook.comments} == {"could not be graded: the file is empty."}


def test_a_gradebook_with_other_points_is_not_written_to(repository, own_lesson):
    course = Course.open(repository / "grading")
    own_lesson = read_lesson(own_lesson.path)
    own_lesson.own["essay"] = 9.0
    with pytest.raises(SegcourseError, match="have different graded cells"):
        GradebookWriter(course, own_lesson)


@pytest.mark.sandbox
@pytest.mark.slow
def test_nbgraders_own_commands_agree(repository, graded, tmp_path):
    root = shutil.copytree(repository, tmp_path / "copy")
    course = root / "grading"
    nbgrader(root, "autograde", LESSON, "--student", "[rf]*", "--force")
    for student in ("right", "first_class", "refused"):
        record = json.loads((course / "autograded" / student / LESSON / "segcourse.json").read_text())
        assert record["score"] == graded[student].score
        assert [test["points"] for test in record["tests"]] == [t.points for t in graded[student].tests]
    nbgrader(root, "generate_feedback", LESSON, "--student", "first_class", "--force")
    page = (course / "feedback" / "first_class" / LESSON / f"{LESSON}.html").read_text()
    assert "own test: 0 of 3 points" in page
    assert not (course / "feedback" / "first_class" / LESSON / "segcourse.json").exists()
    assert SECRET not in page
    assert "0.775" not in page


@pytest.mark.slow
def test_validate_shows_a_failing_test_and_a_failing_check(repository, tmp_path, capsys):
    from nbgrader.validator import Validator

    wrong = ANSWERS["first_class"][0] | {"dice_score": "def dice_score(p, t): return torch.zeros(())"}
    made = answered(_released(repository), wrong)
    made.cells = [cell for cell in made.cells if cell.get("id") != "demo"]
    path = tmp_path / f"{LESSON}.ipynb"
    nbformat.write(made, path)
    failed = Validator().validate(str(path))["failed"]
    assert {'check("dice_score", dice_score)', find(made, "partial").source} <= {f["source"] for f in failed}
