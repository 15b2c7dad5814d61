"""The limits of one submission."""

from dataclasses import dataclass

WALL_CLOCK_FACTOR = 3  # time limits count CPU time; on the wall clock a step may take this many times as long


@dataclass(frozen=True)
class Limits:
    """What one submission may use; course.toml sets these values under [limits].

    The supervisor inside the sandbox enforces the times and `output_kb`. The watchdog outside enforces
    `processes`, `record_mb`, and `total_memory_gb` for the whole sandbox. The kernel limits each process to
    `memory_gb` of data and each file to 256 MB.
    """

    cell_seconds: float = 60
    case_seconds: float = 10
    total_seconds: float = 600
    memory_gb: float = 4
    processes: int = 128
    record_mb: float = 64
    output_kb: float = 20

    @property
    def total_memory_gb(self) -> float:
        """What all processes may use together; a single one gets a MemoryError before the kernel ends it."""
        return self.memory_gb + 0.5
