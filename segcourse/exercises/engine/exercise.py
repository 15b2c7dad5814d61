"""An exercise as data: what is asked, on which inputs, for how many points, and what goes wrong."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

PRACTICE_SEED = 0
ONCE_MORE = "the first case comes a second time"


@dataclass(frozen=True, eq=False)
class Misconception:
    """A wrong answer that people really give, as code, and the sentence for students whose results equal its
    results.

    The sentence begins with "you" or "your" and speaks only of what such an answer returns.
    """

    says: str
    wrong: Any


@dataclass(frozen=True, eq=False)
class Case:
    """One set of inputs: arguments by name, passed in this order, so that students may rename parameters.

    Args:
        group: the group of cases that earns points together.
        inputs: the arguments.
        traits: what is special, as clauses ("the masks are bool"). A reply says where an answer fails by the
            trait that all failing cases share and no other case has.
        observe: how to look at this case, if not as `Exercise.observe` does.
        tolerance: relative to the largest expected number, see `observations.same`.
        given: the inputs in other words, for example probabilities instead of logits.
        build: a line that builds exactly the inputs, if it can be shorter than their numbers.
        variants: other answers that are right in this case, see `Exercise.variants`.
        truth: what only the judge may know, for `Exercise.score`.
    """

    group: str
    inputs: Mapping[str, Any]
    traits: tuple[str, ...] = ()
    observe: Callable[[Any, "Case"], Mapping[str, Any]] | None = None
    tolerance: float = 1e-4
    given: str = ""
    build: str = ""
    variants: tuple[Any, ...] = ()
    truth: Any = None


def call(function: Callable, case: Case) -> dict[str, Any]:
    """Observe a function: what it returns."""
    return {"value": function(*case.inputs.values())}


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise; the module that holds it is found by its folder, `exercises/l05_slug/name.py`.

    Args:
        answer: what a good student writes, in at most 20 lines. It has the exercise's name, and its signature
            and docstring make the stub.
        starter: makes an exercise a repair: the broken code that the student finds in place of a stub, a
            function with the answer's parameters. It fails in every group.
        symptom: with `starter`, the sentence for code that does what `starter` does. It names no cause.
        number: lesson and place, such as "5.3".
        difficulty: 1 to 3.
        minutes: how long a student takes.
        groups: points per group of cases; a group earns its points when all its cases are right.
        cases: draws the cases, smallest first, from a NumPy generator.
        mistakes: pairs of a misconception's sentence and its code, see `Misconception`.
        observe: turns an object and a case into named numbers; it may raise what the object raises.
        finished: finished implementations ("package.module:Name"), which an answer must do without.
        variants: other right answers, where the text leaves a choice that shows in the numbers.
        celebrate: shows a picture made by a right answer.
        score: makes an exercise with an open end: scores what an answer did on a case against the case's
            truth, and explains the score. Nothing is compared with `answer` then. A student's process
            gets the inputs alone from the grader, and all students get the same.
        tiers: with `score`, the score from which each group earns its points.
    """

    answer: Any
    number: str
    difficulty: int
    minutes: int
    groups: Mapping[str, int]
    cases: Callable[[np.random.Generator], Iterable[Case]]
    mistakes: Sequence[tuple[str, Any]]
    observe: Callable[[Any, Case], Mapping[str, Any]] = field(default=call)
    starter: Callable | None = None
    symptom: str = ""
    finished: tuple[str, ...] = ()
    variants: tuple[Any, ...] = ()
    celebrate: Callable[[Any], Any] = lambda answer: None
    score: Callable[[Case, Mapping[str, Any]], tuple[float, str]] | None = None
    tiers: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.answer.__name__

    @property
    def lesson(self) -> str:
        """The lesson's folder: "05_losses_metrics" for a module in `exercises/l05_losses_metrics`."""
        return self.answer.__module__.split(".")[-2].removeprefix("l")

    @property
    def points(self) -> int:
        return sum(self.groups.values())

    @functools.cached_property
    def misconceptions(self) -> tuple[Misconception, ...]:
        return tuple(Misconception(says, wrong) for says, wrong in self.mistakes)


@functools.lru_cache(maxsize=64)
def draw(exercise: Exercise, seed: int | None = None) -> tuple[Case, ...]:
    """Return the exercise's cases: its fixed edge cases and those drawn with `seed`.

    The first case comes a second time at the end, so that an answer that remembers earlier calls is noticed.

    Args:
        seed: None stands for the seed that a notebook's `check` uses.
    """
    entropy = [PRACTICE_SEED if seed is None else seed, *exercise.name.encode()]
    cases = list(exercise.cases(np.random.default_rng(entropy)))
    return (*cases, replace(cases[0], traits=(*cases[0].traits, ONCE_MORE)))
