"""Images and masks as plain arrays ready to be looked at: formats, overlays, error maps, PNG.

What is accepted, everywhere in the course:

- images: tensors or arrays (any device, any float type), H×W, C×H×W or H×W×C with 1 or 3 channels, a batch of
  those, or a list (sizes may differ). Floats in [0, 1], integers in 0 … 255, or booleans. Where 3×W×3 leaves
  a choice, a tensor is read as C×H×W and an array as H×W×C. Normalised images are refused: their numbers are
  not colours.
- masks: class ids (255 = ignored), booleans, 0/1 or 0/255, as H×W, 1×H×W, N×H×W, N×1×H×W or a list; or exact
  one-hot C×H×W. Predictions may also be logits or probabilities C×H×W with C ≥ 2. Masks whose only values are
  0 and 255 are read as 0/1; where 255 means "ignored" say so with `mask_values=(0, 1)`.
"""

import base64
import html
from collections.abc import Sequence

import cv2
import numpy as np

from segcourse.errors import DataError
from segcourse.palette import IGNORE, IGNORE_COLOUR, Palette

# Black and white is the truth that was found. The errors are Okabe-Ito colours that differ in lightness too,
# so that they survive colour blindness and grey printers.
ERROR_COLOURS = {
    "true negative": (0, 0, 0),
    "true positive": (255, 255, 255),
    "false positive": (213, 94, 0),
    "false negative": (86, 180, 233),
    "wrong class": (240, 228, 66),
    "ignored": IGNORE_COLOUR,
}
TN, TP, FP, FN, WRONG, VOID = range(6)
_ERROR_TABLE = np.array(list(ERROR_COLOURS.values()), dtype=np.uint8)


