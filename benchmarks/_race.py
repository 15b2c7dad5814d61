"""Compare the speed of several functions in a way that other programs on the machine don't affect."""

import statistics
import time
from collections.abc import Callable


def race(runners: dict[str, Callable[[], object]], rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Return the seconds of each runner in each round.

    Each runner runs once per round, so a change in the machine's load affects all of them. Each round starts
    with another runner, so that no runner always finds cold caches.

    Args:
        runners: name -> function without arguments.
        rounds: number of timed rounds.
        warm_up: number of rounds before that, which are not timed.
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
    """Return one line per runner: median and best time, and the median ratio to our time per round.

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
