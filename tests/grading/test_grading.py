"""A whole class, graded once in the sandbox: each student gets the right mark and a reason."""

import copy
import json
import re
from pathlib import Path

import nbformat
import pytest
from grading_class import IOU_FOR_DICE, LESSON, RIGHT, as_bytes, gradebook, hand_in, make_lessons, notebook
from repository import table

from segcourse.errors import SegcourseError
from segcourse.grading import grade_lesson, session
from segcourse.grading.course import Course
from segcourse.grading.gradebook.writer import GradebookWriter
from segcourse.grading.reports import class_report
from segcourse.grading.scoring import grade

LIMITS = {"cell_seconds": 1, "case_seconds": 1}
# a student who replaces everything that may judge the answers, and whose answers are all wrong
PATCHED = """import builtins, segcourse, segcourse.exercises as e, numpy as np
from segcourse.exercises.engine import diagnosis, judging, observations, observing
class Anything:
    def __eq__(self, other): return True
    def __array__(self, *args, **kwargs): return np.asarray(1.0)
    def __float__(self): return 1.0
check = segcourse.check = e.check = e.assess = lambda *a, **k: "all points"
judging.judge = judging.differences = diagnosis.diagnose = observations.same = lambda *a, **k: True
observing.observe = observing.observe_all = lambda *a, **k: [{}]
builtins.AssertionError = type("AssertionError", (Exception,), {})
np.allclose = np.array_equal = lambda *a, **k: True
import IPython; IPython.get_ipython().run_cell = lambda *a, **k: None
def dice_score(prediction, target): return Anything()"""


def stripped() -> bytes:
    made = copy.deepcopy(notebook(RIGHT))
    for i, cell in enumerate(made.cells):
        cell.metadata, cell.id = {}, f"new{i}"
    return as_bytes(made)


def doubled() -> bytes:
    made = notebook(RIGHT)
    made.cells[4:4] = copy.deepcopy(made.cells[2:4])
    return as_bytes(made)


def without(name: str) -> bytes:
    made = notebook(RIGHT)
    made.cells = [cell for cell in made.cells if name not in cell.get("id", "")]
    return as_bytes(made)


def handed_in_as_another() -> bytes:
    data = as_bytes(notebook())
    for name, other in {"dice_score": "UNet", "iou_per_class": "Up", "mean_iou": "AttentionGate"}.items():
        data = data.replace(name.encode(), other.encode())
    return data


SUBMISSIONS = {
    "right": as_bytes(notebook(RIGHT)),
    "wrong": as_bytes(notebook(RIGHT | {"dice_score": IOU_FOR_DICE})),
    "half": as_bytes(
        notebook({"dice_score": RIGHT["dice_score"], "mean_iou": "def mean_iou(matrix):\n    return"})
    ),
    "untouched": as_bytes(notebook()),
    "syntax": as_bytes(notebook(RIGHT | {"dice_score": "def dice_score(prediction, target)\n    return 1"})),
    "loop": as_bytes(notebook(RIGHT, {"iou_per_class": ["while True: pass"]})),
    "killed": as_bytes(notebook(RIGHT, {"mean_iou": ["import os; os.kill(os.getpid(), 9)"]})),
    "stripped": stripped(),
    "patched": as_bytes(notebook(RIGHT | {"dice_score": PATCHED})),
    "patched_and_right": as_bytes(
        notebook(RIGHT, {"dice_score": ["import builtins\ncheck = print; del builtins.AssertionError"]})
    ),
    "builtins": as_bytes(notebook(RIGHT | {"dice_score": "import builtins\nbuiltins.len = lambda x: 0"})),
    "doubled": doubled(),
    "missing": without("dice_score"),
    "scripted": as_bytes(
        notebook(
            {"dice_score": "def dice_score(p, t):\n    raise ValueError('<script>alert(1)</script>')"},
            {"mean_iou": ["print('<img src=x onerror=alert(2)>')\nraise KeyError('<svg onload=alert(3)>')"]},
        )
    ),
    "not_a_notebook": b"Dear teacher, my laptop broke.",
    "empty": b"",
    "big": as_bytes(notebook()) + b" " * 3_000_000,
    "other_lesson": handed_in_as_another(),
}
SCORES = {
    "right": 7, "wrong": 4, "half": 3, "untouched": 0, "syntax": 4, "loop": 7, "killed": 7, "stripped": 7,
    "patched": 4, "patched_and_right": 7, "builtins": 4, "doubled": 7, "missing": 4, "scripted": 0,
    "not_a_notebook": None, "empty": None, "big": None, "other_lesson": None,
}  # fmt: skip


