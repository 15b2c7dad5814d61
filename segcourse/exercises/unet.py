"""Lesson 3, U-Net: what is asked, how it is looked at, and what people get wrong.

Networks are judged by what they do. Their weights are set by a rule that knows no names (`settled`), so that
two networks of the same layers give the same numbers; sizes and gradients need no weights in common at all.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segcourse.exercises import unet_mistakes as mistakes
from segcourse.exercises.engine import Case, Exercise, Explained, Misconception
from segcourse.exercises.settled import UNREGISTERED, settle
from segcourse.models import blocks, count_parameters
from segcourse.models.unet import UNet

LESSON = "03_unet"


# What is looked at. A case's numbers go to the constructor, its tensors to `forward`.


def _built(obj: Callable, case: Case) -> tuple[nn.Module, tuple[Tensor, ...]]:
    sizes = [value for value in case.inputs.values() if not isinstance(value, Tensor)]
    return obj(*sizes), tuple(value for value in case.inputs.values() if isinstance(value, Tensor))


def _run(model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    output = model(*inputs)
    if output is None:
        raise Explained("your `forward` returns None: it computes something, but no `return` hands it back.")
    return output


def _output(obj: Callable, case: Case, rule: str, train: bool = False) -> Tensor:
    model, inputs = _built(obj, case)
    settle(model, inputs, rule).train(train)
    with torch.no_grad():
        return _run(model, inputs)


def shape(obj: Callable, case: Case) -> dict[str, Any]:
    """The size of what comes out."""
    model, inputs = _built(obj, case)
    with torch.no_grad():
        return {"shape": list(_run(model.eval(), inputs).shape)}


def transparent(obj: Callable, case: Case) -> dict[str, Any]:
    """The output when each layer hands on the mean of its channels: numbers that a person can check."""
    return {"value": _output(obj, case, "transparent")}


def patterned(obj: Callable, case: Case) -> dict[str, Any]:
    """The output with arbitrary weights, in eval mode: running statistics, not the batch's."""
    return {"value": _output(obj, case, "patterned")}


def patterned_in_training(obj: Callable, case: Case) -> dict[str, Any]:
    """The output with arbitrary weights, in training mode: the batch's own statistics."""
    return {"value": _output(obj, case, "patterned", train=True)}


def sorted_values(obj: Callable, case: Case) -> dict[str, Any]:
    """The output's numbers in order of size: the same on whichever side the zeros were put."""
    return {"values, sorted": _output(obj, case, "transparent").flatten().sort().values}


