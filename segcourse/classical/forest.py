"""A random forest that classifies pixels by their features."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def pixel_features(image: Tensor) -> Tensor:
    """Describe each pixel by a row of six numbers: its colour, and the mean colour around it.

    Both are differences to the mean colour of the image, because the same brown is a lesion on light skin and
    skin on dark skin. The surroundings are the 5×5 square around the pixel, as far as it lies inside the
    image.

    Args:
        image: float tensor 3×H×W.

    Returns:
        float tensor (H·W)×6: a row per pixel, in reading order. Columns 0 to 2 hold the colour, columns 3 to
        5 the mean colour of the surroundings.

    >>> image = torch.tensor([[[0.0, 1.0]]] * 3)  # a black and a white pixel
    >>> pixel_features(image)[:, [0, 3]].tolist()  # red, and red around it
    [[-0.5, 0.0], [0.5, 0.0]]
    """
    around = F.avg_pool2d(image, kernel_size=5, stride=1, padding=2, count_include_pad=False)
    features = torch.cat([image, around]) - image.mean(dim=(1, 2)).repeat(2)[:, None, None]
    return features.flatten(1).T


class PixelForest:
    """A random forest (Breiman 2001) that gives each pixel a class from the pixel's features alone.

    Args:
        features: turns an image, float 3×H×W, into one row of numbers per pixel, in reading order.
        trees: number of trees.
        seed: random seed of the training pixels and of the trees.

    >>> image = torch.tensor([[[0.1, 0.2, 0.8, 0.9]]] * 3)
    >>> forest = PixelForest(trees=5).fit([(image, torch.tensor([[1, 1, 0, 0]]), "dark lesion")] * 10)
    >>> forest.predict(image).tolist()
    [[1, 1, 0, 0]]
    """

    def __init__(self, features: Callable[[Tensor], Tensor] = pixel_features, trees: int = 30, seed: int = 0):
        from sklearn.ensemble import RandomForestClassifier  # takes a second

        self.features, self.seed = features, seed
        self.forest = RandomForestClassifier(trees, min_samples_leaf=5, random_state=seed)

    def fit(self, samples: Iterable[Any], pixels: int = 200) -> "PixelForest":
        """Train on random pixels of some images, and return the forest.

        Args:
            samples: (image, mask, name) as in `segcourse.data.Sample`. Pixels with label 255 are left out.
            pixels: how many pixels are drawn from each image, at most.
        """
        rng, rows, labels = np.random.default_rng(self.seed), [], []
        for image, mask, _ in samples:
            known = np.flatnonzero(mask.numpy() != 255)
            drawn = rng.permutation(known)[:pixels]
            rows.append(self.features(image).numpy()[drawn])
            labels.append(mask.numpy().ravel()[drawn])
        self.forest.fit(np.concatenate(rows), np.concatenate(labels))
        return self

    def predict(self, image: Tensor) -> Tensor:
        """Return the class of each pixel of an image, int64 H×W."""
        classes = self.forest.predict(self.features(image).numpy())
        return torch.from_numpy(classes).reshape(image.shape[-2:])
