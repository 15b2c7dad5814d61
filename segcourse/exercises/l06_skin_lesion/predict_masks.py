"""Exercise 6.7, with an open end: masks of unseen lesions, scored by the grader."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.random import Generator

from segcourse.data.lesions import APPEARANCE, make_lesion
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observing import Explained
from segcourse.exercises.l06_skin_lesion._stand_in import network
from segcourse.metrics import dice_score


def predict_masks(images):
    """Return a mask per image, 0 skin and 1 lesion: float N x 3 x H x W in 0 … 1 to int64 N x H x W."""
    flips = ((), (-1,), (-2,), (-2, -1))
    with torch.inference_mode():
        views = [network(images.flip(axes)).softmax(dim=1).flip(axes) for axes in flips]
    return torch.stack(views).mean(dim=0).argmax(dim=1)  # N, H, W


LESIONS, SIDE = 120, 64
TIERS = {"mean Dice 0.60": 0.60, "mean Dice 0.70": 0.70, "mean Dice 0.76": 0.76}


def cases(rng: Generator) -> Iterator[Case]:
    pairs = [make_lesion(rng, SIDE, (*APPEARANCE, "tiny lesions")) for _ in range(LESIONS)]
    images, masks = (torch.from_numpy(np.stack(part)) for part in zip(*pairs, strict=True))
    given = f"{LESIONS} images of {SIDE} x {SIDE} pixels"
    yield Case("", {"images": images.movedim(-1, 1).contiguous()}, given=given, truth=masks)


def look(obj, case):
    """Observe the masks as bool, the type in which they take least room."""
    images = case.inputs["images"].float() / 255
    shape = (len(images), *images.shape[-2:])
    masks = obj(images)
    if not isinstance(masks, torch.Tensor):
        raise Explained(f"Your answer returns {_kind(masks)}; a tensor of masks is asked for.")
    if masks.is_floating_point() or masks.is_complex():
        raise Explained(
            f"Your masks have the type {masks.dtype}; class ids are asked for, 0 and 1, as int64. "
            f"`argmax(dim=1)` makes them of logits."
        )
    if masks.shape != shape:
        came = tuple(masks.shape)
        raise Explained(f"Your masks have shape {came}; N x H x W is asked for, here {shape}.")
    if not ((masks == 0) | (masks == 1)).all():
        values = sorted(set(masks.flatten().tolist()))[:4]
        raise Explained(f"Your masks hold values such as {values}; 0 is skin, and 1 is lesion.")
    return {"masks": masks.bool()}


def _kind(value: Any) -> str:
    return "None" if value is None else f"one {type(value).__name__}"


def score(case: Case, seen: Mapping[str, Any]) -> tuple[float, str]:
    """Return the mean Dice per image, and a sentence about the lesions that were missed."""
    masks, truth = seen.get("masks"), case.truth
    if not isinstance(masks, np.ndarray) or masks.shape != truth.shape:
        return 0.0, "No masks of the right size arrived."
    dice = dice_score(torch.from_numpy(masks.astype(np.int64)), truth.long())
    low, nothing = int((dice < 0.5).sum()), int((~masks.reshape(len(masks), -1).any(axis=1)).sum())
    mean = dice.mean().item()
    says = f"Your mean Dice is {mean:.3f} on {len(dice)} lesions. {low} of them have a Dice below 0.5"
    says += f"; on {nothing} images you predict no lesion at all." if nothing else "."
    above = [least for least in TIERS.values() if least > mean]
    return mean, f"{says} The next points begin at {min(above):.2f}." if above else says


def celebrate(answer):
    """Show three lesions, each with the outline that the answer predicts."""
    from segcourse.data import load_dataset
    from segcourse.plotting import outline, show_image

    images = torch.stack([sample.image for sample in load_dataset("lesions", "test", size=SIDE, count=3)])
    panels = [outline(image, mask) for image, mask in zip(images, answer(images), strict=True)]
    titles = [f"unseen lesion {number}" for number in (1, 2, 3)]
    show_image(panels, titles, alt="Three lesions with the outlines that your network draws.")


EXERCISE = Exercise(
    predict_masks,
    number="6.7",
    difficulty=3,
    minutes=20,
    groups=dict.fromkeys(TIERS, 2),
    cases=cases,
    observe=look,
    score=score,
    tiers=TIERS,
    celebrate=celebrate,
    mistakes=[],
)
