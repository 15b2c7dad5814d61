"""Overlays and error maps as arrays, and PNG data; `plotting.formats` lists the accepted formats."""

import base64
import html
from typing import Any

import cv2
import numpy as np

from segcourse.palette import IGNORE, IGNORE_COLOUR, Palette
from segcourse.plotting.formats import as_images, as_masks, to_array

# Correct pixels are black and white. Errors have Okabe-Ito colours that also differ in lightness: they stay
# distinct for colour-blind readers and on grey printers.
ERROR_COLOURS = {
    "true negative": (0, 0, 0),
    "true positive": (255, 255, 255),
    "false positive": (213, 94, 0),
    "false negative": (86, 180, 233),
    "wrong class": (240, 228, 66),
    "ignored": IGNORE_COLOUR,
}
TN, TP, FP, FN, WRONG, VOID = range(6)
OUTLINE_SIDE = 256  # pixels
_ERROR_TABLE = np.array(list(ERROR_COLOURS.values()), dtype=np.uint8)


def background_class(palette: Palette) -> int | None:
    """Return 0 if class 0 is the background (two classes, or its name is "background"), else None."""
    return 0 if len(palette.names) == 2 or palette.names[0] == "background" else None


def overlay(
    image: Any, mask: Any, palette: Palette | None = None, alpha: float = 0.5, background: int | None = 0
) -> np.ndarray:
    """Tint an image with the class colours of its mask, and return uint8 H×W×3.

    Args:
        image, mask: one of each, in any format of `plotting.formats`.
        palette: class colours. Default: two classes, Okabe-Ito colours.
        alpha: opacity of the colours, from 0 (only the image) to 1 (only the colours).
        background: the class that is not tinted; None tints every class.

    Raises:
        DataError: the sizes differ, or the mask holds an id outside the palette.

    >>> from segcourse.palette import Palette
    >>> overlay([[0.0, 1.0]], [[1, 0]], Palette(("rest", "it"), ((0, 0, 0), (200, 100, 0)))).tolist()
    [[[100, 50, 0], [255, 255, 255]]]
    """
    palette = palette or Palette.default(("background", "foreground"))
    (pixels,) = as_images(image)
    (labels,) = as_masks(mask, [pixels.shape[:2]], num_classes=len(palette.names))
    tinted = cv2.addWeighted(pixels, 1 - alpha, palette.colourise(labels), alpha, 0)
    return tinted if background is None else np.where((labels == background)[..., None], pixels, tinted)


def outline(
    image: Any,
    mask: Any,
    palette: Palette | None = None,
    background: int | None = 0,
    colour: tuple[int, int, int] | None = None,
) -> np.ndarray:
    """Draw the outline of each class on an image, and return uint8 H×W×3.

    The picture inside an outline keeps its own colours, so that a faint border stays visible. A small image
    is enlarged by a whole number first, to at least `OUTLINE_SIDE` pixels, so that the line is thin.

    Args:
        image, mask: one of each, in any format of `plotting.formats`; an image that an earlier call enlarged
            takes a second mask of the original size.
        palette: class colours. Default: two classes, Okabe-Ito colours.
        background: the class without an outline; None outlines every class.
        colour: one colour for all classes, instead of the palette's.

    Raises:
        DataError: the sizes differ, or the mask holds an id outside the palette.

    >>> picture = outline(np.zeros((4, 4)), np.eye(4, dtype=np.uint8))
    >>> picture.shape, (picture == [230, 159, 0]).all(axis=-1).any()
    ((256, 256, 3), True)
    """
    palette = palette or Palette.default(("background", "foreground"))
    (pixels,) = as_images(image)
    labels = to_array(mask)
    times = pixels.shape[0] // labels.shape[-2] if labels.ndim == 2 and labels.shape[-2] else 1
    size = tuple(side // max(1, times) for side in pixels.shape[:2])
    (labels,) = as_masks(mask, [size], num_classes=len(palette.names))
    grow = -(-OUTLINE_SIDE // max(pixels.shape[:2]))
    drawn = np.ascontiguousarray(pixels.repeat(grow, axis=0).repeat(grow, axis=1))
    labels = labels.repeat(times * grow, axis=0).repeat(times * grow, axis=1)
    for one in set(np.unique(labels).tolist()) - {background, IGNORE}:
        lines, _ = cv2.findContours((labels == one).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        own = colour or tuple(palette.colourise(np.array([[one]]))[0, 0].tolist())
        for thickness, shade in ((4, (0, 0, 0)), (2, own)):
            cv2.drawContours(drawn, lines, -1, shade, thickness)
    return drawn


def error_map(true: Any, pred: Any, background: int | None = 0) -> np.ndarray:
    """Colour each pixel by its outcome, in `ERROR_COLOURS`, and return uint8 H×W×3.

    White: true positive. Vermillion: false positive. Sky blue: false negative. Black: true negative.
    Yellow: one foreground class instead of another. Grey: ignored.

    Args:
        true, pred: ground truth and prediction, in any mask format of `plotting.formats`.
        background: the class that counts as negative. With None, a pixel is correct (black), wrong (yellow)
            or ignored (grey).

    Raises:
        DataError: the sizes differ, or values are not class ids.

    >>> error_map([[1, 1, 0, 0]], [[1, 0, 1, 0]])[0].tolist()
    [[255, 255, 255], [86, 180, 233], [213, 94, 0], [0, 0, 0]]
    """
    size = to_array(true).shape[-2:]
    (truth,) = as_masks(true, [size], "true mask")
    (prediction,) = as_masks(pred, [size], "prediction", scores=True)
    outcome = np.where(truth == prediction, np.uint8(TN), np.uint8(WRONG))
    if background is not None:
        outcome[(truth == prediction) & (truth != background)] = TP
        outcome[(truth == background) & (prediction != background)] = FP
        outcome[(truth != background) & (prediction == background)] = FN
    outcome[truth == IGNORE] = VOID
    return _ERROR_TABLE[outcome]


def png(picture: np.ndarray) -> bytes:
    """Encode a uint8 H×W×3 RGB array as PNG, with fast, light compression."""
    return cv2.imencode(".png", picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def img_tag(data: bytes, alt: str, width: int) -> str:
    """Return an <img> tag with embedded PNG data and alt text, at most `width` CSS pixels wide."""
    encoded = base64.b64encode(data).decode()
    style = f"width:{width}px;max-width:100%;height:auto"
    return f'<img alt="{html.escape(alt)}" style="{style}" src="data:image/png;base64,{encoded}">'
