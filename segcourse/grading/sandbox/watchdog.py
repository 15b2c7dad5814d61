"""Watch a sandbox from outside: read its record while it grows and enforce its limits."""

import contextlib
import json
import os
import select
import time
from collections.abc import Iterable

import psutil

from segcourse.grading.sandbox.limits import WALL_CLOCK_FACTOR, Limits
from segcourse.grading.sandbox.process import SandboxProcess, SandboxProgram


def read_record(
    process: SandboxProcess | SandboxProgram, record: int, limits: Limits, start: float
) -> tuple[list[bytes], str | None, bool]:
    """Read the descriptor `record` to its end while enforcing the limits.

    Args:
        process: The sandbox that writes the record.
        record: The reading end of a pipe.
        limits: What the sandbox may use.
        start: The `time.monotonic()` at which the sandbox started.

    Returns:
        The record's lines, a sentence if the sandbox exceeded a limit that ends it, and whether a process was
        ended because the sandbox exceeded its memory.
    """
    parts, size, reason, killed = [], 0, None, False
    grouped = process.group is not None and process.group.limits_memory
    # the supervisor enforces this limit first, with allowances for a busy machine; this is the last resort
    deadline = start + WALL_CLOCK_FACTOR * limits.total_seconds + 30
    root, next_check, exited = _root_process(process.pid), start, False
    while reason is None:
        if select.select([record], [], [], 0.2)[0]:
            chunk = os.read(record, 1 << 20)
            if not chunk:
                break
            parts.append(chunk)
            size += len(chunk)
            if size > limits.record_mb * 1e6:
                reason = f"it returned more than {limits.record_mb:g} MB"
        elif exited:
            break
        exited = process.has_ended()  # its last output may still be in the pipe
        now = time.monotonic()
        if now > deadline:
            reason = f"it took more than {WALL_CLOCK_FACTOR * limits.total_seconds:g} s"
        elif now > next_check:
            processes, next_check = _all_processes(root), now + 0.25
            if len(processes) > limits.processes:
                reason = f"it started more than {limits.processes} processes"
            killed |= _enforce(root, processes, limits, not grouped)
    killed |= grouped and process.group.out_of_memory()
    return b"".join(parts).split(b"\n"), reason, killed


def _enforce(
    root: psutil.Process | None, processes: set[psutil.Process], limits: Limits, check_memory: bool = True
) -> bool:
    """Wake stopped processes, and end the largest process if the memory is exceeded.

    If that is the worker, the supervisor continues without the cell that did it.

    Where a control group limits the memory, `check_memory` must be False. Reading the PSS of a process that
    the kernel has just killed delays the release of its memory, and the kernel then kills the supervisor too.

    Returns:
        Whether a process was ended.
    """
    memory: dict[psutil.Process, int] = {}
    for process in processes:
        try:
            if process.status() == psutil.STATUS_STOPPED:  # a submission may have stopped its supervisor
                process.resume()
            memory[process] = process.memory_info().rss
        except psutil.Error:
            continue
    most = limits.total_memory_gb * 2**30
    if not check_memory or sum(memory.values()) <= most:
        return False
    for process in _trusted_processes(root):  # an ordinary user cannot read their PSS, which is small
        memory.pop(process, None)
    for process in memory:  # forks share most pages; PSS counts each page once, but is slow to read
        with contextlib.suppress(psutil.Error, AttributeError):
            memory[process] = process.memory_full_info().pss
    if memory and sum(memory.values()) > most:
        with contextlib.suppress(psutil.Error):
            max(memory, key=memory.get).kill()
            return True
    return False


def _root_process(pid: int) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error, ValueError):
        return psutil.Process(pid)
    return None


def _all_processes(root: psutil.Process | None) -> set[psutil.Process]:
    """Return all processes of a sandbox by their parents: orphans become children of its first process.

    A process cannot hide its parent. It can hide its namespaces, memory maps and open files with prctl(2).
    """
    with contextlib.suppress(psutil.Error):
        return {root, *root.children(recursive=True)} if root else set()
    return set()


def _trusted_processes(root: psutil.Process | None) -> list[psutil.Process]:
    """Return the zygote and its first child, the supervisor: they never run a student's code."""
    with contextlib.suppress(psutil.Error):
        children = sorted(root.children(), key=lambda child: (child.create_time(), child.pid)) if root else []
        return [root, *children[:1]] if root else []
    return []


def parse_events(lines: Iterable[bytes]) -> Iterable[dict]:
    """Yield the record's events and skip lines that are not JSON objects."""
    for line in lines:
        try:
            event = json.loads(line)
            if b"\\ud" in line.lower():  # half a surrogate pair, which no file, page or gradebook can hold
                event = json.loads(json.dumps(event, ensure_ascii=False).encode("utf-8", "replace"))
        except (ValueError, RecursionError):
            continue
        if type(event) is dict:
            yield event
