"""Large pictures in overlapping tiles, blended so that no seam shows."""

from collections.abc import Callable

import torch

from segcourse.errors import DataError


def tiled(function: Callable, image: torch.Tensor, tile: int, overlap: int) -> torch.Tensor:
    """Apply `function` (1×3×h×w to 1×C×h×w) to tiles of `image` (3×H×W) and blend the results: C×H×W.

    Near a tile's edge a network sees a border that is not there. So of each overlap a quarter at either end
    is thrown away, and in the half between one tile fades into the next. Where no output depends on pixels
    further away than `overlap / 4`, the result equals that of the whole picture.

    Raises:
        DataError: the overlap is negative or more than half a tile.
    """
    if tile < 1 or not 0 <= overlap <= tile // 2:
        raise DataError(f"tile={tile} with overlap={overlap}: an overlap of 0 to half a tile was expected.")
    height, width = image.shape[-2:]
    total, weights = 0.0, 0.0
    for top in starts(height, tile, overlap):
        for left in starts(width, tile, overlap):
            window = (..., slice(top, min(top + tile, height)), slice(left, min(left + tile, width)))
            result = function(image[window][None])[0]
            weight = torch.outer(_fade(top, tile, height, overlap), _fade(left, tile, width, overlap))
            weight = weight.to(result.device)
            if isinstance(total, float):
                total = result.new_zeros(len(result), height, width)
                weights = result.new_zeros(height, width)
            total[window] += weight * result
            weights[window] += weight
    return total / weights


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where the tiles begin along a side: every `tile - overlap` pixels, the last one flush with the end.

    >>> starts(100, tile=40, overlap=10), starts(30, tile=40, overlap=10)
    ([0, 30, 60], [0])
    >>> starts(90, tile=40, overlap=10)
    [0, 30, 50]
    """
    last = max(length - tile, 0)
    return [*range(0, last, tile - overlap), last]


def _fade(start: int, tile: int, length: int, overlap: int) -> torch.Tensor:
    """One tile's weight along a side: 1 in the middle and at the picture's border, fading in the overlaps."""
    size = min(tile, length)
    weight = torch.ones(size)
    margin, ramp = overlap // 4, overlap - 2 * (overlap // 4)
    rise = torch.cat([torch.zeros(margin), (torch.arange(ramp) + 1) / (ramp + 1)])[:size]
    if start > 0:
        weight[: len(rise)] = rise
    if start + size < length:
        weight[size - len(rise) :] *= rise.flip(0)
    return weight
