"""What runs inside the sandbox: the student's cells, one after another, and what their answers do on the
grader's cases.

Three processes, each a fork of the one before, so that PyTorch is imported once. The supervisor never runs a
student's line: it gives out the steps, keeps the time, and writes the record. The worker runs the cells. At
each check it forks a witness, which observes the answer as it stands there, and whose loops and crashes cost
the worker nothing. When a cell hangs or kills the worker, the supervisor forks a new one, which runs the
notebook again without that cell.

The job comes as JSON on stdin, the record goes out as lines of JSON on stdout, while it grows: a submission
that is killed from outside leaves what it had shown by then.
"""

import contextlib
import io
import json
import math
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path

from segcourse import exercises
from segcourse.exercises import engine
from segcourse.grading.worker import Worker

RESTARTS = 3  # workers that may be lost before the rest of a notebook is given up
STRIKES = 2  # cases of one exercise that may hang or crash before its other cases are given up
GRACE = 5.0  # seconds that a cell has to stop when asked, and a worker to notice that its witness is gone
PATIENCE = (
    3  # limits are seconds of computing; by the clock, on a busy machine or asleep, so many times as long
)
MAX_LINE = 1 << 28


def main() -> None:
    job = json.load(sys.stdin)
    record = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nowhere, descriptor)
    limit_resources(job["limits"])
    steps = [_drawn(step, job["seed"]) for step in job["steps"]]
    Supervisor(steps, job["limits"], record, _shell()).run()


def limit_resources(limits: dict) -> None:
    """Ask the kernel for what it can hold for one process; what it cannot, the watch outside does."""
    wanted = {
        resource.RLIMIT_DATA: int(limits["memory_gb"] * 2**30),  # RLIMIT_AS would break PyTorch
        resource.RLIMIT_FSIZE: 1 << 28,
        resource.RLIMIT_CPU: int(limits["total_seconds"]) + 10,
        resource.RLIMIT_CORE: 0,
    }
    if limits["sandboxed"]:  # the kernel counts by user: outside, the instructor's own programs would count
        wanted[resource.RLIMIT_NPROC] = limits["processes"]
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _drawn(step: dict, seed: int) -> dict:
    """Cases hold their own ways of looking, which no JSON carries; they are drawn here, from the lesson's own
    seed.
    """
    if "check" not in step:
        return step
    exercise = exercises.get(step["check"])
    return {"exercise": exercise, "cases": engine.draw(exercise, seed)}


def _shell():
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False  # its thread would not survive a fork
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.autoawait = True
    return InteractiveShell.instance(config=config)


