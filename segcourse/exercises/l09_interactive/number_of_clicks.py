"""Exercise 9.4: how many clicks a method needs for a good mask."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observing import Explained


def number_of_clicks(segment, next_click, target, threshold=0.85, limit=20):
    """Count the clicks after which the mask's IoU reaches the threshold; at most `limit`."""
    clicks = []
    mask = torch.zeros_like(target)
    while len(clicks) < limit:
        clicks.append(next_click(mask, target))
        mask = segment(clicks)
        intersection = ((mask == 1) & (target == 1)).sum().item()
        union = ((mask == 1) | (target == 1)).sum().item()
        if intersection / union >= threshold:
            break
    return len(clicks)


COUNT, STOP, PLAY = "the count", "threshold and limit", "what user and method get"


@dataclass
class Method:
    """A method whose mask after n clicks covers `shares[n - 1]` of the object, and `extra` other pixels.

    No mask holds another one: each begins a pixel further to the right.

    Attributes:
        given: the clicks of each call.
    """

    shares: tuple[float, ...]
    pixels: int
    extra: int = 0
    given: list = field(default_factory=list)

    def __call__(self, clicks):
        clicks = [tuple(click) for click in clicks]
        if not clicks:
            raise Explained(
                "You ask the method for a mask before the first click. Start with a mask of zeros."
            )
        self.given.append(clicks)
        mask = torch.zeros(2, self.pixels, dtype=torch.int64)
        mask[0, : round(self.shares[min(len(clicks), len(self.shares)) - 1] * self.pixels)] = 1
        mask[1, : self.extra] = 1
        return mask.roll(len(clicks) - 1, dims=1)


@dataclass
class User:
    """A user who clicks on the first wrong pixel, and loses patience after fifty clicks.

    Attributes:
        seen: how many pixels of the object were in each prediction, and how many in each target.
    """

    seen: list = field(default_factory=list)

    def __call__(self, prediction, target):
        self.seen.append((int(prediction.sum()), int(target.sum())))
        if len(self.seen) > 50:
            raise Explained(
                "Your loop asks for more than fifty clicks. It has to end when the IoU reaches the "
                "threshold, and after `limit` clicks at the latest."
            )
        wrong = (prediction != target).nonzero()
        row, column = wrong[0].tolist() if len(wrong) else (0, 0)
        return row, column, int(target[row, column])


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, shares, *traits, pixels=20, extra=0, **options):
        target = torch.zeros(2, pixels, dtype=torch.int64)
        target[0] = 1
        inputs = {"segment": Method(tuple(shares), pixels, extra), "next_click": User(), "target": target}
        options = {"threshold": 0.85} | options if options else {}  # arguments go by their place
        reached = [round(share * pixels) / (pixels + extra) for share in shares]
        listed = ", ".join(f"{one:.2f}" for one in reached[:6]) + (", …" if len(reached) > 6 else "")
        given = f"a method whose masks have an IoU of {listed} after 1, 2, … clicks"
        given += "".join(f", {name} = {value}" for name, value in options.items())
        return Case(group, inputs | options, traits, given=given)

    yield case(COUNT, [0.5, 0.7, 0.9])
    yield case(COUNT, [0.9, 1.0], "the first mask is good enough")
    yield case(COUNT, [0.1, 0.2, 0.3, 0.5, 0.6, 0.8, 0.95], "seven clicks are needed")
    yield case(COUNT, [0.5, 0.9, 0.5, 0.95, 0.3], "a later mask is worse")
    yield case(COUNT, [1.0, 0.9, 0.8], "masks have pixels too much", extra=4)
    yield case(COUNT, [0.8, 1.0], "masks have pixels too much", extra=3)
    yield case(STOP, [0.5, 0.85, 1.0], "an IoU equals the threshold")
    yield case(STOP, [0.5, 0.848, 1.0], "an IoU is just below the threshold", pixels=125)
    yield case(STOP, [0.5, 0.75, 0.8, 0.9], "a threshold is given", threshold=0.75)
    yield case(STOP, [0.5, 0.85, 0.95], "a threshold is given", threshold=0.9)
    yield case(STOP, [0.3, 0.5, 0.7, 0.9], "a threshold is given", threshold=0.4)
    yield case(STOP, [0.5, 0.95, 1.0], "a threshold is given", threshold=1)
    yield case(STOP, [0.5, 0.84, 0.856], "an IoU is just below the threshold", pixels=125, threshold=0.848)
    yield case(STOP, [0.5], "the threshold is never reached")
    yield case(STOP, [0.5], "a limit is given", "the threshold is never reached", limit=5)
    yield case(STOP, [0.5] * 4 + [0.9], "a limit is given", "the last click is good enough", limit=5)
    yield case(STOP, [0.5] * 5 + [0.9], "a limit is given", "the threshold is never reached", limit=5)
    yield case(STOP, [0.5] * 19 + [0.9], "the last click is good enough")
    yield case(STOP, [0.5], "a limit is given", "the threshold is never reached", limit=1)
    yield case(STOP, [0.0, 0.0, 0.9], "the first mask is empty")
    for _ in range(2):
        steps, pixels = int(rng.integers(3, 9)), int(rng.integers(20, 60))
        shares = [*np.sort(rng.uniform(0.1, 0.8, steps)).round(2).tolist(), 0.96]
        yield case(COUNT, shares, pixels=pixels)
        yield case(STOP, shares, "a threshold is given", pixels=pixels, threshold=shares[-2] - 0.1)
        yield case(PLAY, shares, "the object has many pixels", pixels=pixels)
    yield case(PLAY, [0.5, 0.7, 0.9])
    yield case(PLAY, [0.8, 0.3, 0.9], "a later mask is worse")
    yield case(PLAY, [0.5], "a limit is given", limit=int(rng.integers(6, 12)))
    yield case(PLAY, [0.25, 0.5, 1.0], "masks have pixels too much", extra=2)


