"""What a submission sees of this machine: bubblewrap's command line.

Namespaces of its own for users, processes, network and mounts; no capabilities, no environment, nothing
writable but two small RAM disks.
"""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import segcourse
from segcourse.errors import SegcourseError

HOME = Path("/home/s")


class NoSandboxError(SegcourseError):
    """Submissions cannot be kept apart from this machine."""


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the instructor's environment goes in: no keys, no proxies, no paths."""
    return {
        "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
        "PYTHONPATH": str(Path(segcourse.__file__).parents[1]),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "MPLCONFIGDIR": f"{folder}/.matplotlib",
        "MPLBACKEND": "Agg",
        "SEGCOURSE_DATA": f"{folder}/.segcourse",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        # one thread a submission: more would fight with the next one, and would not survive the probe's forks
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        # `%pip install` in a cell fails at once instead of waiting for a network that is not there
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "HF_HUB_OFFLINE": "1",
    }


def command_line(files: Sequence[Path] = ()) -> list[str]:
    """The command line that precedes the probe's.

    Raises:
        NoSandboxError: bubblewrap is missing or does not work here.
    """
    program = _working_bubblewrap()
    variables = environment(HOME) | {"TMPDIR": "/tmp", "PYTHONPATH": "/course"}
    package = Path(segcourse.__file__).parent
    command = [*program]
    for name, value in variables.items():
        command += ["--setenv", name, value]
    command += ["--ro-bind", str(package), "/course/segcourse"]
    command += ["--ro-bind-try", str(package.parent / "datasets"), "/course/datasets"]
    for fonts in _font_lists():  # matplotlib would spend seconds on making its own
        command += ["--ro-bind-try", str(fonts), f"{HOME}/.matplotlib/{fonts.name}"]
    for file in files:
        command += ["--ro-bind", str(file), f"{HOME}/{file.name}"]
    return [*command, "--chdir", str(HOME)]


@functools.cache
def _font_lists() -> tuple[Path, ...]:
    import matplotlib
    import matplotlib.font_manager  # importing it writes the list

    return tuple(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"))


@functools.cache
def _working_bubblewrap() -> tuple[str, ...]:
    """The parts of the command that are the same for all, tried once."""
    advice = "or pass --trust-submissions, which runs students' code with all your rights."
    program = shutil.which("bwrap")
    if program is None:
        raise NoSandboxError(
            "bubblewrap is not installed, so submissions would run with your rights; "
            f"install it (apt install bubblewrap), {advice}"
        )
    known = subprocess.run([program, "--help"], capture_output=True, text=True).stdout
    command = [
        program,
        "--unshare-all",
        "--unshare-user",
        "--uid",
        "1000",
        "--gid",
        "1000",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
        "--clearenv",
    ]
    if "--disable-userns" in known:  # bubblewrap 0.8: no namespaces inside the namespace
        command.append("--disable-userns")
    command += ["--proc", "/proc", "--dev", "/dev"]
    # before what is bound read-only: this Python may itself lie below /tmp or a home
    for size, folder in ((1 << 29, "/tmp"), (1 << 26, str(HOME))):
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
    trial = subprocess.run([*command, "--", sys.executable, "-c", ""], capture_output=True, text=True)
    if trial.returncode:
        reason = (trial.stderr.strip().splitlines() or [f"exit code {trial.returncode}"])[-1]
        raise NoSandboxError(
            f"bubblewrap does not work here ({reason}); allow unprivileged user namespaces, "
            f"run where they are allowed, {advice}"
        )
    return tuple(command)
