"""A running sandbox, by the process whose end ends all others in it."""

import contextlib
import os
import select
import signal
import subprocess
from pathlib import Path

from segcourse.grading.sandbox.cgroup import ControlGroup

END_SECONDS = 60.0  # how long the kernel may take to end the processes of a sandbox


class SandboxProcess:
    """Process 1 of a sandbox's PID namespace.

    Args:
        pidfd: A descriptor of the process; see pidfd_open(2).

    Attributes:
        pid: The process as seen from here; -1 if it has ended already.
        group: The control group of its processes.
    """

    def __init__(self, pidfd: int, group: ControlGroup) -> None:
        self.pidfd, self.group = pidfd, group
        fields = dict(line.split(":") for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines())
        self.pid = int(fields["Pid"])

    def has_ended(self, seconds: float = 0) -> bool:
        """Wait up to `seconds`; return whether all processes of the sandbox have ended.

        The kernel reports the end of process 1 after that of all the others in its namespace.
        """
        return bool(select.select([self.pidfd], [], [], seconds)[0])

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)


class SandboxProgram(subprocess.Popen):
    """A program in its own session: Docker's client, or the entry point without a sandbox."""

    group = None  # Docker has its own

    def __init__(self, command: list[str], **options) -> None:
        super().__init__(command, start_new_session=True, **options)

    def has_ended(self, seconds: float = 0) -> bool:
        """Wait up to `seconds`; return whether the program has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(seconds)
        return self.returncode is not None

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def end_sandbox(process: SandboxProcess | SandboxProgram) -> None:
    """End a sandbox and everything in it.

    Raises:
        OSError: The kernel has not ended its processes.
    """
    process.kill()
    if not process.has_ended(END_SECONDS):
        raise OSError(f"processes of a submission were killed, but have not ended within {END_SECONDS:g} s")
