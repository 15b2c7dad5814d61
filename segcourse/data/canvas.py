"""What procedural pictures are painted on and with: a canvas in half-widths, smooth noise, soft edges."""

import math

import cv2
import numpy as np
from numpy.random import Generator


def noise(rng: Generator, shape: tuple[int, int], cells: float, octaves: int = 1) -> np.ndarray:
    """Smooth random field H×W, about zero mean and unit spread, `cells` bumps across in the coarsest
    octave."""
    height, width = shape
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        count = max(2, round(cells * 2**octave)) + 1
        coarse = rng.standard_normal((count, count), dtype=np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * 0.6**octave
    return total / (0.75 * math.sqrt(sum(0.36**o for o in range(octaves))))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(np.clip(-x, -30, 30)))


def blend(image: np.ndarray, cover: np.ndarray, colour) -> None:
    image += cover[..., None] * (np.asarray(colour, np.float32) - image)


class Canvas:
    """The picture while it is painted: `image` float32 H×W×3 in 0..255.

    Lengths and places are in half-widths of the picture, from its centre, so that a picture looks alike at
    any size.
    """

    def __init__(self, rng: Generator, size: tuple[int, int]):
        self.rng, self.shape = rng, size
        height, width = size
        self.unit = min(size) / 2  # pixels in one half-width
        self.y, self.x = np.meshgrid(
            (np.arange(height, dtype=np.float32) + 0.5 - height / 2) / self.unit,
            (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / self.unit,
            indexing="ij",
        )
        self.image = np.empty((height, width, 3), np.float32)

    def pixels(self, points) -> np.ndarray:
        """Points (x, y) in half-widths to OpenCV's fixed-point pixels (3 fractional bits)."""
        height, width = self.shape
        scaled = np.asarray(points, np.float32) * self.unit + np.array([width / 2, height / 2], np.float32)
        return np.round(scaled * 8).astype(np.int32)

    def stroke(self, cover: np.ndarray, points, thickness: float) -> None:
        """Draws a line `thickness` half-widths wide into `cover` (uint8 H×W), anti-aliased."""
        width = max(1, round(thickness * self.unit))
        cv2.polylines(cover, [self.pixels(points)], False, 255, width, cv2.LINE_AA, shift=3)

    def empty(self) -> np.ndarray:
        return np.zeros(self.shape, np.uint8)
