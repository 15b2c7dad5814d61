"""The engine: what students return is recorded, judged and explained, whatever they return."""

import json
import sys

import numpy as np
import pytest
import torch

from segcourse import exercises
from segcourse.exercises.engine import Case, Exercise, draw, judge, misconception, observe_all
from segcourse.exercises.verdicts import Verdict


def _cases(rng):
    yield Case("whole", {"x": torch.tensor([1.0, 3.0])})
    yield Case("whole", {"x": torch.from_numpy(rng.random(4))})
    yield Case("with a gap", {"x": torch.tensor([2.0, torch.nan])}, "one number is missing")
    yield Case("with a gap", {"x": torch.tensor([torch.nan, 5.0, 7.0])}, "one number is missing")


@misconception("you took the sum.")
def summed(x):
    return x.nansum()


@misconception("you let NaN spread.")
def spreads(x):
    return x.mean()


MEAN = Exercise("mean", "demo", torch.nanmean, {"whole": 2, "with a gap": 1}, _cases, (summed, spreads))


def verdict_of(obj, exercise=MEAN) -> Verdict:
    cases = draw(exercise)
    return judge(exercise, json.loads(json.dumps(observe_all(exercise, obj, cases))), cases)


def test_the_answer_itself_has_every_point():
    verdict = verdict_of(torch.nanmean)
    assert (verdict.points, verdict.max_points, verdict.passed, verdict.status) == (3, 3, True, "passed")
    assert verdict.diagnosis is None
    assert verdict.smallest is None


def test_a_misconception_is_named_and_the_smallest_case_shown():
    verdict = verdict_of(lambda x: x.mean())
    assert verdict.diagnosis == spreads.says
    assert [(g.name, g.points) for g in verdict.groups] == [("whole", 2), ("with a gap", 0)]
    assert verdict.smallest.given == "one number is missing: x = [2.000, nan]"
    assert (verdict.smallest.expected, verdict.smallest.got) == ("2.000", "nan")


def test_what_is_right_elsewhere_rules_a_misconception_out_as_the_only_cause():
    """0 where NaN stood looks like the sum on one case; but where nothing is missing this student takes
    the mean."""
    verdict = verdict_of(lambda x: x.nansum() if x.isnan().any() else x.mean())
    assert verdict.diagnosis is None or verdict.diagnosis.startswith("here, ")
    assert verdict.points == 2


def test_a_mistake_beside_a_known_one_is_part_of_it():
    verdict = verdict_of(lambda x: x.mean() if x.isnan().any() else x.mean() + 1)
    assert verdict.partly
    assert verdict.diagnosis == f"part of it: {spreads.says}"
    assert verdict.smallest.given == "x = [1.000, 3.000]"  # the case that NaN does not explain


@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_the_same_seed_draws_the_same_cases_and_another_seed_others(seed):
    one, again, other = (list(_drawn(s)) for s in (seed, seed, seed + 1))
    assert one == again
    assert one != other


def _drawn(seed):
    draw.cache_clear()
    return [
        value.tolist()
        for case in draw(MEAN, seed)
        for value in case.inputs.values()
        if not value.isnan().any()
    ]


SAME = {
    "a Python float": lambda x: float(x.nanmean()),
    "float32": lambda x: x.nanmean().float(),
    "NumPy's float32": lambda x: np.float32(np.nanmean(x.numpy())),
    "a 0-d array": lambda x: np.array(np.nanmean(x.numpy())),
    "one number in a list": lambda x: [x.nanmean().item()],
    "a tensor of one element": lambda x: x.nanmean().reshape(1),
    "a parameter": lambda x: torch.nn.Parameter(x.nanmean()),
    "a tensor with a graph": lambda x: x.clone().requires_grad_().nanmean(),
}


@pytest.mark.parametrize("right", SAME.values(), ids=SAME)
def test_what_holds_the_number_does_not_matter(right):
    assert verdict_of(right).passed


