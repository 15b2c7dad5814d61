"""Exercise 3.4: count the numbers that training may change."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor, nn

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
    held = nn.ModuleDict(
        {"norm": nn.LayerNorm(o), "memory": nn.RNN(2, 1)}
    )  # memory has no attribute `weight`
    listed = nn.ModuleList([nn.Conv1d(i, o, k), held])
    given = f"nn.Conv1d({i}, {o}, {k}), nn.LayerNorm({o}) and nn.RNN(2, 1) in nn.ModuleList and nn.ModuleDict"
    yield case(LAYERS, listed, given)
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


Kept = Callable[[nn.Parameter], bool]


def _trainable(parameter):
    return parameter.requires_grad


def _every(parameter):
    return True


def _summed(
    parameters: Callable[[nn.Module], Iterable[nn.Parameter]], size: Callable = Tensor.numel
) -> Callable[[Kept], Callable[[nn.Module], int]]:
    """Return what sums a size over some parameters of a network; which of them are kept is said later."""
    return lambda kept: lambda model: sum(size(p) for p in parameters(model) if kept(p))


def _once(parameters: Callable[[nn.Module], Iterable[nn.Parameter]]) -> Callable:
    """Return the same parameters, each only once."""
    return lambda model: {id(p): p for p in parameters(model)}.values()


def _all(model):
    return model.parameters()


def _state_dict(model):
    return sum(tensor.numel() for tensor in model.state_dict().values())


def _with_buffers(kinds: Callable[[Tensor], bool]) -> Callable[[Kept], Callable]:
    return lambda kept: (
        lambda model: _summed(_all)(kept)(model) + sum(b.numel() for b in model.buffers() if kinds(b))
    )


def _matrices(model):
    return (p for p in model.parameters() if p.dim() > 1)


def _without_bias(model):
    return (p for name, p in model.named_parameters() if "bias" not in name)


def _called_weight(model):
    return (p for name, p in model.named_parameters() if "weight" in name)


def _each_use(model):
    return (p for _, p in model.named_parameters(remove_duplicate=False))


def _of_modules(model):
    return (p for m in model.modules() for p in m.parameters(recurse=False))


def _recursive(model):
    return [*model.parameters(recurse=False), *(p for child in model.children() for p in _recursive(child))]


def _leaves(model):
    layers = (m for m in model.modules() if not [*m.children()])
    return (p for layer in layers for p in layer.parameters())


def _each_level(model):
    return (p for m in model.modules() for p in m.parameters())


def _children(model):
    return (p for m in model.children() for p in m.parameters())


def _own_and_of_children(model):
    return (p for m in (model, *model.children()) for p in m.parameters(recurse=False))


def _own_of_children(model):
    return (p for m in model.children() for p in m.parameters(recurse=False))


def _own_only(model):
    return model.parameters(recurse=False)


def _with_weight(model):
    return (p for m in model.modules() if hasattr(m, "weight") for p in m.parameters(recurse=False))


def _weights(model):
    return (m.weight for m in model.modules() if hasattr(m, "weight"))


def _weight_and_bias(model):
    tensors = [getattr(m, name, None) for m in model.modules() for name in ("weight", "bias")]
    return (tensor for tensor in tensors if tensor is not None)


def _of_kinds(*kinds: type[nn.Module]) -> Callable:
    return lambda model: (p for m in model.modules() if isinstance(m, kinds) for p in m.parameters())


_KINDS = ((nn.Linear,), (nn.Conv2d, nn.Linear), (nn.Conv2d, nn.Linear, nn.BatchNorm2d))


def _by_shape(model):
    return {p.shape: p for p in model.parameters()}.values()


def _by_size(model):
    return {p.numel(): p for p in model.parameters()}.values()


def _frozen_layers(model):
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        yield from own if all(p.requires_grad for p in own) else ()


def _first(kept):
    def first(model):
        for parameter in model.parameters():
            if kept(parameter):
                return parameter.numel()

    return first


def _only_first(empty: int | None) -> Callable[[Kept], Callable]:
    def count(kept):
        def first(model):
            for parameter in model.parameters():
                return parameter.numel() if kept(parameter) else 0
            return empty

        return first

    return count


def _last(kept):
    return lambda model: ([0] + [p.numel() for p in model.parameters() if kept(p)])[-1]


def _frozen_only(parameter):
    return not parameter.requires_grad


def _bytes(parameter):
    return parameter.numel() * parameter.element_size()


def _mistakes() -> Iterator[tuple[str, Callable]]:
    for says, *wrongs in _OF_ONE_KIND:
        yield from ((says, wrong) for wrong in wrongs)
    for says, *counts in _WITH_AND_WITHOUT_FROZEN:
        yield from ((says, count(_trainable)) for count in counts)
        yield from ((f"{says} Frozen parameters do not count, either.", count(_every)) for count in counts)


_OF_ONE_KIND: list[tuple[Any, ...]] = [
    (
        "You count the state dict, and with it frozen parameters and batch norm's running "
        "statistics. Those are measured, not trained.",
        _state_dict,
    ),
    (
        "Your count contains the frozen parameters. Training changes only those whose "
        "`requires_grad` is True.",
        _summed(_all)(_every),
    ),
    (
        "You count the frozen parameters. Those that training changes are the others: "
        "`requires_grad` is True.",
        _summed(_all)(_frozen_only),
    ),
    (
        "You leave out a whole layer as soon as one of its parameters is frozen. Each parameter "
        "decides for itself.",
        _summed(_frozen_layers)(_every),
        _summed(_once(_frozen_layers))(_every),
    ),
    (
        "No parameter counts in your answer. Ask each one for `requires_grad`: it has no `grad` before the "
        "first backward pass, and in the state dict `requires_grad` is False everywhere.",
        lambda model: 0,
    ),
]
# each of them with a condition on `requires_grad`, and without
_WITH_AND_WITHOUT_FROZEN: list[tuple[Any, ...]] = [
    (
        "You count tensors, not the numbers in them. A 3 x 3 convolution from 3 to 8 channels has two "
        "tensors and 224 numbers.",
        _summed(_all, lambda p: 1),
    ),
    (
        "Only the first parameter is in your result, as if the `return` stood inside the loop.",
        _first,
        _only_first(0),
        _only_first(None),
    ),
    (
        "Only the last parameter is in your result, as if each turn of the loop overwrote the sum. Add to "
        "it: `+=`.",
        _last,
    ),
    (
        "Your count contains only parameters with two axes or more: biases, and batch norm's scale and "
        "shift, are missing.",
        _summed(_matrices),
    ),
    (
        "Your count lacks the biases. They are trained, too.",
        _summed(_without_bias),
    ),
    (
        "You count only parameters that are called weight. Biases and parameters with other names are "
        "trained, too.",
        _summed(_called_weight),
        _summed(_weights),
        _summed(_once(_weights)),
    ),
    (
        "You count a parameter twice where two layers or two containers share it. It is one set of numbers; "
        "`parameters()` lists each only once.",
        _summed(_each_use),
        _summed(_of_modules),
        _summed(_recursive),
    ),
    (
        "You count what lies inside other modules again for each module around it. `parameters()` "
        "already looks inside.",
        _summed(_each_level),
    ),
    (
        "You look at the network's children only. Parameters also sit in the network itself.",
        _summed(_children),
        _summed(_once(_children)),
    ),
    (
        "You look at the network and its direct children only. Parameters also sit in layers inside its "
        "children.",
        _summed(_own_and_of_children),
        _summed(_once(_own_and_of_children)),
    ),
    (
        "You look at the children's own parameters only. Parameters also sit in the network itself, and in "
        "layers inside its children.",
        _summed(_own_of_children),
        _summed(_once(_own_of_children)),
    ),
    (
        "You look only at modules without modules inside. Parameters also sit in modules that hold others.",
        _summed(_leaves),
        _summed(_once(_leaves)),
    ),
    (
        "You look at the network's own parameters only. Most of them lie in the layers inside; "
        "`parameters()` looks there, too.",
        _summed(_own_only),
    ),
    (
        "You count layers that have an attribute `weight`, and miss parameters with other names.",
        _summed(_with_weight),
        _summed(_once(_with_weight)),
        _summed(_weight_and_bias),
        _summed(_once(_weight_and_bias)),
    ),
    (
        "You count some kinds of layers only. Parameters of all other layers, and of the network itself, are "
        "missing.",
        *(
            _summed(held(_of_kinds(*kinds)))
            for kinds in _KINDS
            for held in (_once, lambda parameters: parameters)
        ),
    ),
    (
        "Two parameters of equal shape or size count only once in your answer. `parameters()` lists each "
        "parameter once already: add them all.",
        _summed(_by_shape),
        _summed(_by_size),
    ),
    (
        "You take the first axis of each parameter for its size. A parameter has as many numbers as "
        "the product of all its axes: `numel()`.",
        _summed(_all, lambda p: p.shape[0] if p.dim() else 1),
        _summed(_all, lambda p: p.shape[0]),
        _summed(_all, len),
    ),
    (
        "You multiply the first two axes of each parameter only. A kernel has four: `numel()`.",
        _summed(_all, lambda p: p.shape[:2].numel()),
    ),
    (
        "You add the lengths of a parameter's axes. Multiply them: `numel()`.",
        _summed(_all, lambda p: sum(p.shape)),
    ),
    (
        "Your count contains buffers, such as batch norm's running mean and variance. Those are measured, "
        "not trained.",
        _with_buffers(Tensor.is_floating_point),
        _with_buffers(lambda buffer: True),
    ),
    (
        "Your number is in bytes. Count numbers: `numel()`, without their size in memory.",
        _summed(_all, _bytes),
    ),
]


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
    mistakes=list(_mistakes()),
    finished=("segcourse.models:count_parameters",),
)
