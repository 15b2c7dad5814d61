"""Exercises with an open end: points in tiers, by a score that is computed from what only the judge knows.

The grader packs a case's inputs for the student's process and keeps the truth. So no code of a student's, in
the sandbox or outside, can find the truth.
"""

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.facts import Record, facts
from segcourse.exercises.engine.observations import HANDED_OVER, Observation
from segcourse.exercises.engine.observing import UNTOUCHED
from segcourse.exercises.engine.verdicts import GroupResult, Verdict


def judge_score(exercise: Exercise, seen: Sequence[Observation], cases: Sequence[Case]) -> Verdict:
    """Return the verdict on an exercise with a score: each group whose tier is reached earns its points.

    The lowest score of all cases counts. An answer that stops in a case has no score, and neither has one
    that calls the course's own answer.
    """
    printed = str(seen[0].get("printed", ""))
    none = tuple(GroupResult(group, False, points) for group, points in exercise.groups.items())
    if all(one.get("stub") == UNTOUCHED for one in seen):
        return Verdict(exercise.name, none, started=False)
    pairs = list(zip(cases, seen, strict=True))
    stopped = [Record(i, case, {}, one, ("error",)) for i, (case, one) in enumerate(pairs) if "error" in one]
    if handed_over := [str(one[HANDED_OVER]) for one in seen if HANDED_OVER in one]:
        return Verdict(exercise.name, none, handed_over[0])
    if stopped:
        fact = facts(exercise, stopped, stopped)[0]
        return Verdict(exercise.name, none, fact.says, cause=fact.cause, printed=printed)
    score, says = min(exercise.score(case, one) for case, one in pairs)
    reached = {group: score >= least for group, least in exercise.tiers.items()}
    groups = tuple(GroupResult(group, reached[group], points) for group, points in exercise.groups.items())
    cause = None if all(reached.values()) else "The score is below the highest tier."
    return Verdict(exercise.name, groups, says, cause=cause, printed=printed, score=score)


def pack(case: Case) -> dict[str, str]:
    """Return a case's inputs, tensors by name, as JSON-able data; nothing else of the case."""
    return {name: _pack(value) for name, value in case.inputs.items()}


def _pack(value: torch.Tensor) -> str:
    file = io.BytesIO()
    np.save(file, value.numpy(), allow_pickle=False)
    return base64.b64encode(file.getvalue()).decode()


def unpack(packed: Mapping[str, str]) -> Case:
    """Return the case of these inputs, without its truth.

    >>> case = unpack(pack(Case("masks", {"images": torch.ones(1, 2)}, truth="hidden")))
    >>> case.inputs, case.truth
    ({'images': tensor([[1., 1.]])}, None)
    """
    return Case("", {name: _unpack(data) for name, data in packed.items()})


def _unpack(data: str) -> torch.Tensor:
    return torch.from_numpy(np.load(io.BytesIO(base64.b64decode(data)), allow_pickle=False))
