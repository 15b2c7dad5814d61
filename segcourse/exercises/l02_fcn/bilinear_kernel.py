"""Exercise 2.3: the weights with which a transposed convolution interpolates."""

from collections.abc import Iterator

import torch
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise


def bilinear_kernel(stride):
    """Return the bilinear weights of a transposed convolution, float32 of 2 * stride x 2 * stride."""
    offsets = torch.arange(2 * stride) - (stride - 0.5)  # from the kernel's centre
    tent = 1 - offsets.abs() / stride
    return tent[:, None] * tent


SMALL, LARGE = "strides 2 and 4", "any even stride"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, stride, *traits):
        return Case(group, {"stride": stride}, (f"the stride is {stride}", *traits))

    yield case(SMALL, 2)
    yield case(SMALL, 4)
    yield case(LARGE, 6, "the stride is not a power of two")
    yield case(LARGE, 8)
    yield case(LARGE, 32)
    yield case(SMALL, int(rng.choice([2, 4])))
    for low, high in ((5, 9), (9, 14), (14, 20)):
        yield case(LARGE, 2 * int(rng.integers(low, high)))


def _product(tent):
    return tent[:, None] * tent


def _offsets(stride):
    return (torch.arange(2 * stride) - (stride - 0.5)).abs()


def _tent(stride):
    return 1 - _offsets(stride) / stride


def _on_a_pixel(stride):
    return _product(1 - (torch.arange(2 * stride) - stride).abs() / stride)


def _cone(stride):
    offsets = _offsets(stride)
    return (1 - (offsets[:, None].square() + offsets.square()).sqrt() / stride).clamp(min=0)


def _block(stride):
    return _product((_offsets(stride) < stride / 2).float())


def _linspaced(stride):
    rising = torch.linspace(0, 1, stride)
    return _product(torch.cat([rising, rising.flip(0)]))


def _to_stride(stride):
    rising = torch.arange(1, stride + 1) / stride
    return _product(torch.cat([rising, rising.flip(0)]))


def celebrate(answer):
    """Show a lesion's mask of 8 × 8 cells, enlarged eight times by the kernel."""
    import torch.nn.functional as F

    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import show_image

    small = F.avg_pool2d(lesion().mask[None, None].float(), 8)
    kernel = answer(8)
    large = F.conv_transpose2d(small, kernel[None, None], stride=8, padding=4)[0, 0]
    titles = ["8 x 8", "your kernel, stride 8", "enlarged by it"]
    alt = "A coarse map of 8 x 8 cells, a round bright spot (the kernel), and the map enlarged, now smooth."
    show_image([small[0, 0], kernel, large], titles, alt=alt)


EXERCISE = Exercise(
    bilinear_kernel,
    number="2.3",
    difficulty=2,
    minutes=10,
    groups={SMALL: 1, LARGE: 2},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "Your tent has its top on a weight. The kernel has an even number of weights per axis, so "
            "that its centre lies between two of them: the distances are 0.5, 1.5 and so on.",
            _on_a_pixel,
        ),
        (
            "Your tent has its top on a weight, the last of the first half. The kernel's centre lies "
            "between two weights: the distances are 0.5, 1.5 and so on.",
            lambda stride: _product(1 - (torch.arange(2 * stride) - (stride - 1)).abs() / stride),
        ),
        (
            "Your tent has its top at place stride + 0.5. The places are 0 to 2 * stride - 1, and their "
            "centre is stride - 0.5.",
            lambda stride: _product(1 - (torch.arange(2 * stride) - stride - 0.5).abs() / stride),
        ),
        (
            "Your tent is 0 at both ends. The outermost weights lie stride - 0.5 from the centre, so they "
            "are 0.5 / stride.",
            lambda stride: _product(1 - torch.linspace(-1, 1, 2 * stride).abs()),
        ),
        (
            "Your weights fall with the straight distance from the centre, a cone. Bilinear weights are a "
            "product: a tent along the rows times a tent along the columns.",
            _cone,
        ),
        (
            "You take the smaller of the two tents, a pyramid. Bilinear weights are the product of both.",
            lambda stride: torch.minimum(_tent(stride)[:, None], _tent(stride)),
        ),
        (
            "You add the two tents. Bilinear weights are their product.",
            lambda stride: _tent(stride)[:, None] + _tent(stride),
        ),
        (
            "You average the two tents. Bilinear weights are their product.",
            lambda stride: (_tent(stride)[:, None] + _tent(stride)) / 2,
        ),
        (
            "Your weights sum to 1, so an enlarged picture would be darker by the factor stride * stride. "
            "Leave the product of the two tents as it is.",
            lambda stride: _product(_tent(stride)) / stride**2,
        ),
        (
            "Your weights are scaled so that the largest is 1. Here no weight lies at the centre, and the "
            "largest is below 1.",
            lambda stride: _product(_tent(stride) / _tent(stride).max()),
        ),
        (
            "Your kernel is a block of ones: it copies the nearest pixel. Bilinear weights fall linearly "
            "from the centre, to 0 at a distance of `stride`.",
            _block,
        ),
        (
            "All your weights are 1. Bilinear weights fall linearly from the centre, to 0 at a distance "
            "of `stride`.",
            lambda stride: torch.ones(2 * stride, 2 * stride),
        ),
        (
            "Your tent runs from exactly 0 to exactly 1, with two tops. No weight lies at distance 0 or "
            "`stride` from the centre: the distances are 0.5, 1.5 and so on.",
            _linspaced,
        ),
        (
            "Your tent counts 1, 2, … stride over stride, half a step too high. The weights next to the "
            "centre lie 0.5 away from it, so they are 1 - 0.5 / stride.",
            _to_stride,
        ),
        (
            "Your tent falls to 0 at a distance of 2 * stride. It should reach 0 at `stride`, where the "
            "next pixel has its centre.",
            lambda stride: _product(1 - _offsets(stride) / (2 * stride)),
        ),
        (
            "You return one tent, a row of 2 * stride weights. The kernel is two-dimensional: a tent "
            "along the rows times a tent along the columns.",
            _tent,
        ),
        (
            "Your kernel has stride x stride weights, so that neighbouring copies do not overlap. "
            "Bilinear interpolation mixes 2 x 2 neighbours: 2 * stride weights per axis.",
            lambda stride: _product(_tent(stride))[
                stride // 2 : -(stride // 2), stride // 2 : -(stride // 2)
            ],
        ),
        (
            "Your weights are the squares of the bilinear ones: the tents are multiplied twice.",
            lambda stride: _product(_tent(stride)).square(),
        ),
    ],
    finished=("segcourse.models.fcn:bilinear_kernel", "segcourse.models.fcn:bilinear_upsampling"),
)
