"""The kernel's own count of a sandbox's processes and memory, where this user may ask for it (root may).

Without one, processes are counted by the kernel for an ordinary user (RLIMIT_NPROC, which root is exempt
from), and memory by the watch outside, four times a second.
"""

import contextlib
import functools
import itertools
import os
import time
from pathlib import Path

from segcourse.grading.sandbox.watchdog import Limits

ROOT = Path("/sys/fs/cgroup")
_numbers = itertools.count()


class Group:
    """A control group for one sandbox; `doors` are the files through which a process enters it."""

    def __init__(self, limits: Limits) -> None:
        name = f"segcourse-{os.getpid()}-{next(_numbers)}"
        self.folders = tuple(dict.fromkeys(parent / name for parent in _parents().values()))
        most = {"pids": limits.processes, "memory": int(limits.memory_gb * 2**30)}
        _sweep()
        try:
            for folder in self.folders:
                folder.mkdir()
            for controller, parent in _parents().items():
                (parent / name / _FILES[controller][parent in _old()]).write_text(str(most[controller]))
        except OSError:
            self.close()
            self.folders = ()
        self.doors = [str(folder / "cgroup.procs") for folder in self.folders]

    def start(self, command: list[str]) -> list[str]:
        """The command, started inside the group."""
        if not self.doors:
            return command
        entering = 'while [ "$1" != -- ]; do echo 0 > "$1"; shift; done; shift; exec "$@"'
        return ["/bin/sh", "-c", entering, "sh", *self.doors, "--", *command]

    def close(self) -> None:
        """Remove the group; its processes have been ended, but the kernel may take a moment to see to it."""
        for folder in self.folders:
            for _ in range(100):
                with contextlib.suppress(FileNotFoundError, PermissionError):
                    try:
                        folder.rmdir()
                    except OSError:
                        time.sleep(0.05)
                        continue
                break


def _sweep() -> None:
    """Remove what graders that were killed left behind."""
    for parent in set(_parents().values()):
        for folder in parent.glob("segcourse-*"):
            if not Path("/proc", folder.name.split("-")[1]).exists():
                with contextlib.suppress(OSError):
                    folder.rmdir()


# what the limit's file is called in version 2 and in version 1
_FILES = {"pids": ("pids.max", "pids.max"), "memory": ("memory.max", "memory.limit_in_bytes")}


@functools.cache
def controllers() -> tuple[str, ...]:
    """Which of "pids" and "memory" the kernel can count here."""
    if not _parents():
        return ()
    group = Group(Limits())
    group.close()
    return tuple(_parents()) if group.doors else ()


@functools.cache
def _old() -> dict[Path, str]:
    """Version 1: for each controller a folder of its own, of which this process's group is one below."""
    found = {}
    for line in _read("/proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            folder = ROOT / name / path.lstrip("/")
            if name in _FILES and os.access(folder, os.W_OK):
                found[folder] = name
    return found


@functools.cache
def _parents() -> dict[str, Path]:
    """The folder for each controller in which this user may make groups."""
    if _old():
        return {name: folder for folder, name in _old().items()}
    available = _read(ROOT / "cgroup.controllers").split()
    wanted = [name for name in _FILES if name in available]
    if not wanted or not os.access(ROOT, os.W_OK):
        return {}
    with contextlib.suppress(OSError):
        (ROOT / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in wanted))
    return dict.fromkeys(wanted, ROOT)


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
