"""The watchdog: which processes belong to a sandbox, and what happens if they exceed a limit."""

import contextlib
import subprocess
import time

import psutil

from segcourse.grading.sandbox import watchdog
from segcourse.grading.sandbox.limits import Limits

# a child that no other process may inspect (PR_SET_DUMPABLE, prctl(2)), in a session of its own
HIDES = "import ctypes, os, time; os.setsid(); ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); print(1, flush=True); "


@contextlib.contextmanager
def sandbox(code: str, lines: int):
    """Yield the first process of a sandbox that has printed `lines` lines."""
    inside = subprocess.Popen(["python3", "-c", code], stdout=subprocess.PIPE)
    for _ in range(lines):
        inside.stdout.readline()
    root = psutil.Process(inside.pid)
    try:
        yield root
    finally:
        for process in (*root.children(recursive=True), inside):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        inside.wait()
        inside.stdout.close()


def until(done) -> None:
    """Wait until `done()`, or for ten seconds."""
    deadline = time.monotonic() + 10
    while not done() and time.monotonic() < deadline:
        time.sleep(0.01)


def states(*processes: psutil.Process) -> list[str]:
    return [process.status() for process in processes]


def test_a_hidden_process_is_counted_and_resumed():
    code = f"import os\nif os.fork():\n    import time; time.sleep(60)\nelse:\n    {HIDES}time.sleep(60)"
    with sandbox(code, lines=1) as root:
        (hidden,) = root.children()
        assert watchdog._all_processes(root) == {root, hidden}
        hidden.suspend()
        until(lambda: hidden.status() == psutil.STATUS_STOPPED)
        assert not watchdog._enforce(root, {hidden}, Limits())
        until(lambda: hidden.status() != psutil.STATUS_STOPPED)
        assert hidden.status() != psutil.STATUS_STOPPED


def test_the_largest_process_is_ended_but_never_the_trusted_ones():
    fork = "import os, time\nfor _ in range(2):\n    if not os.fork():\n        break\n    time.sleep(0.1)\n"
    with sandbox(fork + "print(1, flush=True)\ntime.sleep(60)", lines=3) as root:
        first, second = sorted(root.children(), key=lambda process: process.pid)
        assert watchdog._trusted_processes(root) == [root, first]
        limits = Limits(memory_gb=-0.499)
        assert watchdog._enforce(root, {root, first, second}, limits)
        until(lambda: second.status() == psutil.STATUS_ZOMBIE)
        assert not watchdog._enforce(root, {root, first, second}, limits)
        kept = [psutil.STATUS_SLEEPING, psutil.STATUS_SLEEPING, psutil.STATUS_ZOMBIE]
        until(lambda: states(root, first, second) == kept)
        assert states(root, first, second) == kept


def test_an_ended_sandbox_has_no_processes():
    program = subprocess.Popen(["true"])
    root = psutil.Process(program.pid)
    program.wait()
    assert watchdog._all_processes(root) == set()
    assert watchdog._all_processes(watchdog._root_process(-1)) == set()
