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


def _pads_fine(coarse, fine):
    large = _large(coarse)
    return large + F.pad(fine, [0, large.shape[-1] - fine.shape[-1], 0, large.shape[-2] - fine.shape[-2]])


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
        (
            "You double coarse by copying cells (nearest). Bilinear interpolation is asked for.",
            lambda coarse, fine: _cut(_large(coarse, mode="nearest"), fine) + fine,
        ),
        (
            "You interpolate with align_corners=True. Then the corner cells stay in the corners and "
            "everything between them shifts; a coarse cell no longer lies over its 2 x 2 fine ones.",
            lambda coarse, fine: _cut(_large(coarse, mode="bilinear", align_corners=True), fine) + fine,
        ),
        (
            "You double coarse by bicubic interpolation. Bilinear interpolation is asked for.",
            lambda coarse, fine: _cut(_large(coarse, mode="bicubic"), fine) + fine,
        ),
        (
            "You keep the surplus row or column of the doubled coarse scores, and fine has no partner "
            "there. Cut the doubled scores to fine's size.",
            lambda coarse, fine: _large(coarse) + fine,
        ),
        (
            "You pad fine with zeros to twice the coarse size, and your result is larger than fine. Cut "
            "the doubled coarse scores instead.",
            _pads_fine,
        ),
        (
            "You cut the first row or column of the doubled scores. The surplus is the last one.",
            _cut_first,
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
        (
            "You subtract one of the two scores. An FCN adds them.",
            lambda coarse, fine: _cut(_large(coarse), fine) - fine,
        ),
        (
            "Your result is the doubled coarse scores alone. Add the fine ones.",
            lambda coarse, fine: _cut(_large(coarse), fine),
        ),
        (
            "You double fine and add coarse. The first argument is the coarse one: double that.",
            lambda coarse, fine: _cut(_large(fine), coarse) + coarse,
        ),
        (
            "You shrink fine to coarse's size and add there. Then the detail of fine is gone; double "
            "coarse instead.",
            lambda coarse, fine: coarse + F.interpolate(fine, coarse.shape[-2:], mode="bilinear"),
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
