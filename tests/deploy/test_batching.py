"""Calls of many threads become batches, and each gets its own result."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from segcourse.deploy.batching import Batcher
from segcourse.deploy.gate import BusyError, Gate


class Held:
    """Doubles images; waits before each batch until it is let go, and notes the batches."""

    def __init__(self):
        self.started, self.go, self.sizes = threading.Semaphore(0), threading.Semaphore(0), []

    def __call__(self, images):
        self.started.release()
        assert self.go.acquire(timeout=60)
        self.sizes.append(tuple(images.shape))
        if (images < 0).any():
            raise ValueError("a negative image")
        return 2 * images


@pytest.fixture
def held():
    return Held()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(16) as pool:
        yield pool


def image(value, height=2, width=3, count=1):
    return torch.full((count, 1, height, width), float(value))


def wait_for(batcher, count):
    """Wait until so many calls wait in the batcher."""
    with batcher._changed:
        assert batcher._changed.wait_for(lambda: len(batcher._waiting) == count, 60)


def test_calls_that_wait_become_one_batch_and_each_gets_its_own_result(held, pool):
    batcher = Batcher(held, largest=4)
    first = pool.submit(batcher, image(0))
    held.started.acquire()
    others = [pool.submit(batcher, image(value)) for value in range(1, 7)]
    wait_for(batcher, 6)
    held.go.release(3)
    assert [one.result(60).unique().item() for one in (first, *others)] == [0, 2, 4, 6, 8, 10, 12]
    assert [size[0] for size in held.sizes] == [1, 4, 2]
    batcher.close()


def test_images_of_several_sizes_are_not_mixed(held, pool):
    batcher = Batcher(held)
    first = pool.submit(batcher, image(0))
    held.started.acquire()
    wide = pool.submit(batcher, image(1, width=9))
    wait_for(batcher, 1)
    others = [pool.submit(batcher, image(2)), pool.submit(batcher, image(3, width=9, count=2))]
    wait_for(batcher, 3)
    held.go.release(3)
    assert [one.result(60).shape[-1] for one in (first, wide, *others)] == [3, 9, 3, 9]
    assert held.sizes[1:] == [(3, 1, 2, 9), (1, 1, 2, 3)]
    batcher.close()


def test_workers_compute_batches_at_the_same_time(held, pool):
    batcher = Batcher(held, workers=2)
    calls = [pool.submit(batcher, image(1)), pool.submit(batcher, image(2, width=9))]
    assert held.started.acquire(timeout=60)
    assert held.started.acquire(timeout=60)  # both have started, none has ended
    held.go.release(2)
    assert [call.result(60).max().item() for call in calls] == [2, 4]
    batcher.close()


def test_an_error_reaches_the_callers_of_its_batch_and_no_one_else(held, pool):
    batcher = Batcher(held)
    bad = pool.submit(batcher, image(-1))
    held.started.acquire()
    good = pool.submit(batcher, image(1))
    wait_for(batcher, 1)
    held.go.release(2)
    with pytest.raises(ValueError, match="a negative image"):
        bad.result(60)
    assert good.result(60).max() == 2
    batcher.close()


def test_a_call_whose_time_is_up_is_not_computed(held, pool):
    batcher = Batcher(held, seconds=0.05)
    first = pool.submit(batcher, image(0))
    held.started.acquire()
    with pytest.raises(BusyError, match=r"no result after 0\.05 seconds"):
        batcher(image(1))
    with pytest.raises(BusyError):
        first.result(60)
    held.go.release(2)
    batcher.close()
    assert len(held.sizes) == 1


def test_closing_finishes_what_waits_and_refuses_more(held, pool):
    batcher = Batcher(held)
    calls = [pool.submit(batcher, image(value)) for value in range(3)]
    held.go.release(3)
    assert [call.result(60).max().item() for call in calls] == [0, 2, 4]
    batcher.close()
    with pytest.raises(BusyError, match="stopping"):
        batcher(image(1))


def test_a_picture_waits_for_room_until_its_time_is_up(pool):
    gate = Gate(requests=9, pixels=100, seconds=60)
    entered = threading.Event()

    def other():
        with gate.room(50):
            entered.set()

    with gate.room(60):
        waiting = pool.submit(other)
        assert not entered.wait(0.05)
    waiting.result(60)
    assert gate.used == 0
    impatient = Gate(requests=9, pixels=100, seconds=0)
    with impatient.room(60), pytest.raises(BusyError, match="other large pictures"), impatient.room(50):
        pass
