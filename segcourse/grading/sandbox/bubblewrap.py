"""bubblewrap's command line: what a submission sees of this machine.

Namespaces of its own for users, processes, network and mounts; no capabilities, no environment, nothing
writable but three small RAM disks.
"""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from segcourse.grading.sandbox.environment import HOME, PACKAGE, environment

RAM_DISKS = {"/tmp": 1 << 29, str(HOME): 1 << 26, "/dev/shm": 1 << 26}  # bytes


class UnusableError(Exception):
    """This way to keep submissions apart does not work here; the words say why and what to do."""


def command_line() -> list[str]:
    """The command line that precedes a program's.

    Raises:
        UnusableError: bubblewrap is missing or does not work here.
    """
    command = [*_working()]
    for fonts in _font_lists():  # matplotlib would spend seconds on making its own
        command += ["--ro-bind-try", str(fonts), f"{HOME}/.matplotlib/{fonts.name}"]
    return command


@functools.cache
def _font_lists() -> tuple[Path, ...]:
    import matplotlib
    import matplotlib.font_manager  # importing it writes the list

    return tuple(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"))


@functools.cache
def _working() -> tuple[str, ...]:
    """The parts of the command that are the same for all, tried once."""
    program = shutil.which("bwrap")
    if program is None:
        raise UnusableError("bubblewrap is not installed (apt install bubblewrap)")
    known = subprocess.run([program, "--help"], capture_output=True, text=True).stdout
    command = [program, "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000"]
    command += ["--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    if "--disable-userns" in known:  # bubblewrap 0.8: no namespaces inside the namespace
        command.append("--disable-userns")
    for name, value in environment().items():
        command += ["--setenv", name, value]
    command += ["--hostname", "sandbox", "--proc", "/proc", "--dev", "/dev"]
    # the whole machine's settings: where root grades, the user inside may else change them (core_pattern!)
    for name in ("sys", "fs", "irq", "bus", "acpi", "scsi", "mtrr", "sysrq-trigger"):
        command += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
    # before what is bound read-only: this Python may itself lie below /tmp or a home
    for folder, size in RAM_DISKS.items():
        command += ["--size", str(size), "--tmpfs", folder]
    command += ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "lib", "lib32", "lib64", "sbin"):
        path = Path("/", name)
        if path.is_symlink():
            command += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            command += ["--ro-bind", str(path), str(path)]
    for name in ("ld.so.cache", "fonts", "alternatives", "localtime"):
        command += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for folder in dict.fromkeys((os.path.realpath(sys.base_prefix), sys.base_prefix, sys.prefix)):
        if not folder.startswith("/usr/"):
            command += ["--ro-bind", folder, folder]
    # at its own place, so that what was imported outside can go on importing inside
    command += ["--ro-bind", str(PACKAGE), str(PACKAGE)]
    command += ["--ro-bind-try", str(PACKAGE.parent / "datasets"), str(PACKAGE.parent / "datasets")]
    # bubblewrap's own root and /dev are RAM disks without a size
    command += ["--remount-ro", "/", "--remount-ro", "/dev", "--chdir", str(HOME)]
    trial = subprocess.run([*command, "--", sys.executable, "-c", ""], capture_output=True, text=True)
    if trial.returncode:
        reason = (trial.stderr.strip().splitlines() or [f"exit code {trial.returncode}"])[-1]
        raise UnusableError(
            f"bubblewrap does not work here ({reason}); allow unprivileged user namespaces, or run where "
            "they are allowed"
        )
    return tuple(command)
