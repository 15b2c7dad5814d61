"""Bound the number of requests and of pixels that a service works on at once."""

import contextlib
import threading
from collections.abc import Iterator


class BusyError(Exception):
    """A request can't be answered now; it can be tried again."""


class Gate:
    """Admit a bounded number of requests, and of pixels, at once. So memory is bounded, too.

    Args:
        requests: number of requests that are admitted at once; one more is refused.
        pixels: number of pixels of all pictures together that are in memory at once.
        seconds: a picture waits at most this time for room.

    >>> gate = Gate(requests=1, pixels=100, seconds=0)
    >>> with gate.request(), gate.room(60):
    ...     with gate.request():
    ...         pass
    Traceback (most recent call last):
    segcourse.deploy.gate.BusyError: the server works on 1 request(s) already; try again in a moment.
    """

    def __init__(self, requests: int, pixels: int, seconds: float):
        self.requests, self.pixels, self.seconds = requests, pixels, seconds
        self.admitted = self.used = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Hold one of the places for requests.

        Raises:
            BusyError: all places are taken.
        """
        with self._changed:
            if self.admitted >= self.requests:
                raise BusyError(
                    f"the server works on {self.requests} request(s) already; try again in a moment."
                )
            self.admitted += 1
        try:
            yield
        finally:
            with self._changed:
                self.admitted -= 1

    @contextlib.contextmanager
    def room(self, pixels: int) -> Iterator[None]:
        """Wait for room for a picture, and hold it.

        Raises:
            BusyError: there is no room after `seconds`.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.used + pixels <= self.pixels, self.seconds):
                raise BusyError("other large pictures are being worked on; try again in a moment.")
            self.used += pixels
        try:
            yield
        finally:
            with self._changed:
                self.used -= pixels
                self._changed.notify_all()
