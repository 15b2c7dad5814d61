"""bubblewrap's command line: what a submission can see of this machine.

The sandbox has its own namespaces for users, processes, network and mounts, no capabilities, no inherited
environment, and nothing writable but three small RAM disks.
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
    """This sandbox technology does not work here; the message says why and what to do."""


def command_line() -> list[str]:
    """Return the part of the command line that precedes the program.

    Raises:
        UnusableError: bubblewrap is missing or does not work here.
    """
    command = [*_tested_command()]
    for fonts in _font_lists():  # matplotlib would spend seconds on building its own
        command += ["--ro-bind-try", str(fonts), f"{HOME}/.matplotlib/{fonts.name}"]
    return command


@functools.cache
def _font_lists() -> tuple[Path, ...]:
    import matplotlib
    import matplotlib.font_manager  # importing it writes the list

    return tuple(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"))


@functools.cache
def _tested_command() -> tuple[str, ...]:
    """Return the part of the command that all submissions share, after one test run."""
    program = shutil.which("bwrap")
    if program is None:
        raise UnusableError("bubblewrap is not installed (apt install bubblewrap)")
    known = subprocess.run([program, "--help"], capture_output=True, text=True).stdout
    command = [program, "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000"]
    command += ["--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    if "--disable-userns" in known:  # since bubblewrap 0.8: no namespaces inside the namespace
        command.append("--disable-userns")
    for name, value in environment().items():
        command += ["--setenv", name, value]
    command += ["--hostname", "sandbox", "--proc", "/proc", "--dev", "/dev"]
    # settings of the whole machine, such as core_pattern: if root grades, the user inside could change them
    for name in ("sys", "fs", "irq", "bus", "acpi", "scsi", "mtrr", "sysrq-trigger"):
        command += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
    # before the read-only mounts, because this Python may itself lie below /tmp or a home folder
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
    # under the same path as outside, so that modules imported outside can import more inside
    command += ["--ro-bind", str(PACKAGE), str(PACKAGE)]
    command += ["--ro-bind-try", str(PACKAGE.parent / "datasets"), str(PACKAGE.parent / "datasets")]
    # bubblewrap's own root and /dev are RAM disks without a size limit
    command += ["--remount-ro", "/", "--remount-ro", "/dev", "--chdir", str(HOME)]
    trial = subprocess.run([*command, "--", sys.executable, "-c", ""], capture_output=True, text=True)
    if trial.returncode:
        reason = (trial.stderr.strip().splitlines() or [f"exit code {trial.returncode}"])[-1]
        raise UnusableError(
            f"bubblewrap does not work here ({reason}); allow unprivileged user namespaces, or grade on a "
            "machine that allows them"
        )
    return tuple(command)
