"""Exercise 9.4: right answers in other styles, promises and their breakers, mutants that are equal."""

import torch
from contract import Contract

from segcourse import iou_score
from segcourse.exercises.l09_interactive import number_of_clicks as module
from segcourse.exercises.l09_interactive.number_of_clicks import number_of_clicks as answer
from segcourse.interactive import number_of_clicks


def library(segment, next_click, target, threshold=0.85, limit=20):
    return number_of_clicks(segment, target, threshold, limit, next_click)


def by_range(method, user, truth, enough=0.85, most=20):
    found, given = truth * 0, ()
    for number in range(1, most + 1):
        given = (*given, user(found, truth))
        found = method(given)
        if iou_score(found[None], truth[None]) >= enough:
            return number
    return most


def by_float32(segment, next_click, target, threshold=0.85, limit=20):
    """Compare an IoU that was rounded to float32 with a threshold that was not."""
    clicks, mask, iou = [], torch.zeros_like(target), 0
    while iou < threshold and len(clicks) < limit:
        clicks.append(next_click(mask, target))
        mask = segment(clicks)
        iou = ((mask & target).sum() / (mask | target).sum()).item()
    return len(clicks)


def by_recursion(segment, next_click, target, threshold=0.85, limit=20, clicks=(), mask=None):
    mask = torch.zeros(target.shape, dtype=torch.uint8) if mask is None else mask
    clicks = [*clicks, next_click(mask, target)]
    mask = segment(clicks)
    both = (mask.bool() & target.bool()).sum()
    if both / (mask.sum() + target.sum() - both) >= threshold or len(clicks) == limit:
        return len(clicks)
    return by_recursion(segment, next_click, target, threshold, limit, clicks, mask)


def by_exception(segment, next_click, target, threshold=0.85, limit=20):
    class Done(Exception):
        pass

    wanted, given, mask = target.numpy() == 1, [], torch.zeros_like(target, dtype=torch.bool)
    try:
        while True:
            given += [next_click(mask, target)]
            mask = segment(given) > 0
            missed = (mask.numpy() ^ wanted).sum()
            if 1 - missed / (mask.numpy() | wanted).sum() > threshold - 1e-9 or len(given) >= limit:
                raise Done
    except Done:
        return sum(1 for _ in given)


def endless(segment, next_click, target, threshold=0.85, limit=20):
    return answer(segment, next_click, target, threshold, 10**6)


def changing(segment, next_click, target, *bounds):
    count = answer(segment, next_click, target, *bounds)
    target.zero_()
    return count


def twice(segment, *others):
    return answer(lambda clicks: segment(clicks) * segment(clicks), *others)


def too_early(segment, *others):
    segment([])
    return answer(segment, *others)


class TestNumberOfClicks(Contract):
    name = "number_of_clicks"
    library = staticmethod(library)
    right = {"float32": by_float32, "range": by_range, "recursion": by_recursion, "exception": by_exception}
    promises = (
        ("`segment(clicks)` returns a mask H x W", "what user and method get", module._made(passed=lambda clicks: clicks[-1:])),
        ("for the list of all clicks so far, the newest one last", "what user and method get",
         module._made(put=lambda clicks, click: clicks.insert(0, click))),
        ("`next_click(prediction, target)` returns", "what user and method get",
         module._made(asked=lambda user, mask, target: user(target, mask))),
        ("Before the first click, the prediction is a mask of zeros", "what user and method get", module._made(start=torch.ones_like),
         module._made(start=torch.clone)),
        ("later, it is the mask that `segment` returned last", "what user and method get", module._made(update=False),
         module._one_mask_late),
        ("later, it is the mask that `segment` returned last", "a later mask is worse", module._all_masks, module._best_mask),
        ("called once per click, and not before the first one", "what user and method get", twice, too_early),
        ("never an empty one", "the count", lambda s, n, t, *b: answer(s, n, t * 0, *b)),
        ("the user stops as soon as the IoU", "what user and method get",
         module._made(stop=False, count=lambda clicks, reached: (reached or [len(clicks)])[0])),
        ("the user stops as soon as the IoU", "a later mask is worse", module._made(stop=False),
         module._made(stop=False, count=lambda clicks, reached: reached[-1] if reached else len(clicks))),
        ("the IoU of mask and target", "masks have pixels too much", module._made(score=module._share_of_the_object),
         module._made(score=module._dice)),
        ("is at least the threshold", "an IoU equals the threshold",
         module._made(good=lambda score, threshold: score > threshold)),
        ("is at least the threshold", "an IoU is just below the threshold",
         module._made(good=lambda score, threshold: round(score, 2) >= threshold),
         module._made(good=module._whole_per_cents)),
        ("0.85 if it is not given", "an IoU equals the threshold", lambda s, n, t, threshold=0.9, limit=20:
         answer(s, n, t, threshold, limit)),
        ("a number above 0 and at most 1", "a threshold is given", module._made(bounds=lambda threshold, limit: (0.85, limit))),
        ("1 or larger", "a limit is given", module._made(bounds=lambda threshold, limit: (threshold, 20)),
         module._made(bounds=lambda threshold, limit: (threshold, limit - 1))),
        ("20 if it is not given", "the threshold is never reached",
         lambda s, n, t, threshold=0.85, limit=19: answer(s, n, t, threshold, limit)),
        ("gives up after `limit` clicks", "the threshold is never reached", endless,
         module._made(bounds=lambda threshold, limit: (threshold, limit + 1))),
        ("returns the number of clicks, an int", "the count", module._made(count=lambda clicks, reached: clicks),
         module._made(count=lambda clicks, reached: float(len(clicks)))),
        ("returns the number of clicks, an int", "the last click is good enough",
         module._made(count=lambda clicks, reached: len(clicks) - 1)),
        ("the limit if the user gives up", "the threshold is never reached",
         module._made(count=lambda clicks, reached: len(clicks) if reached else 0)),
        ("never changes its inputs", "the count", changing),
    )  # fmt: skip
    equal = {
        r"^clicks = \[\]; mask = .*  ->  mask": "the order of the two lines does not matter",
        r"^intersection = .*; union = .*  ->  union": "the order of the two lines does not matter",
        r"target == 1\) & \(mask|target == 1\) \| \(mask": "the same pixels in another order",
        r"->  target = target\.": "masks hold 0 and 1",
        r"->  (intersection|union) = [^;]*\.sum\(\)$": "a tensor of one number divides alike",
        r"->  limit = int\(limit\)$": "limits are ints",
    }
    said = (
        (twice, "Call by call, the method gets 1, 1, 2, 2, "),
        (too_early, "You ask the method for a mask before the first click."),
        (endless, "Your loop asks for more than fifty clicks"),
        (module._made(count=lambda clicks, reached: float(len(clicks))), "a float, and an int is asked for"),
    )
