"""Step 2, run: the probe behind the wall that this machine has; out comes a list of plain events.

Inside there is no network, no home, no repository, no gradebook: Python, its packages and segcourse, all
read-only, the lesson's pictures, and small RAM disks. Each submission gets a sandbox of its own, used once.
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

from segcourse.exercises.observations import clip
from segcourse.grading.sandbox import backend, bubblewrap, docker, seccomp, watchdog
from segcourse.grading.sandbox.cgroup import Group
from segcourse.grading.sandbox.environment import environment
from segcourse.grading.sandbox.fork_server import Warm
from segcourse.grading.sandbox.watchdog import Limits, Sandbox

_running: set[Sandbox] = set()
_warming = threading.Lock()
stopped = threading.Event()  # set by Ctrl-C: what threads still start has to end as well

PROBE = [sys.executable, "-m", "segcourse.grading.sandbox.entrypoint"]


@dataclass(frozen=True)
class Run:
    """What came out: events in order, and a sentence if the run was ended from outside or told nothing."""

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
    """Run the probe on `job` ({"seed": int, "steps": [{"cell": source} or {"check": exercise}]}).

    `files` lie in the notebook's folder. `imports` are the lesson's own import statements, done once for all
    submissions where that is possible. `trust=True` runs without a sandbox: then a submission can read and
    change whatever the instructor can. Student code never runs in this process, and nothing that comes back
    is executed.

    Raises:
        NoSandboxError: there is neither bubblewrap nor Docker, and `trust` is False.
    """
    wall = backend.choose(trust)
    if wall == "bubblewrap" and warm_works(tuple(imports)):
        launch = functools.partial(_warm, imports=tuple(imports))
    else:
        launch = {"bubblewrap": _bubblewrap, "docker": _docker, "none": _trusted}[wall]
    return _run(job, limits, files or {}, launch, own_users=wall == "bubblewrap" and _counts_apart())


def _counts_apart(release: str = platform.release()) -> bool:
    """Whether the kernel counts a user's processes by user namespace: older ones would count all that the
    instructor has running against a submission.

    >>> _counts_apart("5.10.0-28-amd64"), _counts_apart("5.14.0-362.el9.x86_64"), _counts_apart("6.1")
    (False, True, True)
    """
    return tuple(map(int, re.findall(r"\d+", release)[:2])) >= (5, 14)


def warm_up(imports: tuple[str, ...]) -> None:
    """Begin importing for submissions, while this process opens the gradebook."""
    threading.Thread(target=warm_works, args=(imports,), daemon=True).start()


def warm_works(imports: tuple[str, ...] = ()) -> bool:
    """Whether this kernel lets a running process enter a sandbox; where not, each one starts Python anew."""
    with _warming:
        return _warm_works(imports)


@functools.cache
def _warm_works(imports: tuple[str, ...]) -> bool:
    try:
        launch = functools.partial(_warm, imports=imports)
        done = _run({"seed": 0, "steps": []}, Limits(total_seconds=60), {}, launch, own_users=_counts_apart())
    except (OSError, ValueError):
        return False
    return bool(done.events) and done.events[-1] == {"finished": True}


# (limits, job, record, errors, what to do at the end) -> the process whose end ends everything inside
Launch = Callable[[Limits, IO, int, IO, contextlib.ExitStack], Sandbox]


def _run(job: dict, limits: Limits, files: Mapping[str, bytes], launch: Launch, own_users: bool) -> Run:
    start = time.monotonic()
    encoded = {name: base64.b64encode(content).decode() for name, content in files.items()}
    own = {"own_users": own_users, "own_processes": launch is not _trusted}  # what others' do not mix with
    job = job | {"limits": asdict(limits) | own, "files": encoded}
    with contextlib.ExitStack() as stack:
        given = stack.enter_context(tempfile.TemporaryFile())
        # a pipe and not a file: bubblewrap's own processes hold it where a submission can fill it
        heard, errors = (
            stack.enter_context(os.fdopen(end, mode, 0))
            for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True)
        )
        for end in heard, errors:
            os.set_blocking(end.fileno(), False)
        given.write(json.dumps(job).encode())
        given.seek(0)
        reading, writing = os.pipe()
        stack.callback(os.close, reading)
        try:
            process = launch(limits, given, writing, errors, stack)
        finally:
            os.close(writing)
        stack.callback(watchdog.end, process)
        _running.add(process)
        stack.callback(_running.discard, process)
        if stopped.is_set():
            process.kill()
        lines, ended = watchdog.follow(process, reading, limits, start)
        if not any(lines) and not ended:
            last = (heard.read(1 << 16) or b"").decode("utf-8", "replace").strip().splitlines()[-1:]
            reason = clip("".join(last)) or "no reason given"
            ended = f"the sandbox stopped before the notebook began ({reason})"
    return Run(tuple(watchdog.events(lines)), ended, time.monotonic() - start)


def stop_all() -> None:
    """End every sandbox that other threads of this process wait for, and those that they are about to
    start."""
    stopped.set()
    for process in tuple(_running):
        process.kill()


def _warm(limits, job, record, errors, stack, imports) -> Sandbox:
    """An empty sandbox, and a fork of the warm process that enters it."""
    group = Group(limits)
    stack.callback(group.close)
    reading, writing = os.pipe()
    rules = _rules(stack)
    command = [*bubblewrap.command_line(), *_told(rules), "--info-fd", str(writing)]
    with os.fdopen(reading, "rb") as told:
        try:
            process = Sandbox(
                # it waits inside, holding the sandbox open, until its stdin ends
                group.start([*command, "--", "sh", "-c", "echo; exec cat"]),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                env={}, start_new_session=True, pass_fds=[writing, *rules],
            )  # fmt: skip
        finally:
            os.close(writing)
        stack.callback(process.stdin.close)
        stack.callback(process.stdout.close)
        inside = process.first = json.loads(told.read())["child-pid"]
    try:
        process.stdout.readline()  # now its mounts are made
        warm = _warm_process(imports)
        process.entered = warm.fork(inside, group.doors, job.fileno(), record, errors.fileno())
    except BaseException:
        watchdog.end(process)
        raise
    return process


@functools.cache
def _warm_process(imports: tuple[str, ...]) -> Warm:
    import matplotlib

    # its list of fonts is read while the process is still outside
    return Warm(imports, environment() | {"MPLCONFIGDIR": matplotlib.get_configdir()})


def _bubblewrap(limits, job, record, errors, stack) -> Sandbox:
    group = Group(limits)
    stack.callback(group.close)
    given, rules = [job.fileno(), record], _rules(stack)
    command = [*bubblewrap.command_line(), *_told(rules), "--", *PROBE, *map(str, given)]
    nothing = subprocess.DEVNULL
    return _start(group.start(command), nothing, nothing, errors, pass_fds=[*given, *rules])


def _rules(stack) -> list[int]:
    """The descriptor of the filter for system calls, where there is one for this machine."""
    if not seccomp.program():
        return []
    rules = seccomp.pipe()
    stack.callback(os.close, rules)
    return [rules]


def _told(rules: list[int]) -> list[str]:
    return ["--seccomp", str(rules[0])] if rules else []


def _docker(limits, job, record, errors, stack) -> Sandbox:
    name = docker.new_name()
    stack.callback(docker.stop, name)
    return _start(docker.command_line(limits, name), job, record, errors, env=dict(os.environ))


def _trusted(limits, job, record, errors, stack) -> Sandbox:
    folder = tempfile.mkdtemp(prefix="segcourse-")
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return _start(PROBE, job, record, errors, env=environment(folder, folder), cwd=folder)


def _start(command, job, record, errors, **options) -> Sandbox:
    options = {"env": {}} | options
    return Sandbox(command, stdin=job, stdout=record, stderr=errors, start_new_session=True, **options)
