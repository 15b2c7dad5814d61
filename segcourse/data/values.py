"""What the numbers in a set's mask files mean: ids as they are, or black and white for a binary mask."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from segcourse.data.images import read_mask
from segcourse.data.pairing import Pair
from segcourse.errors import DataError
from segcourse.palette import IGNORE, Palette

_ENOUGH = 16  # masks that decide between ids and black and white; a set is rarely of two minds
_HIGHEST_ID = 200  # no set in use has more classes; higher values are a smoothed black-and-white mask


class Scheme(NamedTuple):
    """The stored value and the name of each class, and the values that mean "ignored"."""

    mask_values: tuple[int, ...]
    class_names: tuple[str, ...]
    void_values: tuple[int, ...]


def stored_values(pairs: Iterable[Pair], palette: Palette | None = None) -> Iterator[set[int]]:
    """The values in each mask file, one file at a time."""
    for pair in pairs:
        yield set(np.unique(read_mask(pair.mask, palette=palette)).tolist())


def mask_value_scheme(
    stored: Iterable[set[int]],
    mask_values: Sequence[int] | None = None,
    void_values: Sequence[int] = (),
    class_names: Sequence[str] | None = None,
) -> Scheme:
    """What the values mean, from what was given or else from the values in the masks.

    Masks of two classes that hold 0 and 255 and never 1 are black and white: 255 is class 1, not "ignored".
    That is decided once for the whole set, by its first masks that are not empty.

    Raises:
        DataError: names and values differ in number, or the values are neither ids nor 0 and 255.

    >>> mask_value_scheme([{0}, {0, 255}])[:2]
    ((0, 255), ('background', 'foreground'))
    >>> mask_value_scheme([{0, 1, 255}, {0, 2}])[:2]
    ((0, 1, 2), ('class 0', 'class 1', 'class 2'))
    """
    if mask_values is None and class_names is not None and len(class_names) != 2:
        mask_values = range(len(class_names))
    if mask_values is None:
        kept = (values - set(void_values) for values in stored)
        mask_values, void = _found_values(kept, two_classes=class_names is not None)
        void_values = (*void_values, *void)
    if class_names is None:
        two = len(mask_values) == 2
        class_names = ("background", "foreground") if two else [f"class {i}" for i in range(len(mask_values))]
    if len(class_names) != len(mask_values):
        raise DataError(
            f"{len(mask_values)} mask values {tuple(mask_values)} but {len(class_names)} class names "
            f"{tuple(class_names)}; give one name for each value"
        )
    return Scheme(tuple(int(value) for value in mask_values), tuple(class_names), tuple(void_values))


def _found_values(stored: Iterator[set[int]], two_classes: bool) -> tuple[Sequence[int], set[int]]:
    seen: set[int] = set()
    void: set[int] = set()
    for count, values in enumerate(stored, start=1):
        seen |= values
        if {1, IGNORE} <= values:  # 1 is the class here, so 255 is not
            void = {IGNORE}
        if count >= _ENOUGH and seen - {0}:
            break
    if seen <= {0, 255} and 255 in seen:
        return (0, 255), void
    if seen <= {0, 1, IGNORE} or two_classes:
        return (0, 1), void
    seen = seen.union(*stored) - {IGNORE}
    highest = max(seen)
    if highest > _HIGHEST_ID or 2 * len(seen) < highest + 1:
        found = ", ".join(map(str, sorted(seen)[:8])) + (", …" if len(seen) > 8 else "")
        raise DataError(
            f"mask values are {{{found}}}; class ids 0, 1, 2 … were expected. If these values stand for the "
            "classes, pass mask_values=, or class_names= if they are ids; if there are many of them, the "
            "masks "
            "were smoothed (saved as JPEG or resized): export them again as PNG"
        )
    return range(highest + 1), void
