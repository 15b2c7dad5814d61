"""Block calls to reference implementations while a student's answer runs.

An answer is the student's own when it works without them. What counts is not which names it mentions, but
what it returns when the finished function, under whatever name it was reached, raises `NotYourOwn`. So a
fallback that the student wrote still counts, and other library functions may be steps on the way.
"""

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

from segcourse.exercises.engine import observing
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observations import HANDED_OVER
from segcourse.exercises.engine.observing import NotYourOwn

ASKED = "the exercise asks for your own"  # in every sentence about a borrowed answer
_ONE_AT_A_TIME = threading.RLock()  # a check must not take what another one has blocked for the original


class OwnWork:
    """Observes answers to one exercise while its finished implementations are blocked.

    Create it before any student code runs: it blocks the implementations as they are at that moment. Pass it
    the cases of one answer, in order: it remembers whether the answer has run a copy of one.

    >>> from segcourse import dice_score, exercises
    >>> from segcourse.exercises.engine.exercise import draw
    >>> exercise = exercises.get("dice_score")
    >>> seen = OwnWork(exercise).observe(lambda *masks: dice_score(*masks), draw(exercise)[0])
    >>> seen["error"], seen["message"][:59]
    ('NotYourOwn', 'This answer hands the work to segcourse.metrics.dice_score;')
    """

    def __init__(self, exercise: Exercise):
        self.exercise = exercise
        self.called: list[str] = []
        self.watching = True
        self.blocked: dict[FunctionType, CodeType] = {}
        self.originals: dict[str, list[tuple[CodeType, str]]] = {}
        self._add(exercise.answer, _public_name(exercise.answer))
        self.unseen, self.modules = set(exercise.finished), 0
        self._find()

    def observe(self, obj: Any, case: Case, observe: Callable = observing.observe) -> dict[str, Any]:
        """Return what `obj` does on one case by itself.

        A field of the observation names the finished implementation that it called, if it did. The answer may
        have caught the error and be right all the same; `judging.judge` decides.
        """
        seen = self._observe(obj, case, observe)
        if self._find():  # the answer has just imported one, which can be blocked from now on
            seen = self._observe(obj, case, observe)
        return seen | {HANDED_OVER: _sentence(self.called[0])} if self.called else seen

    def _observe(self, obj: Any, case: Case, observe: Callable) -> dict[str, Any]:
        self.called.clear()
        copies: list[str] = []

        # until the last number is read: what an answer returns may compute lazily
        with self._block(), self._watch(copies):
            seen = observe(self.exercise, obj, case)
        # a profiler slows Python down by half: an answer that runs no copy at first is not watched any more
        self.watching = bool(copies)
        if copies:
            return {"error": NotYourOwn.__name__, "message": _sentence(f"a copy of {copies[0]}")}
        return seen

    def _find(self) -> set[str]:
        """Block the declared implementations that have been imported since the last call; return them."""
        found: set[str] = set()
        if len(sys.modules) == self.modules:
            return found
        self.modules = len(sys.modules)
        for name in self.unseen:
            module, _, path = name.partition(":")
            obj = sys.modules.get(module)
            for part in path.split(".") if obj else ():
                obj = getattr(obj, "__dict__", {}).get(part)  # getattr might import more
            if obj is not None and _package(obj) == _package(sys.modules[module]):
                self._add(obj, f"{module}.{path}")
                found.add(name)
        self.unseen -= found
        return found

    def _add(self, obj: Any, name: str) -> None:
        for function in functions_of(obj):
            code = function.__code__
            self.blocked[function] = _raising(code.co_freevars, functools.partial(self._meet, name))
            self.originals.setdefault(code.co_name, []).append((code, name))

    def _meet(self, name: str) -> None:
        self.called.append(name)
        raise NotYourOwn(_sentence(name))

    @contextlib.contextmanager
    def _block(self) -> Iterator[None]:
        """Swap code objects, not names: then every alias, subclass and instance raises."""
        with _ONE_AT_A_TIME:
            before = {function: function.__code__ for function in self.blocked}
            try:
                for function, raising in self.blocked.items():
                    function.__code__ = raising
                yield
            finally:
                for function, code in before.items():
                    function.__code__ = code

    @contextlib.contextmanager
    def _watch(self, copies: list[str]) -> Iterator[None]:
        """Collect the implementations whose copies run."""

        def notice(frame, event, arg, originals=self.originals, is_copy=_is_copy):
            if event == "call":
                for original, name in originals.get(frame.f_code.co_name, ()):
                    if is_copy(frame.f_code, original):
                        copies.append(name)

        if not self.watching:
            yield
            return
        before = sys.getprofile(), threading.getprofile()
        try:
            threading.setprofile(notice)
            sys.setprofile(notice)
            yield
        finally:
            sys.setprofile(before[0])
            threading.setprofile(before[1])


def _sentence(name: str) -> str:
    return (
        f"This answer hands the work to {name}; {ASKED}. Write out yourself what that function does; "
        "calling other functions on the way is fine. To compare with it, call it in another cell."
    )


def _public_name(obj: Any) -> str:
    return f"{getattr(obj, '__module__', None)}.{getattr(obj, '__qualname__', obj)}"


def _package(obj: Any) -> str:
    return str(getattr(obj, "__module__", None) or obj.__name__).partition(".")[0]


def functions_of(obj: Any) -> Iterator[FunctionType]:
    """Yield the Python functions that do an object's work: itself and what it wraps, or a class's methods."""
    for part in vars(obj).values() if isinstance(obj, type) else (obj,):
        part = getattr(part, "__func__", part)  # of a classmethod or staticmethod
        while isinstance(part, FunctionType):
            yield part
            part = getattr(part, "__wrapped__", None)


@functools.cache
def _template(free: tuple[str, ...]) -> CodeType:
    """Return code of a function of any arguments with these free variables, as Python demands for a swap."""
    source = f"""
def outer({", ".join(free)}):
    def blocked(*args, **kwargs):
        meet = "meet"
        return meet()
        ({"".join(f"{name}, " for name in free)})
"""
    outer = compile(source, "<blocked>", "exec").co_consts[0]
    return next(const for const in outer.co_consts if isinstance(const, CodeType))


def _raising(free: tuple[str, ...], meet: Callable[[], None]) -> CodeType:
    """Return code that calls `meet` and holds it as a constant, so that no name can replace it."""
    code = _template(free)
    return code.replace(co_consts=tuple(meet if const == "meet" else const for const in code.co_consts))


def _is_copy(code: CodeType, original: CodeType) -> bool:
    """Return whether `code` was made by a program from the original's file or source.

    Code that was typed or pasted into a notebook has the cell's file name, and is never a copy.
    """
    if code.co_filename == original.co_filename:
        return code.co_qualname == original.co_qualname
    return code.co_filename == "<string>" and _text(code) == _text(original)


def _text(code: CodeType) -> tuple:
    """Return what the source of `code` decides, wherever it stands: names, constants, relative lines.

    Instructions are left out: those of a call depend on whether the same file imports what is called.
    """
    consts = tuple(_text(const) if isinstance(const, CodeType) else const for const in code.co_consts)
    lines = {line - code.co_firstlineno for _, _, line in code.co_lines() if line}
    return code.co_names, code.co_varnames, repr(consts), sorted(lines)
