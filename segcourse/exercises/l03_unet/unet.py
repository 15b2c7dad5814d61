"""Exercise 3.3: the whole U-Net, for any size of picture."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from segcourse.exercises.engine import modules
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observing import Explained
from segcourse.exercises.engine.weights import UNREGISTERED
from segcourse.exercises.l03_unet import up as steps
from segcourse.exercises.l03_unet._draw import pixels
from segcourse.exercises.l03_unet.double_conv import DoubleConv
from segcourse.exercises.l03_unet.up import Up


class UNet(nn.Module):
    """Encoder, decoder, four skips: N x in_channels x H x W to logits N x num_classes x H x W."""

    def __init__(self, in_channels, num_classes, width=64):
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.first = DoubleConv(in_channels, width)
        self.downs = nn.ModuleList(DoubleConv(c, 2 * c) for c in widths)
        self.ups = nn.ModuleList(Up(2 * c, c, c) for c in reversed(widths))
        self.head = nn.Conv2d(width, num_classes, kernel_size=1)

    def forward(self, x):
        x = self.first(x)  # N, width, H, W
        skips = []
        for down in self.downs:
            skips.append(x)
            x = down(F.max_pool2d(x, 2))  # N, 2 width, H/2, W/2; … N, 16 width, H/16, W/16
        for up in self.ups:
            x = up(x, skips.pop())  # N, 8 width, H/8, W/8; … N, width, H, W
        return self.head(x)  # N, num_classes, H, W


class Changed(nn.Module):
    """The right answer, in pieces that variants and mistakes replace one by one."""

    depth, growth, up, modules_in = 4, 2, Up, nn.ModuleList

    def __init__(self, in_channels: int, num_classes: int, width: int = 64):
        super().__init__()
        widths = [width * self.growth**step for step in range(self.depth + 1)]
        pairs = list(pairwise(widths))
        self.stem = DoubleConv(in_channels, width)
        self.convs = self.modules_in(DoubleConv(fine, coarse) for fine, coarse in pairs)
        self.ups = nn.ModuleList(self.up(coarse, fine, fine) for fine, coarse in reversed(pairs))
        self.head = self.last(width, num_classes)

    def last(self, width: int, num_classes: int) -> nn.Module:
        return nn.Conv2d(width, num_classes, kernel_size=1)

    def shrink(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 2)

    def kept(self, before: Tensor, after: Tensor) -> Tensor:
        return before

    def order(self, skips: list[Tensor]) -> list[Tensor]:
        return skips[::-1]

    def forward(self, x: Tensor) -> Tensor:
        x, skips = self.stem(x), []
        for conv in self.convs:
            smaller = self.shrink(x)
            skips.append(self.kept(x, smaller))
            x = conv(smaller)
        for up, skip in zip(self.ups, self.order(skips), strict=True):
            x = up(x, skip)
        return self.head(x)


def _with(**pieces: Any) -> type[Changed]:
    return type("Changed", (Changed,), pieces)


def _ending(*layers: nn.Module) -> type[Changed]:
    def last(self: Changed, width: int, num_classes: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(width, num_classes, kernel_size=1), *layers)

    return _with(last=last)


class _PadsInput(Changed):
    """Rounds the picture up to a multiple of 16 and cuts the result: another way to any size."""

    def forward(self, x):
        height, width = x.shape[-2:]
        return super().forward(F.pad(x, [0, -width % 16, 0, -height % 16]))[..., :height, :width]


class _PadsInputEvenly(Changed):
    def forward(self, x):
        (height, width), rows, columns = x.shape[-2:], -x.shape[-2] % 16, -x.shape[-1] % 16
        top, left = rows // 2, columns // 2
        out = super().forward(F.pad(x, [left, columns - left, top, rows - top]))
        return out[..., top : top + height, left : left + width]


ANY_SIZE = (
    *(_with(up=up) for up in (steps.PadsLeft, steps.PadsTop, steps.PadsTopLeft)),
    _PadsInput,
    _PadsInputEvenly,
)
# what comes after the last convolution has separate cases, and costs nothing in the others
LAYERS = (nn.Sigmoid(), nn.Softmax(dim=1), nn.ReLU(), nn.Tanh(), nn.LogSoftmax(dim=1), nn.LeakyReLU())
ENDINGS = tuple(map(_ending, LAYERS))

SIZE, SKIPS, LOGITS, PARAMETERS = "same size out", "four levels, four skips", "logits", "parameters"


@modules.paste("{net}")
def levels(obj: Callable, case: Case) -> dict[str, Any]:
    """Observe how strongly a bright pixel shows at itself, in its blocks of 2 x 2 to 16 x 16, and outside."""
    light, picture = modules.output("transparent")(obj, case)["value"], case.inputs["image"]
    if not isinstance(light, Tensor) or light.shape != picture.shape:
        raise Explained(modules.wrong_size(light, picture))
    return {"value": light[0, 0, 5, [9, 8, 10, 12, 0, 16]]}


@modules.paste("{net}")
def by_default(obj: Callable, case: Case) -> dict[str, Any]:
    """Observe how many weights the network has when no width is given; the meta device costs no memory."""
    with torch.device("meta"):
        model = obj(case.inputs["in_channels"], case.inputs["num_classes"])
        if any(isinstance(p, UninitializedParameter) for p in model.parameters()):  # lazy layers
            model.eval()(torch.zeros(1, case.inputs["in_channels"], 16, 16))
    return {"weights": sum(p.numel() for p in model.parameters() if p.dim() > 1)}


def cases(rng: Generator) -> Iterator[Case]:
    seed = int(rng.integers(1000))

    def case(group, sizes, image, look, trait, variants=()):
        names = ("in_channels", "num_classes", "width")
        inputs = {**dict(zip(names, sizes, strict=True)), "image": image}
        return Case(group, inputs, (trait,), look, variants=variants)

    def sized(sizes, *shape, trait):
        return case(SIZE, sizes, torch.ones(*shape), modules.shape, trait)

    yield sized((1, 2, 2), 2, 1, 16, 16, trait="two pictures have 16 x 16 pixels")
    yield sized((3, 5, 2), 2, 3, 17, 23, trait="two pictures have 17 x 23 pixels, and there are five classes")
    yield sized((3, 2, 2), 1, 3, 97, 131, trait="the picture has 97 x 131 pixels")
    yield sized((3, 1, 2), 1, 3, 101, 131, trait="the picture has 101 x 131 pixels, and there is one class")
    size = map(int, rng.integers(17, 60, 2))
    yield sized((2, 4, 2), 3, 2, *size, trait="there are three pictures, and four classes")
    odd = pixels(rng, 1, 1, 21, 35)
    yield case(
        SKIPS,
        (1, 3, 2),
        odd,
        modules.output(seed=seed),
        "the picture has 21 x 35 pixels",
        variants=ANY_SIZE + ENDINGS,
    )
    look = modules.output_after_smaller(seed)
    even = pixels(rng, 1, 2, 32, 64)
    yield case(
        SKIPS, (2, 3, 2), even, look, "the network has seen a smaller picture before", variants=ENDINGS
    )

    pixel = torch.zeros(1, 1, 32, 32)
    pixel[0, 0, 5, 9] = 1
    yield case(
        SKIPS,
        (1, 1, 2),
        pixel,
        levels,
        "one pixel is bright, and each layer hands on the mean of its channels",
        variants=ENDINGS,
    )
    two = pixels(rng, 2, 2, 32, 16)
    yield case(
        SKIPS, (2, 3, 2), two, modules.output(seed=seed), "the weights are set by rule", variants=ENDINGS
    )
    large = pixels(rng, 2, 1, 32, 32, scale=20)
    look = modules.output(seed=seed, trained=True)
    yield case(SKIPS, (1, 4, 3), large, look, "the numbers are large, after training", variants=ENDINGS)

    ten = torch.full((1, 1, 32, 32), 10.0)
    yield case(LOGITS, (1, 2, 2), ten, modules.output("transparent"), "the picture is 10 everywhere")
    wide = pixels(rng, 1, 1, 32, 32)
    yield case(LOGITS, (1, 6, 2), wide, modules.output(seed=seed), "there are six classes")

    pair = pixels(rng, 2, 3, 32, 48)
    yield case(
        PARAMETERS,
        (3, 3, 2),
        pair,
        modules.training(seed),
        "the network is in training mode",
        ENDINGS,
    )
    yield case(
        PARAMETERS, (3, 3, 2), pair, modules.gradients(seed), "gradients are computed", variants=ENDINGS
    )
    look = modules.trainable(lambda case: 2 * 46 * case.inputs["width"])
    yield case(PARAMETERS, (3, 2, 4), pair, look, "the weights are counted", ENDINGS)
    inputs = {"in_channels": 3, "num_classes": 2}
    yield Case(PARAMETERS, inputs, ("no width is given",), by_default, variants=ENDINGS)


class _Resizes(nn.Module):
    def __init__(self, *sizes):
        super().__init__()
        self.net = Changed(*sizes)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        fits = [-(-length // 16) * 16 for length in size]
        return F.interpolate(self.net(F.interpolate(x, fits)), size)


class _Crops(nn.Module):
    def __init__(self, *sizes):
        super().__init__()
        self.net = Changed(*sizes)

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (length // 16 * 16 for length in x.shape[-2:])
        return self.net(x[..., :rows, :columns])


class _ResizesOutput(_with(up=steps._CropsSkip)):
    def forward(self, x):
        return F.interpolate(super().forward(x), x.shape[-2:], mode="bilinear")


class _ClassIds(Changed):
    def forward(self, x):
        return super().forward(x).argmax(dim=1)


class _Detached(Changed):
    def kept(self, before, after):
        return before.detach()


class _Strided(Changed):
    def __init__(self, in_channels, num_classes, width=64):
        super().__init__(in_channels, num_classes, width)
        sizes = [width * 2**step for step in range(4)]
        self.strided = nn.ModuleList(nn.Conv2d(c, c, 2, stride=2) for c in sizes)
        self.step = 0

    def shrink(self, x):
        self.step = self.step % 4 + 1
        return self.strided[self.step - 1](x)


class _TwoHeads(Changed):
    def last(self, width, num_classes):
        return nn.Conv2d(width, num_classes, kernel_size=3, padding=1)


def celebrate(answer):
    """Show the first masks of the network, while it learns one picture by heart."""
    from segcourse.exercises.engine.example import lesion
    from segcourse.metrics import dice_score
    from segcourse.plotting import outline, show_image

    torch.manual_seed(0)
    network, masks = answer(3, 2, 4), []
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(31):
        logits = network(lesion().image[None])
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits, lesion().mask[None]).backward()
        optimizer.step()
        masks.append(logits.argmax(dim=1)[0])
    shown = [masks[step] for step in (0, 10, 20, 30)]
    scores = [f"Dice {dice_score(mask, lesion().mask):.2f}" for mask in shown]
    titles = [f"step {step}: {score}" for step, score in zip((0, 10, 20, 30), scores, strict=True)]
    alt = f"One lesion with the outline of your network's mask while it learns it: {', '.join(titles)}."
    show_image([outline(lesion().image, mask) for mask in shown], titles, alt=alt)


EXERCISE = Exercise(
    UNet,
    number="3.3",
    difficulty=3,
    minutes=25,
    groups={SIZE: 2, SKIPS: 2, LOGITS: 1, PARAMETERS: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "Your skips carry nothing: a bright pixel comes back only as a 16 x 16 block. Hand each "
            "level's features, from before the pooling, to the Up of the same size.",
            _with(kept=lambda self, before, after: torch.zeros_like(before)),
        ),
        (
            "You keep the features after pooling. Then each skip is half the size that it should be, and "
            "so is the output. Keep them before you pool.",
            _with(kept=lambda self, before, after: after),
        ),
        (
            "Your skips come back in the order in which they went in. The decoder meets the smallest "
            "first: last in, first out.",
            _with(order=lambda self, skips: skips),
        ),
        (
            "Your skips are pooled features, enlarged again: right in size, but the single pixel is "
            "gone. Keep the features from before the pooling.",
            _with(kept=lambda self, before, after: F.interpolate(after, size=before.shape[-2:])),
        ),
        (
            "Your network computes what one with three steps down computes. Four are asked for: the bottom "
            "works on 1/16 of the height and width.",
            _with(depth=3),
        ),
        (
            "Your network computes what one with five steps down computes. Four are asked for: the "
            "bottom works on 1/16 of the height and width.",
            _with(depth=5),
        ),
        (
            "Every level of your network has the same number of channels. Each step down halves height and "
            "width and doubles the channels: width, 2, 4, 8 and 16 times width.",
            _with(growth=1),
        ),
        (
            "You pool by averaging. This U-Net takes the maximum of each 2 x 2 block; the mean lets a "
            "single bright pixel fade to 1/256 at the bottom.",
            _with(shrink=lambda self, x: F.avg_pool2d(x, 2)),
        ),
        (UNREGISTERED, _with(modules_in=list)),
        (
            "You resize the picture to sizes that 16 divides, and the result back. Every pixel then "
            "moves a little, and the finest ones are lost. Leave the picture as it is; Up pads.",
            _Resizes,
        ),
        (
            "You cut the picture to sizes that 16 divides, and the result is smaller than the picture. "
            "Leave it as it is; Up pads.",
            _Crops,
        ),
        (
            "Your network stops at sizes that 16 does not divide: x comes back one pixel smaller than "
            "its skip. Use an Up that pads.",
            _with(up=steps._Unpadded),
        ),
        (
            "Your Up crops the skips, and the result comes back too small where 16 does not divide the "
            "size. Pad x to the skip instead.",
            _with(up=steps._CropsSkip),
        ),
        (
            "Your steps up stretch x to the skip's size. Then x no longer lies where the skip lies. Pad "
            "it with zeros at one side.",
            _with(up=steps._StretchesX),
        ),
        (
            "There is one channel at the end. Two classes have two logits here, C classes C: the last "
            "layer gives num_classes.",
            _with(last=lambda self, width, num_classes: nn.Conv2d(width, 1, kernel_size=1)),
        ),
        (
            "Your last layer is a 3 x 3 convolution. A 1 x 1 convolution is asked for: it reads the "
            "classes off each pixel's features.",
            _TwoHeads,
        ),
        (
            "Your results lie between 0 and 1 like those of a sigmoid at the end. The losses of this "
            "course take logits: cross-entropy on numbers between 0 and 1 cannot fall below 0.313 for "
            "two classes.",
            ENDINGS[0],
        ),
        (
            "Your results add up to 1 over the classes, like those of a softmax at the end. Cross-entropy "
            "applies its own; twice is once too often, and the gradient fades where the network is sure.",
            ENDINGS[1],
        ),
        (
            "Your results are cut off at zero, as by a ReLU at the end. Logits may be negative; cut off, "
            "a class cannot be voted against, and where all are zero there is no gradient.",
            ENDINGS[2],
        ),
        (
            "Your results lie between -1 and 1 like those of a tanh at the end. Logits may be any "
            "numbers: let the last convolution be the end.",
            ENDINGS[3],
        ),
        (
            "Your results are log-probabilities, like those of a log-softmax at the end. Return the "
            "logits: the losses of this course apply their own.",
            ENDINGS[4],
        ),
        (
            "You return class ids. `argmax` has no gradient, so that nothing could be trained; return the "
            "logits, N x C x H x W.",
            _ClassIds,
        ),
        (
            "No gradient flows through your skips (`.detach()`, or no_grad): the encoder learns only "
            "through the bottleneck.",
            _Detached,
        ),
        (
            "You shrink with convolutions of stride 2. This U-Net takes the maximum of each 2 x 2 block, "
            "without weights.",
            _Strided,
        ),
        (
            "Your network resizes its result to the picture's size. Then its borders lie a fraction of a "
            "pixel off where 16 does not divide the size. Let each Up pad x to its skip.",
            _ResizesOutput,
        ),
    ],
    finished=(
        "segcourse.models.unet:UNet",
        "segcourse.models:create_model",
        "segmentation_models_pytorch:Unet",
        "segmentation_models_pytorch:create_model",
        "monai.networks.nets:BasicUNet",
        "monai.networks.nets:UNet",
    ),
)
