"""Exercise 1.2: one channel per class."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.random import Generator
from torch.nn import functional as F

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l05_losses_metrics._draw import ids, random_ids


def one_hot(mask, num_classes):
    """Turn class ids (…, H, W) into one channel of 0 and 1 per class, (…, num_classes, H, W)."""
    classes = torch.arange(num_classes).reshape(-1, 1, 1)  # C, 1, 1
    return (mask.unsqueeze(-3) == classes).long()


SINGLE, ABSENT, VOID, BATCHES = "single masks", "absent classes", "void pixels", "batches, integer types"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, mask, num_classes, *traits):
        traits += ("there is a batch",) if mask.ndim == 3 else ()
        return Case(group, {"mask": mask, "num_classes": num_classes}, traits)

    yield case(SINGLE, ids([[0, 1], [1, 1]]), 2)
    yield case(SINGLE, ids([[0, 2, 1]]), 3, "the mask has 1 x 3 pixels")
    yield case(ABSENT, ids([[0, 1], [1, 0]]), 4, "the last classes are absent")
    yield case(ABSENT, ids([[2, 1], [2, 2]]), 3, "class 0 is absent")
    yield case(ABSENT, ids([[0, 0], [0, 0]]), 1, "there is one class only")
    yield case(VOID, ids([[0, 255], [1, 1]]), 2, "one pixel is void")
    yield case(VOID, ids([[255, 255]]), 2, "every pixel is void")
    yield case(VOID, ids([[255, 2], [1, 0]], torch.uint8), 3, "one pixel is void, and the mask is uint8")
    yield case(SINGLE, random_ids(rng, 3, 4, 4), 3, "the mask has 4 x 4 pixels")
    yield case(SINGLE, random_ids(rng, 3, 3, 3), 3, "there are as many classes as rows and columns")
    yield case(ABSENT, random_ids(rng, 3, 4, 5), 5, "two of five classes are absent")
    void = random_ids(rng, 4, 5, 6)
    void[torch.from_numpy(rng.random((5, 6)) < 0.3)] = 255
    void[0, :2] = torch.tensor([255, 3])
    yield case(VOID, void, 4, "a third of the pixels is void")
    yield case(BATCHES, random_ids(rng, 3, 2, 4, 5), 3, "there is a batch of two")
    yield case(BATCHES, random_ids(rng, 3, 1, 4, 5), 3, "there is a batch of one")
    yield case(BATCHES, random_ids(rng, 3, 3, 3, 3), 3, "every axis has three places")
    for dtype in (torch.uint8, torch.int16, torch.int32):
        name = str(dtype).removeprefix("torch.")
        yield case(BATCHES, random_ids(rng, 4, 5, 3).to(dtype), 4, f"the mask is {name}")
    yield case(BATCHES, random_ids(rng, 150, 16, 20).byte(), 150, "150 classes are stored as uint8")


def _last(mask, num_classes):
    return one_hot(mask, num_classes).movedim(-3, -1)


def _cut(channels):
    return channels.movedim(-3, -1).reshape(channels.shape)


def _by_function(mask, num_classes):
    return F.one_hot(mask, num_classes).movedim(-1, -3)


def _void_is_channel(which):
    def wrong(mask, num_classes):
        return one_hot(mask.masked_fill(mask == 255, which % num_classes), num_classes)

    return wrong


def _as_large_as_seen(at_least):
    def wrong(mask, num_classes):
        known = mask[mask != 255]
        return one_hot(mask, int(known.max()) + 1 if known.numel() else at_least)

    return wrong


def _occurring(known):
    """Return an answer with one channel per value that occurs and that `known` accepts."""

    def wrong(mask, num_classes):
        return torch.stack([(mask == k).long() for k in mask.unique() if known(k)], dim=-3)

    return wrong


def _stacked_from_one(mask, num_classes):
    return torch.stack([(mask == k).long() for k in range(1, num_classes)], dim=-3)


def _void_holds(number):
    def wrong(mask, num_classes):
        return one_hot(mask, num_classes) + number * (mask == 255).unsqueeze(-3)

    return wrong


def _first_of_batch(mask, num_classes):
    return one_hot(mask[0] if mask.ndim == 3 else mask, num_classes)


def _ordinal(mask, num_classes):
    classes = torch.arange(num_classes).reshape(-1, 1, 1)
    return (mask.unsqueeze(-3) >= classes).long() * (mask != 255).unsqueeze(-3)


def _void_has_a_channel(mask, num_classes):
    known = torch.where(mask == 255, num_classes, mask.long())
    return F.one_hot(known, num_classes + 1).movedim(-1, -3)


def _from_one(mask, num_classes):
    return (mask.unsqueeze(-3) == torch.arange(1, num_classes + 1).reshape(-1, 1, 1)).long()


def celebrate(answer):
    """Show the channels of a lesion's mask."""
    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import show_image

    channels = answer(lesion().mask, 2)
    pictures = [lesion().image, *(channel.float().cpu() for channel in channels)]
    titles = ["picture", "your channel 0: skin", "your channel 1: lesion"]
    show_image(pictures, titles, alt="A lesion; a white picture with a black lesion; and the reverse.")


