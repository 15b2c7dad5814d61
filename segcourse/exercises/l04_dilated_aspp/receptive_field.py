"""Exercise 4.2: how many pixels one number at the end of a stack of layers sees."""

import math
from collections.abc import Iterator, Sequence

from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise


def receptive_field(layers):
    """Return how many input pixels one output pixel sees along one axis, an int."""
    seen, step = 1, 1  # step: input pixels from one pixel of the current map to the next
    for kernel, stride, dilation in layers:
        seen += (kernel - 1) * dilation * step
        step *= stride
    return seen


PLAIN, DILATED, STRIDED = "plain layers", "dilated layers", "layers with strides"
Layers = Sequence[tuple[int, int, int]]


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, layers, *traits):
        return Case(group, {"layers": layers}, traits, build=f"layers = {layers}")

    def drawn(least, most):
        return [int(n) for n in rng.integers(least, most + 1, 3)]

    yield case(PLAIN, [(3, 1, 1)], "there is one layer")
    yield case(PLAIN, [(3, 1, 1)] * 3)
    yield case(PLAIN, [], "there is no layer")
    yield case(PLAIN, [(1, 1, 1), (5, 1, 1), (2, 1, 1)], "the kernels differ")
    yield case(PLAIN, [(kernel, 1, 1) for kernel in drawn(2, 9)], "the kernels differ")
    yield case(DILATED, [(3, 1, 4)], "there is one layer")
    yield case(DILATED, [(3, 1, 1), (3, 1, 2), (3, 1, 4)])
    yield case(DILATED, [(3, 1, 12), (1, 1, 1), (3, 1, 6)])
    yield case(DILATED, [(k, 1, d) for k, d in zip(drawn(2, 7), drawn(2, 9), strict=True)])
    yield case(STRIDED, [(2, 2, 1), (3, 1, 1)], "the first layer has a stride")
    yield case(STRIDED, [(3, 2, 1)], "only the last layer has a stride")
    yield case(STRIDED, [(3, 1, 1), (3, 2, 1)], "only the last layer has a stride")
    yield case(STRIDED, [(7, 2, 1), (3, 2, 1), (3, 2, 1), (3, 1, 2), (3, 1, 4)])
    yield case(
        STRIDED, [(1, 4, 1), (3, 1, 2)], "the first layer has a stride", "a kernel is smaller than its stride"
    )
    yield case(STRIDED, [(3, 3, 2), (3, 2, 1), (3, 1, 3)], "stride and dilation meet in one layer")
    layers = list(zip(drawn(2, 5), drawn(2, 3), drawn(1, 4), strict=True))
    yield case(STRIDED, layers, "stride and dilation meet in one layer")
    layers = list(zip(drawn(2, 5), [1, 2, 1], drawn(1, 4), strict=True))
    yield case(STRIDED, layers)


def _walk(layers: Layers, add, move, seen: int = 1) -> int:
    """Return the sum over the layers of what `add` says; `move` changes the step after each layer."""
    step = 1
    for kernel, stride, dilation in layers:
        seen += add(kernel, stride, dilation, step)
        step = move(step, stride, dilation)
    return seen


def _field(kernel: int, stride: int, dilation: int, step: int) -> int:
    return (kernel - 1) * dilation * step


def _times(step: int, stride: int, dilation: int) -> int:
    return step * stride


def _own_stride_first(layers):
    seen, step = 1, 1
    for kernel, stride, dilation in layers:
        step *= stride
        seen += (kernel - 1) * dilation * step
    return seen


def _from_the_wrong_end(layers):
    return receptive_field(list(layers)[::-1])


def _product(layers):
    seen = 1
    for kernel, _, dilation in layers:
        seen *= (kernel - 1) * dilation + 1
    return seen


def _steps(layers):
    return math.prod(stride for _, stride, _ in layers)


def _largest(layers):
    return max([(kernel - 1) * dilation + 1 for kernel, _, dilation in layers], default=1)


def _kernels(layers):
    return sum([dilation * (kernel - 1) + 1 for kernel, _, dilation in layers])


def _touched(layers):
    """Count the pixels under taps, without those between them."""
    places, step = {0}, 1
    for kernel, stride, dilation in layers:
        places = {place + tap * dilation * step for place in places for tap in range(kernel)}
        step *= stride
    return len(places)


def _alone(which: slice, empty: int | None = 1):
    """Return an answer that looks at a single layer."""
    return lambda layers: receptive_field(layers[which]) if layers else empty


