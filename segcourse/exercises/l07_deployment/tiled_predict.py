"""Exercise 7.3: the logits of a large image, tile by tile."""

import itertools
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import nn

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observing import Explained


def tiled_predict(model, image, tile, overlap):
    """Return the logits of an image, C x H x W: the mean of those of overlapping square tiles."""
    height, width = image.shape[-2:]
    rows, columns = ([*range(0, side - tile, tile - overlap), side - tile] for side in (height, width))
    total, count = None, torch.zeros(height, width)
    with torch.inference_mode():
        for top, left in itertools.product(rows, columns):
            window = (..., slice(top, top + tile), slice(left, left + tile))
            logits = model(image[window][None])[0]  # C, tile, tile
            if total is None:
                total = torch.zeros(len(logits), height, width)
            total[window] += logits
            count[window] += 1
    return total / count


FIT, BORDER, OVERLAP = "tiles without overlap", "the last tiles", "overlapping tiles"


class Window(nn.Module):
    """A 3 x 3 convolution that takes tiles of one size and, like every network, pads them with zeros.

    Attributes:
        graphs: for each call, whether PyTorch recorded it for a backward pass.
        modes: for each call, whether a part was in training mode.
    """

    def __init__(self, rng: Generator, tile: int, classes: int):
        super().__init__()
        self.tile, self.graphs, self.modes = tile, [], []
        self.conv = nn.Conv2d(3, classes, kernel_size=3, padding=1)
        with torch.no_grad():
            for parameter in self.conv.parameters():
                parameter.copy_(torch.from_numpy(rng.normal(0, 1, tuple(parameter.shape))))
        self.eval()

    def forward(self, x):
        size = " x ".join(map(str, x.shape))
        if not x.numel():
            raise Explained(
                f"Your model gets an empty tile, {size}: it starts beyond the image's border. Rows are the "
                "image's axis 1, columns its axis 2."
            )
        if x.ndim != 4:
            raise Explained(f"Your model gets an array {size}; it takes batches, N x 3 x tile x tile.")
        if x.shape[-2:] != (self.tile, self.tile):
            raise Explained(
                f"Your model gets a tile of {x.shape[-2]} x {x.shape[-1]} pixels. Every tile has the full "
                "size: the last ones of a row or column start earlier."
            )
        self.graphs.append(torch.is_grad_enabled())
        self.modes.append(self.training or self.conv.training)
        return self.conv(x)


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(7)

    def case(group, size, tile, overlap, *traits, rng=fixed, classes=2):
        image = torch.from_numpy(rng.random((3, *size))).float()
        inputs = {"model": Window(rng, tile, classes), "image": image, "tile": tile, "overlap": overlap}
        starts = [_starts(side, tile, overlap) for side in size]
        if any(b - a < tile for one in starts for a, b in itertools.pairwise(one)):
            traits += ("some pixels have several tiles",)
        if classes > 2:
            traits += ("there are more than two classes",)
        given = f"an image of 3 x {size[0]} x {size[1]}, tile = {tile}, overlap = {overlap}"
        return Case(group, inputs, traits, given=given)

    yield case(FIT, (2, 2), 2, 0, "the image is one tile")
    yield case(FIT, (2, 6), 2, 0, "there is one row of tiles")
    yield case(FIT, (6, 4), 2, 0, "there are several rows of tiles")
    yield case(FIT, (3, 6), 3, 0, classes=5)
    yield case(BORDER, (3, 7), 3, 0, "the tiles do not fit", "there is one row of tiles")
    yield case(BORDER, (7, 6), 3, 0, "the tiles do not fit", "there are several rows of tiles")
    yield case(BORDER, (6, 9), 4, 1, "the tiles do not fit", "there are several rows of tiles")
    yield case(OVERLAP, (4, 8), 4, 2, "the tiles fit exactly", "there is one row of tiles")
    yield case(OVERLAP, (6, 8), 4, 2, "the tiles fit exactly", "there are several rows of tiles")
    yield case(OVERLAP, (4, 6), 4, 3, "the overlap is more than half a tile")
    yield case(OVERLAP, (4, 4), 4, 2, "the image is one tile")
    size = 3 * int(rng.integers(2, 4)), 3 * int(rng.integers(2, 5))
    yield case(FIT, size, 3, 0, "there are several rows of tiles", rng=rng)
    size = 8 + int(rng.integers(2)), 11 + int(rng.integers(2))
    yield case(BORDER, size, 4, 1, "there are several rows of tiles", rng=rng, classes=3)
    size = 5 + 3 * int(rng.integers(1, 3)), 5 + 3 * int(rng.integers(1, 4))
    yield case(OVERLAP, size, 5, 2, "the tiles fit exactly", "there are several rows of tiles", rng=rng)


