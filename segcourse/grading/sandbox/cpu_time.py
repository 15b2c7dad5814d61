"""CPU time of processes, and the time they spent waiting for a core, read from Linux's /proc."""

import math
import os
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process; infinite if it is unknown, so that the wall clock decides.

    >>> cpu_seconds(-1), run_queue_seconds(-1)  # there is no such process
    (inf, 0.0)
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return math.inf


def total_cpu_seconds() -> float:
    """Return the CPU time of all processes that are visible from here."""
    times = (cpu_seconds(int(path.name)) for path in Path("/proc").glob("[0-9]*"))
    return sum(seconds for seconds in times if seconds < math.inf)


def run_queue_seconds(pid: int) -> float:
    """Return how long a process was ready to run but had no core; 0 if Linux does not say."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
