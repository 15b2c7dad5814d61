"""Run lengths of masks, as COCO counts them."""

import numpy as np


def run_lengths(mask: np.ndarray) -> list[int]:
    """Return the lengths of the runs of a binary mask, column by column, zeros first.

    These are the uncompressed `counts` of COCO (https://cocodataset.org/#format-data), which pycocotools
    reads with `mask.frPyObjects({"size": [H, W], "counts": counts}, H, W)`.

    Args:
        mask: H×W, zero or not.

    >>> run_lengths(np.array([[0, 1], [0, 1]])), run_lengths(np.array([[1, 0]]))
    ([2, 2], [0, 1, 1])
    """
    flat = np.asarray(mask, dtype=bool).ravel(order="F")
    starts = np.flatnonzero(np.diff(flat, prepend=False))
    return np.diff(starts, prepend=0, append=flat.size).tolist()


def from_run_lengths(counts: list[int], height: int, width: int) -> np.ndarray:
    """Return the mask of run lengths, bool H×W; the inverse of `run_lengths`.

    >>> from_run_lengths([2, 2], 2, 2).astype(int).tolist()
    [[0, 1], [0, 1]]
    """
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(width, height).T
