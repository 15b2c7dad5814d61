"""The fork server: a process that has imported PyTorch once; each submission runs in a fork of it.

bubblewrap starts the fork server in a read-only sandbox, where it holds nothing but imported modules and
never runs a student's code. Each request is a message with descriptors: job, record, errors, and the files
through which the fork joins its control groups. When the grader ends, its socket closes and the fork server
ends. It is process 1 of its PID namespace, so the kernel then ends every process that it has started.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence

from segcourse.grading.sandbox import bubblewrap, isolation

MESSAGE = 1 << 12
MAX_DESCRIPTORS = 3 + 2  # of one request; there are at most two control groups
IDLE_SECONDS = 60.0  # without a request for so long, the fork server ends; formgrader runs for days


class ForkServer:
    """The client of a fork server; starts the server when it is first needed, and again if it has ended.

    Args:
        imports: The lesson's import statements, run once for all submissions. A statement that fails is
            ignored here and fails again in each submission.
    """

    def __init__(self, imports: Sequence[str]) -> None:
        self.imports = tuple(imports)
        self.lock, self.process, self.timer = threading.Lock(), None, None

    def start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            program = [sys.executable, "-m", "segcourse.grading.sandbox.fork_server", *self.imports]
            command = [*bubblewrap.command_line(), "--", *program]
            self.process = subprocess.Popen(command, stdin=theirs, env={}, start_new_session=True)
        self.socket = ours
        if self.socket.recv(MESSAGE) != b"ready":
            raise ConnectionError(f"the fork server ended with code {self.process.wait()}")

    def spawn(self, job: int, record: int, errors: int, groups: Sequence[int]) -> int:
        """Run a job in a fork, which moves into a fresh sandbox.

        Args:
            job: The descriptor from which the fork reads its job.
            record: The descriptor to which the fork writes its record.
            errors: The descriptor of the fork's stderr.
            groups: The descriptors through which the fork joins its control groups.

        Returns:
            A pidfd of the sandbox's first process, for the caller to close.

        Raises:
            OSError: The fork could not move into a sandbox.
        """
        with self.lock:
            if self.timer:
                self.timer.cancel()
            if self.process is None or self.process.poll() is not None:
                self.start()
            socket.send_fds(self.socket, [b"job"], [job, record, errors, *groups])
            answer, pidfds, _, _ = socket.recv_fds(self.socket, MESSAGE, 1)
            self.timer = threading.Timer(IDLE_SECONDS, self.close)
            self.timer.daemon = True
            self.timer.start()
        if not pidfds:
            reason = answer.decode() or "the fork server has ended"
            raise OSError(f"could not make a sandbox ({reason})")
        return pidfds[0]

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
    import IPython.core.interactiveshell  # noqa: F401 - imported for the forks

    from segcourse import exercises
    from segcourse.grading.sandbox import entrypoint  # noqa: F401

    exercises.names()  # imports the exercises of every lesson
    for statement in sys.argv[1:]:
        with contextlib.suppress(Exception):
            exec(statement, {})
    try:
        requests.send(b"ready")
    except BrokenPipeError:
        return  # the client has ended because every submission was graded already
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, MESSAGE, MAX_DESCRIPTORS)
        if not message:
            return
        if os.fork() == 0:
            try:
                _run_job(requests, null, *descriptors)
            except BaseException as error:
                os.write(2, f"{type(error).__name__}: {error}\n".encode())
            finally:
                os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def _run_job(requests: socket.socket, null: int, job: int, record: int, errors: int, *groups: int) -> None:
    """In a fork: move into a sandbox, report its first process, and run the job there."""
    from segcourse.grading.sandbox import entrypoint

    os.dup2(null, 1), os.dup2(errors, 2)
    try:
        for group in groups:
            os.write(group, b"0")
        if first := isolation.isolate(keep=(job, record)):
            socket.send_fds(requests, [b"isolated"], [os.pidfd_open(first)])
            return
    except BaseException as error:
        if os.getpid() != 1:  # process 1 has been reported already; its error is on stderr
            requests.send(f"{type(error).__name__}: {error}"[: MESSAGE // 4].encode())
        raise
    entrypoint.run_zygote(job, record, entrypoint.make_shell())


if __name__ == "__main__":
    main()
