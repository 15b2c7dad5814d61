"""Exercise 2.1: how many outputs a convolution has along one axis."""

from collections.abc import Callable, Iterator

from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise


def conv_output_size(size, kernel, stride=1, padding=0, dilation=1):
    """Return how many outputs a convolution has along one axis, an int."""
    seen = dilation * (kernel - 1) + 1  # pixels from the kernel's first weight to its last
    return (size + 2 * padding - seen) // stride + 1


PLAIN, STRIDES, DILATED = "kernel and padding", "strides", "dilation"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, size, kernel, *traits, **options):
        return Case(group, {"size": size, "kernel": kernel, **options}, traits)

    yield case(PLAIN, 5, 3, "everything else is left at its default")
    yield case(PLAIN, 3, 3, "the kernel is as large as the input")
    yield case(PLAIN, 6, 2, "the kernel is even")
    yield case(PLAIN, 7, 1, "the kernel is 1")
    yield case(PLAIN, 5, 3, "stride 1, padding 1", stride=1, padding=1)
    yield case(PLAIN, 2, 7, "the kernel fits only because of the padding", stride=1, padding=3)
    yield case(STRIDES, 8, 2, "the steps come out even", stride=2)
    yield case(STRIDES, 7, 2, "the last step does not fit", stride=2)
    yield case(STRIDES, 224, 7, "the first layer of a ResNet", stride=2, padding=3)
    yield case(STRIDES, 11, 3, "the last two pixels are left over", stride=4)
    yield case(STRIDES, 5, 1, "the stride is larger than the kernel", stride=3)
    yield case(STRIDES, 4, 3, "the kernel fits once", stride=5)
    yield case(DILATED, 9, 3, "dilation 2", stride=1, padding=0, dilation=2)
    yield case(DILATED, 16, 3, "the padding equals the dilation", stride=1, padding=6, dilation=6)
    yield case(DILATED, 12, 4, "dilation and stride", stride=2, padding=1, dilation=3)
    yield case(DILATED, 9, 1, "the kernel is 1 and the dilation 4", stride=1, padding=0, dilation=4)
    for group in (PLAIN, PLAIN, STRIDES, STRIDES, STRIDES, DILATED, DILATED, DILATED):
        kernel, padding = int(rng.integers(2, 8)), int(rng.integers(0, 4))
        dilation = int(rng.integers(2, 5)) if group == DILATED else 1
        stride = 1 if group == PLAIN else int(rng.integers(2, 6))
        size = dilation * (kernel - 1) + 1 + int(rng.integers(0, 90))
        yield case(group, size, kernel, stride=stride, padding=padding, dilation=dilation)


def _seen(kernel, dilation):
    return dilation * (kernel - 1) + 1


def _with(formula, least=None):
    """Return an answer from a formula of (size, kernel, stride, padding, dilation).

    Who counts in a loop never gets below `least`.
    """

    def wrong(size, kernel, stride=1, padding=0, dilation=1):
        result = formula(size, kernel, stride, padding, dilation)
        return result if least is None else max(least, result)

    return wrong


def celebrate(answer):
    """Show the sizes of the feature maps of the course's small encoder."""
    from segcourse.plotting import show_bars

    sizes, name = {}, "picture"
    side = 64
    for level in range(1, 6):
        sizes[name] = side
        name, side = f"after stage {level}", answer(side, 3, 2, 1)
    show_bars(sizes | {name: side}, xlabel="rows of the feature map, by your conv_output_size")


