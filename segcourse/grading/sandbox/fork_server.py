"""The process that has imported PyTorch once: each submission runs in a fork of it, in a sandbox of its own.

It lives outside the sandboxes, holds nothing but imported modules, and never runs a student's line: requests
come over a socket as the number of a process in a fresh sandbox, its control groups, and three descriptors
(job, record, errors).
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

MESSAGE = 1 << 12
IDLE = 60.0  # seconds without a submission, after which it ends; formgrader's server lives for days


class Warm:
    """The trusted side: starts the process when first needed, and again should it ever have ended.

    `imports` are import statements of the lesson, as text; what fails among them is left for the submission
    to fail at.
    """

    def __init__(self, imports: Sequence[str], environment: dict[str, str]) -> None:
        self.imports, self.environment = tuple(imports), environment
        self.lock, self.process, self.timer = threading.Lock(), None, None

    def start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "segcourse.grading.sandbox.fork_server", *self.imports]
            self.process = subprocess.Popen(command, stdin=theirs, env=self.environment, cwd="/")
        self.socket = ours
        if self.socket.recv(MESSAGE) != b"ready":
            raise ConnectionError(f"the warm process ended with code {self.process.wait()}")

    def fork(self, sandbox: int, doors: list[str], job: int, record: int, errors: int) -> int:
        """Have a fork enter the control groups behind `doors` and the sandbox of process `sandbox`, and run
        the job there; returns the number of the process that has entered.

        Raises:
            OSError: it could not enter.
        """
        request = json.dumps([sandbox, doors]).encode()
        with self.lock:
            if self.timer:
                self.timer.cancel()
            if self.process is None or self.process.poll() is not None:
                self.start()
            socket.send_fds(self.socket, [request], [job, record, errors])
            answer = self.socket.recv(MESSAGE).decode()
            self.timer = threading.Timer(IDLE, self.close)
            self.timer.daemon = True
            self.timer.start()
        if not answer.isdecimal():
            raise OSError(f"the sandbox could not be entered ({answer or 'the warm process has ended'})")
        return int(answer)

    def close(self) -> None:
        with self.lock:
            if self.process:
                self.socket.close()  # its loop ends when nobody can ask any more
                self.process.wait()
                self.process = None


def main() -> None:
    """Import, then fork for each request until the other side is gone."""
    requests = socket.socket(fileno=os.dup(0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks: their record tells their end
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the grader's business
    import IPython.core.interactiveshell  # noqa: F401 - imported for the forks

    from segcourse import exercises
    from segcourse.grading.sandbox import entrypoint, nsenter  # noqa: F401

    nsenter.adopt()
    exercises.names()  # imports every lesson's

    for statement in sys.argv[1:]:
        with contextlib.suppress(Exception):
            exec(statement, {})
    try:
        requests.send(b"ready")
    except BrokenPipeError:
        return  # whoever asked is gone: everything was graded already
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, MESSAGE, 3)
        if not message:
            return
        if os.fork() == 0:
            try:
                _serve(requests, nowhere, json.loads(message), *descriptors)
            except BaseException as error:
                os.write(2, f"{type(error).__name__}: {error}\n".encode())
            finally:
                os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def _serve(requests: socket.socket, nowhere: int, where: list, job: int, record: int, errors: int) -> None:
    """In a fork: go in, tell who has gone in, and run the job there."""
    from segcourse.grading.sandbox import entrypoint
    from segcourse.grading.sandbox.nsenter import enter

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(nowhere, 1), os.dup2(errors, 2)
    sandbox, doors = where
    try:
        for door in doors:
            Path(door).write_text("0")
        entered = enter(sandbox, keep=(job, record))
    except BaseException as error:
        requests.send(f"{type(error).__name__}: {error}"[: MESSAGE // 4].encode())
        raise
    if entered:
        requests.send(b"%d" % entered)
        return
    nowhere = os.open(os.devnull, os.O_RDWR)  # the sandbox's own
    os.dup2(nowhere, 0), os.dup2(nowhere, 1)
    os.chdir(os.environ["HOME"])
    os.environ["MPLCONFIGDIR"] = f"{os.environ['HOME']}/.matplotlib"
    entrypoint.serve(job, record, entrypoint.shell())


if __name__ == "__main__":
    main()
