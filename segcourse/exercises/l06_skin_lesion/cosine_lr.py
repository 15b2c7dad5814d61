"""Exercise 6.4: a learning rate that rises, then falls along a cosine."""

import math
from collections.abc import Iterator

from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise


def cosine_lr(step, total_steps, peak, warmup_steps=0):
    """Return the learning rate of a step: a linear rise to `peak`, then half a cosine down to 0."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done = min(1, (step - warmup_steps) / (total_steps - warmup_steps))
    return peak * (1 + math.cos(math.pi * done)) / 2


WARM, COSINE, END = "warm-up", "cosine", "the end"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, step, total_steps, peak, warmup_steps=None, *traits):
        inputs = {"step": step, "total_steps": total_steps, "peak": peak}
        inputs |= {} if warmup_steps is None else {"warmup_steps": warmup_steps}
        return Case(group, inputs, traits)

    yield case(COSINE, 0, 4, 1.0, None, "it is the first step", "there is no warm-up")
    yield case(COSINE, 2, 4, 1.0, None, "half of the steps are done", "there is no warm-up")
    yield case(COSINE, 1, 4, 0.5, 0, "warmup_steps is 0")
    yield case(COSINE, 1, 3, 0.1, None, "there is no warm-up")
    yield case(WARM, 0, 12, 1.0, 4, "it is the first step")
    yield case(WARM, 1, 12, 0.5, 4)
    yield case(WARM, 3, 12, 1.0, 4, "it is the last step of the warm-up")
    yield case(WARM, 0, 12, 0.3, 1, "the warm-up is one step")
    yield case(COSINE, 4, 12, 1.0, 4, "it is the first step after the warm-up")
    yield case(COSINE, 6, 12, 1.0, 4)
    yield case(COSINE, 8, 12, 1.0, 4, "half of the cosine is done")
    yield case(COSINE, 5, 6, 1.0, 5, "one step is left after the warm-up")
    yield case(END, 3, 4, 1.0, None, "it is the last step")
    yield case(END, 4, 4, 1.0, None, "step equals total_steps")
    yield case(END, 9, 4, 1.0, None, "step is beyond total_steps")
    yield case(END, 8, 4, 0.5, 2, "step is beyond total_steps")
    yield case(END, 30, 10, 2.0, 3, "step is beyond total_steps")
    for _ in range(3):
        warmup, more = int(rng.integers(3, 9)), int(rng.integers(10, 90))
        total, peak = warmup + more, round(float(rng.uniform(0.1, 3)), 3)
        yield case(WARM, int(rng.integers(1, warmup - 1)), total, peak, warmup)
        yield case(COSINE, int(rng.integers(warmup + 1, total - 1)), total, peak, warmup)
        yield case(COSINE, int(rng.integers(1, total - 1)), total, peak, None, "there is no warm-up")
        yield case(END, total + int(rng.integers(0, 20)), total, peak, warmup)


def look(obj, case):
    """Observe the rate; NumPy's floats are floats."""
    value = obj(*case.inputs.values())
    return {"value": float(value) if isinstance(value, float) else value}


def _made(rise=None, fall=None, span=None, stop=True):
    """Return an answer that differs in one part."""

    def wrong(step, total_steps, peak, warmup_steps=0):
        if step < warmup_steps:
            return peak * (rise(step, warmup_steps) if rise else (step + 1) / warmup_steps)
        done = (span or _span)(step, total_steps, warmup_steps)
        done = min(1, done) if stop else done
        return peak * (fall(done) if fall else (1 + math.cos(math.pi * done)) / 2)

    return wrong


def _span(step, total_steps, warmup_steps):
    return (step - warmup_steps) / (total_steps - warmup_steps)


def _always_warm(step, total_steps, peak, warmup_steps=0):
    return peak * min(1, (step + 1) / max(1, warmup_steps))


def _times_both(step, total_steps, peak, warmup_steps=0):
    rise = min(1, (step + 1) / max(1, warmup_steps))
    return peak * rise * (1 + math.cos(math.pi * min(1, step / total_steps))) / 2


def celebrate(answer):
    """Show the curve, with and without warm-up."""
    from segcourse.plotting import show_curves

    steps = list(range(0, 101))
    curves = {name: [answer(step, 100, 3e-3, warm) for step in steps] for name, warm in
              (("your cosine_lr", 0), ("with 10 steps of warm-up", 10))}  # fmt: skip
    show_curves(curves, steps, xlabel="step", ylabel="learning rate")


