"""How long a process has computed, and how long it waited for a core while others did: Linux tells both."""

import math
import os
from pathlib import Path


def computed(pid: int) -> float:
    """Seconds that a process has computed so far; infinite where nobody can tell: then the clock decides.

    >>> computed(-1), waited(-1)  # there is no such process
    (inf, 0.0)
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return math.inf


def computed_by_all() -> float:
    """Seconds that all processes which can be seen from here have computed."""
    every = (computed(int(path.name)) for path in Path("/proc").glob("[0-9]*"))
    return sum(seconds for seconds in every if seconds < math.inf)


def waited(pid: int) -> float:
    """Seconds that a process was ready to compute and had no core to do it on, as far as Linux tells."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
