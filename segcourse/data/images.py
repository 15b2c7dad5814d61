"""Read image and mask files of any usual format: JPEG, PNG, GIF, BMP, TIFF or WebP.

All formats are read the same way. Images come out upright (EXIF orientation applied). 16-bit grey is scaled
to 8 bits, and so is 12-bit grey if the file says that it has 12 bits. Colours are converted from the file's
colour profile to sRGB, and transparent pixels are blended over white, as in an image viewer. Only the first
frame of an animation is read; a TIFF file of several pages is refused. A file that can't be read raises a
DataError with one sentence.
"""

import io
import os
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image, ImageCms, ImageOps

from segcourse.data.decode import Size, Source, height_width, name_of, open_image
from segcourse.errors import DataError, first_few
from segcourse.palette import IGNORE, Palette

WHITE = 255
_BITS_PER_SAMPLE = 258  # a TIFF tag
_JPEG_BLUR = 32  # class values must differ by more than this to survive JPEG compression


def read_image(path: Source, size: Size | None = None) -> np.ndarray:
    """Read an image as uint8 H×W×3 RGB.

    A large JPEG with a small `size` is decoded at a fraction of its size, which is several times faster.

    Args:
        path: the image file, or its content: `io.BytesIO(content)`.
        size: side in pixels or (height, width) to resize to, bilinearly with antialiasing. Default: none.

    Raises:
        DataError: the file is missing, not an image, damaged, larger than `MAX_PIXELS`, or holds
            floating-point values.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "grey16.png"
    >>> Image.fromarray(np.array([[0, 257, 65535]], dtype=np.uint16)).save(path)  # 257 is 1/255 of the range
    >>> read_image(path)[0].tolist()
    [[0, 0, 0], [1, 1, 1], [255, 255, 255]]
    """
    image = to_rgb(open_image(path, size), name_of(path))
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
    """Read a mask as uint8 H×W class ids, 255 for ignored pixels.

    In an indexed PNG (as in VOC) the indices are the values, unless all colours are grey: then the grey
    levels are the values.

    Args:
        path: the mask file.
        mask_values: the value of each class in the file, in the order of class ids: `(0, 255)` makes 255
            class 1, and the 1 of a one-bit mask as well. Default: the values are the ids. 255 means "ignored"
            unless it is listed. JPEG does not keep exact values, so each pixel of a JPEG is rounded to the
            nearest of these values.
        void_values: values that become 255.
        palette: class colours, for masks stored as colours.
        size: side in pixels or (height, width) to resize to, by nearest neighbour. Default: none.

    Raises:
        DataError: the file can't be read (see `read_image`), holds colours but no palette is given, or
            holds values that are not in `mask_values`.

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
    """Convert mask values (uint8) to class ids: each value's position in `mask_values`.

    Args:
        values: the mask, any shape.
        mask_values: the value of each class. Default: 0, 1, 2, … With black and white, `(0, 255)`, a mask
            that holds 1 and no 255 was saved with one bit or as 0/1: its 1 means what 255 means.
        void_values: values that become 255.
        nearest: round each value to the nearest of `mask_values`, if those differ by more than 32.
        where: the mask's name in error messages.

    Raises:
        DataError: a value is not in `mask_values`; or ids 0 and 1 were expected and the mask holds 255, but
            not 1. Then 255 can mean class 1 or "ignored"; `void_values=(255,)` chooses "ignored".

    >>> class_ids(np.uint8([[0, 128, 255, 7]]), mask_values=(0, 128), void_values=(7,)).tolist()
    [[0, 1, 255, 255]]
    >>> class_ids(np.uint8([[0, 1]]), mask_values=(0, 255)).tolist()
    [[0, 1]]
    """
    listed = np.arange(IGNORE) if mask_values is None else np.asarray(mask_values, dtype=int)
    if nearest and np.diff(np.sort(listed)).min(initial=256) > _JPEG_BLUR:
        return np.abs(np.arange(256)[:, None] - listed).argmin(1).astype(np.uint8)[values]
    table = np.full(256, -1)
    table[IGNORE] = IGNORE
    table[listed] = np.arange(len(listed))
    table[list(void_values)] = IGNORE
    present = np.flatnonzero(np.bincount(values.ravel(), minlength=256))
    if is_one_bit(present, listed) and 1 not in void_values:
        table[1] = table[WHITE]
    unclear = {WHITE} <= {*present} <= {0, WHITE} and [*listed] == [0, 1] and WHITE not in void_values
    if unclear or table[present].min(initial=0) < 0:
        raise DataError(_unexpected_values(present, listed, where))
    return table[values].astype(np.uint8)


def is_one_bit(present: Iterable[int], listed: Iterable[int]) -> bool:
    """Return True if 1 means white in a mask that holds the values `present`, in a black-and-white data set.

    >>> is_one_bit({0, 1}, (0, 255)), is_one_bit({0, 1, 255}, (0, 255)), is_one_bit({0, 1}, (0, 1))
    (True, False, False)
    """
    return {*listed} == {0, WHITE} and 1 in present and WHITE not in present


def _unexpected_values(found: np.ndarray, listed: np.ndarray, where: str) -> str:
    is_range = np.array_equal(listed, np.arange(len(listed)))
    wanted = f"class ids 0..{len(listed) - 1}" if is_range else f"{tuple(listed.tolist())}"
    if found.tolist() == [0, 255]:
        advice = (
            "For a binary mask saved as 0/255 pass mask_values=(0, 255). If 255 means ignored, pass "
            "void_values=(255,)."
        )
    elif len(found) <= 8:
        advice = f"If these are the values of the classes, pass mask_values={tuple(found.tolist())}."
    else:
        advice = f"{len(found)} different values mean a photo, or a mask saved as JPEG: save masks as PNG."
    return f"{where}: mask values are {{{first_few(found.tolist(), 8)}}}; expected {wanted}. {advice}"


def to_rgb(image: Image.Image, path: str | os.PathLike) -> Image.Image:
    """Convert an image of any mode to 8-bit RGB, upright; `path` names it in error messages."""
    highest = 4095 if getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE) == (12,) else 65535
    image = _in_srgb(ImageOps.exif_transpose(image))
    if image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(np.asarray(image), path, highest)).convert("RGB")
    if image.mode == "F":
        raise DataError(f"{path} holds floating-point values; save it with 8 or 16 bits per channel.")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _in_srgb(image: Image.Image) -> Image.Image:
    """Convert colours from the profile in the file: phones have Display P3, scans Adobe RGB, prints CMYK."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK"):
        return image
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(given):
            return image
        mode = "RGB" if image.mode == "CMYK" else image.mode
        made = ImageCms.profileToProfile(image, given, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):  # damaged, or of another mode: as if it were not there
        return image
    return image if made is None else made


