"""Gradient accumulation that equals one large batch, for any loss."""

import contextlib
from collections.abc import Callable

import torch
from accelerate import Accelerator

from segcourse.models.forward import Forward


def backward_accumulated(
    accelerator: Accelerator, forward: Forward, loss: Callable, images: tuple, targets: tuple
) -> float:
    """Accumulate the gradient of the loss over all micro-batches as one batch; return that loss.

    The mean of the micro-batch losses is not the loss of the whole batch: micro-batches can have different
    numbers of valid pixels, and Dice is not a mean over pixels. Therefore all logits are computed first,
    without storing activations, and the loss is differentiated with respect to the logits. Then each
    micro-batch runs forward again and backpropagates its part of that gradient (gradient caching, Gao et al.
    2021, section 3). The cost is a second forward pass.

    Args:
        accelerator: runs the backward pass.
        forward: the network.
        loss: (logits, target) to a scalar tensor.
        images, targets: one tensor per micro-batch.
    """
    target = torch.cat(targets).to(forward.device)
    buffers = [(buffer, buffer.clone()) for buffer in forward.network.buffers()]
    with torch.no_grad(), torch.random.fork_rng():  # the second pass must draw the same dropout
        logits = torch.cat([forward(batch) for batch in images])
        for buffer, before in buffers:
            buffer.copy_(before)  # running statistics count each image once
    value = loss(logits.requires_grad_(), target)
    (gradient,) = torch.autograd.grad(value, logits)
    for i, part in enumerate(gradient.split([len(batch) for batch in images])):
        last = i == len(images) - 1  # several devices exchange gradients once per step
        with contextlib.nullcontext() if last else accelerator.no_sync(forward.network):
            accelerator.backward(forward(images[i]), gradient=part)
    return value.item()