EXERCISE = Exercise(
    cosine_lr,
    number="6.4",
    difficulty=1,
    minutes=10,
    groups={WARM: 1, COSINE: 1, END: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        (
            "Your warm-up begins at 0, and the first step learns nothing. Step 0 is the first of the "
            "warm-up's steps, so its rate is peak / warmup_steps.",
            _made(rise=lambda step, warmup: step / warmup),
        ),
        (
            "There is no warm-up in your answer: the first steps have the peak. They rise to it in equal "
            "parts.",
            _made(rise=lambda step, warmup: 1),
        ),
        (
            "Your warm-up ends below the peak. Its last step, warmup_steps - 1, has the peak.",
            _made(rise=lambda step, warmup: (step + 1) / (warmup + 1)),
        ),
        (
            "Your warm-up falls. It rises from peak / warmup_steps to the peak.",
            _made(rise=lambda step, warmup: (warmup - step) / warmup),
        ),
        (
            "Your warm-up rises along a cosine. A straight line is asked for.",
            _made(rise=lambda step, warmup: (1 - math.cos(math.pi * (step + 1) / warmup)) / 2),
        ),
        (
            "Your cosine begins at step 0, not after the warm-up, so that the rate jumps at its end. Count "
            "the cosine's steps from warmup_steps on.",
            _made(span=lambda step, total, warmup: step / total),
        ),
        (
            "Your cosine takes total_steps from the end of the warm-up on, and isn't 0 at the end. The "
            "warm-up's steps are part of the total.",
            _made(span=lambda step, total, warmup: (step - warmup) / total),
        ),
        (
            "You count cosine steps from 0 but divide by the steps after the warm-up. Both begin at "
            "warmup_steps.",
            _made(span=lambda step, total, warmup: step / (total - warmup)),
        ),
        (
            "Your rate is 0 already in the last step, total_steps - 1. It reaches 0 at total_steps.",
            _made(span=lambda step, total, warmup: (step - warmup) / max(1, total - 1 - warmup)),
        ),
        (
            "Your cosine is one step ahead. At warmup_steps nothing of it is done, and the rate is the peak.",
            _made(span=lambda step, total, warmup: (step + 1 - warmup) / (total - warmup)),
        ),
        (
            "Your rate rises again beyond total_steps, because the cosine continues. From total_steps on it "
            "stays 0.",
            _made(stop=False),
        ),
        (
            "Your rate falls along a straight line. Half a cosine is asked for: (1 + cos(pi * done)) / 2.",
            _made(fall=lambda done: 1 - done),
        ),
        (
            "Your rate falls along a quarter of a cosine, cos(pi / 2 * done). Half a cosine is asked for: "
            "(1 + cos(pi * done)) / 2.",
            _made(fall=lambda done: math.cos(math.pi / 2 * done)),
        ),
        (
            "Your rate becomes negative: cos goes from 1 to -1. Add 1 and halve it.",
            _made(fall=lambda done: math.cos(math.pi * done)),
        ),
        (
            "Your rate starts at twice the peak. Halve 1 + cos.",
            _made(fall=lambda done: 1 + math.cos(math.pi * done)),
        ),
        (
            "Your cosine rises from 0 to the peak. It falls: 1 *plus* the cosine.",
            _made(fall=lambda done: (1 - math.cos(math.pi * done)) / 2),
        ),
        (
            "You give the cosine degrees or a share, not radians: pi is missing.",
            _made(fall=lambda done: (1 + math.cos(done)) / 2),
        ),
        (
            "You go through a whole cosine, 2 pi, so that the rate is back at its peak in the end. Half of "
            "it is asked for.",
            _made(fall=lambda done: (1 + math.cos(2 * math.pi * done)) / 2),
        ),
        ("Your rate never falls: after the warm-up it stays at the peak.", _always_warm),
        (
            "You multiply warm-up and cosine. They follow one another: first the rise, then the cosine.",
            _times_both,
        ),
        (
            "You forget the peak: your rate goes up to 1.",
            lambda step, total, peak, warmup=0: cosine_lr(step, total, 1, warmup),
        ),
        (
            "You never use `warmup_steps`: your cosine begins at once.",
            lambda step, total, peak, warmup=0: cosine_lr(step, total, peak),
        ),
    ],
    finished=("segcourse.training.optimizer:cosine_schedule",),
)
