"""Recording what a student's object does on a case; runs where the student's code runs."""

import contextlib
import copy
import io
import linecache
import sysconfig
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observations import (
    CAUGHT,
    HANDLING,
    MAX_PRINTED,
    Observation,
    clip,
    clip_lines,
    container,
    encode,
    plain,
)

UNTOUCHED, LEFT_IN = "untouched", "left in"  # of the "stub" field
MODE_OF = "the mode of "  # begins the "changed" field of a model
MODE = "training or eval, or which weights are trainable"
_LIBRARIES = tuple(
    {
        str(Path(__file__).parents[2]),
        *(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib")),
    }
)


GRADIENTS_OFF = (
    "Your code switches gradients off and leaves them off: no network that is trained after it would learn. "
    "Use `with torch.no_grad():` or `with torch.inference_mode():`, which switch them back. (This check has "
    "switched them on again.)"
)


class Explained(Exception):
    """Raised by an `observe` that knows what is wrong; the student reads its sentence as it is."""


class NotYourOwn(Exception):
    """Raised in place of a finished implementation that an answer calls; see `own_work`."""


def observe(exercise: Exercise, obj: Any, case: Case) -> dict[str, Any]:
    """Return what `obj` does on one case, as JSON-able data; survives whatever `obj` does.

    The object gets its own copy of the inputs, gradients switched on and a fixed seed. What it prints is
    recorded, up to a limit; its warnings are dropped. Gradients are on afterwards, whatever the object, or a
    cell before, has left.
    """
    torch.set_grad_enabled(True)
    private = replace(case, inputs=copy.deepcopy(case.inputs))
    printed = _Capped()
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.redirect_stdout(printed))
            stack.enter_context(warnings.catch_warnings())
            stack.enter_context(torch.random.fork_rng(devices=[]))
            warnings.simplefilter("ignore")
            torch.default_generator.manual_seed(0)  # torch.manual_seed: 260 µs instead of 1, for GPUs
            seen = _fields((case.observe or exercise.observe)(obj, private))
        if not torch.is_grad_enabled():
            raise Explained(GRADIENTS_OFF)
        pairs = zip(case.inputs.items(), private.inputs.values(), strict=True)
        changed = [_change(name, before) for (name, before), after in pairs if not _unchanged(before, after)]
        if changed:
            seen["changed"] = " and ".join(changed)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: a submission must not end the process that observes it
        seen = _crash(error, obj)
    finally:
        torch.set_grad_enabled(True)
    if text := clip_lines(printed.getvalue()):
        seen["printed"] = text
    return encode(seen)


def observe_all(exercise: Exercise, obj: Any, cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Return what `obj` does on each case, in order."""
    return [observe(exercise, obj, case) for case in cases]


def _fields(raw: dict[str, Any]) -> Observation:
    seen: Observation = {name: plain(value) for name, value in raw.items()}
    if "value" in raw:
        seen["type"] = container(raw["value"])
        if isinstance(raw["value"], torch.Tensor):
            seen["dtype"] = str(raw["value"].dtype)
    return seen


def _unchanged(before: Any, after: Any) -> bool:
    if isinstance(before, torch.nn.Module):
        return _switches(before) == _switches(after)
    before, after = plain(before), plain(after)
    return isinstance(before, str) or (
        not isinstance(after, str) and np.array_equal(before, after, equal_nan=True)
    )


def _change(name: str, value: Any) -> str:
    return f"{MODE_OF}{name}" if isinstance(value, torch.nn.Module) else name


def _switches(model: torch.nn.Module) -> list[bool]:
    """Return which parts of a model are in training mode, and which parameters are trainable."""
    modes = [module.training for module in model.modules()]
    return modes + [parameter.requires_grad for parameter in model.parameters()]


class _Capped(io.StringIO):
    """Keeps what `clip_lines` can use and forgets the rest, so that endless printing costs nothing."""

    def write(self, text: str) -> int:
        if self.tell() <= 4 * MAX_PRINTED:
            super().write(text[: 4 * MAX_PRINTED])
        return len(text)


def _crash(error: BaseException, obj: Any) -> Observation:
    """Return an error as an observation: kind, message, and the line of the student's own code.

    Where the check explains an error of that code, the line is the one that raised it.
    """
    seen: Observation = {"error": _kind(error), "message": _message(error)}
    with contextlib.suppress(Exception):
        source = error
        if isinstance(error, Explained) and error.__cause__ and _own_line(error.__cause__):
            source = error.__cause__
            seen[CAUGHT] = _told(source)
        if line := _own_line(source):
            seen["line"] = line
        handled = source.__cause__ or source.__context__
        if handled and (line := _own_line(handled)):
            number, _, code = line.partition(": ")
            seen[HANDLING] = clip(f"{_told(handled)} ({number}, `{code}`)")
    if isinstance(error, NotImplementedError):
        with contextlib.suppress(Exception):
            if untouched(obj):
                seen["stub"] = UNTOUCHED
            elif "NotImplementedError" in seen.get("line", ""):
                seen["stub"] = LEFT_IN
    return seen


def _kind(error: BaseException) -> str:
    """Return the name of an error's class, with its module where the name alone says nothing: cv2.error."""
    kind = type(error)
    return clip(kind.__name__ if kind.__name__[:1].isupper() else f"{kind.__module__}.{kind.__name__}", 60)


def _told(error: BaseException) -> str:
    return clip(": ".join(filter(None, (_kind(error), _message(error)))))


def _message(error: BaseException) -> str:
    try:
        return clip(str(error))
    except Exception:
        return ""


def _own_line(error: BaseException) -> str | None:
    """Return number and text of the innermost line of the error's traceback that no library holds."""
    own, trace = None, error.__traceback__
    while trace:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(_LIBRARIES) and not file.startswith("<frozen"):
            own = f"line {trace.tb_lineno}", linecache.getline(file, trace.tb_lineno).strip()
        trace = trace.tb_next
    return own and ": ".join(filter(None, own))


def untouched(obj: Any) -> bool:
    """Return whether `obj` is a stub as the lesson gave it: it does nothing but raise NotImplementedError."""
    if isinstance(obj, FunctionType):
        return _only_raises(obj.__code__)
    methods = (
        [part for part in vars(obj).values() if isinstance(part, FunctionType)]
        if isinstance(obj, type)
        else []
    )
    return bool(methods) and all(_only_raises(method.__code__) for method in methods)


def _only_raises(code: CodeType) -> bool:
    """Return whether the code names nothing but the error: even lines that are never reached leave names."""
    locals_, arguments = len(code.co_varnames), code.co_argcount + code.co_kwonlyargcount
    return code.co_names == ("NotImplementedError",) and locals_ == arguments
