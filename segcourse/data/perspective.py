"""A pinhole camera in a street: paint polygons and walls given in metres, with their class and depth.

World coordinates are metres: X to the right, Y up from the ground, Z forward from the camera. Relative to the
camera, a point lands at (vanishing point) + focal · (X, -Y) / Z, so twice as far is half as large.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from segcourse.data.canvas import Canvas

FAR = 100.0  # metres; the sky and everything beyond have this depth
NEAR = 0.8  # metres; nothing nearer is painted

Numbers = np.ndarray | float
Window = tuple[slice, slice]
Texture = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class View(Canvas):
    """A picture that is painted from far to near.

    Attributes:
        labels: class ids, uint8 H×W.
        depth: metres along Z, float32 H×W, at most `FAR`.
        eye: X and Y of the camera.
        vanish: where lines along Z meet, in half-widths from the centre of the image.
    """

    def __init__(self, rng: Generator, size: tuple[int, int], label: int):
        super().__init__(rng, size)
        self.labels = np.full(size, label, np.uint8)
        self.depth = np.full(size, FAR, np.float32)
        self.focal = rng.uniform(1.5, 2.2)  # half-widths
        self.eye = (rng.uniform(-1.5, 1.5), rng.uniform(1.4, 2.3))
        self.vanish = (rng.normal(0, 0.2), rng.uniform(-0.1, 0.25))

    def project(self, x: Numbers, y: Numbers, z: Numbers) -> np.ndarray:
        """Convert points in metres (arrays or numbers) to OpenCV's fixed-point pixels, int32 N×2."""
        scale = 8 * self.unit * self.focal / np.maximum(z, NEAR)
        corners = np.empty((np.size(x), 2))
        # OpenCV counts from the centre of the first pixel, not from its corner
        corners[:, 0] = scale * (x - self.eye[0]) + (8 * self.unit * self.vanish[0] + 4 * self.shape[1] - 4)
        corners[:, 1] = scale * (self.eye[1] - y) + (8 * self.unit * self.vanish[1] + 4 * self.shape[0] - 4)
        return np.rint(corners).astype(np.int32)

    def cover(self, corners: np.ndarray) -> tuple[Window, np.ndarray] | None:
        """Return the window of a polygon and its opacity there (0..1), or None if it is out of sight.

        Args:
            corners: of the polygon, as `project` returns them.
        """
        (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
        left, top = max(left // 8 - 1, 0), max(top // 8 - 1, 0)
        right, bottom = min(right // 8 + 3, self.shape[1]), min(bottom // 8 + 3, self.shape[0])
        if right <= left or bottom <= top:
            return None
        drawn = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillPoly(drawn, [corners - np.array([8 * left, 8 * top], np.int32)], 255, cv2.LINE_AA, shift=3)
        return (slice(top, bottom), slice(left, right)), drawn * np.float32(1 / 255)

    def fill(
        self,
        window: Window,
        cover: np.ndarray,
        label: int,
        colour: ArrayLike,
        depth: ArrayLike,
    ) -> None:
        """Blend a colour into a window; pixels that are covered by half get its class and depth."""
        image, inside = self.image[window], cover >= 0.5
        image += cover[..., None] * (np.asarray(colour, np.float32) - image)
        self.labels[window][inside] = label
        np.copyto(self.depth[window], depth, where=inside)

    def board(self, points: ArrayLike, z: float, label: int, colour: ArrayLike) -> None:
        """Paint a flat polygon that faces the camera; points are (X, Y) in metres, at distance z."""
        x, y = np.asarray(points).T
        found = self.cover(self.project(x, y, z))
        if found is not None:
            self.fill(*found, label, colour, z)

    def slab(self, points: ArrayLike, y: float, label: int, colour: ArrayLike) -> None:
        """Paint a horizontal polygon, such as the top of a car; points are (X, Z) in metres, at height y."""
        x, z = np.asarray(points).T
        found = self.cover(self.project(x, y, z)) if y < self.eye[1] else None
        if found is not None:
            below = np.maximum(self.y[found[0]] - self.vanish[1], 1e-3)
            self.fill(*found, label, colour, self.focal * (self.eye[1] - y) / below)

    def shade(self, points: ArrayLike, strength: float, on: Sequence[int]) -> None:
        """Darken a polygon on the ground, only on the classes `on`; points are (X, Z) in metres."""
        x, z = np.asarray(points).T
        found = self.cover(self.project(x, 0, z))
        if found is not None:
            window, cover = found
            for label in on:
                dark = strength * cover * (self.labels[window] == label)
                self.image[window] *= (1 - dark)[..., None]

    def wall(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        heights: tuple[float, float],
        label: int,
        texture: Texture | ArrayLike,
        lean: float = 0,
    ) -> None:
        """Paint an upright rectangle.

        Args:
            start, end: (X, Z) of its two ends on the ground.
            heights: of its lower and its upper edge.
            label: its class.
            texture: a colour, or a function of (metres from the start, height, pixels per metre).
            lean: metres that both ends of the upper edge are moved inwards, as in a windscreen.
        """
        (x0, z0), (x1, z1) = start, end
        if max(z0, z1) <= NEAR:
            return
        length = max(float(np.hypot(x1 - x0, z1 - z0)), 1e-6)
        first, last = ((NEAR - z0) / (z1 - z0) if z < NEAR else t for z, t in ((z0, 0.0), (z1, 1.0)))
        inner = lean / length
        corners = [(first, heights[0]), (last, heights[0])]
        corners += [(last - inner * (last == 1), heights[1]), (first + inner * (first == 0), heights[1])]
        t, y = np.array(corners).T
        found = self.cover(self.project(x0 + t * (x1 - x0), y, z0 + t * (z1 - z0)))
        if found is None:
            return
        window, cover = found
        rays = (self.x[window] - self.vanish[0]) / self.focal  # X / Z of each pixel
        across = rays * (z1 - z0) - (x1 - x0)
        across[across == 0] = 1e-6
        z = ((x0 - self.eye[0]) * (z1 - z0) - z0 * (x1 - x0)) / across
        z = np.minimum(np.maximum(z, max(min(z0, z1), NEAR)), max(z0, z1))
        if callable(texture):
            height = self.eye[1] - (self.y[window] - self.vanish[1]) * z / self.focal
            along = np.hypot(rays * z + self.eye[0] - x0, z - z0)
            texture = texture(along, height, self.focal * self.unit / z)
        self.fill(window, cover, label, texture, z)
