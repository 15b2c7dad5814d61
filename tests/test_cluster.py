"""Workers: tasks are taken as workers become free, and a cluster without workers is an error."""

from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pytest

from segcourse import cluster
from segcourse.cluster import QUEUED_PER_WORKER, Workers
from segcourse.errors import SegcourseError


def test_tasks_are_taken_as_workers_become_free():
    taken = []

    def tasks():
        for number in range(50):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(2) as executor:
        results = Workers(executor, lambda: 2).run(lambda number: number**2, tasks())
        first = next(results)
        assert len(taken) <= 2 * QUEUED_PER_WORKER
        assert sorted([first, *results]) == [(number, number**2) for number in range(50)]


def test_an_error_of_a_task_is_raised():
    with ThreadPoolExecutor(1) as executor, pytest.raises(ZeroDivisionError):
        list(Workers(executor, lambda: 1).run(lambda number: 1 / number, [1, 0, 2]))


def test_a_cluster_that_lost_all_workers_is_an_error(monkeypatch):
    class Deaf(Executor):
        def submit(self, *_):
            return Future()

    monkeypatch.setattr(cluster, "NO_WORKER_SECONDS", 0.1)
    with pytest.raises(SegcourseError, match=r"no worker for 0\.1 s; start workers and run the same command"):
        list(Workers(Deaf(), lambda: 0).run(abs, [1]))
