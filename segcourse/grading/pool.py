"""Who grades: this machine's workers, or those of a Dask cluster. Tasks and results are bytes.

A worker is a thread here: the work happens in sandboxes, which are processes of their own, so that workers
share one warm process and one copy of the expected values. On a cluster a Dask worker does the same; one that
dies costs nothing but the time, because Dask hands its tasks to another.
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

AHEAD = 3  # submissions read ahead a worker: enough to keep it busy, few enough to hold in memory
WITHOUT_WORKERS = 60.0  # seconds that a cluster may be without any worker before the grader gives up


def default_workers(memory_gb: float) -> int:
    """One a core, as far as there is memory for submissions that take all the `memory_gb` that one may."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, int(psutil.virtual_memory().total / 2**30 / memory_gb)))


@contextlib.contextmanager
def open_pool(workers: int, scheduler: str | None) -> Iterator["Pool"]:
    """A pool of `workers` threads, or of the Dask cluster at the address `scheduler`.

    Raises:
        SegcourseError: Dask is not installed, or the scheduler does not answer or has no workers.
    """
    if scheduler is None:
        with ThreadPoolExecutor(workers, thread_name_prefix="grader") as executor:
            runner.stopped.clear()
            try:
                yield Pool(executor, lambda: workers)
            except BaseException:  # Ctrl-C above all: threads end when what they wait for does
                executor.shutdown(wait=False, cancel_futures=True)
                runner.stop_all()
                raise
        return
    with _client(scheduler) as client:
        executor = client.get_executor(pure=False, retries=2)
        yield Pool(executor, lambda: sum(client.nthreads().values()))


class Pool:
    """Grades tasks as they come; `size` tells how many workers there are now."""

    def __init__(self, executor: Executor, size: Callable[[], int]) -> None:
        self.executor, self.size = executor, size

    def grade(self, tasks: Iterable[Task]) -> Iterator[Result]:
        """The results, in the order in which they are done; tasks are asked for as workers come free.

        Raises:
            SegcourseError: this machine or a worker cannot grade anything, or all workers are gone.
        """
        waiting, todo = set(), iter(tasks)
        while True:
            while len(waiting) < AHEAD * max(1, self.size()) and (task := next(todo, None)):
                waiting.add(self.executor.submit(grade_bytes, task.to_bytes()))
            if not waiting:
                return
            done = self._done(waiting)
            waiting -= done
            for future in done:
                yield Result.from_json(json.loads(future.result()))

    def _done(self, waiting: set[Future]) -> set[Future]:
        alone = None
        while not (done := wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED).done):
            alone = None if self.size() else alone or time.monotonic()
            if alone and time.monotonic() - alone > WITHOUT_WORKERS:
                raise SegcourseError(
                    f"the cluster has had no worker for {WITHOUT_WORKERS:g} s; start some and run the same "
                    "command again: it goes on where it stopped."
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
        client = Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise SegcourseError(
            f"no Dask scheduler answers at {scheduler}; start one with `dask scheduler` and give the address "
            "that it prints, such as tcp://host:8786."
        ) from error
    with client:
        if not client.nthreads():
            raise SegcourseError(
                f"the scheduler at {scheduler} has no workers; start some with "
                f"`dask worker {scheduler} --nthreads 1`, on machines with segcourse and bubblewrap."
            )
        yield client
