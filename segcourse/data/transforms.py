"""Joint transforms of image and mask with torchvision's v2 transforms: a flip flips both.

A transform gets a `tv_tensors.Image` (uint8 3×H×W) and a `tv_tensors.Mask` (uint8 H×W). The types matter: v2
treats the first *plain* tensor as the image and returns all other plain tensors unchanged. A mask that is a
plain tensor is silently not flipped. Therefore `segcourse.data.applying` wraps both before it calls the
transform.

All random numbers come from PyTorch's global generator. `fit` seeds it for every sample from its seed, the
epoch and the index, so a resumed training continues with the same augmentation.
"""

from typing import Any

import torch
from torch.nn import functional as F
from torchvision import tv_tensors
from torchvision.transforms import v2

from segcourse.data.decode import Size, height_width
from segcourse.errors import DataError
from segcourse.palette import IGNORE

_FILL = {tv_tensors.Image: 0.0, tv_tensors.Mask: IGNORE, "others": 0}


class Resize(v2.Transform):
    """Resize the image (bilinear, antialiased) and the mask (nearest neighbour), aligned at pixel centres.

    For masks, v2.Resize takes the *top left* pixel of each block; `nearest-exact` takes the centre pixel.
    """

    def __init__(self, size: Size):
        super().__init__()
        self.size = height_width(size)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if tuple(inpt.shape[-2:]) == self.size:
            return inpt
        if isinstance(inpt, tv_tensors.Mask):
            pixels = inpt.as_subclass(torch.Tensor)
            planes = pixels.reshape(1, -1, *pixels.shape[-2:])
            resized = F.interpolate(planes, self.size, mode="nearest-exact")
            return tv_tensors.wrap(resized.reshape(*pixels.shape[:-2], *self.size), like=inpt)
        return v2.functional.resize(inpt, list(self.size), antialias=True)


class RandomZoomCrop(v2.Transform):
    """Crop a random part of image and mask, and resize it to one size, so that objects come in many sizes.

    The zoom stays near 1, because validation sees the pictures at their own size. An image smaller than the
    crop is padded: black in the image, 255 (ignored) in the mask.

    Args:
        crop: side in pixels or (height, width) of the result.
        zoom: the crop's scale is drawn between these; (1, 1) cuts without resizing.
        stretch: the width is drawn up to this fraction wider or narrower.
    """

    def __init__(self, crop: Size, zoom: tuple[float, float] = (0.67, 1.5), stretch: float = 0.1):
        super().__init__()
        self.crop, self.zoom, self.stretch = height_width(crop), zoom, stretch
        self.resize = Resize(self.crop)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        image = flat_inputs[0].shape[-2:]
        # the area is uniform, so parts larger than the crop are more frequent than smaller ones
        least, most = 1 / self.zoom[1] ** 2, 1 / self.zoom[0] ** 2
        area, ratio = least + (most - least) * torch.rand(1), 1 + self.stretch * (2 * torch.rand(1) - 1)
        factors = ((area / ratio).sqrt().item(), (area * ratio).sqrt().item())
        # no part is larger than the image, unless the image is smaller than the crop
        limits = [max(side, crop) / crop for side, crop in zip(image, self.crop, strict=True)]
        shrink = min(1.0, *(limit / factor for limit, factor in zip(limits, factors, strict=True)))
        part = [
            max(1, round(crop * factor * shrink)) for crop, factor in zip(self.crop, factors, strict=True)
        ]
        free = [side - wanted for side, wanted in zip(image, part, strict=True)]
        # a negative place is padding, above and to the left
        place = [int(torch.randint(min(gap, 0), max(gap, 0) + 1, ())) for gap in free]
        return {"place": place, "part": part}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        (top, left), (height, width) = params["place"], params["part"]
        padding = [max(-left, 0), max(-top, 0)]
        padding += [max(left + width - inpt.shape[-1], 0), max(top + height - inpt.shape[-2], 0)]
        if any(padding):
            inpt = v2.functional.pad(inpt, padding, fill=IGNORE if isinstance(inpt, tv_tensors.Mask) else 0)
        cut = v2.functional.crop(inpt, max(top, 0), max(left, 0), height, width)
        return self.resize.transform(cut, params)