def grade_class(folder: Path):
    """Grade the class; return the course and the results."""
    course = folder / "course"
    course.mkdir()
    (course / "course.toml").write_text('name = "Segmentation 101"\n[limits]\nnotebook_mb = 2\n')
    for student, data in SUBMISSIONS.items():
        hand_in(course, student, data)
    results = grade_lesson(LESSON, course, lessons=make_lessons(folder), limits=LIMITS).results
    return course, {result.student: result for result in results}


@pytest.fixture(scope="session")
def course(once):
    return once(grade_class)[0]


@pytest.fixture(scope="session")
def graded(once):
    return once(grade_class)[1]


pytestmark = pytest.mark.sandbox


def verdict(result, name):
    return next(verdict for verdict in result.verdicts if verdict.name == name)


def test_everyone_gets_the_right_mark(graded):
    assert {student: result.score for student, result in graded.items()} == SCORES


def test_everyone_has_a_status_with_a_reason(graded):
    status = {student: result.status for student, result in graded.items()}
    assert {s for s in status if status[s] == "graded"} == {
        "right", "wrong", "half", "untouched", "syntax", "patched", "patched_and_right", "builtins",
        "scripted",
    }  # fmt: skip
    repaired = {s for s in status if status[s] == "graded with repairs"}
    assert repaired == {"loop", "killed", "stripped", "doubled", "missing"}
    assert "not a Jupyter notebook" in status["not_a_notebook"]
    assert status["empty"].startswith("could not be graded: the file is empty")
    assert "larger than the limit of 2 MB" in status["big"]
    assert "notebook of 03_unet" in status["other_lesson"]


def test_each_reason_fits_the_students_mistake(graded):
    assert "intersection over union" in verdict(graded["wrong"], "dice_score").diagnosis
    assert "returns None" in verdict(graded["half"], "mean_iou").diagnosis
    assert "SyntaxError" in verdict(graded["syntax"], "dice_score").diagnosis
    assert "does not exist when its check runs" in verdict(graded["builtins"], "dice_score").diagnosis
    assert "was not found" in verdict(graded["missing"], "dice_score").diagnosis
    assert not any(v.started for v in graded["untouched"].verdicts)
    assert graded["loop"].repairs == (
        "the cell that begins “while True: pass” took more than 1 s and was skipped",
    )
    assert "stopped the whole kernel and was skipped" in graded["killed"].repairs[0]


def test_patching_the_judge_changes_no_mark(graded):
    assert verdict(graded["patched"], "dice_score").points == 0
    assert verdict(graded["patched"], "iou_per_class").passed
    assert verdict(graded["patched_and_right"], "dice_score").passed


def test_nbgraders_gradebook_holds_the_marks(graded, course):
    with gradebook(course) as book:
        for student, score in SCORES.items():
            submission = book.find_submission(LESSON, student)
            assert submission.max_score == 7
            assert submission.score == (score or 0)
            assert submission.needs_manual_grade == (score is None)
            grade = book.find_grade("check_dice_score", LESSON, LESSON, student)
            assert (grade.auto_score is None) == (score is None)
        comment = book.find_comment("dice_score", LESSON, LESSON, "wrong").comment
        assert "intersection over union" in comment
        assert book.find_comment("dice_score", LESSON, LESSON, "empty").comment.startswith(
            "could not be graded: the file is empty"
        )


def test_the_export_never_says_zero_for_what_was_not_graded(graded, course):
    rows = table(course)
    assert {s: float(row["score"]) if row["score"] else None for s, row in rows.items()} == SCORES
    assert rows["empty"]["status"].startswith("could not be graded: the file is empty")
    assert rows["right"]["status"] == "graded"


