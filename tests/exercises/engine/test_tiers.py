"""Points in tiers by a score: what earns them, and what a student's process gets of a case."""

import json
from dataclasses import replace

import torch

from segcourse import exercises
from segcourse.exercises.engine import tiers
from segcourse.exercises.engine.exercise import Case, draw
from segcourse.exercises.engine.judging import judge
from segcourse.exercises.engine.observing import observe_all
from segcourse.exercises.engine.verdicts import Verdict

TIERS = {"half": 0.5, "nearly all": 0.9}


def share(case, seen):
    right = float((seen["value"] == case.truth).mean())
    return right, f"{right:.0%} are right."


def cases(rng):
    yield Case("", {"x": torch.arange(4)}, truth=[0, 1, 4, 9])


OPEN = replace(
    exercises.get("mean_iou"), cases=cases, groups={"half": 2, "nearly all": 3}, score=share, tiers=TIERS
)


def verdict(answer):
    drawn = draw(OPEN)
    return judge(OPEN, json.loads(json.dumps(observe_all(OPEN, answer, drawn))), drawn)


def test_each_tier_that_is_reached_earns_its_points():
    assert [verdict(answer).points for answer in (lambda x: x - 1, lambda x: x, lambda x: x**2)] == [0, 2, 5]
    assert verdict(lambda x: x**2).passed
    half = verdict(lambda x: x)
    assert (half.score, half.diagnosis, half.status) == (0.5, "50% are right.", "partly right")


def test_the_lowest_of_several_cases_counts():
    calls = iter([lambda x: x**2, lambda x: x])
    assert verdict(lambda x: next(calls)(x)).score == 0.5


def test_an_answer_that_stops_has_no_score_and_its_line_is_told():
    stopped = verdict(lambda x: x.nothing)
    assert (stopped.points, stopped.score) == (0, None)
    assert "has no attribute called nothing" in stopped.diagnosis


def test_an_untouched_stub_is_not_started():
    def stub(x):
        raise NotImplementedError("Exercise 6.7")

    assert verdict(stub).status == "not started"


def test_a_record_keeps_the_score_and_older_records_have_none():
    data = verdict(lambda x: x).to_json()
    assert Verdict.from_json(json.loads(json.dumps(data))).score == 0.5
    data.pop("score")
    assert Verdict.from_json(data).score is None


def test_only_the_inputs_are_packed():
    case = replace(draw(OPEN)[0], given="the truth is 0 1 4 9")
    packed = json.loads(json.dumps(tiers.pack(case)))
    assert list(packed) == ["x"]
    assert tiers.unpack(packed).inputs["x"].equal(case.inputs["x"])


def test_masks_of_another_size_than_asked_for_score_nothing():
    exercise = exercises.get("predict_masks")
    case = draw(exercise)[0]
    for seen in ({}, {"masks": "a str"}, {"masks": torch.zeros(2, 2, 2).bool().numpy()}):
        assert exercise.score(case, seen)[0] == 0