def _backwards(needed, order: int = -1):
    """Return an answer that goes through the layers and asks `needed` how many pixels each layer reads."""

    def wrong(layers):
        pixels = 1
        for kernel, stride, dilation in layers[::order]:
            pixels = needed(pixels, dilation * (kernel - 1), stride)
        return pixels

    return wrong


def _last_added(layers):
    seen, step = 1, 1
    for kernel, stride, dilation in layers:
        seen = 1 + (kernel - 1) * dilation * step
        step *= stride
    return seen


def celebrate(answer):
    """Show how the receptive field grows with the number of layers, plain and with doubling dilations."""
    from segcourse.plotting import show_curves

    counts = [1, 2, 3, 4, 5, 6]
    curves = {
        "dilation 1": [answer([(3, 1, 1)] * n) for n in counts],
        "dilation 1, 2, 4, 8, …": [answer([(3, 1, 2**i) for i in range(n)]) for n in counts],
    }
    show_curves(curves, counts, xlabel="number of 3 x 3 layers", ylabel="pixels seen, by your function")


EXERCISE = Exercise(
    receptive_field,
    number="4.2",
    difficulty=2,
    minutes=10,
    groups={PLAIN: 1, DILATED: 1, STRIDED: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        *(
            (
                "Your result is that of the first layer alone. Count every layer, and return after the loop.",
                _alone(slice(1), empty),
            )
            for empty in (None, 1)
        ),
        (
            "Your result is that of the last layer alone. Each layer adds to what the ones before it see.",
            _alone(slice(-1, None)),
        ),
        (
            "You keep only what the last layer adds. Add up what every layer adds: `+=`, not `=`.",
            _last_added,
        ),
        (
            "You leave out the last layer. Count every layer in the list.",
            lambda layers: receptive_field(layers[:-1]),
        ),
        (
            "You leave out the first layer. Count every layer in the list.",
            lambda layers: receptive_field(layers[1:]),
        ),
        (
            "Your result is as if every kernel had 3 taps. A kernel of k taps has k - 1 steps.",
            lambda layers: _walk(layers, lambda k, s, d, step: 2 * d * step, _times),
        ),
        *(
            (
                "Your result is right for odd kernels only. Don't count from a middle tap: an even number of "
                "taps has none, but kernel - 1 steps.",
                lambda layers, half=half: _walk(layers, lambda k, s, d, step: 2 * half(k) * d * step, _times),
            )
            for half in (lambda k: k // 2, lambda k: (k - 1) // 2)
        ),
        (
            "You count the pixels under the taps only. Pixels between two taps count as seen, too: count "
            "from the first pixel to the last.",
            _touched,
        ),
        *(
            (
                "You multiply the number of pixels by the stride. Only the steps between pixels grow: from "
                "the last layer to the first, n pixels need (n - 1) * stride + 1, and the taps add to that.",
                _backwards(needed, order),
            )
            for order in (-1, 1)
            for needed in (
                lambda pixels, reach, stride: pixels * stride + reach,
                lambda pixels, reach, stride: pixels * stride + reach + 1,
                lambda pixels, reach, stride: (pixels + reach) * stride,
            )
        ),
        *(
            (
                "You lose a pixel per layer. From the last layer to the first, n pixels need "
                "(n - 1) * stride + dilation * (kernel - 1) + 1 pixels of the map before: the 1 is missing.",
                _backwards(lambda pixels, reach, stride: (pixels - 1) * stride + reach, order),
            )
            for order in (-1, 1)
        ),
        (
            "Your result is as if every stride and every dilation were 1. Both make a layer see further.",
            lambda layers: _walk(layers, lambda k, s, d, step: k - 1, _times),
        ),
        (
            "You multiply the whole sum by all strides. A stride makes only the steps of the layers after it "
            "longer.",
            lambda layers: _walk(layers, lambda k, s, d, step: (k - 1) * d, _times) * _steps(layers),
        ),
        (
            "You take dilation for the number of skipped pixels. It is the step from tap to tap: dilation 1 "
            "skips none.",
            lambda layers: _walk(layers, lambda k, s, d, step: (k - 1) * (d + 1) * step, _times),
        ),
        (
            "You add the skipped pixels once per layer. A layer has kernel - 1 steps, and each of them is "
            "`dilation` long.",
            lambda layers: _walk(layers, lambda k, s, d, step: (k + d - 2) * step, _times),
        ),
        *(
            (
                "You take dilation * kernel for the size of a dilated kernel. From its first tap to its last "
                "it spans dilation * (kernel - 1) + 1 pixels.",
                lambda layers, add=add: _walk(layers, add, _times),
            )
            for add in (
                lambda k, s, d, step: (k * d - 1) * step,
                lambda k, s, d, step: k * d * step - 1,
            )
        ),
        (
            "Your dilation spreads the taps of the later layers, and not those of its own layer. It is the "
            "other way round: only strides make the steps of the later layers longer.",
            lambda layers: _walk(layers, lambda k, s, d, step: (k - 1) * step, lambda p, s, d: p * s * d),
        ),
        (
            "Without any layer your result is 0. Then a pixel sees itself: 1.",
            lambda layers: receptive_field(layers) if layers else 0,
        ),
        (
            "Your result is as if every stride were 1. After a layer with stride 2, neighbours on the map "
            "lie two input pixels apart, and each later tap reaches twice as far.",
            lambda layers: _walk(layers, _field, lambda step, stride, dilation: 1),
        ),
        (
            "Your result is as if every dilation were 1. The taps of a dilated layer lie `dilation` pixels "
            "of its input map apart.",
            lambda layers: _walk(layers, lambda k, s, d, step: (k - 1) * step, _times),
        ),
        (
            "You count a layer's own stride for its own taps. A stride spreads the outputs of its layer: "
            "only the layers after it reach further.",
            _own_stride_first,
        ),
        (
            "Each layer in your sum is widened by its own stride, and by no other. A layer's steps are as "
            "long as the product of the strides *before* it.",
            lambda layers: 1 + sum([(k - 1) * d * s for k, s, d in layers]),
        ),
        (
            "Your result is right for the layers in the opposite order. The first layer in the list looks at "
            "the input. (Counting with `seen * stride` starts at the last layer.)",
            _from_the_wrong_end,
        ),
        (
            "You remember only the stride of the layer before. The strides of all earlier layers multiply: "
            "two strides of 2 make steps of 4 input pixels.",
            lambda layers: _walk(layers, _field, lambda step, stride, dilation: stride),
        ),
        *(
            (
                "You add up the strides. They multiply: after strides of 3 and 2, neighbours lie 6 input "
                "pixels apart.",
                lambda layers, less=less: _walk(layers, _field, lambda step, s, d: step + s - less),
            )
            for less in (0, 1)
        ),
        (
            "You add up the strides of the layers before. They multiply: after strides of 3 and 2, "
            "neighbours lie 6 input pixels apart.",
            lambda layers: (
                1
                + sum(
                    [
                        (k - 1) * d * max(1, sum([s for _, s, _ in layers[:i]]))
                        for i, (k, _, d) in enumerate(layers)
                    ]
                )
            ),
        ),
        (
            "You add up what the layers contribute as if every stride were 1, and leave out the pixel that "
            "they contribute to. Start from 1, and let each stride widen the steps of the later layers.",
            lambda layers: _walk(layers, _field, lambda step, stride, dilation: 1, seen=0),
        ),
        (
            "Your result is one too small: you add up what the layers contribute to one pixel, and leave out "
            "that pixel.",
            lambda layers: _walk(layers, _field, _times, seen=0),
        ),
        *(
            (
                "You count all taps of each layer. The squares of two layers overlap: a layer of kernel 3 "
                "adds two pixels, not three.",
                lambda layers, seen=seen: _walk(layers, lambda k, s, d, step: k * d * step, _times, seen),
            )
            for seen in (0, 1)
        ),
        (
            "You multiply the layers' sizes. The squares overlap: each layer adds to what is seen, it does "
            "not multiply it.",
            _product,
        ),
        (
            "You return the size of the largest kernel. The layers work one after the other, and each adds "
            "to what the ones before it see.",
            _largest,
        ),
        (
            "You add up the sizes of the kernels. Neighbouring squares overlap: start from one pixel, and "
            "let each layer add its size minus 1.",
            _kernels,
        ),
        (
            "You let dilation widen the steps of the later layers. Dilation moves the taps of its own layer "
            "apart, and leaves no pixel out of its output: only strides do.",
            lambda layers: _walk(layers, _field, lambda step, stride, dilation: step * stride * dilation),
        ),
        (
            "You take the second number of a layer for its dilation and the third for its stride. The order "
            "is (kernel, stride, dilation).",
            lambda layers: receptive_field([(k, d, s) for k, s, d in layers]),
        ),
        (
            "You return the area. The size along one axis is asked for.",
            lambda layers: receptive_field(layers) ** 2,
        ),
        (
            "You return the step from one output pixel to the next, in input pixels: the product of the "
            "strides. How far one output pixel sees is asked for.",
            _steps,
        ),
    ],
)
