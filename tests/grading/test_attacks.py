"""Attacks: no submission can change its own mark, another student's mark, or the machine."""

import contextlib
import csv
import importlib
import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from attack_class import HONEST, LIMITS, TOKEN, Canaries, attacks
from attack_folders import MAKERS, NO_TEXT, RULES
from grading_class import LESSON, RIGHT, as_bytes, gradebook, hand_in, make_lessons, notebook
from repository import table

from segcourse.grading import grade_lesson
from segcourse.grading.sandbox import runner, watchdog
from segcourse.grading.sandbox.limits import Limits
from segcourse.grading.scoring.result import Result

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

ATTACKS = attacks()
ALL = [*ATTACKS, *MAKERS]
RUNS = ("<script", "<img src=x", "<svg on", "<b>Error", "\x1b", "\u202e")  # what no page may contain


@dataclass(frozen=True)
class Evidence:
    """The results of grading the attackers, and the state of the host afterwards."""

    course: Path
    results: dict[str, Result]
    table: str
    before: dict[str, str]  # fingerprints of the host's files
    after: dict[str, str]
    visited: list[str]  # servers of the host that someone connected to
    processes: list[int]  # processes that still ran in a sandbox
    ports: list[tuple]  # ports on which any process of ours still listened


def grade_attackers(folder: Path) -> Evidence:
    course = folder / "course"
    course.mkdir()
    with contextlib.closing(Canaries(course, folder / "home")) as canaries:
        for student in HONEST:
            hand_in(course, student, as_bytes(notebook(RIGHT)))
        for name, attack in ATTACKS.items():
            hand_in(course, name, attack.notebook(canaries.briefing()))
        for name, make in MAKERS.items():
            make(course, name)
        lessons, before = make_lessons(folder), canaries.prints()
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv(TOKEN, canaries.token)
            patched.setenv("HOME", str(canaries.home))
            result = grade_lesson(LESSON, course, lessons=lessons, limits=LIMITS, workers=4)
        deadline = time.monotonic() + 10  # the kernel takes a moment to end what was killed
        while (left := list(canaries.inside())) and time.monotonic() < deadline:
            time.sleep(0.1)
        connections = [c for p in psutil.Process().children(recursive=True) for c in p.net_connections()]
        ports = [tuple(c.laddr) for c in connections if c.status == psutil.CONN_LISTEN]
        results = {r.student: r for r in result.results}
        return Evidence(
            course, results, result.table(), before, canaries.prints(), canaries.visited(), left, ports
        )


@pytest.fixture(scope="session")
def evidence(once) -> Evidence:
    return once(grade_attackers)


@pytest.fixture(scope="session")
def graded(evidence):
    return evidence.results


@pytest.fixture(scope="session")
def course(evidence):
    return evidence.course


def words(result, course) -> str:
    """Return everything that students and instructors can read about a submission."""
    page = course / "feedback" / result.student / LESSON / f"{LESSON}.html"
    shown = [result.status, *result.repairs, *result.stopped_cells, *result.printed.values()]
    shown += [verdict.diagnosis or "" for verdict in result.verdicts]
    return "\n".join([*shown, page.read_text() if page.exists() else ""])


def sentences(result) -> list[str]:
    shown = [result.status, *result.repairs, *result.stopped_cells]
    shown += [verdict.diagnosis or "" for verdict in result.verdicts]
    cases = [verdict.smallest for verdict in result.verdicts if verdict.smallest]
    return shown + [f"{case.given}{case.expected}{case.got}" for case in cases]


def test_there_are_attacks_of_every_kind():
    assert len(ATTACKS) >= 35
    assert all(attack.tries for attack in ATTACKS.values())


@pytest.mark.parametrize("name", ATTACKS)
def test_what_an_attack_imports_from_segcourse_exists(name):
    """An attack whose imports fail has no effect, and would pass every other test."""
    sources = "\n".join(source for _, source in ATTACKS[name].cells)
    for line in re.findall(r"^\s*(from segcourse[\w.]* import .+)$", sources, re.MULTILINE):
        exec(line, {})
    for module in re.findall(r"^\s*import .*\b(segcourse\.[\w.]+)", sources, re.MULTILINE):
        importlib.import_module(module)


def test_everyone_is_graded(graded):
    assert set(graded) == {*HONEST, *ALL}


