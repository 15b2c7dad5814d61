"""Paint artefacts over a lesion: hairs, rulers, ink, stickers, gel bubbles, light and lens effects."""

import math

import cv2
import numpy as np

from segcourse.data.canvas import Canvas, blend, noise, sigmoid


def _hairs(canvas: Canvas) -> None:
    """Paint hairs that share a main direction."""
    rng, cover = canvas.rng, canvas.empty()
    count = int(rng.integers(1, 12) if rng.random() < 0.7 else rng.integers(12, 60))
    lie, spread, length = rng.uniform(0, math.pi), rng.uniform(0.1, 1.5), rng.uniform(0.15, 1.6)
    for _ in range(count):
        start, angle, bend = rng.uniform(-1.1, 1.1, 2), lie + spread * rng.normal(), rng.normal(0, 0.6)
        t = np.linspace(0, 1, 9)
        heading = angle + bend * t
        steps = np.stack([np.cos(heading), np.sin(heading)], 1) * (length * rng.uniform(0.5, 1.5) / 9)
        canvas.stroke(cover, start + np.cumsum(steps, 0), rng.uniform(0.006, 0.018))
    colour = (
        rng.uniform(20, 90) * np.array([1, 0.8, 0.65]) if rng.random() < 0.88 else rng.uniform(170, 235, 3)
    )
    blend(canvas.image, cover * np.float32(rng.uniform(0.4, 0.95) / 255), colour)


def _ruler(canvas: Canvas) -> None:
    """Paint a ruler with ticks near one side of the image."""
    rng, cover = canvas.rng, canvas.empty()
    tilt, offset, side = rng.normal(0, 0.12), rng.uniform(0.6, 0.95), rng.integers(0, 4)
    along, inward = np.array([math.cos(tilt), math.sin(tilt)]), np.array([math.sin(tilt), -math.cos(tilt)])
    quarter = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), int(side if rng.random() < 0.4 else 0))
    origin = np.array([rng.uniform(-0.3, 0.3), offset])
    reach, step = rng.uniform(0.4, 1.2), rng.uniform(0.04, 0.12)
    canvas.stroke(cover, np.stack([origin - reach * along, origin + reach * along]) @ quarter.T, 0.01)
    for k in range(int(2 * reach / step)):
        foot = origin + (k * step - reach) * along
        canvas.stroke(
            cover, np.stack([foot, foot + (0.09 if k % 5 == 0 else 0.05) * inward]) @ quarter.T, 0.008
        )
    blend(canvas.image, cover * np.float32(rng.uniform(0.4, 0.9) / 255), rng.uniform(10, 70))


def _ink(canvas: Canvas) -> None:
    """Paint surgical ink: scribbles, or a ring around the lesion."""
    rng, cover = canvas.rng, canvas.empty()
    if rng.random() < 0.35:
        angles = rng.uniform(0, 2 * math.pi) + np.linspace(0, rng.uniform(1.5, 6.2), 40)
        reach = rng.uniform(0.5, 0.95) + rng.normal(0, 0.02, 40)
        canvas.stroke(
            cover, np.stack([reach * np.cos(angles), reach * np.sin(angles)], 1), rng.uniform(0.02, 0.07)
        )
    else:
        for _ in range(rng.integers(1, 6)):
            angle, distance = rng.uniform(0, 2 * math.pi), rng.uniform(0.55, 1.0)
            centre = distance * np.array([math.cos(angle), math.sin(angle)])
            canvas.stroke(
                cover, centre + rng.normal(0, rng.uniform(0.03, 0.1), (14, 2)), rng.uniform(0.01, 0.03)
            )
    grain = np.clip(0.8 + 0.5 * noise(rng, canvas.shape, min(30, canvas.unit)), 0, 1)
    blend(
        canvas.image, cover * grain * np.float32(rng.uniform(0.35, 0.9) / 255), rng.normal((95, 55, 140), 18)
    )


def _sticker(canvas: Canvas) -> None:
    """Paint a round coloured sticker that reaches into the image."""
    rng = canvas.rng
    angle, radius = rng.uniform(0, 2 * math.pi), rng.uniform(0.3, 0.7)
    centre = (rng.uniform(0.45, 1.0) + radius) * np.array([math.cos(angle), math.sin(angle)])
    distance = np.hypot(canvas.x - centre[0], canvas.y - centre[1])
    colours = [
        (240, 140, 40),
        (235, 225, 40),
        (130, 210, 225),
        (60, 90, 190),
        (200, 50, 60),
        (90, 170, 90),
        (245, 245, 240),
    ]
    blend(
        canvas.image,
        sigmoid((radius - distance) * canvas.unit),
        rng.normal(colours[rng.integers(len(colours))], 12),
    )


def _bubbles(canvas: Canvas) -> None:
    """Paint gel bubbles: rings that shine on one side, and specks of reflected light."""
    rng = canvas.rng
    for _ in range(rng.integers(1, 8)):
        centre, radius = rng.uniform(-1, 1, 2), rng.lognormal(math.log(0.07), 0.9)
        dx, dy = canvas.x - centre[0], canvas.y - centre[1]
        ring = np.exp(-(((np.hypot(dx, dy) - radius) / 0.018) ** 2))
        shine = ring * (0.5 + 0.5 * np.sign(rng.normal()) * dx / (np.abs(dx) + np.abs(dy) + 1e-3))
        canvas.image += (rng.uniform(20, 110) * shine - rng.uniform(0, 35) * ring)[..., None]
    specks = noise(rng, canvas.shape, min(50, canvas.unit)) > rng.uniform(2.2, 3.0)
    canvas.image += specks[..., None] * np.float32(rng.uniform(20, 100))


def _dark_corners(canvas: Canvas) -> None:
    """Darken the image outside a circle, as a lens does."""
    rng = canvas.rng
    centre, radius = rng.normal(0, 0.08, 2), rng.uniform(0.9, 1.4)
    distance = np.hypot(canvas.x - centre[0], canvas.y - centre[1])
    edge = 0.015 if rng.random() < 0.5 else rng.uniform(0.05, 0.2)
    canvas.image *= 1 - rng.uniform(0.6, 1.0) * sigmoid((distance - radius) / edge)[..., None]


def _uneven_light(canvas: Canvas) -> None:
    """Darken the image towards one side and towards the border."""
    rng = canvas.rng
    angle = rng.uniform(0, 2 * math.pi)
    slope = canvas.x * math.cos(angle) + canvas.y * math.sin(angle)
    fall = slope * rng.uniform(0, 0.2) + (canvas.x**2 + canvas.y**2) * rng.uniform(0, 0.2)
    canvas.image *= np.exp(-fall)[..., None]


def _blur(canvas: Canvas) -> None:
    """Blur the image, as a lens out of focus does."""
    sigma = canvas.rng.uniform(0.005, 0.022) * canvas.unit
    canvas.image[:] = cv2.GaussianBlur(canvas.image, (0, 0), sigma)


# name -> (probability, function that paints it), in the order of painting: skin first, lens last
ARTEFACTS = {
    "bubbles": (0.2, _bubbles),
    "ink": (0.14, _ink),
    "stickers": (0.1, _sticker),
    "rulers": (0.35, _ruler),
    "hairs": (0.4, _hairs),
    "uneven light": (0.7, _uneven_light),
    "dark corners": (0.25, _dark_corners),
    "blur": (0.4, _blur),
}
