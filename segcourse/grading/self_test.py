"""Self-test of the sandbox: try to break each limit as a submission might, and report which limits hold.

The trials use limits that are small enough for any machine. Each trial runs in its own sandbox, so that no
trial affects another. A limit is reported as held or broken only if its trial shows that; otherwise the
finding says that the limit could not be tested.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from importlib import metadata, util
from pathlib import Path

import psutil

from segcourse.course.doctor import Finding
from segcourse.grading.pool import default_workers
from segcourse.grading.sandbox import backend, cgroup, runner, seccomp
from segcourse.grading.sandbox.environment import PACKAGE, RAM_DISKS
from segcourse.grading.sandbox.limits import Limits

LIMITS = Limits(cell_seconds=20, total_seconds=120, memory_gb=1.5, processes=64, record_mb=8)
MEMORY_NEEDED = 3 << 30  # bytes that must be free for the memory trials
PREFIX = "Sandbox: "
SECRET = "an instructor's secret"

_REACH = """
import pathlib, socket
for path in map(pathlib.Path, {secrets}):
    for attempt in (lambda: print(path.read_text()), lambda: path.write_text("changed")):
        try:
            attempt()
        except OSError:
            pass
try:
    socket.create_connection(("127.0.0.1", {port}), 2).close()
except OSError:
    pass
"""
_DISK = """
import os
for number in range(4):
    try:
        with open(f"/tmp/{number}", "wb") as file:
            for _ in range(30):
                file.write(bytes(10_000_000))
    except OSError:
        pass
sizes = [os.stat(f"/tmp/{number}").st_size for number in range(4)]
print(max(sizes), sum(sizes))
"""
_PROCESS_MEMORY = "hoard = []\nwhile len(hoard) < 40:\n    hoard.append(bytearray(1 << 26))"
# shared memory does not count towards the limit of a single process
_TOTAL_MEMORY = """
import mmap, time
shared = mmap.mmap(-1, 36 << 26)
for _ in range(36):
    shared.write(bytes(1 << 26))
time.sleep(1)
"""
_PROCESSES = """
import os, time
for _ in range(200):
    if os.fork() == 0:
        time.sleep(15)
        os._exit(0)
time.sleep(10)
"""


def findings() -> list[Finding]:
    """Test everything that grading needs on this machine; takes about ten seconds, longer with Docker."""
    try:
        name = backend.choose()
    except backend.NoSandboxError as error:
        return [_nbgrader(), Finding("Sandbox", "problem", str(error))]
    return [_nbgrader(), _sandbox(name), *_limits(name), _workers()]


def _nbgrader() -> Finding:
    if util.find_spec("nbgrader") is None:
        return Finding("nbgrader", "problem", 'not installed; run pip install "segcourse[teach]".')
    version = metadata.version("nbgrader")
    if shutil.which("alembic") is None:
        missing = "`alembic`, which nbgrader and formgrader run by this name, is not on PATH"
        return Finding("nbgrader", "note", f"{version}; {missing}. Activate this Python's environment.")
    return Finding("nbgrader", "ok", version)


def _sandbox(name: str) -> Finding:
    empty = {"seed": 0, "steps": []}
    try:
        runner.run(empty, LIMITS)  # the first run also starts the fork server
        run = runner.run(empty, LIMITS)
    except OSError as error:
        return Finding("Sandbox", "problem", f"{name} works, but no submission starts in it ({error}).")
    if not run.events:
        return Finding("Sandbox", "problem", f"{name} works, but no submission starts in it: {run.ended}.")
    duration = f"an empty submission takes {run.seconds:.1f} s"
    if name == "docker":
        return Finding("Sandbox", "ok", f"Docker, because bubblewrap does not work here; {duration}.")
    version = subprocess.run(["bwrap", "--version"], capture_output=True, text=True).stdout.strip()
    user = "root" if os.geteuid() == 0 else "an ordinary user"
    return Finding("Sandbox", "ok", f"{version}, as {user}; PyTorch is imported once, {duration}.")


def _limits(name: str) -> list[Finding]:
    """Return one finding per limit of the backend `name`."""
    memory = [Finding(f"{PREFIX}memory", "note", "not tested: less than 3 GB of memory are free.")]
    if psutil.virtual_memory().available > MEMORY_NEEDED:
        memory = [_process_memory(), _total_memory(name)]
    return [*_network_and_files(), _disk(), *memory, _processes(name), _time()]


def _network_and_files() -> list[Finding]:
    with contextlib.ExitStack() as stack:
        folders = {Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place))) for place in _places()}
        secrets = [folder / "secret" for folder in folders]
        for secret in secrets:
            secret.write_text(SECRET)
        with socket.create_server(("127.0.0.1", 0)) as server:
            step, run = _try(_REACH.format(secrets=list(map(str, secrets)), port=server.getsockname()[1]))
            reached = _was_called(server)
        seen = any(secret.read_text() != SECRET for secret in secrets) or SECRET in step.get("printed", "")
    ran = True if step.get("status") == "ran" else None
    return [
        _finding("network", False if reached else ran, "no connections, not even to this machine", run),
        _finding("files", False if seen else ran, "your files can be neither read nor changed", run),
    ]


def _places() -> list[Path]:
    """Return where an instructor's files lie beside what a submission needs, as far as we may write there."""
    exchange = Path("/usr/local/share/nbgrader/exchange")  # nbgrader's default
    folders = [Path(tempfile.gettempdir()), Path.home(), Path.cwd(), Path(sys.prefix), PACKAGE.parent]
    return [folder for folder in (*folders, exchange, exchange.parents[1]) if os.access(folder, os.W_OK)]


