"""Exercise 4.1: how many pixels a dilated kernel spans."""

from collections.abc import Iterator

from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise


def effective_kernel_size(kernel, dilation):
    """Return how many pixels a kernel spans along one axis, from its first to its last tap, an int."""
    return dilation * (kernel - 1) + 1


THREE, OTHER = "kernels of 3 taps", "other kernels"


def cases(rng: Generator) -> Iterator[Case]:
    def case(kernel, dilation, *traits):
        group = THREE if kernel == 3 else OTHER
        return Case(group, {"kernel": kernel, "dilation": dilation}, traits)

    yield case(3, 2)
    yield case(3, 1, "dilation is 1")
    yield case(3, 3, "kernel and dilation are equal")
    yield case(1, 1, "the kernel has one tap")
    yield case(1, 4, "the kernel has one tap")
    yield case(2, 3, "the number of taps is even")
    yield case(5, 2)
    yield case(4, 1, "the number of taps is even", "dilation is 1")
    yield case(7, 12)
    yield case(9, 64, "the kernel spans more than 255 pixels")
    yield case(3, int(rng.integers(6, 40)))
    for kernel in (2, 4, 6, 8):
        yield case(kernel, int(rng.integers(2, 30)), "the number of taps is even")
        yield case(kernel + 3, int(rng.integers(2, 30)))


def celebrate(answer):
    """Show which pixels the kernels of an ASPP touch, along one axis."""
    import torch

    from segcourse.plotting import show_image

    rates = (1, 6, 12, 18)
    widest = answer(3, rates[-1])
    rows = torch.full((2 * len(rates) - 1, widest), 0.25)
    for line, rate in enumerate(rates):
        rows[2 * line, widest // 2 - rate : widest // 2 + rate + 1 : rate] = 1
    alt = f"Four rows of {widest} pixels. Dilations {rates} touch three pixels each, ever further apart."
    title = f"dilations 1, 6, 12 and 18: up to {widest} pixels"
    show_image(rows.repeat_interleave(12, 0).repeat_interleave(12, 1), title, alt=alt)


EXERCISE = Exercise(
    effective_kernel_size,
    number="4.1",
    difficulty=1,
    minutes=5,
    groups={THREE: 1, OTHER: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "You return kernel times dilation. Three taps have only two steps between them; the steps are "
            "what dilation makes longer.",
            lambda kernel, dilation: kernel * dilation,
        ),
        (
            "You add kernel and dilation. Dilation is a step, and a kernel has kernel - 1 steps from its "
            "first tap to its last.",
            lambda kernel, dilation: kernel + dilation,
        ),
        (
            "You return kernel times dilation, less 1. That is right for dilation 2 only: after the last tap "
            "no step follows, and each step is `dilation` long.",
            lambda kernel, dilation: kernel * dilation - 1,
        ),
        (
            "You return kernel times dilation, plus 1: one step too many. Three taps have two steps between "
            "them.",
            lambda kernel, dilation: kernel * dilation + 1,
        ),
        (
            "You exchange kernel and dilation: dilation - 1 steps of length kernel. It is kernel - 1 steps "
            "of length dilation.",
            lambda kernel, dilation: kernel * (dilation - 1) + 1,
        ),
        (
            "You return the distance from the first tap to the last. The pixels from the first to the last, "
            "both counted, are one more.",
            lambda kernel, dilation: dilation * (kernel - 1),
        ),
        (
            "You add the skipped pixels of one step only. There are kernel - 1 steps, and each of them skips "
            "dilation - 1 pixels.",
            lambda kernel, dilation: kernel + dilation - 1,
        ),
        (
            "You count two steps, whatever the kernel. That is right for three taps only: a kernel has "
            "kernel - 1 steps.",
            lambda kernel, dilation: kernel + 2 * (dilation - 1),
        ),
        (
            "Your result is that of three taps, whatever the kernel. Use `kernel`.",
            lambda kernel, dilation: 2 * dilation + 1,
        ),
        (
            "You return the number of taps. With dilation the taps stay the same, but they lie further "
            "apart.",
            lambda kernel, dilation: kernel,
        ),
        (
            "You take dilation for the number of skipped pixels. It is the step from tap to tap: dilation 1 "
            "skips none, dilation 2 skips one.",
            lambda kernel, dilation: (dilation + 1) * (kernel - 1) + 1,
        ),
        (
            "You return the area that the kernel spans. The size along one axis is asked for.",
            lambda kernel, dilation: (dilation * (kernel - 1) + 1) ** 2,
        ),
        (
            "You put skipped pixels before the first tap and after the last one, too. The kernel spans from "
            "its first tap to its last, so only the kernel - 1 steps between taps skip pixels.",
            lambda kernel, dilation: kernel + (kernel + 1) * (dilation - 1),
        ),
        (
            "You count the skipped pixels only. The taps between which they lie belong to the span: "
            "`kernel` more.",
            lambda kernel, dilation: (kernel - 1) * (dilation - 1),
        ),
        (
            "Your steps from tap to tap are dilation - 1 pixels long. That is how many pixels a step skips; "
            "the step itself is `dilation` long.",
            lambda kernel, dilation: (kernel - 1) * (dilation - 1) + 1,
        ),
        (
            "Your steps are as long as if each dilation doubled them: 2 ** (dilation - 1). Dilation is "
            "itself the length of a step; the rates of an ASPP need not be powers of 2.",
            lambda kernel, dilation: 2 ** (dilation - 1) * (kernel - 1) + 1,
        ),
        (
            "You let a single tap span `dilation` pixels. It spans one: dilation is the step to the next "
            "tap, and there is none.",
            lambda kernel, dilation: dilation if kernel == 1 else dilation * (kernel - 1) + 1,
        ),
        (
            "You count kernel + 1 steps. From its first tap to its last a kernel has kernel - 1 steps, and "
            "the pixel of the first tap counts, too.",
            lambda kernel, dilation: (kernel + 1) * dilation,
        ),
        (
            "You add two steps of `dilation` pixels to the taps. A kernel has kernel - 1 steps, and each of "
            "them skips dilation - 1 pixels.",
            lambda kernel, dilation: kernel + 2 * dilation,
        ),
        (
            "You leave out both the first tap and the last. The span counts both of them.",
            lambda kernel, dilation: dilation * (kernel - 1) - 1,
        ),
        (
            "You return the number of taps of the square kernel. How many pixels it spans along one axis is "
            "asked for.",
            lambda kernel, dilation: kernel**2,
        ),
        *(
            (
                "Your result is always odd, as if there were a middle tap with the same reach to both sides. "
                "An even number of taps has no middle tap: count the steps from the first to the last.",
                wrong,
            )
            for wrong in (
                lambda kernel, dilation: 2 * dilation * (kernel // 2) + 1,
                lambda kernel, dilation: 2 * dilation * ((kernel - 1) // 2) + 1,
                lambda kernel, dilation: 2 * (dilation * (kernel - 1) // 2) + 1,
            )
        ),
        *(
            (
                "You return how far the kernel reaches to one side, which is the padding that keeps the "
                "size. The span from the first tap to the last is asked for.",
                wrong,
            )
            for wrong in (
                lambda kernel, dilation: dilation * (kernel - 1) // 2,
                lambda kernel, dilation: dilation * (kernel - 1) / 2,
                lambda kernel, dilation: dilation * (kernel // 2),
            )
        ),
    ],
)
