"""Gradient accumulation that equals one large batch, whatever the loss."""

import contextlib
from collections.abc import Callable

import torch
from accelerate import Accelerator

from segcourse.models.forward import Forward


def backward_accumulated(
    accelerator: Accelerator, forward: Forward, loss: Callable, images: tuple, targets: tuple
) -> float:
    """Leave in the parameters the gradient of the loss of all micro-batches as one batch; return that loss.

    The mean of the micro-batches' losses would be another number as soon as they hold different numbers of
    valid pixels, and always for a loss that is no mean over pixels, such as Dice. So all logits are computed
    first, without activations. The loss of all of them is differentiated down to the logits. Then each
    micro-batch runs again and carries its part of that gradient back (gradient caching, Gao et al. 2021,
    section 3). The price is a second forward pass.
    """
    target = torch.cat(targets).to(forward.device)
    buffers = [(buffer, buffer.clone()) for buffer in forward.network.buffers()]
    with torch.no_grad(), torch.random.fork_rng():  # the second pass draws the same dropout again
        logits = torch.cat([forward(batch) for batch in images])
        for buffer, before in buffers:
            buffer.copy_(before)  # running statistics count each image once
    value = loss(logits.requires_grad_(), target)
    (gradient,) = torch.autograd.grad(value, logits)
    for i, part in enumerate(gradient.split([len(batch) for batch in images])):
        last = i == len(images) - 1  # several devices exchange gradients once a step
        with contextlib.nullcontext() if last else accelerator.no_sync(forward.network):
            accelerator.backward(forward(images[i]), gradient=part)
    return value.item()
