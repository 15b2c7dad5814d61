"""The fork server: a process that has imported PyTorch once; each submission runs in a fork of it.

The fork server lives outside the sandboxes, holds nothing but imported modules, and never runs a student's
code. A request arrives over a socket: the pid of a process in a fresh sandbox, the files of its control
groups, and three descriptors (job, record, errors).
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
IDLE_SECONDS = 60.0  # without a request for so long, the fork server ends; formgrader runs for days


class ForkServer:
    """The client of a fork server; starts the server when it is first needed, and again if it has ended.

    Args:
        imports: The lesson's import statements, run once for all submissions. A statement that fails is
            ignored here and fails again in each submission.
        environment: The environment variables of submissions.
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
            raise ConnectionError(f"the fork server ended with code {self.process.wait()}")

    def spawn(self, sandbox: int, procs_files: list[str], job: int, record: int, errors: int) -> int:
        """Run a job in a fork that joins the control groups and the sandbox of process `sandbox`.

        Args:
            sandbox: The pid of a process in the sandbox.
            procs_files: The files through which the fork joins the sandbox's control groups.
            job: The descriptor from which the fork reads its job.
            record: The descriptor to which the fork writes its record.
            errors: The descriptor of the fork's stderr.

        Returns:
            The pid of the process that has joined the sandbox.

        Raises:
            OSError: The fork could not join the sandbox.
        """
        request = json.dumps([sandbox, procs_files]).encode()
        with self.lock:
            if self.timer:
                self.timer.cancel()
            if self.process is None or self.process.poll() is not None:
                self.start()
            socket.send_fds(self.socket, [request], [job, record, errors])
            answer = self.socket.recv(MESSAGE).decode()
            self.timer = threading.Timer(IDLE_SECONDS, self.close)
            self.timer.daemon = True
            self.timer.start()
        if not answer.isdecimal():
            raise OSError(f"could not join the sandbox ({answer or 'the fork server has ended'})")
        return int(answer)

    def close(self) -> None:
        with self.lock:
            if self.process:
                self.socket.close()  # the server's loop ends when its socket is closed
                self.process.wait()
                self.process = None


def main() -> None:
    """Import everything, then fork once per request until the client closes the socket."""
    requests = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks are not waited for; their record reports their end
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the grader handles Ctrl-C in the terminal
    import IPython.core.interactiveshell  # noqa: F401 - imported for the forks

    from segcourse import exercises
    from segcourse.grading.sandbox import entrypoint, nsenter  # noqa: F401

    nsenter.become_subreaper()
    exercises.names()  # imports the exercises of every lesson
    for statement in sys.argv[1:]:
        with contextlib.suppress(Exception):
            exec(statement, {})
    try:
        requests.send(b"ready")
    except BrokenPipeError:
        return  # the client has ended because every submission was graded already
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, MESSAGE, 3)
        if not message:
            return
        if os.fork() == 0:
            try:
                _run_job(requests, null, json.loads(message), *descriptors)
            except BaseException as error:
                os.write(2, f"{type(error).__name__}: {error}\n".encode())
            finally:
                os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def _run_job(requests: socket.socket, null: int, target: list, job: int, record: int, errors: int) -> None:
    """In a fork: join the sandbox, report the pid inside, and run the job there."""
    from segcourse.grading.sandbox import entrypoint
    from segcourse.grading.sandbox.nsenter import enter_namespaces

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(null, 1), os.dup2(errors, 2)
    sandbox, procs_files = target
    try:
        for file in procs_files:
            Path(file).write_text("0")
        entered = enter_namespaces(sandbox, keep=(job, record))
    except BaseException as error:
        requests.send(f"{type(error).__name__}: {error}"[: MESSAGE // 4].encode())
        raise
    if entered:
        requests.send(b"%d" % entered)
        return
    null = os.open(os.devnull, os.O_RDWR)  # the sandbox's own
    os.dup2(null, 0), os.dup2(null, 1)
    os.chdir(os.environ["HOME"])
    os.environ["MPLCONFIGDIR"] = f"{os.environ['HOME']}/.matplotlib"
    entrypoint.run_zygote(job, record, entrypoint.make_shell())


if __name__ == "__main__":
    main()
