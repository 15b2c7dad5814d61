"""Read anybody's images and masks (arrays, tensors, PIL images, pairs of these) as `Sample`s."""

import io
import os
from collections.abc import Mapping, Sequence, Sized
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset

from segcourse.data import Sample, SampleDataset
from segcourse.data.decode import name_of, open_image
from segcourse.data.images import refuse_twelve_bits, to_rgb
from segcourse.errors import DataError, first_few
from segcourse.palette import IGNORE

_OUTSIDE = 0.1  # resizing and colour changes may leave [0, 1] by less than this


def as_samples(
    dataset: Any, channels: int = 3, normalised: bool = False, num_classes: int | None = None
) -> SampleDataset:
    """Return a data set whose items are `Sample`s; the course's own data sets are returned unchanged.

    Args:
        dataset: anything with a length whose items are (image, mask), (image, mask, name) or a dict with
            "image", "mask" and perhaps "name": a list of pairs, a TensorDataset, another library's data set.
            Images: see `image_tensor`. Masks: see `mask_tensor`.
        channels: channels of an image.
        normalised: accept image values outside [0, 1].
        num_classes: the number of classes, if known; masks with other ids are then refused.

    Raises:
        DataError: `dataset` can't be indexed, such as a DataLoader or a generator. Reading an item raises it
            for what is not an image with its mask.

    >>> sample = as_samples([(np.zeros((2, 3, 3), np.uint8), np.ones((2, 3), bool))])[0]
    >>> sample.image.shape, sample.mask.tolist(), sample.name
    (torch.Size([3, 2, 3]), [[1, 1, 1], [1, 1, 1]], 'image 0')
    """
    if isinstance(dataset, DataLoader):
        raise DataError(
            "a DataLoader was given; expected its data set, because segcourse makes the batches itself (only "
            f"so can it resume a run). Pass loader.dataset, batch_size={dataset.batch_size or 16} and "
            f"workers={dataset.num_workers}."
        )
    if isinstance(dataset, Mapping) or not (isinstance(dataset, Sized) and hasattr(dataset, "__getitem__")):
        raise DataError(
            f"the data are a {type(dataset).__name__}; expected something with a length and an index, such "
            "as a list of pairs (image, mask). Of a generator, make a list first: list(pairs)."
        )
    if isinstance(dataset, Samples) or class_names_of(dataset) is not None:
        return dataset  # type: ignore[return-value]
    return Samples(dataset, channels, normalised, num_classes)


def class_names_of(dataset: Any) -> Sequence[str] | None:
    """Return the names of the classes, if a data set (or the one behind a Subset) knows them."""
    while not hasattr(dataset, "class_names") and hasattr(dataset, "dataset"):
        dataset = dataset.dataset
    return getattr(dataset, "class_names", None)


class Samples(Dataset):
    """A data set of any pairs as `Sample`s; arguments as in `as_samples`."""

    def __init__(self, dataset: Any, channels: int, normalised: bool, num_classes: int | None):
        self.dataset, self.channels, self.normalised = dataset, channels, normalised
        self.num_classes = num_classes

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        image, mask, name = _parts(self.dataset[index], index)
        try:
            pixels, labels = _pixels(image, self.channels), mask_tensor(mask, self.num_classes)
            if not self.normalised:
                _refuse_normalised(pixels)
        except DataError as error:
            raise DataError(f"{name}: {error}") from error
        if pixels.shape[-2:] != labels.shape:
            image_size, mask_size = ("×".join(map(str, one.shape[-2:])) for one in (pixels, labels))
            raise DataError(
                f"the image {name} is {image_size}, but its mask is {mask_size}; give masks at the "
                "size of their images."
            )
        return Sample(pixels, labels, name)


def _parts(item: Any, index: int) -> tuple[Any, Any, str]:
    if isinstance(item, Mapping) and {"image", "mask"} <= item.keys():
        item = [item[key] for key in ("image", "mask", "name") if key in item]
    if not isinstance(item, tuple | list) or len(item) not in (2, 3):
        keys = f" with the keys {first_few(list(item))}" if isinstance(item, Mapping) else ""
        raise DataError(
            f"item {index} of the data is a {type(item).__name__}{keys}; expected (image, mask), "
            '(image, mask, name) or a dict with "image" and "mask". Of one array of images and one of masks, '
            "make list(zip(images, masks))."
        )
    return item[0], item[1], str(item[2]) if len(item) == 3 else f"image {index}"


