"""Looking at networks by what they do: sizes, numbers with weights by rule, gradients, what a pixel sees.

A case's numbers go to the constructor, its tensors to `forward`. Each way of looking returns a function that
observes an object on a case.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from segcourse.exercises.engine.exercise import Case
from segcourse.exercises.engine.observations import MAX_DIMENSIONS, SHAPES, container
from segcourse.exercises.engine.observing import Explained
from segcourse.exercises.engine.weights import find_uses, parameter_of, set_weights

NO_RETURN = "Your `forward` returns None: it computes something, but no `return` hands it back."
Look = Callable[[Any, Case], dict[str, Any]]


def build(obj: Callable, case: Case) -> tuple[Any, tuple[Tensor, ...]]:
    """Return the network that the case's numbers make, and the case's tensors."""
    sizes = [value for value in case.inputs.values() if not isinstance(value, Tensor)]
    return obj(*sizes), tuple(value for value in case.inputs.values() if isinstance(value, Tensor))


def run(model: Callable, *inputs: Tensor) -> Tensor:
    """Return the network's output.

    Raises:
        Explained: there is none.
    """
    output = model(*inputs)
    if output is None:
        raise Explained(NO_RETURN)
    return output


def wrong_size(output: Any, picture: Tensor) -> str:
    """Return the sentence for an output that has not the size of the picture."""
    came = f"a tensor of shape {tuple(output.shape)}" if isinstance(output, Tensor) else container(output)
    height, width = picture.shape[-2:]
    return f"`forward` returns {came} for {len(picture)} picture(s); N x C x {height} x {width} is asked for."


def paste(line: str) -> Callable[[Look], Look]:
    """Attach the line with which a student looks at the same: {net} is the class with its numbers."""

    def mark(look: Look) -> Look:
        look.line = line
        return look

    return mark


@paste("{net}.eval()({tensors}).shape")
def shape(obj: Callable, case: Case) -> dict[str, Any]:
    """Observe the size of what comes out in eval mode, with whatever weights the network starts from."""
    model, inputs = build(obj, case)
    if isinstance(model, nn.Module):
        find_uses(model, inputs)  # puts it into eval mode, and finds layers that PyTorch does not know of
    with torch.no_grad():
        output = run(model, *inputs)
    if not isinstance(output, Tensor):
        raise Explained(f"`forward` returns {container(output)}, and a tensor is asked for.")
    return {"shape": list(output.shape)}


def _by_rule(rule: str, seed: int, mode: str = "") -> str:
    return f"segcourse.exercises.set_weights({{net}}, ({{tensors}},), {rule!r}, {seed}){mode}({{tensors}})"


def output(rule: str = "drawn", seed: int = 0, trained: bool = False) -> Look:
    """Look at the output in eval mode, with weights by rule.

    Args:
        rule, seed: see `set_weights`.
        trained: whether batch norm has seen two batches in training mode before.
    """

    @paste("" if trained else _by_rule(rule, seed))
    def observe(obj: Callable, case: Case) -> dict[str, Any]:
        model, inputs = build(obj, case)
        set_weights(model, inputs, rule, seed).train(trained)
        with torch.no_grad():
            for _ in range(2 * trained):
                run(model, *(2 * x + 1 for x in inputs))
            return {"value": run(model.eval(), *inputs)}

    return observe


def output_after_smaller(seed: int = 0, rule: str = "drawn") -> Look:
    """Look at the output for the case's inputs after the same network has seen smaller ones."""

    @paste("")
    def observe(obj: Callable, case: Case) -> dict[str, Any]:
        model, inputs = build(obj, case)
        smaller = tuple(x[..., : -(-x.shape[-2] // 2), : -(-x.shape[-1] // 2)] for x in inputs)
        set_weights(model, smaller, rule, seed)
        with torch.no_grad():
            return {"value": run(model, *inputs)}

    return observe


def training(seed: int = 0, rule: str = "drawn") -> Look:
    """Look at training mode: the output, whether two runs agree, and the output in eval mode afterwards."""

    @paste(_by_rule(rule, seed, ".train()"))
    def observe(obj: Callable, case: Case) -> dict[str, Any]:
        model, inputs = build(obj, case)
        set_weights(model, inputs, rule, seed).train()
        with torch.no_grad():
            first, second = run(model, *inputs), run(model, *inputs)
            run(model, *(2 * x + 1 for x in inputs))
            after = run(model.eval(), *inputs)
        agree = isinstance(first, Tensor) and first.shape == second.shape and torch.allclose(first, second)
        return {"two runs agree": agree, "value": first, "after training": after}

    return observe


def gradients(seed: int = 0, rule: str = "drawn") -> Look:
    """Look at gradients, in eval mode: of the inputs, and how many parameters get none."""

    @paste(_by_rule(rule, seed))
    def observe(obj: Callable, case: Case) -> dict[str, Any]:
        model, inputs = build(obj, case)
        set_weights(model, inputs, rule, seed)
        inputs = tuple(x.clone().requires_grad_() for x in inputs)
        out = run(model, *inputs)
        weights = torch.linspace(0.5, 1.5, out.numel(), dtype=out.dtype).reshape(out.shape)
        (out * weights).sum().backward()
        parameters = [p for p in model.parameters() if p.requires_grad]
        arrived = [p.grad for p in parameters if p.grad is not None]
        without = [p for p in parameters if p.grad is None or not p.grad.any()]
        names = [name for name, value in case.inputs.items() if isinstance(value, Tensor)]
        return {
            "parameters without a gradient": len(without),
            SHAPES: [padded_shape(p) for p in without],
            "gradients that are NaN": sum(not bool(grad.isfinite().all()) for grad in arrived),
            **{f"gradient of {n}": x.grad for n, x in zip(names, inputs, strict=True)},
        }

    return observe


def padded_shape(parameter: Tensor) -> list[int]:
    """Return the shape with zeros at its end, so that shapes of all lengths fit into one array."""
    return [*parameter.shape, *[0] * (MAX_DIMENSIONS - parameter.dim())]


def trainable(batch_norms: Callable[[Case], int]) -> Look:
    """Look at what training can change: the number of weights, and whether batch norm has its parameters.

    Biases of convolutions may be there or not; batch norm forgets them.

    Args:
        batch_norms: how many channels go through the case's batch norms, all in all.
    """

    @paste("{net}")
    def observe(obj: Callable, case: Case) -> dict[str, Any]:
        model, inputs = build(obj, case)
        roles = {id(parameter_of(use.tensor)): use.role for use in find_uses(model, inputs)}
        weights: list[Tensor] = []
        others = 0
        for parameter in filter(lambda p: p.requires_grad, model.parameters()):
            several = sum(n > 1 for n in parameter.shape) > 1
            role = roles.get(id(parameter), "weight" if several else "other")
            weights += [parameter] * (role == "weight")
            others += parameter.numel() if role not in ("weight", "bias") else 0
        return {
            "weights": sum(p.numel() for p in weights),
            SHAPES: [padded_shape(p) for p in weights],
            "scale and shift": others >= 2 * batch_norms(case),
        }

    return observe


@paste("")
def field_of_view(obj: Callable, case: Case) -> dict[str, Any]:
    """Observe the rows and columns of the input that can change the output's central pixel."""
    model, (x,) = build(obj, case)
    set_weights(model, (x,), "drawn")
    x.requires_grad_()
    y = run(model, x)
    if not isinstance(y, Tensor) or y.shape[-2:] != x.shape[-2:] or y.dim() != 4:
        raise Explained(wrong_size(y, x))
    y[0, :, y.shape[2] // 2, y.shape[3] // 2].sum().backward()
    reached = torch.zeros_like(x) if x.grad is None else x.grad
    seen = reached[0].abs().sum(dim=0) > 0
    x.requires_grad_(False)
    return {"field of view": [int(seen.any(dim=1).sum()), int(seen.any(dim=0).sum())]}
