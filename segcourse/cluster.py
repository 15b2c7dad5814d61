"""Keep workers busy: threads, or a Dask cluster.

If a worker of a cluster dies, Dask gives its tasks to another.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import Any

from segcourse.errors import SegcourseError

QUEUED_PER_WORKER = 3  # enough to keep a worker busy, few enough to hold in memory
CONNECT_SECONDS = 10.0  # how long to wait for the scheduler of a cluster
NO_WORKER_SECONDS = 60.0  # how long to wait for workers after a cluster has lost them all


class Workers:
    """An executor, and a function that returns its current number of workers.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as executor:
    ...     sorted(Workers(executor, lambda: 2).run(abs, [-1, 5]))
    [(-1, 1), (5, 5)]
    """

    def __init__(self, executor: Executor, size: Callable[[], int]) -> None:
        self.executor, self.size = executor, size

    def run(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield (task, result) in the order of completion; take tasks as workers become free.

        Raises:
            SegcourseError: the cluster has lost all workers.
            Exception: what a task raised.
        """
        waiting: dict[Future, Any] = {}
        todo = iter(tasks)
        while True:
            queue = QUEUED_PER_WORKER * max(1, self.size())
            while len(waiting) < queue and (task := next(todo, None)) is not None:
                waiting[self.executor.submit(function, task)] = task
            if not waiting:
                return
            for future in self._wait(waiting):
                yield waiting.pop(future), future.result()

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
def open_cluster(scheduler: str, needs: str = "segcourse") -> Iterator[Workers]:
    """Connect to the Dask cluster at the address `scheduler`; `needs` says what its machines must have.

    Raises:
        SegcourseError: Dask is not installed, or the scheduler does not answer or has no workers.
    """
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
                f"`dask worker {scheduler} --nthreads 1`, on machines with {needs}."
            )
        yield Workers(client.get_executor(pure=False, retries=2), lambda: sum(client.nthreads().values()))
