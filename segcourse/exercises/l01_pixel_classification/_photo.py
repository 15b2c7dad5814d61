"""The photograph on which a right answer shows what it does."""

import functools

import torch
from torch import Tensor


@functools.cache
def flower() -> Tensor:
    """Return scikit-learn's photograph of a flower at a quarter of its size, uint8 3×107×160."""
    from sklearn.datasets import load_sample_image

    return torch.from_numpy(load_sample_image("flower.jpg")[::4, ::4].copy()).permute(2, 0, 1)


def grey_flower() -> Tensor:
    """Return the flower's grey values, uint8 107×160."""
    return flower().float().mean(dim=0).round().byte()
