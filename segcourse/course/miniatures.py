"""Miniature folders in the style of three fields, drawn by code, so that lesson 11 runs without a download.

They have the traits that make such data sets difficult, and no more: they stand in for a reader's own folder.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from segcourse.data.canvas import blend, noise
from segcourse.palette import Palette

SIDE = 128  # pixels of a tile, a plate and a slice
LAND = Palette(
    ("water", "forest", "field", "built-up", "unknown"),
    ((0, 0, 255), (0, 255, 0), (255, 255, 0), (0, 255, 255), (0, 0, 0)),
)
_SURFACES = np.array([(38, 66, 84), (44, 82, 46), (150, 140, 82), (150, 142, 138)], np.float32)


def land_cover(folder: Path, regions: int = 5, seed: int = 0) -> None:
    """Write satellite tiles: six per region, masks as colours, and classes.txt with the colours' names.

    Each region has its own light and season, and clouds hide a part of it; their pixels are "unknown".

    Args:
        folder: where `images/`, `masks/` and `classes.txt` are written.
        regions: number of regions.
        seed: random seed.
    """
    rng = np.random.default_rng(seed)
    lines = [f"{name} {r} {g} {b}" for name, (r, g, b) in zip(LAND.names, LAND.colours, strict=True)]
    shape = (2 * SIDE, 3 * SIDE)
    for region in range(regions):
        height, wealth = noise(rng, shape, 3, 3), noise(rng, shape, 5, 2)
        ids = np.where(wealth > 0, 2, 1)
        ids[(wealth > 0.9) & (height > -0.3)] = 3
        ids[height < -0.9] = 0
        season = rng.normal(1, 0.1, (4, 3)).astype(np.float32)
        image = (_SURFACES * season)[ids] * np.float32(rng.uniform(0.8, 1.15))
        grain = np.array([1, 5, 4, 14], np.float32)[ids] * rng.standard_normal(shape).astype(np.float32)
        image += grain[..., None]
        cloud = noise(rng, shape, 2, 3) > 1.6
        blend(image, cloud.astype(np.float32), (242, 244, 248))
        ids[cloud] = 4
        colours = np.array(LAND.colours, np.uint8)[ids]
        for i in range(6):
            row, column = divmod(i, 3)
            part = np.s_[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
            name = f"region{region}_row{row}_column{column}.png"
            _write(folder / "images" / name, image[part])
            _write(folder / "masks" / name, colours[part])
    (folder / "classes.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def plates(folder: Path, count: int = 30, seed: int = 0) -> None:
    """Write photographs of metal plates; two in three are good, and a good plate has no mask.

    Args:
        folder: where `images/` and `masks/` are written. A mask is 255 on a scratch and 0 elsewhere.
        count: number of plates.
        seed: random seed.
    """
    rng = np.random.default_rng(seed)
    for i in range(count):
        brushed = cv2.blur(rng.standard_normal((SIDE, SIDE)).astype(np.float32), (31, 1)) * 40
        light = 150 + 18 * noise(rng, (SIDE, SIDE), 1.5)
        image = np.repeat((light + brushed)[..., None], 3, axis=2)
        if i % 3 == 0:
            mask = np.zeros((SIDE, SIDE), np.uint8)
            start, end = rng.integers(10, SIDE - 10, (2, 2)).tolist()
            cv2.line(mask, start, end, 255, int(rng.integers(2, 5)))
            blend(image, (mask / 255 * rng.uniform(0.4, 0.8)).astype(np.float32), (70, 66, 62))
            _write(folder / "masks" / f"plate{i:02}.png", mask)
        _write(folder / "images" / f"plate{i:02}.png", image)


def scans(patients: int = 8, slices: int = 4, seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return slices like those of a CT scan, by names such as "patient3_slice1": (hounsfield, mask).

    `hounsfield` is int16 H×W: air is -1000, water 0, and bone about 1000. `mask` is bool H×W: a lesion in an
    organ. The lesion is 40 units darker than the organ, as a lesion in a liver can be.

    Args:
        patients: number of patients.
        slices: number of slices per patient.
        seed: random seed.
    """
    rng = np.random.default_rng(seed)
    found = {}
    for patient in range(patients):
        body, centre, bump = rng.uniform(48, 58), rng.uniform(54, 70, 2), rng.uniform(8, 15)
        organ, place = float(rng.uniform(90, 130)), rng.uniform(-10, 10, 2)
        for i in range(slices):
            units = np.full((SIDE, SIDE), -1000, np.float32)
            cv2.ellipse(units, (64, 64), (int(body), int(body * 0.8)), 0, 0, 360, -90, -1)  # fat
            cv2.ellipse(units, (64, 64), (int(body - 5), int(body * 0.8 - 5)), 0, 0, 360, 50, -1)  # muscle
            cv2.circle(units, (64, 64 + int(body * 0.6)), 8, 900, -1)  # spine
            cv2.ellipse(units, _pixel(centre), (30, 22), 20, 0, 360, organ, -1)
            mask = np.zeros((SIDE, SIDE), np.uint8)
            radius = bump * (1 - 0.15 * abs(i - slices / 2))
            cv2.circle(mask, _pixel(centre + place), round(radius), 1, -1)
            units[mask == 1] = organ - 40
            units = cv2.GaussianBlur(units, (0, 0), 0.8) + rng.normal(0, 12, units.shape)
            found[f"patient{patient}_slice{i}"] = units.round().astype(np.int16), mask == 1
    return found


def _pixel(point: ArrayLike) -> tuple[int, int]:
    x, y = np.asarray(point).round().astype(int).tolist()
    return x, y


def _write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
