"""Opening image files: what Pillow can decode comes out as a picture, everything else as a sentence."""

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from segcourse.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp")
# a small file can unpack to gigabytes; this many pixels make 270 MB as RGB, and Pillow warns from here on
MAX_PIXELS = 89_478_485

_EXIF_ORIENTATION = 0x0112
_SIDES_SWAPPED = (5, 6, 7, 8)  # orientations that turn by 90 degrees

Size = int | tuple[int, int]


def height_width(size: Size) -> tuple[int, int]:
    """The (height, width) that `size` stands for: an integer is a square.

    Raises:
        DataError: a side is smaller than one pixel, or there are not two of them.

    >>> height_width(128), height_width((96, 131))
    ((128, 128), (96, 131))
    """
    sides = (size, size) if isinstance(size, int | np.integer) else tuple(size)
    if len(sides) != 2 or min(sides) < 1:
        raise DataError(f"size is {size!r}; a positive number of pixels or (height, width) was expected")
    return int(sides[0]), int(sides[1])


class ImageFacts(NamedTuple):
    """What a file's head says: (height, width) after EXIF rotation, whether there is one, and the format."""

    shape: tuple[int, int]
    rotated: bool
    format: str


def image_facts(path: str | os.PathLike) -> ImageFacts:
    """Size, rotation and format of an image file, without decoding its pixels.

    Raises:
        DataError: missing, not an image, or too large.
    """
    with _readable(path), Image.open(path) as image:
        _refuse_bomb(image)
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
        swapped = orientation in _SIDES_SWAPPED
        shape = (image.width, image.height) if swapped else (image.height, image.width)
        return ImageFacts(shape, orientation != 1, image.format)


def open_image(path: str | os.PathLike, size: Size | None = None) -> Image.Image:
    """The first frame of an image file, fully decoded, as Pillow has it."""
    with _readable(path), Image.open(path) as image:
        _refuse_bomb(image)
        if size is not None:  # twice the size wanted, so that the resize that follows still antialiases
            image.draft(None, tuple(2 * side for side in height_width(size)[::-1]))
        image.load()
        return image


def _refuse_bomb(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError


@contextlib.contextmanager
def _readable(path: str | os.PathLike) -> Iterator[None]:
    """Say in a sentence why an image file cannot be read."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; check the name and the folder") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{path} unpacks to more than {MAX_PIXELS // 10**6} million pixels; crop it or shrink it first"
        ) from error
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path} is not an image, whatever its name says; expected JPEG, PNG, GIF, BMP, TIFF or WebP"
        ) from error
    except DataError:
        raise
    # decoders meet damaged files in many ways (OSError, SyntaxError, struct.error …), all of one meaning
    except Exception as error:
        raise DataError(
            f"{path} cannot be read ({error}); it may be damaged: copy or fetch it again"
        ) from error
