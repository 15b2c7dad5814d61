"""Exercise 3.1: convolution, batch norm and ReLU, twice."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import nn

from segcourse.exercises.engine import modules
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l03_unet._draw import convolution, pixels, unit


class DoubleConv(nn.Module):
    """(3 x 3 convolution, batch norm, ReLU) twice; the size stays."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )

    def forward(self, x):
        return self.layers(x)


SIZE, LAYERS, TRAINING = "size and channels", "convolution, batch norm, ReLU, twice", "training"


def cases(rng: Generator) -> Iterator[Case]:
    seed = int(rng.integers(1000))

    def case(group, in_channels, out_channels, x, look, trait):
        inputs = {"in_channels": in_channels, "out_channels": out_channels, "x": x}
        return Case(group, inputs, (trait,), look)

    def sized(in_channels, out_channels, *size, trait):
        x = torch.ones(*size)
        return case(SIZE, in_channels, out_channels, x, modules.shape, trait)

    yield sized(1, 2, 1, 1, 2, 2, trait="the picture has 2 x 2 pixels")
    yield sized(3, 8, 2, 3, 17, 23, trait="there are two pictures of 17 x 23 pixels")
    yield sized(4, 4, 1, 4, 1, 1, trait="the picture has one pixel")
    channels, others, rows, columns = map(int, rng.integers(2, 9, 4))
    yield sized(channels, others, 3, channels, rows, columns, trait="there are three pictures")
    yield case(
        LAYERS,
        1,
        8,
        torch.ones(1, 1, 15, 15),
        modules.field_of_view,
        "the central pixel of the output is looked at",
    )
    yield case(
        LAYERS, 2, 6, pixels(rng, 1, 2, 6, 5), modules.output(seed=seed), "the weights are set by rule"
    )
    x = pixels(rng, 2, 3, 7, 8, scale=20)
    look = modules.output(seed=seed, trained=True)
    yield case(LAYERS, 3, 5, x, look, "two pictures hold large numbers, after training")
    x = pixels(rng, 1, 3, 9, 6)
    look = modules.output_after_smaller(seed)
    yield case(LAYERS, 3, 3, x, look, "the block has seen a smaller picture before")
    look = modules.trainable(lambda case: 2 * case.inputs["out_channels"])
    yield case(LAYERS, 3, 5, x, look, "the weights are counted")
    x = pixels(rng, 3, 2, 5, 6)
    yield case(TRAINING, 2, 4, x, modules.training(seed), "the block is in training mode")
    x = pixels(rng, 2, 3, 5, 4)
    yield case(TRAINING, 3, 4, x, modules.gradients(seed), "gradients are computed")


def _of(layers: Callable[[int, int], list[nn.Module]]) -> Callable[[int, int], nn.Module]:
    return lambda in_channels, out_channels: nn.Sequential(*layers(in_channels, out_channels))


class _OneBatchNorm(nn.Module):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.first, self.second = (
            convolution(in_channels, out_channels),
            convolution(out_channels, out_channels),
        )
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        return F.relu(self.norm(self.second(F.relu(self.norm(self.first(x))))))


class _SecondTwice(nn.Module):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.first = nn.Sequential(*unit(in_channels, out_channels))
        self.again = nn.Sequential(*unit(out_channels, out_channels))

    def forward(self, x):
        return self.again(self.again(self.first(x)))


def _unpadded(i, o):
    return [
        nn.Conv2d(i, o, 3),
        nn.BatchNorm2d(o),
        nn.ReLU(),
        nn.Conv2d(o, o, 3),
        nn.BatchNorm2d(o),
        nn.ReLU(),
    ]


def _relu_first(i, o):
    both = (
        (convolution(i, o), nn.ReLU(), nn.BatchNorm2d(o)),
        (convolution(o, o), nn.ReLU(), nn.BatchNorm2d(o)),
    )
    return [*both[0], *both[1]]


def _batch_only(i, o):
    layers = [*unit(i, o), *unit(o, o)]
    for place in (1, 4):
        layers[place] = nn.BatchNorm2d(o, track_running_stats=False)
    return layers


