"""Observing and judging: what students return is recorded, judged and explained, whatever they return."""

import contextlib
import inspect
import io
import json
import sys

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from segcourse import exercises
from segcourse.exercises.engine.exercise import Case, Exercise, draw
from segcourse.exercises.engine.judging import judge
from segcourse.exercises.engine.observing import GRADIENTS_OFF, Explained, observe_all
from segcourse.exercises.engine.verdicts import Verdict


def _cases(rng):
    yield Case("whole", {"x": torch.tensor([1.0, 3.0])})
    yield Case("whole", {"x": torch.from_numpy(rng.random(4))})
    yield Case("whole", {"x": torch.from_numpy(rng.random(5))}, ("there are five numbers",))
    yield Case("with a gap", {"x": torch.tensor([2.0, torch.nan])}, ("one number is missing",))
    yield Case("with a gap", {"x": torch.tensor([torch.nan, 5.0, 7.0])}, ("one number is missing",))


def mean(x):
    return x.nanmean()


def summed(x):
    return x.nansum()


def spreads(x):
    return x.mean()


SPREADS = "You let NaN spread."


def demo(
    answer=mean,
    cases=_cases,
    groups=None,
    mistakes=(("You return the sum.", summed), (SPREADS, spreads)),
    **rest,
):
    groups = groups or {"whole": 2, "with a gap": 1}
    return Exercise(answer, "9.1", 1, 5, groups, cases, mistakes, **rest)


MEAN = demo()


def verdict_of(obj, exercise=MEAN) -> Verdict:
    cases = draw(exercise)
    return judge(exercise, json.loads(json.dumps(observe_all(exercise, obj, cases))), cases)


def test_the_answer_itself_has_every_point():
    verdict = verdict_of(torch.nanmean)
    assert (verdict.points, verdict.max_points, verdict.passed, verdict.status) == (3, 3, True, "passed")
    assert verdict.diagnosis is None
    assert verdict.smallest is None


def test_gradients_left_off_are_reported_and_switched_on_again():
    def leaves_off(x):
        torch.set_grad_enabled(False)
        return x.nanmean()

    def stops(x):
        return leaves_off(x).nothing

    torch.set_grad_enabled(False)  # what a cell before the check has left
    try:
        assert verdict_of(lambda x: x.nanmean()).passed
        assert torch.is_grad_enabled()
        verdict = verdict_of(leaves_off)
        assert (verdict.points, verdict.diagnosis) == (0, GRADIENTS_OFF)
        assert torch.is_grad_enabled()
        verdict_of(stops)
        assert torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)


def test_a_misconception_is_named_and_the_smallest_case_shown():
    verdict = verdict_of(lambda x: x.mean())
    assert verdict.diagnosis == verdict.cause == SPREADS
    assert [(g.name, g.points) for g in verdict.groups] == [("whole", 2), ("with a gap", 0)]
    assert verdict.smallest.given == "one number is missing: x = [2.000, nan]"
    assert verdict.smallest.code == ("x = torch.tensor([2.0, nan])", "mean(x)")
    assert (verdict.smallest.expected, verdict.smallest.got) == ("2.000", "nan")


def test_what_is_right_elsewhere_rules_a_misconception_out():
    """The sum where a number is missing looks like `summed`; but where none is missing, it is the mean."""
    verdict = verdict_of(lambda x: x.nansum() if x.isnan().any() else x.mean())
    assert verdict.diagnosis == "Your numbers are wrong in 1 of 6 cases."
    assert verdict.points == 2


def test_an_error_in_one_case_does_not_hide_that_others_fail():
    verdict = verdict_of(lambda x: x[5] if len(x) == 5 else x.nanmean() * (1 + x.isnan().sum() * x[-1]))
    assert "IndexError" in verdict.diagnosis
    assert verdict.diagnosis.endswith("This is so only where there are five numbers. Other cases fail, too.")


def test_two_cases_that_share_no_trait_are_counted():
    verdict = verdict_of(lambda x: x.nanmean() * (1 - x.nan_to_num()[0] * (len(x) in (4, 5))))
    assert verdict.diagnosis == "Your numbers are wrong in 2 of 6 cases."


def test_an_unknown_mistake_is_told_by_where_it_shows():
    verdict = verdict_of(lambda x: x.nanmean() + x.isnan().sum() * x.nanmean().sin())
    assert verdict.diagnosis == "Your numbers are wrong only where one number is missing."


