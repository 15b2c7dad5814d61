"""Open image files with Pillow, and explain in one sentence why a file can't be read."""

import contextlib
import io
import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from segcourse.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp")
# Pillow reads more formats. Some start another program: Ghostscript for an EPS file, whatever its name is.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")
# A small file can decompress to gigabytes. This many RGB pixels take 270 MB, and Pillow warns above it.
MAX_PIXELS = 89_478_485

_EXIF_ORIENTATION = 0x0112
_REDUCED = 254  # the TIFF tag NewSubfileType: bit 0 marks a reduced copy of another page
_PAGES = 100  # a hostile file has a million, which takes minutes; a pyramid of smaller copies has about ten
_SIDES_SWAPPED = (5, 6, 7, 8)  # orientations that turn by 90 degrees

Size = int | tuple[int, int]
Source = str | os.PathLike | io.BytesIO  # a file, or its content: io.BytesIO(content)


class TooManyPixelsError(DataError):
    """An image file has more pixels than allowed; nothing was decoded."""


def name_of(source: Source) -> str:
    """Return how error messages call an image.

    >>> name_of("cat.jpg"), name_of(io.BytesIO())
    ('cat.jpg', 'the picture')
    """
    return str(source) if isinstance(source, str | os.PathLike) else "the picture"


def height_width(size: Size) -> tuple[int, int]:
    """Convert a size to (height, width): an integer is the side of a square.

    Raises:
        DataError: a side is smaller than one pixel, or `size` does not have two sides.

    >>> height_width(128), height_width((96, 131))
    ((128, 128), (96, 131))
    """
    sides = (size, size) if isinstance(size, int | np.integer) else tuple(size)
    if len(sides) != 2 or min(sides) < 1:
        raise DataError(f"size is {size!r}; expected a positive number of pixels or (height, width).")
    return int(sides[0]), int(sides[1])


class ImageFacts(NamedTuple):
    """Facts from an image file's header.

    Attributes:
        shape: (height, width) after EXIF rotation.
        rotated: True if the file has an EXIF rotation.
        format: Pillow's name of the format, such as "JPEG".
    """

    shape: tuple[int, int]
    rotated: bool
    format: str


def image_facts(path: str | os.PathLike) -> ImageFacts:
    """Read the size, rotation and format of an image file without decoding its pixels.

    Raises:
        DataError: the file is missing, not an image, or too large.
    """
    with _opened(path) as image:
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
        swapped = orientation in _SIDES_SWAPPED
        shape = (image.width, image.height) if swapped else (image.height, image.width)
        return ImageFacts(shape, orientation != 1, image.format or "")


def header_size(source: Source, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Read the height and width in an image file's header, before EXIF rotation; no pixel is decoded.

    Raises:
        TooManyPixelsError: the image has more than `max_pixels`.
        DataError: the file is missing or not an image.
    """
    with _opened(source, max_pixels) as image:
        return image.height, image.width


def open_image(source: Source, size: Size | None = None) -> Image.Image:
    """Decode the first frame of an image file; with `size`, a JPEG may be decoded at a reduced size."""
    with _opened(source) as image:
        _refuse_pages(image, name_of(source))
        if size is not None:  # decode at twice the size, so that the later resize still antialiases
            height, width = height_width(size)
            image.draft(None, (2 * width, 2 * height))
        image.load()
        return image


@contextlib.contextmanager
def _opened(source: Source, max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """Read the header of an image file, and explain any error of the `with` block."""
    where = name_of(source)
    if not isinstance(source, str | os.PathLike):
        source.seek(0)
    with _readable(where), Image.open(source, formats=FORMATS) as image:
        if image.width * image.height > max_pixels:
            raise TooManyPixelsError(_too_many(where, max_pixels))
        yield image


def _too_many(where: str, max_pixels: int) -> str:
    return f"{where} has more than {max_pixels // 10**6} million pixels; crop it or shrink it first."


def _refuse_pages(image: Image.Image, path: str) -> None:
    """Raise a DataError for a TIFF file with several pages, unless the others are smaller copies."""
    if not isinstance(image, TiffImageFile):
        return
    size, pages = image.size, 0
    with contextlib.suppress(EOFError):  # there is no further page
        for page in range(_PAGES):
            image.seek(page)
            pages += image.size == size and not image.tag_v2.get(_REDUCED, 0) & 1
        raise DataError(f"{path} has {_PAGES} pages or more; expected one image per file.")
    image.seek(0)
    if pages > 1:
        raise DataError(
            f"{path} has {pages} pages; expected one image per file. Save each page as a separate file, "
            "with a separate mask."
        )


@contextlib.contextmanager
def _readable(path: str) -> Iterator[None]:
    """Turn any error of a decoder into a DataError that names the file and what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; check the name and the folder.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixelsError(_too_many(path, MAX_PIXELS)) from error
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path} is not an image file; expected JPEG, PNG, GIF, BMP, TIFF or WebP."
        ) from error
    except DataError:
        raise
    # decoders raise many kinds of errors for damaged files (OSError, SyntaxError, struct.error, …)
    except Exception as error:
        raise DataError(
            f"{path} cannot be read ({error}); it may be damaged: copy or download it again."
        ) from error
