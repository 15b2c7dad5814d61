"""Races that a busy machine cannot decide: the runners take turns, in one process, and medians are
compared."""

import statistics
import time
from collections.abc import Callable


def race(runners: dict[str, Callable[[], object]], rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Seconds of each runner in each round.

    In every round each runner runs once, so that whatever else the machine does meets all of them alike;
    each round starts with another runner, so that none is always the one that finds the caches cold.
    """
    names = list(runners)
    seconds = {name: [] for name in names}
    for turn in range(-warm_up, rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            start = time.perf_counter()
            runners[name]()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def table(seconds: dict[str, list[float]], ours: str) -> str:
    """One line a runner: its median and best time, and the median over rounds of its time divided by ours.

    >>> print(table({"ours": [1.0, 2.0, 1.0], "peer": [3.0, 4.0, 3.0]}, ours="ours"))
    runner  median ms   best ms   times ours
    ours       1000.0    1000.0         1.00
    peer       3000.0    3000.0         3.00
    """
    width = max(map(len, seconds), default=0) + 2
    lines = [f"{'runner':<{width}}  {'median ms':>9} {'best ms':>9} {'times ours':>12}"]
    for name, times in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(times, seconds[ours], strict=True))
        middle, best = statistics.median(times) * 1000, min(times) * 1000
        lines.append(f"{name:<{width}}  {middle:>9.1f} {best:>9.1f} {ratio:>12.2f}")
    return "\n".join(lines)
