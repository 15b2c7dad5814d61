"""Weights by rule: two networks that do the same get the same weights, whatever their layers are called.

Two students never start from the same random weights, nor define their layers in the same order or under the
same names. To compare what their networks *do*, each layer gets weights from a rule that looks only at what
the layer computes: how many outputs it makes from how many inputs, and the order in which `forward` uses it.
Each output weighs all its inputs alike, so that `cat([skip, x])` and `cat([x, skip])`, a convolution, a
linear layer and an einsum are the same network. Biases are 0: having them or not is no difference. Batch norm
starts as PyTorch starts it.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from segcourse.exercises.engine.observing import Explained

UNREGISTERED = (
    "Some layers that run are in a plain Python list, or are made in `forward`. PyTorch does not look "
    "there: `parameters()`, `to()`, `eval()` and `state_dict()` miss them, and they are never trained. "
    "Make them in `__init__`, and keep several in nn.ModuleList."
)
CANNOT_SET = (
    "The check sets your weights, to compare what your network computes. It knows convolutions, linear "
    "layers, matmul, einsum and batch norm, as layers or as functions. One of your parameters is used in "
    "another way ({how})."
)
NOT_A_MODULE = (
    "An nn.Module is asked for, and this is {kind}: PyTorch finds no parameters in it, so that nothing "
    "could be trained."
)
_SHAPES_ONLY = {
    "size",
    "dim",
    "numel",
    "view",
    "reshape",
    "permute",
    "transpose",
    "unsqueeze",
    "squeeze",
    "flatten",
}


class Use(NamedTuple):
    """How a layer uses a tensor: its role, the axes that count outputs, and the spatial axes of a kernel."""

    role: str
    tensor: Tensor
    outputs: tuple[int, ...] = ()
    taps: tuple[int, ...] = ()


class _InOrderOfUse(TorchFunctionMode):
    """Collects how `forward` uses parameters and statistics, in order, each tensor once."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.known = {id(parameter) for parameter in model.parameters()}
        self.uses: list[Use] = []
        self.unknown: dict[int, str] = {}  # by parameter, the function that uses it in another way
        self._seen: set[int] = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", str(func))
        roles = {id(use.tensor): use for use in _uses(func, args, kwargs)}
        for tensor in _tensors((args, kwargs)):
            use, parameter = roles.get(id(tensor)), parameter_of(tensor)
            if use and (parameter is not None or use.role.startswith("running")):
                key = id(tensor if parameter is None else parameter)
                if parameter is not None and key not in self.known:
                    raise Explained(UNREGISTERED)
                if key not in self._seen:
                    self._seen.add(key)
                    self.uses.append(use)
            elif parameter is not None and name not in _SHAPES_ONLY and not name.startswith("__get"):
                self.unknown.setdefault(id(parameter), name.strip("_"))
        return func(*args, **kwargs)


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _tensors(value)
    elif isinstance(values, dict):
        yield from _tensors(list(values.values()))


def parameter_of(tensor: Tensor) -> nn.Parameter | None:
    """Return the parameter that a tensor is, or is a view of."""
    return next((t for t in (tensor, tensor._base) if isinstance(t, nn.Parameter)), None)


def _uses(func: Callable, args: tuple, kwargs: dict) -> list[Use]:
    """Return what a call of PyTorch's does with the tensors that may be parameters."""

    def argument(position: int, name: str) -> Any:
        return args[position] if len(args) > position else kwargs.get(name)

    if func in _CONVOLUTIONS:
        weight, bias = argument(1, "weight"), argument(2, "bias")
        kernel = tuple(range(2, weight.dim()))
        outputs = (1, *kernel) if func in _TRANSPOSED else (0,)
        found = [Use("weight", weight, outputs, () if func in _TRANSPOSED else kernel), Use("bias", bias)]
    elif func is F.linear:
        weight = argument(1, "weight")
        found = [Use("weight", weight, (0,)), Use("bias", argument(2, "bias"))]
    elif func in _PRODUCTS:
        one, other = args[:2] if "__r" not in func.__name__ else args[1::-1]
        found = [Use("weight", one, (one.dim() - 2,) if one.dim() > 1 else ())]
        found.append(Use("weight", other, (other.dim() - 1,) if other.dim() > 1 else ()))
    elif func is torch.einsum:
        found = _einsum(args)
    elif func is F.batch_norm:
        names = ("running_mean", "running_var", "weight", "bias")
        found = [Use(f"batch norm {n}" if i > 1 else n, argument(i + 1, n)) for i, n in enumerate(names)]
    else:
        return []
    return [use for use in found if isinstance(use.tensor, Tensor)]


_TRANSPOSED = {torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d}
_CONVOLUTIONS = {torch.conv1d, torch.conv2d, torch.conv3d, *_TRANSPOSED}
_PRODUCTS = {
    *(torch.matmul, torch.mm, torch.bmm),
    *(Tensor.matmul, Tensor.mm, Tensor.bmm, Tensor.__matmul__, Tensor.__rmatmul__),
}


