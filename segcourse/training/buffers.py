"""Keep the running statistics of batch norm from counting a batch twice."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


@contextlib.contextmanager
def unchanged_buffers(network: nn.Module) -> Iterator[None]:
    """Undo what forward passes inside the `with` block do to the buffers of a network.

    >>> norm = nn.BatchNorm1d(1).train()
    >>> with unchanged_buffers(norm):
    ...     _ = norm(torch.tensor([[1.0], [3.0]]))
    >>> norm.running_mean.item(), norm.num_batches_tracked.item()
    (0.0, 0)
    """
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
