"""Draw one prediction: mask, overlay, cut-out, new background, recolouring."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageColor, ImageOps

from segcourse.data.images import read_image
from segcourse.errors import DataError
from segcourse.palette import IGNORE, IGNORE_COLOUR, Palette
from segcourse.plotting.arrays import background_class, overlay
from segcourse.plotting.legend import Entry, add_legend

FORMATS = ("indexed", "colours", "binary")
KINDS = {"mask": ".png", "overlay": ".png", "cutout": ".png", "background": ".png", "recoloured": ".png"}
_FEATHER = 1 / 200  # of the shorter side: how far soft edges reach
_FLAT = 1e-4  # variance of grey values in [0, 1] that counts as no edge


@dataclass(frozen=True)
class Style:
    """How pictures are drawn.

    Args:
        mask_format: "indexed" (class ids as a PNG with a palette), "colours" (RGB) or "binary" (0 and 255).
            Default: binary for one class, else indexed.
        alpha: opacity of the colours of an overlay, from 0 to 1.
        background: a colour such as "white" or "#3366ff", or an image file.
        recolour: the new colour of what is kept.

    Raises:
        DataError: a value is none of these.
    """

    mask_format: str | None = None
    alpha: float = 0.5
    background: str | None = None
    recolour: str | None = None

    def __post_init__(self) -> None:
        if self.mask_format not in (None, *FORMATS):
            raise DataError(f"the mask format is {self.mask_format!r}; expected {', '.join(FORMATS)}.")
        if not 0 <= self.alpha <= 1:
            raise DataError(f"alpha is {self.alpha:g}; expected an opacity from 0 to 1.")
        if self.background is not None:
            _new_background(self.background)
        if self.recolour is not None:
            colour(self.recolour)


def draw(
    kind: str,
    image: np.ndarray,
    mask: np.ndarray,
    kept: Collection[int] | None,
    palette: Palette,
    style: Style,
) -> Image.Image:
    """Draw one of `KINDS`.

    Args:
        kind: what to draw.
        image: uint8 H×W×3.
        mask: class ids, H×W.
        kept: the only classes to show. Default: all but the background.
        palette, style: colours and options.
    """
    rest = background_class(palette)
    found = mask != rest if kept is None else np.isin(mask, list(kept))
    if kind == "mask":
        return _mask(mask, found, kept, palette, style)
    if kind == "overlay":
        tinted = overlay(image, mask, palette, style.alpha, background=rest)
        drawn = tinted if kept is None else np.where(found[..., None], tinted, image)
        return Image.fromarray(add_legend(drawn, _entries(palette, mask, kept)))
    opacity = soft_edges(image, found)
    if kind == "cutout":
        return Image.fromarray(np.dstack([image, np.round(255 * opacity).astype(np.uint8)]), "RGBA")
    if kind == "background":
        return Image.fromarray(blend(image, _filled(style.background or "white", found.shape), opacity))
    return Image.fromarray(recolour(image, opacity, colour(style.recolour or "red")))


def soft_edges(image: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return the opacity of a region, float32 H×W in [0, 1]: soft edges, but sharp along edges of the image.

    Around each pixel, the mask is fitted by a linear function of the grey values: K. He, J. Sun, X. Tang,
    "Guided image filtering", ECCV 2010. The opacity changes within a hundredth of the shorter side from the
    border. Images below 100 pixels keep hard edges.

    >>> soft_edges(np.zeros((2, 2, 3), np.uint8), np.array([[True, False], [True, True]])).tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    opacity = found.astype(np.float32)
    radius = round(min(found.shape) * _FEATHER)
    if radius < 1 or found.all() or not found.any():
        return opacity
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(values, -1, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    centre, level = mean(grey), mean(opacity)
    slope = (mean(grey * opacity) - centre * level) / (mean(grey * grey) - centre * centre + _FLAT)
    return np.clip(mean(slope) * grey + mean(level - slope * centre), 0, 1)


def blend(front: np.ndarray, back: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """Put an image over another: uint8 H×W×3, with float32 H×W opacities in [0, 1].

    >>> white, black = np.full((1, 2, 3), 200, np.uint8), np.zeros((1, 2, 3), np.uint8)
    >>> blend(white, black, np.float32([[1, 0.5]]))[..., 0].tolist()
    [[200, 100]]
    """
    return cv2.blendLinear(front, back, opacity, 1 - opacity)


def recolour(image: np.ndarray, opacity: np.ndarray, rgb: tuple[int, int, int]) -> np.ndarray:
    """Give a region another colour, and keep its shading.

    In CIELAB, the region gets the hue and chroma of the colour, and its lightness is shifted so that the
    median is the colour's: a white car becomes dark blue, too.

    Args:
        image: uint8 H×W×3.
        opacity: of the new colour, float32 H×W in [0, 1].
        rgb: the colour, 0 to 255.

    >>> flat = np.full((2, 2, 3), 90, np.uint8)
    >>> recolour(flat, np.float32([[1, 0], [1, 0]]), (200, 0, 0))[0].tolist()
    [[200, 0, 0], [90, 90, 90]]
    """
    rows, columns = np.flatnonzero(opacity.any(1)), np.flatnonzero(opacity.any(0))
    if not len(rows):
        return image
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    part, weight = image[box], np.ascontiguousarray(opacity[box])
    lab = cv2.cvtColor(part.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    target = cv2.cvtColor(np.array([[rgb]], np.float32) / 255, cv2.COLOR_RGB2LAB)[0, 0]
    inside = lab[..., 0][weight > 0.5] if (weight > 0.5).any() else lab[..., 0]
    lab[..., 0] = np.clip(lab[..., 0] + target[0] - np.median(inside), 0, 100)
    lab[..., 1:] = target[1:]
    painted = np.clip(np.round(255 * cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)), 0, 255).astype(np.uint8)
    result = image.copy()
    result[box] = blend(painted, np.ascontiguousarray(part), weight)
    return result


def colour(text: str) -> tuple[int, int, int]:
    """Read a colour: a CSS name, "#rrggbb" or "rgb(r, g, b)".

    Raises:
        DataError: it is none of these.

    >>> colour("#3366ff")
    (51, 102, 255)
    """
    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError:
        raise DataError(f"{text!r} is not a colour; give a name such as red, or #3366ff.") from None


def _mask(
    mask: np.ndarray, found: np.ndarray, kept: Collection[int] | None, palette: Palette, style: Style
) -> Image.Image:
    one_class = len(palette) == 2 if kept is None else True
    chosen = style.mask_format or ("binary" if one_class else "indexed")
    if chosen == "binary":
        return Image.fromarray(np.where(found, 255, 0).astype(np.uint8))
    if kept is not None:  # without a background class, the rest has no class
        rest = background_class(palette)
        mask = np.where(found, mask, IGNORE if rest is None else rest).astype(np.uint8)
    if chosen == "colours":
        return Image.fromarray(palette.colourise(mask))
    return indexed(mask, palette)


def indexed(mask: np.ndarray, palette: Palette) -> Image.Image:
    """Return class ids (uint8 H×W) as an indexed picture: the indices are the ids, 255 is ignored.

    >>> picture = indexed(np.array([[0, 1, 255]], np.uint8), Palette.lesion())
    >>> np.asarray(picture).tolist(), picture.mode
    ([[0, 1, 255]], 'P')
    """
    picture = Image.fromarray(mask).convert("P")
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)], table[IGNORE] = palette.colours, IGNORE_COLOUR
    picture.putpalette(table.tobytes())
    return picture


def _entries(palette: Palette, mask: np.ndarray, kept: Collection[int] | None) -> list[Entry]:
    """Return name and colour of each class to show; none where one colour says all."""
    if len(palette) == 2 or (kept is not None and len(kept) == 1):
        return []
    present = set(np.unique(mask).tolist()) - {background_class(palette)}
    shown = present if kept is None else present & set(kept)
    return [(palette.names[one], palette.colours[one]) for one in sorted(shown)]


@lru_cache(maxsize=1)
def _new_background(given: str) -> Image.Image | tuple[int, int, int]:
    if Path(given).is_file():
        return Image.fromarray(read_image(given))
    try:
        return colour(given)
    except DataError as error:
        raise DataError(
            f"the background {given!r} is neither a colour nor an image file; give a name such as white, "
            "#3366ff, or a file."
        ) from error


def _filled(background: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return a background at the size of an image; a picture is cropped around its centre."""
    given, size = _new_background(background), (shape[1], shape[0])
    return np.array(
        ImageOps.fit(given, size) if isinstance(given, Image.Image) else Image.new("RGB", size, given)
    )
