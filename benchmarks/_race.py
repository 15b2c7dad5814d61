"""Compare the speed of several functions in a way that other programs on the machine don't affect."""

import statistics
import time
from collections.abc import Callable

Runner = Callable[[], object]


def wall_time(run: Runner) -> float:
    """Return the seconds that `run` takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def cpu_time(run: Runner) -> float:
    """Return the core-seconds that `run` takes in all threads of this process; waiting costs nothing."""
    start = time.process_time()
    run()
    return time.process_time() - start


def cuda_time(run: Runner) -> float:
    """Return the seconds between two CUDA events, one before and one after the kernels that `run` starts."""
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000  # milliseconds


def race(
    runners: dict[str, Runner], rounds: int, warm_up: int = 1, timer: Callable[[Runner], float] = wall_time
) -> dict[str, list[float]]:
    """Return the seconds of each runner in each round.

    Each runner runs once per round, so a change in the machine's load affects all of them. Each round starts
    with another runner, so that no runner always finds cold caches.

    Args:
        runners: name -> function without arguments.
        rounds: number of timed rounds.
        warm_up: number of rounds before that, which are not timed.
        timer: runs a runner and returns its seconds.
    """
    names = list(runners)
    seconds = {name: [] for name in names}
    for turn in range(-warm_up, rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            taken = timer(runners[name])
            if turn >= 0:
                seconds[name].append(taken)
    return seconds


def table(seconds: dict[str, list[float]], ours: str, images: int | None = None) -> str:
    """Return one line per runner: median and best time, and the median ratio to our time per round.

    Args:
        seconds: the result of `race`.
        ours: name of the runner that the others are compared with.
        images: images that each runner processes; adds a column with the images per second.

    >>> print(table({"ours": [1.0, 2.0, 1.0], "peer": [3.0, 4.0, 3.0]}, ours="ours", images=6))
    runner  median ms   best ms   times ours   images/s
    ours       1000.0    1000.0         1.00        6.0
    peer       3000.0    3000.0         3.00        2.0
    """
    width = max(map(len, seconds), default=0) + 2
    rate = f" {'images/s':>10}" if images else ""
    lines = [f"{'runner':<{width}}  {'median ms':>9} {'best ms':>9} {'times ours':>12}{rate}"]
    for name, times in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(times, seconds[ours], strict=True))
        middle, best = statistics.median(times) * 1000, min(times) * 1000
        rate = f" {1000 * images / middle:>10.1f}" if images else ""
        lines.append(f"{name:<{width}}  {middle:>9.1f} {best:>9.1f} {ratio:>12.2f}{rate}")
    return "\n".join(lines)
