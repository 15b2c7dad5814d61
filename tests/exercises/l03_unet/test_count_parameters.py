"""Exercise 3.4: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
from contract import Contract

from segcourse import models
from segcourse.exercises.l03_unet import count_parameters as module
from segcourse.exercises.l03_unet.count_parameters import count_parameters as answer


def by_loop(network):
    total = 0
    for _, weight in network.named_parameters():
        if weight.requires_grad:
            product = 1
            for axis in weight.shape:
                product *= axis
            total += product
    return total


def by_recursion(network, seen=None):
    seen = set() if seen is None else seen
    own = [p for p in network._parameters.values() if p is not None and id(p) not in seen]
    seen.update(map(id, own))
    total = sum(p.numel() for p in own if p.requires_grad)
    return total + sum(by_recursion(child, seen) for child in network.children())


class Counter:
    def __call__(self, network):
        return int(np.sum([np.prod(p.shape) for p in network.parameters() if p.requires_grad]))


def up_to_three_levels(network, depth=3):
    own = sum(p.numel() for p in network.parameters(recurse=False) if p.requires_grad)
    return own + sum(up_to_three_levels(child, depth - 1) for child in network.children() if depth)


def counted(parameters):
    return module._summed(parameters)(module._trainable)


ALL = module._summed(module._all)(module._every)


class TestCountParameters(Contract):
    name = "count_parameters"
    library = staticmethod(models.count_parameters)
    right = {
        "loop": by_loop,
        "recursion": by_recursion,
        "NumPy": lambda m: int(np.sum([np.prod(p.shape) for p in m.parameters() if p.requires_grad])),
        "an object that is called": Counter(),
        "NumPy's own integer": lambda m: np.int64(by_loop(m)),
    }
    promises = (
        ("any `nn.Module`", "the network has no parameters", lambda m: answer(m) or 1),
        ("any `nn.Module`", "parameters lie in the network itself", counted(module._children), counted(module._with_weight)),
        ("returns an int", "all kinds of layers", lambda m: float(answer(m)), lambda m: str(answer(m)),
         lambda m: next(m.parameters()).new_tensor(answer(m)).long()),
        ("biases included", "the network is a convolution", counted(module._matrices), counted(module._without_bias)),
        ("also in layers inside layers", "blocks lie five levels deep", up_to_three_levels),
        ("a frozen parameter (`requires_grad` is False) does not count", "the first layer is frozen", ALL),
        ("a frozen parameter", "a layer is half frozen", counted(module._frozen_layers)),
        ("a frozen parameter", "everything is frozen", ALL),
        ("a layer or a weight that is used twice counts once", "a layer is used twice", counted(module._each_use)),
        ("a layer or a weight that is used twice counts once", "a layer is used in two containers",
         lambda m: sum(answer(child) for child in m.children())),
        ("a layer or a weight that is used twice counts once", "two layers share a weight",
         lambda m: sum(p.numel() for layer in set(m.modules()) for p in layer.parameters(recurse=False)
                       if p.requires_grad)),
        ("(batch norm's running mean and variance) does not count", "batch norm has running statistics",
         module._state_dict),
    )  # fmt: skip
    equal = {r"^\s*->  model = model\.\w+\(\)$": "numbers of another type are as many"}
    said = (
        (lambda m: answer(m) / 1e6, "times the expected ones"),
        (lambda m: float(answer(m)), "Your answer returns a float, and an int is asked for"),
        (lambda m: next(m.parameters()).numel(), "StopIteration"),
        (lambda m: answer(m.eval()), "your code changes the mode of model"),
        (lambda m: (answer(m), m.requires_grad_(False))[0], "your code changes the mode of model"),
    )
