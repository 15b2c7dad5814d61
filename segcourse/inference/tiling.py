"""Predict large images in overlapping tiles, blended without visible seams."""

from collections.abc import Callable

import torch

from segcourse.errors import DataError


def tiled(
    function: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, tile: int, overlap: int
) -> torch.Tensor:
    """Apply `function` to tiles of an image and blend the results.

    Near a tile's border, the network sees padding instead of the image. Therefore the outer quarter of each
    overlap is discarded at both ends, and the inner half blends one tile into the next. If no output depends
    on pixels further away than `overlap / 4`, the result equals that of the whole image.

    Args:
        function: maps 1×3×h×w to 1×C×h×w.
        image: 3×H×W.
        tile: side of the tiles in pixels.
        overlap: overlap of neighbouring tiles in pixels, 0 to half a tile.

    Returns:
        C×H×W.

    Raises:
        DataError: the tile is smaller than one pixel, or the overlap is not within 0 and half a tile.
    """
    if tile < 1 or not 0 <= overlap <= tile // 2:
        raise DataError(
            f"tile is {tile} and overlap is {overlap} pixels; expected an overlap of 0 to half a tile."
        )
    height, width = image.shape[-2:]
    total = weights = torch.zeros(0)  # the first tile determines the number of classes
    for top in starts(height, tile, overlap):
        for left in starts(width, tile, overlap):
            window = (..., slice(top, min(top + tile, height)), slice(left, min(left + tile, width)))
            result = function(image[window][None])[0]
            weight = torch.outer(
                _blend_weight(top, tile, height, overlap), _blend_weight(left, tile, width, overlap)
            )
            weight = weight.to(result.device)
            if not total.numel():
                total = result.new_zeros(len(result), height, width)
                weights = result.new_zeros(height, width)
            total[window] += weight * result
            weights[window] += weight
    return total / weights


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Return the tiles' start positions along a side; the last tile ends at the end of the side.

    >>> starts(100, tile=40, overlap=10), starts(30, tile=40, overlap=10)
    ([0, 30, 60], [0])
    >>> starts(90, tile=40, overlap=10)
    [0, 30, 50]
    """
    last = max(length - tile, 0)
    return [*range(0, last, tile - overlap), last]


def _blend_weight(start: int, tile: int, length: int, overlap: int) -> torch.Tensor:
    """Return a tile's weights along a side: 1 inside and at the image border, a ramp in the overlaps."""
    size = min(tile, length)
    weight = torch.ones(size)
    margin, ramp = overlap // 4, overlap - 2 * (overlap // 4)
    rise = torch.cat([torch.zeros(margin), (torch.arange(ramp) + 1) / (ramp + 1)])[:size]
    if start > 0:
        weight[: len(rise)] = rise
    if start + size < length:
        weight[size - len(rise) :] *= rise.flip(0)
    return weight