def test_honest_students_keep_their_marks(graded):
    for student in HONEST:
        assert (graded[student].status, graded[student].score) == ("graded", 7)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gets_the_mark_of_its_numbers_and_reaches_nothing(graded, course, name):
    shown = words(graded[name], course)
    assert graded[name].score in ATTACKS[name].scores, shown
    for sentence in ATTACKS[name].says:
        assert sentence in shown
    printed = "\n".join(graded[name].printed.values())
    assert "REACHED" not in printed
    assert "LEFTOVER" not in printed


@pytest.mark.parametrize("name", MAKERS, ids=lambda name: ascii(name)[:40])
def test_a_folder_gets_the_mark_of_its_notebook(graded, course, name):
    score, sentence = RULES[name]
    assert graded[name].score == score
    assert sentence in words(graded[name], course)


def test_files_of_the_host_are_untouched(evidence, course):
    assert evidence.after == evidence.before
    assert not list(course.glob("pwned*"))
    given = {"course.secret", "nbgrader_config.py", "submitted", "grades.csv"}
    new = {path.name for path in course.iterdir() if not path.name.startswith(".")} - given
    assert new == {"autograded", "feedback", "gradebook.db"}


def test_no_server_was_reached(evidence):
    assert evidence.visited == []


def test_no_process_and_no_port_is_left(evidence):
    assert evidence.processes == []
    assert evidence.ports == []


def test_gradebook_rows_are_each_students_own(graded, course):
    with gradebook(course) as book:
        assert len(book.students) == len(graded) - 1
        for student, result in graded.items():
            if student == NO_TEXT:
                continue
            submission = book.find_submission(LESSON, student)
            assert submission.score == (result.score or 0)
            assert submission.needs_manual_grade == (result.score is None or not result.is_final)


def test_what_is_shown_holds_no_control_characters(graded, evidence):
    for result in graded.values():
        assert all(sentence.isprintable() for sentence in sentences(result))
    lines = evidence.table.splitlines()
    assert len(lines) == len(graded) + 2
    assert all(line.isprintable() for line in lines)


def test_pages_hold_nothing_that_runs(graded, course):
    secret = (course / "course.secret").read_text().strip()
    pages = list((course / "feedback").rglob("*.html"))
    assert len(pages) == len(graded) - 1
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "default-src 'none'" in text
        assert not any(tag in text for tag in RUNS)
        assert secret not in text


def test_spreadsheets_run_nothing(graded, course):
    table(course)
    with open(course / "grades.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(graded) - 1
    assert not [
        cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    ]


def test_the_watchdog_sees_the_processes_of_a_sandbox():
    """Without control groups, only the watchdog limits them."""
    cell = "import os, time; children = [os.fork() for _ in range(2)]; time.sleep(1.5)"
    job = {"seed": 1, "steps": [{"cell": cell}]}
    imports = ("import torch", "from segcourse import check")  # as the class, to share its fork server
    given = {"job": job, "limits": Limits(cell_seconds=9), "imports": imports}
    running = threading.Thread(target=runner.run, kwargs=given)
    running.start()
    seen = set()
    while running.is_alive():
        for process in tuple(runner._running):
            with contextlib.suppress(psutil.Error):
                seen.add(len(watchdog._all_processes(watchdog._root_process(process.pid))))
        time.sleep(0.1)
    assert max(seen) >= 3 + 2  # the zygote, the supervisor, the worker, its forks


def test_the_canaries_detect_attacks_without_a_sandbox(lessons, tmp_path):
    """Without a sandbox, the same attacks reach the host. Otherwise the tests above would prove nothing."""
    course, names = tmp_path / "course", ["opens_the_course", "reaches_the_network"]
    course.mkdir()
    with contextlib.closing(Canaries(course, tmp_path / "home")) as canaries:
        hand_in(course, "a_honest", as_bytes(notebook(RIGHT)))
        for name in names:
            hand_in(course, name, ATTACKS[name].notebook(canaries.briefing()))
        limits = LIMITS | {"cell_seconds": 30, "memory_gb": 4, "total_seconds": 60}
        options = {"lessons": lessons, "limits": limits, "trust": True, "students": names}
        results = grade_lesson(LESSON, course, **options).results
        for result in results:
            assert "REACHED" in "\n".join(result.printed.values()), result.student
        assert canaries.visited() == ["tcp", "unix", "abstract"]
    os.unlink(f"/tmp/{canaries.mark}")
