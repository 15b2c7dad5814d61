"""Convert images and masks of many formats to plain arrays for plotting.

Accepted formats, everywhere in the course:

- Images: tensors or arrays of any device and float type, H×W, C×H×W or H×W×C with 1 or 3 channels. A batch of
  these works too, and so does a list, in which sizes can differ. Values are floats in [0, 1], integers in
  0 … 255, or booleans. If a shape fits both layouts (3×W×3), a tensor is read as C×H×W and an array as H×W×C.
  Normalised images are refused, because their values are not colours.
- Masks: class ids (255 = ignored), booleans, 0/1 or 0/255, as H×W, 1×H×W, N×H×W, N×1×H×W or a list; or exact
  one-hot C×H×W. Predictions can also be logits or probabilities C×H×W with C ≥ 2. A mask that holds only 0
  and 255 is read as 0/1; if 255 means "ignored", pass `mask_values=(0, 1)`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from segcourse.errors import DataError
from segcourse.palette import IGNORE


def to_array(values: Any) -> np.ndarray:
    """Convert a tensor (any device and precision), an image or a nested list to a NumPy array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = (values.float() if values.is_floating_point() else values).numpy()
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(
            "the rows of a nested list have different lengths; give all rows the same length."
        ) from error
    if array.dtype.kind not in "buif":
        raise DataError(
            f"got {type(values).__name__}; expected an array or tensor of numbers. "
            "Read a file with segcourse.data.images.read_image(path) or read_mask(path) first."
        )
    return array


def _is_list(values: Any) -> bool:
    """Return True for a list of images, False for one image (also as nested lists of numbers)."""
    return isinstance(values, list | tuple) and any(
        hasattr(v, "shape") or hasattr(v, "__array_interface__") or isinstance(v, str) for v in values
    )


def as_images(images: Any) -> list[np.ndarray]:
    """Convert one image, a batch or a list to a list of uint8 H×W×3 RGB arrays; see the module's formats.

    Raises:
        DataError: the input is not an image, or its values are outside [0, 1] (floats) or 0 … 255 (integers).

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
                f"an image has shape {shape}; expected H×W, C×H×W or H×W×C with C = 1 or 3. "
                "Drop the alpha channel if there is one; give several grey images as N×1×H×W."
            )
    elif array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.size == 0:
        raise DataError(f"an image has shape {shape}; expected H×W, C×H×W or H×W×C with C = 1 or 3.")
    if array.dtype.kind == "b":
        array = array.astype(np.uint8) * 255
    low, high = array.min(), array.max()  # a NaN makes both NaN, and both comparisons below fail
    if array.dtype.kind == "f":
        if not (low >= -0.01 and high <= 1.01):  # resizing can overshoot slightly
            raise DataError(
                f"image values run from {low:.3g} to {high:.3g}; expected floats in [0, 1] or uint8 "
                "in 0 … 255. Undo a normalisation with image * std + mean; divide floats in 0 … 255 by 255."
            )
        array = (array.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    elif low < 0 or high > 255:
        raise DataError(
            f"image values run from {low} to {high}; expected integers in 0 … 255. "
            "Divide a 16-bit image by 65535 to get floats in [0, 1]."
        )
    array = array.astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def as_masks(
    masks: Any,
    sizes: Sequence[tuple[int, ...]],
    what: str = "mask",
    mask_values: Sequence[int] | None = None,
    num_classes: int = 2,
    scores: bool = False,
) -> list[np.ndarray]:
    """Convert masks to a list of uint8 H×W class ids, one per image; the module lists formats.

    Args:
        masks: one mask, a batch or a list.
        sizes: (height, width) of each image.
        what: the masks' name in error messages.
        mask_values: the value of each class in the masks, such as (0, 255). 255 means "ignored" unless it is
            listed. Default: the values are class ids, or 0/255 for two classes.
        num_classes: with more than 2, a mask of 0 and 255 holds class 0 and ignored pixels.
        scores: accept logits or probabilities C×H×W, and take the class with the largest score.

    Raises:
        DataError: the masks differ from the images in number or size, values are not class ids, or the
            format is ambiguous.

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
            f"{len(sizes)} image(s) and {len(items)} {what}(s) were given; give one {what} per image."
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
        raise DataError(f"{what} values {sorted(unknown)} are not in mask_values={tuple(mask_values)}.")
    return [table[mask] for mask in labels]


def _labels(array: np.ndarray, size: tuple[int, ...], what: str, scores: bool) -> np.ndarray:
    shape = "×".join(map(str, array.shape))
    if array.ndim == 3 and array.shape[1:] == size:
        array = array[0] if len(array) == 1 else _argmax(array, what, scores)
    elif array.shape == (*size, 1):
        array = array[..., 0]
    elif array.shape == (*size, 3):
        raise DataError(f"the {what} is a colour image; convert it to class ids with palette.labels(mask).")
    if array.shape != size:
        raise DataError(
            f"an image is {size[0]}×{size[1]} (height × width) and its {what} is {shape}; the sizes "
            "must be equal. Resize masks by nearest neighbour; resize logits before the argmax."
        )
    if array.dtype.kind == "f" and not (array == np.floor(array)).all():  # NaN differs from itself
        raise DataError(
            f"the {what} holds fractions or NaN; class ids are integers. "
            "Apply a threshold first: probability > 0.5 is the same as logit > 0."
        )
    if array.size and (array.min() < 0 or array.max() > 255):
        raise DataError(
            f"{what} values run from {array.min():g} to {array.max():g}; expected class ids 0 … 254, "
            "and 255 for ignored pixels."
        )
    return array.astype(np.uint8)


def _argmax(array: np.ndarray, what: str, scores: bool) -> np.ndarray:
    one_hot = ((array == 0) | (array == 1)).all() and (array.sum(axis=0) == 1).all()
    if not one_hot and not (scores and array.dtype.kind == "f"):
        raise DataError(
            f"the {what} has {len(array)} channels that are not one-hot (a single 1 per pixel, else 0), so "
            "the class of a pixel is not clear; give class ids H×W"
            + (", or logits C×H×W as floats." if scores else ".")
        )
    if not np.isfinite(array).all():
        raise DataError(f"the {what} holds NaN or infinite scores, so these pixels have no class.")
    return array.argmax(axis=0)
