"""How much memory a training step takes, moment by moment."""

import os
from collections.abc import Callable
from typing import Any

from torch.profiler import ProfilerActivity, profile


def memory_curve(step: Callable[[], Any]) -> list[float]:
    """Run `step` and return the memory of its tensors after each operation, in MB of 2**20 bytes, from 0.

    PyTorch's profiler sees each allocation on the CPU. What an operation takes and gives back before it ends
    is not seen. On a GPU, ask `torch.cuda.max_memory_allocated()` for the peak.

    Args:
        step: a function without arguments, such as a forward and a backward pass. Call it once before: the
            first step also allocates gradients.

    >>> import torch
    >>> def step():
    ...     large = torch.ones(2**18)  # 4 bytes each: 1 MB
    ...     return (large + 1).sum()  # another MB
    >>> round(max(memory_curve(step)), 3)
    2.0
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler prints notes of its own
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
        step()
    changes = []
    for event in profiler.events():
        outside = event.name == "[memory]"  # what was freed between operations
        change = event.cpu_memory_usage if outside else event.self_cpu_memory_usage
        if change:
            changes.append((event.time_range.start if outside else event.time_range.end, change))
    used, curve = 0, [0.0]
    for _, change in sorted(changes):
        used += change
        curve.append(used / 2**20)
    return curve
