"""The process inside the sandbox that runs a student's cells, and the witnesses it forks at each check.

Whatever a cell replaces in Python or in segcourse, only this process and its witnesses see it. What they need
themselves after a student's code has run, they have taken hold of before. Steps come one at a time, so that a
cell cannot read what lies ahead.
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
from segcourse.exercises import engine
from segcourse.exercises.observations import clip
from segcourse.exercises.own_work import OwnWork
from segcourse.grading.sandbox import snapshot


class Worker:
    """Does what the supervisor orders through `listening` and answers through `writing`; one JSON a line.

    Orders are {"cell": source} (with "test" if it is an instructor's) and {"check": exercise, "seed": int,
    "case": int}, each with its "turn", a word that answers repeat. A check is answered with one message a
    case, from a witness, and the end of each witness is told.
    """

    def __init__(self, shell, writing: int, listening: int, output: int) -> None:
        self.shell, self.writing, self.orders, self.output = shell, writing, os.fdopen(listening), output
        self.run_cell, self.builtins = shell.run_cell, dict(vars(builtins))
        self.own_work = {name: OwnWork(exercises.get(name)) for name in exercises.names()}
        self.running = False
        self.restore = snapshot.remember([*map(exercises.get, self.own_work), *self.own_work.values()])

    def run(
        self, fork=os.fork, wait=os.waitpid, leave=os._exit, loads=json.loads, block=os.set_blocking
    ) -> None:
        """Follow orders until they end."""
        signal.signal(signal.SIGINT, self.interrupt)
        null, restore = os.open(os.devnull, os.O_RDWR), self.restore
        os.dup2(null, 2)
        try:
            source = self.orders.fileno()
            while True:
                block(source, True)  # a cell may have changed that
                if not (line := self.orders.readline()):
                    break
                order = loads(line)
                self.turn = order["turn"]
                if "cell" in order:
                    self.say("end", result=self.cell(order["cell"], "test" in order))
                elif order["check"] not in self.shell.user_ns:
                    self.say("end", result={"status": "undefined"})
                else:
                    child = fork()
                    if child == 0:
                        restore()
                        self.witness(order)
                        leave(0)
                    wait(child, 0)
                    self.say("gone")
        finally:
            leave(0)

    def say(self, kind: str, *, dumps=json.dumps, write=os.write, block=os.set_blocking, **message) -> None:
        block(self.writing, True)
        # a line of its own, whatever a cell has left unfinished in the pipe
        data = memoryview(("\n" + dumps({"kind": kind, "turn": self.turn, **message}) + "\n").encode())
        while data:
            data = data[write(self.writing, data) :]

    def interrupt(self, *_) -> None:
        if self.running:
            raise KeyboardInterrupt

    def cell(self, source: str, test: bool = False) -> dict:
        """Run one cell as Jupyter would; returns what it printed and how it failed.

        An instructor's own test also returns what its last line came to, and leaves no copy of its source for
        the cells after it.
        """
        stdout, stderr, sources = sys.stdout, sys.stderr, set(linecache.cache)
        sys.stdout = sys.stderr = printed = Capped(self.output)
        self.running = True
        try:
            done = self.run_cell(source, store_history=not test)
            error = done.error_before_exec or done.error_in_exec
        finally:
            self.running = False
            vars(builtins).update(self.builtins)  # a cell that replaced len has done so for itself alone
            sys.stdout, sys.stderr = stdout, stderr
        result = {"printed": printed.getvalue()}
        if test:
            result["value"] = _shown(done.result)
            self.shell.last_execution_result = None
            for name in linecache.cache.keys() - sources:
                del linecache.cache[name]
        if error is not None:
            result |= {"status": "error", "error": _told(error, first_line=test)}
            self.forget(error)
        return result

    def forget(self, error: BaseException) -> None:
        """Let go of a failed cell's frames, so that what filled the memory there is free again."""
        error.__traceback__ = self.shell.InteractiveTB.tb = self.shell.last_execution_result = None
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            vars(sys).pop(name, None)
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            gc.collect()

    def witness(self, order: dict, draw=engine.draw) -> None:
        """Observe each case from the ordered one on, telling each before the next begins."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.setpgid(0, 0)
        own_work, first = self.own_work[order["check"]], order["case"]
        cases = draw(own_work.exercise, order["seed"])
        self.say("witness", pid=os.getpid(), case=first)
        answer = self.shell.user_ns[own_work.exercise.name]
        for case in cases[first:]:
            self.say("saw", observation=own_work.observe(answer, case))


class Capped(io.StringIO):
    """Keeps the first `limit` characters and forgets the rest, so that endless printing costs nothing."""

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


def _shown(value: object) -> float | bool | str | None:
    """What a test's last line came to: a number, True or False, "" for any text, None for anything else."""
    if isinstance(value, (np.generic, np.ndarray, torch.Tensor)) and value.ndim == 0:
        value = value.item()
    if isinstance(value, (bool, str)):
        return "" if isinstance(value, str) else value
    try:
        return float(value) if isinstance(value, (int, float)) else None
    except OverflowError:
        return math.inf


def _told(error: BaseException, first_line: bool = False) -> str:
    """An error as one line: its kind, its message (or the first line of it), the line of the cell."""
    try:
        line = getattr(error, "lineno", None)
        trace = error.__traceback__
        while trace:
            if trace.tb_frame.f_code.co_filename.startswith("<ipython-input"):
                line = trace.tb_lineno
            trace = trace.tb_next
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        if first_line:  # what follows may be the numbers that a hidden test expects
            message = next(filter(str.strip, message.splitlines()), "")
        told = f"{type(error).__name__}: {message}" if message else type(error).__name__
        return clip(f"{told} (line {line})" if isinstance(line, int) else told)
    except BaseException:
        return clip(type(error).__name__)
