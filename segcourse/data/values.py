"""Infer what the values in mask files mean: class ids, or black and white for a binary mask."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from PIL import Image

from segcourse.data.images import read_mask
from segcourse.data.pairing import Pair
from segcourse.errors import DataError, first_few
from segcourse.palette import IGNORE, Palette

BINARY = ("background", "foreground")
_HIGHEST_ID = 200  # usual data sets have fewer classes; higher values come from smoothed masks


class Scheme(NamedTuple):
    """The stored value and the name of each class, and the values that mean "ignored"."""

    mask_values: tuple[int, ...]
    class_names: tuple[str, ...]
    void_values: tuple[int, ...]


def stored_values(pairs: Iterable[Pair], palette: Palette | None = None) -> Iterator[set[int]]:
    """Yield the set of values in each mask file."""

    def values(pair: Pair) -> set[int]:
        counts = Image.fromarray(read_mask(pair.mask, palette=palette)).histogram()  # ten times np.unique
        return set(np.flatnonzero(counts).tolist())

    with ThreadPoolExecutor(max_workers=4) as pool:  # decoders release the GIL
        yield from pool.map(values, pairs)


def mask_value_scheme(
    stored: Iterable[set[int]],
    mask_values: Sequence[int] | None = None,
    void_values: Sequence[int] = (),
    class_names: Sequence[str] | None = None,
    palette: Palette | None = None,
) -> Scheme:
    """Return the meaning of mask values: as given, or else inferred from the masks.

    All masks decide together. If some hold 255, none holds 1 and 255, and none holds another value, the data
    set is black and white: 255 is class 1, not "ignored", and so is the 1 of masks saved with one bit or as
    0/1. A mask with 1 and 255 shows that 255 means "ignored" in this data set. A void
    value is never a class, whatever else is given.

    Args:
        stored: the values in each mask. It is not read if `mask_values` or more than two names are given.
        mask_values: the value of each class, if known.
        void_values: values that mean "ignored".
        class_names: the name of each class, if known.
        palette: the names and colours behind the ids, including any void ids, if known.

    Raises:
        DataError: the numbers of names and values differ, or the values are neither ids nor 0 and 255.

    >>> mask_value_scheme([{0}, {0, 1}, {0, 255}])[:2]
    ((0, 255), ('background', 'foreground'))
    >>> mask_value_scheme([{0, 1, 255}, {0, 2}])[:2]
    ((0, 1, 2), ('class 0', 'class 1', 'class 2'))
    >>> mask_value_scheme([{0, 1, 2}], void_values=(0,))[:2]
    ((1, 2), ('class 1', 'class 2'))
    """
    ids = [i for i in range(IGNORE) if i not in void_values]
    if palette is not None and mask_values is None:
        ids = [i for i in ids if i < len(palette)]
    if palette is not None and class_names is None:
        class_names = palette.names if mask_values is not None else [palette.names[i] for i in ids]
    if mask_values is None and class_names is not None and len(class_names) != 2:
        mask_values = ids[: len(class_names)]
    if mask_values is None:
        kept = (values - set(void_values) for values in stored)
        mask_values, void = _infer_values(kept, ids, two_classes=class_names is not None)
        void_values = (*void_values, *void)
    if class_names is None:
        binary = len(mask_values) == 2 and mask_values[0] == 0
        class_names = BINARY if binary else [f"class {value}" for value in mask_values]
    if len(class_names) != len(mask_values):
        raise DataError(
            f"{len(mask_values)} mask values {tuple(mask_values)} but {len(class_names)} class names "
            f"{tuple(class_names)}; give one name per value."
        )
    return Scheme(tuple(int(value) for value in mask_values), tuple(class_names), tuple(void_values))


def _infer_values(
    stored: Iterable[set[int]], ids: list[int], two_classes: bool
) -> tuple[Sequence[int], set[int]]:
    masks = list(stored)
    seen: set[int] = set().union(*masks)
    void = {IGNORE} if any({1, IGNORE} <= values for values in masks) else set()
    if seen <= {0, 1, IGNORE} and IGNORE in seen and not void:
        return (0, IGNORE), void
    if seen <= {*ids[:2], IGNORE} or two_classes:
        unclear = sum(IGNORE in values and 1 not in values for values in masks)
        if void and unclear:
            warnings.warn(
                f"255 is read as 'ignored' in {unclear} masks that hold no 1, because other masks hold 1 and "
                "255. If 255 means class 1 in those, save them as 0/1; if not, pass void_values=(255,).",
                stacklevel=3,
            )
        return ids[:2], void
    seen -= {IGNORE}
    highest = max(seen)
    if highest > _HIGHEST_ID or 2 * len(seen) < highest + 1:
        raise DataError(
            f"mask values are {{{first_few(sorted(seen), 8)}}}; expected class ids 0, 1, 2 and so on. "
            "If these values stand for classes, pass mask_values=; if they are ids, pass class_names=. "
            "If some are not classes, pass them as void_values=. "
            "Many different values mean that the masks were saved as JPEG or smoothed by resizing: export "
            "them again as PNG."
        )
    return [i for i in ids if i <= highest], void
