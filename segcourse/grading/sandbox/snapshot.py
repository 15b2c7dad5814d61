"""Take a snapshot of the trusted modules before student code runs, and restore it before each observation."""

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from segcourse.exercises.engine.own_work import functions_of

# the modules that run in the same process as the student's code
TRUSTED = ("segcourse.exercises", "segcourse.grading.sandbox.worker")


def take(objects: Iterable[Any] = ()) -> Callable[[], None]:
    """Take a snapshot of the trusted modules and of `objects`.

    Returns:
        A function that restores the snapshot and ends all tracing. It looks up nothing by name, because a
        student's code may have replaced what a name refers to.
    """
    modules = [module for name, module in sys.modules.items() if name.startswith(TRUSTED)]
    values = {id(value): value for module in modules for value in vars(module).values() if _is_trusted(value)}
    classes = [value for value in values.values() if isinstance(value, type)]
    functions = {function for value in values.values() for function in functions_of(value)}
    namespaces = [(vars(module), dict(vars(module))) for module in modules]
    namespaces += [
        (vars(obj), {name: _copied(value) for name, value in vars(obj).items()}) for obj in objects
    ]
    attributes = [(cls, vars(cls), dict(vars(cls))) for cls in classes]
    bodies = [(f, f.__code__, f.__defaults__, f.__kwdefaults__) for f in functions]
    tracers = (sys.settrace, sys.setprofile, threading.settrace, threading.setprofile)
    set_attribute, delete_attribute, as_list = type.__setattr__, type.__delattr__, list

    def restore() -> None:
        for set_tracer in tracers:
            set_tracer(None)
        for now, before in namespaces:
            now.clear()
            now.update(before)
        for cls, now, before in attributes:
            for name in as_list(now):
                if name not in before:
                    delete_attribute(cls, name)
            for name, value in before.items():
                if now.get(name) is not value:
                    set_attribute(cls, name, value)
        for function, code, defaults, keywords in bodies:
            function.__code__, function.__defaults__, function.__kwdefaults__ = code, defaults, keywords

    return restore


def _is_trusted(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).startswith(TRUSTED)


def _copied(value: Any) -> Any:
    return value.copy() if type(value) in (dict, list, set) else value