def field_of_view(obj: Callable, case: Case) -> dict[str, Any]:
    """Rows and columns of the input that can change the output's central pixel, found by its gradient."""
    model, (x,) = _built(obj, case)
    settle(model, (x,), "patterned")
    x.requires_grad_()
    y = _run(model, (x,))
    y[0, :, y.shape[2] // 2, y.shape[3] // 2].sum().backward()
    seen = x.grad[0].abs().sum(dim=0) > 0
    x.requires_grad_(False)
    return {"field of view": [int(seen.any(dim=1).sum()), int(seen.any(dim=0).sum())]}


def levels(obj: Callable, case: Case) -> dict[str, Any]:
    """How strongly one bright pixel shows at itself and in its 2×2, 4×4, 8×8 and 16×16 block, transparent."""
    row = _output(obj, case, "transparent")[0, 0, 5]
    return {"strength at 1, 2, 4, 8, 16 pixels, outside": row[[9, 8, 10, 12, 0, 16]]}


def strength(obj: Callable, case: Case) -> dict[str, Any]:
    """How strongly one bright pixel shows at itself, transparent; on whichever side the zeros were put."""
    return {"strength at the pixel": _output(obj, case, "transparent")[0, 0, 7, 7]}


def scale(obj: Callable, case: Case) -> dict[str, Any]:
    """The output on a picture that is 10 everywhere, all layers transparent: 10 goes in, 10 comes out."""
    return {"largest": _output(obj, case, "transparent").max()}


def sign(obj: Callable, case: Case) -> dict[str, Any]:
    """Whether any of eight classes gets a number below zero."""
    return {"numbers below zero": bool((_output(obj, case, "patterned") < 0).any())}


def weights(obj: Callable, case: Case) -> dict[str, Any]:
    """How many convolution weights an optimiser would find, and how many parameters no gradient reaches."""
    model, inputs = _built(obj, case)
    settle(model, inputs, "patterned")
    _run(model, inputs).square().sum().backward()
    kernels = sum(parameter.numel() for parameter in model.parameters() if parameter.dim() > 1)
    idle = sum(parameter.grad is None or not parameter.grad.any() for parameter in model.parameters())
    return {"convolution weights": kernels, "parameters without a gradient": int(idle)}


def _random(rng: np.random.Generator, *size: int) -> Tensor:
    return torch.from_numpy(rng.random(size, dtype=np.float32))


# 3.1 DoubleConv


def _double_conv_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(group, in_channels, out_channels, x, observe, note=""):
        return Case(group, {"in_channels": in_channels, "out_channels": out_channels, "x": x}, note, observe)

    size, layers, training = "size and channels", "convolution, batch norm, ReLU, twice", "training mode"
    yield case(size, 1, 2, torch.ones(1, 1, 2, 2), shape, "a picture of 2 x 2 pixels")
    yield case(size, 3, 8, torch.ones(2, 3, 17, 23), shape, "odd sizes, two pictures")
    yield case(layers, 1, 8, torch.ones(1, 1, 15, 15), field_of_view, "what the central pixel sees")
    yield case(layers, 1, 2, _random(rng, 1, 1, 3, 3), patterned, "arbitrary weights, eval mode")
    yield case(layers, 2, 2, _random(rng, 1, 2, 6, 5), patterned, "as many channels out as in")
    yield case(layers, 3, 4, _random(rng, 2, 3, 7, 8), patterned, "two pictures, eval mode")
    yield case(
        training, 2, 3, _random(rng, 3, 2, 5, 6), patterned_in_training, "three pictures in training mode"
    )


double_conv = Exercise(
    name="DoubleConv",
    lesson=LESSON,
    answer=blocks.DoubleConv,
    groups={"size and channels": 1, "convolution, batch norm, ReLU, twice": 1, "training mode": 1},
    finished=("monai.networks.nets.basic_unet:TwoConv",),
    cases=_double_conv_cases,
    misconceptions=(
        Misconception(
            "there is only one convolution. Two 3 x 3 convolutions in a row see 5 x 5 pixels; one sees 3 x "
            "3.",
            mistakes.sequential(mistakes.unit),
        ),
        Misconception(
            "your convolutions have no padding, so each one eats a border of one pixel and the picture "
            "shrinks by four. With padding=1 a 3 x 3 convolution keeps the size.",
            mistakes.sequential(
                lambda i, o: [
                    *(nn.Conv2d(i, o, 3, bias=False), nn.BatchNorm2d(o), nn.ReLU()),
                    *(nn.Conv2d(o, o, 3, bias=False), nn.BatchNorm2d(o), nn.ReLU()),
                ]
            ),
        ),
        Misconception(
            "the last ReLU is missing: negative numbers leave the block. Each of the two convolutions has "
            "its own batch norm and ReLU.",
            mistakes.sequential(lambda i, o: [*mistakes.unit(i, o), *mistakes.unit(o, o)[:2]]),
        ),
        Misconception(
            "there is no ReLU between the two convolutions. Without one in between, two convolutions are "
            "one linear map: a single 5 x 5 convolution could do the same.",
            mistakes.sequential(lambda i, o: [*mistakes.unit(i, o)[:2], *mistakes.unit(o, o)]),
        ),
        Misconception(
            "there is no batch norm. Without it the numbers grow or fade from layer to layer, and a network "
            "of eighteen convolutions trains slowly or not at all.",
            mistakes.sequential(
                lambda i, o: [mistakes.conv(i, o), nn.ReLU(), mistakes.conv(o, o), nn.ReLU()]
            ),
        ),
        Misconception(
            "batch norm comes after ReLU in your block. Here it comes before: the convolution's output is "
            "centred first, so that ReLU cuts off about half of it.",
            mistakes.sequential(
                lambda i, o: [
                    *(mistakes.conv(i, o), nn.ReLU(), nn.BatchNorm2d(o)),
                    *(mistakes.conv(o, o), nn.ReLU(), nn.BatchNorm2d(o)),
                ]
            ),
        ),
        Misconception(
            "both convolutions go through the same batch norm layer. Its running mean and variance then "
            "belong to neither of them, and eval mode differs from what was trained. Make two.",
            mistakes.OneBatchNorm,
        ),
        Misconception(
            "your batch norm keeps no running statistics, so that in eval mode, too, it looks at the batch: "
            "the result for one picture then depends on which others came with it.",
            mistakes.sequential(mistakes.batch_only),
        ),
        Misconception(
            "your second convolution expects in_channels again. After the first one there are out_channels.",
            mistakes.sequential(lambda i, o: [*mistakes.unit(i, o), *mistakes.unit(i, o)]),
        ),
        Misconception(
            "this is one 5 x 5 convolution. Two 3 x 3 ones see the same 25 pixels with 18 weights instead "
            "of 25, and a ReLU in between.",
            mistakes.sequential(lambda i, o: mistakes.unit(i, o, size=5)),
        ),
        Misconception(
            "your block drops numbers at random in training mode. Nothing here asks for dropout; it makes "
            "two runs on the same picture differ.",
            mistakes.sequential(lambda i, o: [*mistakes.unit(i, o), *mistakes.unit(o, o), nn.Dropout(0.2)]),
        ),
    ),
)


# 3.2 Up


def _up_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(group, channels, x, skip, observe, note):
        names = ("in_channels", "skip_channels", "out_channels")
        return Case(group, {**dict(zip(names, channels, strict=True)), "x": x, "skip": skip}, note, observe)

    even, odd, whole, free = "even sizes", "odd sizes", "the skip stays whole", "any channel numbers"
    one_to_four = torch.arange(1.0, 5.0).view(1, 1, 2, 2)
    x = one_to_four.expand(1, 2, 2, 2).clone()
    yield case(
        even,
        (2, 1, 1),
        x,
        torch.ones(1, 1, 4, 4),
        transparent,
        "each layer hands on the mean of its channels",
    )
    yield case(
        even, (4, 2, 3), _random(rng, 2, 4, 3, 2), _random(rng, 2, 2, 6, 4), patterned, "arbitrary weights"
    )
    yield case(odd, (2, 1, 1), x, torch.zeros(1, 1, 4, 5), sorted_values, "a dark skip, one column more")
    yield case(odd, (2, 1, 1), x, torch.zeros(1, 1, 5, 4), shape, "one row more")
    yield case(odd, (2, 1, 1), x, torch.zeros(1, 1, 5, 5), shape, "one row and one column more")
    yield case(
        odd, (4, 2, 2), torch.zeros(1, 4, 50, 65), torch.zeros(1, 2, 101, 131), shape, "101 x 131 pixels"
    )
    dark = torch.zeros(1, 2, 2, 2)
    skip = torch.arange(1.0, 26.0).view(1, 1, 5, 5)
    yield case(whole, (2, 1, 1), dark, skip, transparent, "x is dark, the skip has 5 x 5 pixels")
    yield case(
        whole, (2, 1, 1), dark, _random(rng, 1, 1, 4, 4), transparent, "x is dark, the skip has 4 x 4 pixels"
    )
    yield case(
        free,
        (4, 3, 5),
        _random(rng, 1, 4, 2, 3),
        _random(rng, 1, 3, 4, 6),
        patterned,
        "three channels in the skip",
    )


up = Exercise(
    name="Up",
    lesson=LESSON,
    answer=blocks.Up,
    groups={"even sizes": 1, "odd sizes": 1, "the skip stays whole": 1, "any channel numbers": 1},
    finished=(
        "segmentation_models_pytorch.decoders.unet.decoder:UnetDecoderBlock",
        "monai.networks.nets.basic_unet:UpCat",
    ),
    cases=_up_cases,
    misconceptions=(
        Misconception(
            "x is joined as it comes. Where pooling dropped an odd row or column, doubling does not bring "
            "it back, and x is one pixel smaller than the skip. Pad x first.",
            mistakes.UpWithoutPadding,
        ),
        Misconception(
            "you pad rows where columns are missing. F.pad counts from the last axis: [left, right, top, "
            "bottom].",
            mistakes.UpPadsSwapped,
        ),
        Misconception(
            "you crop the skip to x, so the output loses a row or a column, and at the next level another. "
            "Pad x to the skip; the skip has the size that you want back.",
            mistakes.UpCropsSkip,
        ),
        Misconception(
            "you stretch x to the skip's size. Every pixel then moves by a fraction, and x no longer lies "
            "where the skip lies. Add a row or a column of zeros instead.",
            mistakes.UpStretchesX,
        ),
        Misconception(
            "you shrink the skip to x's size. That blurs the very detail that the skip is there for, and "
            "the output comes back too small. The skip stays as it is; x is padded.",
            mistakes.UpShrinksSkip,
        ),
        Misconception(
            "the skip never reaches the output: whatever is in it, the result is the same. Concatenate it "
            "with x.",
            mistakes.UpIgnoresSkip,
        ),
        Misconception(
            "you add the skip to x. A U-Net concatenates them along the channels, so that the next "
            "convolution can weigh detail and context separately (adding is what an FCN does).",
            mistakes.UpAdds,
        ),
        Misconception(
            "x is enlarged by interpolation. That has no weights, and here they are asked for: a transposed "
            "convolution, kernel 2, stride 2.",
            mistakes.UpInterpolates,
        ),
        Misconception(
            "your transposed convolution keeps all in_channels. It should hand on half of them, in_channels "
            "// 2, so that x and the skip weigh the same.",
            mistakes.UpKeepsChannels,
        ),
        Misconception(
            "your block assumes that the skip has in_channels // 2 channels. It is told how many: "
            "skip_channels.",
            mistakes.UpAssumesHalf,
        ),
        Misconception(
            "after joining there is only one convolution. Both halves of a U-Net are built from DoubleConv.",
            mistakes.UpConvolvesOnce,
        ),
    ),
)


# 3.3 UNet


def _unet_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(group, sizes, image, observe, note=""):
        names = ("in_channels", "num_classes", "width")
        return Case(group, {**dict(zip(names, sizes, strict=True)), "image": image}, note, observe)

    size, skips, logits, parameters = "same size out", "four levels, four skips", "logits", "parameters"
    pixel = torch.zeros(1, 1, 32, 32)
    pixel[0, 0, 5, 9] = 1
    yield case(
        size,
        (1, 2, 2),
        torch.ones(2, 1, 16, 16),
        shape,
        "two pictures, the smallest that can be halved four times",
    )
    yield case(size, (3, 5, 2), torch.ones(2, 3, 17, 23), shape, "five classes, odd sizes")
    yield case(size, (3, 2, 2), torch.ones(1, 3, 97, 131), shape, "97 x 131 pixels")
    yield case(size, (3, 2, 2), torch.ones(1, 3, 101, 131), shape, "101 x 131 pixels")
    odd = torch.zeros(1, 1, 35, 33)
    odd[0, 0, 7, 7] = 1
    yield case(size, (1, 1, 2), odd, strength, "one bright pixel in 35 x 33, row 7, column 7")
    yield case(
        skips, (1, 1, 2), pixel, levels, "one bright pixel; each layer hands on the mean of its channels"
    )
    yield case(skips, (2, 3, 2), _random(rng, 1, 2, 32, 16), patterned, "arbitrary weights")
    yield case(logits, (1, 2, 2), torch.full((1, 1, 32, 32), 10.0), scale, "a picture that is 10 everywhere")
    yield case(logits, (1, 8, 2), _random(rng, 1, 1, 32, 32), sign, "arbitrary weights, eight classes")
    yield case(parameters, (3, 2, 4), _random(rng, 1, 3, 32, 32), weights, "width 4")


unet = Exercise(
    name="UNet",
    lesson=LESSON,
    answer=UNet,
    groups={"same size out": 2, "four levels, four skips": 2, "logits": 1, "parameters": 1},
    finished=(
        "segcourse.models:create_model",
        "segmentation_models_pytorch:Unet",
        "segmentation_models_pytorch:create_model",
        "monai.networks.nets:BasicUNet",
        "monai.networks.nets:UNet",
    ),
    cases=_unet_cases,
    misconceptions=(
        Misconception(
            "the skips carry nothing: a bright pixel comes back only as a 16 x 16 block. Hand each level's "
            "features, from before the pooling, to the Up of the same size.",
            mistakes.WithoutSkips,
        ),
        Misconception(
            "you keep the features after pooling. Then each skip is half the size it should be, and so is "
            "the output. Keep them before you pool.",
            mistakes.SkipsAfterPooling,
        ),
        Misconception(
            "the skips come back in the order in which they went in. The decoder meets the smallest first: "
            "last in, first out.",
            mistakes.SkipsInEncoderOrder,
        ),
        Misconception(
            "your skips are pooled features, enlarged again: right in size, but the single pixel is gone. "
            "Keep the features from before the pooling.",
            mistakes.PooledSkips,
        ),
        Misconception(
            "your network goes down three times. Four were asked for: the bottom works on 1/16 of the "
            "height and width.",
            mistakes.ThreeLevels,
        ),
        Misconception(
            "every level has the same number of channels. Each step down halves height and width and "
            "doubles the channels: width, 2, 4, 8 and 16 times width.",
            mistakes.OneWidth,
        ),
        Misconception(
            "you pool by averaging. A U-Net takes the maximum of each 2 x 2 block; the mean lets a single "
            "bright pixel fade to 1/256 at the bottom.",
            mistakes.AveragePooling,
        ),
        Misconception(UNREGISTERED, mistakes.PlainList),
        Misconception(
            "you resize the picture to sizes that 16 divides, and the result back. Every pixel then moves a "
            "little, and the finest ones are lost. Leave the picture as it is; Up pads.",
            mistakes.ResizesThePicture,
        ),
        Misconception(
            "it stops at sizes that 16 does not divide: x comes back one pixel smaller than its skip. Use "
            "an Up that pads.",
            mistakes.NoPadding,
        ),
        Misconception(
            "there is one channel at the end. Two classes have two logits here, C classes C: the last layer "
            "gives num_classes.",
            mistakes.OneChannel,
        ),
        Misconception(
            "there is a sigmoid at the end. The losses of this course take logits: cross-entropy on numbers "
            "between 0 and 1 cannot fall below 0.313 for two classes.",
            mistakes.ending(nn.Sigmoid()),
        ),
        Misconception(
            "there is a softmax at the end. Cross-entropy applies its own; twice is once too often, and the "
            "gradient fades where the network is sure.",
            mistakes.ending(nn.Softmax(dim=1)),
        ),
        Misconception(
            "there is a ReLU at the end. Logits may be negative; cut off at zero, a class cannot be voted "
            "against, and where all are zero there is no gradient.",
            mistakes.ending(nn.ReLU()),
        ),
        Misconception(
            "you return class ids. `argmax` has no gradient, so nothing could be trained; return the "
            "logits, N x C x H x W.",
            mistakes.ClassIds,
        ),
    ),
)


# 3.4 count_parameters. A case carries the name of a network, because networks are not plain data.


def _frozen() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    model[0].requires_grad_(False)
    return model


def _shared() -> nn.Module:
    layer = nn.Linear(4, 4, bias=False)
    return nn.Sequential(layer, nn.ReLU(), layer)


class _OwnParameter(nn.Module):
    def __init__(self):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(5))
        self.layer = nn.Linear(2, 1)


_NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "nn.Linear(2, 3)": lambda: nn.Linear(2, 3),
    "nn.ReLU(), which has no weights": nn.ReLU,
    "nn.Conv2d(3, 8, 3)": lambda: nn.Conv2d(3, 8, 3),
    "two blocks, one inside the other": lambda: nn.Sequential(
        nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), nn.Linear(2, 1)
    ),
    "a network with a parameter of its own": _OwnParameter,
    "nn.BatchNorm2d(4)": lambda: nn.BatchNorm2d(4),
    "a network whose first layer is frozen": _frozen,
    "one layer that is used twice": _shared,
}


def _count(function: Callable, case: Case) -> dict[str, Any]:
    return {"value": function(_NETWORKS[case.inputs["model"]]())}


def _count_cases(rng: np.random.Generator) -> Iterator[Case]:
    groups = ["all kinds of layers"] * 6 + ["frozen and shared"] * 2
    for group, name in zip(groups, _NETWORKS, strict=True):
        yield Case(group, {"model": name})


counting = Exercise(
    name="count_parameters",
    lesson=LESSON,
    answer=count_parameters,
    groups={"all kinds of layers": 1, "frozen and shared": 1},
    cases=_count_cases,
    observe=_count,
    misconceptions=(
        Misconception(
            "you count tensors, not the numbers in them. A 3 x 3 convolution from 3 to 8 channels is two "
            "tensors and 224 numbers.",
            lambda model: len(list(model.parameters())),
        ),
        Misconception(
            "you count the state dict, and with it batch norm's running statistics. They are buffers: "
            "measured, not trained.",
            lambda model: sum(tensor.numel() for tensor in model.state_dict().values()),
        ),
        Misconception(
            "frozen parameters are in your count. Training changes only those whose requires_grad is True.",
            lambda model: sum(p.numel() for p in model.parameters()),
        ),
        Misconception(
            "the biases are missing from your count, and with them every parameter with a single axis.",
            lambda model: sum(p.numel() for p in model.parameters() if p.requires_grad and p.dim() > 1),
        ),
        Misconception(
            "a layer that is used twice is counted twice. It is one set of weights; `parameters()` lists "
            "each only once.",
            lambda model: sum(
                p.numel() for _, p in model.named_parameters(remove_duplicate=False) if p.requires_grad
            ),
        ),
        Misconception(
            "you count what lies inside other modules again for each module around it. `parameters()` "
            "already looks inside.",
            lambda model: sum(p.numel() for m in model.modules() for p in m.parameters() if p.requires_grad),
        ),
        Misconception(
            "you look at the network's children only. Parameters also sit in the network itself.",
            lambda model: sum(p.numel() for m in model.children() for p in m.parameters() if p.requires_grad),
        ),
        Misconception(
            "you take the first axis of each parameter for its size. A parameter holds the product of all "
            "its axes: numel().",
            lambda model: sum(p.shape[0] for p in model.parameters() if p.requires_grad),
        ),
    ),
)


