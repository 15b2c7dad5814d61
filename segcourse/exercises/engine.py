"""Exercises as data: what is asked, how it is observed, and what wrong answers look like.

One mechanism serves the right answer, the wrong ones and the student's: `observe_all` records what an
object does on the drawn cases. `judge` compares two such records and never sees the student's code, so it
can run in another process. `diagnose` names the misconception whose record equals the student's.
"""

import contextlib
import copy
import functools
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from segcourse.errors import SegcourseError
from segcourse.exercises.observations import (
    HANDED_OVER,
    Observation,
    agree,
    alike,
    clip,
    decode,
    describe,
    encode,
    plain,
    same,
)
from segcourse.exercises.smallest import smallest
from segcourse.exercises.verdicts import GroupResult, Verdict

PRACTICE_SEED = 0
UNSEEN = "nothing"  # in place of an error's kind, where no observation arrived


class Explained(Exception):
    """Raised by an `observe` that knows what is wrong; the student reads its sentence as it is."""


class NotYourOwn(Exception):
    """Raised in place of a finished implementation that an answer calls; see `own_work`."""


@dataclass(frozen=True, eq=False)
class Misconception:
    """A wrong answer that people really give, as code, and the sentence they read when their outputs equal
    its outputs."""

    says: str
    wrong: Any


def misconception(says: str) -> Callable[[Any], Misconception]:
    """Decorate a wrong function or class with its sentence; the name then stands for the misconception."""
    return functools.partial(Misconception, says)


@dataclass(frozen=True, eq=False)
class Case:
    """One input: arguments by name, handed over in this order, so that a student may rename parameters.

    `note` tells in words what is special, `given` tells the whole case instead of its inputs; `observe`
    replaces the exercise's way of looking for this case; `tolerance` is relative to the largest expected
    number (see `observations.same`).
    """

    group: str
    inputs: Mapping[str, Any]
    note: str = ""
    observe: Callable[[Any, "Case"], Mapping[str, Any]] | None = None
    tolerance: float = 1e-4
    given: str = ""


def call(function: Callable, case: Case) -> dict[str, Any]:
    """Observe a function: what it returns."""
    return {"value": function(*case.inputs.values())}


@dataclass(frozen=True, eq=False)
class Exercise:
    """What is asked (`answer`), on which inputs (`cases`, smallest first), for how many points (`groups`),
    and what goes wrong.

    `cases` draws from a NumPy generator; `observe` turns an object and a case into named numbers and may
    raise what the object raises. `finished` names what does the same job as `answer`, here or in other
    libraries ("package.module:Name"); a student's answer has to do without either.
    """

    name: str
    lesson: str
    answer: Any
    groups: Mapping[str, int]
    cases: Callable[[np.random.Generator], Iterable[Case]]
    misconceptions: tuple[Misconception, ...]
    observe: Callable[[Any, Case], Mapping[str, Any]] = field(default=call)
    finished: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        return sum(self.groups.values())


@functools.lru_cache(maxsize=64)
def draw(exercise: Exercise, seed: int | None = None) -> tuple[Case, ...]:
    """The exercise's cases: its fixed edge cases, then those drawn with `seed` (None: the practice seed of
    notebooks)."""
    entropy = [PRACTICE_SEED if seed is None else seed, *exercise.name.encode()]
    return tuple(exercise.cases(np.random.default_rng(entropy)))


def observe(exercise: Exercise, obj: Any, case: Case) -> dict[str, Any]:
    """What `obj` does on one case, as JSON-able data; runs where the student's code runs, and survives
    what it does.

    The object gets its own copy of the inputs, gradients switched on and a fixed seed; what it prints or
    warns is dropped.
    """
    private = replace(case, inputs=copy.deepcopy(case.inputs))
    try:
        with contextlib.ExitStack() as stack:
            silence = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(contextlib.redirect_stdout(silence))
            stack.enter_context(warnings.catch_warnings())
            stack.enter_context(torch.random.fork_rng(devices=[]))
            stack.enter_context(torch.enable_grad())
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            raw = (case.observe or exercise.observe)(obj, private)
            seen: Observation = {name: plain(value) for name, value in raw.items()}
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: a submission must not end the process that observes it
        return {"error": clip(type(error).__name__, 60), "message": _message(error)}
    before, after = case.inputs.values(), private.inputs.values()
    changed = [n for n, a, b in zip(case.inputs, before, after, strict=True) if not _unchanged(a, b)]
    return encode(seen | ({"changed": " and ".join(changed)} if changed else {}))


def _message(error: BaseException) -> str:
    try:
        return clip(str(error))
    except Exception:
        return ""


def _unchanged(before: Any, after: Any) -> bool:
    before, after = plain(before), plain(after)
    return isinstance(before, str) or (
        not isinstance(after, str) and np.array_equal(before, after, equal_nan=True)
    )


def observe_all(exercise: Exercise, obj: Any, cases: Sequence[Case]) -> list[dict[str, Any]]:
    """What `obj` does on each case, in order."""
    return [observe(exercise, obj, case) for case in cases]


@functools.lru_cache(maxsize=1024)
def _signature(exercise: Exercise, obj: Any, cases: tuple[Case, ...]) -> tuple[Observation, ...]:
    """What an answer or a misconception does; a class of students is judged against one computation of it."""
    signature = tuple(decode(record) for record in observe_all(exercise, obj, cases))
    if any(observation.get("error") == NotYourOwn.__name__ for observation in signature):
        raise NotYourOwn("an answer cannot have itself judged: what it is compared with is away meanwhile.")
    return signature