def test_a_misconception_that_explains_most_is_said_as_most():
    verdict = verdict_of(lambda x: x.nansum() if len(x) < 5 else x.nansum() ** 2)
    assert verdict.partly
    assert verdict.diagnosis == "Most of this looks as if you return the sum."
    assert verdict.smallest.given.startswith("there are five numbers")


def test_a_misconception_that_explains_half_is_not_said():
    verdict = verdict_of(lambda x: x.mean() if x.isnan().any() else x.mean() ** 2 + 1)
    assert "spread" not in (verdict.diagnosis or "")


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
    "float32": lambda x: x.nanmean().float(),
    "a parameter": lambda x: torch.nn.Parameter(x.nanmean()),
    "a tensor with a graph": lambda x: x.clone().requires_grad_().nanmean(),
}


@pytest.mark.parametrize("right", SAME.values(), ids=SAME)
def test_the_kind_of_tensor_does_not_matter(right):
    assert verdict_of(right).passed


OTHER = {
    "a float": lambda x: float(x.nanmean()),
    "a NumPy number": lambda x: np.float32(np.nanmean(x.numpy())),
    "a NumPy array": lambda x: np.array(np.nanmean(x.numpy())),
}


@pytest.mark.parametrize("kind", OTHER)
def test_another_container_than_asked_for_is_named(kind):
    verdict = verdict_of(OTHER[kind])
    assert verdict.points == 0
    assert verdict.diagnosis.startswith(f"Your answer returns {kind}, and a tensor is asked for.")
    assert verdict.cause == f"Your answer returns {kind} instead of a tensor."


def test_another_shape_than_asked_for_is_named():
    says = verdict_of(lambda x: x.nanmean().reshape(1)).diagnosis
    assert (
        says
        == "Your result has shape (1,), and () is expected. The numbers are right, only their shape is not."
    )


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


LINE = "raise error"


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
    assert verdict.smallest.expected.startswith("2.000")


@pytest.mark.filterwarnings("ignore:coroutine")
def test_a_coroutine_is_called_by_its_kind():
    assert verdict_of(later).smallest.got == "a coroutine"


@pytest.mark.parametrize(
    "error", [ValueError("x" * 10_000), SystemExit(0), RecursionError(), MemoryError(), GeneratorExit()]
)
def test_an_error_ends_one_case_and_nothing_else(error):
    verdict = verdict_of(raising(error))
    assert verdict.status == "wrong"
    assert verdict.smallest.got == f"an error ({type(error).__name__})"
    assert f"`{LINE}`" in verdict.diagnosis
    assert len(verdict.diagnosis) < 800


def test_an_error_whose_text_is_an_error():
    class Nasty(Exception):
        def __str__(self):
            raise RuntimeError

    assert verdict_of(raising(Nasty())).smallest.got == "an error (Nasty)"


def test_the_reader_can_still_interrupt():
    with pytest.raises(KeyboardInterrupt):
        verdict_of(raising(KeyboardInterrupt()))


def test_an_untouched_stub_has_not_been_started():
    def stub(x):
        """Return the mean."""
        raise NotImplementedError("Exercise 9.1")

    verdict = verdict_of(stub)
    assert (verdict.status, verdict.points, verdict.passed) == ("not started", 0, False)


def left_in(x):
    total = x.nansum()
    raise NotImplementedError("Exercise 9.1")
    return total