def _eight_bits(grey: np.ndarray, path: str | os.PathLike, highest: int) -> np.ndarray:
    if grey.min(initial=0) < 0 or grey.max(initial=0) > 65535:
        raise DataError(f"{path} holds values {grey.min()} to {grey.max()}; expected 8 or 16 bits per pixel.")
    if highest == 65535:
        refuse_twelve_bits(grey.max(initial=0), path)
    return np.round(grey / (highest / 255)).astype(np.uint8)


def refuse_twelve_bits(largest: float, where: str | os.PathLike) -> None:
    """Raise a DataError if the largest of an image's 16-bit values shows that the camera had fewer bits.

    Scaled as 16 bits, such an image is nearly black, and 8 bits keep at most 16 grey levels of it.
    """
    if 255 < largest < 4096:
        raise DataError(
            f"{where} has 16 bits per pixel, but its largest value is {largest:.0f} of 65535, as if from a "
            "camera with 12 bits or fewer: it would be read as nearly black. Save it with 8 bits per pixel, "
            "as bright as it should look, or multiply a 12-bit image by 16."
        )


def _mask_values(image: Image.Image, path: str | os.PathLike, palette: Palette | None) -> np.ndarray:
    """Return the values stored in a mask file (uint8 H×W), before they become class ids."""
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
        if values.max(initial=0) == 65535 and np.isin(values, (0, 65535)).all():
            values = values // 257  # black and white in 16 bits
        if values.min(initial=0) < 0 or values.max(initial=0) > 255:
            raise DataError(
                f"{path}: mask values go up to {values.max()}; class ids are 0..254, and 255 means ignored. "
                "Save class ids 0, 1, 2, … with 8 bits per pixel."
            )
        return values.astype(np.uint8)
    if image.mode == "F":
        raise DataError(f"{path} holds floating-point values; class ids are integers: save the mask as PNG.")
    rgb = np.array(image.convert("RGB"))
    grey = (rgb == rgb[..., :1]).all()
    if palette is not None:  # first: a class may be black or grey, and an image may show this class alone
        try:
            return palette.labels(rgb)
        except DataError as error:
            if not grey:
                raise DataError(f"{path}: {error}") from error
    if grey:
        return rgb[..., 0].copy()
    raise DataError(
        f"{path} is a colour image; a mask holds one class id per pixel. If its colours stand for classes, "
        "pass palette=Palette(names, colours)."
    )