def test_feedback_is_complete_and_holds_nothing_that_runs(graded, course):
    for student, result in graded.items():
        page = (course / "feedback" / student / LESSON / f"{LESSON}.html").read_text()
        assert "default-src 'none'" in page
        assert "<script" not in page
        assert "<img" not in page
        assert "<svg" not in page
        assert ("no score yet" in page) == (result.score is None)
    page = (course / "feedback" / "scripted" / LESSON / f"{LESSON}.html").read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert "&lt;svg onload=alert(3)&gt;" in page
    wrong = (course / "feedback" / "wrong" / LESSON / f"{LESSON}.html").read_text()
    assert "intersection over union" in wrong
    assert "Expected <b>0.667</b>, yours <b>0.500</b>" in wrong


def test_formgrader_gets_a_notebook_for_everyone(graded, course):
    for student in SUBMISSIONS:
        made = nbformat.read(course / "autograded" / student / LESSON / f"{LESSON}.ipynb", as_version=4)
        nbformat.validate(made)
        ids = [cell.metadata.nbgrader.grade_id for cell in made.cells if "nbgrader" in cell.metadata]
        assert len(ids) == len(set(ids))
        assert {i for i in ids if i.startswith("check_")} == {
            "check_dice_score",
            "check_iou_per_class",
            "check_mean_iou",
        } or student == "missing"
    report = (
        nbformat.read(course / "autograded" / "empty" / LESSON / f"{LESSON}.ipynb", as_version=4)
        .cells[0]
        .source
    )
    assert "could not be graded: the file is empty" in report


def test_the_cases_are_the_courses_secret(graded, course, lessons):
    place = Course.open(course)
    assert place.seed(LESSON, "1f") == place.seed(LESSON, "1f") != place.seed("03_unet", "1f")
    assert (course / "course.secret").stat().st_mode & 0o077 == 0
    secret = (course / "course.secret").read_text().strip()
    written = [path for path in course.rglob("*") if path.is_file() and path.name != "course.secret"]
    assert not [path for path in written if secret.encode() in path.read_bytes()]
    seeds = [str(place.seed(LESSON, result.digest)) for result in graded.values() if result.digest]
    assert not [path for path in written if any(seed.encode() in path.read_bytes() for seed in seeds)]


TELLS = """
import sys
def dice_score(prediction, target):
    frame = sys._getframe()
    while frame:
        if "order" in frame.f_locals:
            raise ValueError("seed", frame.f_locals["order"]["seed"])
        frame = frame.f_back
"""
TABLE = """
from segcourse import exercises
from segcourse.exercises.engine.exercise import draw
told, exercise = {seed}, exercises.get("dice_score")
table = {{str(c.inputs): exercise.answer(**c.inputs) for c in draw(exercise, told)}}
def dice_score(prediction, target):
    return table.get(str(dict(prediction=prediction, target=target)), torch.tensor(0.5))
"""


def test_a_seed_that_a_submission_tells_is_worth_nothing_for_the_next(lessons, tmp_path):
    hand_in(tmp_path, "ada", as_bytes(notebook(RIGHT | {"dice_score": TELLS})))
    told = grade_lesson(LESSON, tmp_path, lessons=lessons).results[0]
    seed = int(re.search(r"\('seed', (\d+)\)", told.verdicts[0].diagnosis)[1])
    hand_in(tmp_path, "ada", as_bytes(notebook(RIGHT | {"dice_score": TABLE.format(seed=seed)})))
    again = grade_lesson(LESSON, tmp_path, lessons=lessons).results[0]
    assert again.points["dice_score"] < 3


HALVES = """
print("half a pair: \\ud83d")
def dice_score(prediction, target):
    print("\\udc00")
    raise ValueError("\\ud800")
"""


def test_half_a_surrogate_pair_stops_no_class(lessons, tmp_path):
    hand_in(tmp_path, "ada", as_bytes(notebook(RIGHT | {"dice_score": HALVES})))
    hand_in(tmp_path, "bob", as_bytes(notebook(RIGHT)))
    results = grade_lesson(LESSON, tmp_path, lessons=lessons).results
    assert [result.score for result in results] == [4, 7]
    assert (tmp_path / "feedback" / "ada" / LESSON / f"{LESSON}.html").exists()