EXERCISE = Exercise(
    one_hot,
    number="1.2",
    difficulty=2,
    minutes=10,
    groups={SINGLE: 1, ABSENT: 1, VOID: 1, BATCHES: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "Your class axis comes last, (…, H, W, C), as `F.one_hot` returns it. Networks of PyTorch have "
            "the class axis before height and width: move it there.",
            _last,
        ),
        (
            "You bring C to the front by `reshape`. That only cuts the same row of numbers in other places, "
            "so the channels mix pixels. `movedim` or `permute` moves an axis.",
            lambda mask, n: _cut(one_hot(mask, n)),
        ),
        (
            "Your class axis is the very first one, also for a batch: C x N x H x W. The batch comes "
            "first: N x C x H x W.",
            lambda mask, n: one_hot(mask, n).movedim(-3, 0),
        ),
        (
            "Your class axis is the second one, also for a single mask: H x C x W. A single mask has no "
            "batch axis, so there the class axis comes first.",
            lambda mask, n: one_hot(mask, n).movedim(-3, 1),
        ),
        (
            "You return num_classes + 1 channels: the last one shows the void pixels. Leave that channel "
            "out.",
            _void_has_a_channel,
        ),
        (
            "Your height and width are exchanged. Move only the class axis.",
            lambda mask, n: one_hot(mask, n).mT,
        ),
        (
            "Your code passes the mask to `F.one_hot` as it is. `F.one_hot` wants int64, and no id outside "
            "0 … C - 1, so that uint8 masks and void pixels (255) stop it.",
            _by_function,
        ),
        (
            "Your code passes the mask to `F.one_hot` as int64, and void pixels (255) stop it there: 255 is "
            "no class.",
            lambda mask, n: _by_function(mask.long(), n),
        ),
        (
            "Your void pixels are class 0. A void pixel belongs to no class: it is 0 in every channel.",
            _void_is_channel(0),
        ),
        (
            "Your void pixels are in the last class. A void pixel belongs to no class: it is 0 in every "
            "channel.",
            _void_is_channel(-1),
        ),
        (
            "Your void pixels are 1 in every channel. They belong to no class: 0 in every channel.",
            lambda mask, n: one_hot(mask, n) | (mask == 255).long().unsqueeze(-3),
        ),
        *(
            (
                "You make channels only up to the largest id in the mask. There must be num_classes "
                "channels, with zeros for absent classes: otherwise two masks don't fit together.",
                wrong,
            )
            for wrong in (
                _as_large_as_seen(0),
                _as_large_as_seen(1),
                lambda mask, n: F.one_hot(mask.long()).movedim(-1, -3),
            )
        ),
        (
            "You make one channel for each value that occurs in the mask. There must be num_classes "
            "channels, and channel k must belong to class k in every mask.",
            _occurring(lambda k: True),
        ),
        (
            "Your channel k holds the number k where the mask is k. It must hold 1 there.",
            lambda mask, n: one_hot(mask, n) * torch.arange(n).reshape(-1, 1, 1),
        ),
        (
            "Your pixels are 1 in their own channel and in all channels before it. A pixel is 1 in its own "
            "channel only: compare with `==`.",
            _ordinal,
        ),
        (
            "Your first channel belongs to class 1. Classes are numbered from 0, and the background is a "
            "class like any other.",
            _from_one,
        ),
        (
            "Your 0 and 1 are exchanged: channel k must be 1 where the mask is k.",
            lambda mask, n: 1 - one_hot(mask, n),
        ),
        (
            "You make one channel for each class that occurs in the mask. There must be num_classes "
            "channels, with zeros for absent classes: otherwise two masks don't fit together.",
            _occurring(lambda k: k != 255),
        ),
        *(
            (
                "Class 0 has no channel in your result. The background is a class like any other: there "
                "must be num_classes channels.",
                wrong,
            )
            for wrong in (
                _stacked_from_one,
                lambda mask, n: torch.tensor(np.stack([mask == k for k in range(1, n)], axis=-3)),
                lambda mask, n: one_hot(mask, n)[..., 1:, :, :],
            )
        ),
        (
            "Only your channel of class 0 is filled. A `return` that is indented too far ends a loop after "
            "its first turn.",
            lambda mask, n: one_hot(mask, n) * (torch.arange(n) == 0).long().reshape(-1, 1, 1),
        ),
        (
            "You move the class axis by `permute(2, 0, 1)`, which fits a single mask only. Move it by "
            "`movedim(-1, -3)`, for single masks and batches.",
            lambda mask, n: one_hot(mask, n).movedim(-3, -1).permute(2, 0, 1),
        ),
        (
            "You move the class axis by `permute(0, 3, 1, 2)`, which fits a batch only. Move it by "
            "`movedim(-1, -3)`, for single masks and batches.",
            lambda mask, n: one_hot(mask, n).movedim(-3, -1).permute(0, 3, 1, 2),
        ),
        (
            "You compare class k with picture k of the batch: both are the first axis. Give the mask a class "
            "axis first: `mask.unsqueeze(-3)`.",
            lambda mask, n: (mask == torch.arange(n).reshape(-1, 1, 1)).long(),
        ),
        (
            "Your channel of class 0 is 0 everywhere. The background is a class like any other: start at 0.",
            lambda mask, n: one_hot(mask, n) * (torch.arange(n) > 0).long().reshape(-1, 1, 1),
        ),
        (
            "Your channel of the last class is 0 everywhere. `range(num_classes)` ends with the last class "
            "already.",
            lambda mask, n: one_hot(mask, n) * (torch.arange(n) < n - 1).long().reshape(-1, 1, 1),
        ),
        *(
            (
                f"Your void pixels hold {number} in every channel. They belong to no class: 0 in every "
                "channel.",
                _void_holds(number),
            )
            for number in (255, -1, torch.nan)
        ),
        *(
            (
                "You encode only the first mask of a batch. Every mask of the batch has its own channels: "
                "N x num_classes x H x W.",
                wrong,
            )
            for wrong in (
                _first_of_batch,
                lambda mask, n: _first_of_batch(mask, n)[(None,) * (mask.ndim - 2)],
            )
        ),
        (
            "Your result has a batch axis for a single mask, too: 1 x C x H x W. A single mask gives "
            "C x H x W.",
            lambda mask, n: one_hot(mask, n)[(None,) * (3 - mask.ndim)],
        ),
        (
            "Your batch of one has lost its batch axis. A batch of one gives 1 x C x H x W: squeeze only an "
            "axis that you added.",
            lambda mask, n: one_hot(mask, n).squeeze(0) if mask.ndim == 3 else one_hot(mask, n),
        ),
        *(
            (
                f"{says_where} Besides, {says_void}",
                lambda mask, n, wrong=wrong, place=place: place(wrong(mask, n)),
            )
            for says_where, place in (
                (
                    "Your class axis comes last: move it before height and width.",
                    lambda channels: channels.movedim(-3, -1),
                ),
                (
                    "Your class axis is the first one also for a batch, where N comes first.",
                    lambda channels: channels.movedim(-3, 0),
                ),
                (
                    "Your class axis is the second one also for a single mask, which has no batch axis.",
                    lambda channels: channels.movedim(-3, 1),
                ),
                ("You bring C to the front by `reshape`, which mixes pixels: use `movedim`.", _cut),
            )
            for says_void, wrong in (
                (
                    "void pixels (255) stop `F.one_hot`: 255 is no class.",
                    lambda mask, n: _by_function(mask.long(), n),
                ),
                ("your void pixels are class 0: they must be 0 in every channel.", _void_is_channel(0)),
                ("you return one channel more, for void pixels: leave that one out.", _void_has_a_channel),
            )
        ),
    ],
)
