"""The course's graded exercises: `check` for students, `assess` and the engine for graders.

An exercise is one file in its lesson's folder, such as `l05_losses_metrics/mean_iou.py`; nothing else
registers it. `engine` observes, judges and diagnoses.
"""

import contextlib
import copy
import difflib
import functools
import importlib
import os
import pkgutil
from typing import Any

from segcourse.errors import DataError, SegcourseError
from segcourse.exercises.engine import own_work
from segcourse.exercises.engine.exercise import Exercise, draw
from segcourse.exercises.engine.judging import judge
from segcourse.exercises.engine.observing import observe_all
from segcourse.exercises.engine.shown import call_of
from segcourse.exercises.engine.verdicts import Verdict
from segcourse.exercises.engine.weights import set_weights
from segcourse.threads import use_threads

__all__ = [
    "CheckFailed",
    "Exercise",
    "UnknownExerciseError",
    "Verdict",
    "assess",
    "check",
    "get",
    "inputs",
    "names",
    "set_weights",
    "yours",
]


class UnknownExerciseError(SegcourseError, KeyError):
    """There is no exercise of this name."""

    __str__ = Exception.__str__  # KeyError would print the sentence in quotation marks


class CheckFailed(AssertionError):
    """An answer is not right yet. Notebooks show the sentence alone; the reply above it holds the rest."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@functools.cache
def _registry() -> dict[str, Exercise]:
    found = []
    for lesson in pkgutil.iter_modules(__path__, f"{__name__}."):
        if lesson.name.rpartition(".")[2].startswith("l"):
            package = importlib.import_module(lesson.name)
            files = pkgutil.iter_modules(package.__path__, f"{lesson.name}.")
            modules = [importlib.import_module(file.name) for file in files]
            found += [module.EXERCISE for module in modules if hasattr(module, "EXERCISE")]
    found.sort(key=lambda exercise: [int(part) for part in exercise.number.split(".")])
    return {exercise.name: exercise for exercise in found}


def names(lesson: str | None = None) -> list[str]:
    """Return the exercises' names in the order of the course.

    Args:
        lesson: only the exercises of this lesson.

    >>> names("05_losses_metrics")[:3]
    ['confusion_matrix', 'iou_per_class', 'mean_iou']
    """
    return [name for name, exercise in _registry().items() if lesson in (None, exercise.lesson)]


def get(name: str) -> Exercise:
    """Return the exercise of this name.

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


def inputs(name: str, case: int) -> Any:
    """Return a copy of a practice case's inputs, as `check` uses them: one object, or a tuple of several.

    Args:
        name: the exercise.
        case: the number that the reply names.

    Raises:
        DataError: there is no such case.

    >>> prediction, target = inputs("dice_score", 0)
    >>> target.tolist()
    [[1, 0], [0, 0]]
    """
    cases = draw(get(name))
    if not 0 <= case < len(cases):
        raise DataError(f"{name} has the cases 0 to {len(cases) - 1}; there is no case {case}.")
    chosen = cases[case]
    values = copy.deepcopy([chosen.inputs[n] for n in call_of(get(name), chosen)[0]])
    return values[0] if len(values) == 1 else tuple(values)


def assess(name: str, obj: Any, seed: int | None = None, own: bool = True) -> Verdict:
    """Judge an answer.

    Args:
        name: the exercise.
        obj: the function or class.
        seed: draws the cases; None draws those that a notebook's `check` uses.
        own: whether the answer must do without finished implementations of the exercise.

    >>> import segcourse
    >>> assess("dice_score", segcourse.iou_score).diagnosis[:40]
    'You return intersection over union, I / '
    >>> assess("dice_score", segcourse.dice_score).points
    0
    >>> assess("dice_score", segcourse.dice_score, own=False).points
    3
    """
    exercise = get(name)
    cases = draw(exercise, seed)
    with use_threads(1):  # on tiny inputs, more threads only wait for each other
        if not own:
            return judge(exercise, observe_all(exercise, obj, cases), cases)
        return judge(exercise, [own_work.observe(exercise, obj, case) for case in cases], cases)


def check(name: str, obj: Any) -> None:
    """Show how an answer does: points, what happened, and the smallest case that shows it.

    In a notebook a wrong answer raises nothing, so that "Run All" runs the cells below it as well.

    Raises:
        CheckFailed: `obj` is neither a function nor a class. Outside a notebook, and under nbgrader, also if
            the answer is not right yet.
    """
    from IPython.core.getipython import get_ipython
    from IPython.display import display
    from torch import nn

    from segcourse.exercises.engine.display import Reply, headline, text

    exercise = get(name)
    made = isinstance(exercise.answer, type) and isinstance(obj, nn.Module)  # UNet(3, 2) where UNet is wanted
    if made or not callable(obj):
        raise CheckFailed(
            f"check wants the {'class' if isinstance(exercise.answer, type) else 'function'} itself: "
            f'check("{name}", {name}). It was given an object of type {type(obj).__name__}.'
        )
    verdict = assess(name, obj)
    display(Reply(verdict, practice=True, then=_next(exercise) if verdict.passed else ""))
    if verdict.passed:
        with (
            contextlib.suppress(Exception),
            use_threads(1),
        ):  # the answer is right, whatever happens to its picture
            exercise.celebrate(obj)
    elif "NBGRADER_EXECUTION" in os.environ:  # its Validate shows the error, and not the reply above it
        raise CheckFailed(text(verdict))
    elif verdict.started and get_ipython() is None:
        raise CheckFailed(headline(verdict))


def yours(name: str, obj: Any) -> Any:
    """Return an answer if it passes its check, else the course's answer; print which.

    A demonstration that builds on an exercise runs in both cases.

    Args:
        name: the exercise.
        obj: the function or class.

    >>> yours("mean_iou", lambda matrix: 0) is get("mean_iou").answer
    mean_iou: the course's own, until yours passes its check
    True
    """
    passed = assess(name, obj).passed
    print(f"{name}:", "yours" if passed else "the course's own, until yours passes its check")
    return obj if passed else get(name).answer


def _next(exercise: Exercise) -> str:
    lesson = names(exercise.lesson)
    following = lesson[lesson.index(exercise.name) + 1 :][:1]
    return f"Next: exercise {get(following[0]).number}, {following[0]}." if following else "Next: read on."
