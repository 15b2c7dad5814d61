"""The course's graded exercises: `check` for whoever solves one, `assess` and the engine for whoever grades.

Each lesson's module only declares its exercises; `engine` observes, judges and diagnoses.
"""

import difflib
import functools
import importlib
import os
from typing import Any

from segcourse.errors import SegcourseError
from segcourse.exercises.engine import Exercise, draw, judge, observe_all
from segcourse.exercises.own_work import OwnWork
from segcourse.exercises.verdicts import Verdict

__all__ = ["CheckFailed", "Exercise", "UnknownExerciseError", "Verdict", "assess", "check", "get", "names"]

_LESSONS = ("unet", "losses_metrics")  # modules, in the order of the course


class UnknownExerciseError(SegcourseError, KeyError):
    """There is no exercise of this name."""

    __str__ = Exception.__str__  # KeyError would print the sentence in quotation marks


class CheckFailed(AssertionError):
    """An answer is not right yet. Notebooks show the sentence alone: the reply above it holds the rest."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@functools.cache
def _registry() -> dict[str, Exercise]:
    modules = [importlib.import_module(f"segcourse.exercises.{name}") for name in _LESSONS]
    return {exercise.name: exercise for module in modules for exercise in module.EXERCISES}


def names(lesson: str | None = None) -> list[str]:
    """The exercises' names in the order of the course; of one lesson, if it is given.

    >>> names("05_losses_metrics")[:3]
    ['confusion_matrix', 'iou_per_class', 'mean_iou']
    """
    return [name for name, exercise in _registry().items() if lesson in (None, exercise.lesson)]


def get(name: str) -> Exercise:
    """The exercise of this name.

    Raises:
        UnknownExerciseError: there is none; the sentence names the nearest.

    >>> get("dice_score").lesson
    '05_losses_metrics'
    """
    if name not in _registry():
        near = difflib.get_close_matches(str(name), names(), n=2, cutoff=0.5) or names()
        raise UnknownExerciseError(
            f"there is no exercise {name!r}; did you mean {' or '.join(map(repr, near))}?"
        )
    return _registry()[name]


def assess(name: str, obj: Any, seed: int | None = None, own: bool = True) -> Verdict:
    """Judge an answer on fresh cases; `seed` draws them (None: those that a notebook's `check` uses).

    The answer has to do without finished implementations of the exercise; `own=False` lets it call them.

    >>> import segcourse
    >>> assess("dice_score", segcourse.iou_score).diagnosis[:34]
    'you computed intersection over uni'
    >>> assess("dice_score", segcourse.dice_score).points
    0
    >>> assess("dice_score", segcourse.dice_score, own=False).points
    3
    """
    exercise = get(name)
    cases = draw(exercise, seed)
    if not own:
        return judge(exercise, observe_all(exercise, obj, cases), cases)
    own_work = OwnWork(exercise)
    return judge(exercise, [own_work.observe(obj, case) for case in cases], cases)


def check(name: str, obj: Any) -> None:
    """Tell the reader of a notebook how their answer does: points, what happened, the smallest case where
    it shows.

    Raises: CheckFailed: the answer is not right yet. An untouched stub only says "not started yet", except
    under nbgrader, which takes silence for success. There the error holds the whole reply.
    """
    from IPython.display import display  # only notebooks call check
    from torch import nn

    from segcourse.exercises.display import Reply, headline, text

    exercise = get(name)
    made = isinstance(exercise.answer, type) and isinstance(obj, nn.Module)  # UNet(3, 2) where UNet is wanted
    if made or not callable(obj):
        raise CheckFailed(
            f"check wants the {'class' if isinstance(exercise.answer, type) else 'function'} itself: "
            f'check("{name}", {name}); it was given a {type(obj).__name__}.'
        )
    verdict = assess(name, obj)
    display(Reply(verdict))
    if verdict.passed:
        return
    if "NBGRADER_EXECUTION" in os.environ:  # its Validate shows the error, and not the reply above it
        raise CheckFailed(text(verdict))
    if verdict.started:
        raise CheckFailed(headline(verdict))