def to_array(values) -> np.ndarray:
    """Return a tensor (any device and precision, also with a graph), picture or nested list as an array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = (values.float() if values.is_floating_point() else values).numpy()
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(
            "the rows of a nested list have different lengths; give every row the same."
        ) from error
    if array.dtype.kind not in "buif":
        raise DataError(
            f"got {type(values).__name__}; a picture is an array or tensor of numbers. "
            "Read a file first, with segcourse.data.images.read_image(path) or read_mask(path)."
        )
    return array


def _is_list(values) -> bool:
    """True for a list of pictures; False for one picture, also one written as nested lists of numbers."""
    return isinstance(values, list | tuple) and any(
        hasattr(v, "shape") or hasattr(v, "__array_interface__") or isinstance(v, str) for v in values
    )


def as_images(images) -> list[np.ndarray]:
    """Return one image, a batch or a list as a list of uint8 H×W×3 RGB arrays (formats: see the module).

    Raises:
        DataError: not an image, or values outside [0, 1] (floats) or 0 … 255 (integers).

    >>> as_images([[0.0, 1.0]])[0].tolist()
    [[[0, 0, 0], [255, 255, 255]]]
    """
    if _is_list(images):
        return [one for item in images for one in as_images(item)]
    array = to_array(images)
    channels_first = hasattr(images, "detach")
    return [_image(one, channels_first) for one in (array if array.ndim == 4 else [array])]


def _image(array: np.ndarray, channels_first: bool) -> np.ndarray:
    shape = "×".join(map(str, array.shape)) or "a single number"
    if array.ndim == 3:
        first, last = array.shape[0] in (1, 3), array.shape[2] in (1, 3)
        if first and (channels_first or not last):
            array = array.transpose(1, 2, 0)
        elif not last:
            raise DataError(
                f"an image has shape {shape}; H×W, or 1 or 3 channels first or last, were expected. "
                "Leave out a fourth (alpha) channel; give several grey images as N×1×H×W."
            )
    elif array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.size == 0:
        raise DataError(f"an image has shape {shape}; H×W, C×H×W or H×W×C with C 1 or 3 was expected.")
    if array.dtype.kind == "b":
        array = array.astype(np.uint8) * 255
    low, high = array.min(), array.max()  # a NaN comes out here and fails both comparisons below
    if array.dtype.kind == "f":
        if not (low >= -0.01 and high <= 1.01):  # resizing overshoots a little
            raise DataError(
                f"image values run from {low:.3g} to {high:.3g}; floats in [0, 1] or uint8 in 0 … 255 were "
                "expected. Undo a normalisation with image * std + mean; divide 0 … 255 floats by 255."
            )
        array = (array.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    elif low < 0 or high > 255:
        raise DataError(
            f"image values run from {low} to {high}; integers in 0 … 255 were expected. "
            "For a 16-bit image divide by 65535 to get floats in [0, 1]."
        )
    array = array.astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def as_masks(
    masks,
    sizes: Sequence[tuple[int, int]],
    what: str = "mask",
    mask_values: Sequence[int] | None = None,
    num_classes: int = 2,
    scores: bool = False,
) -> list[np.ndarray]:
    """Return masks for images of the given (height, width)s as a list of uint8 H×W class ids (formats: see
    the module).

    Args:
        masks: one mask, a batch or a list, as many as there are `sizes`.
        sizes: height and width of each image.
        what: the masks' name in error sentences.
        mask_values: the value of class 0, of class 1, …, e.g. (0, 255); 255 stays "ignored" unless it is
            listed.
        num_classes: above 2, masks of only 0 and 255 are class 0 and ignored pixels.
        scores: C×H×W floats are logits or probabilities, and the largest wins.

    Raises:
        DataError: another size or number than the images, values that are not class ids, or a format with two
            readings.

    >>> as_masks([[0, 255], [255, 0]], [(2, 2)])[0].tolist()
    [[0, 1], [1, 0]]
    """
    if _is_list(masks):
        items = [to_array(mask) for mask in masks]
    else:
        array = to_array(masks)
        batch = array.ndim == 4 or (array.ndim == 3 and len(sizes) > 1)
        items = list(array) if batch else [array]
    if len(items) != len(sizes):
        raise DataError(
            f"{len(sizes)} image(s) and {len(items)} {what}(s) were given; give one {what} an image."
        )
    labels = [_labels(item, tuple(size), what, scores) for item, size in zip(items, sizes, strict=True)]
    values = np.flatnonzero(sum(np.bincount(mask.ravel(), minlength=256) for mask in labels))
    if mask_values is None and num_classes == 2 and 255 in values and set(values.tolist()) <= {0, 255}:
        mask_values = (0, 255)
    if mask_values is None:
        return labels
    table = np.full(256, IGNORE, dtype=np.uint8)
    table[list(mask_values)] = range(len(mask_values))
    unknown = set(values.tolist()) - set(mask_values) - {IGNORE}
    if unknown:
        raise DataError(f"{what} values {sorted(unknown)} are not among mask_values={tuple(mask_values)}.")
    return [table[mask] for mask in labels]


def _labels(array: np.ndarray, size: tuple[int, int], what: str, scores: bool) -> np.ndarray:
    shape = "×".join(map(str, array.shape))
    if array.ndim == 3 and array.shape[1:] == size:
        array = array[0] if len(array) == 1 else _winner(array, what, scores)
    elif array.shape == (*size, 1):
        array = array[..., 0]
    elif array.shape == (*size, 3):
        raise DataError(f"the {what} is a colour picture; turn it into class ids with palette.labels(mask).")
    if array.shape != size:
        raise DataError(
            f"an image is {size[0]}×{size[1]} (height × width) and its {what} is {shape}; the sizes "
            "must be equal. Resize masks by nearest neighbour, and logits before taking the largest."
        )
    if array.dtype.kind == "f" and not (array == np.floor(array)).all():  # NaN is not equal to itself
        raise DataError(
            f"the {what} holds fractions or NaN; class ids are whole numbers. "
            "Choose a threshold first: probability > 0.5 is the same as logit > 0."
        )
    if array.size and (array.min() < 0 or array.max() > 255):
        raise DataError(
            f"{what} values run from {array.min():g} to {array.max():g}; class ids 0 … 254 were expected, "
            "and 255 for pixels to ignore."
        )
    return array.astype(np.uint8)


def _winner(array: np.ndarray, what: str, scores: bool) -> np.ndarray:
    one_hot = ((array == 0) | (array == 1)).all() and (array.sum(axis=0) == 1).all()
    if not one_hot and not (scores and array.dtype.kind == "f"):
        raise DataError(
            f"the {what} has {len(array)} channels that are not one-hot (one 1 a pixel, else 0), so it "
            "has no single class a pixel; give class ids H×W"
            + (", or logits C×H×W as floats." if scores else ".")
        )
    if not np.isfinite(array).all():
        raise DataError(f"the {what} holds NaN or infinite scores; no class wins there.")
    return array.argmax(axis=0)


def background_class(palette: Palette) -> int | None:
    """Return 0 where class 0 is the rest of the picture (two classes, or named "background"), else None."""
    return 0 if len(palette.names) == 2 or palette.names[0] == "background" else None


def overlay(
    image, mask, palette: Palette | None = None, alpha: float = 0.5, background: int | None = 0
) -> np.ndarray:
    """Tint an image with its mask's class colours and return uint8 H×W×3.

    Args:
        image, mask: one of each, in any format that the module accepts.
        palette: class colours; by default two classes, Okabe-Ito.
        alpha: 0 shows the image alone, 1 the colours alone.
        background: the class that is not tinted; None tints every class.

    Raises:
        DataError: sizes differ, or a class id beyond the palette.

    >>> from segcourse.palette import Palette
    >>> overlay([[0.0, 1.0]], [[1, 0]], Palette(("rest", "it"), ((0, 0, 0), (200, 100, 0)))).tolist()
    [[[100, 50, 0], [255, 255, 255]]]
    """
    palette = palette or Palette.default(("background", "foreground"))
    (picture,) = as_images(image)
    (labels,) = as_masks(mask, [picture.shape[:2]], num_classes=len(palette.names))
    tinted = cv2.addWeighted(picture, 1 - alpha, palette.colourise(labels), alpha, 0)
    return tinted if background is None else np.where((labels == background)[..., None], picture, tinted)


def error_map(true, pred, background: int | None = 0) -> np.ndarray:
    """Colour each pixel by what happened there, as uint8 H×W×3 in `ERROR_COLOURS`.

    White: found (true positive). Vermillion: predicted only (false positive). Sky blue: missed (false
    negative). Black: background in both. Yellow: a foreground class taken for another. Grey: ignored. With
    `background=None` every class counts alike, and a pixel is right (black), wrong (yellow) or ignored.

    Raises:
        DataError: sizes differ, or values that are not class ids.

    >>> error_map([[1, 1, 0, 0]], [[1, 0, 1, 0]])[0].tolist()
    [[255, 255, 255], [86, 180, 233], [213, 94, 0], [0, 0, 0]]
    """
    size = to_array(true).shape[-2:]
    (truth,) = as_masks(true, [size], "true mask")
    (guess,) = as_masks(pred, [size], "prediction", scores=True)
    outcome = np.where(truth == guess, np.uint8(TN), np.uint8(WRONG))
    if background is not None:
        outcome[(truth == guess) & (truth != background)] = TP
        outcome[(truth == background) & (guess != background)] = FP
        outcome[(truth != background) & (guess == background)] = FN
    outcome[truth == IGNORE] = VOID
    return _ERROR_TABLE[outcome]


def png(picture: np.ndarray) -> bytes:
    """Return a uint8 H×W×3 RGB array as PNG bytes, written for speed: compressed lightly."""
    return cv2.imencode(".png", picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def img_tag(data: bytes, alt: str, width: int) -> str:
    """Return an <img> with PNG bytes inside and an alternative text; at most `width` CSS pixels wide."""
    encoded = base64.b64encode(data).decode()
    style = f"width:{width}px;max-width:100%;height:auto"
    return f'<img alt="{html.escape(alt)}" style="{style}" src="data:image/png;base64,{encoded}">'