def look(obj, case):
    """Observe the number, which clicks the method got, and which masks the user saw."""
    method, user = case.inputs["segment"], case.inputs["next_click"]
    value = obj(*case.inputs.values())
    if case.group != PLAY:
        return {"value": value}
    return {
        "value": value,
        "clicks per call": [len(clicks) for clicks in method.given],
        "clicks in order": [click for clicks in method.given for click in clicks],
        "pixels that the user saw": user.seen,
    }


def _iou(mask, target):
    return ((mask == 1) & (target == 1)).sum().item() / ((mask == 1) | (target == 1)).sum().item()


def _made(score=_iou, good=lambda score, threshold: score >= threshold, start=torch.zeros_like, passed=list,
          asked=lambda user, mask, target: user(mask, target), update=True,
          count=lambda clicks, reached: len(clicks), stop=True, put=list.append,
          bounds=lambda threshold, limit: (threshold, limit)):  # fmt: skip
    """Return an answer that does one thing differently."""

    def wrong(segment, next_click, target, threshold=0.85, limit=20):
        threshold, limit = bounds(threshold, limit)
        clicks, mask, reached = [], start(target), []
        while len(clicks) < limit:
            put(clicks, asked(next_click, mask, target))
            found = segment(passed(clicks))
            mask = found if update else mask
            if good(score(found, target), threshold):
                reached.append(len(clicks))
                if stop:
                    break
        return count(clicks, reached)

    return wrong


def _dice(mask, target):
    iou = _iou(mask, target)
    return 2 * iou / (1 + iou)


def _iou_in_float32(mask, target):
    return ((mask & target).sum() / (mask | target).sum()).item()


def _share_of_the_object(mask, target):
    return (mask * target).sum().item() / target.sum().item()


def _precision(mask, target):
    return ((mask * target).sum() / mask.sum()).item()  # NaN for an empty mask


def _over_the_sum(mask, target):
    return ((mask * target).sum() / (mask.sum() + target.sum())).item()


def _mean_of_two(mask, target):
    return (_iou(mask, target) + _iou(1 - mask, 1 - target)) / 2


def _whole_per_cents(score, threshold):
    return int(100 * score) >= int(100 * threshold)


def _all_masks(segment, next_click, target, threshold=0.85, limit=20):
    """Add each mask to the earlier ones."""
    clicks, mask = [], torch.zeros_like(target)
    while len(clicks) < limit:
        clicks.append(next_click(mask, target))
        mask = mask | segment(clicks)
        if _iou(mask, target) >= threshold:
            break
    return len(clicks)


