"""Image and mask files, read the same way whatever their format: JPEG, PNG, GIF, BMP, TIFF or WebP.

What the formats disagree about is decided here, once: pictures come out upright (EXIF orientation applied),
16-bit grey is scaled to 8 bits and not wrapped, transparency is laid over white (what a viewer shows), the
first frame of an animation counts, and whatever cannot be read is a sentence.
"""

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from segcourse.data.decode import Size, height_width, open_image
from segcourse.errors import DataError
from segcourse.palette import IGNORE, Palette

_JPEG_BLUR = 32  # values of classes must lie further apart than this to survive a JPEG


def read_image(path: str | os.PathLike, size: Size | None = None) -> np.ndarray:
    """Read a picture as uint8 H×W×3 RGB, resized (bilinear, antialiased) when `size` is given.

    A large JPEG that is to become small is decoded at a fraction of its size, which is several times faster.

    Raises:
        DataError: missing, not an image, damaged, too large (more than `MAX_PIXELS`), or of floating-point
            values.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "grey16.png"
    >>> Image.fromarray(np.array([[0, 257, 65535]], dtype=np.uint16)).save(path)  # 257 is 1/255 of the range
    >>> read_image(path)[0].tolist()
    [[0, 0, 0], [1, 1, 1], [255, 255, 255]]
    """
    image = _rgb(open_image(path, size), path)
    if size is not None:
        image = image.resize(height_width(size)[::-1], Image.Resampling.BILINEAR)
    return np.array(image)


def read_mask(
    path: str | os.PathLike,
    mask_values: Sequence[int] | None = None,
    *,
    void_values: Sequence[int] = (),
    palette: Palette | None = None,
    size: Size | None = None,
) -> np.ndarray:
    """Read a mask as uint8 H×W class ids, 255 where a pixel does not count.

    Args:
        mask_values: the values in the file, in the order of their class ids: `(0, 255)` makes 255 class 1.
            Without it the values are the ids. 255 means "ignored" unless it is listed. In a JPEG, which
            cannot keep exact values, each pixel takes the nearest listed one, if they lie far apart.
        void_values: values that become 255.
        palette: for masks stored as colours.
        size: resized by nearest neighbour, so that no class is invented.

    A palette file (VOC) holds ids in its indices, whatever their colours; if all its colours are grey, the
    grey levels are the values.

    Raises:
        DataError: unreadable as in `read_image`, colours without a palette, or values that `mask_values` does
            not list.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "mask.png"
    >>> Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).save(path)
    >>> read_mask(path).tolist(), read_mask(path, mask_values=(0, 255)).tolist()
    ([[0, 255]], [[0, 1]])
    """
    image = open_image(path)
    lossy = image.format == "JPEG"
    values = _mask_values(ImageOps.exif_transpose(image), path, palette)
    if size is not None:
        values = np.array(Image.fromarray(values).resize(height_width(size)[::-1], Image.Resampling.NEAREST))
    if mask_values is None and not len(void_values):
        return values
    return class_ids(values, mask_values, void_values, nearest=lossy, where=str(path))


def class_ids(
    values: np.ndarray,
    mask_values: Sequence[int] | None,
    void_values: Sequence[int] = (),
    nearest: bool = False,
    where: str = "the mask",
) -> np.ndarray:
    """Turn the values of a mask (uint8) into class ids: the position in `mask_values` of each; void becomes
    255.

    Raises:
        DataError: a value is not listed, and not near to one; or ids 0 and 1 were expected and the mask holds
            0 and 255, which may mean class 1 or "ignored": `void_values=(255,)` says the latter.

    >>> class_ids(np.uint8([[0, 128, 255, 7]]), mask_values=(0, 128), void_values=(7,)).tolist()
    [[0, 1, 255, 255]]
    """
    listed = np.arange(IGNORE) if mask_values is None else np.asarray(mask_values, dtype=int)
    if nearest and np.diff(np.sort(listed)).min(initial=256) > _JPEG_BLUR:
        return np.abs(np.arange(256)[:, None] - listed).argmin(1).astype(np.uint8)[values]
    table = np.full(256, -1)
    table[IGNORE] = IGNORE
    table[list(void_values)] = IGNORE
    table[listed] = np.arange(len(listed))
    present = np.flatnonzero(np.bincount(values.ravel(), minlength=256))
    black_and_white = present.tolist() == [0, 255] and listed.tolist() == [0, 1] and IGNORE not in void_values
    if black_and_white or table[present].min(initial=0) < 0:
        raise DataError(_unexpected_values(present, listed, where))
    return table[values].astype(np.uint8)


def _unexpected_values(found: np.ndarray, listed: np.ndarray, where: str) -> str:
    shown = ", ".join(map(str, found[:8])) + (", …" if len(found) > 8 else "")
    is_range = np.array_equal(listed, np.arange(len(listed)))
    wanted = f"class ids 0..{len(listed) - 1} were" if is_range else f"{tuple(listed.tolist())} was"
    if found.tolist() == [0, 255]:
        cure = (
            "For a binary mask saved as 0/255 pass mask_values=(0, 255); if 255 means ignored, "
            "void_values=(255,)"
        )
    elif len(found) <= 8:
        cure = f"If these are the values of the classes, pass mask_values={tuple(found.tolist())}"
    else:
        cure = "So many values are a picture, or a mask saved as JPEG: save masks as PNG"
    return f"{where}: mask values are {{{shown}}}; {wanted} expected. {cure}"


def _rgb(image: Image.Image, path: str | os.PathLike) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(np.asarray(image), path)).convert("RGB")
    if image.mode == "F":
        raise DataError(f"{path} holds floating-point values; save it with 8 or 16 bits a channel")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _eight_bits(grey: np.ndarray, path: str | os.PathLike) -> np.ndarray:
    if grey.min(initial=0) < 0 or grey.max(initial=0) > 65535:
        raise DataError(
            f"{path} holds values {grey.min()} to {grey.max()}; 8 or 16 bits a pixel were expected"
        )
    return np.round(grey / 257).astype(np.uint8)  # 65535 = 257 * 255


def _mask_values(image: Image.Image, path: str | os.PathLike, palette: Palette | None) -> np.ndarray:
    """The values stored in a mask, uint8 H×W, before they are given a meaning."""
    if image.mode == "P":
        colours = np.array(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
        grey = (colours == colours[:, :1]).all()
        return colours[np.asarray(image), 0] if grey else np.array(image)
    if image.mode in ("1", "L"):
        return np.array(image, dtype=np.uint8)
    if image.mode == "LA":
        return np.array(image)[..., 0]
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min(initial=0) < 0 or values.max(initial=0) > 255:
            raise DataError(
                f"{path}: mask values go up to {values.max()}; class ids are 0..254, and 255 is ignored"
            )
        return values.astype(np.uint8)
    if image.mode == "F":
        raise DataError(
            f"{path} holds floating-point values; class ids are whole numbers: save the mask as PNG"
        )
    rgb = np.array(image.convert("RGB"))
    if (rgb == rgb[..., :1]).all():
        return rgb[..., 0].copy()
    if palette is None:
        raise DataError(
            f"{path} is a colour picture; a mask holds one class id a pixel. If its colours stand for "
            "classes, pass palette=Palette(names, colours)"
        )
    return palette.labels(rgb)
