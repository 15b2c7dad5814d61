"""A pool of workers: threads of this machine, or a Dask cluster. Tasks and results are bytes.

A local worker is a thread, because the work happens in sandboxes, which are separate processes. Workers
therefore share one fork server and one copy of the expected values. If a worker of a cluster dies, Dask gives
its tasks to another.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil

from segcourse.cluster import Workers, open_cluster
from segcourse.grading.sandbox import runner
from segcourse.grading.scoring.grade import Task, grade_bytes
from segcourse.grading.scoring.result import Result


def default_workers(memory_gb: float) -> int:
    """Return one worker per core, as far as memory allows if each submission uses `memory_gb`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, int(psutil.virtual_memory().total / 2**30 / memory_gb)))


@contextlib.contextmanager
def open_pool(workers: int, scheduler: str | None) -> Iterator["Pool"]:
    """Open a pool of `workers` threads, or of the Dask cluster at the address `scheduler`.

    Raises:
        SegcourseError: Dask is not installed, or the scheduler does not answer or has no workers.
    """
    if scheduler is None:
        with ThreadPoolExecutor(workers, thread_name_prefix="grader") as executor:
            runner.stopped.clear()
            try:
                yield Pool(Workers(executor, lambda: workers))
            except BaseException:  # above all Ctrl-C: a thread ends when its sandbox does
                executor.shutdown(wait=False, cancel_futures=True)
                runner.stop_all()
                raise
        return
    with open_cluster(scheduler, needs="segcourse and bubblewrap") as cluster:
        yield Pool(cluster)


class Pool:
    """Grades tasks in parallel."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers

    def grade(self, tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield the results in the order of completion; take tasks as workers become free.

        What could not be graded for a reason outside the submission gets a second try, alone, at the end.

        Raises:
            SegcourseError: This machine or a worker cannot grade, or the cluster has lost all workers.
        """
        again: list[bytes] = []
        for task, result in self._grade(task.to_bytes() for task in tasks):
            if result.is_final:
                yield result
            else:
                again.append(task)
        for task in again:
            yield from (result for _, result in self._grade([task]))

    def _grade(self, tasks: Iterable[bytes]) -> Iterator[tuple[bytes, Result]]:
        for task, result in self.workers.run(grade_bytes, tasks):
            yield task, Result.from_json(json.loads(result))
