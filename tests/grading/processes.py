"""Start processes that have already imported nbgrader and PyTorch, which takes seconds.

Each process is a fork of a server that has imported both once.
"""

import contextlib
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import nbgrader.api

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["nbgrader.apps", "segcourse.grading.nbgrader_plugins", "segcourse.grading.pool"]
)


class Process:
    """A process that calls a function; `output` is what it has printed."""

    def __init__(
        self,
        function: Callable,
        *arguments,
        environment: Mapping[str, str] = os.environ,
        folder: Path | str = "/",
    ) -> None:
        self.file = tempfile.NamedTemporaryFile()  # noqa: SIM115 - it lives as long as the process
        version = nbgrader.api.get_alembic_version()  # which runs a program, but once per test session
        given = (self.file.name, dict(environment), str(folder), version, function, arguments)
        self.process = _context.Process(target=_call, args=given)
        self.process.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        return Path(self.file.name).read_text(errors="replace")

    def is_alive(self) -> bool:
        return self.process.is_alive()

    def send_signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end and return the exit code."""
        self.process.join(timeout)
        return self.process.exitcode


def _call(output, environment, folder, version, function, arguments) -> None:
    nbgrader.api.get_alembic_version = lambda: version
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1), os.dup2(descriptor, 2)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    function(*arguments)
