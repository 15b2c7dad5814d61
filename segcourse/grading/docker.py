"""Docker's command line, for machines that have an engine and no bubblewrap.

One container a submission, from an image that holds Python, segcourse's dependencies and nothing else;
segcourse itself is mounted read-only, so that inside and outside are the same version. A container starts
Python anew, which costs about two seconds a submission more than bubblewrap.
"""

import functools
import shutil
import subprocess
from typing import TYPE_CHECKING

from segcourse.grading.bubblewrap import RAM_DISKS, UnusableError
from segcourse.grading.surroundings import HOME, PACKAGE, environment

if TYPE_CHECKING:
    from segcourse.grading.sandbox import Limits

IMAGE = "segcourse-sandbox"  # made from grading/Dockerfile


def command_line(limits: "Limits", name: str) -> list[str]:
    """The whole command that runs the probe, job on stdin and record on stdout, in a container called
    `name`.

    Raises:
        UnusableError: there is no engine or no image.
    """
    command = [engine(), "run", "--rm", "--interactive", "--name", name, "--network", "none", "--read-only"]
    command += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "1000:1000", "--init"]
    command += ["--memory", f"{limits.memory_gb}g", "--memory-swap", f"{limits.memory_gb}g"]
    command += ["--pids-limit", str(limits.processes), "--ipc", "private", "--log-driver", "none"]
    for folder, size in RAM_DISKS.items():
        command += ["--tmpfs", f"{folder}:rw,nosuid,nodev,size={size},mode=1777"]
    # the image has its own Python and packages; only segcourse comes from here
    variables = environment() | {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": "/course"}
    for variable, value in variables.items():
        command += ["--env", f"{variable}={value}"]
    command += ["--volume", f"{PACKAGE}:/course/segcourse:ro"]
    if (PACKAGE.parent / "datasets").is_dir():
        command += ["--volume", f"{PACKAGE.parent / 'datasets'}:/course/datasets:ro"]
    return [*command, "--workdir", str(HOME), IMAGE, "python", "-m", "segcourse.grading.probe"]


def stop(name: str) -> None:
    """End the container `name`, if it is still there; ending the client alone would leave it running."""
    subprocess.run([engine(), "kill", name], capture_output=True)


@functools.cache
def engine() -> str:
    """Docker's program, once the engine and the image have answered."""
    program = shutil.which("docker")
    if program is None:
        raise UnusableError("there is no Docker either")
    if _fails([program, "version", "--format", "{{.Server.Version}}"]):
        raise UnusableError("there is a Docker client, but no engine that answers")
    if _fails([program, "image", "inspect", IMAGE]):
        raise UnusableError(
            f"Docker has no image {IMAGE} (docker build --tag {IMAGE} --file grading/Dockerfile .)"
        )
    return program


def _fails(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=30).returncode != 0
    except (OSError, subprocess.TimeoutExpired):
        return True
