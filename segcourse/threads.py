"""The number of threads that PyTorch uses on a CPU: one for small networks."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import torch

# Up to here, one thread takes at most 1.7 times as long as two on an idle machine with two cores. Beside two
# busy processes, two threads take 1.3 to 2 times as long as one; at a load of 5, 5 to 10 times.
# See benchmarks/threads.py.
FEW = 2e9

# Seconds that this thread has computed. On Windows that clock ticks every 16 ms, too rarely for one layer.
thread_clock = time.perf_counter if sys.platform == "win32" else time.thread_time


@contextlib.contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Let PyTorch use `count` threads inside the `with` block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_threads(forward: Callable[[torch.Tensor], object], images: torch.Tensor, times: int = 1) -> int:
    """Return 1 if a forward pass takes few multiplications, else PyTorch's current number of threads.

    After each layer, threads wait for each other. On a busy machine such a wait takes milliseconds, because
    another program uses the core. A small layer takes less time than that.

    Args:
        forward: the network in eval mode, or a function that calls it.
        images: an input for `forward`.
        times: how many such inputs are processed together, for example the batch size for a single image.
    """
    return 1 if times * multiplications(forward, images) < FEW else torch.get_num_threads()


@torch.no_grad()
def multiplications(forward: Callable[[torch.Tensor], object], images: torch.Tensor) -> int:
    """Count the multiplications in the convolutions and matrix products of a forward pass.

    >>> convolution = torch.nn.Conv2d(3, 8, kernel_size=3)  # 3·8·3·3 = 216 multiplications per pixel
    >>> multiplications(convolution, torch.zeros(1, 3, 12, 12))  # 10·10 pixels
    21600
    """
    from torch.utils.flop_counter import FlopCounterMode  # takes 0.2 seconds to import

    with FlopCounterMode(display=False) as counter:
        forward(images)
    return counter.get_total_flops() // 2