def celebrate(answer):
    """Show what an untrained block makes of a picture."""
    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import show_image

    torch.manual_seed(0)
    maps = answer(3, 4)(lesion().image[None]).detach()[0]
    titles = [f"channel {i}" for i in range(4)]
    show_image(
        list(maps / maps.amax(dim=(1, 2), keepdim=True)),
        titles,
        alt="Four feature maps that your untrained block makes of a lesion.",
    )


EXERCISE = Exercise(
    DoubleConv,
    number="3.1",
    difficulty=1,
    minutes=10,
    groups={SIZE: 1, LAYERS: 1, TRAINING: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "Your block computes what one convolution with batch norm and ReLU computes: one output "
            "pixel sees 3 x 3 pixels. Two 3 x 3 convolutions in a row see 5 x 5.",
            _of(unit),
        ),
        (
            "Your block goes through three convolutions, and an output pixel sees 7 x 7 pixels. Two are "
            "asked for.",
            _SecondTwice,
        ),
        (
            "Your pictures shrink by four rows and columns: without padding each 3 x 3 convolution takes a "
            "border of one pixel away. `padding=1` keeps the size.",
            _of(_unpadded),
        ),
        (
            "Your block returns what comes before the last ReLU: negative numbers leave it. Each of the "
            "two convolutions has its own batch norm and ReLU.",
            _of(lambda i, o: [*unit(i, o), *unit(o, o)[:2]]),
        ),
        (
            "There is no ReLU between your two convolutions. Without one in between, two convolutions "
            "are one linear map: a single 5 x 5 convolution could do the same.",
            _of(lambda i, o: [*unit(i, o)[:2], *unit(o, o)]),
        ),
        (
            "Your block has no ReLU at all, so that it is a linear map. Each convolution is followed by "
            "batch norm and ReLU.",
            _of(lambda i, o: [*unit(i, o)[:2], *unit(o, o)[:2]]),
        ),
        (
            "Your block has no batch norm. Without it the numbers grow or fade from layer to layer, and a "
            "network of eighteen convolutions trains slowly or not at all.",
            _of(lambda i, o: [convolution(i, o), nn.ReLU(), convolution(o, o), nn.ReLU()]),
        ),
        (
            "There is no batch norm after your second convolution. Each of the two has its own.",
            _of(lambda i, o: [*unit(i, o), convolution(o, o), nn.ReLU()]),
        ),
        (
            "There is no batch norm after your first convolution. Each of the two has its own.",
            _of(lambda i, o: [convolution(i, o), nn.ReLU(), *unit(o, o)]),
        ),
        (
            "Batch norm comes after ReLU in your block. Here it comes before: the convolution's output is "
            "centred first, so that ReLU cuts off about half of it.",
            _of(_relu_first),
        ),
        (
            "Both convolutions go through the same batch norm layer. Its running mean and variance then "
            "belong to neither of them, and eval mode differs from what was trained. Make two.",
            _OneBatchNorm,
        ),
        (
            "Your batch norm keeps no running statistics, so that in eval mode, too, it looks at the "
            "batch: the result for one picture then depends on which others came with it.",
            _of(_batch_only),
        ),
        (
            "Your second convolution expects in_channels again. After the first one there are out_channels.",
            _of(lambda i, o: [*unit(i, o), *unit(i, o)]),
        ),
        (
            "Your block is one 5 x 5 convolution with batch norm and ReLU. Two 3 x 3 convolutions see "
            "the same 25 pixels with 18 weights instead of 25, and have a ReLU in between.",
            _of(lambda i, o: unit(i, o, size=5)),
        ),
        (
            "Your convolutions look at one pixel at a time (1 x 1). Two 3 x 3 convolutions are asked for.",
            _of(lambda i, o: [*unit(i, o, size=1), *unit(o, o, size=1)]),
        ),
        (
            "Your block drops numbers at random in training mode: two runs on the same picture differ. "
            "Dropout is not asked for.",
            _of(lambda i, o: [*unit(i, o), *unit(o, o), nn.Dropout(0.2)]),
        ),
    ],
    finished=("segcourse.models.blocks:DoubleConv", "monai.networks.nets.basic_unet:TwoConv"),
)