FORMULAS: list[tuple[str, Callable[..., float]]] = [
    (
        "You add the padding once. It is added on both sides, so the input grows by 2 * padding.",
        lambda n, k, s, p, d: (n + p - _seen(k, d)) // s + 1,
    ),
    (
        "Your result does not depend on the padding. Padding makes the input larger before the kernel "
        "moves: by `padding` on each side.",
        lambda n, k, s, p, d: (n - _seen(k, d)) // s + 1,
    ),
    (
        "Your result does not depend on the stride. With stride s, the kernel moves s pixels at a time.",
        lambda n, k, s, p, d: n + 2 * p - _seen(k, d) + 1,
    ),
    (
        "Your result does not depend on the dilation. A dilated kernel covers more pixels than it has "
        "weights.",
        lambda n, k, s, p, d: (n + 2 * p - k) // s + 1,
    ),
    (
        "Your dilated kernel covers dilation * kernel pixels. Between k weights there are only k - 1 "
        "steps of `dilation` pixels, and the first weight has a pixel, too.",
        lambda n, k, s, p, d: (n + 2 * p - d * k) // s + 1,
    ),
    (
        "Your dilated kernel covers kernel + (kernel - 1) * dilation pixels. From weight to weight it "
        "is `dilation` pixels, so that k weights cover dilation * (kernel - 1) + 1.",
        lambda n, k, s, p, d: (n + 2 * p - (k + (k - 1) * d)) // s + 1,
    ),
    (
        "Your result is the number of steps that the kernel takes. The place where it starts counts, "
        "too: one more.",
        lambda n, k, s, p, d: (n + 2 * p - _seen(k, d)) // s,
    ),
    (
        "Your result is one too large. The kernel takes (…) // stride steps and starts in one place: "
        "(…) // stride + 1 outputs, where (…) is the padded size minus the places under the kernel.",
        lambda n, k, s, p, d: (n + 2 * p - _seen(k, d)) // s + 2,
    ),
    (
        "Your kernel covers dilation * (kernel - 1) places. That is the way from its first weight to "
        "its last; the place of the first counts, too: one more.",
        lambda n, k, s, p, d: (n + 2 * p - d * (k - 1)) // s + 1,
    ),
    (
        "You add 1 before you divide by the stride. The kernel takes (…) // stride steps, and the "
        "place where it starts is one more output.",
        lambda n, k, s, p, d: (n + 2 * p - _seen(k, d) + 1) // s,
    ),
    (
        "You round up. A last step that does not fit is left out, so round down.",
        lambda n, k, s, p, d: -(-(n + 2 * p - _seen(k, d)) // s) + 1,
    ),
    (
        "You round to the nearest whole number. A last step that does not fit is left out: round down.",
        lambda n, k, s, p, d: round((n + 2 * p - _seen(k, d)) / s + 1),
    ),
    (
        "You round to the nearest whole number. A last step that does not fit is left out: round down.",
        lambda n, k, s, p, d: round((n + 2 * p - _seen(k, d)) / s) + 1,
    ),
    (
        "You return the input's size, as if padding always kept it. Padding, kernel and stride change it.",
        lambda n, k, s, p, d: n,
    ),
    (
        "You divide without rounding, and the result can be a fraction. A last step that does not fit "
        "is left out: `//` divides and rounds down.",
        lambda n, k, s, p, d: (n + 2 * p - _seen(k, d)) / s + 1,
    ),
    (
        "You return the input's size divided by the stride. That is right only where the padding fits "
        "the kernel; here the kernel must fit into the padded input.",
        lambda n, k, s, p, d: n // s,
    ),
    (
        "You return the input's size divided by the stride, rounded up. That is right only where the "
        "padding fits the kernel; here the kernel must fit into the padded input.",
        lambda n, k, s, p, d: -(-n // s),
    ),
    (
        "You compute the size of a transposed convolution, which enlarges. Here the kernel moves over "
        "the input.",
        lambda n, k, s, p, d: (n - 1) * s - 2 * p + _seen(k, d),
    ),
    (
        "You subtract the padding. It makes the input larger.",
        lambda n, k, s, p, d: (n - 2 * p - _seen(k, d)) // s + 1,
    ),
    (
        "You divide the padding by the stride separately and round twice. Add the padding first, then "
        "divide.",
        lambda n, k, s, p, d: (n - _seen(k, d)) // s + 2 * p // s + 1,
    ),
    (
        "You divide only the padded size by the stride, and subtract the kernel afterwards. Subtract the "
        "places under the kernel first: (…) // stride + 1.",
        lambda n, k, s, p, d: (n + 2 * p) // s - _seen(k, d) + 1,
    ),
    (
        "You divide only the padded size by the stride, and subtract the kernel afterwards, without its "
        "dilation. Subtract the places under the dilated kernel first: (…) // stride + 1.",
        lambda n, k, s, p, d: (n + 2 * p) // s - k + 1,
    ),
    (
        "You divide only the places under the kernel by the stride. Put brackets round the whole difference "
        "before you divide: (…) // stride + 1.",
        lambda n, k, s, p, d: n + 2 * p - _seen(k, d) // s + 1,
    ),
    (
        "You divide only the 1 at the end by the stride: `//` comes before `-`. Put brackets round the whole "
        "difference before you divide: (…) // stride + 1.",
        lambda n, k, s, p, d: n + 2 * p - d * (k - 1) - 1 // s + 1,
    ),
    (
        "You count every place where the kernel can start, also those where the rest of it hangs over the "
        "end. All its weights must lie in the padded input.",
        lambda n, k, s, p, d: (n + 2 * p - 1) // s + 1,
    ),
    (
        "Your kernel moves stride * dilation places at a time. Dilation spreads its weights; it moves by "
        "`stride`.",
        lambda n, k, s, p, d: (n + 2 * p - _seen(k, d)) // (s * d) + 1,
    ),
    (
        "You multiply by the stride. The kernel moves `stride` places at a time, so the number of steps is "
        "divided by it.",
        lambda n, k, s, p, d: (n + 2 * p - _seen(k, d)) * s + 1,
    ),
    (
        "You add the padding to the number of outputs. It is added to the input, before you divide.",
        lambda n, k, s, p, d: (n - _seen(k, d)) // s + 1 + 2 * p,
    ),
    (
        "Your dilated kernel covers kernel + dilation - 1 places: the skipped ones are counted once. Each of "
        "the kernel - 1 steps skips dilation - 1 places.",
        lambda n, k, s, p, d: (n + 2 * p - (k + d - 1)) // s + 1,
    ),
    (
        "Your dilated kernel covers kernel + 2 * (dilation - 1) places. That is right for three weights; k "
        "weights cover dilation * (k - 1) + 1.",
        lambda n, k, s, p, d: (n + 2 * p - (k + 2 * (d - 1))) // s + 1,
    ),
    (
        "Your dilated kernel covers (dilation - 1) * (kernel - 1) + 1 places. From weight to weight it is "
        "`dilation` places.",
        lambda n, k, s, p, d: (n + 2 * p - (d - 1) * (k - 1) - 1) // s + 1,
    ),
    (
        "Your dilated kernel covers dilation * kernel - 1 places. From first weight to last it covers "
        "dilation * (kernel - 1) + 1.",
        lambda n, k, s, p, d: (n + 2 * p - d * k + 1) // s + 1,
    ),
    (
        "Your result is as if the kernel covered one place too many, or might not end on the last place. It "
        "covers dilation * (kernel - 1) + 1 places, and the last place counts (in a loop: `<=`).",
        lambda n, k, s, p, d: (n + 2 * p - _seen(k, d) - 1) // s + 1,
    ),
    (
        "You add `dilation` times the padding. The padding does not depend on the dilation.",
        lambda n, k, s, p, d: (n + 2 * p * d - _seen(k, d)) // s + 1,
    ),
    (
        "Your result is as if padding, stride and dilation had their defaults: size - kernel + 1.",
        lambda n, k, s, p, d: n - k + 1,
    ),
]

EXERCISE = Exercise(
    conv_output_size,
    number="2.1",
    difficulty=1,
    minutes=5,
    groups={PLAIN: 1, STRIDES: 1, DILATED: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        *((says, _with(formula, least)) for says, formula in FORMULAS for least in (None, 0)),
        (
            "Where no stride is given, you take the kernel's size, as a pooling layer does. The default of a "
            "convolution is 1.",
            lambda size, kernel, stride=None, padding=0, dilation=1: conv_output_size(
                size, kernel, stride or kernel, padding, dilation
            ),
        ),
    ],
    finished=(
        *(f"torch.nn.modules.conv:Conv{n}d" for n in (1, 2)),
        *(f"{module}:conv{n}d" for module in ("torch", "torch.nn.functional") for n in (1, 2)),
    ),
)
