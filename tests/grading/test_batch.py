"""Batches: several workers, a cluster, a grader that is killed, and two graders at the same time."""

import importlib
import json
import os
import random
import signal
import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
import pytest
from distributed import Client
from grading_class import IOU_FOR_DICE, LESSON, RIGHT, as_bytes, hand_in, make_lessons, notebook
from processes import Process

from segcourse import cluster
from segcourse.errors import SegcourseError
from segcourse.grading import Session, grade_lesson
from segcourse.grading.course import Course

pytestmark = pytest.mark.sandbox

KINDS = {
    "right": as_bytes(notebook(RIGHT)),
    "wrong": as_bytes(notebook(RIGHT | {"dice_score": IOU_FOR_DICE})),
    "untouched": as_bytes(notebook()),
    "broken": as_bytes(notebook(RIGHT))[:300],
    "crash": as_bytes(notebook(RIGHT, {"mean_iou": ["import os; os.kill(os.getpid(), 9)"]})),
}
SIZE = 10  # students; two of each kind
SCORES = {"right": 7, "wrong": 4, "untouched": 0, "broken": None, "crash": 7}


def course_of(folder: Path, count: int) -> Path:
    """Create a class of `count` students, with all kinds of submission in turn."""
    folder.mkdir()
    (folder / "course.secret").write_text("the same in every course here\n")
    for number in range(count):
        kind = list(KINDS)[number % len(KINDS)]
        hand_in(folder, f"{kind}-{number:02}", KINDS[kind])
    return folder


def grader(course: Path, lessons: Path, scheduler: str | None = None) -> Process:
    return Process(_grade, course, lessons, scheduler)


def _grade(course: Path, lessons: Path, scheduler: str | None) -> None:
    # a shell lets its background processes ignore Ctrl-C; here a test may press it all the same
    signal.signal(signal.SIGINT, signal.default_int_handler)
    grade_lesson(LESSON, course, lessons=lessons, workers=2, scheduler=scheduler)


def _dask(kind: str, options: tuple[str, ...]) -> None:
    importlib.import_module(f"distributed.cli.dask_{kind}").main(list(options))


def marks(course: Path) -> list[tuple]:
    """Return everything in the gradebook except the random keys of its tables."""
    with closing(sqlite3.connect(course / "gradebook.db")) as book:
        return book.execute(
            """select student.id, submitted_assignment.timestamp, late_submission_penalty, base_cell.name,
                auto_score, manual_score, extra_credit, needs_manual_grade, auto_comment, manual_comment
            from student join submitted_assignment on student_id = student.id
            join submitted_notebook on submitted_assignment.id = submitted_notebook.assignment_id
            left join grade on grade.notebook_id = submitted_notebook.id
            left join base_cell on base_cell.id = grade.cell_id
            left join comment on comment.notebook_id = submitted_notebook.id
            order by student.id, base_cell.name, auto_comment"""
        ).fetchall()


def records(course: Path) -> dict[str, dict]:
    found = course.glob(f"autograded/*/{LESSON}/segcourse.json")
    volatile = ("seconds", "graded_at")
    return {
        path.parts[-3]: {k: v for k, v in json.loads(path.read_text()).items() if k not in volatile}
        for path in found
    }


def grade_undisturbed(folder: Path):
    """Grade a class with one worker, and return its marks and records for comparison."""
    course = course_of(folder / "course", SIZE)
    results = grade_lesson(LESSON, course, lessons=make_lessons(folder), workers=1).results
    assert {result.student.split("-")[0]: result.score for result in results} == SCORES
    return marks(course), records(course)


@pytest.fixture(scope="session")
def undisturbed(once):
    return once(grade_undisturbed)


def test_two_workers_give_the_marks_of_one(lessons, tmp_path, undisturbed):
    course = course_of(tmp_path / "two", SIZE)
    results = grade_lesson(LESSON, course, lessons=lessons, workers=2).results
    assert [result.student for result in results] == sorted(result.student for result in results)
    assert (marks(course), records(course)) == undisturbed


