"""Block calls to finished implementations while a student's answer runs.

A beginner who calls the finished function reads that the exercise asks for their own. Python functions are
blocked under any name, compiled ones (of PyTorch, of OpenCV) under that of their module. It is no proof of
authorship: anyone can copy an implementation, or ask another process for its numbers. The class report lists
such answers for a person to look at.
"""

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, CodeType, FunctionType
from typing import Any

from segcourse.exercises.engine import observing
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observations import HANDED_OVER
from segcourse.exercises.engine.observing import NotYourOwn

ASKED = "the exercise asks for your own"  # in every sentence about a borrowed answer
_ONE_AT_A_TIME = threading.RLock()  # a check must not take what another one has blocked for the original


def observe(exercise: Exercise, obj: Any, case: Case) -> dict[str, Any]:
    """Return what `obj` does on one case by itself.

    A field of the observation names the finished implementation that it called, if it did. The answer may
    have caught the error and be right all the same; `judging.judge` decides.

    >>> from segcourse import dice_score, exercises
    >>> from segcourse.exercises.engine.exercise import draw
    >>> exercise = exercises.get("dice_score")
    >>> seen = observe(exercise, lambda *masks: dice_score(*masks), draw(exercise)[0])
    >>> seen["error"], seen["message"][:59]
    ('NotYourOwn', 'This answer hands the work to segcourse.metrics.dice_score;')
    """
    called: list[str] = []
    with _ONE_AT_A_TIME, _blocked(exercise, called):
        seen = observing.observe(exercise, obj, case)
    return seen | {HANDED_OVER: _sentence(called[0])} if called else seen


def implementations(exercise: Exercise) -> dict[FunctionType, str]:
    """Return the functions of the answer and of the finished implementations imported so far, with names."""
    answer = exercise.answer
    found = dict.fromkeys(functions_of(answer), f"{answer.__module__}.{answer.__qualname__}")
    for name in exercise.finished:
        found |= dict.fromkeys(functions_of(_imported(name)), name.replace(":", "."))
    return found


def compiled(exercise: Exercise) -> dict[str, BuiltinFunctionType]:
    """Return the finished implementations without Python code imported so far, by "package.module:name"."""
    found = {name: _imported(name) for name in exercise.finished}
    return {name: obj for name, obj in found.items() if isinstance(obj, BuiltinFunctionType)}


def _imported(name: str) -> Any:
    """Return what "package.module:Name" names; None if it has not been imported."""
    module, _, path = name.partition(":")
    obj: Any = sys.modules.get(module)
    for part in path.split("."):
        obj = getattr(obj, "__dict__", {}).get(part)  # getattr might import more
    return obj


def functions_of(obj: Any) -> Iterator[FunctionType]:
    """Yield the Python functions that do an object's work: itself and what it wraps, or a class's methods."""
    for part in vars(obj).values() if isinstance(obj, type) else (obj,):
        part = getattr(part, "__func__", part)  # of a classmethod or staticmethod
        while isinstance(part, FunctionType):
            yield part
            part = getattr(part, "__wrapped__", None)


@contextlib.contextmanager
def _blocked(exercise: Exercise, called: list[str]) -> Iterator[None]:
    """Swap code objects, not names: then every alias, subclass and instance raises."""

    def refuse(name: str, *_: Any, **__: Any) -> None:
        called.append(name)
        raise NotYourOwn(_sentence(name))

    names = implementations(exercise)
    before = {function: function.__code__ for function in names}
    without_code = compiled(exercise)
    try:
        for function, code in before.items():
            function.__code__ = _calling(functools.partial(refuse, names[function]), code.co_freevars)
        for name in without_code:
            _replace(name, functools.partial(refuse, name.replace(":", ".")))
        yield
    finally:
        for name, obj in without_code.items():
            _replace(name, obj)
        for function, code in before.items():
            function.__code__ = code


def _replace(name: str, obj: Callable) -> None:
    module, _, attribute = name.partition(":")
    setattr(sys.modules[module], attribute, obj)


def _calling(action: Callable[[], None], free: tuple[str, ...]) -> CodeType:
    """Return code for any arguments that calls `action`; the free variables must be those of the old code."""
    source = f"""
def outer({", ".join(free)}):
    def blocked(*args, **kwargs):
        action = "action"
        return action()
        ({"".join(f"{name}, " for name in free)})
"""
    outer = compile(source, "<blocked>", "exec").co_consts[0]
    code = next(const for const in outer.co_consts if isinstance(const, CodeType))
    return code.replace(co_consts=tuple(action if const == "action" else const for const in code.co_consts))


def _sentence(name: str) -> str:
    return (
        f"This answer hands the work to {name}; {ASKED}. Write out yourself what that function does; "
        "calling other functions on the way is fine. To compare with it, call it in another cell."
    )
