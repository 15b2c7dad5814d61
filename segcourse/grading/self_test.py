"""What keeps submissions apart on this machine, and which limits hold: tried, not assumed.

The trials are what a submission might do, with limits small enough for any machine; each finding says whether
it was stopped, and by whom.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from importlib import metadata, util
from pathlib import Path

import psutil

from segcourse.course.doctor import Finding
from segcourse.grading.pool import workers_here
from segcourse.grading.sandbox import backend, cgroup, runner, seccomp
from segcourse.grading.sandbox.bubblewrap import RAM_DISKS
from segcourse.grading.sandbox.limits import Limits

LIMITS = Limits(cell_seconds=20, total_seconds=120, memory_gb=1.5, processes=64, record_mb=8)
ENOUGH = 3 << 30  # bytes that must be free for the trials of memory
INSIDE = "Sandbox: "
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
for number in range(4):
    os.unlink(f"/tmp/{number}")
"""
_PROCESS_MEMORY = "hoard = []\nwhile len(hoard) < 40:\n    hoard.append(bytearray(1 << 26))"
# what processes share counts for none of them alone
_ALL_MEMORY = """
del hoard
import mmap, time
shared = mmap.mmap(-1, 36 << 26)
for _ in range(36):
    shared.write(bytes(1 << 26))
time.sleep(1)
"""
_PROCESSES = """
import os, time
for started in range(1, 201):
    if os.fork() == 0:
        time.sleep(10)
        os._exit(0)
time.sleep(2)
"""


def findings() -> list[Finding]:
    """Try everything that grading relies on here; takes about ten seconds, with Docker more."""
    try:
        wall = backend.choose()
    except backend.NoSandboxError as error:
        return [_nbgrader(), Finding("Sandbox", "problem", str(error))]
    return [_nbgrader(), _wall(wall), *_limits(wall), _workers()]


def _nbgrader() -> Finding:
    if util.find_spec("nbgrader") is None:
        return Finding("nbgrader", "problem", 'not installed; run pip install "segcourse[teach]".')
    version = metadata.version("nbgrader")
    if shutil.which("alembic") is None:
        missing = (
            "`alembic` is not on PATH: nbgrader's own commands, formgrader included, start it by that name"
        )
        return Finding("nbgrader", "note", f"{version}; {missing}. Activate this Python's environment.")
    return Finding("nbgrader", "ok", version)


def _wall(wall: str) -> Finding:
    empty = {"seed": 0, "steps": []}
    try:
        runner.run(empty, LIMITS)  # the first one also starts what the others share
        done = runner.run(empty, LIMITS)
    except OSError as error:
        return Finding("Sandbox", "problem", f"{wall} works, but no submission starts in it ({error}).")
    if not done.events:
        return Finding("Sandbox", "problem", f"{wall} works, but no submission starts in it: {done.ended}.")
    starting = f"an empty submission takes {done.seconds:.1f} s"
    if wall == "docker":
        return Finding("Sandbox", "ok", f"Docker, because bubblewrap does not work here; {starting}.")
    said = subprocess.run(["bwrap", "--version"], capture_output=True, text=True).stdout.strip()
    user = "root" if os.geteuid() == 0 else "an ordinary user"
    if runner.fork_server_works():
        return Finding("Sandbox", "ok", f"{said}, as {user}; PyTorch is imported once, {starting}.")
    slow = "this kernel lets no running process enter a sandbox, so each submission imports PyTorch anew"
    return Finding("Sandbox", "note", f"{said}, as {user}; {slow}: {starting}.")


def _limits(wall: str) -> list[Finding]:
    """What became of each trial."""
    roomy = psutil.virtual_memory().available > ENOUGH
    memory = [_PROCESS_MEMORY, _ALL_MEMORY] if roomy else ["", ""]
    home = Path.home() if os.access(Path.home(), os.W_OK) else None
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory(dir=home) as other:
        secrets = [Path(folder, "secret") for folder in (one, other)]
        for secret in secrets:
            secret.write_text(SECRET)
        with socket.create_server(("127.0.0.1", 0)) as server:
            reach = _REACH.format(secrets=list(map(str, secrets)), port=server.getsockname()[1])
            cells = [reach, _DISK, *memory, _PROCESSES]
            done = runner.run({"seed": 0, "steps": [{"cell": cell} for cell in cells]}, LIMITS)
            reached = _was_called(server)
        unchanged = all(secret.read_text() == SECRET for secret in secrets)
    steps = {event["step"]: event for event in done.events if "status" in event}
    tried = "printed" in steps.get(0, {})
    hidden = tried and unchanged and SECRET not in steps[0]["printed"]
    most, sizes = f"{LIMITS.memory_gb:g} GB", ", ".join(f"{s >> 20} MB in {f}" for f, s in RAM_DISKS.items())
    stopped = [steps.get(step, {}).get("status") in ("error", "died") for step in range(len(cells))]
    counted = _keeper(wall, "pids")
    if done.ended and "processes" in done.ended:
        stopped[4], counted = True, "the watch outside, which ends the submission"
    found = [
        _held("Network", tried and not reached, "none, not even this machine's own"),
        _held("Files", hidden, "yours could neither be read nor changed"),
        _held("Disk", _small(steps.get(1, {})), f"RAM disks of its own: {sizes}; 256 MB a file"),
        _held("Memory", stopped[2], f"{most} a process, held by the kernel"),
        _held("Memory, all", stopped[3], f"{most} together, held by {_keeper(wall, 'memory')}"),
        _held("Processes", stopped[4], f"{LIMITS.processes} at a time, held by {counted}"),
        _time(),
    ]
    if not roomy:
        found[3:5] = [Finding(f"{INSIDE}memory", "note", "not tried: less than 3 GB are free.")]
    return found


def _was_called(server: socket.socket) -> bool:
    server.settimeout(0)
    try:
        server.accept()[0].close()
    except OSError:
        return False
    return True


def _small(step: dict) -> bool:
    """Whether the trial of the disk told that its files stayed within the limits."""
    try:
        largest, together = map(int, step["printed"].split())
    except (KeyError, ValueError):
        return False
    return largest <= 1 << 28 and together <= RAM_DISKS["/tmp"]


def _held(what: str, held: bool, says: str) -> Finding:
    if held:
        return Finding(INSIDE + what.lower(), "ok", f"{says} (tried).")
    return Finding(
        INSIDE + what.lower(), "problem",
        f"should be: {says}; it is not so. Grade nothing here that you do not trust.",
    )  # fmt: skip


def _keeper(wall: str, controller: str) -> str:
    if wall == "docker":
        return "Docker's control group"
    if controller in cgroup.controllers():
        return "the kernel, in a control group"
    if controller == "memory":
        watch = "the watch outside, four times a second, which ends the largest process"
        return watch if seccomp.filter_program() else f"{watch} and sees no files without a name (memfd)"
    return "the kernel"


def _time() -> Finding:
    start = time.monotonic()
    done = runner.run({"seed": 0, "steps": [{"cell": "while True: pass"}]}, Limits(cell_seconds=1))
    stopped = {"step": 0, "status": "too slow"}.items() <= (done.events or ({},))[0].items()
    says = f"a loop that might compute for 1 s was stopped after {time.monotonic() - start:.1f} s"
    return _held("Time", stopped, says)


def _workers() -> Finding:
    limits = Limits()
    count = workers_here(limits.memory_gb)
    says = f"`segcourse grade` takes {count} at a time here, {limits.memory_gb:g} GB each at most"
    return Finding("Sandbox: workers", "ok", f"{says} (--workers, and memory_gb in course.toml).")
