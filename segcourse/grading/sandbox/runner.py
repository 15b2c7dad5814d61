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
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import IO

from segcourse.exercises.engine.observations import clip
from segcourse.grading.sandbox import backend, bubblewrap, docker, seccomp, watchdog
from segcourse.grading.sandbox.cgroup import ControlGroup
from segcourse.grading.sandbox.environment import environment
from segcourse.grading.sandbox.fork_server import ForkServer
from segcourse.grading.sandbox.limits import Limits
from segcourse.grading.sandbox.watchdog import SandboxProcess

_running: set[SandboxProcess] = set()
_testing_fork_server = threading.Lock()
stopped = threading.Event()  # set by Ctrl-C, so that sandboxes which threads start later end as well

ENTRYPOINT = [sys.executable, "-m", "segcourse.grading.sandbox.entrypoint"]


@dataclass(frozen=True)
class Run:
    """What a sandbox recorded.

    Attributes:
        events: The events of the record, in order.
        ended: Why the run ended early, as a sentence, if it was stopped from outside or recorded nothing.
        seconds: How long the run took.
    """

    events: tuple[dict, ...]
    ended: str | None
    seconds: float


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
    if name == "bubblewrap" and fork_server_works(tuple(imports)):
        launch = functools.partial(_launch_fork, imports=tuple(imports))
    else:
        launch = {"bubblewrap": _launch_bubblewrap, "docker": _launch_docker, "none": _launch_trusted}[name]
    return _run(job, limits, files or {}, launch, own_users=name == "bubblewrap" and _counts_per_namespace())


def _counts_per_namespace(release: str = platform.release()) -> bool:
    """Return whether the kernel counts a user's processes per user namespace.

    Older kernels would count all of the instructor's processes against a submission.

    >>> [_counts_per_namespace(release) for release in ("5.10.0-28-amd64", "5.14.0-362.el9.x86_64", "6.1")]
    [False, True, True]
    """
    return tuple(map(int, re.findall(r"\d+", release)[:2])) >= (5, 14)


def preload(imports: tuple[str, ...]) -> None:
    """Start the fork server in the background."""
    threading.Thread(target=fork_server_works, args=(imports,), daemon=True).start()


def fork_server_works(imports: tuple[str, ...] = ()) -> bool:
    """Return whether this kernel lets a running process join a sandbox."""
    with _testing_fork_server:
        return _test_fork_server(imports)


@functools.cache
def _test_fork_server(imports: tuple[str, ...]) -> bool:
    launch, empty = functools.partial(_launch_fork, imports=imports), {"seed": 0, "steps": []}
    try:
        done = _run(empty, Limits(total_seconds=60), {}, launch, own_users=_counts_per_namespace())
    except (OSError, ValueError):
        return False
    return bool(done.events) and done.events[-1] == {"finished": True}


# (limits, job, record, errors, clean-up) -> the process whose end ends the sandbox
Launch = Callable[[Limits, IO, int, IO, contextlib.ExitStack], SandboxProcess]


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
        # a pipe, not a file: bubblewrap keeps stderr open where a submission can write to it without end
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
        stack.callback(watchdog.kill, process)
        _running.add(process)
        stack.callback(_running.discard, process)
        if stopped.is_set():
            process.kill()
        lines, ended = watchdog.read_record(process, record, limits, start)
        if not any(lines) and not ended:
            last = (errors.read(1 << 16) or b"").decode("utf-8", "replace").strip().splitlines()[-1:]
            reason = clip("".join(last)) or "no reason given"
            ended = f"the sandbox stopped before the notebook began ({reason})"
    return Run(tuple(watchdog.parse_events(lines)), ended, time.monotonic() - start)


def stop_all() -> None:
    """End every sandbox of this process, including those that other threads are about to start."""
    stopped.set()
    for process in tuple(_running):
        process.kill()


def _launch_fork(limits, job, record, errors, stack, imports) -> SandboxProcess:
    """Start an empty sandbox, which a fork of the fork server then joins."""
    group, command, filters = _bubblewrap(limits, stack)
    info, info_end = os.pipe()
    with os.fdopen(info, "rb") as file:
        try:
            # `cat` keeps the sandbox open until its stdin is closed
            command = group.wrap([*command, "--info-fd", str(info_end), "--", "sh", "-c", "echo; exec cat"])
            process = _start(command, subprocess.PIPE, subprocess.PIPE, errors, pass_fds=[info_end, *filters])
        finally:
            os.close(info_end)
        stack.callback(process.stdin.close)
        stack.callback(process.stdout.close)
        process.init_pid = json.loads(file.read())["child-pid"]
        process.kernel_limits_memory = group.limits_memory
    try:
        process.stdout.readline()  # the sandbox's mounts are ready
        files = job.fileno(), record, errors.fileno()
        process.entered_pid = _fork_server(imports).spawn(process.init_pid, group.procs_files, *files)
    except BaseException:
        watchdog.kill(process)
        raise
    return process


@functools.cache
def _fork_server(imports: tuple[str, ...]) -> ForkServer:
    import matplotlib

    # matplotlib reads its list of fonts while the fork server is still outside
    return ForkServer(imports, environment() | {"MPLCONFIGDIR": matplotlib.get_configdir()})


def _launch_bubblewrap(limits, job, record, errors, stack) -> SandboxProcess:
    group, command, filters = _bubblewrap(limits, stack)
    descriptors, null = [job.fileno(), record], subprocess.DEVNULL
    command = group.wrap([*command, "--", *ENTRYPOINT, *map(str, descriptors)])
    process = _start(command, null, null, errors, pass_fds=[*descriptors, *filters])
    process.kernel_limits_memory = group.limits_memory
    return process


def _bubblewrap(limits, stack) -> tuple[ControlGroup, list[str], list[int]]:
    """Return a control group, bubblewrap's command line, and the descriptors that it reads."""
    group, command, filters = ControlGroup(limits), bubblewrap.command_line(), []
    stack.callback(group.close)
    if seccomp.filter_program():
        filters = [seccomp.filter_pipe()]
        stack.callback(os.close, filters[0])
        command += ["--seccomp", str(filters[0])]
    return group, command, filters


def _launch_docker(limits, job, record, errors, stack) -> SandboxProcess:
    name = docker.new_name()
    stack.callback(docker.stop, name)
    return _start(docker.command_line(limits, name), job, record, errors, env=dict(os.environ))


def _launch_trusted(limits, job, record, errors, stack) -> SandboxProcess:
    folder = tempfile.mkdtemp(prefix="segcourse-")
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return _start(ENTRYPOINT, job, record, errors, env=environment(folder, folder), cwd=folder)


def _start(command, job, record, errors, **options) -> SandboxProcess:
    options = {"env": {}} | options
    return SandboxProcess(command, stdin=job, stdout=record, stderr=errors, start_new_session=True, **options)
