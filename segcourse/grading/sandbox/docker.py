"""Docker's command line, for machines that have an engine and no bubblewrap.

One container a submission, from an image that holds Python, segcourse's dependencies and nothing else;
segcourse itself is mounted read-only, so that inside and outside are the same version. Each container imports
PyTorch anew.
"""

import functools
import os
import platform
import shutil
import subprocess
import uuid

import psutil

from segcourse.grading.sandbox.bubblewrap import RAM_DISKS, UnusableError
from segcourse.grading.sandbox.environment import HOME, PACKAGE, environment
from segcourse.grading.sandbox.watchdog import Limits

IMAGE = "segcourse-sandbox"  # made from grading/Dockerfile
BUILD = f"docker build --tag {IMAGE} --file grading/Dockerfile ."
LABEL = "segcourse.grader"  # host and process that started a container
NOBODY = "65534:65534"  # never the instructor's own number
PROBE = ("python", "-m", "segcourse.grading.sandbox.entrypoint")
# the client would hand the instructor's proxies on, passwords included, from ~/.docker/config.json
_PROXIES = [f"{name}_PROXY" for name in ("HTTP", "HTTPS", "FTP", "NO", "ALL")]
_VERSIONS = "import numpy, torch; print('numpy', numpy.__version__); print('torch', torch.__version__)"


def new_name() -> str:
    return f"segcourse-{uuid.uuid4().hex}"


def command_line(limits: Limits, name: str) -> list[str]:
    """The whole command that runs the probe, job on stdin and record on stdout, in a container called
    `name`.

    Raises:
        UnusableError: there is no engine or no image, or a container does not work here.
    """
    return [engine(), *_run(limits, name), *PROBE]


def stop(name: str) -> None:
    """End and remove the container `name`, started or not; ending the client alone would leave it running."""
    subprocess.run([engine(), "rm", "--force", name], capture_output=True)


@functools.cache
def engine() -> str:
    """Docker's program, once the engine, the image and a container have answered."""
    program = shutil.which("docker")
    if program is None:
        raise UnusableError("there is no Docker either")
    _ask(program, "ps", "--quiet", failing="there is a Docker client, but no engine that answers")
    _ask(
        program, "image", "inspect", IMAGE,
        failing=f"Docker has no image {IMAGE} (in the repository: {BUILD})",
    )  # fmt: skip
    _sweep(program)
    inside = _ask(
        program, *_run(Limits(), new_name()), "python", "-c", f"import {PROBE[-1]}; {_VERSIONS}",
        failing="Docker cannot run a container as submissions need it",
    )  # fmt: skip
    _compare(inside)
    return program


def _run(limits: Limits, name: str) -> list[str]:
    command = ["run", "--rm", "--interactive", "--init", "--pull", "never", "--log-driver", "none"]
    command += ["--name", name, "--label", f"{LABEL}={_grader()}"]
    command += ["--network", "none", "--hostname", "sandbox", "--read-only", "--user", NOBODY]
    command += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    memory = f"{int(limits.memory_gb * 2**30)}b"
    command += ["--memory", memory, "--memory-swap", memory, "--pids-limit", str(limits.processes)]
    for folder, size in RAM_DISKS.items():
        if folder == "/dev/shm":  # Docker makes this one itself
            command += ["--shm-size", f"{size}b"]
        else:
            command += ["--tmpfs", f"{folder}:rw,exec,nosuid,nodev,size={size},mode=1777"]
    # the image has its own Python and packages; only segcourse comes from here
    variables = environment() | {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": "/course"}
    variables |= dict.fromkeys([*_PROXIES, *map(str.lower, _PROXIES)], "")
    for variable, value in variables.items():
        command += ["--env", f"{variable}={value}"]
    for folder in filter(lambda folder: folder.is_dir(), (PACKAGE, PACKAGE.parent / "datasets")):
        command += ["--mount", f"type=bind,source={folder},target=/course/{folder.name},readonly"]
    return [*command, "--workdir", str(HOME), IMAGE]


def _ask(*command: str, failing: str) -> str:
    """What a command prints.

    Raises:
        UnusableError: it fails; the sentence `failing`, and Docker's own last line.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120)
        reason = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnusableError(f"{failing} ({error})") from None
    if done.returncode:
        raise UnusableError(f"{failing} ({reason})")
    return done.stdout


def _compare(inside: str) -> None:
    """The cases are drawn inside and out, by libraries that must be the same for the same numbers."""
    import numpy
    import torch

    for library in (numpy, torch):
        ours = library.__version__.partition("+")[0]
        theirs = dict(line.split() for line in inside.splitlines())[library.__name__].partition("+")[0]
        if ours != theirs:
            raise UnusableError(
                f"Docker's image has {library.__name__} {theirs} and this machine {ours}; install what "
                f"constraints.txt names here, and build the image again ({BUILD})"
            )


def _grader() -> str:
    return f"{platform.node()}/{os.getpid()}"


def _sweep(program: str) -> None:
    """Remove the containers of graders that were killed; a container outlives the client that started it."""
    columns = '{{.Names}} {{.Label "' + LABEL + '"}}'
    found = _ask(
        program, "ps", "--all", "--filter", f"label={LABEL}", "--format", columns,
        failing="Docker does not list its containers",
    )  # fmt: skip
    for line in found.splitlines():
        name, _, grader = line.partition(" ")
        host, _, process = grader.rpartition("/")
        if host == platform.node() and process.isdigit() and not psutil.pid_exists(int(process)):
            subprocess.run([program, "rm", "--force", name], capture_output=True)