class EqualsEverything:
    def __eq__(self, other):
        return True

    __hash__ = None

    def __float__(self):
        return 2.0

    def __array__(self, *args, **kwargs):
        return np.array(2.0)

    __torch_function__ = classmethod(lambda cls, *args, **kwargs: True)


class LyingTensor(torch.Tensor):
    """Its numbers are 0; every function that looks at it is told otherwise."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return torch.tensor(2.0)


class LyingFloat(float):
    def __sub__(self, other):
        return 0.0

    __rsub__ = __sub__


def endless():
    while True:
        yield 2.0


async def later(x):
    return x.nanmean()


def nested():
    inner: list = []
    inner.append(inner)
    return inner


def raising(error):
    def function(x):
        raise error

    return function


HOSTILE = {
    "an object that equals everything": lambda x: EqualsEverything(),
    "a tensor that lies": lambda x: torch.zeros(()).as_subclass(LyingTensor),
    "a float that lies": lambda x: LyingFloat(2.0),
    "an endless generator": lambda x: endless(),
    "a list that holds itself": lambda x: nested(),
    "a ragged list": lambda x: [[1.0], [1.0, 2.0]],
    "a huge array of nothing": lambda x: torch.zeros(1).expand(1 << 40),
    "a huge NumPy array": lambda x: np.broadcast_to(2.0, (1 << 20, 1 << 10)),
    "an integer beyond 64 bits": lambda x: 10**400,
    "complex": lambda x: 2 + 0j,
    "a complex tensor": lambda x: torch.tensor(2 + 0j),
    "a sparse tensor": lambda x: torch.eye(3).to_sparse(),
    "a tensor without data": lambda x: torch.empty((), device="meta"),
    "an object array": lambda x: np.array([EqualsEverything()], dtype=object),
    "a masked array": lambda x: np.ma.masked,
    "a string": lambda x: "2.0",
    "None": lambda x: None,
    "a module": lambda x: sys,
    "an exception": lambda x: ValueError("2.0"),
    "its own function": lambda x: torch.nanmean,
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_objects_that_lie_get_no_point_and_harm_nobody(hostile):
    verdict = verdict_of(hostile)
    assert verdict.points == 0
    assert verdict.smallest.expected == "2.000"


@pytest.mark.filterwarnings("ignore:coroutine")
def test_a_coroutine_is_called_by_its_kind():
    assert verdict_of(later).smallest.got == "a coroutine"


@pytest.mark.parametrize(
    "error", [ValueError("x" * 10_000), SystemExit(0), RecursionError(), MemoryError(), GeneratorExit()]
)
def test_an_error_ends_one_case_and_nothing_else(error):
    verdict = verdict_of(raising(error))
    assert verdict.status == "wrong"
    assert verdict.smallest.got.startswith(type(error).__name__)
    assert len(verdict.smallest.got) < 400


def test_an_error_whose_text_is_an_error():
    class Nasty(Exception):
        def __str__(self):
            raise RuntimeError

    assert verdict_of(raising(Nasty())).smallest.got == "Nasty"


def test_the_reader_can_still_interrupt():
    with pytest.raises(KeyboardInterrupt):
        verdict_of(raising(KeyboardInterrupt()))


def test_an_untouched_stub_has_not_been_started():
    verdict = verdict_of(raising(NotImplementedError("Exercise 5.4")))
    assert (verdict.status, verdict.points, verdict.passed) == ("not started", 0, False)


def test_nothing_returned_has_a_sentence():
    assert "no `return`" in verdict_of(lambda x: None).diagnosis


def test_a_constant_has_a_sentence():
    assert verdict_of(lambda x: 2).diagnosis.startswith("your function returns 2 whatever")


def in_place(x):
    x[x.isnan()] = 0  # wrong count, too, but see the next function
    return x.mean()


def right_but_in_place(x):
    mean = x.nanmean()
    x.nan_to_num_()
    return mean


def test_inputs_changed_in_place_have_a_sentence_and_spoil_no_other_case():
    verdict = verdict_of(right_but_in_place)
    assert "changes its input x in place" in verdict.diagnosis
    assert [g.passed for g in verdict.groups] == [True, False]  # only where there was something to change
    assert verdict_of(in_place).points == 2
    assert verdict_of(torch.nanmean).passed  # the cases are as they were


def test_printing_and_global_switches_do_not_matter(capsys):
    def noisy(x):
        print("debug", x)
        assert torch.is_grad_enabled()
        return x.nanmean()

    with torch.no_grad():
        assert verdict_of(noisy).passed
    assert capsys.readouterr().out == ""


def test_observing_leaves_the_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    verdict_of(lambda x: torch.rand(()))
    assert torch.equal(torch.rand(2), expected)


BAD_RECORDS = {
    "cut short": lambda records: records[:1],
    "empty": lambda records: [],
    "not a list of dicts": lambda records: [7, None, "x", [1]],
    "an array too large": lambda records: [_array([1 << 40], "")] * 4,
    "a negative size": lambda records: [_array([-1, -1], "AAAAAAAAAAA=")] * 4,
    "too few bytes": lambda records: [_array([2], "AAAAAAAAAAA=")] * 4,
    "an object dtype": lambda records: [{"value": {"dtype": "object", "shape": [], "data": ""}}] * 4,
    "no base64": lambda records: [_array([1], "*" * 12)] * 4,
    "other fields": lambda records: [{"surplus": "1"}] * 4,
    "many fields": lambda records: [{str(i): "1" for i in range(1000)}] * 4,
}


def _array(shape, data):
    return {"value": {"dtype": "float64", "shape": shape, "data": data}}


@pytest.mark.parametrize("tamper", BAD_RECORDS.values(), ids=BAD_RECORDS)
def test_a_damaged_record_is_wrong_and_never_a_crash(tamper):
    cases = draw(MEAN)
    verdict = judge(MEAN, tamper(observe_all(MEAN, torch.nanmean, cases)), cases)
    assert verdict.points == 0
    assert verdict.started


def test_a_surplus_field_does_not_help():
    cases = draw(MEAN)
    records = [
        record | {"error": "NotImplementedError"} for record in observe_all(MEAN, torch.nanmean, cases)
    ]
    assert judge(MEAN, records, cases).points == 0


def test_a_verdict_survives_json():
    verdict = verdict_of(lambda x: x.mean())
    data = json.loads(json.dumps(verdict.to_json()))
    assert Verdict.from_json(data) == verdict
    assert (data["points"], data["status"]) == (2, "partly right")


def test_classes_are_observed_by_what_they_do():
    class Scale:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, x):
            return self.factor * x

    def build_and_call(cls, case):
        return {"value": cls(case.inputs["factor"])(case.inputs["x"])}

    def cases(rng):
        yield Case("all", {"factor": 2, "x": torch.from_numpy(rng.random(3))})

    exercise = Exercise("Scale", "demo", Scale, {"all": 1}, cases, (), build_and_call)
    assert verdict_of(Scale, exercise).passed
    assert verdict_of(lambda factor: lambda x: x * factor, exercise).passed
    assert verdict_of(lambda factor: lambda x: x + factor, exercise).points == 0


def test_large_arrays_are_told_apart_by_the_place_where_they_differ():
    def cases(rng):
        yield Case("all", {"x": torch.arange(36).reshape(6, 6)})

    def swap(x):
        return x.index_select(1, torch.tensor([0, 1, 2, 4, 3, 5]))

    smallest = verdict_of(swap, Exercise("same", "demo", torch.clone, {"all": 1}, cases, ())).smallest
    assert smallest.expected == "3 at [0, 3] of 6×6 numbers from 0 to 35"
    assert smallest.got == "4 at [0, 3] of 6×6 numbers from 0 to 35"


def test_unknown_names_get_the_nearest():
    with pytest.raises(exercises.UnknownExerciseError, match="no exercise 'dice'; did you mean 'dice_score'"):
        exercises.get("dice")
