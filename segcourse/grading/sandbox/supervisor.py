"""Gives out a notebook's steps inside the sandbox, keeps the time, and writes the record.

A step may compute for as long as its limit says. By the clock, asleep or waiting for a child, it may take
PATIENCE times as long; the time that it waits for a core, because the machine is busy with others, is
nobody's fault and not counted.

What a worker says comes from the student's side: it is believed as far as numbers can be, and whatever does
not fit is passed over.
"""

import contextlib
import io
import json
import os
import select
import signal
import time

from segcourse.grading.sandbox import cpu_time
from segcourse.grading.sandbox.watchdog import PATIENCE

STRIKES = 2  # cases of one exercise that may hang or crash before its other cases are given up
GRACE = 5.0  # seconds that a cell has to stop when asked, and a worker to notice that its witness is gone
MAX_LINE = 1 << 28
_MISFIT = (ValueError, TypeError, LookupError, AttributeError, RecursionError, OSError)


class Supervisor:
    """Follows one job: {"seed", "limits", "steps": [{"cell": source} or {"check": exercise}]}.

    `ask` and `told` lead to the nursery, which draws the cases of each check and tells how many there are.
    When asked to, it forks a worker for one of `pipes` (reading, ordering), and tells its number and its end.
    """

    def __init__(
        self, job: dict, record: io.TextIOBase, ask: int, told: int, pipes: list[tuple[int, int]]
    ) -> None:
        self.steps, self.seed, self.limits = job["steps"], job["seed"], job["limits"]
        self.record, self.ask, self.pipes = record, ask, pipes
        self.told = os.fdopen(told, "rb", buffering=0)  # select must see whatever has not been read
        checks = list(dict.fromkeys(step["check"] for step in self.steps if "check" in step))
        self.cases = self.nursery({"draw": checks, "seed": self.seed})
        self.end = time.monotonic() + self.limits["total_seconds"]
        self.timed, self.waited, self.since = 0, 0.0, 0.0
        self.overtime: tuple[float, float] | None = None
        self.left_out: set[int] = set()
        self.fresh = 0  # every step before this one is on record

    def run(self) -> None:
        for number in range(len(self.pipes)):
            self.lost = None
            self.attempt(number)
            if self.lost is None or self.lost in self.left_out or self.fresh >= len(self.steps):
                break
            self.left_out.add(self.lost)
        self.tell({"finished": self.fresh >= len(self.steps)})

    def nursery(self, request: dict):
        os.write(self.ask, json.dumps(request).encode() + b"\n")
        return json.loads(self.told.readline())

    def tell(self, event: dict) -> None:
        self.record.write(json.dumps(event) + "\n")
        self.record.flush()

    def attempt(self, number: int) -> None:
        """Have a worker forked and follow it until it is done, lost, or out of time."""
        self.reading, self.ordering = self.pipes[number]
        self.worker = self.nursery({"worker": number, "limits": self.limits})
        self.current, self.witness, self.asked = -1, None, False
        self.unsent, buffer = b"", b""
        os.set_blocking(self.ordering, False)  # a worker that never reads must not hold up the time
        over = not self.go_on()
        while not over and self.keep_time():
            wait = min(0.1, max(0.0, self.deadline - time.monotonic()))
            writing = [self.ordering] if self.unsent else []
            ready, writable, _ = select.select([self.reading, self.told], writing, [], wait)
            if writable:
                self.send()
            if self.reading in ready:
                chunk = os.read(self.reading, 1 << 20)
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    with contextlib.suppress(*_MISFIT):
                        over = over or self.follow(json.loads(line))
                if not chunk or len(buffer) > MAX_LINE:
                    ready.append(self.told)
            if not over and self.told in ready:
                self.lose("died")
                over = True
        for process in filter(None, (self.witness, self.worker)):
            _kill(process)
        self.told.readline()  # the nursery has seen its end
        os.close(self.reading), os.close(self.ordering)

    def go_on(self) -> bool:
        """Order the next step; False when there is none. Checks on record are not observed again."""
        for step in range(self.current + 1, len(self.steps)):
            if step in self.left_out or ("check" in self.steps[step] and step < self.fresh):
                continue
            self.current, self.asked, self.witness = step, False, None
            self.case = self.strikes = 0
            self.allow(self.worker, self.limits["cell_seconds"])
            self.order()
            return True
        return False

    def order(self) -> None:
        order = self.steps[self.current]
        if "check" in order:
            order = order | {"seed": self.seed, "case": self.case}
        self.turn = os.urandom(8).hex()
        self.unsent += json.dumps(order | {"turn": self.turn}).encode() + b"\n"
        self.send()

    def send(self) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            self.unsent = self.unsent[os.write(self.ordering, self.unsent) :]

    def keep_time(self) -> bool:
        """Stop what takes too long, gently first; False when the attempt is over."""
        now = time.monotonic()
        if now < self.deadline:
            return True
        self.forgive()
        left = self.left()
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

    def left(self) -> float:
        """Seconds that the process may still compute.

        Once its time is up by the clock, all that computes in the sandbox counts, as so many cores would do
        it: waiting for processes of one's own is nobody else's fault.
        """
        alone = self.allowed - (cpu_time.computed(self.timed) - self.computed)
        total = cpu_time.computed_by_all() / (os.cpu_count() or 1) if self.limits["own_processes"] else 0.0
        if self.overtime is None:
            self.overtime = alone, total
        return min(alone, self.overtime[0] - (total - self.overtime[1]))

    def allow(self, pid: int, seconds: float) -> None:
        """Let the process compute for so long from now on."""
        self.forgive()
        self.timed, self.allowed, self.since, self.overtime = pid, seconds, time.monotonic(), None
        self.computed, self.waited = cpu_time.computed(pid), cpu_time.waited(pid)
        self.deadline = min(self.end, self.since + seconds)

    def forgive(self) -> None:
        """Add the time that the process waited for a core to what it may take by the clock."""
        late = max(0.0, cpu_time.waited(self.timed) - self.waited)
        self.since, self.end, self.waited = self.since + late, self.end + late, self.waited + late

    def give_grace(self) -> None:
        self.allowed, self.deadline = 0.0, min(self.end, time.monotonic() + GRACE)

    def lose(self, why: str) -> None:
        """The worker is gone; note at which step, and what it means for it."""
        self.lost = self.current
        if self.current >= self.fresh:
            self.tell({"step": self.current, "status": "too slow" if self.asked else why})
            self.fresh = self.current + 1

    def follow(self, message: dict) -> bool:
        """Take one message of the worker, if it answers the last order; True when no step is left."""
        if message["turn"] != self.turn:
            return False
        kind = message["kind"]
        check = self.steps[self.current].get("check")
        if kind == "end" and (check is None or not self.case):
            self.finish(message["result"])
            return not self.go_on()
        if kind == "witness" and check:
            self.witness = int(message["pid"])
            self.allow(self.witness, self.limits["case_seconds"])
        elif kind == "saw" and self.witness and self.case < self.cases[check]:
            self.tell({"step": self.current, "case": self.case, "saw": message["observation"]})
            self.case += 1
            self.allow(self.witness, self.limits["case_seconds"])
        elif kind == "gone" and check:
            if self.witness and self.case < self.cases[check]:
                self.strike("stopped", "your code ended the whole program")
            _kill(self.witness or 0)
            self.witness = None
            if self.case < self.cases[check]:
                self.allow(self.worker, self.limits["cell_seconds"])
                self.order()
                return False
            self.finish({})
            return not self.go_on()
        return False

    def finish(self, result: dict) -> None:
        if self.current >= self.fresh:
            slow = {"status": "too slow"} if self.asked else {}
            self.tell({"step": self.current, "status": "ran", **result, **slow})
            self.fresh = self.current + 1

    def strike(self, error: str, message: str) -> None:
        self.strikes += 1
        cases = self.cases[self.steps[self.current]["check"]]
        last = cases if self.strikes >= STRIKES else self.case + 1
        for case in range(self.case, last):
            self.tell({"step": self.current, "case": case, "saw": {"error": error, "message": message}})
        self.case = last


def _kill(pid: int) -> None:
    if pid > 1:  # a witness's number comes from the student's side, and kill(-1) would mean everybody
        for kill in (os.killpg, os.kill):  # a witness has a group of its own: what it has forked ends with it
            with contextlib.suppress(OSError):
                kill(pid, signal.SIGKILL)
