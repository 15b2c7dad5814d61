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
from segcourse.exercises.l03_unet._draw import convolution, pixels, unit
from segcourse.exercises.l03_unet.double_conv import DoubleConv
from segcourse.exercises.l03_unet.up import Up
from segcourse.models import blocks


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

    depth, growth, double, up, modules_in = 4, 2, DoubleConv, Up, nn.ModuleList

    def __init__(self, in_channels: int, num_classes: int, width: int = 64):
        super().__init__()
        pairs = list(pairwise(self.widths(width)))
        self.stem = self.double(in_channels, width)
        self.convs = self.modules_in(self.double(fine, coarse) for fine, coarse in pairs)
        self.ups = nn.ModuleList(self.up(coarse, fine, fine) for fine, coarse in reversed(pairs))
        self.head = self.last(width, num_classes)

    def widths(self, width: int) -> list[int]:
        return [width * self.growth**step for step in range(self.depth + 1)]

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
        return self.head(self.decode(x, skips))

    def decode(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        for up, skip in zip(self.ups, self.order(skips), strict=True):
            x = up(x, skip)
        return x


def _with(base: type[nn.Module] = Changed, **pieces: Any) -> type[nn.Module]:
    return type("Changed", (base,), pieces)


def _ending(*layers: nn.Module) -> type[nn.Module]:
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

IGNORES_WIDTH = (
    "Your network has as many weights without a width as with width=8: `width` has no effect. Level 1 has "
    "width channels, and each level below twice as many; the numbers 64 to 1024 hold for width=64 only."
)
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
    found = []
    for width in ((), (8,)):
        with torch.device("meta"):
            model = obj(case.inputs["in_channels"], case.inputs["num_classes"], *width)
            if any(isinstance(p, UninitializedParameter) for p in model.parameters()):  # lazy layers
                model.eval()(torch.zeros(1, case.inputs["in_channels"], 16, 16))
        found.append(sum(p.numel() for p in model.parameters() if p.dim() > 1))
    if found[0] == found[1] > 0:
        raise Explained(IGNORES_WIDTH)
    return {"weights": found[0]}


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


class _Resizes(Changed):
    options = steps.NEAREST
    up_to = True

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        fits = [-(-length // 16) * 16 if self.up_to else length // 16 * 16 for length in size]
        smaller = F.interpolate(x, fits, **self.options)
        return F.interpolate(super().forward(smaller), size, **self.options)


class _Crops(Changed):
    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (length // 16 * 16 for length in x.shape[-2:])
        return super().forward(x[..., :rows, :columns])


class _PadsForGood(Changed):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, [0, -x.shape[-1] % 16, 0, -x.shape[-2] % 16]))


class _ResizesOutput(_with(up=steps._CropsSkip)):
    options = steps.SMOOTH

    def forward(self, x):
        return F.interpolate(super().forward(x), x.shape[-2:], **self.options)


def _halved(self: Changed, x: Tensor) -> Tensor:
    """Pool as the library's `Down`: a side of one pixel stays."""
    return F.max_pool2d(x, [min(2, side) for side in x.shape[-2:]])


class _PoolsFirst(Changed):
    """Each level begins with pooling, the first one too; the last map is enlarged."""

    options = steps.SMOOTH

    def forward(self, x):
        return F.interpolate(super().forward(self.shrink(x)), x.shape[-2:], **self.options)


class _Unchained(Changed):
    """Each step up gets what the encoder made at the level below."""

    def decode(self, x, skips):
        for up, below, skip in zip(self.ups, [x, *skips[:0:-1]], skips[::-1], strict=True):
            x = up(below, skip)
        return x


class _NoGradient(Changed):
    def decode(self, x, skips):
        return super().decode(x.detach(), [skip.detach() for skip in skips])


class _NarrowBottom(Changed):
    def widths(self, width):
        return [*super().widths(width)[:-1], 8 * width]


class _TwiceAtBottom(Changed):
    def __init__(self, in_channels, num_classes, width=64):
        super().__init__(in_channels, num_classes, width)
        self.more = self.double(16 * width, 16 * width)

    def decode(self, x, skips):
        return super().decode(self.more(x), skips)


class _ThreeColours(Changed):
    def __init__(self, in_channels, num_classes, width=64):
        super().__init__(3, num_classes, width)


class _TwoClasses(Changed):
    def __init__(self, in_channels, num_classes, width=64):
        super().__init__(in_channels, 2, width)


class _WithoutSkip(steps.Changed):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, 0, out_channels)

    def join(self, x, skip):
        return (self.padded(x, skip),)


class _Plain(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(convolution(i, o), nn.ReLU(), convolution(o, o), nn.ReLU())


class _PlainUp(steps.Changed):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__(in_channels, skip_channels, out_channels)
        self.conv = _Plain(in_channels // 2 + skip_channels, out_channels)


class _SingleConv(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(*unit(in_channels, out_channels))


class _ClassIds(Changed):
    keepdim = False

    def forward(self, x):
        return super().forward(x).argmax(dim=1, keepdim=self.keepdim)


class _Squeezed(Changed):
    axes: tuple[int, ...] = ()

    def forward(self, x):
        return super().forward(x).squeeze(*self.axes)


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


STRETCHES = (steps.SMOOTH, steps.NEAREST)
_MISTAKES: list[tuple[Any, ...]] = [
    (
        "Your skips carry nothing: a bright pixel comes back only as a 16 x 16 block. Hand each "
        "level's features, from before the pooling, to the Up of the same size.",
        _with(kept=lambda self, before, after: torch.zeros_like(before)),
        _with(up=_WithoutSkip),
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
        _with(depth=5, shrink=_halved),
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
        *(_with(_Resizes, options=options, up_to=up) for options in STRETCHES for up in (True, False)),
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
        *(_with(up=up) for up in (steps._StretchesX, steps._StretchesXNearest)),
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
        _with(_ClassIds, keepdim=True),
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
        *(_with(_ResizesOutput, options=options) for options in STRETCHES),
    ),
    (
        "You pad the picture to sizes that 16 divides, and the result is larger than the picture. Cut it "
        "back to H x W, or leave the picture as it is; Up pads.",
        _PadsForGood,
    ),
    (
        "Your first level begins with pooling, so that no level works at full size. Level 1 is a double "
        "convolution of the whole picture, and its skip brings the finest detail back.",
        *(
            _with(_PoolsFirst, options=options, shrink=shrink)
            for options in STRETCHES
            for shrink in (Changed.shrink, _halved)
        ),
    ),
    (
        "Your steps up are not chained: each one gets what the encoder made at the level below. It gets "
        "what the step up before it returned, else the bottom never reaches the output.",
        _Unchained,
        _with(_Unchained, double=blocks.DoubleConv, up=blocks.Up),
    ),
    (
        "No gradient reaches your encoder (`torch.no_grad()`, or `.detach()`): it is never trained.",
        _NoGradient,
        _with(_NoGradient, double=blocks.DoubleConv, up=blocks.Up),
    ),
    (
        "There is no batch norm in some of your double convolutions. Each convolution has its own.",
        *(_with(double=_Plain, up=up) for up in (Up, _PlainUp)),
    ),
    (
        "The bottom of your network has 8 width channels. Each step down doubles the channels: level 5 "
        "has 16 width.",
        _NarrowBottom,
    ),
    (
        "The bottom of your network has one double convolution too many. Level 5 is a max pooling and "
        "one double convolution.",
        _TwiceAtBottom,
    ),
    (
        "Your network computes what one with a single convolution in place of some double convolutions "
        "computes.",
        _with(double=_SingleConv),
        _with(up=steps._ConvolvesOnce),
        _with(double=_SingleConv, up=steps._ConvolvesOnce),
    ),
    (
        "Your network never makes the picture smaller: the 2 x 2 max pooling has no effect. Pool at each "
        "step down.",
        _with(shrink=lambda self, x: x),
    ),
    (
        "Your pooling moves by one pixel, as with `stride=1`. It halves height and width: stride 2.",
        _with(shrink=lambda self, x: F.max_pool2d(x, 2, stride=1)),
    ),
    (
        "Your pooling rounds odd sizes up (`ceil_mode`). The default rounds down, and Up pads.",
        _with(shrink=lambda self, x: F.max_pool2d(x, 2, ceil_mode=True)),
    ),
    (
        "Your pooling takes the maximum of 3 x 3 pixels. It is 2 x 2 here.",
        _with(shrink=lambda self, x: F.max_pool2d(x, 3, stride=2, padding=1)),
    ),
    (
        "You keep one pixel of each 2 x 2 block, whatever the others hold. Take the maximum of the four.",
        _with(shrink=lambda self, x: F.interpolate(x, scale_factor=0.5)),
        _with(shrink=lambda self, x: x[..., ::2, ::2]),
    ),
    (
        "Your steps up add the skip. A U-Net concatenates it with x along the channels.",
        _with(up=steps._Adds),
    ),
    (
        "Your steps up enlarge by interpolation. An `Up` has a transposed convolution for that, which "
        "halves the channels.",
        *(_with(up=up) for up in steps.INTERPOLATES),
    ),
    (
        "Your result has width channels: the 1 x 1 convolution to num_classes channels is missing at the "
        "end.",
        _with(last=lambda self, width, num_classes: nn.Identity()),
    ),
    (
        "There is one channel too many at the end. The background is one of the num_classes classes.",
        _with(last=lambda self, width, num_classes: nn.Conv2d(width, num_classes + 1, kernel_size=1)),
    ),
    (
        "There are always two channels at the end. The last layer gives num_classes.",
        _TwoClasses,
    ),
    (
        "Your first convolution always expects three channels. The picture has in_channels.",
        _ThreeColours,
    ),
    (
        "Your result loses an axis of size 1, as after `squeeze()`. N x num_classes x H x W is expected, "
        "also for one class or one picture.",
        *(_with(_Squeezed, axes=axes) for axes in ((), (1,), (0,))),
    ),
    (
        "There is batch norm after your last convolution. The logits are what that convolution returns.",
        _with(
            last=lambda self, width, classes: nn.Sequential(
                nn.Conv2d(width, classes, 1), nn.BatchNorm2d(classes)
            )
        ),
        _with(last=lambda self, width, classes: nn.Sequential(*unit(width, classes, size=1))),
    ),
    (
        "Your results add up to 1 along rows or columns, as after a softmax over another axis than the "
        "classes. Return the logits, without a softmax.",
        _ending(nn.Softmax(dim=2)),
        _ending(nn.Softmax(dim=3)),
    ),
]

EXERCISE = Exercise(
    UNet,
    number="3.3",
    difficulty=3,
    minutes=25,
    groups={SIZE: 2, SKIPS: 2, LOGITS: 1, PARAMETERS: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[(says, wrong) for says, *wrongs in _MISTAKES for wrong in wrongs],
    finished=(
        "segcourse.models.unet:UNet",
        "segcourse.models:create_model",
        "segmentation_models_pytorch:Unet",
        "segmentation_models_pytorch:create_model",
        "monai.networks.nets:BasicUNet",
        "monai.networks.nets:UNet",
    ),
)
