"""Run a job in a sandbox of the backend that works here; the result is a list of plain events.

A sandbox has no network, no home folder, no repository and no gradebook. It holds Python, its packages and
segcourse, all read-only, the lesson's pictures, and small RAM disks. Each submission gets a new sandbox.
"""

import base64
import contextlib
import functools
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import IO

from segcourse.exercises.engine.observations import clip
from segcourse.grading.sandbox import backend, docker, watchdog
from segcourse.grading.sandbox.cgroup import ControlGroup
from segcourse.grading.sandbox.environment import environment
from segcourse.grading.sandbox.fork_server import ForkServer
from segcourse.grading.sandbox.limits import Limits
from segcourse.grading.sandbox.process import SandboxProcess, SandboxProgram, end_sandbox

_running: set[SandboxProcess | SandboxProgram] = set()
_starting = threading.Lock()
stopped = threading.Event()  # set by Ctrl-C, so that sandboxes which threads start later end as well

# the user that runs trusted submissions; None is this process's own user, and only root can choose another
trusted_user: int | None = None

ENTRYPOINT = [sys.executable, "-m", "segcourse.grading.sandbox.entrypoint"]


@dataclass(frozen=True)
class Run:
    """What a sandbox recorded.

    Attributes:
        events: The events of the record, in order.
        ended: Why the run ended early, as a sentence, if it was stopped from outside or recorded nothing.
        seconds: How long the run took.
        out_of_memory: Whether a process was ended because the submission exceeded its memory.
    """

    events: tuple[dict, ...]
    ended: str | None
    seconds: float
    out_of_memory: bool = False


def run(
    job: dict,
    limits: Limits,
    files: Mapping[str, bytes] | None = None,
    trust: bool = False,
    imports: Sequence[str] = (),
) -> Run:
    """Run a job in a new sandbox.

    Student code never runs in this process, and nothing that comes back is executed.

    Args:
        job: {"seed": int, "steps": [{"cell": source} or {"check": exercise}]}.
        limits: What the sandbox may use.
        files: The files of the notebook's folder.
        trust: Run without a sandbox. A submission can then read and change whatever the instructor can.
        imports: The lesson's import statements, which the fork server runs once for all submissions.

    Raises:
        NoSandboxError: Neither bubblewrap nor Docker works here, and `trust` is False.
    """
    name = backend.choose(trust)
    forks = functools.partial(_launch_fork, imports=tuple(imports))
    launch = {"bubblewrap": forks, "docker": _launch_docker, "none": _launch_trusted}[name]
    own_users = (
        trusted_user is not None if name == "none" else name == "bubblewrap" and _counts_per_namespace()
    )
    return _run(job, limits, files or {}, launch, own_users)


def _counts_per_namespace(release: str = platform.release()) -> bool:
    """Return whether the kernel counts a user's processes per user namespace.

    Older kernels would count all of the instructor's processes against a submission.

    >>> [_counts_per_namespace(release) for release in ("5.10.0-28-amd64", "5.14.0-362.el9.x86_64", "6.1")]
    [False, True, True]
    """
    return tuple(map(int, re.findall(r"\d+", release)[:2])) >= (5, 14)


def preload(imports: tuple[str, ...]) -> None:
    """Start the fork server in the background, with an empty submission."""
    options = {"job": {"seed": 0, "steps": []}, "limits": Limits(), "imports": imports}
    threading.Thread(target=run, kwargs=options, daemon=True).start()


# (limits, job, record, errors, clean-up) -> the process whose end ends the sandbox
Launch = Callable[[Limits, IO, int, IO, contextlib.ExitStack], SandboxProcess | SandboxProgram]


def _run(job: dict, limits: Limits, files: Mapping[str, bytes], launch: Launch, own_users: bool) -> Run:
    start = time.monotonic()
    encoded = {name: base64.b64encode(content).decode() for name, content in files.items()}
    # whether the sandbox's users and processes are separate from this machine's
    separate = {"own_users": own_users, "own_processes": launch is not _launch_trusted}
    job = job | {"limits": asdict(limits) | separate, "files": encoded}
    with contextlib.ExitStack() as stack:
        job_file = stack.enter_context(tempfile.TemporaryFile())
        job_file.write(json.dumps(job).encode())
        job_file.seek(0)
        # a pipe, not a file, which could grow without end
        errors, errors_end = (
            stack.enter_context(os.fdopen(end, mode, 0))
            for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True)
        )
        for end in errors, errors_end:
            os.set_blocking(end.fileno(), False)
        record, record_end = os.pipe()
        stack.callback(os.close, record)
        try:
            process = launch(limits, job_file, record_end, errors_end, stack)
        finally:
            os.close(record_end)
        stack.callback(end_sandbox, process)
        _running.add(process)
        stack.callback(_running.discard, process)
        if stopped.is_set():
            process.kill()
        lines, ended, out_of_memory = watchdog.read_record(process, record, limits, start)
        if not any(lines) and not ended:
            last = (errors.read(1 << 16) or b"").decode("utf-8", "replace").strip().splitlines()[-1:]
            reason = clip("".join(last)) or "no reason given"
            ended = f"the sandbox stopped before the notebook began ({reason})"
    return Run(tuple(watchdog.parse_events(lines)), ended, time.monotonic() - start, out_of_memory)


def stop_all() -> None:
    """End every sandbox of this process, including those that other threads are about to start."""
    stopped.set()
    for process in tuple(_running):
        process.kill()


def _launch_fork(limits, job, record, errors, stack, imports) -> SandboxProcess:
    group = ControlGroup(limits)
    stack.callback(group.close)
    with _starting:
        server = _fork_server(imports)
    pidfd = server.spawn(job.fileno(), record, errors.fileno(), group.descriptors)
    stack.callback(os.close, pidfd)
    return SandboxProcess(pidfd, group)


_fork_server = functools.cache(ForkServer)


def _launch_docker(limits, job, record, errors, stack) -> SandboxProgram:
    name = docker.new_name()
    stack.callback(docker.stop, name)
    return _start(docker.command_line(limits, name), job, record, errors, env=dict(os.environ))


def _launch_trusted(limits, job, record, errors, stack) -> SandboxProgram:
    folder = tempfile.mkdtemp(prefix="segcourse-")
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    user = {}
    if trusted_user is not None:
        os.chown(folder, trusted_user, trusted_user)
        user = {"user": trusted_user, "group": trusted_user, "extra_groups": ()}
    return _start(ENTRYPOINT, job, record, errors, env=environment(folder, folder), cwd=folder, **user)


def _start(command, job, record, errors, **options) -> SandboxProgram:
    return SandboxProgram(command, stdin=job, stdout=record, stderr=errors, **options)
