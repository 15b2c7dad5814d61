"""What the numbers in a set's mask files mean: ids as they are, or black and white for a binary mask."""

from collections.abc import Iterable, Sequence

import numpy as np

from segcourse.data.images import read_mask
from segcourse.data.pairing import Pair
from segcourse.errors import DataError
from segcourse.palette import IGNORE, Palette

_ENOUGH = 16  # masks that decide between ids and black and white; a set is rarely of two minds


def mask_value_scheme(
    pairs: Sequence[Pair],
    mask_values: Sequence[int] | None,
    void_values: Sequence[int],
    class_names: Sequence[str] | None,
    palette: Palette | None = None,
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The stored value and the name of each class, from what was given or else from the masks themselves.

    Masks of two classes that hold 0 and 255 and never 1 are black and white: 255 is class 1, not "ignored".
    That is decided once for the whole set, by its first masks that are not empty.

    Raises:
        DataError: names and values differ in number, or the masks hold values that are neither ids nor 0/255.
    """
    if mask_values is None and class_names is not None and len(class_names) != 2:
        mask_values = range(len(class_names))
    if mask_values is None:
        mask_values = _found_values(pairs, void_values, class_names, palette)
    if class_names is None:
        two = len(mask_values) == 2
        class_names = ("background", "foreground") if two else [f"class {i}" for i in range(len(mask_values))]
    if len(class_names) != len(mask_values):
        raise DataError(
            f"{len(mask_values)} mask values {tuple(mask_values)} but {len(class_names)} class names "
            f"{tuple(class_names)}; give one name for each value"
        )
    return tuple(int(value) for value in mask_values), tuple(class_names)


def _found_values(pairs, void_values, class_names, palette) -> tuple[int, ...]:
    stored = _stored_values(pairs, palette)
    seen: set[int] = set()
    for count, values in enumerate(stored, start=1):
        seen |= values - set(void_values)
        if count >= _ENOUGH and seen - {0}:
            break
    if seen <= {0, 255} and seen:
        return (0, 255)
    if seen <= {0, 1, IGNORE} or class_names is not None:
        return (0, 1)
    for values in stored:
        seen |= values - set(void_values)
    highest = max(seen - {IGNORE})
    return tuple(range(highest + 1))


def _stored_values(pairs: Iterable[Pair], palette: Palette | None) -> Iterable[set[int]]:
    for pair in pairs:
        yield set(np.unique(read_mask(pair.mask, palette=palette)).tolist())
