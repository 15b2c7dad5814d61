"""Late submissions: the rules of course.toml, and the same figures in terminal, page and export."""

import json

import pytest
from grading_class import LESSON, RIGHT, as_bytes, gradebook, hand_in, notebook
from repository import table

from segcourse import exercises
from segcourse.errors import SegcourseError
from segcourse.grading import Session, session
from segcourse.grading.course import Course
from segcourse.grading.scoring.result import Result
from segcourse.grading.session import grade_lesson

OWN_PLUGIN = """
from nbgrader.plugins import LateSubmissionPlugin

class Flat(LateSubmissionPlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return 1.5

c = get_config()
c.AssignLatePenalties.plugin_class = Flat
"""


def graded_here(task) -> Result:
    """Return a result as the sandbox would: everything right, 7 points."""
    answers = {name: exercises.get(name).answer for name in RIGHT}
    verdicts = tuple(exercises.assess(name, answer, own=False) for name, answer in answers.items())
    points = {v.name: float(v.points) for v in verdicts}
    return Result(task.student, LESSON, verdicts, points, points, digest=task.digest)


@pytest.fixture
def run(lessons, tmp_path, monkeypatch):
    """Return a function that grades the class without running code, after other settings or due dates."""
    hand_in(tmp_path, "ada", as_bytes(notebook(RIGHT)))
    hand_in(tmp_path, "bob", as_bytes(notebook(RIGHT)))
    times = {"ada": "2027-01-15 14:30:00 UTC", "bob": "2027-01-15 11:59:00 UTC"}
    for student, time in times.items():
        (tmp_path / "submitted" / student / LESSON / "timestamp.txt").write_text(time)

    class Here:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def grade(self, tasks):
            return map(graded_here, tasks)

    monkeypatch.setattr(session, "open_pool", lambda *_: Here())

    def grade(toml="", due=None, plugin=None):
        (tmp_path / "course.toml").write_text(toml)
        if plugin:
            (tmp_path / "nbgrader_config.py").write_text(plugin)
        if due:
            with gradebook(tmp_path) as book:
                book.update_or_create_assignment(LESSON, duedate=due)
        return grade_lesson(LESSON, tmp_path, lessons=lessons, trust=True)

    return grade


HOURLY = '[late]\nper = "hour"\npercent = 10\ngrace_minutes = 30\n'


def test_every_place_says_how_late_and_what_it_costs(run, tmp_path):
    run(HOURLY)
    graded = run(HOURLY, due="2027-01-15 12:00:00 UTC")  # nothing is graded again, but ada is late now
    ada, bob = graded.table().splitlines()[1:3]
    assert ada.split(maxsplit=1)[1] == "4.9 of 7  graded; 2 h 30 min late, minus 2.1"
    assert bob.split(maxsplit=1)[1] == "7 of 7  graded"
    first, second = json.loads(graded.json())["students"]
    assert (first["score"], first["automatic"], first["penalty"], first["hours_late"]) == (4.9, 7.0, 2.1, 2.5)
    assert (second["score"], second["hours_late"]) == (7.0, 0)
    rows = table(tmp_path)
    assert (rows["ada"]["score"], rows["ada"]["hours_late"]) == ("4.9", "2.5")
    assert (rows["bob"]["score"], rows["bob"]["hours_late"]) == ("7.0", "0.0")
    page = (tmp_path / "feedback" / "ada" / LESSON / f"{LESSON}.html").read_text()
    assert "15 January 2027, 14:30 UTC, <b>2 h 30 min late</b>" in page
    assert "minus 2.1 for late submission" in page


def test_another_due_date_or_rule_counts_at_once(run, tmp_path):
    run()
    assert "2 h 30 min late" in (without := run(due="2027-01-15 12:00:00 UTC").table())
    assert "minus" not in without  # lateness is shown, and costs nothing without a rule
    assert "minus 2.1" in run(HOURLY).table()
    assert "minus 1.75" in run('[late]\nper = "day"\npercent = 25\n').table()
    assert "late" not in run(HOURLY, due="2027-01-15 14:30:00 UTC").table()
    assert table(tmp_path)["ada"]["score"] == "7.0"


def test_an_instructors_own_plug_in_replaces_the_rule(run):
    run(HOURLY)
    assert "minus 1.5" in run(HOURLY, due="2027-01-15 12:00:00 UTC", plugin=OWN_PLUGIN).table()


def test_the_terminal_shows_points_by_hand_after_a_regrade(run, tmp_path, lessons):
    run()
    with Session(LESSON, tmp_path, lessons=lessons, trust=True) as opened:
        opened.gradebook.book.find_grade("check_mean_iou", LESSON, LESSON, "ada").manual_score = 0.5
        opened.gradebook.book.db.commit()
    graded = grade_lesson(LESSON, tmp_path, lessons=lessons, trust=True, again=True)
    assert "5.5 of 7  graded; 0.5 by hand; needs manual grading" in graded.table()
    assert json.loads(graded.json())["students"][0]["score"] == float(table(tmp_path)["ada"]["score"]) == 5.5


@pytest.mark.parametrize(
    "section",
    [
        "late = 3",
        "[late]",
        '[late]\nper = "week"\npercent = 5',
        '[late]\nper = "day"',
        '[late]\nper = "day"\npercent = 101',
        '[late]\nper = "day"\npercent = "5"',
        '[late]\nper = "hour"\npercent = 5\ngrace_minutes = -1',
        '[late]\nper = "hour"\npercent = 5\ngrace = 1',
    ],
)
def test_an_invalid_rule_is_reported(tmp_path, section):
    (tmp_path / "course.toml").write_text(section)
    with pytest.raises(SegcourseError, match=r'It needs per = "hour" or "day" and percent = 0 to 100'):
        Course.open(tmp_path)