def test_unchanged_submissions_are_not_graded_twice(lessons, tmp_path):
    course = course_of(tmp_path / "course", 5)
    grade_lesson(LESSON, course, lessons=lessons)
    stamps = {path: path.stat().st_mtime_ns for path in course.glob("autograded/*/*/segcourse.json")}
    hand_in(course, "broken-03", KINDS["right"])
    hand_in(course, "right-00", KINDS["wrong"])
    again = {r.student: r.score for r in grade_lesson(LESSON, course, lessons=lessons).results}
    assert again == {"right-00": 4, "wrong-01": 4, "untouched-02": 0, "broken-03": 7, "crash-04": 7}
    grade_lesson(LESSON, course, lessons=lessons, limits={"cell_seconds": 60.0})  # course.toml's 60
    changed = {path.parts[-3] for path, stamp in stamps.items() if path.stat().st_mtime_ns != stamp}
    assert changed == {"right-00", "broken-03"}
    (course / "gradebook.db").unlink()
    (course / "autograded").rename(course / "old")  # without this, a lost gradebook is refused
    grade_lesson(LESSON, course, lessons=lessons)
    assert {row[0] for row in marks(course)} == set(again)


def test_a_second_grader_is_refused(lessons, tmp_path):
    course = course_of(tmp_path / "course", 1)
    with Session(LESSON, course, lessons=lessons):
        with pytest.raises(SegcourseError, match=rf"another grader .* \(process {os.getpid()} on "):
            grade_lesson(LESSON, course, lessons=lessons)
        second = grader(course, lessons)
        assert second.wait() == 1
        assert "another grader is writing" in second.output
    assert grade_lesson(LESSON, course, lessons=lessons).results[0].score == 7


def test_a_grader_that_is_interrupted_stops_its_sandboxes(lessons, tmp_path):
    course = course_of(tmp_path / "course", 1)
    hand_in(course, "sleeper", as_bytes(notebook(RIGHT, {"mean_iou": ["import time; time.sleep(3600)"]})))
    process = grader(course, lessons)
    while len(records(course)) < 1:
        assert process.is_alive(), process.output
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 1  # a cell may sleep for three minutes
    assert "KeyboardInterrupt" in process.output
    assert records(course).keys() == {"right-00"}


@pytest.mark.slow
def test_a_grader_that_is_killed_again_and_again_loses_nothing(lessons, tmp_path, undisturbed):
    killed = course_of(tmp_path / "killed", SIZE)
    dice = random.Random()
    print("seed of the kills", seed := dice.randrange(10**6))
    dice.seed(seed)
    for enough in (dice.randint(1, 3), dice.randint(4, 6)):  # well before the last of the ten
        process = grader(killed, lessons)
        while process.is_alive() and len(records(killed)) < enough:
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.2))  # in the midst of whatever comes next
        assert process.is_alive(), process.output
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # sandboxes end at once; a fork server that is importing PyTorch notices the end only afterwards
        _, alive = psutil.wait_procs(children, timeout=30)
        assert not alive, ("a sandbox outlived its grader", [(p.status(), p.cmdline()) for p in alive])
    process = grader(killed, lessons)
    assert process.wait() == 0, process.output
    assert (marks(killed), records(killed)) == undisturbed
    # a writer that was killed leaves its hidden temporary file, which nobody reads
    pages = sorted(path.parts[-3] for path in killed.glob("feedback/*/*/[!.]*.html"))
    assert pages == sorted(Course.open(killed).students(LESSON))


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_grades_everyone(lessons, tmp_path, undisturbed):
    course = course_of(tmp_path / "cluster", SIZE)
    file = tmp_path / "scheduler.json"

    def start(kind: str, *options: str) -> Process:
        here = ("--scheduler-file", str(file), "--host", "127.0.0.1", "--no-dashboard", *options)
        return Process(_dask, kind, here, folder=tmp_path)

    with ExitStack() as stack:
        processes = [start("scheduler", "--port", "0")]
        stack.callback(lambda: [each.send_signal(signal.SIGKILL) or each.wait() for each in processes])
        while not file.exists() or not file.read_text().endswith("}"):
            time.sleep(0.05)
        alone = ("--no-nanny", "--nthreads", "1", "--memory-limit", "0")
        processes += [start("worker", *alone), start("worker", *alone)]
        address = json.loads(file.read_text())["address"]
        with Client(address) as client:
            client.wait_for_workers(2, timeout=60)
        process = grader(course, lessons, address)
        while process.is_alive() and len(records(course)) < 3:
            time.sleep(0.01)
        assert process.is_alive(), process.output
        processes[1].send_signal(signal.SIGKILL)  # one worker, half-way
        assert process.wait(timeout=200) == 0, process.output
    assert (marks(course), records(course)) == undisturbed


def test_a_cluster_that_does_not_answer_is_reported(lessons, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    course = course_of(tmp_path / "course", 1)
    with pytest.raises(SegcourseError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        grade_lesson(LESSON, course, lessons=lessons, scheduler="tcp://127.0.0.1:9")
