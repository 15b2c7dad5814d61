"""Exercise 2.5: fuse coarse scores with those of a map twice as fine."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from segcourse.exercises.engine.exercise import Case, Exercise


def fuse_scores(coarse, fine):
    """Double the coarse scores, cut what is beyond the fine ones, and add."""
    large = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)  # N, C, 2h, 2w
    return large[..., : fine.shape[-2], : fine.shape[-1]] + fine  # N, C, H, W


EVEN, ODD, LEARN = "even sizes", "odd sizes", "gradients"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, coarse, fine, *traits, observe=None):
        return Case(group, {"coarse": coarse, "fine": fine}, traits, observe)

    def scores(*size):
        return torch.from_numpy(rng.normal(0.5, 2, size)).float()

    step = torch.tensor([[[[0.0, 4.0]]]])
    yield case(EVEN, step, torch.zeros(1, 1, 2, 4), "fine is 0 everywhere")
    yield case(EVEN, torch.zeros(1, 1, 1, 2), torch.arange(8.0).reshape(1, 1, 2, 4), "coarse is 0 everywhere")
    yield case(EVEN, scores(1, 1, 2, 3), scores(1, 1, 4, 6), "there is one class")
    yield case(EVEN, scores(2, 3, 3, 2), scores(2, 3, 6, 4), "there are two pictures and three classes")
    yield case(ODD, step, torch.zeros(1, 1, 1, 4), "fine has one row")
    yield case(ODD, scores(1, 2, 2, 3), scores(1, 2, 3, 6), "the number of rows is odd")
    yield case(ODD, scores(1, 2, 3, 2), scores(1, 2, 6, 3), "the number of columns is odd")
    yield case(ODD, scores(2, 2, 4, 3), scores(2, 2, 7, 5), "both are odd")
    yield case(ODD, scores(1, 2, 1, 1), scores(1, 2, 1, 1), "each map has a single cell")
    rows, columns = (int(n) for n in rng.integers(5, 12, 2))
    sizes = (-(-rows // 2), -(-columns // 2)), (rows, columns)
    yield case(ODD, scores(1, 2, *sizes[0]), scores(1, 2, *sizes[1]))
    yield case(LEARN, scores(1, 2, 2, 3), scores(1, 2, 3, 6), "gradients are computed", observe=gradients)


MODES = "bilinear", "nearest"


def gradients(function, case) -> dict:
    """Observe the result and the gradients of both inputs."""
    coarse, fine = (x.clone().requires_grad_() for x in case.inputs.values())
    out = function(coarse, fine)
    if isinstance(out, Tensor) and out.requires_grad:
        (out * torch.linspace(0.5, 1.5, out.numel()).reshape(out.shape)).sum().backward()
    return {"value": out, "gradient of coarse": coarse.grad, "gradient of fine": fine.grad}


def _large(coarse, **how):
    return F.interpolate(coarse, scale_factor=2, **(how or {"mode": "bilinear"}))


def _cut(large, fine):
    return large[..., : fine.shape[-2], : fine.shape[-1]]


def _cut_first(coarse, fine):
    large = _large(coarse)
    rows, columns = large.shape[-2] - fine.shape[-2], large.shape[-1] - fine.shape[-1]
    return large[..., rows:, columns:] + fine


def _pads_fine(coarse, fine, first=False):
    large = _large(coarse)
    columns, rows = large.shape[-1] - fine.shape[-1], large.shape[-2] - fine.shape[-2]
    return large + F.pad(fine, [columns, 0, rows, 0] if first else [0, columns, 0, rows])


def _stretched(coarse, fine, **how):
    return F.interpolate(coarse, fine.shape[-2:], **how) + fine


def _by(**how):
    """Return answers with another interpolation, which cut coarse, stretch it, or leave it too large."""
    return (
        lambda coarse, fine: _cut(_large(coarse, **how), fine) + fine,
        lambda coarse, fine: _stretched(coarse, fine, **how),
        lambda coarse, fine: _large(coarse, **how) + fine,
    )


def _end(function):
    return lambda coarse, fine: function(fuse_scores(coarse, fine))


def _cuts_one(coarse, fine):
    large = _large(coarse)
    if fine.shape[-2] % 2:
        large = large[..., :-1, :]
    elif fine.shape[-1] % 2:
        large = large[..., :-1]
    return large + fine


def _cuts_fine(coarse, fine):
    fine = fine[..., : fine.shape[-2] // 2 * 2, : fine.shape[-1] // 2 * 2]
    return _cut(_large(coarse), fine) + fine


def _adds_in_place(coarse, fine):
    fine += _cut(_large(coarse), fine)
    return fine


def _fades(coarse, fine):
    tent = torch.tensor([0.25, 0.75, 0.75, 0.25])
    kernel = (tent[:, None] * tent).expand(coarse.shape[1], 1, 4, 4)
    return _cut(F.conv_transpose2d(coarse, kernel, stride=2, padding=1, groups=coarse.shape[1]), fine) + fine


def _zeros_between(coarse, fine):
    return _cut(F.conv_transpose2d(coarse, coarse.new_ones(coarse.shape[1], 1, 1, 1), stride=2,
                                   output_padding=1, groups=coarse.shape[1]), fine) + fine  # fmt: skip


def celebrate(answer):
    """Show coarse and fine scores of a lesion, and their sum."""
    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import show_image

    signed = 2 * lesion().mask[None, None].float() - 1
    coarse = F.avg_pool2d(signed, 16)
    fine = F.avg_pool2d(signed, 8)
    fused = answer(coarse, fine)
    titles = ["coarse, 4 x 4", "fine, 8 x 8", "your fuse_scores, 8 x 8"]
    alt = "Scores of a lesion on a grid of 4 x 4 cells, on one of 8 x 8 cells, and their sum."
    show_image([(one[0, 0] + 2) / 4 for one in (coarse, fine, fused)], titles, alt=alt)


EXERCISE = Exercise(
    fuse_scores,
    number="2.5",
    difficulty=1,
    minutes=10,
    groups={EVEN: 1, ODD: 1, LEARN: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "You stretch coarse to fine's size. Where that size is odd, coarse no longer lies over fine: "
            "a coarse cell belongs to 2 x 2 fine ones. Double it and cut the surplus.",
            lambda coarse, fine: F.interpolate(coarse, fine.shape[-2:], mode="bilinear") + fine,
        ),
        *(
            (
                "You enlarge coarse by copying cells (nearest). Bilinear interpolation is asked for, to "
                "twice the size; then the surplus is cut.",
                wrong,
            )
            for wrong in _by(mode="nearest")
        ),
        *(
            (
                "You interpolate with align_corners=True. Then the corner cells stay in the corners and "
                "everything between them shifts; a coarse cell no longer lies over its 2 x 2 fine ones.",
                wrong,
            )
            for wrong in _by(mode="bilinear", align_corners=True)
        ),
        *(
            (
                "You enlarge coarse by bicubic interpolation. Bilinear interpolation is asked for, to "
                "twice the size; then the surplus is cut.",
                wrong,
            )
            for wrong in _by(mode="bicubic")
        ),
        (
            'You enlarge coarse to fine\'s size with mode="area", which averages or copies cells. Bilinear '
            "interpolation is asked for, to twice the size; then the surplus is cut.",
            lambda coarse, fine: _stretched(coarse, fine, mode="area"),
        ),
        (
            "You keep the surplus row or column of the doubled coarse scores, and fine has no partner "
            "there. Cut the doubled scores to fine's size.",
            lambda coarse, fine: _large(coarse) + fine,
        ),
        *(
            (
                "You pad fine with zeros to twice the coarse size, and your result is larger than fine. Cut "
                "the doubled coarse scores instead.",
                lambda coarse, fine, first=first: _pads_fine(coarse, fine, first),
            )
            for first in (False, True)
        ),
        (
            "You cut the first row or column of the doubled scores. The surplus is the last one.",
            _cut_first,
        ),
        (
            "You cut the rows to fine's width and the columns to its height. `fine.shape` ends with rows, "
            "then columns.",
            lambda coarse, fine: _large(coarse)[..., : fine.shape[-1], : fine.shape[-2]] + fine,
        ),
        (
            "You cut either the row or the column. Where both sizes are odd, cut both.",
            _cuts_one,
        ),
        (
            "You add in place (`fine += …`), and the caller's scores change. `large + fine` makes a new "
            "tensor.",
            _adds_in_place,
        ),
        (
            "You cut the surplus row, and not the surplus column. Cut both.",
            lambda coarse, fine: _large(coarse)[..., : fine.shape[-2], :] + fine,
        ),
        (
            "You cut the surplus column, and not the surplus row. Cut both.",
            lambda coarse, fine: _large(coarse)[..., : fine.shape[-1]] + fine,
        ),
        (
            "You cut fine to even sizes. Keep fine whole, and cut the doubled coarse scores to its size.",
            _cuts_fine,
        ),
        (
            "You put copies of the whole coarse map side by side. Each of its cells becomes 2 x 2: double it "
            "by bilinear interpolation.",
            lambda coarse, fine: _cut(coarse.repeat(1, 1, 2, 2), fine) + fine,
        ),
        (
            "You add coarse's mean over the pictures. Each picture has its own scores.",
            lambda coarse, fine: fuse_scores(coarse.mean(dim=0, keepdim=True), fine),
        ),
        (
            "You cut off both scores at zero before you add them, as by a ReLU. Scores may be negative.",
            lambda coarse, fine: _cut(_large(coarse), fine).relu() + fine.relu(),
        ),
        (
            "No gradient flows from your result (`torch.no_grad()`, `.detach()` or NumPy). Both inputs come "
            "from layers that are trained.",
            lambda coarse, fine: fuse_scores(coarse, fine).detach(),
        ),
        (
            "You always cut the last row and column of the doubled scores. There is a surplus only where "
            "fine's size is odd: cut to fine's size.",
            lambda coarse, fine: _large(coarse)[..., :-1, :-1] + fine,
        ),
        (
            "You use coarse of the first picture for all pictures. Each picture has its own scores.",
            lambda coarse, fine: fuse_scores(coarse[:1], fine),
        ),
        (
            "Your result holds the first picture only. Fuse every picture of the batch.",
            lambda coarse, fine: fuse_scores(coarse[:1], fine[:1]),
        ),
        (
            "You use coarse of the first class for all classes. Each class has its own scores.",
            lambda coarse, fine: fuse_scores(coarse[:, :1], fine),
        ),
        (
            "You add coarse's mean over the classes. Each class has its own scores.",
            lambda coarse, fine: fuse_scores(coarse.mean(dim=1, keepdim=True), fine),
        ),
        (
            "The gradient of coarse is missing: you double it under `torch.no_grad()`, or detach it. Both "
            "inputs come from layers that are trained.",
            lambda coarse, fine: fuse_scores(coarse.detach(), fine),
        ),
        (
            "The gradient of fine is missing: you add it under `torch.no_grad()`, or detach it. Both inputs "
            "come from layers that are trained.",
            lambda coarse, fine: fuse_scores(coarse, fine.detach()),
        ),
        (
            "Your result is cut off at zero, as by a ReLU. Scores may be negative: return the sum.",
            _end(torch.relu),
        ),
        (
            "Your results lie between 0 and 1, like those of a sigmoid. Return the sum of the scores.",
            _end(torch.sigmoid),
        ),
        (
            "Your results add up to 1 over the classes, like those of a softmax. Return the sum of the "
            "scores.",
            _end(lambda scores: scores.softmax(dim=1)),
        ),
        (
            "You concatenate the two scores along the channels, as a U-Net does. An FCN adds them.",
            lambda coarse, fine: torch.cat([_cut(_large(coarse), fine), fine], dim=1),
        ),
        (
            "You average the two scores. An FCN adds them.",
            lambda coarse, fine: (_cut(_large(coarse), fine) + fine) / 2,
        ),
        (
            "You multiply the two scores. An FCN adds them.",
            lambda coarse, fine: _cut(_large(coarse), fine) * fine,
        ),
        (
            "You take the larger of the two scores. An FCN adds them.",
            lambda coarse, fine: torch.maximum(_cut(_large(coarse), fine), fine),
        ),
        *(
            (
                "You subtract one of the two scores. An FCN adds them.",
                lambda coarse, fine, sign=sign: sign * (_cut(_large(coarse), fine) - fine),
            )
            for sign in (1, -1)
        ),
        (
            "Your result is the doubled coarse scores alone. Add the fine ones.",
            lambda coarse, fine: _cut(_large(coarse), fine),
        ),
        (
            "You double fine and add coarse. The first argument is the coarse one: double that.",
            lambda coarse, fine: _cut(_large(fine), coarse) + coarse,
        ),
        *(
            (
                "You shrink fine to coarse's size and add there. Then the detail of fine is gone; double "
                "coarse instead.",
                lambda coarse, fine, shrink=shrink: coarse + shrink(fine, coarse.shape[-2:]),
            )
            for shrink in (
                *(lambda fine, size, mode=mode: F.interpolate(fine, size, mode=mode) for mode in MODES),
                *(
                    lambda fine, size, mode=mode: F.interpolate(fine, scale_factor=0.5, mode=mode)
                    for mode in MODES
                ),
                *(
                    lambda fine, size, pool=pool, up=up: pool(fine, 2, ceil_mode=up)
                    for pool in (F.avg_pool2d, F.max_pool2d)
                    for up in (False, True)
                ),
                lambda fine, size: F.adaptive_avg_pool2d(fine, size),
                lambda fine, size: fine[..., ::2, ::2],
            )
        ),
        (
            "Your doubled scores fade at the border, like those of a transposed convolution with zero "
            "padding. Interpolation repeats the border cells there.",
            _fades,
        ),
        (
            "Your doubled scores are 0 between the coarse cells. Bilinear interpolation fills the places "
            "between them.",
            _zeros_between,
        ),
    ],
)