WRITTEN = {
    "the stub's raise left in": left_in,
    "mean of integers": lambda x: x.long().mean(),
    "and of floats": lambda x: x & x,
    "a module without forward": lambda x: torch.nn.Module()(x),
    "raised on purpose": lambda x: raising(NotImplementedError())(x.sum()),
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_a_written_answer_is_never_not_started(written):
    verdict = verdict_of(written)
    assert verdict.status == "wrong"
    assert verdict.diagnosis


def test_the_stubs_raise_is_named_with_its_line():
    says = verdict_of(left_in).diagnosis
    assert says.startswith("The stub's `raise NotImplementedError` is still there, in line ")


def test_an_unwritten_exercise_that_is_used_is_named():
    def uses(x):
        raise NotImplementedError("Exercise 8.2")

    assert verdict_of(lambda x: uses(x)).diagnosis.startswith("Your code uses what exercise 8.2 asks for")


def test_nothing_returned_has_a_sentence():
    assert "returns None" in verdict_of(lambda x: None).diagnosis


def test_a_constant_has_a_sentence():
    assert verdict_of(lambda x: torch.tensor(2.0)).diagnosis.startswith(
        "Your answer is 2.000 for every input."
    )


def test_what_is_kept_between_calls_has_a_sentence():
    seen = []

    def remembers(x):
        seen.append(x.nanmean())
        return sum(seen) / len(seen)

    assert verdict_of(remembers).diagnosis.startswith("The same input gives another result the second time")


def test_the_students_own_line_is_named_and_never_the_checks():
    def own(x):
        return helper(x)

    def helper(x):
        return x.reshape(99)

    assert "Your code stops in line" in verdict_of(own).diagnosis
    assert "`return x.reshape(99)`" in verdict_of(own).diagnosis
    says = verdict_of(lambda: 1).diagnosis
    assert says.startswith("An error comes up while the check runs your answer: a call passes 1 arguments")


def test_errors_of_opencv_and_pillow_come_with_the_students_line():
    def resized(x):
        return cv2.resize(x.numpy(), (0, 0))

    says = verdict_of(resized).diagnosis
    assert "Your code stops in line" in says
    assert "`return cv2.resize(x.numpy(), (0, 0))`" in says
    assert "OpenCV's resize requires that" in says
    assert verdict_of(resized).smallest.got == "an error (cv2.error)"

    def opened(x):
        return Image.open(io.BytesIO(b"no picture"))

    assert (
        '`return Image.open(io.BytesIO(b"no picture"))`: UnidentifiedImageError'
        in verdict_of(opened).diagnosis
    )


def test_an_error_that_hides_another_one_shows_both_lines():
    def hiding(x):
        try:
            return x.maen()
        except Exception:
            raise ValueError("no numbers") from None

    says = verdict_of(hiding).diagnosis
    assert '`raise ValueError("no numbers") from None`: ValueError: no numbers.' in says
    assert (
        "while it handles another error: AttributeError: 'Tensor' object has no attribute 'maen' (line "
        in says
    )
    assert "`return x.maen()`)." in says

    def after_all(x):
        with contextlib.suppress(AttributeError):
            x.maen()
        return x.reshape(99)

    assert "another error" not in verdict_of(after_all).diagnosis


def test_an_error_that_the_check_explains_shows_the_students_line_and_no_result():
    def look(obj, case):
        try:
            return {"value": obj(*case.inputs.values())}
        except OSError as error:
            raise Explained("An OSError is not asked for.") from error

    def stopped(x):
        raise OSError("the disk is full")

    verdict = verdict_of(stopped, demo(observe=look))
    assert verdict.diagnosis.startswith("An OSError is not asked for. See line ")
    assert verdict.diagnosis.endswith('`raise OSError("the disk is full")`: OSError: the disk is full.')
    assert verdict.cause == "An OSError is not asked for."
    assert verdict.smallest.got == "see above"


def test_a_yes_or_no_reads_as_one():
    def look(obj, case):
        return {"the result is a number": isinstance(obj(*case.inputs.values()), torch.Tensor)}

    shown = verdict_of(lambda x: "2", demo(observe=look, mistakes=())).smallest
    assert (shown.expected, shown.got) == ("the result is a number: yes", "the result is a number: no")


def test_a_model_in_another_mode_has_a_sentence():
    def cases(rng):
        for group in ("whole", "with a gap"):
            model = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.ReLU())
            yield Case(group, {"model": model, "x": torch.from_numpy(rng.random((2, 1))).float()})

    def silent(model, x):
        return model.eval()(x).mean()

    exercise = demo(lambda model, x: model(x).mean(), cases, mistakes=())
    assert "your code changes the mode of model: training or eval" in verdict_of(silent, exercise).diagnosis
    assert (
        "changes the mode"
        in verdict_of(lambda model, x: model.requires_grad_(False)(x).mean(), exercise).diagnosis
    )


def test_an_error_by_the_grader_is_told_as_it_is():
    cases = draw(MEAN)
    records = [{"error": "too slow", "message": "no answer within 10 s"}] * len(cases)
    assert judge(MEAN, records, cases).diagnosis == "No answer within 10 s."


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
    assert "only where one number is missing" in verdict.diagnosis
    assert [g.passed for g in verdict.groups] == [True, False]  # only where there was something to change
    assert verdict_of(in_place).points == 2
    assert verdict_of(torch.nanmean).passed  # the cases are as they were


