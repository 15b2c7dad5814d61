"""The process inside the sandbox that runs a student's cells, and the observers that it forks at each check.

Whatever a cell replaces in Python or in segcourse, it replaces for this process and its observers only.
Whatever these processes need after student code has run, they hold references to from before. Orders arrive
one at a time, so that a cell cannot read the coming cells.
"""

import builtins
import gc
import io
import json
import linecache
import math
import os
import signal
import sys

import numpy as np
import torch

from segcourse import exercises
from segcourse.exercises.engine.exercise import draw
from segcourse.exercises.engine.observations import clip
from segcourse.exercises.engine.own_work import observe
from segcourse.exercises.engine.tiers import unpack
from segcourse.grading.sandbox import snapshot


class Worker:
    """Executes the supervisor's orders, one line of JSON each, and answers in the same form.

    An order is {"cell": source}, with "test" for an instructor's test, or {"check": exercise, "case": int}
    with "seed", an int, or "inputs", a list of packed cases. Each order carries a random "token", which its
    answers repeat. A check is answered by an observer with one message per case; then the worker reports the
    observer's exit.

    Args:
        shell: The IPython shell that runs the cells.
        answers: The descriptor to which answers are written.
        orders: The descriptor from which orders are read.
        output: How many characters of a cell's output are kept.
    """

    def __init__(self, shell, answers: int, orders: int, output: int) -> None:
        self.shell, self.answers, self.orders, self.output = shell, answers, os.fdopen(orders), output
        self.run_cell, self.builtins = shell.run_cell, dict(vars(builtins))
        self.exercises = {name: exercises.get(name) for name in exercises.names()}
        self.running = False
        self.restore = snapshot.take(self.exercises.values())

    def run(
        self, fork=os.fork, wait=os.waitpid, leave=os._exit, loads=json.loads, block=os.set_blocking
    ) -> None:
        """Execute orders until there are no more; the arguments are bound before student code can run."""
        signal.signal(signal.SIGINT, self.interrupt)
        null, restore = os.open(os.devnull, os.O_RDWR), self.restore
        os.dup2(null, 2)
        try:
            source = self.orders.fileno()
            while True:
                block(source, True)  # a cell may have changed this
                if not (line := self.orders.readline()):
                    break
                order = loads(line)
                self.token = order["token"]
                if "cell" in order:
                    self.send("done", result=self.run_step(order["cell"], "test" in order))
                elif order["check"] not in self.shell.user_ns:
                    self.send("done", result={"status": "undefined"})
                else:
                    child = fork()
                    if child == 0:
                        restore()
                        self.observe(order)
                        leave(0)
                    wait(child, 0)
                    self.send("observer_exited")
        finally:
            leave(0)

    def send(self, kind: str, *, dumps=json.dumps, write=os.write, block=os.set_blocking, **message) -> None:
        block(self.answers, True)
        # the newline in front ends whatever a cell may have written into the pipe
        data = memoryview(("\n" + dumps({"kind": kind, "token": self.token, **message}) + "\n").encode())
        while data:
            data = data[write(self.answers, data) :]

    def interrupt(self, *_) -> None:
        if self.running:
            raise KeyboardInterrupt

    def run_step(self, source: str, test: bool = False) -> dict:
        """Run one cell as Jupyter would.

        Args:
            source: The cell's source.
            test: Whether this is an instructor's test. Then the value of its last line is returned too, and
                its source is not kept where later cells could read it.

        Returns:
            "printed", and "status", "error" and "value" where they apply.
        """
        stdout, stderr, sources = sys.stdout, sys.stderr, set(linecache.cache)
        sys.stdout = sys.stderr = printed = CappedOutput(self.output)
        self.running = True
        try:
            done = self.run_cell(source, store_history=not test)
            error = done.error_before_exec or done.error_in_exec
        finally:
            self.running = False
            vars(builtins).update(self.builtins)  # a cell that replaces `len` replaces it for itself only
            sys.stdout, sys.stderr = stdout, stderr
        result = {"printed": printed.getvalue()}
        if test:
            result["value"] = _credit(done.result)
            self.shell.last_execution_result = None
            for name in linecache.cache.keys() - sources:
                del linecache.cache[name]
        if error is not None:
            result |= {"status": "error", "error": _describe(error, first_line=test)}
            self.release_frames(error)
        return result

    def release_frames(self, error: BaseException) -> None:
        """Drop references to a failed cell's frames, so that the memory they hold is freed."""
        error.__traceback__ = self.shell.InteractiveTB.tb = self.shell.last_execution_result = None
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            vars(sys).pop(name, None)
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            gc.collect()

    def observe(self, order: dict, draw=draw, unpack=unpack, observe=observe) -> None:
        """In an observer: run the answer on each case from the ordered one on, and send each observation."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.setpgid(0, 0)
        exercise, first = self.exercises[order["check"]], order["case"]
        cases = (
            [unpack(one) for one in order["inputs"]] if "inputs" in order else draw(exercise, order["seed"])
        )
        self.send("observing", pid=os.getpid(), case=first)
        answer = self.shell.user_ns[exercise.name]
        for case in cases[first:]:
            self.send("observation", observation=observe(exercise, answer, case))


class CappedOutput(io.StringIO):
    """Keeps the first `limit` characters and drops the rest, so that endless printing needs no memory."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.left = limit

    def write(self, text: str) -> int:
        if self.left > 0:
            super().write(text[: self.left])
            self.left -= len(text)
            if self.left <= 0:
                super().write("\n… (the rest was dropped)")
        return len(text)


def _credit(value: object) -> float | bool | str | None:
    """Reduce the value of a test's last line to a number, a bool, "" for any text, or None for all else."""
    if isinstance(value, (np.generic, np.ndarray, torch.Tensor)) and value.ndim == 0:
        value = value.item()
    if isinstance(value, (bool, str)):
        return "" if isinstance(value, str) else value
    try:
        return float(value) if isinstance(value, (int, float)) else None
    except OverflowError:
        return math.inf


def _describe(error: BaseException, first_line: bool = False) -> str:
    """Return an error's class, message and line in the cell; `first_line` keeps the message's first line."""
    try:
        line = getattr(error, "lineno", None)
        trace = error.__traceback__
        while trace:
            if trace.tb_frame.f_code.co_filename.startswith("<ipython-input"):
                line = trace.tb_lineno
            trace = trace.tb_next
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        if first_line:  # the other lines may hold the values that a hidden test expects
            message = next(filter(str.strip, message.splitlines()), "")
        text = f"{type(error).__name__}: {message}" if message else type(error).__name__
        return clip(f"{text} (line {line})" if isinstance(line, int) else text)
    except BaseException:
        return clip(type(error).__name__)
