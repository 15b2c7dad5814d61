"""The process inside the sandbox that runs a student's cells, and the witnesses it forks at each check.

Whatever a cell replaces in Python or in segcourse, only this process and its witnesses see it. What they need
themselves after a student's code has run, they have taken hold of before.
"""

import builtins
import gc
import io
import json
import os
import signal
import sys

from segcourse.exercises import engine
from segcourse.exercises.observations import clip


class Worker:
    """Runs the cells. Whatever a cell replaces in Python or in segcourse, only this process and its witnesses
    see it.
    """

    def __init__(self, shell, writing: int, listening: int, output: int) -> None:
        self.shell, self.writing, self.answers, self.output = shell, writing, os.fdopen(listening), output
        self.run_cell, self.builtins = shell.run_cell, dict(vars(builtins))
        self.running = False

    def run(self, steps, left_out, fresh, fork=os.fork, wait=os.waitpid, leave=os._exit) -> None:
        """Run `steps` but those `left_out`; checks before `fresh` are on record already."""
        signal.signal(signal.SIGINT, self.interrupt)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 2)
        try:
            for index, step in enumerate(steps):
                if index in left_out or ("exercise" in step and index < fresh):
                    continue
                self.say("begin", step=index)
                result = {} if "cell" not in step else self.cell(step["cell"])
                case = 0 if "exercise" in step else -1
                if case == 0 and step["exercise"].name not in self.shell.user_ns:
                    result, case = {"status": "undefined"}, -1
                while case >= 0:
                    child = fork()
                    if child == 0:
                        self.witness(step, case)
                        leave(0)
                    wait(child, 0)
                    self.say("gone")
                    case = int(self.answers.readline())
                self.say("end", result=result)
            self.say("done")
        finally:
            leave(0)

    def say(self, kind: str, *, dumps=json.dumps, write=os.write, **message) -> None:
        data = memoryview((dumps({"kind": kind, **message}) + "\n").encode())
        while data:
            data = data[write(self.writing, data) :]

    def interrupt(self, *_) -> None:
        if self.running:
            raise KeyboardInterrupt

    def cell(self, source: str) -> dict:
        """Run one cell as Jupyter would; returns what it printed and how it failed."""
        stdout, stderr = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = printed = Capped(self.output)
        self.running = True
        try:
            done = self.run_cell(source, store_history=True)
            error = done.error_before_exec or done.error_in_exec
        finally:
            self.running = False
            vars(builtins).update(self.builtins)  # a cell that replaced len has done so for itself alone
            sys.stdout, sys.stderr = stdout, stderr
        result = {"printed": printed.getvalue()}
        if error is not None:
            result |= {"status": "error", "error": _told(error)}
            self.forget(error)
        return result

    def forget(self, error: BaseException) -> None:
        """Let go of a failed cell's frames, so that what filled the memory there is free again."""
        error.__traceback__ = self.shell.InteractiveTB.tb = self.shell.last_execution_result = None
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            vars(sys).pop(name, None)
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            gc.collect()

    def witness(self, step: dict, first: int, observe=engine.observe) -> None:
        """Observe each case from `first` on, telling each before the next begins."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.say("witness", pid=os.getpid(), case=first)
        answer = self.shell.user_ns[step["exercise"].name]
        for case in step["cases"][first:]:
            self.say("saw", observation=observe(step["exercise"], answer, case))


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


def _told(error: BaseException) -> str:
    """An error as one line: its kind, its message, the line of the cell."""
    try:
        line = getattr(error, "lineno", None)
        trace = error.__traceback__
        while trace:
            if trace.tb_frame.f_code.co_filename.startswith("<ipython-input"):
                line = trace.tb_lineno
            trace = trace.tb_next
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        told = f"{type(error).__name__}: {message}" if message else type(error).__name__
        return clip(f"{told} (line {line})" if isinstance(line, int) else told)
    except BaseException:
        return clip(type(error).__name__)
