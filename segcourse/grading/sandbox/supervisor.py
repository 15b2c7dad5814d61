"""Hands out a notebook's steps inside the sandbox, enforces the time limits, and writes the record.

A step's limit is CPU time. On the wall clock, asleep or waiting for a child, a step may take
WALL_CLOCK_FACTOR times as long. Time that a step waits for a core, because the machine is busy, does not
count at all.

Everything that a worker sends comes from the student's side. The supervisor checks it and ignores whatever
does not fit.
"""

import contextlib
import io
import json
import os
import select
import signal
import time

from segcourse.grading.sandbox import cpu_time
from segcourse.grading.sandbox.limits import WALL_CLOCK_FACTOR

MAX_LOST_CASES = 2  # after this many cases of one exercise have hung or crashed, its other cases are given up
INTERRUPT_SECONDS = 5.0  # time to stop after an interrupt, and for a worker to notice its observer's exit
MAX_LINE = 1 << 28
_INVALID = (ValueError, TypeError, LookupError, AttributeError, RecursionError, OSError)


class Supervisor:
    """Runs one job: {"seed", "limits", "steps": [{"cell": source} or {"check": exercise}]}.

    A check has "inputs", a list of packed cases, if its cases hold what the sandbox must not know. The seed
    draws the cases of all others.

    Args:
        job: The job.
        record: The file to which events are written.
        requests: The descriptor of requests to the zygote. It counts the cases of each check, and forks a
            worker for one of the `pipes`.
        replies: The descriptor of the zygote's replies: counts, a worker's pid, a worker's exit.
        pipes: For each worker the descriptors of its answers and its orders.
    """

    def __init__(
        self, job: dict, record: io.TextIOBase, requests: int, replies: int, pipes: list[tuple[int, int]]
    ) -> None:
        self.steps, self.seed, self.limits = job["steps"], job["seed"], job["limits"]
        self.record, self.requests, self.pipes = record, requests, pipes
        self.replies = os.fdopen(replies, "rb", buffering=0)  # unbuffered, so that select sees all of it
        checks = [step for step in self.steps if "check" in step]
        drawn = list(dict.fromkeys(step["check"] for step in checks if "inputs" not in step))
        self.case_counts = self.ask_zygote({"draw": drawn, "seed": self.seed})
        self.case_counts |= {step["check"]: len(step["inputs"]) for step in checks if "inputs" in step}
        self.end = time.monotonic() + self.limits["total_seconds"]
        self.timed_pid, self.queued, self.timer_start = 0, 0.0, 0.0
        self.overtime: tuple[float, float] | None = None
        self.skipped: set[int] = set()
        self.recorded = 0  # every step before this one is on record

    def run(self) -> None:
        for number in range(len(self.pipes)):
            self.lost = None
            self.run_worker(number)
            if self.lost is None or self.lost in self.skipped or self.recorded >= len(self.steps):
                break
            self.skipped.add(self.lost)
        self.write_event({"finished": self.recorded >= len(self.steps)})

    def ask_zygote(self, request: dict):
        os.write(self.requests, json.dumps(request).encode() + b"\n")
        return json.loads(self.replies.readline())

    def write_event(self, event: dict) -> None:
        self.record.write(json.dumps(event) + "\n")
        self.record.flush()

    def run_worker(self, number: int) -> None:
        """Start a worker and feed it steps until it is done, lost, or out of time."""
        self.answers, self.orders = self.pipes[number]
        self.worker = self.ask_zygote({"worker": number, "limits": self.limits})
        self.step, self.observer, self.interrupted = -1, None, False
        self.unsent, buffer = b"", b""
        os.set_blocking(self.orders, False)  # a worker that never reads must not block the supervisor
        over = not self.next_step()
        while not over and self.check_timer():
            wait = min(0.1, max(0.0, self.deadline - time.monotonic()))
            writing = [self.orders] if self.unsent else []
            ready, writable, _ = select.select([self.answers, self.replies], writing, [], wait)
            if writable:
                self.send()
            if self.answers in ready:
                chunk = os.read(self.answers, 1 << 20)
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    with contextlib.suppress(*_INVALID):
                        over = over or self.handle(json.loads(line))
                if not chunk or len(buffer) > MAX_LINE:
                    ready.append(self.replies)
            if not over and self.replies in ready:
                self.lose_worker("died")
                over = True
        for process in filter(None, (self.observer, self.worker)):
            _kill(process)
        self.replies.readline()  # the zygote reports the worker's exit
        os.close(self.answers), os.close(self.orders)

    def next_step(self) -> bool:
        """Order the next step; return False if there is none. Recorded checks are not repeated."""
        for step in range(self.step + 1, len(self.steps)):
            if step in self.skipped or ("check" in self.steps[step] and step < self.recorded):
                continue
            self.step, self.interrupted, self.observer = step, False, None
            self.case = self.lost_cases = 0
            self.start_timer(self.worker, self.limits["cell_seconds"])
            self.send_order()
            return True
        return False

    def send_order(self) -> None:
        order = self.steps[self.step]
        if "check" in order:
            order = order | {"case": self.case} | ({} if "inputs" in order else {"seed": self.seed})
        self.token, self.observer_killed = os.urandom(8).hex(), False
        self.unsent += json.dumps(order | {"token": self.token}).encode() + b"\n"
        self.send()

    def send(self) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            self.unsent = self.unsent[os.write(self.orders, self.unsent) :]

    def check_timer(self) -> bool:
        """Stop what exceeds its limit, with an interrupt first; return False when the worker must end."""
        now = time.monotonic()
        if now < self.deadline:
            return True
        self.exclude_queue_time()
        left = self.cpu_seconds_left()
        last = min(self.end, self.timer_start + WALL_CLOCK_FACTOR * self.allowed)
        if left > 0.01 and now < last:
            self.deadline = min(last, now + left)
            return True
        if now >= self.end:
            self.write_event({"out_of_time": True})
            return False
        if self.observer:
            _kill(self.observer)
            self.observer, self.observer_killed = None, True
            self.lose_case("timeout", f"no answer within {self.limits['case_seconds']:g} s")
            self.start_interrupt_timer()
            return True
        if not self.interrupted:
            self.interrupted = True
            self.start_interrupt_timer()
            os.kill(self.worker, signal.SIGINT)
            return True
        self.lose_worker("hung")
        return False

    def cpu_seconds_left(self) -> float:
        """Return how long the timed process may still compute.

        Once its time is up on the wall clock, the CPU time of the whole sandbox counts, divided by the number
        of cores: a step that waits for its own children is not waiting for others.
        """
        alone = self.allowed - (cpu_time.cpu_seconds(self.timed_pid) - self.cpu_start)
        if not self.limits["own_processes"]:
            return alone
        total = cpu_time.total_cpu_seconds() / (os.cpu_count() or 1)
        if self.overtime is None:
            self.overtime = alone, total
        return min(alone, self.overtime[0] - (total - self.overtime[1]))

    def start_timer(self, pid: int, seconds: float) -> None:
        """Let a process use `seconds` of CPU time from now on."""
        self.exclude_queue_time()
        self.timed_pid, self.allowed, self.overtime = pid, seconds, None
        self.timer_start = time.monotonic()
        self.cpu_start, self.queued = cpu_time.cpu_seconds(pid), cpu_time.run_queue_seconds(pid)
        self.deadline = min(self.end, self.timer_start + seconds)

    def exclude_queue_time(self) -> None:
        """Extend the wall-clock limits by the time that the timed process waited for a core."""
        late = max(0.0, cpu_time.run_queue_seconds(self.timed_pid) - self.queued)
        self.timer_start, self.end, self.queued = self.timer_start + late, self.end + late, self.queued + late

    def start_interrupt_timer(self) -> None:
        self.allowed, self.deadline = 0.0, min(self.end, time.monotonic() + INTERRUPT_SECONDS)

    def lose_worker(self, status: str) -> None:
        """Record that the worker was lost at the current step."""
        self.lost = self.step
        if self.step >= self.recorded:
            self.write_event({"step": self.step, "status": "too slow" if self.interrupted else status})
            self.recorded = self.step + 1

    def handle(self, message: dict) -> bool:
        """Handle one message if it answers the last order; return True when no step is left."""
        if message["token"] != self.token:
            return False
        kind = message["kind"]
        check = self.steps[self.step].get("check")
        if kind == "done" and (check is None or not self.case):
            self.finish_step(message["result"])
            return not self.next_step()
        if kind == "observing" and check:
            self.observer = int(message["pid"])
            self.start_timer(self.observer, self.limits["case_seconds"])
        elif kind == "observation" and self.observer and self.case < self.case_counts[check]:
            self.write_event({"step": self.step, "case": self.case, "observation": message["observation"]})
            self.case += 1
            self.start_timer(self.observer, self.limits["case_seconds"])
        elif kind == "observer_exited" and check:
            if not self.observer_killed and self.case < self.case_counts[check]:
                self.lose_case("crash", "your code ended the whole program")
            _kill(self.observer or 0)
            self.observer = None
            if self.case < self.case_counts[check]:
                self.start_timer(self.worker, self.limits["cell_seconds"])
                self.send_order()
                return False
            self.finish_step({})
            return not self.next_step()
        return False

    def finish_step(self, result: dict) -> None:
        if self.step >= self.recorded:
            late = {"status": "too slow"} if self.interrupted else {}
            self.write_event({"step": self.step, "status": "ran", **result, **late})
            self.recorded = self.step + 1

    def lose_case(self, error: str, message: str) -> None:
        """Record that the current case has no result; after MAX_LOST_CASES of them, all others have none."""
        self.lost_cases += 1
        count = self.case_counts[self.steps[self.step]["check"]]
        last = count if self.lost_cases >= MAX_LOST_CASES else self.case + 1
        for case in range(self.case, last):
            observation = {"error": error, "message": message}
            self.write_event({"step": self.step, "case": case, "observation": observation})
        self.case = last


def _kill(pid: int) -> None:
    if pid > 1:  # an observer's pid comes from the student's side, and kill(-1) would mean every process
        for kill in (os.killpg, os.kill):  # an observer has its own process group: its forks end with it
            with contextlib.suppress(OSError):
                kill(pid, signal.SIGKILL)
