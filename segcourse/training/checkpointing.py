"""Activation checkpointing: less memory for activations, at the price of a second forward pass."""

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from segcourse.errors import TrainingError
from segcourse.training.buffers import unchanged_buffers


@contextlib.contextmanager
def activation_checkpointing(model: nn.Module) -> Iterator[None]:
    """Let the blocks of a network keep only their inputs for the backward pass, inside the `with` block.

    The backward pass computes what is inside a block again (Chen et al. 2016, arXiv:1604.06174). Losses,
    gradients and running statistics stay the same. A block is an `nn.Sequential` or an item of a
    `nn.ModuleList`, the outermost one counts.

    Raises:
        TrainingError: the network has no such blocks.
    """
    blocks = list(_blocks(model))
    if not blocks:
        raise TrainingError(
            f"{type(model).__name__} has no blocks (nn.Sequential, or items of a nn.ModuleList), so there is "
            "nothing to checkpoint; train without activation checkpointing."
        )
    for block in blocks:
        block.forward = partial(_forward, block, block.forward)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward  # uncovers the method of the class


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if (any(child.children()) and isinstance(module, nn.ModuleList)) or isinstance(child, nn.Sequential):
            yield child
        else:
            yield from _blocks(child)


def _forward(block: nn.Module, forward: Any, *inputs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*inputs)
    return checkpoint(
        forward,
        *inputs,
        use_reentrant=False,
        context_fn=lambda: (contextlib.nullcontext(), unchanged_buffers(block)),  # first pass, second pass
    )
