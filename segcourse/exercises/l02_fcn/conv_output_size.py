"""Exercise 2.1: how many outputs a convolution has along one axis."""

from collections.abc import Iterator

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


def _with(formula):
    """Return an answer from a formula of (size, kernel, stride, padding, dilation)."""

    def wrong(size, kernel, stride=1, padding=0, dilation=1):
        return formula(size, kernel, stride, padding, dilation)

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


EXERCISE = Exercise(
    conv_output_size,
    number="2.1",
    difficulty=1,
    minutes=5,
    groups={PLAIN: 1, STRIDES: 1, DILATED: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "You add the padding once. It is added on both sides, so the input grows by 2 * padding.",
            _with(lambda n, k, s, p, d: (n + p - _seen(k, d)) // s + 1),
        ),
        (
            "Your result does not depend on the padding. Padding makes the input larger before the kernel "
            "moves: by `padding` on each side.",
            _with(lambda n, k, s, p, d: (n - _seen(k, d)) // s + 1),
        ),
        (
            "Your result does not depend on the stride. With stride s, the kernel moves s pixels at a time.",
            _with(lambda n, k, s, p, d: n + 2 * p - _seen(k, d) + 1),
        ),
        (
            "Your result does not depend on the dilation. A dilated kernel covers more pixels than it has "
            "weights.",
            _with(lambda n, k, s, p, d: (n + 2 * p - k) // s + 1),
        ),
        (
            "Your dilated kernel covers dilation * kernel pixels. Between k weights there are only k - 1 "
            "steps of `dilation` pixels, and the first weight has a pixel, too.",
            _with(lambda n, k, s, p, d: (n + 2 * p - d * k) // s + 1),
        ),
        (
            "Your dilated kernel covers kernel + (kernel - 1) * dilation pixels. From weight to weight it "
            "is `dilation` pixels, so that k weights cover dilation * (kernel - 1) + 1.",
            _with(lambda n, k, s, p, d: (n + 2 * p - (k + (k - 1) * d)) // s + 1),
        ),
        (
            "Your result is the number of steps that the kernel takes. The place where it starts counts, "
            "too: one more.",
            _with(lambda n, k, s, p, d: (n + 2 * p - _seen(k, d)) // s),
        ),
        (
            "Your result is one too large. The kernel takes (…) // stride steps and starts in one place: "
            "(…) // stride + 1 outputs, where (…) is the padded size minus the places under the kernel.",
            _with(lambda n, k, s, p, d: (n + 2 * p - _seen(k, d)) // s + 2),
        ),
        (
            "Your kernel covers dilation * (kernel - 1) places. That is the way from its first weight to "
            "its last; the place of the first counts, too: one more.",
            _with(lambda n, k, s, p, d: (n + 2 * p - d * (k - 1)) // s + 1),
        ),
        (
            "You add 1 before you divide by the stride. The kernel takes (…) // stride steps, and the "
            "place where it starts is one more output.",
            _with(lambda n, k, s, p, d: (n + 2 * p - _seen(k, d) + 1) // s),
        ),
        (
            "You round up. A last step that does not fit is left out, so round down.",
            _with(lambda n, k, s, p, d: -(-(n + 2 * p - _seen(k, d)) // s) + 1),
        ),
        (
            "You round to the nearest whole number. A last step that does not fit is left out: round down.",
            _with(lambda n, k, s, p, d: round((n + 2 * p - _seen(k, d)) / s + 1)),
        ),
        (
            "You divide without rounding, and the result can be a fraction. A last step that does not fit "
            "is left out: `//` divides and rounds down.",
            _with(lambda n, k, s, p, d: (n + 2 * p - _seen(k, d)) / s + 1),
        ),
        (
            "You return the input's size divided by the stride. That is right only where the padding fits "
            "the kernel; here the kernel must fit into the padded input.",
            _with(lambda n, k, s, p, d: n // s),
        ),
        (
            "You return the input's size divided by the stride, rounded up. That is right only where the "
            "padding fits the kernel; here the kernel must fit into the padded input.",
            _with(lambda n, k, s, p, d: -(-n // s)),
        ),
        (
            "You compute the size of a transposed convolution, which enlarges. Here the kernel moves over "
            "the input.",
            _with(lambda n, k, s, p, d: (n - 1) * s - 2 * p + _seen(k, d)),
        ),
        (
            "You subtract the padding. It makes the input larger.",
            _with(lambda n, k, s, p, d: (n - 2 * p - _seen(k, d)) // s + 1),
        ),
        (
            "You divide the padding by the stride separately and round twice. Add the padding first, then "
            "divide.",
            _with(lambda n, k, s, p, d: (n - _seen(k, d)) // s + 2 * p // s + 1),
        ),
    ],
    finished=(
        *(f"torch.nn.modules.conv:Conv{n}d" for n in (1, 2)),
        *(f"{module}:conv{n}d" for module in ("torch", "torch.nn.functional") for n in (1, 2)),
    ),
)
