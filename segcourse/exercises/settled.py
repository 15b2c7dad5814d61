"""Weights by rule: two networks that do the same get the same weights, whatever their layers are called.

Two students never start from the same random weights, nor define their layers in the same order or under
the same names. To compare what their networks *do*, each layer gets weights from a rule that looks only at
the layer's kind, its shape and the order in which `forward` uses it. Every output channel weighs all its
input channels alike, so that `cat([skip, x])` and `cat([x, skip])` are the same network. Biases of
convolutions are 0: having them or not is no difference.
"""

import math
import zlib

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from segcourse.exercises.engine import Explained

UNREGISTERED = (
    "some layers that run are in a plain Python list, or made anew in `forward`. PyTorch does not look "
    "there: `parameters()`, `to()`, `eval()` and `state_dict()` miss them, and they are never trained. Make "
    "them in `__init__`, and keep several in nn.ModuleList."
)

# Where each function takes its parameters and statistics (positions and names in its signature).
_ROLES = {
    torch.conv2d: ((1, "weight"), (2, "bias")),
    torch.conv_transpose2d: ((1, "weight"), (2, "bias")),
    F.batch_norm: ((1, "running_mean"), (2, "running_var"), (3, "weight"), (4, "bias")),
}


class _InOrderOfUse(TorchFunctionMode):
    """Collects (kind, role, tensor) of each layer as `forward` calls it, each tensor once."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, Tensor]] = []
        self._seen: set[int] = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        for position, role in _ROLES.get(func, ()):
            tensor = args[position] if len(args) > position else kwargs.get(role)
            if isinstance(tensor, Tensor) and id(tensor) not in self._seen:
                self._seen.add(id(tensor))
                self.found.append((func.__name__, role, tensor))
        return func(*args, **kwargs)


def _transparent(kind: str, role: str, tensor: Tensor, generator: torch.Generator) -> Tensor:
    """Each layer hands on the mean of its input channels, pixel for pixel; batch norm changes nothing."""
    if kind == "batch_norm":
        return torch.full_like(tensor, 1.0 if role in ("running_var", "weight") else 0.0)
    values = torch.zeros_like(tensor)
    if role == "weight" and kind == "conv2d":
        values[..., tensor.shape[-2] // 2, tensor.shape[-1] // 2] = 1 / tensor.shape[1]
    elif role == "weight":
        values += 1 / tensor.shape[0]
    return values


def _patterned(kind: str, role: str, tensor: Tensor, generator: torch.Generator) -> Tensor:
    """Numbers without any symmetry but one: all input channels of an output channel weigh the same."""
    if kind == "batch_norm":
        spread = torch.rand(tensor.shape, generator=generator)
        return 0.5 + spread if role in ("running_var", "weight") else 0.6 * (spread - 0.5)
    if role == "bias":
        return torch.zeros_like(tensor)
    inputs = 0 if kind == "conv_transpose2d" else 1
    shape = list(tensor.shape)
    shape[inputs] = 1
    taps = 1 if kind == "conv_transpose2d" else math.prod(shape[2:])
    return (
        torch.randn(shape, generator=generator).expand_as(tensor) * math.sqrt(2 / taps) / tensor.shape[inputs]
    )


RULES = {"transparent": _transparent, "patterned": _patterned}


@torch.no_grad()
def settle(model: nn.Module, inputs: tuple[Tensor, ...], rule: str) -> nn.Module:
    """Run `model` on `inputs` to see which layers it uses in which order, then set their weights by `rule`.

    `rule` is "transparent" (every layer hands on the mean of its channels, so that the output can be worked
    out by hand) or "patterned" (arbitrary numbers, the same for the same layers). Parameters that `forward`
    never touches, or uses in other ways than a 2-d convolution or batch norm does, keep their values. The
    model is left in eval mode.

    Raises:
        Explained: `forward` uses a layer that the model does not list among its own.

    The mean of 1 and 3:

    >>> conv = settle(nn.Conv2d(2, 1, 3, padding=1), (torch.zeros(1, 2, 4, 4),), "transparent")
    >>> conv(torch.tensor([1.0, 3.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4))[0, 0, 0].tolist()
    [2.0, 2.0, 2.0, 2.0]
    """
    model.eval()
    with _InOrderOfUse() as order:
        model(*inputs)
    known = {id(parameter) for parameter in model.parameters()}
    if any(isinstance(used, nn.Parameter) and id(used) not in known for _, _, used in order.found):
        raise Explained(UNREGISTERED)
    times: dict[tuple, int] = {}
    for kind, role, tensor in order.found:
        key = (kind, role, tuple(tensor.shape))
        times[key] = times.get(key, -1) + 1
        generator = torch.Generator().manual_seed(zlib.crc32(repr((key, times[key])).encode()))
        tensor.copy_(RULES[rule](kind, role, tensor, generator))
    return model
