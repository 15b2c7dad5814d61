"""Exercise 6.7: the open end. What a mask must be, what it scores, and what the text promises."""

import pytest
import torch
from contract import exercise_text

from segcourse import exercises
from segcourse.classical import otsu
from segcourse.exercises.engine.exercise import draw
from segcourse.exercises.l06_skin_lesion.predict_masks import TIERS, look, score

NAME = "predict_masks"


def flat(images):
    return torch.zeros(len(images), *images.shape[-2:], dtype=torch.int64)


def truth_of(seed):
    """Return an answer that knows the masks of the cases of a seed."""
    return lambda images: draw(exercises.get(NAME), seed)[0].truth


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.int64])
def test_true_masks_of_any_type_earn_every_point(dtype):
    verdict = exercises.assess(NAME, lambda images: truth_of(5)(images).to(dtype), seed=5)
    assert (verdict.passed, verdict.score) == (True, 1.0)


def test_a_threshold_does_not_reach_the_first_points():
    verdict = exercises.assess(NAME, lambda images: torch.stack([otsu(one) for one in images]), seed=5)
    assert 0.4 < verdict.score < min(TIERS.values())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda images: None, "Your answer returns None; a tensor of masks is asked for"),
        (lambda images: flat(images).numpy(), "Your answer returns one ndarray"),
        (lambda images: flat(images).float(), "Your masks have the type torch.float32"),
        (lambda images: flat(images)[:, None], "Your masks have shape (120, 1, 64, 64); N x H x W"),
        (lambda images: flat(images)[:5], "Your masks have shape (5, 64, 64)"),
        (lambda images: flat(images) + 255, "Your masks hold values such as [255]; 0 is skin"),
        (flat, "on 120 images you predict no lesion at all. The next points begin at 0.60."),
        (lambda images: images.nothing, "has no attribute called nothing"),
    ],
)
def test_a_reply_says_what_is_wrong(answer, words):
    verdict = exercises.assess(NAME, answer)
    assert words in verdict.diagnosis
    assert verdict.points == 0


def test_the_grader_draws_other_lesions_than_the_practice():
    practice, graded = (draw(exercises.get(NAME), seed)[0] for seed in (None, 5))
    assert not practice.inputs["images"].equal(graded.inputs["images"])
    assert exercises.assess(NAME, truth_of(None), seed=5).points == 0


def test_the_images_are_float_from_0_to_1():
    case = draw(exercises.get(NAME))[0]
    seen = []
    look(lambda images: seen.append(images) or flat(images), case)
    assert (seen[0].dtype, tuple(seen[0].shape)) == (torch.float32, (120, 3, 64, 64))
    assert 0.9 < seen[0].max() <= 1
    assert case.truth.flatten(1).any(dim=1).all()  # no lesion is missing, so that every Dice is a number


def test_the_score_is_the_mean_of_one_dice_per_lesion():
    case = draw(exercises.get(NAME))[0]
    half = case.truth.clone()
    half[::2] = 0
    assert score(case, {"masks": half.bool().numpy()})[0] == pytest.approx(0.5)


def test_the_text_tells_the_tiers():
    text = exercise_text(NAME)
    assert all(f"{least:.2f}" in text for least in TIERS.values())
