"""Exercise 7.3: right answers in other styles, promises and their breakers, mutants that are equal."""

import torch
import torch.nn.functional as F
from contract import Contract

from segcourse.exercises.l07_deployment import tiled_predict as module
from segcourse.exercises.l07_deployment.tiled_predict import tiled_predict as answer


@torch.no_grad()
def in_one_batch(network, picture, side, shared):
    _, height, width = picture.shape
    corners = [(y, x) for x in places(width, side, shared) for y in places(height, side, shared)]
    tiles = torch.stack([picture[:, y : y + side, x : x + side] for y, x in corners])
    pairs = zip(network(tiles), corners, strict=True)
    sums, counts = 0, 0
    for logits, (y, x) in pairs:
        around = (x, width - x - side, y, height - y - side)
        sums, counts = sums + F.pad(logits, around), counts + F.pad(torch.ones_like(logits), around)
    return sums / counts


def places(length, side, shared):
    found = [0]
    while found[-1] + side < length:
        found.append(min(found[-1] + side - shared, length - side))
    return found


def running_mean(model, image, tile, overlap):
    mean = seen = None
    for top in places(image.shape[1], tile, overlap):
        for left in places(image.shape[2], tile, overlap):
            part = image.narrow(1, top, tile).narrow(2, left, tile)
            with torch.no_grad():
                logits = model(part.unsqueeze(0)).squeeze(0)
            if mean is None:
                mean = torch.zeros(logits.shape[0], *image.shape[1:], dtype=torch.float64)
                seen = torch.zeros(image.shape[1:])
            here = slice(top, top + tile), slice(left, left + tile)
            seen[here] += 1
            mean[(slice(None), *here)] += (logits - mean[(slice(None), *here)]) / seen[here]
    return mean.float()


def by_lists(model, image, tile, overlap):
    with torch.inference_mode():
        height, width = image.shape[-2:]
        found = [[[] for _ in range(width)] for _ in range(height)]
        for top in places(height, tile, overlap):
            for left in places(width, tile, overlap):
                logits = model(image[None, :, top : top + tile, left : left + tile])[0]
                for y in range(tile):
                    for x in range(tile):
                        found[top + y][left + x].append(logits[:, y, x])
        rows = [torch.stack([torch.stack(pixel).mean(dim=0) for pixel in row], dim=-1) for row in found]
        return torch.stack(rows, dim=1)


def two_classes_only(model, image, tile, overlap):
    return answer(model, image, tile, overlap)[:2]


def in_training_mode(model, image, tile, overlap):
    return answer(model.train(), image, tile, overlap)


def faded(model, image, tile, overlap):
    """Weigh the middle of each tile more, as segmenter.predict does."""
    window = torch.hann_window(tile + 2, periodic=False)[1:-1]
    weight = torch.outer(window, window)
    total, count = 0, 0
    with torch.no_grad():
        for top in module._starts(image.shape[1], tile, overlap):
            for left in module._starts(image.shape[2], tile, overlap):
                around = left, image.shape[2] - left - tile, top, image.shape[1] - top - tile
                logits = model(image[None, :, top : top + tile, left : left + tile])[0]
                total = total + F.pad(weight * logits, around)
                count = count + F.pad(weight, around)
    return total / count


def changing(model, image, tile, overlap):
    logits = answer(model, image, tile, overlap)
    image.zero_()
    return logits


class TestTiledPredict(Contract):
    name = "tiled_predict"
    library = staticmethod(in_one_batch)
    right = {"one batch": in_one_batch, "running mean": running_mean, "lists": by_lists}
    promises = (
        ("gives logits N x C x tile x tile, for any number of classes C", "there are more than two classes", two_classes_only),
        ("takes tiles of this size only", "the tiles do not fit",
         module._made(starts=lambda side, tile, overlap: range(0, side, tile - overlap))),
        ("3 x H x W", "there is one row of tiles", lambda m, i, t, o: answer(m, i, t, o).transpose(1, 2)),
        ("H and W are at least `tile`", "the image is one tile",
         module._made(starts=lambda side, tile, overlap: range(0, side - tile, tile - overlap))),
        ("from 0 to tile - 1", "the overlap is more than half a tile",
         lambda m, i, t, o: answer(m, i, t, min(o, t // 2))),
        ("from 0 to tile - 1", "tiles without overlap", lambda m, i, t, o: answer(m, i, t, max(o, 1))),
        ("every tile - overlap pixels", "overlapping tiles",
         module._made(starts=lambda side, tile, overlap: module._starts(side, tile, 0))),
        ("starts earlier, so that it ends at the border", "the tiles do not fit", module._padded("constant"), module._padded("reflect"),
         module._made(starts=lambda side, tile, overlap: range(0, side - tile + 1, tile - overlap))),
        ("No tile counts twice", "the tiles fit exactly",
         module._made(starts=lambda side, tile, overlap: [*range(0, side - tile + 1, tile - overlap), side - tile])),
        ("It is in eval mode", "tiles without overlap", in_training_mode),
        ("a float tensor C x H x W", "tiles without overlap", lambda *given: answer(*given)[None],
         lambda *given: answer(*given).numpy(), lambda *given: answer(*given).argmax(dim=0)),
        ("the mean of the logits of all tiles that cover the pixel", "some pixels have several tiles",
         module._middles, module._made(combine=lambda total, count: total)),
        ("the mean of the logits of all tiles that cover the pixel", "overlapping tiles",
         module._made(combine=lambda total, count: total), module._made(of=lambda logits: logits.softmax(dim=0))),
        ("PyTorch records nothing for gradients", "tiles without overlap", module._made(grad=True)),
        ("never changes its inputs", "tiles without overlap", changing),
    )  # fmt: skip
    equal = {
        r"tile \+ top|tile \+ left": "a sum in another order",
        r"\[-1\]$": "the batch holds one image",
        r"^rows, columns.*->  total, count|^total\[window\].*->  count": "the order of two lines does not matter",
    }
    said = (
        (lambda m, i, t, o: m(i)[0], "it takes batches, N x 3 x tile x tile"),
        (lambda *given: answer(*given) * 2, "2 times the expected ones"),
        (in_training_mode, "You call the model in training mode."),
        (faded, "Your numbers are wrong only where some pixels have several tiles."),
        (
            lambda m, i, t, o: answer(m, i.transpose(1, 2), t, o)[..., :0] + m(i[None, :, :0]),
            "an empty tile, 1 x 3 x 0",
        ),
    )