def _read(records: Sequence[Any], count: int) -> list[Observation]:
    """The student's record, one observation a case; what is missing or was tampered with becomes an error
    of its own."""
    seen: list[Observation] = []
    for index in range(count):
        try:
            seen.append(decode(records[index]))
        except IndexError:
            seen.append({"error": UNSEEN, "message": "your code had been stopped before this case"})
        except SegcourseError:
            seen.append({"error": UNSEEN, "message": "what was recorded here cannot be read"})
    return seen


def judge(exercise: Exercise, observations: Sequence[Any], cases: Sequence[Case]) -> Verdict:
    """Points, groups and diagnosis of a student's record (`observe_all`'s, or its JSON); runs no student
    code.

    A group's points count when all its cases are right. `observations` may be shorter than `cases`: what
    is missing is wrong.
    """
    cases = tuple(cases)
    expected, seen = _signature(exercise, exercise.answer, cases), _read(observations, len(cases))
    failing = [
        i
        for i, case in enumerate(cases)
        if not agree(seen[i], expected[i], case.tolerance)
        or ("changed" in seen[i]) > ("changed" in expected[i])
    ]
    wrong = {cases[i].group for i in failing}
    groups = tuple(GroupResult(g, g not in wrong, p) for g, p in exercise.groups.items())
    if not failing:
        return Verdict(exercise.name, groups)
    if all(observation.get("error") == "NotImplementedError" for observation in seen):
        return Verdict(exercise.name, groups, started=False)
    if handed_over := _handed_over(seen[i] for i in failing):
        return Verdict(exercise.name, groups, handed_over)
    says, partly, shown = diagnose(exercise, seen, cases, failing)
    return Verdict(exercise.name, groups, says, partly, smallest(cases[shown], expected[shown], seen[shown]))


def _handed_over(failing: Iterable[Observation]) -> str | None:
    """The sentence for an answer that called a finished implementation where it is not right by itself."""
    for observation in failing:
        if observation.get("error") == NotYourOwn.__name__:
            return observation.get("message")
        if HANDED_OVER in observation:
            return observation[HANDED_OVER]
    return None


class Diagnosis(NamedTuple):
    """The sentence (None: nothing known looks like this), whether more is wrong, and which case to show."""

    says: str | None
    partly: bool
    case: int


def diagnose(
    exercise: Exercise, seen: Sequence[Observation], cases: tuple[Case, ...], failing: Sequence[int]
) -> Diagnosis:
    """Name the cause of these failures, from the observations alone.

    A misconception is the cause when it explains every failing case and is right wherever the student is
    right. Otherwise it is part of the cause when it explains a fair share of the failing cases, and more
    than it fails where the student is right. A case that many misconceptions explain (a zero, a NaN) says
    little about each; cases are weighed by rarity.
    """
    expected = _signature(exercise, exercise.answer, cases)
    if general := _general(expected, seen, cases, failing):
        return Diagnosis(general, False, failing[0])
    explained, wrongly = {}, {}
    for m in exercise.misconceptions:
        signature = _signature(exercise, m.wrong, cases)
        matches = {i for i, case in enumerate(cases) if alike(seen[i], signature[i], case.tolerance)}
        explained[m] = matches.intersection(failing)
        wrongly[m] = len(cases) - len(failing) - (len(matches) - len(explained[m]))
        if len(explained[m]) == len(failing) and not wrongly[m]:
            return Diagnosis(m.says, False, failing[0])
    rarity = {i: 1 / (sum(i in e for e in explained.values()) or 1) for i in failing}
    weight = {m: sum(rarity[i] for i in explained[m]) - wrongly[m] for m in exercise.misconceptions}
    fair = [m for m in exercise.misconceptions if weight[m] > 0 and 4 * len(explained[m]) >= len(failing)]
    if not fair:
        return Diagnosis(_stopped(seen[failing[0]]), False, failing[0])
    best = max(fair, key=weight.__getitem__)
    left = [i for i in failing if i not in explained[best]]
    if not left:  # it would also fail where the student is right, so it can't be all that their code does
        return Diagnosis(f"here, {best.says}", False, failing[0])
    return Diagnosis(f"part of it: {best.says}", True, left[0])


def _stopped(observation: Observation) -> str | None:
    kind, message = observation.get("error"), observation.get("message")
    if kind == Explained.__name__:
        return message
    return kind and (f"{message}." if kind == UNSEEN else f"your code stops with {kind}: {message}")


def _general(
    expected: Sequence[Observation],
    seen: Sequence[Observation],
    cases: Sequence[Case],
    failing: Sequence[int],
) -> str | None:
    """What can go wrong in any exercise: nothing returned, inputs changed, the same number for everything."""
    values = [observation.get("value") for observation in seen]
    if all(isinstance(values[i], str) and values[i] == "None" for i in failing):
        return "your function returns None: it computes something, but no `return` hands it back."
    if all(agree(seen[i], expected[i], cases[i].tolerance) for i in failing):
        return (
            f"the numbers are right, but your code changes its input {seen[failing[0]]['changed']} in place; "
            "whoever called it goes on with other data than before. Work on a copy, or on a new tensor."
        )
    if len(cases) > 2 and all(isinstance(v, np.ndarray) and same(v, values[0], 0.0) for v in values):
        return f"your function returns {describe(values[0])} whatever it is given; it has to use its inputs."
    return None
