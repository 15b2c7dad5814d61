"""Clicks on an image, as all interactive methods take them."""

from collections.abc import Iterable

from segcourse.errors import DataError

Click = tuple[int, int, int]  # row, column, 1 on the object or 0 on the background


def valid_clicks(clicks: Iterable[Click], size: tuple[int, ...]) -> list[Click]:
    """Return the clicks as a list of int triples.

    Raises:
        DataError: a click lies outside, or its label is neither 0 nor 1.
    """
    found = []
    for click in clicks:
        row, column, label = map(int, click)
        if not (0 <= row < size[0] and 0 <= column < size[1] and label in (0, 1)):
            raise DataError(
                f"the click {tuple(click)} does not fit an image of {size[0]}×{size[1]} pixels; give (row, "
                "column, label) inside the image, label 1 on the object or 0 on the background."
            )
        found.append((row, column, label))
    return found