# 3.5 AttentionGate (stretch)


def _gate_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(group, channels, gate, skip, observe, note):
        names = ("gate_channels", "skip_channels", "inner_channels")
        return Case(
            group, {**dict(zip(names, channels, strict=True)), "gate": gate, "skip": skip}, note, observe
        )

    sizes, attention, weighs = "sizes", "one attention map", "the skip, weighed"
    coarse, fine = torch.ones(1, 2, 1, 1), torch.ones(1, 1, 2, 2)
    yield case(sizes, (2, 1, 1), coarse, fine, shape, "the gate has half the skip's height and width")
    yield case(sizes, (4, 3, 2), torch.ones(2, 4, 2, 3), torch.ones(2, 3, 5, 7), shape, "odd sizes")
    below = -5 * coarse
    yield case(
        weighs, (2, 1, 1), -coarse, fine[..., :1, :1], transparent, "gate -1 and skip 1: their sum is 0"
    )
    yield case(
        weighs, (2, 1, 1), below, fine[..., :1, :1], transparent, "gate -5 and skip 1: their sum is below 0"
    )
    yield case(weighs, (2, 1, 1), coarse, 2 * fine[..., :1, :1], transparent, "gate 1 and skip 2")
    yield case(
        attention,
        (3, 2, 4),
        _random(rng, 1, 3, 3, 3),
        _random(rng, 1, 2, 3, 3),
        patterned,
        "arbitrary weights",
    )
    far = _random(rng, 2, 4, 1, 1).expand(2, 4, 2, 3).clone()
    yield case(attention, (4, 3, 5), far, _random(rng, 2, 3, 5, 7), patterned, "an even gate, odd sizes")


