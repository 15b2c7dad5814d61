"""The judge's own modules as they were before a student's code ran: whoever observes an answer goes by these,
whatever a cell has replaced in them."""

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from segcourse.exercises.own_work import functions_of

# who runs where the student's code runs
OBSERVERS = ("segcourse.exercises", "segcourse.grading.sandbox.worker")


def remember(objects: Iterable[Any] = ()) -> Callable[[], None]:
    """Take hold of what the modules that observe, and `objects`, consist of; the function that comes back
    puts it in place again, and ends tracing.

    That function looks nothing up by name: there, somebody may have put something else.
    """
    modules = [module for name, module in sys.modules.items() if name.startswith(OBSERVERS)]
    values = {id(value): value for module in modules for value in vars(module).values() if _is_ours(value)}
    classes = [value for value in values.values() if isinstance(value, type)]
    functions = {function for value in values.values() for function in functions_of(value)}
    names = [(vars(module), dict(vars(module))) for module in modules]
    names += [(vars(thing), {name: _kept(value) for name, value in vars(thing).items()}) for thing in objects]
    parts = [(cls, vars(cls), dict(vars(cls))) for cls in classes]
    bodies = [(f, f.__code__, f.__defaults__, f.__kwdefaults__) for f in functions]
    tracers = (sys.settrace, sys.setprofile, threading.settrace, threading.setprofile)
    change, remove, every = type.__setattr__, type.__delattr__, list

    def restore() -> None:
        for stop in tracers:
            stop(None)
        for now, before in names:
            now.clear()
            now.update(before)
        for cls, now, before in parts:
            for name in every(now):
                if name not in before:
                    remove(cls, name)
            for name, value in before.items():
                if now.get(name) is not value:
                    change(cls, name, value)
        for function, code, defaults, keywords in bodies:
            function.__code__, function.__defaults__, function.__kwdefaults__ = code, defaults, keywords

    return restore


def _is_ours(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).startswith(OBSERVERS)


def _kept(value: Any) -> Any:
    return value.copy() if type(value) in (dict, list, set) else value