def _einsum(args: tuple) -> list[Use]:
    """Return each operand's use: the axes that stay and that no other operand has are its outputs."""
    equation, *operands = args
    if not isinstance(equation, str):
        return []
    operands = operands[0] if len(operands) == 1 and isinstance(operands[0], list | tuple) else operands
    inputs, arrow, result = equation.replace(" ", "").replace("...", "").partition("->")
    letters = inputs.split(",")
    if not arrow:
        result = "".join(sorted(c for c in set(inputs) if inputs.count(c) == 1))
    found = []
    for i, (operand, own) in enumerate(zip(operands, letters, strict=False)):
        others = "".join(letters[:i] + letters[i + 1 :])
        outputs = tuple(k for k, c in enumerate(own) if c in result and c not in others)
        found.append(Use("weight", operand, outputs))
    return found


def _transparent(use: Use, generator: torch.Generator) -> Tensor:
    """Each layer hands on the mean of its input channels, pixel for pixel."""
    shape = use.tensor.shape
    inputs = _inputs(use)
    values = torch.full(shape, 1 / inputs, dtype=use.tensor.dtype)
    for axis in use.taps:
        middle = torch.arange(shape[axis]) == shape[axis] // 2
        values = values * shape[axis] * middle.view(*(-1 if k == axis else 1 for k in range(len(shape))))
    return values


def _drawn(use: Use, generator: torch.Generator) -> Tensor:
    """Each output has its own strength, every third one negative, and weighs all its inputs alike.

    The strengths are such that a ReLU's output is about as large as its input, and that a step up weighs more
    than its skip: so each level of a U-Net shows in the result.
    """
    shape = use.tensor.shape
    sizes = [shape[axis] for axis in use.outputs]
    strength = 1.5 * (0.5 + torch.rand(sizes, generator=generator, dtype=torch.float64))
    if len(sizes) > 1:
        strength *= 2  # a transposed convolution
    elif sizes:
        strength[2::3] *= -1
    values = strength.reshape([shape[k] if k in use.outputs else 1 for k in range(len(shape))])
    return (values / _inputs(use)).expand(shape).to(use.tensor.dtype)


def _inputs(use: Use) -> int:
    """Return how many numbers each output is a sum of."""
    outputs = 1
    for axis in use.outputs:
        outputs *= use.tensor.shape[axis]
    return max(1, use.tensor.numel() // max(1, outputs))


def _mirrored(use: Use, generator: torch.Generator) -> Tensor:
    """Like `_drawn` with the other sign: a layer of one output is negative then."""
    return -_drawn(use, generator)


RULES = {"transparent": _transparent, "drawn": _drawn, "mirrored": _mirrored, "alike": _drawn}


@torch.no_grad()
def find_uses(model: nn.Module, inputs: tuple[Tensor, ...]) -> list[Use]:
    """Run `model` in eval mode and return how it uses its parameters and statistics, in order of use.

    Raises:
        Explained: the object is no nn.Module, `forward` uses a layer that the model does not list among its
            own, or a parameter is used in a way that is not known here.
    """
    if not isinstance(model, nn.Module):
        raise Explained(NOT_A_MODULE.format(kind=f"a {type(model).__name__}"))
    model.eval()
    order = _InOrderOfUse(model)
    with order:
        model(*inputs)
    found = {id(parameter_of(use.tensor)) for use in order.uses}
    for parameter in model.parameters():
        several = sum(n > 1 for n in parameter.shape) > 1
        if several and id(parameter) in order.unknown and id(parameter) not in found:
            shape = " x ".join(map(str, parameter.shape))
            raise Explained(CANNOT_SET.format(how=f"{order.unknown[id(parameter)]}, {shape} numbers"))
    return order.uses


@torch.no_grad()
def set_weights(
    model: nn.Module, inputs: tuple[Tensor, ...], rule: str = "drawn", seed: int = 0
) -> nn.Module:
    """Run `model` on `inputs` to see which layers it uses in which order, then set their weights by `rule`.

    Batch norm's statistics and its two parameters become 0 and 1, biases 0. Parameters that `forward` never
    uses keep their values. The model is left in eval mode.

    Args:
        model: any network.
        inputs: what its `forward` takes.
        rule: "transparent" (each layer hands on the mean of its input channels, so that a person can work out
            the output), "drawn" (a strength per output, drawn with `seed`), "mirrored" (their negatives) or
            "alike" (layers of one size get equal strengths, for branches that may run in any order).

    Raises:
        Explained: see `find_uses`.

    The mean of 1 and 3:

    >>> conv = set_weights(nn.Conv2d(2, 1, 3, padding=1), (torch.zeros(1, 2, 4, 4),), "transparent")
    >>> conv(torch.tensor([1.0, 3.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4))[0, 0, 0].tolist()
    [2.0, 2.0, 2.0, 2.0]
    """
    times: dict[tuple, int] = {}
    for use in find_uses(model, inputs):
        if use.role != "weight":
            use.tensor.fill_(1.0 if use.role in ("running_var", "batch norm weight") else 0.0)
            continue
        sizes = tuple(use.tensor.shape[axis] for axis in use.outputs)
        key = (sizes, _inputs(use))
        times[key] = 0 if rule == "alike" else times.get(key, -1) + 1
        generator = torch.Generator().manual_seed(zlib.crc32(repr((seed, key, times[key])).encode()))
        use.tensor.copy_(RULES[rule](use, generator))
    return model
