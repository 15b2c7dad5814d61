"""Docker's command line, for machines that have Docker but no bubblewrap.

Each submission runs in its own container. The image holds Python and segcourse's dependencies only. segcourse
itself is mounted read-only, so that its version is the same inside and outside. Each container imports
PyTorch again.
"""

import functools
import os
import platform
import shutil
import subprocess
import uuid

import psutil

from segcourse.grading.sandbox.bubblewrap import UnusableError
from segcourse.grading.sandbox.environment import HOME, PACKAGE, RAM_DISKS, environment
from segcourse.grading.sandbox.limits import Limits

IMAGE = "segcourse-sandbox"  # built from grading/Dockerfile
BUILD = f"docker build --tag {IMAGE} --file grading/Dockerfile ."
LABEL = "segcourse.grader"  # host and process that started a container
NOBODY = "65534:65534"  # never the instructor's own user id
ENTRYPOINT = ("python", "-m", "segcourse.grading.sandbox.entrypoint")
# otherwise the client passes on the instructor's proxies, with passwords, from ~/.docker/config.json
_PROXIES = [f"{name}_PROXY" for name in ("HTTP", "HTTPS", "FTP", "NO", "ALL")]
_VERSIONS = "import numpy, torch; print('numpy', numpy.__version__); print('torch', torch.__version__)"


def new_name() -> str:
    return f"segcourse-{uuid.uuid4().hex}"


def command_line(limits: Limits, name: str) -> list[str]:
    """Return the command that runs the entry point in a container, with job on stdin and record on stdout.

    Args:
        limits: What the container may use.
        name: The container's name.

    Raises:
        UnusableError: There is no engine or no image, or no container works here.
    """
    return [engine(), *_run(limits, name), *ENTRYPOINT]


def stop(name: str) -> None:
    """Stop and remove a container, started or not; it would survive the end of its client."""
    subprocess.run([engine(), "rm", "--force", name], capture_output=True)


@functools.cache
def engine() -> str:
    """Return the path of Docker's client, after testing the engine, the image and a container."""
    program = shutil.which("docker")
    if program is None:
        raise UnusableError("Docker is not installed either")
    _output(program, "ps", "--quiet", error="there is a Docker client, but no engine answers")
    _output(
        program, "image", "inspect", IMAGE,
        error=f"Docker has no image {IMAGE} (build it in the repository: {BUILD})",
    )  # fmt: skip
    _remove_leftovers(program)
    inside = _output(
        program, *_run(Limits(), new_name()), "python", "-c", f"import {ENTRYPOINT[-1]}; {_VERSIONS}",
        error="Docker cannot run a container with the options that submissions need",
    )  # fmt: skip
    _compare_versions(inside)
    return program


def _run(limits: Limits, name: str) -> list[str]:
    command = ["run", "--rm", "--interactive", "--init", "--pull", "never", "--log-driver", "none"]
    command += ["--name", name, "--label", f"{LABEL}={_grader()}"]
    command += ["--network", "none", "--hostname", "sandbox", "--read-only", "--user", NOBODY]
    command += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    memory = f"{int(limits.memory_gb * 2**30)}b"
    command += ["--memory", memory, "--memory-swap", memory, "--pids-limit", str(limits.processes)]
    for folder, size in RAM_DISKS.items():
        if folder == "/dev/shm":  # Docker creates this one itself
            command += ["--shm-size", f"{size}b"]
        else:
            command += ["--tmpfs", f"{folder}:rw,exec,nosuid,nodev,size={size},mode=1777"]
    # the image has its own Python and packages; only segcourse comes from this machine
    variables = environment() | {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": "/course"}
    variables |= dict.fromkeys([*_PROXIES, *map(str.lower, _PROXIES)], "")
    for variable, value in variables.items():
        command += ["--env", f"{variable}={value}"]
    for folder in filter(lambda folder: folder.is_dir(), (PACKAGE, PACKAGE.parent / "datasets")):
        command += ["--mount", f"type=bind,source={folder},target=/course/{folder.name},readonly"]
    return [*command, "--workdir", str(HOME), IMAGE]


def _output(*command: str, error: str) -> str:
    """Return what a command prints.

    Raises:
        UnusableError: The command fails; the message is `error` with Docker's last line.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120)
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise UnusableError(f"{error} ({failure})") from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["Docker gave no reason"])[-1]
        raise UnusableError(f"{error} ({reason})")
    return done.stdout


def _compare_versions(inside: str) -> None:
    """Check that both sides draw the same cases, which depends on the versions of these libraries."""
    import numpy
    import torch

    versions = dict(line.split() for line in inside.splitlines())
    for library in (numpy, torch):
        ours = library.__version__.partition("+")[0]
        theirs = versions[library.__name__].partition("+")[0]
        if ours != theirs:
            raise UnusableError(
                f"Docker's image has {library.__name__} {theirs}, but this machine has {ours}; install the "
                f"versions in constraints.txt here and rebuild the image ({BUILD})"
            )


def _grader() -> str:
    return f"{platform.node()}/{os.getpid()}"


def _remove_leftovers(program: str) -> None:
    """Remove the containers of graders that were killed; a container survives the client that started it."""
    columns = '{{.Names}} {{.Label "' + LABEL + '"}}'
    found = _output(
        program, "ps", "--all", "--filter", f"label={LABEL}", "--format", columns,
        error="Docker cannot list its containers",
    )  # fmt: skip
    for line in found.splitlines():
        name, _, grader = line.partition(" ")
        host, _, pid = grader.rpartition("/")
        if host == platform.node() and pid.isdigit() and not psutil.pid_exists(int(pid)):
            subprocess.run([program, "rm", "--force", name], capture_output=True)
