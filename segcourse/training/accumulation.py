"""Loss and backward pass of one step, with gradient accumulation that equals one large batch for any loss."""

import contextlib
from collections.abc import Callable, Sequence

import torch
from accelerate import Accelerator
from torch import Tensor

from segcourse.models.forward import Forward
from segcourse.training.buffers import unchanged_buffers

AUXILIARY = 0.5  # weight of the loss of an auxiliary classifier, as in torchvision's reference training


def backward(
    accelerator: Accelerator, forward: Forward, loss: Callable, images: tuple, targets: tuple
) -> float:
    """Run forward and backward pass, accumulate the gradient in the parameters, and return the loss.

    Args:
        accelerator: runs the backward pass.
        forward: the network.
        loss: (logits, target) to a scalar tensor.
        images, targets: one tensor per micro-batch.
    """
    if len(images) > 1:
        return _backward_accumulated(accelerator, forward, loss, images, targets)
    value = _total(loss, forward.heads(images[0]), targets[0].to(forward.device))
    accelerator.backward(value)
    return value.item()


def _backward_accumulated(
    accelerator: Accelerator, forward: Forward, loss: Callable, images: tuple, targets: tuple
) -> float:
    """Accumulate the gradient of the loss over all micro-batches as one batch; return that loss.

    The mean of the micro-batch losses is not the loss of the whole batch: micro-batches can have different
    numbers of valid pixels, and Dice is not a mean over pixels. Therefore all logits are computed first,
    without storing activations, and the loss is differentiated with respect to the logits. Then each
    micro-batch runs forward again and backpropagates its part of that gradient (gradient caching, Gao et al.
    2021, section 3). The cost is a second forward pass.
    """
    # the second pass must draw the same dropout, and running statistics count each image once
    with torch.no_grad(), torch.random.fork_rng(), unchanged_buffers(forward.network):
        parts = [forward.heads(batch) for batch in images]
    heads = [torch.cat(logits).requires_grad_() for logits in zip(*parts, strict=True)]
    value = _total(loss, heads, torch.cat(targets).to(forward.device))
    gradients = torch.autograd.grad(value, heads)
    sizes = [len(batch) for batch in images]
    for i, given in enumerate(zip(*(gradient.split(sizes) for gradient in gradients), strict=True)):
        last = i == len(images) - 1  # several devices exchange gradients once per step
        with contextlib.nullcontext() if last else accelerator.no_sync(forward.network):
            logits = forward.heads(images[i])
            # a sum whose derivative by the logits is the given gradient
            accelerator.backward(sum((one * part).sum() for one, part in zip(logits, given, strict=True)))
    return value.item()


def _total(loss: Callable, heads: Sequence[Tensor], target: Tensor) -> Tensor:
    """Return the loss of the logits, with that of an auxiliary classifier at less weight."""
    value = loss(heads[0], target)
    for auxiliary in heads[1:]:
        value = value + AUXILIARY * loss(auxiliary, target)
    return value
