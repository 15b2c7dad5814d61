"""Exercise 4.2: right answers in other styles, promises and their breakers, mutants that are equal."""

import math

import torch
from contract import Contract
from torch import nn

from segcourse.exercises.l04_dilated_aspp.receptive_field import receptive_field as answer


def backwards(layers):
    """From the last layer to the first: how many pixels of its input a layer needs for that many outputs."""
    needed = 1
    for kernel, stride, dilation in reversed(layers):
        needed = (needed - 1) * stride + dilation * (kernel - 1) + 1
    return needed


def by_index(layers):
    return 1 + sum(
        (kernel - 1) * dilation * math.prod(stride for _, stride, _ in layers[:i])
        for i, (kernel, _, dilation) in enumerate(layers)
    )


def recursive(layers, step=1):
    if not layers:
        return 1
    (kernel, stride, dilation), *rest = layers
    return (kernel - 1) * dilation * step + recursive(rest, step * stride)


def by_gradient(layers):
    """The positions that the first output of real layers depends on; weights of 1 can't cancel."""
    x = torch.ones(1, 1, 20_000, requires_grad=True)
    y = x
    for kernel, stride, dilation in layers:
        layer = nn.Conv1d(1, 1, kernel, stride, dilation=dilation, dtype=torch.float32)
        nn.init.constant_(layer.weight, 1 / kernel)
        y = layer(y)
    y[..., 0].sum().backward()
    seen = x.grad[0, 0].nonzero()
    return int(seen.max() - seen.min()) + 1


class TestReceptiveField(Contract):
    name = "receptive_field"
    library = staticmethod(by_gradient)
    right = {"backwards": backwards, "index": by_index, "recursive": recursive, "gradient": by_gradient}
    promises = (
        ("a list of tuples (kernel, stride, dilation)", "layers with strides",
         lambda layers: answer([(k, d, s) for k, s, d in layers])),
        ("the layer that looks at the input first", "the first layer has a stride", lambda layers: answer(layers[::-1])),
        ("each an int of at least 1", "a kernel is smaller than its stride",
         lambda layers: answer([(max(k, s), s, d) for k, s, d in layers])),
        ("The list may be empty", "there is no layer", lambda layers: answer([layers[0], *layers[1:]])),
        ("returns an int", "plain layers", lambda layers: torch.tensor(answer(layers)), lambda layers: float(answer(layers))),
        ("the number of input pixels from the first to the last that one output pixel sees", "dilated layers",
         lambda layers: answer(layers) ** 2, lambda layers: answer(layers) - 1),
        ("Pixels between two taps count as seen, too", "there is one layer", lambda layers: answer([(k, s, 1) for k, s, d in layers])),
        ("Ignore the borders of the picture", "layers with strides", lambda layers: min(answer(layers), 15)),
        ("Without any layer, a pixel sees itself: 1", "there is no layer", lambda layers: answer(layers) if layers else 0),
    )  # fmt: skip
    equal = {
        r"->  seen \+= (step \* \(\(kernel|dilation \* \(kernel - 1\) \* step)": "a product commutes",
    }
    said = (
        (lambda layers: answer(layers) - 1, "Your result is one too small"),
        (lambda layers: answer(layers[:1]), "Your result is that of the first layer alone"),
        (lambda layers: answer([layers[0], *layers[1:]]), "This is so only where there is no layer"),
        (lambda layers: answer(layers) + 5, "the expected ones plus 5"),
    )
