"""A contact sheet: small pictures in rows, each with its name below."""

import os
from collections.abc import Iterable

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont, ImageOps

from segcourse.data.decode import open_image
from segcourse.data.images import to_rgb

SIDE, GAP, LETTERS = 240, 12, 13  # pixels


def contact_sheet(pictures: Iterable[tuple[str, Image.Image]], columns: int = 6) -> Image.Image:
    """Return one RGB picture that shows many, in reading order; transparent pixels become a chequerboard.

    Args:
        pictures: names and pictures of any size and mode.
        columns: pictures per row.

    >>> contact_sheet([("a", Image.new("RGB", (9, 9))), ("b", Image.new("L", (99, 9)))], columns=2).size
    (516, 281)
    """
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), LETTERS)
    cells = [(name, _opaque(ImageOps.contain(picture, (SIDE, SIDE)))) for name, picture in pictures]
    columns = max(1, min(columns, len(cells)))
    wide, high = SIDE + GAP, SIDE + GAP + LETTERS + 4
    sheet = Image.new("RGB", (columns * wide + GAP, -(-len(cells) // columns) * high + GAP), "white")
    write = ImageDraw.Draw(sheet)
    for number, (name, picture) in enumerate(cells):
        left, top = GAP + number % columns * wide, GAP + number // columns * high
        sheet.paste(picture, (left + (SIDE - picture.width) // 2, top + (SIDE - picture.height) // 2))
        write.text((left + SIDE // 2, top + SIDE + 2), _shortened(name, font), "black", font, anchor="ma")
    return sheet


def thumbnail(path: str | os.PathLike) -> Image.Image:
    """Read a picture file at a small size, for a contact sheet; transparency is kept.

    Raises:
        DataError: the file can't be read.
    """
    picture = open_image(path, size=SIDE)
    picture = picture if picture.mode == "RGBA" else to_rgb(picture, path)
    return ImageOps.contain(picture, (SIDE, SIDE))


def _opaque(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    rows, columns = np.indices(picture.size[::-1]) // 8
    squares = np.where((rows + columns) % 2, 200, 255).astype(np.uint8)
    return Image.alpha_composite(Image.fromarray(squares).convert("RGBA"), picture).convert("RGB")


def _shortened(name: str, font: ImageFont.FreeTypeFont) -> str:
    """Return a name that fits below a picture, its end kept: names of photographs differ there."""
    name = "".join(letter if letter.isprintable() else "?" for letter in name)  # no font draws a line break
    if font.getlength(name) <= SIDE:
        return name
    return next(short for i in range(1, len(name) + 1) if font.getlength(short := f"…{name[i:]}") <= SIDE)