class RandomQuarterTurn(v2.Transform):
    """Rotate image and mask by 0, 90, 180 or 270 degrees; images that are not square by 0 or 180."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = flat_inputs[0].shape[-2:]
        step = 1 if height == width else 2
        return {"turns": step * int(torch.randint(4 // step, ()))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        turned = torch.rot90(inpt.as_subclass(torch.Tensor), params["turns"], (-2, -1))
        return tv_tensors.wrap(turned, like=inpt)


class RandomColourCast(v2.Transform):
    """Multiply each channel by a random gain in [1 - strength, 1 + strength], as another camera would."""

    def __init__(self, strength: float):
        super().__init__()
        self.strength = strength

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"gain": 1 + self.strength * (2 * torch.rand(3, 1, 1) - 1)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        cast = (inpt.as_subclass(torch.Tensor) * params["gain"]).clamp(0, 1)
        return tv_tensors.wrap(cast, like=inpt)


def train_transform(size: Size | None = None, strength: float = 1.0) -> v2.Compose:
    """Return random flips, quarter turns, small affine maps and colour changes for training.

    These suit images without a natural orientation, such as dermoscopy.

    Args:
        size: side in pixels or (height, width) to resize to first. Default: no resizing.
        strength: range of rotation, shift, scale and colour, 0 to 3. 0 keeps only flips and quarter turns.
            1 means up to 20 degrees, 6 % shift, scale 0.85 to 1.15, and 20 % brightness, contrast and
            saturation.

    Returns:
        A transform of (image, mask): the image becomes float32 in [0, 1], and mask pixels from outside the
        image become 255.

    Raises:
        DataError: strength is negative or above 3.

    >>> image = tv_tensors.Image(torch.zeros(3, 8, 8, dtype=torch.uint8))
    >>> mask = tv_tensors.Mask(torch.zeros(8, 8))
    >>> image, mask = train_transform(size=4)(image, mask)
    >>> image.shape, image.dtype, mask.shape
    (torch.Size([3, 4, 4]), torch.float32, torch.Size([4, 4]))
    """
    if not 0 <= strength <= 3:
        raise DataError(f"strength is {strength}; give a number from 0 (only flips) to 3 (default: 1).")
    steps = [] if size is None else [Resize(size)]
    steps += [
        v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True)
    ]  # jitter is faster on floats
    steps += [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip(), RandomQuarterTurn()]
    if strength > 0:
        affine = v2.RandomAffine(
            degrees=20 * strength,
            translate=(0.06 * strength,) * 2,
            scale=(1 - 0.15 * strength, 1 + 0.15 * strength),
            interpolation=v2.InterpolationMode.BILINEAR,
            fill=_FILL,
        )
        jitter = 0.2 * strength
        steps += [v2.RandomApply([affine], p=0.5), v2.ColorJitter(jitter, jitter, jitter)]
        steps += [RandomColourCast(0.08 * strength)]
    return v2.Compose(steps)


def upright_transform(crop: Size, strength: float = 1.0) -> v2.Compose:
    """Return random crops, mirror images and colour changes for photographs that have an up and a down.

    Args:
        crop: side in pixels or (height, width) of the result, see `RandomZoomCrop`.
        strength: strength of the colour changes; 1 means up to 30 % brightness, contrast and saturation.

    Returns:
        A transform of (image, mask): the image becomes float32 in [0, 1].

    >>> image = tv_tensors.Image(torch.zeros(3, 36, 48, dtype=torch.uint8))
    >>> mask = tv_tensors.Mask(torch.zeros(36, 48))
    >>> image, mask = upright_transform((24, 32))(image, mask)
    >>> image.shape, mask.shape
    (torch.Size([3, 24, 32]), torch.Size([24, 32]))
    """
    return v2.Compose(
        [
            RandomZoomCrop(crop),
            v2.RandomHorizontalFlip(),
            v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
            v2.ColorJitter(*(0.3 * strength,) * 3),
        ]
    )


def eval_transform(size: Size | None = None) -> v2.Compose:
    """Return the transform for evaluation: an optional resize, and float32 in [0, 1].

    >>> image = tv_tensors.Image(torch.full((3, 4, 4), 255, dtype=torch.uint8))
    >>> mask = tv_tensors.Mask(torch.eye(4))
    >>> image, mask = eval_transform(2)(image, mask)
    >>> image.max().item(), mask.tolist()
    (1.0, [[1.0, 0.0], [0.0, 1.0]])
    """
    steps = [] if size is None else [Resize(size)]
    return v2.Compose([*steps, v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True)])