def look(obj, case):
    """Observe the logits, the model's mode, and whether PyTorch recorded the model's work."""
    model = case.inputs["model"]
    value = obj(*case.inputs.values())
    modes = {"in eval mode": not any(model.modes), "without gradients": not any(model.graphs)}
    return {**modes, "value": value}


def _starts(side, tile, overlap):
    return [*range(0, side - tile, tile - overlap), side - tile]


def _made(starts=_starts, combine=lambda total, count: total / count, of=lambda logits: logits, grad=False,
          write=lambda total, logits: total + logits, begin=0.0, count_all=False):  # fmt: skip
    """Return an answer that does one thing differently."""

    def wrong(model, image, tile, overlap):
        height, width = image.shape[-2:]
        total, count = None, torch.zeros(height, width)
        with torch.set_grad_enabled(grad):
            for top in starts(height, tile, overlap):
                for left in starts(width, tile, overlap):
                    window = (..., slice(top, top + tile), slice(left, left + tile))
                    logits = of(model(image[window][None])[0])
                    if total is None:
                        total = torch.full((len(logits), height, width), begin)
                    total[window] = write(total[window], logits)
                    count[... if count_all else window] += 1
        return combine(total, count)

    return wrong


def _padded(mode):
    """Return an answer that fills the image up, so that all tiles start at multiples of the step."""

    def wrong(model, image, tile, overlap):
        height, width = image.shape[-2:]
        step = tile - overlap
        more = [-(side - tile) % step for side in (height, width)]
        larger = F.pad(image[None], (0, more[1], 0, more[0]), mode=mode)[0]
        return tiled_predict(model, larger, tile, overlap)[..., :height, :width]

    return wrong


def _squeezed(mode):
    """Return an answer that shrinks the image to one tile and enlarges the logits."""

    @torch.no_grad()
    def wrong(model, image, tile, overlap):
        logits = model(F.interpolate(image[None], (tile, tile), mode=mode))
        return F.interpolate(logits, image.shape[-2:], mode=mode)[0]

    return wrong


