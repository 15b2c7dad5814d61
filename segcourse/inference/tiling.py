"""Predict large images in overlapping tiles, blended without visible seams."""

from collections.abc import Callable, Iterator

import torch

from segcourse.errors import DataError


def tiled(
    function: Callable[[torch.Tensor], torch.Tensor],
    image: torch.Tensor,
    tile: int,
    overlap: int | None = None,
) -> torch.Tensor:
    """Apply `function` to tiles of an image and blend the results; arguments as in `row_blocks`.

    Returns:
        C×H×W.
    """
    total = torch.zeros(0)  # the first block determines the number of classes
    for top, block in row_blocks(function, image, tile, overlap):
        if top == 0:
            total = block.new_empty(len(block), *image.shape[-2:])
        total[:, top : top + block.shape[1]] = block
    return total


def row_blocks(
    function: Callable[[torch.Tensor], torch.Tensor],
    image: torch.Tensor,
    tile: int,
    overlap: int | None = None,
) -> Iterator[tuple[int, torch.Tensor]]:
    """Apply `function` to tiles of an image; yield the blended results from top to bottom.

    Near a tile's border, the network sees padding instead of the image. Therefore the outer quarter of each
    overlap is discarded at both ends, and the inner half blends one tile into the next. If no output depends
    on pixels further away than `overlap / 4`, the result equals that of the whole image.

    Whatever the height, the results take 4·C·W·(2·`tile` + `overlap`) bytes: one row of tiles that the caller
    still has, the next one, and the rows that they share.

    Args:
        function: maps 1×3×h×w to float 1×C×h×w.
        image: 3×H×W.
        tile: side of the tiles in pixels.
        overlap: overlap of neighbouring tiles in pixels, 0 to half a tile. Default: a quarter of `tile`.

    Yields:
        (first row, C×h×W): the next h rows, at most `tile`.

    Raises:
        DataError: the tile is smaller than one pixel, or the overlap is not within 0 and half a tile.
    """
    overlap = tile // 4 if overlap is None else overlap
    if tile < 1 or not 0 <= overlap <= tile // 2:
        raise DataError(
            f"tile is {tile} and overlap is {overlap} pixels; expected an overlap of 0 to half a tile."
        )
    height, width = image.shape[-2:]
    tops, lefts = starts(height, tile, overlap), starts(width, tile, overlap)
    row_weights, column_weights = _weights(tops, tile, height, overlap), _weights(lefts, tile, width, overlap)
    unfinished = torch.zeros(0)  # rows that the tiles below overlap
    for top, end, rows in zip(tops, [*tops[1:], height], row_weights, strict=True):
        block = torch.zeros(0)
        for left, columns in zip(lefts, column_weights, strict=True):
            result = function(image[..., top : top + len(rows), left : left + len(columns)][None])[0]
            if left == 0:
                block = result.new_zeros(len(result), len(rows), width)
            block[..., left : left + len(columns)].addcmul_(result, columns.to(result.device))
        block *= rows.to(block.device)[:, None]
        if top > 0:
            block[:, : unfinished.shape[1]] += unfinished
        unfinished = block[:, end - top :].clone()  # the block's memory is the caller's
        yield top, block[:, : end - top]


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Return the tiles' start positions along a side; the last tile ends at the end of the side.

    >>> starts(100, tile=40, overlap=10), starts(30, tile=40, overlap=10)
    ([0, 30, 60], [0])
    >>> starts(90, tile=40, overlap=10)
    [0, 30, 50]
    """
    last = max(length - tile, 0)
    return [*range(0, last, tile - overlap), last]


def _weights(firsts: list[int], tile: int, length: int, overlap: int) -> list[torch.Tensor]:
    """Return each tile's weights along a side of the image; at each pixel, they sum to 1.

    >>> [weights.tolist() for weights in _weights([0, 2], tile=4, length=6, overlap=2)]
    [[1.0, 1.0, 0.6..., 0.3...], [0.3..., 0.6..., 1.0, 1.0]]
    """
    weights = [_ramps(first, tile, length, overlap) for first in firsts]
    total = torch.zeros(length)
    for first, one in zip(firsts, weights, strict=True):
        total[first : first + len(one)] += one
    return [one / total[first : first + len(one)] for first, one in zip(firsts, weights, strict=True)]


def _ramps(start: int, tile: int, length: int, overlap: int) -> torch.Tensor:
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
