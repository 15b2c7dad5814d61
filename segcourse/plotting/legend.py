"""A legend below a picture that is an array, where no figure is drawn."""

from collections.abc import Sequence

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

Entry = tuple[str, tuple[int, int, int]]  # name and colour


def add_legend(picture: np.ndarray, entries: Sequence[Entry]) -> np.ndarray:
    """Return a picture with a white strip below, which names colours; the picture itself stays as it is.

    Args:
        picture: uint8 H×W×3.
        entries: names and colours, in rows from left to right.

    Returns:
        uint8, higher than the picture, and wider if an entry is wider than the picture.

    >>> picture = np.zeros((100, 200, 3), np.uint8)
    >>> drawn = add_legend(picture, [("car", (0, 114, 178))])
    >>> bool((drawn[:100] == 0).all()), drawn.shape[1], bool((drawn[100:] == (0, 114, 178)).all(-1).any())
    (True, 200, True)
    """
    if not entries:
        return picture
    height, width = picture.shape[:2]
    size = max(11, min(height, width) // 28)  # of the letters, in pixels
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)
    wide = [3 * size + int(font.getlength(name)) for name, _ in entries]  # a square, a gap, the name, a gap
    width = max(width, *wide)
    places, x, y = [], 0, 0
    for one in wide:
        if x + one > width:
            x, y = 0, y + 2 * size
        places.append((x + size // 2, y + size // 2))
        x += one
    strip = Image.new("RGB", (width, y + 2 * size), "white")
    draw = ImageDraw.Draw(strip)
    for (name, colour), (left, top) in zip(entries, places, strict=True):
        draw.rectangle((left, top, left + size, top + size), fill=colour, outline=(100, 100, 100))
        draw.text((left + 3 * size // 2, top + size // 2), name, "black", font, anchor="lm")
    filled = np.pad(picture, ((0, 0), (0, width - picture.shape[1]), (0, 0)), constant_values=255)
    return np.vstack([filled, np.asarray(strip)])
