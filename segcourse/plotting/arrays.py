"""Overlays and error maps as arrays, and PNG data; `plotting.formats` lists the accepted formats."""

import base64
import html
from typing import Any

import cv2
import numpy as np

from segcourse.palette import FALSE_NEGATIVE, FALSE_POSITIVE, IGNORE, IGNORE_COLOUR, WRONG_CLASS, Palette
from segcourse.plotting.formats import as_images, as_masks, to_array

# Correct pixels are black and white. Errors have Okabe-Ito colours that also differ in lightness: they stay
# distinct for colour-blind readers and on grey printers.
ERROR_COLOURS = {
    "true negative": (0, 0, 0),
    "true positive": (255, 255, 255),
    "false positive": FALSE_POSITIVE,
    "false negative": FALSE_NEGATIVE,
    "wrong class": WRONG_CLASS,
    "ignored": IGNORE_COLOUR,
}
TN, TP, FP, FN, WRONG, VOID = range(6)
OUTLINE_SIDE = 256  # pixels
_ERROR_TABLE = np.array(list(ERROR_COLOURS.values()), dtype=np.uint8)


def background_class(palette: Palette) -> int | None:
    """Return 0 if class 0 is the background (two classes, or its name is "background"), else None."""
    return 0 if len(palette.names) == 2 or palette.names[0].lower() == "background" else None


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
    >>> picture.shape, bool((picture == [230, 159, 0]).all(axis=-1).any())
    ((256, 256, 3), True)
    """
    (pixels,) = as_images(image)
    height, width = pixels.shape[:2]
    times = max(1, height // max(1, to_array(mask).shape[-2]))
    (labels,) = as_masks(mask, [(height // times, width // times)])
    grow = -(-OUTLINE_SIDE // max(height, width))
    drawn = np.ascontiguousarray(pixels.repeat(grow, axis=0).repeat(grow, axis=1))
    lines = outline_layer(labels, palette, background, colour, grow * height)
    drawn[lines[..., 3] > 0] = lines[lines[..., 3] > 0, :3]
    return drawn


def outline_layer(
    mask: Any,
    palette: Palette | None = None,
    background: int | None = 0,
    colour: tuple[int, int, int] | None = None,
    height: int | None = None,
) -> np.ndarray:
    """Draw only the outlines, on a transparent picture, and return uint8 H×W×4.

    Args:
        mask, palette, background, colour: as in `outline`.
        height: of the picture, a multiple of the mask's. Default: at least `OUTLINE_SIDE` pixels.

    Raises:
        DataError: the mask holds an id outside the palette.
    """
    palette = palette or Palette.default(("background", "foreground"))
    array = to_array(mask)
    (labels,) = as_masks(array, [array.shape[-2:]], num_classes=len(palette.names))
    grow = max(1, (height or -(-OUTLINE_SIDE // max(labels.shape)) * labels.shape[0]) // labels.shape[0])
    labels = labels.repeat(grow, axis=0).repeat(grow, axis=1)
    layer = np.zeros((*labels.shape, 4), dtype=np.uint8)
    for one in set(np.unique(labels).tolist()) - {background, IGNORE}:
        lines, _ = cv2.findContours((labels == one).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        own = colour or palette.colourise(np.array([[one]]))[0, 0].tolist()
        for thickness, shade in ((4, (0, 0, 0)), (2, own)):  # the dark rim shows the line on any background
            cv2.drawContours(layer, lines, -1, (*shade, 255), thickness)
    return layer


def mask_layer(mask: np.ndarray, palette: Palette, background: int | None) -> np.ndarray:
    """Return a mask as a transparent picture: outlines for two classes, half-opaque colours for more."""
    if len(palette.names) == 2:
        return outline_layer(mask, palette, background)
    opacity = np.where(mask == background, 0, 128)[..., None]
    return np.concatenate([palette.colourise(mask), opacity], axis=-1).astype(np.uint8)


def small_enough(array: np.ndarray, side: int = 384) -> np.ndarray:
    """Return a picture or a mask for the screen: every n-th pixel of one that is larger than `side`."""
    step = -(-max(array.shape[:2]) // side)
    return array[::step, ::step]


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
    """Encode a uint8 H×W×3 or H×W×4 RGB(A) array as PNG, with fast, light compression."""
    channels = cv2.COLOR_RGBA2BGRA if picture.shape[-1] == 4 else cv2.COLOR_RGB2BGR
    encoded = cv2.imencode(".png", cv2.cvtColor(picture, channels), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return encoded[1].tobytes()


def jpeg(picture: np.ndarray) -> bytes:
    """Encode a uint8 H×W×3 RGB array as JPEG: a tenth of the PNG's size for a photograph."""
    encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return encoded[1].tobytes()


def img_tag(data: bytes, alt: str, width: int) -> str:
    """Return an <img> tag with embedded PNG data and alt text, at most `width` CSS pixels wide."""
    style = f"width:{width}px;max-width:100%;height:auto"
    return f'<img alt="{html.escape(alt)}" style="{style}" src="{data_uri(data)}">'


def data_uri(data: bytes) -> str:
    """Return PNG or JPEG data as a data: URI."""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