def test_what_is_printed_is_recorded_and_global_switches_do_not_matter(capsys):
    def noisy(x):
        print("shape", tuple(x.shape))
        assert torch.is_grad_enabled()
        return x.nanmean()

    with torch.no_grad():
        verdict = verdict_of(noisy)
    assert verdict.passed
    assert verdict.printed == "shape (2,)"
    assert capsys.readouterr().out == ""
    assert verdict_of(lambda x: print("\x1b[31m" + "y" * 10**6)).printed.endswith("…")


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
    "an array too large": lambda records: [_array([1 << 40], "")] * 6,
    "a negative size": lambda records: [_array([-1, -1], "AAAAAAAAAAA=")] * 6,
    "too few bytes": lambda records: [_array([2], "AAAAAAAAAAA=")] * 6,
    "an object dtype": lambda records: [{"value": {"dtype": "object", "shape": [], "data": ""}}] * 6,
    "no base64": lambda records: [_array([1], "*" * 12)] * 6,
    "other fields": lambda records: [{"surplus": "1"}] * 6,
    "many fields": lambda records: [{str(i): "1" for i in range(1000)}] * 6,
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
    assert (data["points"], data["status"], data["cause"]) == (2, "partly right", SPREADS)


def test_a_variant_is_right_too_and_in_its_case_only():
    def cases(rng):
        yield Case("all", {"x": torch.tensor([1.0, 2.0])})
        yield Case("all", {"x": torch.tensor([3.0, 5.0])}, variants=(torch.amax,))

    either = demo(torch.sum, cases, {"all": 1}, (), variants=(torch.mean,))
    assert verdict_of(torch.mean, either).passed
    assert verdict_of(torch.sum, either).passed
    verdict = verdict_of(torch.amax, either)
    assert not verdict.passed
    assert verdict.smallest.fetch[0] == "x = segcourse.exercises.inputs('sum', 0)"


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

    exercise = demo(Scale, cases, {"all": 1}, (), observe=build_and_call)
    assert verdict_of(Scale, exercise).passed
    assert verdict_of(lambda factor: lambda x: x * factor, exercise).passed
    assert verdict_of(lambda factor: lambda x: x + factor, exercise).points == 0


def test_large_arrays_are_told_apart_by_the_place_where_they_differ():
    def cases(rng):
        yield Case("all", {"x": torch.arange(36).reshape(6, 6)})

    def swap(x):
        return x.index_select(1, torch.tensor([0, 1, 2, 4, 3, 5]))

    smallest = verdict_of(swap, demo(torch.clone, cases, {"all": 1}, ())).smallest
    assert smallest.expected == "3 at [0, 3] of 6×6 numbers from 0 to 35"
    assert smallest.got == "4 at [0, 3] of 6×6 numbers from 0 to 35"


def test_unknown_names_get_the_nearest():
    with pytest.raises(exercises.UnknownExerciseError, match="no exercise 'dice'; did you mean 'dice_score'"):
        exercises.get("dice")


def test_broken_code_that_still_does_the_same_is_not_started_and_shows_its_symptom():
    exercise = exercises.get("mask_to_save")
    for same in (exercise.starter, lambda logits: (0 * logits[:, 0]).long()):
        verdict = exercises.assess("mask_to_save", same)
        assert (verdict.status, verdict.points) == ("not started", 0)
        assert verdict.diagnosis == exercise.symptom
        assert (verdict.smallest.expected, verdict.smallest.got) == ("[[[0, 255]]]", "[[[0, 0]]]")


def test_broken_code_that_was_changed_is_judged_as_any_answer():
    verdict = exercises.assess("mask_to_save", lambda logits: logits.argmax(dim=1) + 255)
    assert (verdict.status, verdict.points) == ("wrong", 0)
    assert exercises.get("mask_to_save").symptom not in (verdict.diagnosis or "")


@pytest.mark.parametrize("name", [name for name in exercises.names() if exercises.get(name).starter])
def test_every_starter_has_a_symptom_and_the_parameters_of_the_answer(name):
    exercise = exercises.get(name)
    assert exercise.symptom.startswith("The symptom is still there: ")
    assert inspect.signature(exercise.starter) == inspect.signature(exercise.answer)
