"""k-means on the colours of pixels."""

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from segcourse.plotting.formats import as_images


def kmeans(image: Any, k: int = 2, seed: int = 0) -> Tensor:
    """Cluster the pixels of an image by colour, and return each pixel's cluster, int64 H×W.

    Clusters are numbered by brightness: 0 is the darkest. A pixel belongs to the cluster with the nearest
    mean colour (Lloyd 1982). Where a pixel stands in the image plays no part.

    Args:
        image: one image, in any format of `plotting.formats`.
        k: number of clusters.
        seed: random seed of the first means.

    Raises:
        DataError: the format is not supported.

    >>> kmeans([[0.9, 0.8, 0.1], [0.5, 0.5, 0.1]], k=3).tolist()
    [[2, 2, 0], [1, 1, 0]]
    """
    (pixels,) = as_images(image)
    colours = pixels.reshape(-1, 3).astype(np.float32)
    cv2.setRNGSeed(seed)  # k-means++ draws the first means
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 0.01)
    _, labels, means = cv2.kmeans(colours, k, np.empty(0), stop, attempts=4, flags=cv2.KMEANS_PP_CENTERS)
    rank = means.sum(axis=1).argsort().argsort()
    return torch.from_numpy(rank[labels[:, 0]]).reshape(pixels.shape[:2])
