"""From images to logits: normalisation, number format and network in one call."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from segcourse.data.images import read_image
from segcourse.devices import Speed
from segcourse.errors import DataError

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and standard deviation of natural RGB images


class Forward:
    """Map images (N×3×H×W in [0, 1], any device) to float32 logits, including normalisation and autocast."""

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        speed: Speed,
        mean: Sequence[float],
        std: Sequence[float],
    ):
        self.network, self.device, self.speed = network, device, speed
        self.mean = torch.tensor(mean, device=device).view(-1, 1, 1)
        self.std = torch.tensor(std, device=device).view(-1, 1, 1)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        images = images.to(self.device, memory_format=self.speed.memory_format, non_blocking=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.speed.bf16):
            return self.network((images - self.mean) / self.std).float()


def image_tensor(image: Any) -> torch.Tensor:
    """Convert an image to float32 3×H×W in [0, 1] on the CPU.

    Args:
        image: a path, a PIL image, uint8 H×W or H×W×3 (array or tensor), or float 3×H×W in [0, 1].

    Raises:
        DataError: the shape or the values are not those of an image.

    >>> image_tensor(np.array([[[255, 0, 51]]], dtype=np.uint8)).flatten().tolist()
    [1.0, 0.0, 0.20000000298023224]
    """
    if isinstance(image, str | os.PathLike):
        image = read_image(image)
    elif isinstance(image, Image.Image):
        image = np.asarray(image.convert("RGB"))
    rows_of_pixels = isinstance(image, np.ndarray)  # where both fit, arrays are H×W×3 and tensors are 3×H×W
    image = torch.tensor(np.ascontiguousarray(image)) if rows_of_pixels else torch.as_tensor(image).cpu()
    if image.ndim == 2:
        image = image[None]
    fits_first = image.ndim == 3 and image.shape[0] in (1, 3)
    fits_last = image.ndim == 3 and image.shape[-1] in (1, 3, 4)
    if not (fits_first or fits_last) or 0 in image.shape:
        raise DataError(f"the image has shape {tuple(image.shape)}; expected H×W×3 or 3×H×W.")
    if fits_last and (rows_of_pixels or not fits_first):
        image = image.permute(2, 0, 1)
    image = image[:3].expand(3, -1, -1)
    if image.dtype == torch.uint8:
        return image / 255
    if image.dtype == torch.bool or not image.is_floating_point():
        raise DataError(f"image values are {image.dtype}; expected uint8 or floats in [0, 1].")
    if not (image.min() >= 0 and image.max() <= 1):
        raise DataError(
            f"image values run from {image.min():.3g} to {image.max():.3g}; expected floats in [0, 1]. "
            "Divide by 255, and leave the normalisation to the Segmenter."
        )
    return image.float()