def _best_mask(segment, next_click, target, threshold=0.85, limit=20):
    """Show the user the best mask so far."""
    clicks, best = [], torch.zeros_like(target)
    while len(clicks) < limit:
        clicks.append(next_click(best, target))
        best = max(best, segment(clicks), key=lambda mask: _iou(mask, target))
        if _iou(best, target) >= threshold:
            break
    return len(clicks)


def _one_mask_late(segment, next_click, target, threshold=0.85, limit=20):
    """Show the user the mask before the newest one."""
    clicks, masks = [], [torch.zeros_like(target)] * 2
    while len(clicks) < limit:
        clicks.append(next_click(masks[-2], target))
        masks.append(segment(clicks))
        if _iou(masks[-1], target) >= threshold:
            break
    return len(clicks)


def _twenty_at_most(segment, next_click, target, threshold=0.85, limit=20, most=None):
    """Return the limit after 20 clicks, whatever the limit is; or after `most` clicks."""
    clicks, mask = [], torch.zeros_like(target)
    for _ in range(20 if most is None else most):
        clicks.append(next_click(mask, target))
        mask = segment(clicks)
        if _iou(mask, target) >= threshold:
            return len(clicks)
    return limit


def _one_click_less(segment, next_click, target, threshold=0.85, limit=20):
    return _twenty_at_most(segment, next_click, target, threshold, limit, limit - 1)


def celebrate(answer):
    """Count the clicks that region growing needs for a lesion, for three thresholds."""
    from segcourse.classical import grow_from_clicks
    from segcourse.exercises.engine.example import lesion
    from segcourse.interactive import simulate_click
    from segcourse.plotting import outline, show_image

    image, mask, _ = lesion()
    pictures, titles = [], []
    for threshold in (0.7, 0.8, 0.9):
        given = []

        def segment(clicks):
            given[:] = clicks  # noqa: B023  (called before the next loop turn)
            return grow_from_clicks(image, clicks)

        count = answer(segment, simulate_click, mask, threshold)
        pictures.append(outline(image, grow_from_clicks(image, given)))
        titles.append(f"IoU {threshold}: {count} clicks, as you count")
    show_image(pictures, titles, alt="A lesion with three outlines, for three thresholds of the IoU.")