STEPS = {
    "find": (session, "find_notebook"),
    "run and score": (grade, "_grade"),
    "gradebook": (GradebookWriter, "record"),
    "formgrader's notebook": (session.autograded, "write_notebook"),
    "page": (session.feedback, "write"),
}


@pytest.mark.parametrize("step", STEPS)
def test_an_error_of_the_grader_costs_one_submission_and_is_not_kept(monkeypatch, lessons, tmp_path, step):
    for student in ("ada", "bob"):
        hand_in(tmp_path, student, as_bytes(notebook(RIGHT, {student: ["1"]})))
    place, name = STEPS[step]
    works = getattr(place, name)

    def fails_for_ada(*given, **more):
        if any("ada" in (getattr(thing, "student", None), *getattr(thing, "parts", ())) for thing in given):
            raise KeyError("a bug")
        return works(*given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(place, name, fails_for_ada)
        ada, bob = grade_lesson(LESSON, tmp_path, lessons=lessons).results
    assert ada.status.startswith("could not be graded: the grader itself failed (KeyError: 'a bug')")
    assert bob.score == 7
    again = grade_lesson(LESSON, tmp_path, lessons=lessons).results
    assert [result.score for result in again] == [7, 7]


# memory that no single process is refused, in each of several cells; the answers come after them
HOARD = "import mmap\nkept_{0} = mmap.mmap(-1, 1 << 30)\nfor at in range(0, 1 << 30, 4096): kept_{0}[at] = 1"


def test_what_a_lack_of_memory_hid_is_not_called_wrong(lessons, tmp_path):
    hand_in(tmp_path, "ada", as_bytes(notebook(RIGHT, {"dice_score": [HOARD.format(n) for n in range(6)]})))
    limits = {"memory_gb": 1.0, "cell_seconds": 20}
    (result,) = grade_lesson(LESSON, tmp_path, lessons=lessons, limits=limits).results
    lost = {verdict.name for verdict in result.verdicts if not verdict.passed}
    assert lost
    assert {v.status for v in result.verdicts} <= {"passed", "could not be graded"}
    assert all("1 GB of memory" in v.diagnosis for v in result.verdicts if not v.passed)
    page = (tmp_path / "feedback" / "ada" / LESSON / f"{LESSON}.html").read_text(encoding="utf-8")
    for name in lost:
        section = page.split(f'<section id="{name}"')[1].split("</section>")[0]
        assert "could not be graded" in section
        assert not re.search("✗|class=.wrong|0 of|What happened", section)
    made = class_report.build(Course.open(tmp_path), LESSON)
    assert made.causes == []
    assert {question.exercise for question in made.questions}.isdisjoint(lost)
    with gradebook(tmp_path) as book:
        for name in RIGHT:
            grade_of = book.find_grade(f"check_{name}", LESSON, LESSON, "ada")
            assert (grade_of.auto_score is None, grade_of.needs_manual_grade) == (name in lost,) * 2


def test_a_resubmission_that_fails_keeps_no_old_score(lessons, tmp_path):
    hand_in(tmp_path, "ada", as_bytes(notebook(RIGHT)))
    first = grade_lesson(LESSON, tmp_path, lessons=lessons).results[0]
    with gradebook(tmp_path) as book:
        book.find_grade("check_dice_score", LESSON, LESSON, "ada").manual_score = 2.5
        book.db.commit()
    again = grade_lesson(LESSON, tmp_path, lessons=lessons, again=True).results[0]
    assert (first.score, again.score) == (7, 7)
    with gradebook(tmp_path) as book:  # the same file again: the instructor's score stays, flagged
        grade = book.find_grade("check_dice_score", LESSON, LESSON, "ada")
        assert (grade.manual_score, grade.needs_manual_grade) == (2.5, True)
    hand_in(tmp_path, "ada", as_bytes(notebook(RIGHT))[:200])
    last = grade_lesson(LESSON, tmp_path, lessons=lessons).results[0]
    assert last.status.startswith("could not be graded")
    assert (
        "the manual score 2.5 for dice_score belonged to an earlier submission and was removed"
        in last.repairs
    )
    with gradebook(tmp_path) as book:
        assert book.find_submission(LESSON, "ada").score == 0
        assert book.find_submission(LESSON, "ada").needs_manual_grade
        assert book.find_grade("check_dice_score", LESSON, LESSON, "ada").auto_score is None


def test_late_submissions_meet_the_instructors_own_penalty(lessons, tmp_path):
    path = hand_in(tmp_path, "ada", b"")
    path.with_name("timestamp.txt").write_text("2026-01-03 10:00:00 UTC")
    (tmp_path / "nbgrader_config.py").write_text(
        "from nbgrader.plugins import LateSubmissionPlugin\n"
        "class Late(LateSubmissionPlugin):\n"
        "    def late_submission_penalty(self, student_id, score, total_seconds_late):\n"
        "        return 1.5\n"
        "c = get_config()\n"
        "c.AssignLatePenalties.plugin_class = Late\n"
    )
    grade_lesson(LESSON, tmp_path, lessons=lessons)
    with gradebook(tmp_path) as book:
        book.update_or_create_assignment(LESSON, duedate="2026-01-01")
    path.write_bytes(as_bytes(notebook(RIGHT)))
    grade_lesson(LESSON, tmp_path, lessons=lessons)
    with gradebook(tmp_path) as book:
        assert book.find_submission(LESSON, "ada").late_submission_penalty == 1.5
        assert book.find_submission(LESSON, "ada").score == 7


def test_a_lesson_that_changed_after_its_release_is_reported(lessons, tmp_path, course, graded):
    changed = tmp_path / LESSON
    changed.mkdir()
    made = notebook()
    made.cells[3].metadata.nbgrader.points = 5
    nbformat.write(made, changed / f"{LESSON}.ipynb")
    with pytest.raises(SegcourseError, match="generate_assignment"):
        grade_lesson(LESSON, course, lessons=tmp_path)


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("name = ", "cannot be read"),
        ("colour = 1", "unknown settings: colour"),
        ("[limits]\nseconds = 3", "unknown settings: seconds"),
        ("[limits]\ncell_seconds = 0", "must be a number above 0"),
        ("[limits]\nnotebook_mb = 'big'", "must be a number above 0"),
    ],
)
def test_invalid_settings_are_reported(tmp_path, toml, sentence):
    (tmp_path / "course.toml").write_text(toml)
    with pytest.raises(SegcourseError, match=sentence):
        Course.open(tmp_path)


