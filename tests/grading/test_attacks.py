"""Nothing that a submission does changes its mark, another's, or the machine: attackers, a class of them."""

import contextlib
import csv
import os
import threading
import time

import psutil
import pytest
from attack_class import HONEST, LIMITS, TOKEN, Canaries, attacks
from attack_folders import MAKERS, NO_TEXT, RULES
from grading_class import LESSON, RIGHT, as_bytes, hand_in, notebook
from nbgrader.api import Gradebook

from segcourse.grading import grade_lesson
from segcourse.grading.course import Course
from segcourse.grading.nbgrader_plugins import StatusExport
from segcourse.grading.sandbox import runner, watchdog
from segcourse.grading.sandbox.limits import Limits

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

ATTACKS = attacks()
ALL = [*ATTACKS, *MAKERS]


@pytest.fixture(scope="module")
def canaries(tmp_path_factory):
    course = tmp_path_factory.mktemp("course")
    made = Canaries(course, tmp_path_factory.mktemp("h") / "home")
    yield made
    made.close()


@pytest.fixture(scope="module")
def course(canaries):
    for student in HONEST:
        hand_in(canaries.course, student, as_bytes(notebook(RIGHT)))
    for name, attack in ATTACKS.items():
        hand_in(canaries.course, name, attack.notebook(canaries.told()))
    for name, make in MAKERS.items():
        make(canaries.course, name)
    return canaries.course


