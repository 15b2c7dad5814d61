"""Exercise 8.1: how many multiplications a convolution takes, ordinary and depthwise separable."""

from collections.abc import Callable, Iterator
from typing import Any

from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observing import Explained


def depthwise_separable_cost(in_channels, out_channels, kernel, height, width):
    """Count the multiplications of both convolutions: a tuple of two ints, (ordinary, separable)."""
    pixels = height * width
    depthwise = in_channels * kernel**2 * pixels  # each channel has its own kernel
    pointwise = in_channels * out_channels * pixels
    return out_channels * depthwise, depthwise + pointwise


SMALL, LARGE = "small layers", "layers of real networks"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, *numbers, traits=()):
        names = "in_channels", "out_channels", "kernel", "height", "width"
        if depthwise_separable_cost(*numbers)[0] > 2**31 - 1:
            traits = (*traits, "there are more than 2,147,483,647 multiplications")
        return Case(group, dict(zip(names, numbers, strict=True)), traits)

    yield case(SMALL, 2, 3, 3, 1, 1, traits=("the map has one pixel",))
    yield case(SMALL, 2, 3, 3, 4, 5)
    yield case(SMALL, 5, 1, 3, 2, 7, traits=("there is one output channel",))
    yield case(SMALL, 1, 4, 3, 5, 2, traits=("there is one input channel",))
    yield case(SMALL, 3, 4, 1, 2, 3, traits=("the kernel is 1 x 1",))
    yield case(SMALL, 3, 6, 2, 3, 2, traits=("the kernel is even",))
    yield case(LARGE, 64, 128, 3, 56, 72)
    yield case(LARGE, 512, 512, 3, 8, 8, traits=("both numbers of channels are equal",))
    yield case(LARGE, 256, 320, 5, 30, 40, traits=("the kernel is 5 x 5",))
    yield case(LARGE, 1021, 2039, 7, 767, 1023)
    for group, most in ((SMALL, 9), (LARGE, 300)):
        for kernel in (3, 5):
            channels = (int(n) for n in rng.integers(4, most, 2))
            yield case(group, *channels, kernel, *(int(n) for n in rng.integers(3, most, 2)))


def look(obj: Callable, case: Case) -> dict[str, Any]:
    """Observe the two counts, which are whole numbers."""
    value = obj(*case.inputs.values())
    if isinstance(value, tuple) and any(isinstance(one, float) for one in value):
        raise Explained(
            "Your counts are floats. Two ints are asked for. Nothing has to be divided: count each step by "
            "multiplying ints, and add the counts of the two steps."
        )
    return {"value": value}


def celebrate(answer):
    """Show the ratio of both counts for the usual numbers of output channels."""
    from segcourse.plotting import show_curves

    channels = [2**power for power in range(2, 11)]
    curves = {}
    for kernel in (3, 5):
        counts = [answer(64, outputs, kernel, 1, 1) for outputs in channels]
        curves[f"{kernel} x {kernel}"] = [ordinary / separable for ordinary, separable in counts]
    labels = {"xlabel": "output channels", "ylabel": "times fewer multiplications"}
    show_curves(curves, channels, **labels)


_answer = depthwise_separable_cost


def _made(ordinary=None, separable=None):
    """Return an answer that counts one of the two convolutions in another way."""

    def wrong(i, o, k, h, w):
        right = _answer(i, o, k, h, w)
        return (
            ordinary(i, o, k, h * w) if ordinary else right[0],
            separable(i, o, k, h * w) if separable else right[1],
        )

    return wrong


