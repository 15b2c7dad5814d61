"""The watchdog: which processes belong to a sandbox, and what happens if they exceed a limit."""

import contextlib
import subprocess
import time

import psutil

from segcourse.grading.sandbox import watchdog
from segcourse.grading.sandbox.limits import Limits
from segcourse.grading.sandbox.watchdog import SandboxProcess

# a child that no other process may inspect (PR_SET_DUMPABLE, prctl(2)), in a session of its own
HIDES = "import ctypes, os, time; os.setsid(); ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); print(1, flush=True); "


@contextlib.contextmanager
def joined_sandbox(code: str, lines: int):
    """Yield a sandbox with a second process, which joined it later and has printed `lines` lines."""
    program = SandboxProcess(["sleep", "60"])
    inside = subprocess.Popen(["python3", "-c", code], stdout=subprocess.PIPE)
    for _ in range(lines):
        inside.stdout.readline()
    program.entered_pid = inside.pid
    children = psutil.Process(inside.pid).children(recursive=True)
    try:
        yield program
    finally:
        for process in (*children, program, inside):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        program.wait(), inside.wait()
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
    with joined_sandbox(code, lines=1) as entered:
        (hidden,) = psutil.Process(entered.entered_pid).children()
        roots = watchdog._root_processes(entered)
        assert watchdog._all_processes(roots) == {psutil.Process(entered.entered_pid), hidden}
        hidden.suspend()
        until(lambda: hidden.status() == psutil.STATUS_STOPPED)
        assert watchdog._enforce(roots, Limits()) is None
        until(lambda: hidden.status() != psutil.STATUS_STOPPED)
        assert hidden.status() != psutil.STATUS_STOPPED
        assert watchdog._enforce(roots, Limits(processes=1)) == "it started more than 1 processes"


def test_the_largest_process_is_ended_but_never_the_trusted_ones():
    fork = "import os, time\nfor _ in range(2):\n    if not os.fork():\n        break\n    time.sleep(0.1)\n"
    with joined_sandbox(fork + "print(1, flush=True)\ntime.sleep(60)", lines=3) as entered:
        roots = watchdog._root_processes(entered)
        processes = watchdog._all_processes(roots)
        first, second = sorted(processes - set(roots), key=lambda process: process.pid)
        assert watchdog._trusted_processes(roots) == [roots[1], first]
        watchdog._enforce(roots, Limits(memory_gb=0.001))
        until(lambda: second.status() == psutil.STATUS_ZOMBIE)
        watchdog._enforce(roots, Limits(memory_gb=0.001))
        kept = [psutil.STATUS_SLEEPING, psutil.STATUS_SLEEPING, psutil.STATUS_ZOMBIE]
        until(lambda: states(*watchdog._trusted_processes(roots), second) == kept)
        assert states(*watchdog._trusted_processes(roots), second) == kept


def test_an_ended_sandbox_has_no_processes():
    program = SandboxProcess(["true"])
    program.wait()
    program.entered_pid = program.pid
    assert watchdog._all_processes(watchdog._root_processes(program)) == set()