def image_tensor(image: Any, channels: int = 3) -> torch.Tensor:
    """Convert an image to float32 C×H×W in [0, 1] on the CPU.

    Args:
        image: a path, the content of a file (`io.BytesIO`), a PIL image, an array or a tensor: uint8, uint16
            (of 65535) or floats in [0, 1], of shape H×W, H×W×C or C×H×W. Where both fit, arrays are H×W×C
            and tensors are C×H×W.
        channels: C, the number of channels that the network takes. For 3, grey images are repeated and
            images with an alpha channel (uint8) are laid on white.

    Raises:
        DataError: the shape or the values are not those of an image with that number of channels.

    >>> image_tensor(np.array([[[255, 0, 51]]], dtype=np.uint8)).flatten().tolist()
    [1.0, 0.0, 0.20000000298023224]
    """
    pixels = _pixels(image, channels)
    if not (pixels.min() >= 0 and pixels.max() <= 1):  # false for NaN, too
        raise DataError(_out_of_range(pixels, "leave the normalisation to the Segmenter"))
    return pixels


def pixel_tensor(image: Any, channels: int = 3) -> torch.Tensor:
    """Convert an image to C×H×W on the CPU; 8-bit values stay uint8 0 to 255, others become `image_tensor`'s.

    A uint8 array that can be written to is not copied: a memory-mapped image (`numpy.memmap`, mode "c") stays
    on the disk, unless it has an alpha channel.

    Args:
        image, channels: as in `image_tensor`.

    Raises:
        DataError: as in `image_tensor`.
    """
    values = _channels_first(image, channels)
    return values if values.dtype == torch.uint8 else image_tensor(values, channels)


def mask_tensor(mask: Any, num_classes: int | None = None) -> torch.Tensor:
    """Convert a mask to class ids, int64 H×W on the CPU; 255 means ignored.

    Args:
        mask: a PIL image, an array or a tensor, of shape H×W, 1×H×W or H×W×1: booleans, integers, or floats
            that are whole numbers.
        num_classes: the number of classes, if known.

    Raises:
        DataError: the shape or the values are not those of class ids.

    >>> mask_tensor(np.array([[0.0, 1.0]])).tolist()
    [[0, 1]]
    """
    labels = _tensor(np.asarray(mask) if isinstance(mask, Image.Image) else mask)
    shape = tuple(labels.shape)
    if labels.ndim == 3 and 1 in (shape[0], shape[-1]):
        labels = labels[0] if shape[0] == 1 else labels[..., 0]
    if labels.ndim != 2:
        raise DataError(
            f"the mask has shape {shape}; expected H×W class ids. Of one channel per class, take the argmax."
        )
    ids = labels.long()
    if labels.is_floating_point() and not torch.equal(ids.to(labels.dtype), labels):
        raise DataError(
            f"the mask holds fractions, from {labels.min():.3g} to {labels.max():.3g}; expected class ids. "
            "Of a soft mask in [0, 1], give mask > 0.5."
        )
    if num_classes is not None and ((ids < 0) | (ids >= num_classes)).any():
        _refuse_unknown(ids.unique().tolist(), num_classes, stored=labels.dtype)
    return ids


def _refuse_unknown(found: list[int], num_classes: int, stored: torch.dtype) -> None:
    # int64 is what PyTorch's losses take: there, somebody has already decided that 255 means ignored
    if num_classes == 2 and found in ([0, IGNORE], [IGNORE]) and stored != torch.int64:
        raise DataError(
            f"the mask holds {first_few(found)}, and 255 means ignored; expected 0 and 1. If 255 is the "
            "foreground, give mask > 0."
        )
    if unknown := [value for value in found if value != IGNORE and not 0 <= value < num_classes]:
        raise DataError(
            f"the mask holds {first_few(unknown)}; expected class ids 0..{num_classes - 1}, or 255 for "
            "ignored pixels. Give the network one output per class, or map the values to ids."
        )