EXERCISE = Exercise(
    number_of_clicks,
    number="9.4",
    difficulty=2,
    minutes=15,
    groups={COUNT: 1, STOP: 2, PLAY: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        (
            "You count one click too few. The click whose mask is good enough counts, too, and a count "
            "starts at 1.",
            _made(count=lambda clicks, reached: len(clicks) - 1),
        ),
        (
            "Where the threshold is reached, your count is one too small: an index starts at 0, a count at "
            "1. Where it is never reached, your answer is right.",
            _made(count=lambda clicks, reached: reached[0] - 1 if reached else len(clicks)),
        ),
        *(
            (
                "You ask whether the IoU is above the threshold. It is enough to reach it: at least.",
                _made(score=score, good=lambda score, threshold: score > threshold),
            )
            for score in (_iou, _iou_in_float32)
        ),
        *(
            (
                "Your comparison is the wrong way round: the user stops where the IoU is still below the "
                "threshold. It has to be at least the threshold.",
                _made(good=good),
            )
            for good in (
                lambda score, threshold: score <= threshold,
                lambda score, threshold: score < threshold,
            )
        ),
        (
            "You stop only where the mask is perfect. An IoU of at least the threshold is enough.",
            _made(bounds=lambda threshold, limit: (1, limit)),
        ),
        (
            "You round the IoU before you compare it. 0.848 isn't 0.85 yet.",
            _made(good=lambda score, threshold: round(score, 2) >= threshold),
        ),
        (
            "You compare Dice with the threshold. Dice is larger than IoU, so you stop too early.",
            _made(score=_dice),
        ),
        (
            "You compare pixel accuracy with the threshold. It counts the background, too. Use IoU.",
            _made(score=lambda mask, target: (mask == target).float().mean().item()),
        ),
        (
            "You compare the share of the object that is found (recall) with the threshold. It ignores what "
            "is too much. Use IoU.",
            _made(score=_share_of_the_object),
        ),
        (
            "You return 0 where the threshold is never reached. The limit is asked for: that many "
            "clicks were made.",
            _made(count=lambda clicks, reached: len(clicks) if reached else 0),
        ),
        (
            "You return limit + 1 where the threshold is never reached. The limit is asked for.",
            _made(count=lambda clicks, reached: len(clicks) + (not reached)),
        ),
        (
            "You return None where the threshold is never reached. The limit is asked for.",
            _made(count=lambda clicks, reached: len(clicks) if reached else None),
        ),
        (
            "You stop one click before the limit. `limit` clicks are allowed.",
            _made(bounds=lambda threshold, limit: (threshold, limit - 1)),
        ),
        (
            "You return the limit, but after one click less: `range(1, limit)` ends before the limit.",
            _one_click_less,
        ),
        (
            "You stop one click after the limit. `limit` clicks are allowed.",
            _made(bounds=lambda threshold, limit: (threshold, limit + 1)),
        ),
        (
            "You always stop at an IoU of 0.85. The threshold is an argument, and 0.85 only its default.",
            _made(bounds=lambda threshold, limit: (0.85, limit)),
        ),
        (
            "You always stop at an IoU of 0.85, or after 20 clicks. Both numbers are arguments, and these "
            "are only their defaults.",
            _made(bounds=lambda threshold, limit: (0.85, 20)),
        ),
        *(
            ("You always stop after 20 clicks. The limit is an argument, and 20 only its default.", wrong)
            for wrong in (_made(bounds=lambda threshold, limit: (threshold, 20)), _twenty_at_most)
        ),
        (
            "You return the limit after the first click if its mask isn't good enough: perhaps "
            "`return limit` stands inside the loop.",
            partial(_twenty_at_most, most=1),
        ),
        (
            "You add each mask to the earlier ones. Only the newest mask counts.",
            _all_masks,
        ),
        (
            "You keep the best mask so far. The user has to see the newest mask, even if it is worse.",
            _best_mask,
        ),
        (
            "You show the user the mask before the newest one.",
            _one_mask_late,
        ),
        (
            "You return the list of clicks. Their number is asked for: its length.",
            _made(count=lambda clicks, reached: clicks),
        ),
        (
            "You compare precision with the threshold: the share of the mask that lies on the object. It "
            "ignores what is missing. Use IoU.",
            _made(score=_precision),
        ),
        (
            "You divide by the pixels of both masks added up. Pixels that lie in both count once in the "
            "union.",
            _made(score=_over_the_sum),
        ),
        (
            "You compare the mean IoU of object and background with the threshold. The object's IoU is asked "
            "for.",
            _made(score=_mean_of_two),
        ),
        (
            "You cut IoU and threshold to whole per cents. 0.84 isn't 0.848 yet.",
            _made(good=_whole_per_cents),
        ),
        (
            "You count the last click whose mask is good enough. The user stops at the first one.",
            _made(stop=False, count=lambda clicks, reached: reached[-1] if reached else len(clicks)),
        ),
        (
            "You count how many masks are good enough. The number of the first one is asked for.",
            _made(stop=False, count=lambda clicks, reached: len(reached)),
        ),
        (
            "You count all clicks up to the limit. The user stops when the mask is good enough.",
            _made(stop=False),
        ),
        (
            "Your count is right, but you go on clicking after the mask is good enough. Leave the loop: each "
            "click costs time.",
            _made(stop=False, count=lambda clicks, reached: (reached or [len(clicks)])[0]),
        ),
        (
            "You give the method the last click only. It gets all clicks so far.",
            _made(passed=lambda clicks: clicks[-1:]),
        ),
        (
            "You give the method the clicks in reverse order. The newest one comes last.",
            _made(put=lambda clicks, click: clicks.insert(0, click)),
        ),
        (
            "You show the user the same empty mask at every click. The user has to see the newest mask.",
            _made(update=False),
        ),
        (
            "You give the user the target as the prediction and the prediction as the target. The prediction "
            "comes first.",
            _made(asked=lambda user, mask, target: user(target, mask)),
        ),
        (
            "You start with a full mask. Before the first click, the mask is empty.",
            _made(start=torch.ones_like),
        ),
        (
            "You start with the target as the first mask. Before the first click, the mask is empty.",
            _made(start=torch.clone),
        ),
    ],
    finished=("segcourse.interactive.clicks:number_of_clicks", "segcourse.interactive.clicks:click_by_click"),
)
