"""Exercise 1.3: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
from contract import Contract, nothing_changes

from segcourse import classical
from segcourse.exercises.l01_pixel_classification.otsu_threshold import _between
from segcourse.exercises.l01_pixel_classification.otsu_threshold import otsu_threshold as answer


def by_trying(gray):
    best, found = -1.0, None
    for t in range(255):
        dark, bright = gray[gray <= t].double(), gray[gray > t].double()
        if len(dark) and len(bright):
            score = len(dark) * len(bright) * (dark.mean() - bright.mean()) ** 2
            if score > best:
                best, found = score, t
    return found


def by_spread(image):
    """The smallest sum of squares inside the groups, among the values that occur."""
    values = image.numpy().astype(float).ravel()
    spreads = {}
    for t in np.unique(values)[:-1]:
        dark, bright = values[values <= t], values[values > t]
        spreads[int(t)] = dark.var() * dark.size + bright.var() * bright.size
    return min(spreads, key=spreads.get)


def by_sorting(gray):
    ordered = gray.flatten().double().sort().values
    n = torch.arange(1, len(ordered))
    low = ordered.cumsum(0)[:-1] / n
    high = (ordered.sum() - ordered.cumsum(0)[:-1]) / (len(ordered) - n)
    score = n * (len(ordered) - n) * (low - high) ** 2
    score[ordered[1:] == ordered[:-1]] = -1  # equal values stay together
    return int(ordered[score.argmax()])


def by_float32(gray):
    counts = torch.histc(gray.float(), bins=256, min=0, max=255)
    p = counts / counts.sum()
    w, mu = p.cumsum(0), (p * torch.arange(256)).cumsum(0)
    between = (mu[-1] * w - mu) ** 2 / (w * (1 - w)).clamp(min=1e-9)
    between[(counts.cumsum(0) == 0) | (counts.cumsum(0) == counts.sum())] = -1
    return between.argmax().item()


def among(values):
    """The best t of some only."""

    def wrong(gray):
        between = _between(gray)[0].nan_to_num(-1)
        return int(torch.tensor([between[t] if t in values else -2.0 for t in range(256)]).argmax())

    return wrong


class TestOtsuThreshold(Contract):
    name = "otsu_threshold"
    library = staticmethod(classical.otsu_threshold)
    right = {
        "trying": by_trying,
        "spread": by_spread,
        "sorting": by_sorting,
        "float32": by_float32,
    }
    promises = (
        ("uint8 tensor H x W", "pictures", lambda gray: answer(gray[:1]), lambda gray: answer(gray[:, :1])),
        ("uint8 tensor", "the values are 254 and 255", among(range(254)), among(range(128))),
        ("uint8 tensor", "the values are 0 and 255", among(range(1, 255)), lambda gray: 127),
        ("with at least two different values", "the values are 0 and 1", among(range(1, 255)), lambda gray: 1),
        ("returns an int t", "a few pixels", lambda gray: torch.tensor(answer(gray)), lambda gray: float(answer(gray)),
         lambda gray: np.array(answer(gray))),
        ("the pixels with `gray <= t` are the dark group", "a few pixels", lambda gray: answer(gray) + 1),
        ("neither group is empty", "a few pixels", lambda gray: int(_between(gray)[0].argmax())),
        ("t makes the number above as large as possible", "groups of unequal size",
         lambda gray: int(gray.double().mean()), lambda gray: int(gray.flatten().median()),
         lambda gray: int(((_between(gray)[3][0] - _between(gray)[3][1]) ** 2).nan_to_num(-1).argmax())),
        ("t makes the number above as large as possible", "the histogram has one hill",
         lambda gray: int(_between(gray)[0].nan_to_num(-1)[: int(gray.double().mean()) - 15].argmax())),
        ("t makes the number above as large as possible", "the picture has 300 x 280 pixels",
         lambda gray: answer(gray[:4, :4])),
        ("Of several equally good t, return the smallest", "there are two values, far apart",
         lambda gray: 255 - int(_between(gray)[0].nan_to_num(-1).flip(0).argmax()), lambda gray: 60),
        ("Of several equally good t, return the smallest", "pictures", nothing_changes(answer)),
    )  # fmt: skip
    equal = {
        r"^counts = .*  ->  counts = .*256\)(\.(float|long|int)\(\))?$": "counts are exact in the type",
        r"cumsum\(-1\)": "there is only one axis",
        r"bright_sum / bright - dark_sum / dark": "the difference is squared",
        r"bright \* dark \*|\*\* 2 \* \(dark|torch\.arange\(256\) \* counts": "multiplication commutes",
        r"nan_to_num\((0|-2|1|-0)\)|nan_to_num\(\)": "the best number between two groups is above 1",
        r"->  gray = gray\.(byte|short|int|long)\(\)$": "the type holds 0 … 255",
    }
    said = (
        (lambda gray: torch.tensor(answer(gray)), "returns a tensor, and an int is asked for"),
        (lambda gray: int(gray.mean()), "Convert first, with `.float()`"),
        (lambda gray: answer(gray) + 1, "one above the expected one"),
        (lambda gray: 128, "128 for every input"),
    )