def _was_called(server: socket.socket) -> bool:
    server.settimeout(0)
    try:
        server.accept()[0].close()
    except OSError:
        return False
    return True


def _disk() -> Finding:
    step, run = _try(_DISK)
    try:
        largest, total = map(int, step["printed"].split())
        held = largest <= 1 << 28 and total <= RAM_DISKS["/tmp"]
    except (KeyError, ValueError):
        held = None
    sizes = ", ".join(f"{size >> 20} MB in {folder}" for folder, size in RAM_DISKS.items())
    return _finding("disk", held, f"separate RAM disks: {sizes}; 256 MB per file", run)


def _process_memory() -> Finding:
    step, run = _try(_PROCESS_MEMORY)
    stopped = step.get("status") == "died" or step.get("error", "").startswith("MemoryError")
    promise = f"{LIMITS.memory_gb:g} GB per process, enforced by the kernel"
    return _finding("memory", _held(stopped, step), promise, run)


def _total_memory(name: str) -> Finding:
    step, run = _try(_TOTAL_MEMORY)
    limit = f"{LIMITS.total_memory_gb:g} GB for all processes together"
    promise = f"{limit}, enforced by {_enforcer(name, 'memory')}"
    return _finding("total memory", _held(step.get("status") == "died", step), promise, run)


def _processes(name: str) -> Finding:
    step, run = _try(_PROCESSES)
    counted, enforcer = "processes" in (run.ended or ""), _enforcer(name, "pids")
    stopped = counted or step.get("error", "").startswith("BlockingIOError")
    if counted:
        enforcer = "the watchdog, which ends the submission"
    promise = f"{LIMITS.processes} at a time, enforced by {enforcer}"
    return _finding("processes", _held(stopped, step), promise, run)


def _time() -> Finding:
    start = time.monotonic()
    step, run = _try("while True: pass", Limits(cell_seconds=1))
    seconds = time.monotonic() - start
    promise = f"a loop with a limit of 1 s of CPU time was stopped after {seconds:.1f} s"
    return _finding("time", _held(step.get("status") == "too slow", step), promise, run)


def _try(cell: str, limits: Limits = LIMITS) -> tuple[dict, runner.Run]:
    """Run one cell in its own sandbox; return the event of its end, {} if there is none, and the run."""
    run = runner.run({"seed": 0, "steps": [{"cell": cell}]}, limits)
    return next((event for event in run.events if "status" in event), {}), run


def _held(stopped: bool, step: dict) -> bool | None:
    """Return whether a limit held; None if its trial was neither stopped by the limit nor completed."""
    return True if stopped else False if step.get("status") == "ran" else None


def _finding(what: str, held: bool | None, promise: str, run: runner.Run) -> Finding:
    if held:
        return Finding(PREFIX + what, "ok", f"{promise} (tested).")
    if held is None:
        reasons = [run.ended, *(event.get("error") for event in run.events), "the trial ended early"]
        reason = next(filter(None, reasons))
        return Finding(PREFIX + what, "note", f"could not be tested ({reason}); run this command again.")
    return Finding(
        PREFIX + what, "problem",
        f"expected: {promise}. This does not hold here; grade only submissions that you trust.",
    )  # fmt: skip


def _enforcer(name: str, controller: str) -> str:
    """Return who enforces the limit of a control group's controller, "pids" or "memory"."""
    if name == "docker":
        return "Docker's control group"
    if controller in cgroup.controllers():
        return "the kernel, in a control group"
    if controller == "pids":
        return "the kernel"
    watchdog = "the watchdog, four times per second, which ends the largest process"
    return watchdog if seccomp.filter_program() else f"{watchdog} and does not see unnamed files (memfd)"


def _workers() -> Finding:
    limits = Limits()
    count = default_workers(limits.memory_gb)
    says = f"`segcourse grade` runs {count} in parallel here, each with up to {limits.memory_gb:g} GB"
    return Finding(f"{PREFIX}workers", "ok", f"{says} (--workers, and memory_gb in course.toml).")
