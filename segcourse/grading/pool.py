"""A pool of workers: threads of this machine, or a Dask cluster. Tasks and results are bytes.

A local worker is a thread, because the work happens in sandboxes, which are separate processes. Workers
therefore share one fork server and one copy of the expected values. If a worker of a cluster dies, Dask gives
its tasks to another.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait

import psutil

from segcourse.errors import SegcourseError
from segcourse.grading.sandbox import runner
from segcourse.grading.scoring.grade import Task, grade_bytes
from segcourse.grading.scoring.result import Result

QUEUED_PER_WORKER = 3  # enough to keep a worker busy, few enough to hold in memory
CONNECT_SECONDS = 10.0  # how long to wait for the scheduler of a cluster
NO_WORKER_SECONDS = 60.0  # how long to wait for workers after a cluster has lost them all


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
                yield Pool(executor, lambda: workers)
            except BaseException:  # above all Ctrl-C: a thread ends when its sandbox does
                executor.shutdown(wait=False, cancel_futures=True)
                runner.stop_all()
                raise
        return
    with _client(scheduler) as client:
        executor = client.get_executor(pure=False, retries=2)
        yield Pool(executor, lambda: sum(client.nthreads().values()))


class Pool:
    """Grades tasks in parallel; `size` returns the current number of workers."""

    def __init__(self, executor: Executor, size: Callable[[], int]) -> None:
        self.executor, self.size = executor, size

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
        waiting: dict[Future, bytes] = {}
        todo = iter(tasks)
        while True:
            queue = QUEUED_PER_WORKER * max(1, self.size())
            while len(waiting) < queue and (task := next(todo, None)):
                waiting[self.executor.submit(grade_bytes, task)] = task
            if not waiting:
                return
            for future in self._wait(waiting):
                yield waiting.pop(future), Result.from_json(json.loads(future.result()))

    def _wait(self, waiting: Iterable[Future]) -> set[Future]:
        without_worker = None
        while not (done := wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED).done):
            without_worker = None if self.size() else without_worker or time.monotonic()
            if without_worker and time.monotonic() - without_worker > NO_WORKER_SECONDS:
                raise SegcourseError(
                    f"the cluster has had no worker for {NO_WORKER_SECONDS:g} s; start workers and run the "
                    "same command again: it continues where it stopped."
                )
        return done


@contextlib.contextmanager
def _client(scheduler: str) -> Iterator:
    try:
        from distributed import Client
    except ImportError as error:
        raise SegcourseError(
            '--scheduler needs Dask; install it with pip install "segcourse[cluster]".'
        ) from error
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise SegcourseError(
            f"no Dask scheduler answers at {scheduler}; start one with `dask scheduler` and use the address "
            "that it prints, such as tcp://host:8786."
        ) from error
    with client:
        if not client.nthreads():
            raise SegcourseError(
                f"the scheduler at {scheduler} has no workers; start some with "
                f"`dask worker {scheduler} --nthreads 1`, on machines with segcourse and bubblewrap."
            )
        yield client