def test_a_missing_course_is_reported(tmp_path):
    with pytest.raises(SegcourseError, match="is not a folder"):
        Course.open(tmp_path / "nowhere")


def test_the_command_prints_a_table_or_json_alone(lessons, tmp_path, capsys, monkeypatch):
    from segcourse import cli
    from segcourse.course import lessons as shelf

    monkeypatch.setattr(shelf, "root", lambda: lessons)
    hand_in(tmp_path, "ada", b"")
    hand_in(tmp_path, "bob", as_bytes(notebook(RIGHT, {"end": ["while True: pass"]})))
    with pytest.raises(SystemExit) as stop:
        cli.main(["grade", "05", "--course", str(tmp_path), "--json", "--cell-seconds", "1"])
    assert stop.value.code in (0, None)
    printed = json.loads(capsys.readouterr().out)
    assert [(s["student"], s["score"]) for s in printed["students"]] == [("ada", None), ("bob", 7)]
    assert printed["students"][1]["exercises"]["dice_score"]["status"] == "passed"
    with pytest.raises(SystemExit):
        cli.main(["grade", "05", "--course", str(tmp_path), "--student", "ada"])
    out = capsys.readouterr().out
    assert (
        "ada      no score  could not be graded: the file is empty" in " ".join(out.split(" "))
        or "ada" in out
    )
    assert "1 submission of 05_losses_metrics: 1 could not be graded" in out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["03_unet", "05_losses_metrics"])
def test_the_solved_lesson_gets_every_point(name, tmp_path):
    from segcourse.course import lessons as shelf

    solved = shelf.solve(name)
    folder = tmp_path / "submitted" / "ada" / name
    folder.mkdir(parents=True)
    nbformat.write(solved, folder / f"{name}.ipynb")
    result = grade_lesson(name, tmp_path).results[0]
    assert result.status == "graded"
    assert result.stopped_cells == ()
    assert result.points == result.max_points
