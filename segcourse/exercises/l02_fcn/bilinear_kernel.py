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


def _signed(stride):
    return torch.arange(2 * stride) - (stride - 0.5)


def _offsets(stride):
    return _signed(stride).abs()


def _tent(stride):
    return 1 - _offsets(stride) / stride


def _on_a_pixel(stride):
    return _product(1 - (torch.arange(2 * stride) - stride).abs() / stride)


def _odd(size):
    """Return an answer of an odd size, around a weight of 1."""
    return lambda stride: _product(1 - (torch.arange(size(stride)) - size(stride) // 2).abs() / stride)


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
            "of `stride`. (`//` would round every distance / stride down to 0.)",
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
            "Your tent falls to 0 at a distance of stride + 0.5. It should reach 0 at `stride`, where the "
            "next pixel has its centre.",
            lambda stride: _product(1 - _offsets(stride) / (stride + 0.5)),
        ),
        (
            "You return one tent, a row of 2 * stride weights. The kernel is two-dimensional: a tent "
            "along the rows times a tent along the columns.",
            _tent,
        ),
        (
            "You multiply a tent by itself, place by place: a row of squares. Put one of the two in a "
            "column: `tent[:, None] * tent`. (`.t()` and `.T` leave a tensor with one axis as it is.)",
            lambda stride: _tent(stride).square(),
        ),
        (
            "You return one number, the sum of a tent's squares: `tent @ tent` is that. Each place of the "
            "kernel has its own product: `tent[:, None] * tent`.",
            lambda stride: _tent(stride).square().sum(),
        ),
        *(
            (
                "Your kernel has stride x stride weights, so that neighbouring copies do not overlap. "
                "Bilinear interpolation mixes 2 x 2 neighbours: 2 * stride weights per axis.",
                wrong,
            )
            for wrong in (
                lambda stride: _product(_tent(stride)[stride // 2 : -(stride // 2)]),
                lambda stride: bilinear_kernel(stride // 2),
            )
        ),
        *(
            (
                "Your kernel has an odd number of weights per axis, with a middle one. 2 * stride weights "
                "have none: the distances are 0.5, 1.5 and so on.",
                _odd(size),
            )
            for size in (lambda stride: 2 * stride - 1, lambda stride: 2 * stride + 1)
        ),
        *(
            (
                "Your distances keep their sign, and the weights rise from one end to the other. A distance "
                "is an absolute value: `.abs()`.",
                lambda stride, sign=sign: _product(1 - sign * _signed(stride) / stride),
            )
            for sign in (1, -1)
        ),
        *(
            (
                "The second half of your tent repeats the first. It should mirror it: `.flip(0)`.",
                lambda stride, half=half: _product(half(_tent(stride), stride).repeat(2)),
            )
            for half in (lambda tent, stride: tent[:stride], lambda tent, stride: tent[stride:])
        ),
        (
            "Your weights are largest at the corners and fall towards the centre, as the distances do. Each "
            "factor should be 1 - distance / stride.",
            lambda stride: _product(_offsets(stride) / stride),
        ),
        (
            "You subtract the product of the two distances from 1. Each weight is the product of two tents: "
            "1 - distance / stride, along the rows and along the columns.",
            lambda stride: 1 - _product(_offsets(stride) / stride),
        ),
        *(
            (
                "Your weights fall with the sum of the two distances. Bilinear weights are a product: a tent "
                "along the rows times a tent along the columns.",
                lambda stride, least=least: (_tent(stride)[:, None] + _tent(stride) - 1).clamp(min=least),
            )
            for least in (None, 0)
        ),
        (
            "Your weights sum to `stride`. Leave the product of the two tents as it is: its sum is stride * "
            "stride.",
            lambda stride: _product(_tent(stride)) / stride,
        ),
        (
            "Your kernel is the same in each of its rows. Bilinear weights are a tent "
            "along the rows times a tent along the columns.",
            lambda stride: _tent(stride).expand(2 * stride, -1),
        ),
        (
            "Your kernel is the same in each of its columns. Bilinear weights are a tent along the rows "
            "times a tent along the columns.",
            lambda stride: _tent(stride)[:, None].expand(-1, 2 * stride),
        ),
        (
            "Your weights are the squares of the bilinear ones: the tents are multiplied twice.",
            lambda stride: _product(_tent(stride)).square(),
        ),
    ],
    finished=("segcourse.models.fcn:bilinear_kernel", "segcourse.models.fcn:bilinear_upsampling"),
)
