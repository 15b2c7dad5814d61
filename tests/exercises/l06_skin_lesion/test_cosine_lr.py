"""Exercise 6.4: right answers in other styles, promises and their breakers, mutants that are equal."""

import math

import numpy as np
import torch
from contract import Contract

from segcourse.exercises.l06_skin_lesion import cosine_lr as module
from segcourse.exercises.l06_skin_lesion.cosine_lr import cosine_lr as answer


def by_interp(step, total, peak, warm=0):
    if step >= total:
        return 0.0
    rise = min(1.0, (step + 1) / warm) if warm else 1.0
    angle = np.interp(step, [warm, total], [0, np.pi])
    return peak * rise * np.cos(angle / 2) ** 2


def by_pytorch(step, total_steps, peak, warmup_steps=0):
    if step >= total_steps:
        return 0.0
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total_steps - warmup_steps)
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    for _ in range(step - warmup_steps):
        optimizer.step()
        fall.step()
    return float(fall.get_last_lr()[0])


def by_list(step, total_steps, peak, warmup_steps=0):
    left = total_steps - warmup_steps
    rates = [peak / warmup_steps * (i + 1) for i in range(warmup_steps)]
    rates += [peak / 2 + peak / 2 * math.cos(math.pi * i / left) for i in range(left)]
    return rates[step] if step < len(rates) else 0.0


class TestCosineLr(Contract):
    name = "cosine_lr"
    library = staticmethod(by_list)
    right = {"interpolation": by_interp, "PyTorch's scheduler": by_pytorch, "list": by_list}
    promises = (
        ("an int from 0 up", "it is the first step", lambda step, *given: answer(step + 1, *given)),
        ("larger than `warmup_steps`", "one step is left after the warm-up",
         lambda step, total, peak, warmup=0: 0.0 if step == total - 1 else answer(step, total, peak, warmup)),
        ("a number above 0", "warm-up", lambda step, total, peak, warmup=0: answer(step, total, 1, warmup)),
        ("0 by default", "there is no warm-up", lambda step, total, peak, warmup=1: answer(step, total, peak, warmup)),
        ("with 0 warm-up steps, the cosine begins at step 0", "warmup_steps is 0", lambda step, total, peak, warmup=0: answer(step, total, peak, warmup or 2)),
        ("step 0 has peak / warmup_steps", "it is the first step", module._made(rise=lambda step, warmup: step / warmup)),
        ("the last of these steps has the peak", "it is the last step of the warm-up",
         module._made(rise=lambda step, warmup: (step + 1) / (warmup + 1))),
        ("the last of these steps has the peak", "the warm-up is one step",
         module._made(rise=lambda step, warmup: (step + 1) / (warmup + 1))),
        ("in equal parts", "warm-up",
         module._made(rise=lambda step, warmup: (1 - math.cos(math.pi * (step + 1) / warmup)) / 2)),
        ("the peak at step warmup_steps", "it is the first step after the warm-up",
         module._made(span=lambda step, total, warmup: (step + 1 - warmup) / (total - warmup))),
        ("half of the peak in the middle of the steps that are left", "half of the cosine is done",
         module._made(span=lambda step, total, warmup: step / total)),
        ("half of the peak in the middle", "half of the steps are done", module._made(fall=lambda done: math.cos(math.pi / 2 * done))),
        ("0 at total_steps", "step equals total_steps", module._made(span=lambda step, total, warmup: (step - warmup) / (total + 1 - warmup))),
        ("0 at total_steps", "it is the last step",
         module._made(span=lambda step, total, warmup: (step - warmup) / max(1, total - 1 - warmup))),
        ("and beyond", "step is beyond total_steps", module._made(stop=False)),
        ("returns a float", "cosine", lambda *given: str(answer(*given)), lambda *given: torch.tensor(answer(*given))),
    )  # fmt: skip
    equal = {
        r"min\(\(step - warmup_steps\).*, 1\)|\) \* peak|\(step \+ 1\) \* peak|\+ 1\) / 2|\(1 \+ step\)|done \* math\.pi":
            "the same product or sum",
        r"^if step < .*->  done = ": "the order does not matter where both lines run",
        r"->  (warmup_steps|total_steps|step) = int\(": "the numbers are whole",
    }  # fmt: skip
    said = (
        (
            lambda *given: torch.tensor(answer(*given)),
            "Your answer returns a tensor, and a float is asked for",
        ),
        (lambda step, total, peak, warmup=0: 1 - answer(step, total, peak, warmup), "1 minus the expected"),
    )