class Supervisor:
    """Gives out steps, keeps the time, forwards the record."""

    def __init__(self, steps: list[dict], limits: dict, record: io.TextIOBase, shell) -> None:
        self.steps, self.limits, self.record, self.shell = steps, limits, record, shell
        self.end = time.monotonic() + limits["total_seconds"]
        self.left_out: set[int] = set()
        self.step = 0  # every step before this one is on record

    def run(self) -> None:
        for _ in range(RESTARTS + 1):
            self.lost = None
            self.attempt()
            if self.lost is None or self.lost in self.left_out or self.step >= len(self.steps):
                break
            self.left_out.add(self.lost)
        self.tell({"finished": self.step >= len(self.steps)})

    def tell(self, event: dict) -> None:
        self.record.write(json.dumps(event) + "\n")
        self.record.flush()

    def attempt(self) -> None:
        """Fork a worker and follow it until it is done, lost, or out of time."""
        (self.reading, writing), (listening, self.answering) = os.pipe(), os.pipe()
        self.worker = os.fork()
        if self.worker == 0:
            try:
                os.close(self.record.fileno())
                worker = Worker(self.shell, writing, listening, int(self.limits["output_kb"] * 1000))
                worker.run(self.steps, self.left_out, self.step)
            finally:
                os._exit(1)
        os.close(writing), os.close(listening)
        self.current, self.witness, self.asked = self.step, None, False
        self.allow(self.worker, self.limits["total_seconds"])
        buffer = b""
        try:
            while self.keep_time():
                wait = min(0.1, max(0.0, self.deadline - time.monotonic()))
                if not select.select([self.reading], [], [], wait)[0]:
                    if os.waitpid(self.worker, os.WNOHANG)[0]:
                        self.worker = None
                        self.lose("died")
                        return
                    continue
                chunk = os.read(self.reading, 1 << 20)
                if not chunk or len(buffer) > MAX_LINE:
                    self.lose("died")
                    return
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    # the worker is the student's: what does not fit is passed over
                    with contextlib.suppress(
                        ValueError, TypeError, LookupError, AttributeError, RecursionError, OSError
                    ):
                        if self.follow(json.loads(line)):
                            return
        finally:
            if self.worker:
                os.kill(self.worker, signal.SIGKILL)
                os.waitpid(self.worker, 0)
            os.close(self.reading), os.close(self.answering)

    def keep_time(self) -> bool:
        """Stop what takes too long, gently first; False when the attempt is over."""
        now = time.monotonic()
        if now < self.deadline:
            return True
        left = self.allowed - (_computed(self.timed) - self.computed)
        last = min(self.end, self.since + PATIENCE * self.allowed)
        if left > 0.01 and now < last:
            self.deadline = min(last, now + left)
            return True
        if now >= self.end:
            self.tell({"out_of_time": True})
            return False
        if self.witness:
            _kill(self.witness)
            self.witness = None
            self.strike("too slow", f"no answer within {self.limits['case_seconds']:g} s")
            self.give_grace()
            return True
        if not self.asked:
            self.asked = True
            self.give_grace()
            os.kill(self.worker, signal.SIGINT)
            return True
        self.lose("hung")
        return False

    def allow(self, pid: int, seconds: float) -> None:
        """Let the process compute for so long from now on."""
        self.timed, self.allowed, self.since = pid, seconds, time.monotonic()
        self.computed, self.deadline = _computed(pid), min(self.end, self.since + seconds)

    def give_grace(self) -> None:
        self.allowed, self.deadline = 0.0, min(self.end, time.monotonic() + GRACE)

    def lose(self, why: str) -> None:
        """The worker is gone; note at which step, and what it means for it."""
        self.lost = self.current
        if self.current >= self.step:
            self.tell({"step": self.current, "status": "too slow" if self.asked else why})
            self.step = self.current + 1

    def follow(self, message: dict) -> bool:
        """Take one message of the worker; True when it is done."""
        kind = message["kind"]
        if kind == "begin":
            self.current, self.asked = int(message["step"]), False
            self.allow(self.worker, self.limits["cell_seconds"])
        elif kind == "end":
            if self.current >= self.step:
                slow = {"status": "too slow"} if self.asked else {}
                self.tell({"step": self.current, "status": "ran", **message["result"], **slow})
                self.step = self.current + 1
            self.allow(self.worker, self.limits["total_seconds"])
        elif kind == "witness":
            self.witness, self.case = int(message["pid"]), int(message["case"])
            self.strikes = 0 if self.case == 0 else self.strikes
            self.allow(self.witness, self.limits["case_seconds"])
        elif kind == "saw" and self.witness:
            self.tell({"step": self.current, "case": self.case, "saw": message["observation"]})
            self.case += 1
            self.allow(self.witness, self.limits["case_seconds"])
        elif kind == "gone":
            cases = len(self.steps[self.current]["cases"])
            if self.witness and self.case < cases:
                self.strike("stopped", "your code ended the whole program")
            self.witness = None
            go_on = self.case < cases and self.strikes < STRIKES
            os.write(self.answering, b"%d\n" % (self.case if go_on else -1))
            self.allow(self.worker, self.limits["cell_seconds"])
        return kind == "done"

    def strike(self, error: str, message: str) -> None:
        self.strikes += 1
        cases = len(self.steps[self.current]["cases"])
        last = cases if self.strikes >= STRIKES else self.case + 1
        for case in range(self.case, last):
            self.tell({"step": self.current, "case": case, "saw": {"error": error, "message": message}})
        self.case = last


def _computed(pid: int) -> float:
    """Seconds that a process has computed so far; infinite where nobody can tell: then the clock decides."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return math.inf


def _kill(pid: int) -> None:
    if pid > 1:  # the number comes from the student's side, and kill(-1) would mean everybody
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
