"""Control groups: kernel limits on a sandbox's processes and memory, where this user may create them.

Usually only root may. Without control groups, the kernel counts an ordinary user's processes (RLIMIT_NPROC,
which does not apply to root), and the watchdog checks the memory four times per second.
"""

import contextlib
import functools
import itertools
import os
import re
import time
from pathlib import Path

from segcourse.grading.sandbox.limits import Limits

ROOT = Path("/sys/fs/cgroup")
_LIMIT_FILES = {"pids": "pids.max", "memory": "memory.max"}
_LIMIT_FILES_V1 = {"pids": "pids.max", "memory": "memory.limit_in_bytes"}
_OOM_FILES = ("memory.events", "memory.oom_control")  # of version 2 and 1
_numbers = itertools.count()


class ControlGroup:
    """A control group for one sandbox.

    Attributes:
        descriptors: Files to which a process writes "0" to join; empty where there are no groups.
        limits_memory: Whether the group limits the memory of all its processes together.
    """

    def __init__(self, limits: Limits) -> None:
        name = f"segcourse-{os.getpid()}-{next(_numbers)}"
        values = {"pids": limits.processes, "memory": int(limits.total_memory_gb * 2**30)}
        self.folders = tuple({parent / name: None for parent, _ in _parents().values()})
        self.descriptors: list[int] = []
        _remove_leftovers()
        try:
            for folder in self.folders:
                folder.mkdir()
            for controller, (parent, file) in _parents().items():
                (parent / name / file).write_text(str(values[controller]))
            self.descriptors = [os.open(folder / "cgroup.procs", os.O_WRONLY) for folder in self.folders]
        except OSError:
            self.close()
            self.folders = ()
        self.limits_memory = bool(self.folders) and "memory" in _parents()

    def out_of_memory(self) -> bool:
        """Return whether the kernel has ended a process of the group because of the memory limit."""
        files = [folder / name for folder in self.folders for name in _OOM_FILES]
        return any(re.search(r"^oom_kill [1-9]", _read(file), re.MULTILINE) for file in files)

    def close(self) -> None:
        """Remove the group after its processes were killed; the kernel may need a moment to reap them."""
        while self.descriptors:
            os.close(self.descriptors.pop())
        for folder in self.folders:
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                try:
                    folder.rmdir()
                except (FileNotFoundError, PermissionError):
                    break
                except OSError:
                    time.sleep(0.01)


def _remove_leftovers() -> None:
    """Remove the groups of graders that were killed."""
    for parent in {parent for parent, _ in _parents().values()}:
        for folder in parent.glob("segcourse-*"):
            if not Path("/proc", folder.name.split("-")[1]).exists():
                with contextlib.suppress(OSError):
                    folder.rmdir()


@functools.cache
def controllers() -> tuple[str, ...]:
    """Return which of "pids" and "memory" the kernel can limit here."""
    group = ControlGroup(Limits())
    group.close()
    return tuple(_parents()) if group.folders else ()


@functools.cache
def _parents() -> dict[str, tuple[Path, str]]:
    """Map each usable controller to the folder for new groups and the name of its limit file."""
    found = {}
    for line in _read("/proc/self/cgroup").splitlines():  # version 1: one hierarchy per controller
        _, names, path = line.split(":", 2)
        for name in _LIMIT_FILES_V1.keys() & set(names.split(",")):
            folder = ROOT / name / path.lstrip("/")
            if os.access(folder, os.W_OK):
                found[name] = (folder, _LIMIT_FILES_V1[name])
    if found:
        return found
    available = _read(ROOT / "cgroup.controllers").split()
    wanted = [name for name in _LIMIT_FILES if name in available]
    if not wanted or not os.access(ROOT, os.W_OK):
        return {}
    with contextlib.suppress(OSError):
        (ROOT / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in wanted))
    return {name: (ROOT, _LIMIT_FILES[name]) for name in wanted}


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
