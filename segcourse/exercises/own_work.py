"""Whose work an answer is: while it runs, the finished implementations of its exercise are away.

An answer is one's own when it stands without them. So what counts is not which names it mentions, but what
is left when the library's function, under whatever name it was reached, raises `NotYourOwn`: a fall-back of
one's own still counts, and other functions of the library may be steps on the way.
"""

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

from segcourse.exercises import engine
from segcourse.exercises.engine import Case, Exercise, NotYourOwn
from segcourse.exercises.observations import HANDED_OVER

ASKED = "the exercise asks for your own"  # in every sentence about a borrowed answer
_ONE_AT_A_TIME = threading.RLock()  # what one check has put away, another must not take for the original


class OwnWork:
    """Observes answers to one exercise, as `engine.observe` does, without its finished implementations.

    Made before any code of a student runs, it goes by what those implementations were then. It remembers from
    case to case whether an answer has run a copy of one, and takes cases of one answer, in order.

    >>> from segcourse import dice_score, exercises
    >>> exercise = exercises.get("dice_score")
    >>> seen = OwnWork(exercise).observe(lambda *masks: dice_score(*masks), engine.draw(exercise)[0])
    >>> seen["error"], seen["message"][:59]
    ('NotYourOwn', 'this answer hands the work to segcourse.metrics.dice_score;')
    """

    def __init__(self, exercise: Exercise):
        self.exercise = exercise
        self.called: list[str] = []
        self.watching = True
        self.away: dict[FunctionType, CodeType] = {}
        self.originals: dict[str, list[tuple[CodeType, str]]] = {}
        self._put(exercise.answer, _public_name(exercise.answer))
        self.unseen, self.modules = set(exercise.finished), 0
        self._find()

    def observe(self, obj: Any, case: Case, observe: Callable = engine.observe) -> dict[str, Any]:
        """What `obj` does on one case by itself.

        Where it called a finished implementation, a field of the observation says so: it need not have
        stopped there, and whether it is right all the same is for `engine.judge` to see.
        """
        seen = self._observe(obj, case, observe)
        if self._find():  # it has just imported one; now that this one can be put away, look again
            seen = self._observe(obj, case, observe)
        return seen | {HANDED_OVER: _sentence(self.called[0])} if self.called else seen

    def _observe(self, obj: Any, case: Case, observe: Callable) -> dict[str, Any]:
        self.called.clear()
        copies: list[str] = []

        # to the last number: what an answer hands back may compute only when it is read
        with self._put_away(), self._watch(copies):
            seen = observe(self.exercise, obj, case)
        # a profiler makes Python half as fast again: whoever runs no copy at first is not watched any more
        self.watching = bool(copies)
        if copies:
            return {"error": NotYourOwn.__name__, "message": _sentence(f"a copy of {copies[0]}")}
        return seen

    def _find(self) -> set[str]:
        """The declared implementations whose packages have been imported since this was asked last."""
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
                self._put(obj, f"{module}.{path}")
                found.add(name)
        self.unseen -= found
        return found

    def _put(self, obj: Any, name: str) -> None:
        for function in functions_of(obj):
            code = function.__code__
            self.away[function] = _stand_in(code.co_freevars, functools.partial(self._meet, name))
            self.originals.setdefault(code.co_name, []).append((code, name))

    def _meet(self, name: str) -> None:
        self.called.append(name)
        raise NotYourOwn(_sentence(name))

    @contextlib.contextmanager
    def _put_away(self) -> Iterator[None]:
        """Swap code objects, not names: then every alias, subclass and instance meets the stand-in."""
        with _ONE_AT_A_TIME:
            before = {function: function.__code__ for function in self.away}
            try:
                for function, stand_in in self.away.items():
                    function.__code__ = stand_in
                yield
            finally:
                for function, code in before.items():
                    function.__code__ = code

    @contextlib.contextmanager
    def _watch(self, copies: list[str]) -> Iterator[None]:
        """Collect whose copies run: what is put away cannot run itself."""

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
        f"this answer hands the work to {name}; {ASKED}. Write out yourself what it does: "
        "calling other functions on the way is fine. To compare with it, call it in another cell."
    )


def _public_name(obj: Any) -> str:
    return f"{getattr(obj, '__module__', None)}.{getattr(obj, '__qualname__', obj)}"


def _package(obj: Any) -> str:
    return str(getattr(obj, "__module__", None) or obj.__name__).partition(".")[0]


def functions_of(obj: Any) -> Iterator[FunctionType]:
    """The Python functions that do an object's work: itself and what it wraps, or a class's own methods."""
    for part in vars(obj).values() if isinstance(obj, type) else (obj,):
        part = getattr(part, "__func__", part)  # of a classmethod or staticmethod
        while isinstance(part, FunctionType):
            yield part
            part = getattr(part, "__wrapped__", None)


@functools.cache
def _template(free: tuple[str, ...]) -> CodeType:
    """Code of a function of any arguments; Python swaps code only where the closures' names are as many."""
    source = f"""
def outer({", ".join(free)}):
    def away(*args, **kwargs):
        meet = "meet"
        return meet()
        ({"".join(f"{name}, " for name in free)})
"""
    outer = compile(source, "<away>", "exec").co_consts[0]
    return next(const for const in outer.co_consts if isinstance(const, CodeType))


def _stand_in(free: tuple[str, ...], meet: Callable[[], None]) -> CodeType:
    """Code that calls `meet`, which it holds itself: nobody can replace it by a name."""
    code = _template(free)
    return code.replace(co_consts=tuple(meet if const == "meet" else const for const in code.co_consts))


def _is_copy(code: CodeType, original: CodeType) -> bool:
    """Whether `code` was made from the original's file or source by a machine.

    What somebody typed or pasted into a notebook has the cell's file name, and is never a copy.
    """
    if code.co_filename == original.co_filename:
        return code.co_qualname == original.co_qualname
    return code.co_filename == "<string>" and _text(code) == _text(original)


def _text(code: CodeType) -> tuple:
    """What the source of `code` decides, wherever it stands: names, constants with the docstring, lines.

    Not its instructions: those of a call depend on whether the same file imports what is called.
    """
    consts = tuple(_text(const) if isinstance(const, CodeType) else const for const in code.co_consts)
    lines = {line - code.co_firstlineno for _, _, line in code.co_lines() if line}
    return code.co_names, code.co_varnames, repr(consts), sorted(lines)