EXERCISE = Exercise(
    depthwise_separable_cost,
    number="8.1",
    difficulty=1,
    minutes=10,
    groups={SMALL: 1, LARGE: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        (
            "Your separable count lacks the 1 x 1 convolution: in_channels times out_channels at each pixel. "
            "With many output channels, it costs most.",
            _made(separable=lambda i, o, k, hw: i * k * k * hw),
        ),
        (
            "Your separable count lacks the depthwise convolution: kernel times kernel per input channel, at "
            "each pixel.",
            _made(separable=lambda i, o, k, hw: i * o * hw),
        ),
        (
            "You multiply the two steps of the separable convolution. They come one after the other: add "
            "their counts.",
            _made(separable=lambda i, o, k, hw: i * k * k * hw * i * o * hw),
        ),
        (
            "Both of your counts are that of the ordinary convolution. The two steps come one after the "
            "other: add their counts.",
            _made(separable=lambda i, o, k, hw: i * k * k * o * hw),
        ),
        (
            "Your depthwise step has a kernel for each pair of an input and an output channel, like the "
            "ordinary convolution. It has one for each input channel: leave out_channels out.",
            _made(separable=lambda i, o, k, hw: (i * o * k * k + i * o) * hw),
        ),
        *(
            (
                "Your 1 x 1 convolution has as many input channels as output channels. It changes their "
                "number: in_channels times out_channels at each pixel.",
                wrong,
            )
            for wrong in (
                _made(separable=lambda i, o, k, hw: (i * k * k + i * i) * hw),
                _made(separable=lambda i, o, k, hw: (i * k * k + o * o) * hw),
            )
        ),
        (
            "You multiply the ordinary count by a ratio, and `int` cuts off what rounding leaves: some "
            "counts are one too small. Count each step in ints, and add.",
            _made(separable=lambda i, o, k, hw: int(i * o * k**2 * hw * (1 / o + 1 / k**2))),
        ),
        (
            "Your 1 x 1 convolution has no input channels. It has all pairs: in_channels times out_channels "
            "at each pixel.",
            _made(separable=lambda i, o, k, hw: (i * k * k + o) * hw),
        ),
        (
            "Your 1 x 1 convolution has no output channels. It has all pairs: in_channels times out_channels "
            "at each pixel.",
            _made(separable=lambda i, o, k, hw: (i * k * k + i) * hw),
        ),
        (
            "Your depthwise step has a kernel per *output* channel. It works on the input, before the 1 x 1 "
            "convolution changes the number of channels.",
            _made(separable=lambda i, o, k, hw: (o * k * k + i * o) * hw),
        ),
        (
            "Your depthwise step lets every channel look at every input channel. Each looks at itself alone: "
            "in_channels kernels, not in_channels squared.",
            _made(separable=lambda i, o, k, hw: (i * i * k * k + i * o) * hw),
        ),
        (
            "Your depthwise step has a single kernel for all channels together. Each input channel has its "
            "own.",
            _made(separable=lambda i, o, k, hw: (k * k + i * o) * hw),
        ),
        (
            "You count the weights of both convolutions. Each weight is used once per pixel of the map: "
            "multiply by height times width.",
            lambda i, o, k, h, w: (i * o * k * k, i * k * k + i * o),
        ),
        (
            "Your separable count multiplies only one of the two steps by the number of pixels. Both steps "
            "run at each pixel.",
            _made(separable=lambda i, o, k, hw: i * k * k * hw + i * o),
        ),
        (
            "Your separable count multiplies only one of the two steps by the number of pixels. Both steps "
            "run at each pixel.",
            _made(separable=lambda i, o, k, hw: i * k * k + i * o * hw),
        ),
        (
            "You take the kernel for a row of `kernel` taps. It is a square: kernel times kernel taps.",
            lambda i, o, k, h, w: (i * o * k * h * w, (i * k + i * o) * h * w),
        ),
        (
            "You count a kernel of 3 x 3, whatever `kernel` is.",
            lambda i, o, k, h, w: _answer(i, o, 3, h, w),
        ),
        (
            "Your ordinary convolution has no input channels: each output channel looks at all of them. "
            "Multiply by in_channels.",
            _made(ordinary=lambda i, o, k, hw: o * k * k * hw),
        ),
        (
            "Your ordinary convolution has no output channels: each of them has its own kernels. Multiply by "
            "out_channels.",
            _made(ordinary=lambda i, o, k, hw: i * k * k * hw),
        ),
        (
            "You return the separable count first. The order is (ordinary, separable).",
            lambda *numbers: _answer(*numbers)[::-1],
        ),
        (
            "You return the ratio of the two counts. The counts themselves are asked for: a tuple of two "
            "ints.",
            lambda *numbers: _answer(*numbers)[0] / _answer(*numbers)[1],
        ),
        (
            "You return the separable count alone. A tuple of two ints is asked for: (ordinary, separable).",
            lambda *numbers: _answer(*numbers)[1],
        ),
        (
            "You count a multiplication and an addition, two operations per weight and pixel. "
            "Multiplications alone are asked for.",
            lambda *numbers: tuple(2 * count for count in _answer(*numbers)),
        ),
        *(
            (
                "You count only the places where the whole kernel lies inside the picture. The result has "
                "height times width pixels, and each of them costs the same.",
                wrong,
            )
            for wrong in (
                lambda i, o, k, h, w: _answer(i, o, k, max(h - k + 1, 0), max(w - k + 1, 0)),
                lambda i, o, k, h, w: _answer(i, o, k, h - k + 1, w - k + 1),
                lambda i, o, k, h, w: (
                    i * o * k * k * (h - k + 1) * (w - k + 1),
                    i * k * k * (h - k + 1) * (w - k + 1) + i * o * h * w,
                ),
            )
        ),
        (
            "Your counts include a bias per output channel and pixel. A bias is added, not multiplied.",
            lambda i, o, k, h, w: (
                o * (i * k * k + 1) * h * w,
                i * (k * k + 1) * h * w + o * (i + 1) * h * w,
            ),
        ),
        (
            "You use the height for both sides of the map. Its pixels are height times width.",
            lambda i, o, k, h, w: _answer(i, o, k, h, h),
        ),
        (
            "You count a map of one row: the width is missing, or the height. Its pixels are height times "
            "width.",
            lambda i, o, k, h, w: _answer(i, o, k, h, 1),
        ),
        (
            "You count a map of one row: the width is missing, or the height. Its pixels are height times "
            "width.",
            lambda i, o, k, h, w: _answer(i, o, k, 1, w),
        ),
    ],
)
