"""Tools to paint procedural images: a canvas measured in half-widths, smooth noise and soft edges."""

import math

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike


def noise(rng: Generator, shape: tuple[int, int], cells: float, octaves: int = 1) -> np.ndarray:
    """Return a smooth random field: float32 H×W, mean about 0, standard deviation about 1.

    Args:
        rng: random generator.
        shape: (height, width) in pixels.
        cells: number of bumps across the image in the coarsest octave.
        octaves: number of frequencies; each doubles `cells` and has 0.6 of the amplitude before.
    """
    height, width = shape
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        count = max(2, round(cells * 2**octave)) + 1
        coarse = rng.standard_normal((count, count), dtype=np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * 0.6**octave
    return total / (0.75 * math.sqrt(sum(0.36**o for o in range(octaves))))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)) without overflow."""
    return 1 / (1 + np.exp(np.clip(-x, -30, 30)))


def blend(image: np.ndarray, cover: np.ndarray, colour: ArrayLike) -> None:
    """Blend `colour` into `image` (H×W×3) in place, with `cover` (H×W, 0..1) as opacity."""
    image += cover[..., None] * (np.asarray(colour, np.float32) - image)


class Canvas:
    """An image that is being painted: `image` is float32 H×W×3 in 0..255.

    Lengths and positions are in half-widths from the centre of the image. One half-width is half of the
    shorter side, so an image looks the same at any size.
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

    def pixels(self, points: ArrayLike) -> np.ndarray:
        """Convert points (x, y) in half-widths to OpenCV's fixed-point pixels (3 fractional bits)."""
        height, width = self.shape
        scaled = np.asarray(points, np.float32) * self.unit + np.array([width / 2, height / 2], np.float32)
        return np.round(scaled * 8).astype(np.int32)

    def stroke(self, cover: np.ndarray, points: ArrayLike, thickness: float) -> None:
        """Draw an antialiased line, `thickness` half-widths wide, into `cover` (uint8 H×W)."""
        width = max(1, round(thickness * self.unit))
        cv2.polylines(cover, [self.pixels(points)], False, 255, width, cv2.LINE_AA, shift=3)

    def empty(self) -> np.ndarray:
        """Return a uint8 H×W array of zeros, to draw strokes into."""
        return np.zeros(self.shape, np.uint8)
