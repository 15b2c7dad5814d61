"""Step 2, run: the probe in bubblewrap, watched from outside; out comes a list of plain events.

Inside there is no network, no home, no repository, no gradebook: Python, its packages, segcourse and the
lesson's pictures, all read-only, and two small RAM disks. Each submission gets a sandbox of its own, used
once.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from segcourse.grading.bubblewrap import command_line, environment


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Held by the watch outside: `total_seconds`, `memory_gb` and `processes` of the whole sandbox, `record_mb`.
    Held inside: `cell_seconds`, `case_seconds`, `output_kb` a cell, and by the kernel `memory_gb` of data a
    process and 256 MB a file.
    """

    cell_seconds: float = 60
    case_seconds: float = 10
    total_seconds: float = 600
    memory_gb: float = 4
    processes: int = 128
    record_mb: float = 64
    output_kb: float = 20


@dataclass(frozen=True)
class Run:
    """What came out: events in order, and a sentence if the run was ended from outside or told nothing."""

    events: tuple[dict, ...]
    ended: str | None
    seconds: float


def run(job: dict, limits: Limits, files: Sequence[Path] = (), trust: bool = False) -> Run:
    """Run the probe on `job` ({"seed": int, "steps": [{"cell": source} or {"check": exercise}]}).

    `files` lie read-only in the notebook's folder. `trust=True` runs without a sandbox: then a submission can
    read and change whatever the instructor can. Student code never runs in this process, and nothing that
    comes back is executed.

    Raises:
        NoSandboxError: there is no working bubblewrap, and `trust` is False.
    """
    job = job | {"limits": asdict(limits) | {"sandboxed": not trust}}
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="segcourse-") as folder, tempfile.TemporaryFile() as errors:
        given = Path(folder, "job.json")
        given.write_text(json.dumps(job))
        for file in files if trust else ():
            shutil.copy(file, folder)
        command = [sys.executable, "-m", "segcourse.grading.probe"]
        if not trust:
            command = [*command_line(files), "--", *command]
        with given.open("rb") as stdin:
            process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(Path(folder)) if trust else {},
                cwd=folder,
                start_new_session=True,
            )
        try:
            lines, ended = _follow(process, limits, start)
        finally:
            _end(process)
        if not any(lines) and not ended:
            errors.seek(0)
            last = errors.read(1 << 16).decode("utf-8", "replace").strip().splitlines()[-1:]
            reason = "".join(last)[:300] or "no reason given"
            ended = f"the sandbox stopped before the notebook began ({reason})"
    return Run(tuple(_events(lines)), ended, time.monotonic() - start)


def _follow(process: subprocess.Popen, limits: Limits, start: float) -> tuple[list[bytes], str | None]:
    """Read the record while it grows; end the sandbox when it takes more than it may."""
    parts, size, reason = [], 0, None
    # the supervisor inside keeps this limit too, and has time to say so
    deadline = start + limits.total_seconds + 30
    watch, look = psutil.Process(process.pid), start
    ended = False
    while reason is None:
        if select.select([process.stdout], [], [], 0.2)[0]:
            chunk = os.read(process.stdout.fileno(), 1 << 20)
            if not chunk:
                break
            parts.append(chunk)
            size += len(chunk)
            if size > limits.record_mb * 1e6:
                reason = f"it returned more than {limits.record_mb:g} MB"
        elif ended:
            break
        ended = process.poll() is not None  # what it wrote last is still in the pipe
        now = time.monotonic()
        if now > deadline:
            reason = f"it took more than {limits.total_seconds:g} s"
        elif now > look:
            reason, look = reason or _greedy(watch, limits), now + 0.25
    return b"".join(parts).split(b"\n"), reason


def _greedy(watch: psutil.Process, limits: Limits) -> str | None:
    """Hold the whole sandbox to its memory and process count, which the kernel holds for single processes at
    best.

    The fattest process is ended first: if that is the worker, the supervisor goes on without the cell that
    did it.
    """
    try:
        family = watch.children(recursive=True)
    except psutil.Error:
        return None
    if len(family) > limits.processes:
        return f"it started more than {limits.processes} processes"
    own: dict[psutil.Process, int] = {}
    for process in family:
        try:
            memory = process.memory_info()
            own[process] = memory.rss - memory.shared
        except (psutil.Error, AttributeError):
            continue
    most = limits.memory_gb * 2**30
    if sum(own.values()) <= most:
        return None
    with contextlib.suppress(psutil.Error):
        # forks share most of their pages: only this slower figure counts each page once
        if sum(process.memory_full_info().pss for process in own) > most:
            max(own, key=own.get).kill()
    return None


def _end(process: subprocess.Popen) -> None:
    """Ending bubblewrap ends its first process, and with that one everything inside; without it, the session
    is ended.
    """
    if process.poll() is None:
        process.kill()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait()


def _events(lines: Iterable[bytes]) -> Iterable[dict]:
    """The record's events; lines that are not what the probe writes are passed over."""
    for line in lines:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if type(event) is dict:
            yield event
