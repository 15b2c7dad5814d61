"""Exercise 4.5: look at a feature map with several dilations at once, and at its mean."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor, nn

from segcourse.exercises.engine import modules
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observing import Explained
from segcourse.exercises.engine.weights import UNREGISTERED
from segcourse.exercises.l04_dilated_aspp._draw import pixels


class ASPP(nn.Module):
    """Join a 1 x 1 branch, a dilated branch per rate and a pooled branch; the size stays."""

    def __init__(self, in_channels, out_channels, rates):
        super().__init__()
        convs = [nn.Conv2d(in_channels, out_channels, kernel_size=1)]
        for rate in rates:
            convs.append(nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=rate, dilation=rate))
        convs.append(nn.Conv2d((len(rates) + 2) * out_channels, out_channels, kernel_size=1))
        units = [nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU()) for conv in convs]
        self.branches, self.project = nn.ModuleList(units[:-1]), units[-1]
        self.pooled = nn.Conv2d(in_channels, out_channels, kernel_size=1)

    def forward(self, x):
        maps = [branch(x) for branch in self.branches]  # each N, out_channels, H, W
        pooled = F.relu(self.pooled(x.mean(dim=(2, 3), keepdim=True)))  # N, out_channels, 1, 1
        maps.append(pooled.expand_as(maps[0]))
        return self.project(torch.cat(maps, dim=1))  # N, out_channels, H, W


class Changed(nn.Module):
    """The right answer, in pieces that variants and mistakes replace one by one."""

    modules_in, more = nn.ModuleList, 2

    def __init__(self, in_channels: int, out_channels: int, rates: Any):
        super().__init__()
        rates = self.rates(rates)
        self.one = self.unit(nn.Conv2d(in_channels, out_channels, 1), out_channels)
        self.wide = self.modules_in(
            [self.unit(self.conv(in_channels, out_channels, r), out_channels) for r in rates]
        )
        self.pool = self.pooling(in_channels, out_channels)
        self.project = self.last((len(rates) + self.more) * out_channels, out_channels)

    def rates(self, rates: Any) -> list[int]:
        return list(rates)

    def conv(self, i: int, o: int, rate: int) -> nn.Module:
        return nn.Conv2d(i, o, 3, padding=rate, dilation=rate)

    def unit(self, conv: nn.Module, channels: int) -> nn.Module:
        return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())

    def pooling(self, i: int, o: int) -> nn.Module:
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(i, o, 1), nn.ReLU())

    def last(self, i: int, o: int) -> nn.Module:
        return self.unit(nn.Conv2d(i, o, 1), o)

    def forward(self, x: Tensor) -> Tensor:
        one = self.one(x)
        wide = [branch(x) for branch in self.wide]
        pooled = self.pool(x).expand(-1, -1, *x.shape[-2:])
        return self.project(self.join(one, wide, pooled))

    def join(self, one: Tensor, wide: list[Tensor], pooled: Tensor) -> Tensor:
        return torch.cat([one, *wide, pooled], dim=1)


def _with(**pieces: Any) -> type[Changed]:
    return type("Changed", (Changed,), pieces)


SIZES, BRANCHES, TRAINING = "sizes", "the branches", "training"
DROPOUT = (
    "In training mode, two runs on the same map give different results, as with dropout. No dropout is "
    "asked for."
)


def _training(seed: int) -> modules.Look:
    """Look at training mode, and say what it means when two runs differ."""
    look = modules.training(seed, "alike")

    def observe(obj: Any, case: Case) -> dict[str, Any]:
        seen = look(obj, case)
        if seen["two runs agree"] is False and bool(seen["value"].isfinite().all()):
            raise Explained(DROPOUT)
        return seen

    return modules.paste(look.line)(observe)


def cases(rng: Generator) -> Iterator[Case]:
    seed = int(rng.integers(1000))

    def case(group, sizes, x, look, *traits):
        names = ("in_channels", "out_channels", "rates")
        return Case(group, {**dict(zip(names, sizes, strict=True)), "x": x}, traits, look)

    yield case(SIZES, (1, 2, (1,)), torch.ones(1, 1, 3, 3), modules.shape, "there is one rate")
    x = torch.ones(2, 3, 5, 7)
    yield case(SIZES, (3, 4, (2, 3)), x, modules.shape, "two maps have 5 x 7 pixels")
    yield case(
        SIZES, (4, 3, (6, 12, 18)), torch.ones(1, 4, 8, 8), modules.shape, "the map is smaller than the rates"
    )
    rows, columns, channels = map(int, rng.integers(2, 9, 3))
    x = torch.ones(1, channels, rows, columns)
    yield case(SIZES, (channels, 2, (1, 2, 3, 4)), x, modules.shape, "there are four rates")
    yield case(SIZES, (2, 3, (2, 2)), torch.ones(1, 2, 5, 4), modules.shape, "two rates are equal")

    drawn = modules.output("alike", seed)  # layers of one kind may be used in any order
    pixel = torch.zeros(1, 1, 15, 15)
    pixel[0, 0, 7, 7] = 15
    yield case(BRANCHES, (1, 4, (2,)), pixel, drawn, "one pixel is bright, and there is one rate")
    yield case(BRANCHES, (1, 4, (1, 3, 6)), pixel, drawn, "one pixel is bright, and there are three rates")
    x = pixels(rng, 2, 3, 9, 8)
    yield case(BRANCHES, (3, 5, (1, 2, 4)), x, drawn, "two maps differ")
    x = torch.ones(1, 2, 12, 12)
    yield case(BRANCHES, (2, 4, (2, 4)), x, drawn, "the map is 1 everywhere")
    yield case(BRANCHES, (2, 4, (2, 4)), -x, drawn, "the map is -1 everywhere")
    x = pixels(rng, 1, 2, 10, 6)
    look = modules.output_after_smaller(seed, "alike")
    yield case(BRANCHES, (2, 4, (1, 2)), x, look, "the block has seen a smaller map before")
    look = modules.trainable(lambda case: (len(case.inputs["rates"]) + 2) * case.inputs["out_channels"])
    x = torch.ones(2, 3, 6, 6)
    yield case(BRANCHES, (3, 5, (1, 2, 4)), x, look, "the weights are counted")
    traits = "the weights are counted", "two rates are equal"
    yield case(BRANCHES, (3, 5, (2, 2)), x, look, *traits)

    x = pixels(rng, 1, 3, 6, 7)
    yield case(TRAINING, (3, 4, (1, 2, 3)), x, _training(seed), "the batch holds one map")
    x = pixels(rng, 2, 3, 6, 7)
    yield case(TRAINING, (3, 4, (1, 2, 3)), x, _training(seed), "the batch holds two maps")
    yield case(TRAINING, (3, 4, (1, 2)), x, modules.gradients(seed, "alike"), "gradients are computed")


class _Shared(Changed):
    """One 3 x 3 kernel for all rates."""

    def __init__(self, in_channels, out_channels, rates):
        super().__init__(in_channels, out_channels, rates)
        for unit in self.wide:
            unit[0].weight = self.wide[0][0].weight


class _OneAfterTheOther(Changed):
    """The dilated convolutions in a row; what they start from and what is joined are variants."""

    after_one, refit, all_joined = False, True, True

    def __init__(self, in_channels, out_channels, rates):
        super().__init__(in_channels, out_channels, rates)
        if self.refit:
            units = [
                self.unit(
                    self.conv(out_channels if i or self.after_one else in_channels, out_channels, rate),
                    out_channels,
                )
                for i, rate in enumerate(rates)
            ]
            self.wide = nn.ModuleList(units)
        if not self.all_joined:
            self.project = self.last(3 * out_channels, out_channels)

    def forward(self, x):
        maps = [self.one(x)]
        y = maps[0] if self.after_one else x
        for unit in self.wide:
            y = unit(y)
            maps.append(y)
        maps = maps if self.all_joined else [maps[0], y]
        return self.project(torch.cat([*maps, self.pool(x).expand_as(y)], dim=1))


class _AfterOne(Changed):
    def __init__(self, in_channels, out_channels, rates):
        super().__init__(in_channels, out_channels, rates)
        units = [self.unit(self.conv(out_channels, out_channels, rate), out_channels) for rate in rates]
        self.wide = nn.ModuleList(units)

    def forward(self, x):
        one = self.one(x)
        wide = [branch(one) for branch in self.wide]
        return self.project(self.join(one, wide, self.pool(x).expand_as(one)))


class _WideOne(Changed):
    def __init__(self, in_channels, out_channels, rates):
        super().__init__(in_channels, out_channels, rates)
        self.one = self.unit(nn.Conv2d(in_channels, out_channels, 3, padding=1), out_channels)


class _Sum(Changed):
    def __init__(self, in_channels, out_channels, rates):
        super().__init__(in_channels, out_channels, rates)
        self.project = self.last(out_channels, out_channels)

    def join(self, one, wide, pooled):
        return sum([one, *wide, pooled])


def _in_branches(change, one: bool = True, dilated: bool = True) -> type[Changed]:
    """Return an ASPP in whose 1 x 1 branch or dilated branches `change` replaces layers."""

    class Other(Changed):
        def __init__(self, in_channels, out_channels, rates):
            super().__init__(in_channels, out_channels, rates)
            for branch in (*((self.one,) if one else ()), *(self.wide if dilated else ())):
                change(branch)

    return Other


def _linear(branch: nn.Sequential) -> None:
    branch[2] = nn.Identity()


def _without_norm(branch: nn.Sequential) -> None:
    branch[1] = nn.Identity()


def _bare(branch: nn.Sequential) -> None:
    branch[1], branch[2] = nn.Identity(), nn.Identity()


def _norm_last(branch: nn.Sequential) -> None:
    branch[1], branch[2] = branch[2], branch[1]


def _without(branch: str, built: bool) -> type[Changed]:
    """Return an ASPP whose `forward` leaves a branch out; it may be built all the same."""

    class Other(Changed):
        more = 1

        def __init__(self, in_channels, out_channels, rates):
            super().__init__(in_channels, out_channels, rates)
            if not built:
                setattr(self, branch, nn.ReLU())

        def forward(self, x):
            maps = [unit(x) for unit in self.wide]
            if branch == "one":
                maps.append(self.pool(x).expand(-1, -1, *x.shape[-2:]))
            if branch == "pool":
                maps.append(self.one(x))
            return self.project(torch.cat(maps, dim=1))

    return Other


def _normed(**options: Any) -> type[Changed]:
    """Return an ASPP with other options of batch norm."""
    return _with(unit=lambda self, conv, channels: nn.Sequential(
        conv, nn.BatchNorm2d(channels, **options), nn.ReLU()))  # fmt: skip


class _SharedNorm(Changed):
    def __init__(self, in_channels, out_channels, rates):
        super().__init__(in_channels, out_channels, rates)
        for branch in (*self.wide, *((self.project,) if self.last_too else ())):
            branch[1] = self.one[1]

    last_too = False


class _BranchPerRate(Changed):
    """Keeps the dilated branches by rate, so that equal rates share one."""

    joined_twice = False

    def __init__(self, in_channels, out_channels, rates):
        super().__init__(in_channels, out_channels, rates)
        by_rate = dict(zip(rates, self.wide, strict=True))
        self.wide = nn.ModuleList(by_rate.values())
        self.places = [list(by_rate).index(rate) for rate in (rates if self.joined_twice else by_rate)]
        if self.refit:
            self.project = self.last((len(self.places) + 2) * out_channels, out_channels)

    refit = False

    def forward(self, x):
        wide = [self.wide[place](x) for place in self.places]
        return self.project(self.join(self.one(x), wide, self.pool(x).expand(-1, -1, *x.shape[-2:])))


class _Mean(nn.Module):
    def __init__(self, dim, function=torch.mean):
        super().__init__()
        self.dim, self.function = dim, function

    def forward(self, x):
        return self.function(x, dim=self.dim, keepdim=True)


class _Spread(Changed):
    """Averages over one axis only, so that the pooled branch has rows or columns left."""

    axis = 2

    def forward(self, x):
        pooled = self.pool[1:](x.mean(dim=self.axis, keepdim=True)).expand(-1, -1, *x.shape[-2:])
        return self.project(self.join(self.one(x), [branch(x) for branch in self.wide], pooled))


class _Small(Changed):
    """The pooled branch is not enlarged, and joined at either end."""

    first = False

    def join(self, one, wide, pooled):
        pooled = pooled[..., :1, :1]
        return torch.cat([pooled, one, *wide] if self.first else [one, *wide, pooled], dim=1)


class _PlainMean(Changed):
    def __init__(self, in_channels, out_channels, rates):
        super().__init__(in_channels, out_channels, rates)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.project = self.last((len(rates) + 1) * out_channels + in_channels, out_channels)


class _Detach(nn.Module):
    def forward(self, x):
        return x.detach()


class _BatchMean(nn.Module):
    def forward(self, x):
        return x.mean(dim=(0, 2, 3), keepdim=True).expand(len(x), -1, -1, -1)


def _pooling(*layers: Any) -> type[Changed]:
    """Return an ASPP whose pooled branch is made of these layers; functions get the channels."""

    def pooling(self, i, o):
        return nn.Sequential(*(layer if isinstance(layer, nn.Module) else layer(i, o) for layer in layers))

    return _with(pooling=pooling)


def _one_by_one(i: int, o: int) -> nn.Module:
    return nn.Conv2d(i, o, 1)


def celebrate(answer):
    """Show what an untrained block makes of one bright pixel."""
    from segcourse.exercises.engine.weights import set_weights
    from segcourse.plotting import show_image

    pixel = torch.zeros(1, 1, 41, 41)
    pixel[0, 0, 20, 20] = 1
    network = set_weights(answer(1, 4, (6, 12, 18)), (pixel,), "alike")
    light = network(pixel)[0].detach().amax(dim=0)
    light = ((light - light.min()) / (light.max() - light.min())).sqrt()
    light = light.repeat_interleave(8, 0).repeat_interleave(8, 1)
    alt = "A bright pixel in the middle, and rings of eight pixels at distances 6, 12 and 18."
    show_image(light, "one bright pixel after your ASPP, rates 6, 12, 18", alt=alt)


EXERCISE = Exercise(
    ASPP,
    number="4.5",
    difficulty=3,
    minutes=25,
    groups={SIZES: 1, BRANCHES: 3, TRAINING: 2},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "There is batch norm in your pooled branch. It sees one number per channel and picture: with a "
            "batch of one PyTorch refuses to train, and with two it returns about 1 and -1 unless the two "
            "pictures hardly differ. Leave it out.",
            _pooling(nn.AdaptiveAvgPool2d(1), _one_by_one, lambda i, o: nn.BatchNorm2d(o), nn.ReLU()),
        ),
        (
            "Your dilated convolutions have no padding: each map shrinks by twice its rate, and the branches "
            "no longer fit together. `padding=rate` keeps the size.",
            _with(conv=lambda self, i, o, rate: nn.Conv2d(i, o, 3, dilation=rate)),
        ),
        (
            "All your dilated convolutions have padding 1. A rate of r reaches r pixels to each side: "
            "`padding=rate` keeps the size.",
            _with(conv=lambda self, i, o, rate: nn.Conv2d(i, o, 3, padding=1, dilation=rate)),
        ),
        (
            "Your 3 x 3 convolutions are padded by their rate, but not dilated: the maps grow. Add "
            "`dilation=rate`.",
            _with(conv=lambda self, i, o, rate: nn.Conv2d(i, o, 3, padding=rate)),
        ),
        (
            "Your 3 x 3 convolutions all have dilation 1. Give each one its rate, as `dilation` and as "
            "`padding`.",
            _with(conv=lambda self, i, o, rate: nn.Conv2d(i, o, 3, padding=1)),
        ),
        (
            "Your rates are 6, 12 and 18 whatever `rates` says. Use the argument: the right rates depend on "
            "the size of the map.",
            _with(rates=lambda self, rates: [6, 12, 18]),
        ),
        (
            "All your dilated branches have the first of the rates. Each branch has its own.",
            _with(rates=lambda self, rates: [rates[0]] * len(rates)),
        ),
        (
            "All your dilated branches have the last of the rates. Each branch has its own.",
            _with(rates=lambda self, rates: [rates[-1]] * len(rates)),
        ),
        (
            "Your block has one dilated branch, for the first of the rates. There is one for each rate.",
            _with(rates=lambda self, rates: rates[:1]),
        ),
        (
            "Your block has one dilated branch, for the last of the rates. There is one for each rate.",
            _with(rates=lambda self, rates: rates[-1:]),
        ),
        (
            "Your block has no dilated branch for the last of the rates. There is one for each rate.",
            _with(rates=lambda self, rates: rates[:-1]),
        ),
        (
            "Your block has no dilated branch for the first of the rates. There is one for each rate.",
            _with(rates=lambda self, rates: rates[1:]),
        ),
        (
            "Your pooled branch takes the maximum. The mean over all pixels is asked for.",
            _pooling(nn.AdaptiveMaxPool2d(1), _one_by_one, nn.ReLU()),
        ),
        (
            "Your pooled branch takes the mean over the whole batch. Each picture has its own mean.",
            _pooling(_BatchMean(), _one_by_one, nn.ReLU()),
        ),
        (
            "There is no ReLU in your pooled branch: negative numbers leave it. It is mean, 1 x 1 "
            "convolution, ReLU.",
            _pooling(nn.AdaptiveAvgPool2d(1), _one_by_one),
        ),
        (
            "Your pooled branch does not pool: it is a second 1 x 1 branch, pixel by pixel. Take the mean "
            "over height and width first.",
            _pooling(_one_by_one, nn.ReLU()),
        ),
        *(
            (
                "Your pooled branch is missing. Join the mean over all pixels, after a 1 x 1 convolution and "
                "ReLU, to every pixel.",
                _without("pool", built),
            )
            for built in (True, False)
        ),
        *(
            (
                "The 1 x 1 branch is missing. It is one of the branches that are concatenated, beside those "
                "of the rates.",
                _without("one", built),
            )
            for built in (True, False)
        ),
        (
            "Your pooled branch takes the mean after convolution and ReLU. The mean comes first: it is mean, "
            "1 x 1 convolution, ReLU.",
            _pooling(_one_by_one, nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
        ),
        (
            "Your pooled branch adds up the pixels. Take their mean: it does not depend on the map's size.",
            _pooling(_Mean((2, 3), torch.sum), _one_by_one, nn.ReLU()),
        ),
        *(
            (
                "Your pooled branch takes the mean over the channels of each pixel. Take it over height and "
                "width, axes 2 and 3, and keep the channels.",
                _pooling(_Mean(1), conv, nn.ReLU()),
            )
            for conv in (_one_by_one, lambda i, o: nn.Conv2d(1, o, 1))
        ),
        (
            "Your pooled branch takes the mean over the height only. Take it over height and width.",
            _Spread,
        ),
        (
            "Your pooled branch takes the mean over the width only. Take it over height and width.",
            type("Columns", (_Spread,), {"axis": 3}),
        ),
        *(
            (
                "Your pooled branch stays a single pixel, and the other branches are maps. Enlarge it to "
                "their size, for example with `.expand(-1, -1, height, width)`.",
                type("Small", (_Small,), {"first": first}),
            )
            for first in (False, True)
        ),
        *(
            (
                "No gradient flows through your pooled branch (`torch.no_grad()` or `.detach()`). Its "
                "convolution should be trained like the others, and so should what lies before it.",
                _pooling(*layers),
            )
            for layers in (
                (nn.AdaptiveAvgPool2d(1), _one_by_one, nn.ReLU(), _Detach()),
                (_Detach(), nn.AdaptiveAvgPool2d(1), _one_by_one, nn.ReLU()),
            )
        ),
        (
            "You add the branches. They are concatenated along the channels, so that the last convolution "
            "can weigh each of them.",
            _Sum,
        ),
        (
            "You return the concatenated branches. A 1 x 1 convolution, batch norm and ReLU turn them into "
            "out_channels channels.",
            _with(last=lambda self, i, o: nn.Identity()),
        ),
        *(
            (
                "Your dilated convolutions work one after the other. Each of them looks at x itself: "
                "they are parallel.",
                type("InARow", (_OneAfterTheOther,), pieces),
            )
            for pieces in (
                {},
                {"refit": False},
                {"after_one": True},
                {"after_one": True, "refit": False},
                {"all_joined": False},
                {"all_joined": False, "after_one": True},
            )
        ),
        (
            "All dilated branches get the output of your 1 x 1 branch. Each of them looks at x itself.",
            _AfterOne,
        ),
        *(
            (
                "Equal rates share one branch in your block. There is one dilated branch per rate, also "
                "where two rates are equal.",
                type("PerRate", (_BranchPerRate,), pieces),
            )
            for pieces in ({}, {"refit": True}, {"joined_twice": True})
        ),
        *(
            (
                "Your branches share one batch norm. Each branch has its own, and so has the last "
                "convolution: their numbers differ in mean and spread.",
                type("SharedNorm", (_SharedNorm,), {"last_too": last_too}),
            )
            for last_too in (False, True)
        ),
        *(
            (
                "Your ReLU comes before batch norm. The order is convolution, batch norm, ReLU, in the "
                "branches and at the end.",
                wrong,
            )
            for wrong in (
                _with(
                    unit=lambda self, conv, channels: nn.Sequential(conv, nn.ReLU(), nn.BatchNorm2d(channels))
                ),
                _in_branches(_norm_last),
                _with(
                    last=lambda self, i, o: nn.Sequential(nn.Conv2d(i, o, 1), nn.ReLU(), nn.BatchNorm2d(o))
                ),
            )
        ),
        (
            "Batch norm and ReLU come before your convolutions. The order is convolution, batch norm, ReLU.",
            _with(
                unit=lambda self, conv, channels: nn.Sequential(
                    nn.BatchNorm2d(conv.in_channels), nn.ReLU(), conv
                )
            ),
        ),
        *(
            (
                "Your batch norms do not have PyTorch's defaults (eps 1e-5, momentum 0.1, with scale, shift "
                "and running mean and variance). Leave these arguments out.",
                _normed(**options),
            )
            for options in (
                {"eps": 1e-3, "momentum": 0.01},
                {"eps": 1e-3, "momentum": 0.03},
                {"eps": 1e-3},
                *({"momentum": momentum} for momentum in (0.01, 0.9, 0.99, 0.997, None)),
                {"track_running_stats": False},
                {"affine": False},
            )
        ),
        *(
            (
                f"Your branches are padded by `{mode}`, which fills the border with pixels of the "
                "map. Zeros are asked for.",
                _with(
                    conv=lambda self, i, o, rate, mode=mode: nn.Conv2d(
                        i, o, 3, padding=rate, dilation=rate, padding_mode=mode
                    )
                ),
            )
            for mode in ("replicate", "reflect", "circular")
        ),
        (
            "Your dilated branches have 1 x 1 kernels: there is nothing to dilate. 3 x 3 is asked for.",
            _with(conv=lambda self, i, o, rate: nn.Conv2d(i, o, 1)),
        ),
        (
            "Your dilated branches have 5 x 5 kernels. 3 x 3 is asked for.",
            _with(conv=lambda self, i, o, rate: nn.Conv2d(i, o, 5, padding=2 * rate, dilation=rate)),
        ),
        (
            "Your 1 x 1 branch has a 3 x 3 kernel. It looks at each pixel by itself: 1 x 1.",
            _WideOne,
        ),
        (
            "You concatenate the branches along the batch, axis 0. The channels are axis 1: `dim=1`.",
            _with(join=lambda self, one, wide, pooled: torch.cat([one, *wide, pooled], dim=0)),
        ),
        (
            "Your dilated convolutions share one set of weights. Each rate learns its own.",
            _Shared,
        ),
        (
            "There is no batch norm in your block. The 1 x 1 branch, the dilated branches and the last "
            "convolution have one each.",
            _with(unit=lambda self, conv, channels: nn.Sequential(conv, nn.ReLU())),
        ),
        (
            "There is no ReLU after your batch norms. The 1 x 1 branch, the dilated branches and the last "
            "convolution have one each.",
            _with(unit=lambda self, conv, channels: nn.Sequential(conv, nn.BatchNorm2d(channels))),
        ),
        (
            "Your block ends in the last convolution. Batch norm and ReLU come after it.",
            _with(last=lambda self, i, o: nn.Conv2d(i, o, 1)),
        ),
        (
            "Your block ends in batch norm: negative numbers leave it. ReLU comes after the last batch norm, "
            "too.",
            _with(last=lambda self, i, o: nn.Sequential(nn.Conv2d(i, o, 1), nn.BatchNorm2d(o))),
        ),
        (
            "There is no batch norm at the end of your block. Batch norm and ReLU follow the last "
            "convolution.",
            _with(last=lambda self, i, o: nn.Sequential(nn.Conv2d(i, o, 1), nn.ReLU())),
        ),
        (
            "There is no ReLU in your 1 x 1 branch and your dilated branches. Each of them is convolution, "
            "batch norm, ReLU.",
            _in_branches(_linear),
        ),
        (
            "There is no batch norm in your 1 x 1 branch and your dilated branches. Each of them is "
            "convolution, batch norm, ReLU.",
            _in_branches(_without_norm),
        ),
        (
            "Your 1 x 1 branch and your dilated branches are convolutions only. Each of them is convolution, "
            "batch norm, ReLU.",
            _in_branches(_bare),
        ),
        (
            "Your 1 x 1 branch is a convolution only. It is convolution, batch norm, ReLU, like the dilated "
            "branches.",
            _in_branches(_bare, dilated=False),
        ),
        (
            "There is no batch norm in your 1 x 1 branch. It is convolution, batch norm, ReLU, like the "
            "dilated branches.",
            _in_branches(_without_norm, dilated=False),
        ),
        (
            "There is no ReLU in your 1 x 1 branch. It is convolution, batch norm, ReLU, like the dilated "
            "branches.",
            _in_branches(_linear, dilated=False),
        ),
        (
            "Your dilated branches are convolutions only. Each of them is convolution, batch norm, ReLU.",
            _in_branches(_bare, one=False),
        ),
        (
            "There is no batch norm in your dilated branches. Each of them is convolution, batch norm, ReLU.",
            _in_branches(_without_norm, one=False),
        ),
        (
            "There is no ReLU in your dilated branches. Each of them is convolution, batch norm, ReLU.",
            _in_branches(_linear, one=False),
        ),
        *(
            (
                f"Your units end in {type(other).__name__}. Each is convolution, batch norm, ReLU.",
                _with(
                    unit=lambda self, conv, channels, other=other: nn.Sequential(
                        conv, nn.BatchNorm2d(channels), other
                    )
                ),
            )
            for other in (
                nn.LeakyReLU(),
                nn.LeakyReLU(0.1),
                nn.LeakyReLU(0.2),
                nn.GELU(),
                nn.SiLU(),
                nn.ELU(),
            )
        ),
        *(
            (
                "Your units have another norm than batch norm. Batch norm is asked for, which measures a "
                "mean and a variance per channel over the whole batch.",
                _with(
                    unit=lambda self, conv, channels, norm=norm: nn.Sequential(
                        conv, norm(channels), nn.ReLU()
                    )
                ),
            )
            for norm in (
                nn.InstanceNorm2d,
                lambda channels: nn.InstanceNorm2d(channels, affine=True),
                lambda channels: nn.GroupNorm(1, channels),
            )
        ),
        *(
            (
                f"Your block ends in a {word}. It ends in ReLU: a feature map is asked for, not "
                "probabilities.",
                _with(last=lambda self, i, o, end=end: nn.Sequential(self.unit(nn.Conv2d(i, o, 1), o), end)),
            )
            for word, end in (("softmax", nn.Softmax(dim=1)), ("sigmoid", nn.Sigmoid()))
        ),
        (
            "Your pooled branch averages 3 x 3 pixels around each pixel. Take the mean over the whole height "
            "and width.",
            _pooling(nn.AvgPool2d(3, 1, 1), _one_by_one, nn.ReLU()),
        ),
        (
            "There is no convolution in your pooled branch: the mean goes straight into the concatenation. "
            "It is mean, 1 x 1 convolution, ReLU.",
            _PlainMean,
        ),
        (
            "There is a group norm over all channels in your pooled branch. No norm is asked for there: how "
            "strong the mean is would be lost.",
            _pooling(nn.AdaptiveAvgPool2d(1), _one_by_one, lambda i, o: nn.GroupNorm(1, o), nn.ReLU()),
        ),
        (
            "Your last convolution is 3 x 3. A 1 x 1 convolution is asked for: the branches have looked "
            "around already.",
            _with(last=lambda self, i, o: self.unit(nn.Conv2d(i, o, 3, padding=1), o)),
        ),
        (
            DROPOUT,
            _with(last=lambda self, i, o: nn.Sequential(self.unit(nn.Conv2d(i, o, 1), o), nn.Dropout(0.5))),
        ),
        (UNREGISTERED, _with(modules_in=list)),
    ],
    finished=(
        "segcourse.models.deeplab:ASPP",
        "torchvision.models.segmentation.deeplabv3:ASPP",
        "segmentation_models_pytorch.decoders.deeplabv3.decoder:ASPP",
    ),
)
