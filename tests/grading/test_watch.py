"""Who belongs to a sandbox, and what is done about those who take too much."""

import contextlib
import subprocess
import time

import psutil
import pytest

from segcourse.grading import watch
from segcourse.grading.watch import Limits, Sandbox

# a child that nobody may look into (PR_SET_DUMPABLE, prctl(2)), in a session of its own
HIDES = "import ctypes, os, time; os.setsid(); ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); print(1, flush=True); "


@pytest.fixture
def entered():
    """A sandbox's first program, and a process that has gone in, is no child of that, and has hidden one."""
    program = Sandbox(["sleep", "60"])
    command = f"import os\nif os.fork():\n    import time; time.sleep(60)\nelse:\n    {HIDES}time.sleep(60)"
    inside = subprocess.Popen(["python3", "-c", command], stdout=subprocess.PIPE)
    inside.stdout.readline()
    program.entered = inside.pid
    children = psutil.Process(inside.pid).children()
    yield program
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    for process in program, inside:
        process.kill()
        process.wait()
    inside.stdout.close()


def test_who_hides_is_seen_counted_and_made_to_go_on(entered):
    (hidden,) = psutil.Process(entered.entered).children()
    roots = watch._roots(entered)
    assert watch._family(roots) == {psutil.Process(entered.entered), hidden}
    hidden.suspend()
    assert watch._greedy(roots, Limits()) is None
    deadline = time.monotonic() + 10
    while hidden.status() == psutil.STATUS_STOPPED and time.monotonic() < deadline:
        time.sleep(0.01)
    assert hidden.status() != psutil.STATUS_STOPPED
    assert watch._greedy(roots, Limits(processes=1)) == "it started more than 1 processes"


def test_one_is_ended_where_all_take_too_much(entered):
    roots = watch._roots(entered)
    family = watch._family(roots)
    watch._greedy(roots, Limits(memory_gb=0.001))
    ended, left = psutil.wait_procs(family, timeout=1)
    assert (len(ended), len(left)) == (1, 1)


def test_what_has_ended_has_no_family():
    program = Sandbox(["true"])
    program.wait()
    program.entered = program.pid
    assert watch._family(watch._roots(program)) == set()