@pytest.fixture(scope="module")
def graded(course, canaries, lessons):
    """Everyone's result, and on `canaries` what the host looked like before."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(TOKEN, canaries.token)
        patched.setenv("HOME", str(canaries.home))
        canaries.before = canaries.prints()
        result = grade_lesson(LESSON, course, lessons=lessons, limits=LIMITS, workers=2)
    canaries.table = result.table()
    return {r.student: r for r in result.results}


def words(result, course) -> str:
    """All that anyone can read about a submission."""
    page = course / "feedback" / result.student / LESSON / f"{LESSON}.html"
    told = [result.status, *result.repairs, *result.stopped_cells, *result.printed.values()]
    told += [verdict.diagnosis or "" for verdict in result.verdicts]
    return "\n".join([*told, page.read_text() if page.exists() else ""])


def sentences(result) -> list[str]:
    told = [result.status, *result.repairs, *result.stopped_cells]
    shown = [v.smallest for v in result.verdicts if v.smallest]
    return (
        told + [v.diagnosis or "" for v in result.verdicts] + [f"{s.given}{s.expected}{s.got}" for s in shown]
    )


def test_there_are_attacks_of_every_kind():
    assert len(ATTACKS) >= 35
    assert all(attack.tries for attack in ATTACKS.values())


def test_everyone_is_graded(graded):
    assert set(graded) == {*HONEST, *ALL}


def test_honest_students_keep_their_marks(graded):
    for student in HONEST:
        assert (graded[student].status, graded[student].score) == ("graded", 7)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gets_what_its_numbers_merit(graded, course, name):
    said = words(graded[name], course)
    assert graded[name].score in ATTACKS[name].scores, said
    for sentence in ATTACKS[name].says:
        assert sentence in said


@pytest.mark.parametrize("name", MAKERS, ids=lambda name: ascii(name)[:40])
def test_a_folder_gets_what_its_notebook_merits(graded, course, name):
    score, sentence = RULES[name]
    assert graded[name].score == score
    assert sentence in words(graded[name], course)


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_was_reached_or_left(graded, name):
    printed = "\n".join(graded[name].printed.values())
    assert "REACHED" not in printed
    assert "LEFTOVER" not in printed


def test_files_of_the_host_are_untouched(graded, canaries):
    assert canaries.prints() == canaries.before
    assert not list(canaries.course.glob("pwned*"))
    new = {path.name for path in canaries.course.iterdir()} - {
        "course.secret",
        "nbgrader_config.py",
        "submitted",
    }
    assert {name for name in new if not name.startswith(".")} == {"autograded", "feedback", "gradebook.db"}


def test_no_server_was_reached(graded, canaries):
    assert canaries.visited() == []


def test_no_process_and_no_port_is_left(graded, canaries):
    deadline = time.monotonic() + 10  # the kernel takes a moment to end what was killed
    while (left := list(canaries.inside())) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    family = psutil.Process().children(recursive=True)
    assert [
        c for process in family for c in process.net_connections() if c.status == psutil.CONN_LISTEN
    ] == []


def test_gradebook_rows_are_each_students_own(graded, course):
    place = Course.open(course)
    with Gradebook(place.db_url, place.name) as book:
        assert len(book.students) == len(graded) - 1
        for student, result in graded.items():
            if student == NO_TEXT:
                continue
            submission = book.find_submission(LESSON, student)
            assert submission.score == (result.score or 0)
            assert submission.needs_manual_grade == (result.score is None)


def test_what_is_shown_holds_no_control_characters(graded, canaries):
    for result in graded.values():
        assert all(sentence.isprintable() for sentence in sentences(result))
    lines = canaries.table.splitlines()
    assert len(lines) == len(graded) + 2
    assert all(line.isprintable() for line in lines)


RUNS = ("<script", "<img src=x", "<svg on", "<b>Error", "\x1b", "\u202e")


def test_pages_hold_nothing_that_runs(graded, course):
    secret = (course / "course.secret").read_text().strip()
    pages = list((course / "feedback").rglob("*.html"))
    assert len(pages) == len(graded) - 1
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "default-src 'none'" in text
        assert not any(
            tag in text for tag in ("<script", "<img src=x", "<svg on", "<b>Error", "\x1b", "\u202e")
        )
        assert secret not in text


def test_spreadsheets_run_nothing(graded, course, tmp_path):
    place = Course.open(course)
    with Gradebook(place.db_url, place.name) as book:
        StatusExport(to=str(tmp_path / "grades.csv")).export(book)
    with open(tmp_path / "grades.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(graded) - 1
    assert not [
        cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    ]


def test_the_watch_sees_whoever_entered(graded):
    """They are no children of bubblewrap's, and without control groups the watch alone holds them."""
    told = {
        "seed": 1,
        "steps": [{"cell": "import os, time; children = [os.fork() for _ in range(2)]; time.sleep(3)"}],
    }
    running = threading.Thread(target=runner.run, args=(told, Limits(cell_seconds=9)))
    running.start()
    seen = set()
    while running.is_alive():
        for process in tuple(runner._running):
            with contextlib.suppress(psutil.Error):
                seen.add(len(watchdog._all_processes(watchdog._root_processes(process))))
        time.sleep(0.1)
    assert max(seen) >= 2 + 4  # bubblewrap's first process, the one that waits, the worker, its forks


@pytest.mark.parametrize("name", ["opens_the_course", "reaches_the_network"])
def test_the_canaries_would_tell(lessons, tmp_path, name):
    """The same attacks, run as the instructor: if they reached nothing, nothing above would be proved."""
    course = tmp_path / "course"
    course.mkdir()
    canaries = Canaries(course, tmp_path / "home")
    try:
        hand_in(course, "a_honest", as_bytes(notebook(RIGHT)))
        hand_in(course, name, ATTACKS[name].notebook(canaries.told()))
        limits = LIMITS | {"cell_seconds": 30, "memory_gb": 4, "total_seconds": 60}
        options = {"lessons": lessons, "limits": limits, "trust": True, "students": [name]}
        result = grade_lesson(LESSON, course, **options).results[0]
        assert "REACHED" in "\n".join(result.printed.values())
        assert canaries.visited() == (["tcp", "unix", "abstract"] if name == "reaches_the_network" else [])
    finally:
        canaries.close()
        os.unlink(f"/tmp/{canaries.mark}")
