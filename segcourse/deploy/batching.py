"""Run the network once for several requests that arrive at the same time."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

import torch

from segcourse.deploy.gate import BusyError

Forward = Callable[[torch.Tensor], torch.Tensor]


class Batcher:
    """A network that many threads can call; calls that wait at the same time are computed as one batch.

    A batch starts without waiting for more calls: while one batch is computed, the next calls collect. So a
    single call is as fast as without batches, and batches grow with the load. Results are those of single
    calls, up to rounding.

    Args:
        forward: maps images N×C_in×H×W to N×C×H×W.
        largest: images per batch; a single call may have more.
        workers: batches at the same time, each in a separate thread.
        threads: PyTorch's threads in each of these, on a CPU.
        seconds: a call gives up after this time.
        observe: called with the number of images of each batch.

    >>> twice = Batcher(lambda images: 2 * images)
    >>> twice(torch.ones(1, 1, 1, 2)).tolist()
    [[[[2.0, 2.0]]]]
    >>> twice.close()
    """

    def __init__(
        self,
        forward: Forward,
        largest: int = 8,
        workers: int = 1,
        threads: int = 1,
        seconds: float = 30,
        observe: Callable[[int], object] = lambda images: None,
    ):
        self.forward, self.largest, self.seconds, self.observe = forward, largest, seconds, observe
        self.threads = threads
        self._waiting: deque[tuple[torch.Tensor, Future]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._workers = [
            threading.Thread(target=self._work, name=f"batches-{k}", daemon=True) for k in range(workers)
        ]
        for worker in self._workers:
            worker.start()

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the network's output for these images.

        Raises:
            BusyError: there is no result after `seconds`, or the batcher is closed.
            Exception: what the network raised for the batch.
        """
        result: Future = Future()
        with self._changed:
            if self._closed:
                raise BusyError("the service is stopping; try again later.")
            self._waiting.append((images, result))
            self._changed.notify()
        try:
            return result.result(self.seconds)
        except TimeoutError:
            result.cancel()  # if it still waits, it is not computed
            raise BusyError(
                f"there is no result after {self.seconds:g} seconds; try again later, or with a smaller "
                "picture."
            ) from None

    def close(self) -> None:
        """Finish the calls that wait, refuse new ones, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    @torch.inference_mode()
    def _work(self) -> None:
        torch.set_num_threads(self.threads)  # of this thread, and the default of later ones
        while batch := self._next():
            sizes = [len(images) for images, _ in batch]
            try:
                outputs = self.forward(torch.cat([images for images, _ in batch])).split(sizes)
            except BaseException as error:  # else the callers would wait until their time is up
                for _, result in batch:
                    result.set_exception(error)
            else:
                for (_, result), output in zip(batch, outputs, strict=True):
                    result.set_result(output)
                self.observe(sum(sizes))

    def _next(self) -> list[tuple[torch.Tensor, Future]]:
        """Wait for a call, and return it with the others that fit in its batch; nothing if closed."""
        with self._changed:
            batch: list[tuple[torch.Tensor, Future]] = []
            while not batch:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return []
                batch = self._take()
            return batch

    def _take(self) -> list[tuple[torch.Tensor, Future]]:
        taken: list[tuple[torch.Tensor, Future]] = []
        left: deque[tuple[torch.Tensor, Future]] = deque()
        total = 0
        for images, result in self._waiting:
            fits = not taken or (
                images.shape[1:] == taken[0][0].shape[1:] and total + len(images) <= self.largest
            )
            if not fits:
                left.append((images, result))
            elif result.set_running_or_notify_cancel():
                taken.append((images, result))
                total += len(images)
        self._waiting = left
        return taken
