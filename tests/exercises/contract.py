"""What every exercise promises, as tests that each exercise's own file fills with its tables."""

import functools
import inspect
import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from mutants import Mutant, mutants
from torch import nn

from segcourse import exercises
from segcourse.course import lessons
from segcourse.exercises.engine.exercise import ONCE_MORE, Case, draw
from segcourse.exercises.engine.judging import judge, observed
from segcourse.exercises.engine.observations import alike, decode, differences, encode
from segcourse.exercises.engine.observing import observe

SEEDS = range(20)
CONSTANTS = {"0": 0.0, "1": 1.0, "NaN": math.nan, "None": None, "text": "0.5", "a tensor": torch.tensor(0.5)}
# mutants that do the same as the answer, wherever they appear: part of the change -> why
ALWAYS_EQUAL = {
    r"\.(nan_to_num|squeeze|T|flip|abs|round)\b.*$": "it changes nothing about a result of this kind",
    r"->  return .*\.detach\(\)$": "nothing here is differentiated",
    r"^\s*->  \w+ = \w+\.(float|double|long|detach)\(\)$": "the inputs are so already, or as precise",
    r"^def __init__.*->  def forward": "the order of methods does not matter",
}


class Contract:
    """Subclass as TestNAME; pytest runs every method below for the exercise.

    Attributes:
        name: the exercise.
        library: the library's own implementation, which must agree with the answer on every case.
        right: right answers in other styles, by a word for the style.
        promises: (words of the lesson's text, trait or group of cases, answers that break the promise and
            must fail there).
        equal: mutants that do the same as the answer: a pattern of the change -> the reason.
        said: wrong answers, and words that the reply to them must contain.
    """

    name: str
    library: Any
    right: Mapping[str, Any]
    promises: Sequence[tuple]
    equal: Mapping[str, str] = {}
    said: Sequence[tuple[Any, str]] = ()

    @property
    def exercise(self) -> exercises.Exercise:
        return exercises.get(self.name)

    @pytest.mark.parametrize("seed", [None, 1, 2026])
    def test_right_answers_in_other_styles_get_every_point(self, seed):
        assert len(self.right) >= 3
        for style, answer in self.right.items():
            verdict = exercises.assess(self.name, answer, seed)
            assert verdict.passed, (style, verdict.diagnosis, verdict.smallest)

    @pytest.mark.parametrize("seed", [None, 3])
    def test_answer_and_library_agree_on_every_case(self, seed):
        for answer in (self.exercise.answer, self.library):
            verdict = exercises.assess(self.name, answer, seed, own=False)
            assert verdict.passed, (answer, verdict.diagnosis, verdict.smallest)

    def test_the_answer_never_stops_or_changes_its_input(self):
        for seed in range(5):
            for case in draw(self.exercise, seed):
                assert not {"error", "changed"} & observe(self.exercise, self.exercise.answer, case).keys()

    def test_each_mistake_is_rejected_by_its_own_sentence(self):
        """That separates every pair, too: if two looked alike, one would get the other's sentence."""
        missed = set()
        for seed, mistake in zip(itertools.cycle([None, 1]), self.exercise.misconceptions, strict=False):
            cases = draw(self.exercise, seed)
            record = [encode(observed(self.exercise, mistake.wrong, case)) for case in cases]
            verdict = judge(self.exercise, record, cases)
            assert not verdict.passed, mistake.says
            assert mistake.says in (verdict.diagnosis or ""), (mistake.says, verdict.diagnosis)
            assert (verdict.cause, verdict.partly) == (mistake.says, False)
            missed |= {group.name for group in verdict.groups if not group.passed}
        assert missed == set(self.exercise.groups)

    def test_sentences_are_enough_and_start_with_what_was_done(self):
        """Variants of one mistake, where the text leaves a choice, share its sentence."""
        sentences = {mistake.says for mistake in self.exercise.misconceptions}
        assert len(sentences) >= 6
        for sentence in sentences:
            assert re.match(r"[A-Z].*[.)]$", sentence), sentence

    def test_promises_stand_in_the_text_and_break_where_the_table_says(self):
        text = " ".join(exercise_text(self.name).split())
        for words, place, *breakers in self.promises:
            assert words in text, words
            assert breakers, words
            for breaker in breakers:
                for seed in (None, 5):
                    cases = [c for c in draw(self.exercise, seed) if place in (*c.traits, c.group)]
                    assert cases, f"no case has the trait or group {place!r}"
                    assert any(self.rejects(breaker, case) for case in cases), (words, place, breaker)

    def test_every_bullet_of_the_text_is_a_promise(self):
        bullets = re.findall(r"(?m)^- ((?:.+\n?)(?:^ {2,}\S.*\n?)*)", exercise_text(self.name))
        assert bullets
        for bullet in (" ".join(bullet.split()) for bullet in bullets):
            assert any(words in bullet for words, *_ in self.promises), bullet

    def test_mutants_of_the_answer_are_rejected(self):
        """At least 98 % of those that differ in meaning, by the cases of each of twenty seeds."""
        different = self.different_mutants()
        alive = [mutant for mutant in different if not self.always_rejects(mutant.obj)]
        assert len(different) >= 10
        assert len(alive) <= 0.02 * len(different), "\n".join(map(str, alive))

    def different_mutants(self) -> list[Mutant]:
        patterns = (*self.equal, *ALWAYS_EQUAL)
        every = mutants(self.exercise.answer)
        return [m for m in every if not any(re.search(pattern, m.change) for pattern in patterns)]

    def always_rejects(self, obj: Any) -> bool:
        """By a case that all seeds have in common, or with each seed by another case."""
        return any(self.rejects(obj, case) for case in self.fixed) or all(
            any(self.rejects(obj, case) for case in cases) for cases in self.drawn
        )

    @functools.cached_property
    def fixed(self) -> list[Case]:
        return [case for i, case in enumerate(draw(self.exercise, 0)) if i in self.in_common]

    @functools.cached_property
    def drawn(self) -> list[list[Case]]:
        every = (draw(self.exercise, seed) for seed in SEEDS)
        return [[case for i, case in enumerate(cases) if i not in self.in_common] for cases in every]

    @functools.cached_property
    def in_common(self) -> set[int]:
        one, other = (map(fingerprint, draw(self.exercise, seed)) for seed in (0, 1))
        return {i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a == b}

    def rejects(self, obj: Any, case: Case) -> bool:
        seen = decode(observe(self.exercise, obj, case))
        answers = (self.exercise.answer, *self.exercise.variants, *case.variants)
        return all(differences(seen, observed(self.exercise, a, case), case.tolerance) for a in answers)

    def test_replies_say_what_was_seen(self):
        for wrong, words in self.said:
            verdict = exercises.assess(self.name, wrong, own=False)
            assert not verdict.passed
            assert words in (verdict.diagnosis or ""), (words, verdict.diagnosis)

    @pytest.mark.parametrize("constant", CONSTANTS.values(), ids=CONSTANTS)
    def test_a_constant_gets_no_point(self, constant):
        assert exercises.assess(self.name, lambda *inputs: constant).points == 0
        if isinstance(self.exercise.answer, type):
            assert exercises.assess(self.name, lambda *sizes: lambda *inputs: constant).points == 0

    def test_handing_an_input_back_gets_no_point(self):
        for which in (0, -1):
            assert exercises.assess(self.name, lambda *inputs, which=which: inputs[which]).points == 0

    def test_results_learned_by_heart_get_no_point_on_other_cases(self):
        """The practice cases' results, replayed in order, are worth nothing when the grader draws its own."""
        if isinstance(self.exercise.answer, type):
            pytest.skip("a class is built anew for each case, and its result depends on weights by rule")
        results = itertools.cycle(
            [self.exercise.answer(*case.inputs.values()) for case in draw(self.exercise)]
        )
        assert not exercises.assess(self.name, lambda *inputs: next(results), seed=4711).passed

    def test_other_seeds_draw_other_cases_in_every_group(self):
        one, other = (draw(self.exercise, seed) for seed in (1, 2))
        fresh = {a.group for a, b in zip(one, other, strict=True) if fingerprint(a) != fingerprint(b)}
        assert fresh == set(self.exercise.groups)

    def test_the_last_case_is_the_first_once_more(self):
        assert ONCE_MORE in draw(self.exercise)[-1].traits

    def test_the_untouched_stub_is_not_started_and_a_written_answer_is(self):
        from segcourse.course.solutions import stub

        names = dict(vars(inspect.getmodule(self.exercise.answer)))  # what a starter uses is imported there
        exec(stub(self.exercise), names)
        verdict = exercises.assess(self.name, names[self.name])
        assert verdict.status == "not started"
        assert (verdict.diagnosis or "") == self.exercise.symptom
        assert not self.exercise.starter or not any(group.passed for group in verdict.groups)
        assert not alike({"error": "x"}, {"value": torch.zeros(1).numpy()}, 1e-4)


def fingerprint(case: Case) -> str:
    """Return the case's inputs as text; networks by their numbers of parameters."""

    def told(value: Any) -> str:
        if isinstance(value, torch.Tensor):
            return (
                f"{value.dtype}{tuple(value.shape)}{value.float().sum().item()}{value.flatten()[:9].tolist()}"
            )
        if isinstance(value, nn.Module):
            return str([tuple(p.shape) for p in value.parameters()])
        return repr(value)

    return " ".join(map(told, case.inputs.values()))


def exercise_text(name: str) -> str:
    """Return the lesson's text of an exercise, from its heading to its first hint."""
    for cell in lessons.notebook(exercises.get(name).lesson).cells:
        if cell.cell_type == "markdown" and re.search(rf"(?m)^### Exercise [\d.]+ · `{name}`", cell.source):
            return cell.source.partition("<details>")[0]
    raise AssertionError(f"the lesson has no text for {name}")


def nothing_changes(function: Callable) -> Callable:
    """Return an answer that does its work and then doubles its first input in place."""

    @functools.wraps(function)
    def changing(first, *others):
        result = function(first, *others)
        first.mul_(2)
        return result

    return changing
