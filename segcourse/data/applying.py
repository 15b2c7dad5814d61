"""Apply a joint transform of image and mask, of whatever kind.

torchvision is imported only where a transform needs it: the import takes longer than PyTorch's own.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from segcourse.errors import DataError


def apply(
    transform: Callable | None, image: np.ndarray, mask: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Apply a transform to image and mask, and convert them to tensors.

    Args:
        transform: a module (such as all of v2) or a function of two positional arguments gets tv_tensors and
            returns a pair. A callable with the keywords `image` and `mask`, such as an albumentations
            `Compose`, gets arrays and returns a dict. None changes nothing.
        image: uint8 H×W×3.
        mask: uint8 H×W.

    Returns:
        The image as float32 3×H×W in [0, 1] and the mask as int64 H×W.

    Raises:
        DataError: the transform returned an image and a mask of different sizes.

    >>> image, mask = apply(None, np.full((2, 2, 3), 51, np.uint8), np.eye(2, dtype=np.uint8))
    >>> round(image.max().item(), 3), mask.tolist()
    (0.2, [[1, 0], [0, 1]])
    """
    wants_arrays = transform is not None and _takes_keywords(transform)
    if transform is not None and wants_arrays:
        result = transform(image=image.copy(), mask=mask.copy())
        image, mask = (result["image"], result["mask"]) if isinstance(result, dict) else result
    pixels, labels = _image_tensor(image), torch.as_tensor(np.array(mask))
    if transform is not None and not wants_arrays:
        from torchvision import tv_tensors

        pixels, labels = transform(tv_tensors.Image(pixels), tv_tensors.Mask(labels))
    pixels, labels = pixels.as_subclass(torch.Tensor), labels.as_subclass(torch.Tensor)
    if pixels.shape[-2:] != labels.shape[-2:]:
        raise DataError(
            f"the transform returned an image of {tuple(pixels.shape[-2:])} and a mask of "
            f"{tuple(labels.shape[-2:])} pixels; both must have the same size."
        )
    pixels = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
    return pixels.contiguous(), labels.long().reshape(pixels.shape[-2:])


def _image_tensor(image: Any) -> torch.Tensor:
    if isinstance(image, torch.Tensor):
        return image
    return torch.from_numpy(np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1)))


def _takes_keywords(transform: Callable) -> bool:
    if isinstance(transform, torch.nn.Module):
        return False
    try:
        parameters = inspect.signature(transform).parameters
    except (TypeError, ValueError):  # some built-in callables have no signature
        return False
    any_keyword = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return any_keyword or {"image", "mask"} <= set(parameters)
