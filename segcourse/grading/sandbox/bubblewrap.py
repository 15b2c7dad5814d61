"""bubblewrap's command line: what submissions can see of this machine.

Everything is read-only, and nothing is bound but what Python and the course need. bubblewrap starts the fork
server with it. Each submission then runs in a fork with its own namespaces; see `isolation`.
"""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from segcourse.grading.sandbox import seccomp
from segcourse.grading.sandbox.environment import PACKAGE, RAM_DISKS, environment
from segcourse.grading.sandbox.isolation import CAPABILITIES

# Not all of /usr: nbgrader's exchange, with the work of the whole class, is in /usr/local/share by default.
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libexec")
# Not all of the prefix: a virtual environment may be the folder of the repository, or of the course.
_PYTHON = ("bin", "lib", "lib64", "pyvenv.cfg")


class UnusableError(Exception):
    """This sandbox technology does not work here; the message says why and what to do."""


@functools.cache
def command_line() -> tuple[str, ...]:
    """Return the part of the command line that precedes the program, after one trial.

    Raises:
        UnusableError: bubblewrap is missing or does not work here.
    """
    program = shutil.which("bwrap")
    if program is None:
        raise UnusableError("bubblewrap is not installed (apt install bubblewrap)")
    if not seccomp.filter_program():
        raise UnusableError(f"there is no filter of system calls for this machine ({os.uname().machine})")
    command = [program, "--unshare-all", "--unshare-user", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    command.append("--as-pid-1")  # when the fork server ends, the kernel ends all that it has started
    for capability in CAPABILITIES:
        command += ["--cap-add", f"CAP_{capability}"]
    for name, value in environment().items():
        command += ["--setenv", name, value]
    command += ["--hostname", "sandbox", "--proc", "/proc", "--dev", "/dev"]
    # before the read-only mounts, because this Python may itself lie below /tmp or a home folder
    for folder in RAM_DISKS:
        command += ["--tmpfs", folder]
    for source in dict.fromkeys(_system_folders() + _python_folders()):
        command += ["--ro-bind", source, source]
    for name in ("bin", "lib", "lib32", "lib64", "sbin"):
        path = Path("/", name)
        if path.is_symlink():
            command += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            command += ["--ro-bind", str(path), str(path)]
    for name in ("ld.so.cache", "fonts", "alternatives", "localtime"):
        command += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for fonts in _font_lists():  # matplotlib would spend seconds on building its own
        command += ["--ro-bind", str(fonts), f"{environment()['MPLCONFIGDIR']}/{fonts.name}"]
    command += ["--remount-ro", "/", "--remount-ro", "/dev", "--chdir", "/"]
    trial = subprocess.run(
        [*command, "--", sys.executable, "-m", "segcourse.grading.sandbox.isolation"],
        capture_output=True, text=True,
    )  # fmt: skip
    if trial.returncode:
        reason = (trial.stderr.strip().splitlines() or [f"exit code {trial.returncode}"])[-1]
        raise UnusableError(
            f"bubblewrap does not work here ({reason}); allow unprivileged user namespaces, or grade on a "
            "machine that allows them"
        )
    return tuple(command)


def _system_folders() -> list[str]:
    folders = {"/usr": _SYSTEM, "/usr/local": ("bin", "lib"), "/usr/share": ("fonts", "zoneinfo", "terminfo")}
    paths = [Path(parent, name) for parent, names in folders.items() for name in names]
    return [str(path) for path in paths if path.is_dir() and not path.is_symlink()]


def _python_folders() -> list[str]:
    """Return this Python, its packages, segcourse and its data cards."""
    prefixes = (os.path.realpath(sys.base_prefix), sys.base_prefix, sys.prefix)
    paths = [Path(prefix, name) for prefix in prefixes for name in _PYTHON]
    paths += [PACKAGE, PACKAGE.parent / "datasets"]
    return [str(path) for path in paths if path.exists()]


def _font_lists() -> tuple[Path, ...]:
    import matplotlib
    import matplotlib.font_manager  # importing it writes the list

    return tuple(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"))
