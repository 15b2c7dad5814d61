"""Exercise 3.4: count the numbers that training may change."""

from collections.abc import Iterator

import torch
from numpy.random import Generator
from torch import nn

from segcourse.exercises.engine.exercise import Case, Exercise


def count_parameters(model):
    """Return how many trainable numbers `model` has, an int."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


class _Own(nn.Module):
    """A network with parameters outside its layers, one of them a single number."""

    def __init__(self, several: int):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(several))
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.layer = nn.Linear(2, 1)


def _partly_frozen(layer: nn.Module, *names: str) -> nn.Module:
    for name in names:
        getattr(layer, name).requires_grad_(False)
    return layer


def _tied() -> nn.Module:
    one, other = nn.Linear(3, 3), nn.Linear(3, 3)
    other.weight = one.weight
    return nn.Sequential(one, other)


LAYERS, FROZEN = "all kinds of layers", "frozen and shared"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, model, given, *traits):
        return Case(group, {"model": model}, traits, given=f"model = {given}")

    i, o, k = (int(n) for n in rng.integers(2, 6, 3))
    layer = nn.Linear(4, 4, bias=False)
    deep: nn.Module = nn.Linear(2, 2)
    for _ in range(5):
        deep = nn.Sequential(deep)
    yield case(LAYERS, nn.Linear(2, 3), "nn.Linear(2, 3)")
    yield case(LAYERS, nn.ReLU(), "nn.ReLU()", "the network has no parameters")
    yield case(LAYERS, nn.Conv2d(3, 8, 3), "nn.Conv2d(3, 8, 3)", "the network is a convolution")
    inner = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    given = "nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), nn.Linear(2, 1))"
    yield case(LAYERS, nn.Sequential(inner, nn.Linear(2, 1)), given, "blocks lie inside blocks")
    yield case(LAYERS, deep, "nn.Linear(2, 2) inside five nn.Sequential", "blocks lie five levels deep")
    yield case(LAYERS, _Own(5), "nn.Linear(2, 1), and parameters of 5 numbers and of 1 in the network itself",
               "parameters lie in the network itself")  # fmt: skip
    yield case(LAYERS, nn.BatchNorm2d(4), "nn.BatchNorm2d(4)", "batch norm has running statistics")
    listed = nn.ModuleList([nn.Conv1d(i, o, k), nn.ModuleDict({"norm": nn.LayerNorm(o)})])
    yield case(
        LAYERS, listed, f"nn.Conv1d({i}, {o}, {k}) and nn.LayerNorm({o}) in nn.ModuleList and nn.ModuleDict"
    )
    frozen = nn.Sequential(nn.Linear(2, 3).requires_grad_(False), nn.Linear(3, 1))
    given = "nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), the first layer frozen"
    yield case(FROZEN, frozen, given, "the first layer is frozen")
    half = _partly_frozen(nn.Linear(i, o), "weight")
    yield case(
        FROZEN, half, f"nn.Linear({i}, {o}), its weight frozen and its bias not", "a layer is half frozen"
    )
    frozen = _partly_frozen(nn.Linear(i, o), "weight", "bias")
    yield case(FROZEN, frozen, f"nn.Linear({i}, {o}), all of it frozen", "everything is frozen")
    twice = nn.Sequential(layer, nn.ReLU(), layer)
    yield case(
        FROZEN, twice, "one nn.Linear(4, 4, bias=False) used twice in nn.Sequential", "a layer is used twice"
    )
    apart = nn.ModuleDict(
        {"down": nn.Sequential(layer, nn.ReLU()), "up": nn.Sequential(nn.Linear(4, o), layer)}
    )
    given = f"one nn.Linear(4, 4, bias=False) in two containers, and nn.Linear(4, {o})"
    yield case(FROZEN, apart, given, "a layer is used in two containers")
    yield case(FROZEN, _tied(), "two nn.Linear(3, 3) that share one weight", "two layers share a weight")


def _tensors(model):
    return len(list(model.parameters()))


def _state_dict(model):
    return sum(tensor.numel() for tensor in model.state_dict().values())


def _frozen_too(model):
    return sum(p.numel() for p in model.parameters())


def _no_vectors(model):
    return sum(p.numel() for p in model.parameters() if p.requires_grad and p.dim() > 1)


def _weights_by_name(model):
    return sum(p.numel() for name, p in model.named_parameters() if p.requires_grad and "bias" not in name)


def _shared_twice(model):
    return sum(p.numel() for _, p in model.named_parameters(remove_duplicate=False) if p.requires_grad)


def _each_level(model):
    return sum(p.numel() for m in model.modules() for p in m.parameters() if p.requires_grad)


def _children(model):
    return sum(p.numel() for m in model.children() for p in m.parameters() if p.requires_grad)


def _own_only(model):
    return sum(p.numel() for p in model.parameters(recurse=False) if p.requires_grad)


def _with_weight(model):
    layers = [m for m in model.modules() if hasattr(m, "weight")]
    return sum(p.numel() for m in layers for p in m.parameters() if p.requires_grad)


def _first_axis(model):
    return sum(p.shape[0] if p.dim() else 1 for p in model.parameters() if p.requires_grad)


def _frozen_layers(model):
    total = 0
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        if own and all(p.requires_grad for p in own):
            total += sum(p.numel() for p in own)
    return total


def _frozen_only(model):
    return sum(p.numel() for p in model.parameters() if not p.requires_grad)


def _bytes(model):
    return sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)


def celebrate(answer):
    """Show the number of parameters against the width of a U-Net."""
    from segcourse.models.unet import UNet
    from segcourse.plotting import show_curves

    widths = [4, 8, 16, 32]
    millions = [answer(UNet(3, 2, width)) / 1e6 for width in widths]
    show_curves(
        {"your count_parameters": millions}, widths, xlabel="width of a U-Net", ylabel="parameters, millions"
    )


EXERCISE = Exercise(
    count_parameters,
    number="3.4",
    difficulty=1,
    minutes=5,
    groups={LAYERS: 1, FROZEN: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "You count tensors, not the numbers in them. A 3 x 3 convolution from 3 to 8 channels has two "
            "tensors and 224 numbers.",
            _tensors,
        ),
        (
            "You count the state dict, and with it frozen parameters and batch norm's running "
            "statistics. Those are measured, not trained.",
            _state_dict,
        ),
        (
            "Your count contains the frozen parameters. Training changes only those whose "
            "`requires_grad` is True.",
            _frozen_too,
        ),
        (
            "Your count contains only parameters with two axes or more: biases, and batch norm's scale and "
            "shift, are missing.",
            _no_vectors,
        ),
        (
            "Your count lacks the biases. They are trained, too.",
            _weights_by_name,
        ),
        (
            "You count a parameter twice that is used twice. It is one set of numbers; `parameters()` "
            "lists each only once.",
            _shared_twice,
        ),
        (
            "You count what lies inside other modules again for each module around it. `parameters()` "
            "already looks inside.",
            _each_level,
        ),
        (
            "You look at the network's children only. Parameters also sit in the network itself.",
            _children,
        ),
        (
            "You look at the network's own parameters only. Most of them lie in the layers inside; "
            "`parameters()` looks there, too.",
            _own_only,
        ),
        (
            "You count layers that have an attribute `weight`, and miss parameters with other names.",
            _with_weight,
        ),
        (
            "You take the first axis of each parameter for its size. A parameter has as many numbers as "
            "the product of all its axes: `numel()`.",
            _first_axis,
        ),
        (
            "You leave out a whole layer as soon as one of its parameters is frozen. Each parameter "
            "decides for itself.",
            _frozen_layers,
        ),
        (
            "You count the frozen parameters. Those that training changes are the others: "
            "`requires_grad` is True.",
            _frozen_only,
        ),
        (
            "Your number is in bytes. Count numbers: `numel()`, without their size in memory.",
            _bytes,
        ),
    ],
    finished=("segcourse.models:count_parameters",),
)