attention_gate = Exercise(
    name="AttentionGate",
    lesson=LESSON,
    answer=blocks.AttentionGate,
    groups={"sizes": 1, "one attention map": 1, "the skip, weighed": 1},
    finished=("monai.networks.nets.attentionunet:AttentionBlock",),
    cases=_gate_cases,
    misconceptions=(
        Misconception(
            "a softmax over all pixels makes them share one unit of attention: the larger the picture, the "
            "fainter the skip. A sigmoid decides pixel by pixel.",
            mistakes.GateSoftmax,
        ),
        Misconception(
            "the sigmoid is missing, so the skip is multiplied by numbers without bounds. Attention lies "
            "between 0 and 1.",
            mistakes.GateUnbounded,
        ),
        Misconception(
            "the gate comes from one level below and has half the size. Enlarge its branch to the skip's "
            "size before you add.",
            mistakes.GateNotEnlarged,
        ),
        Misconception(
            "the ReLU after the sum is missing. Without it skip and gate are only added up, and cannot "
            "decide together.",
            mistakes.GateWithoutRelu,
        ),
        Misconception(
            "you multiply the two branches. This gate is additive: their sum goes through ReLU (Oktay et "
            "al. 2018, equation 1).",
            mistakes.GateMultiplies,
        ),
        Misconception(
            "you weigh the gate and hand it on. The gate only decides; what passes, weighed, is the skip.",
            mistakes.GateWeighsGate,
        ),
        Misconception(
            "you add the skip again after weighing it. Then nothing can ever be faded out: each pixel is "
            "kept at least once.",
            mistakes.GateResidual,
        ),
        Misconception(
            "you return the attention map. It is the recipe and not the dish: multiply the skip by it.",
            mistakes.GateMapOnly,
        ),
        Misconception(
            "you make one map for each channel of the skip. Here one number a pixel fades all its channels "
            "together, so ψ has a single output channel.",
            mistakes.GatePerChannel,
        ),
        Misconception(
            "the gate changes nothing: the skip decides on its own. Add the gate's branch to the skip's "
            "before the ReLU.",
            mistakes.GateIgnoresGate,
        ),
    ),
)

EXERCISES = (double_conv, up, unet, counting, attention_gate)
