"""Paint what belongs to the skin around a lesion and can be mistaken for it: spots, blotches, dents, ink."""

import math

import cv2
import numpy as np
from numpy.random import Generator

from segcourse.data.canvas import Canvas, blend, noise, sigmoid

# Absorption in R, G, B per unit of density (green = 1): melanin near the surface, deep melanin, and blood.
BROWN, BLACK, BLUE_GREY, RED = (0.38, 1.0, 1.40), (0.75, 1.0, 1.15), (1.05, 1.0, 0.70), (0.10, 1.0, 0.95)


def absorb(canvas: Canvas, density: np.ndarray, colour: tuple[float, float, float]) -> None:
    """Darken the image by `exp(-density)` (H×W), more in the channels that this colour absorbs."""
    canvas.image *= np.exp(-density[..., None] * np.array(colour, np.float32))


def spot(canvas: Canvas, centre: np.ndarray, radius: float, density: float) -> np.ndarray:
    """Return the density (H×W) of a round spot that fades outwards."""
    distance = (canvas.x - centre[0]) ** 2 + (canvas.y - centre[1]) ** 2
    return density * np.exp(-distance / radius**2)


def _pale_spots(canvas: Canvas, rng: Generator) -> None:
    """Paint one to three pale spots as large as a lesion."""
    density = np.zeros(canvas.shape)
    for _ in range(rng.integers(1, 4)):
        density += spot(canvas, rng.uniform(-1, 1, 2), rng.uniform(0.08, 0.35), rng.uniform(0.04, 0.16))
    absorb(canvas, density, RED if rng.random() < 0.5 else BROWN)


def _mottling(canvas: Canvas, rng: Generator) -> None:
    """Paint blotches of blood and pigment, thin vessels, and the fine relief of skin."""
    red = rng.uniform(0, 0.22) * sigmoid(2 * noise(rng, canvas.shape, rng.uniform(3, 9), 3) - 1)
    brown = rng.uniform(0, 0.22) * sigmoid(2 * noise(rng, canvas.shape, rng.uniform(4, 14), 3) - 1)
    vessels = np.exp(-((noise(rng, canvas.shape, rng.uniform(4, 9), 2) / 0.07) ** 2))
    red += rng.uniform(0, 0.12) * vessels * sigmoid(3 * noise(rng, canvas.shape, 4))
    for _ in range(rng.integers(0, 25)):
        brown += spot(canvas, rng.uniform(-1, 1, 2), rng.uniform(0.02, 0.1), rng.uniform(0.05, 0.35))
    absorb(canvas, red, RED)
    absorb(canvas, brown, BROWN)
    relief = noise(rng, canvas.shape, min(rng.uniform(20, 45), canvas.unit))
    canvas.image += (rng.uniform(0, 6) * relief)[..., None]


def _contact_disc(canvas: Canvas, rng: Generator) -> None:
    """Paint the round dent of an instrument: skin in another tone, a rim with folds, and reflections."""
    centre, radius = rng.normal(0, 0.15, 2), rng.uniform(0.45, 1.0)
    turn, ratio = rng.uniform(0, math.pi), rng.uniform(0.8, 1.0)
    dx, dy = canvas.x - centre[0], canvas.y - centre[1]
    along, across = dx * math.cos(turn) + dy * math.sin(turn), dy * math.cos(turn) - dx * math.sin(turn)
    distance = np.hypot(along * math.sqrt(ratio), across / math.sqrt(ratio))
    distance += 0.05 * noise(rng, canvas.shape, 4, 2)
    pressed = sigmoid((radius - distance) / rng.uniform(0.015, 0.08))
    absorb(canvas, rng.normal(0, 0.1) * pressed, RED if rng.random() < 0.6 else BROWN)
    folds = np.zeros(canvas.shape)
    for _ in range(rng.integers(1, 6)):
        at, width = radius + rng.normal(0, 0.08), rng.uniform(0.008, 0.03)
        folds += rng.normal(0, 0.1) * np.exp(-(((distance - at) / width) ** 2))
    broken = sigmoid(2 * noise(rng, canvas.shape, 3) + rng.uniform(-1, 2))  # a rim is seldom whole
    absorb(canvas, folds * broken, BLACK)
    shine = np.exp(-(((distance - radius) / rng.uniform(0.03, 0.12)) ** 2))
    specks = sigmoid(6 * (noise(rng, canvas.shape, min(25, canvas.unit), 2) - rng.uniform(1.2, 2.2)))
    canvas.image += (rng.uniform(0, 90) * shine * specks)[..., None]


def _pen_marks(canvas: Canvas, rng: Generator) -> None:
    """Paint dots, crosses or stars of a surgical pen on the skin around the lesion."""
    cover, count = canvas.empty(), int(rng.integers(2, 9))
    turn, rays, size = rng.uniform(0, 2 * math.pi), int(rng.integers(0, 7)), rng.uniform(0.05, 0.14)
    for k in range(count):
        angle = turn + 2 * math.pi * k / count + rng.normal(0, 0.2)
        centre = rng.uniform(0.4, 0.9) * np.array([math.cos(angle), math.sin(angle)])
        for _ in range(rays):
            way = rng.uniform(0, math.pi)
            ray = size * rng.uniform(0.6, 1.3) * np.array([math.cos(way), math.sin(way)])
            canvas.stroke(cover, np.stack([centre - ray, centre + ray]), rng.uniform(0.01, 0.03))
        canvas.stroke(cover, np.stack([centre, centre + 0.01]), size * rng.uniform(0.5, 1.2))
    faded = np.clip(0.8 + 0.5 * noise(rng, canvas.shape, min(30, canvas.unit)), 0, 1)
    soft = cv2.GaussianBlur(cover, (0, 0), 0.012 * canvas.unit)  # ink spreads into the skin
    colour = rng.normal((95, 55, 140), 18) if rng.random() < 0.8 else rng.normal((60, 70, 130), 18)
    blend(canvas.image, soft * faded * np.float32(rng.uniform(0.4, 0.95) / 255), colour)


# name -> (probability, function that paints it), in the order of painting
SKIN = {
    "pale spots": (0.25, _pale_spots),
    "mottled skin": (0.3, _mottling),
    "contact disc": (0.17, _contact_disc),
    "pen marks": (0.07, _pen_marks),
}
