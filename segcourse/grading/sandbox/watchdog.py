"""Following a sandbox from outside: its record is read while it grows, its memory, processes and time are
held to the limits."""

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

PATIENCE = 3  # limits are seconds of computing, by the clock it may be so many times as long


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


class Sandbox(subprocess.Popen):
    """The program that holds a sandbox open; its end ends everything inside.

    `first` is the number of the sandbox's first process, where it is known; `entered` that of the process
    that has gone in later, which is no child of this program's.
    """

    first: int | None = None
    entered: int | None = None


def follow(process: Sandbox, record: int, limits: Limits, start: float) -> tuple[list[bytes], str | None]:
    """Read the descriptor `record` to its end; returns its lines, and a sentence if the sandbox `process`
    took more than it may."""
    parts, size, reason = [], 0, None
    # the supervisor inside keeps this limit, forgives a busy machine, and says so; here is the last resort
    deadline = start + PATIENCE * limits.total_seconds + 30
    roots, look = _roots(process), start
    ended = False
    while reason is None:
        if select.select([record], [], [], 0.2)[0]:
            chunk = os.read(record, 1 << 20)
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
            reason = f"it took more than {PATIENCE * limits.total_seconds:g} s"
        elif now > look:
            reason, look = reason or _greedy(roots, limits), now + 0.25
    return b"".join(parts).split(b"\n"), reason


def _greedy(roots: list[psutil.Process], limits: Limits) -> str | None:
    """Hold the whole sandbox to its memory and process count, which the kernel holds for single processes at
    best.

    The fattest process is ended first: if that is the worker, the supervisor goes on without the cell that
    did it.
    """
    family = _family(roots)
    if len(family) > limits.processes:
        return f"it started more than {limits.processes} processes"
    own: dict[psutil.Process, int] = {}
    for process in family:
        try:
            if process.status() == psutil.STATUS_STOPPED:  # a submission may stop the clock of who keeps it
                process.resume()
            own[process] = process.memory_info().rss
        except psutil.Error:
            continue
    most = limits.memory_gb * 2**30
    if sum(own.values()) <= most:
        return None
    for process in _keepers(roots):  # hidden from an ordinary user, and theirs is shared memory only
        own.pop(process, None)
    for process in own:  # forks share most of their pages: only this slower figure counts each page once
        with contextlib.suppress(psutil.Error, AttributeError):
            own[process] = process.memory_full_info().pss
    if own and sum(own.values()) > most:
        with contextlib.suppress(psutil.Error):
            max(own, key=own.get).kill()
    return None


def _roots(process: Sandbox) -> list[psutil.Process]:
    roots = []
    for number in filter(None, (process.pid, process.entered)):
        with contextlib.suppress(psutil.Error):
            roots.append(psutil.Process(number))
    return roots


def _family(roots: list[psutil.Process]) -> set[psutil.Process]:
    """All processes of a sandbox: a process whose parent has ended becomes a child of the sandbox's first.

    Who is whose child cannot be hidden; namespaces, memory maps and open files can, by `prctl`.
    """
    family = set(roots[1:])
    for root in roots:
        with contextlib.suppress(psutil.Error):
            family.update(root.children(recursive=True))
    return family


def _keepers(roots: list[psutil.Process]) -> list[psutil.Process]:
    """The process that went in and its first child, the nursery and the supervisor: no student's code."""
    keepers = roots[1:]
    for root in roots[1:]:
        with contextlib.suppress(psutil.Error):
            born = sorted(root.children(), key=lambda child: (child.create_time(), child.pid))
            keepers += born[:1]
    return keepers


def end(process: Sandbox) -> None:
    """Ending bubblewrap ends its first process, and with that one everything inside; without it, the session
    is ended.
    """
    if process.poll() is None:
        # bubblewrap then sees its child's end and leaves no zombie to whoever is process 1 of this machine
        if process.first:
            os.kill(process.first, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
        process.kill()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def events(lines: Iterable[bytes]) -> Iterable[dict]:
    """The record's events; lines that are not what the probe writes are passed over."""
    for line in lines:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if type(event) is dict:
            yield event