def _refuse_normalised(pixels: torch.Tensor) -> None:
    if pixels.min() < -_OUTSIDE or pixels.max() > 1 + _OUTSIDE:  # false for NaN, whose images `fit` names
        raise DataError(
            _out_of_range(
                pixels,
                "leave the normalisation to segcourse (`normalise=` of fit). For images that have to stay as "
                "they are, pass normalise=((0, 0, 0), (1, 1, 1)), with one number per channel",
            )
        )


def _out_of_range(pixels: torch.Tensor, advice: str) -> str:
    low, high = pixels.min().item(), pixels.max().item()
    return (
        f"image values run from {low:.3g} to {high:.3g}; expected floats in [0, 1]. Divide 0 … 255 by 255, "
        f"and {advice}."
    )


def _pixels(image: Any, channels: int) -> torch.Tensor:
    """Return an image as float32 C×H×W, without looking at the range of floats."""
    pixels = _channels_first(image, channels)
    if pixels.dtype == torch.uint8:
        return pixels / 255
    if pixels.dtype == torch.uint16:
        pixels = pixels.float()
        refuse_twelve_bits(pixels.max().item(), "the image")
        return pixels / 65535
    if not pixels.is_floating_point():
        raise DataError(f"image values are {pixels.dtype}; expected uint8, uint16 or floats in [0, 1].")
    return pixels.float()


def _channels_first(image: Any, channels: int) -> torch.Tensor:
    """Return the values of an image as they are, C×H×W."""
    if isinstance(image, str | os.PathLike | io.BytesIO):
        image = _bands(open_image(image), channels, name_of(image))
    elif channels == 3 and isinstance(image, np.ndarray) and _has_alpha(image):
        image = _bands(Image.fromarray(image), channels, "the image")
    elif isinstance(image, Image.Image):
        image = _bands(image, channels, "the image")
    rows_of_pixels = isinstance(image, np.ndarray)
    pixels = _tensor(image)
    if pixels.ndim == 2:
        pixels = pixels[None]
    first, last = ((1, 3), (1, 3, 4)) if channels == 3 else ((channels,), (channels,))
    fits_first = pixels.ndim == 3 and pixels.shape[0] in first
    fits_last = pixels.ndim == 3 and pixels.shape[-1] in last
    if not (fits_first or fits_last) or 0 in pixels.shape:
        raise DataError(_wrong_shape(tuple(pixels.shape), channels))
    if fits_last and (rows_of_pixels or not fits_first):
        pixels = pixels.permute(2, 0, 1)
    return pixels[:channels].expand(channels, -1, -1)


def _has_alpha(image: np.ndarray) -> bool:
    return image.dtype == np.uint8 and image.ndim == 3 and image.shape[-1] == 4


def _bands(image: Image.Image, channels: int, where: str | os.PathLike) -> np.ndarray:
    """Return a PIL image as uint8 H×W×3, H×W for one channel, or H×W×4 where it has and shall have four."""
    if channels == 4 and image.mode == "RGBA":
        return np.asarray(ImageOps.exif_transpose(image))
    rgb = to_rgb(image, where)
    return np.asarray(rgb.convert("L") if channels == 1 else rgb)


def _wrong_shape(shape: tuple[int, ...], channels: int) -> str:
    sentence = f"the image has shape {shape}; expected H×W×{channels} or {channels}×H×W."
    given = min(shape[0], shape[-1]) if len(shape) == 3 else 0
    if 0 < given < 5 and channels not in shape:
        sentence += (
            f" Images of {given} channels need a network with in_channels={given}, and a normalisation with "
            f"{given} means and {given} standard deviations; this one has {channels}."
        )
    return sentence


def _tensor(values: Any) -> torch.Tensor:
    if isinstance(values, torch.Tensor):
        return values.detach().cpu().as_subclass(torch.Tensor)
    if not isinstance(values, np.ndarray | list | tuple):
        raise DataError(f"got {type(values).__name__}; expected an array, a tensor or a PIL image.")
    array = np.ascontiguousarray(values)
    # 8 bits are converted by every caller, so that no one writes into somebody's array
    if array.dtype == np.uint8 and array.flags.writeable:
        return torch.from_numpy(array)
    return torch.tensor(array)