@torch.no_grad()
def _middles(model, image, tile, overlap):
    """Keep the part of each tile that lies half the overlap inside."""
    height, width = image.shape[-2:]
    rows, columns = (_starts(side, tile, overlap) for side in (height, width))
    result = None
    for top, left in itertools.product(rows, columns):
        logits = model(image[:, top : top + tile, left : left + tile][None])[0]
        if result is None:
            result = torch.zeros(len(logits), height, width)
        above, before = (overlap // 2 if start else 0 for start in (top, left))
        result[:, top + above : top + tile, left + before : left + tile] = logits[:, above:, before:]
    return result


@torch.no_grad()
def _diagonal(model, image, tile, overlap):
    """Go through rows and columns together."""
    height, width = image.shape[-2:]
    total, count = None, torch.zeros(height, width)
    starts = (_starts(side, tile, overlap) for side in (height, width))
    for top, left in zip(*starts, strict=False):
        window = (..., slice(top, top + tile), slice(left, left + tile))
        logits = model(image[window][None])[0]
        total = torch.zeros(len(logits), height, width) if total is None else total
        total[window] += logits
        count[window] += 1
    return total / count


def celebrate(answer):
    """Show how many tiles cover each pixel, as counted by the answer itself."""
    from segcourse.plotting import show_image

    calls = []

    def number(tiles):
        calls.append(tiles.shape)
        return torch.full((len(tiles), 1, *tiles.shape[-2:]), float(len(calls)))

    picture = answer(number, torch.zeros(3, 90, 130), 40, 10)[0]
    picture = (picture / picture.max()).cpu().numpy()
    alt = "Your tiles in the order of their prediction, from dark to bright, mixed where they overlap."
    show_image(picture, "your tiles, from first (dark) to last", alt=alt)


EXERCISE = Exercise(
    tiled_predict,
    number="7.3",
    difficulty=2,
    minutes=20,
    groups={FIT: 1, BORDER: 2, OVERLAP: 2},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        *(
            (
                "Your last pixels have no tile: the loop ends where no whole step fits. Add a tile that ends "
                "at the border.",
                _made(
                    starts=lambda side, tile, overlap: range(0, side - tile + 1, tile - overlap), combine=end
                ),
            )
            for end in (
                lambda total, count: total / count,
                lambda total, count: total / count.clamp(min=1),
            )
        ),
        (
            "Your last tiles are cut off by the border. The model takes whole tiles only: let the last one "
            "start earlier, at length - tile.",
            _made(starts=lambda side, tile, overlap: range(0, side, tile - overlap)),
        ),
        (
            "You fill the image with zeros beyond its border. The last tiles then see black instead of "
            "image: let them start earlier.",
            _padded("constant"),
        ),
        *(
            (
                "You continue the image beyond its border with copies of its pixels. The last tiles then see "
                "what isn't there: let them start earlier.",
                _padded(mode),
            )
            for mode in ("replicate", "reflect")
        ),
        (
            "You add the logits up where tiles overlap, without dividing by the number of tiles there.",
            _made(combine=lambda total, count: total),
        ),
        (
            "Where tiles overlap, your last tile overwrites the earlier ones. Take the mean.",
            _made(write=lambda total, logits: logits, combine=lambda total, count: total),
        ),
        (
            "Where tiles overlap, you keep what the first tile says. Take the mean.",
            _made(
                begin=torch.nan,
                write=lambda total, logits: torch.where(total.isnan(), logits, total),
                combine=lambda total, count: total,
            ),
        ),
        (
            "Where tiles overlap, you take the larger logit. Take the mean.",
            _made(begin=-torch.inf, write=torch.maximum, combine=lambda total, count: total),
        ),
        (
            "You take the larger of each logit and 0. Logits may be negative, and where tiles overlap their "
            "mean is asked for.",
            _made(write=torch.maximum, combine=lambda total, count: total),
        ),
        (
            "You keep one part of each tile and cut its border off. Every tile that covers a pixel counts: "
            "take the mean.",
            _middles,
        ),
        (
            "You go through rows and columns together, so that only tiles on a diagonal are predicted. Each "
            "row has tiles in all columns: use two loops.",
            _diagonal,
        ),
        (
            "You count each pixel's tiles from 1, so that you divide by one too many. Let the count start at "
            "0.",
            _made(combine=lambda total, count: total / (count + 1)),
        ),
        *(
            (
                "You shrink the image to one tile and enlarge the result. Its details are gone then: cut "
                "the image into tiles, at its own scale.",
                _squeezed(mode),
            )
            for mode in ("bilinear", "nearest")
        ),
        (
            "Where tiles overlap, you halve each time: (old + new) / 2. With three tiles, or at a corner, "
            "that isn't the mean of all. Add up, count, divide at the end.",
            _made(
                begin=torch.nan,
                write=lambda total, logits: torch.where(total.isnan(), logits, (total + logits) / 2),
                combine=lambda total, count: total,
            ),
        ),
        (
            "You move on by a whole tile, so your tiles overlap only at the border. The step is tile - "
            "overlap.",
            _made(starts=lambda side, tile, overlap: _starts(side, tile, 0)),
        ),
        (
            "You move on by `overlap` pixels. The step is tile - overlap.",
            _made(starts=lambda side, tile, overlap: _starts(side, tile, tile - overlap)),
        ),
        (
            "Where the tiles fit exactly, you predict the last tile of a row or column twice, and the mean "
            "counts it twice.",
            _made(
                starts=lambda side, tile, overlap: [*range(0, side - tile + 1, tile - overlap), side - tile]
            ),
        ),
        (
            "Some of your tiles start at the same place, at the border (does `min(start, length - tile)` "
            "bring them there?), and each of them counts in the mean. Take each start once.",
            _made(
                starts=lambda side, tile, overlap: [
                    min(start, side - tile) for start in range(0, side, tile - overlap)
                ]
            ),
        ),
        (
            "You divide by the number of all tiles. Divide each pixel by the number of tiles that cover it.",
            _made(count_all=True),
        ),
        (
            "You average probabilities: softmax comes before the mean. The mean of the logits is asked for.",
            _made(of=lambda logits: logits.softmax(dim=0)),
        ),
        (
            "You average the sigmoids of the logits. The mean of the logits is asked for.",
            _made(of=torch.sigmoid),
        ),
        (
            "You return class ids. The logits are asked for, C x H x W: the caller decides what to do "
            "with them.",
            _made(combine=lambda total, count: (total / count).argmax(dim=0)),
        ),
        (
            "Your result keeps the batch's axis, 1 x C x H x W. C x H x W is asked for.",
            _made(combine=lambda total, count: (total / count)[None]),
        ),
        *(
            ("You give the model the whole image, not its tiles.", wrong)
            for wrong in (
                lambda model, image, tile, overlap: model(image[None])[0],
                torch.no_grad()(lambda model, image, tile, overlap: model(image[None])[0]),
            )
        ),
        (
            "You let PyTorch record every tile for a backward pass that never comes, and the memory grows "
            "with each tile. Use `torch.inference_mode()` or `torch.no_grad()`.",
            _made(grad=True),
        ),
    ],
    finished=("segcourse.inference.tiling:tiled", "monai.inferers.utils:sliding_window_inference"),
)
