"""k-means on the colours of pixels."""

from typing import Any

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
    from sklearn.cluster import KMeans

    (pixels,) = as_images(image)
    found = KMeans(k, n_init=4, random_state=seed).fit(pixels.reshape(-1, 3).astype(np.float64))
    rank = found.cluster_centers_.sum(axis=1).argsort().argsort()
    return torch.from_numpy(rank[found.labels_]).reshape(pixels.shape[:2])
