"""Paint one procedural dermoscopy image: skin, a lesion with a known outline, and artefacts.

The image follows the path of light. Skin reflects light, and pigment absorbs it: colours are multiplied by
`exp(-density)`. Hairs and ink lie on top. The lens darkens the corners, and the sensor adds noise.
"""

import math
from collections.abc import Collection

import cv2
import numpy as np
from numpy.random import Generator

from segcourse.data.artefacts import ARTEFACTS
from segcourse.data.canvas import Canvas, noise, sigmoid
from segcourse.data.skin import BLACK, BLUE_GREY, BROWN, RED, SKIN, absorb, spot


def _skin(canvas: Canvas, style: Generator) -> None:
    """Paint skin of any tone, from very light to very dark, with mottling and some freckles."""
    rng = canvas.rng
    if style.random() < 0.85:
        red = np.clip(style.normal(195, 30), 120, 252)
        green_share, blue_share = (
            np.clip(style.normal(0.85, 0.09), 0.55, 1.0),
            np.clip(style.normal(0.94, 0.06), 0.75, 1.08),
        )
    else:  # brown to dark skin, which public data sets rarely show
        red = style.uniform(65, 150)
        green_share, blue_share = style.uniform(0.62, 0.85), style.uniform(0.7, 0.95)
    canvas.image[:] = (red, red * green_share, red * green_share * blue_share)
    mottling = 0.04 * rng.random() * noise(rng, canvas.shape, 3, 2) + 0.04 * rng.random() * noise(
        rng, canvas.shape, 14, 2
    )
    density = np.maximum(mottling, -0.2)
    if rng.random() < 0.35:
        for _ in range(rng.integers(1, 14)):
            centre = rng.uniform(-1, 1, 2)
            density += spot(canvas, centre, rng.uniform(0.012, 0.05), rng.uniform(0.1, 0.4))
    absorb(canvas, density, RED if rng.random() < 0.5 else BROWN)


def _outline(
    canvas: Canvas, style: Generator, area: float, off_frame: bool, ragged: float, margin: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return two outlines as signed fields (H×W, positive inside, in half-widths).

    The first is the ragged outline of the pigment. The second is the smoother outline that a person would
    draw. Both cover the fraction `area` of the image, unless that person leaves a margin (in lesion radii).
    """
    rng = canvas.rng
    centre = np.clip(rng.normal(0, 0.13 if area < 0.3 else 0.05, 2), -0.6, 0.6)
    if off_frame:
        angle = rng.uniform(0, 2 * math.pi)
        centre = np.array([math.cos(angle), math.sin(angle)]) * rng.uniform(0.6, 1.0)
    ratio, turn = np.clip(style.normal(0.78, 0.13), 0.4, 1.0), style.uniform(0, math.pi)
    radius = math.sqrt(area * 4 / math.pi)
    dx, dy = canvas.x - centre[0], canvas.y - centre[1]
    along, across = dx * math.cos(turn) + dy * math.sin(turn), dy * math.cos(turn) - dx * math.sin(turn)
    distance = np.sqrt((along * math.sqrt(ratio)) ** 2 + (across / math.sqrt(ratio)) ** 2)
    # bumps scale with the lesion, not with the image
    cells = np.clip(1.6 / radius, 1.5, 12)
    broad = (radius - distance) + radius * style.uniform(0.05, 0.28) * noise(rng, canvas.shape, cells, 2)
    fine = broad + radius * ragged * noise(rng, canvas.shape, min(cells * 5, canvas.unit), 2)
    drawn = broad + rng.random() * (fine - broad)
    share = 1 - min(area, 0.97)
    drawn -= np.quantile(drawn, share)
    if margin:
        drawn = np.maximum(drawn, broad - np.quantile(broad, share) + margin * radius)
    return fine - np.quantile(fine, share), drawn


def _largest_parts(mask: np.ndarray) -> np.ndarray:
    """Drop small parts and fill holes, because a clinician outlines the lesion as a whole."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    result = np.zeros(mask.shape, np.uint8)
    if contours:
        areas = [len(c) if len(c) < 3 else cv2.contourArea(c) for c in contours]
        cv2.drawContours(
            result,
            [c for c, a in zip(contours, areas, strict=True) if a >= 0.2 * max(areas)],
            -1,
            1,
            cv2.FILLED,
        )
    return result


def _pigment(canvas: Canvas, style: Generator, field: np.ndarray, area: float, faint: bool) -> None:
    """Paint pigment inside `field`: one or two colours, patches, a dark core, globules, pale scars."""
    rng, shape = canvas.rng, canvas.shape
    radius = math.sqrt(area * 4 / math.pi)
    softness = radius * (rng.uniform(0.08, 0.3) if faint else rng.uniform(0.015, 0.08))
    inside = sigmoid((field - softness * rng.uniform(0, 1.2)) / softness)
    depth = np.clip(rng.lognormal(math.log(0.55), 0.55), 0.35, 2.0) * (rng.uniform(0.2, 0.5) if faint else 1)
    cells = np.clip(2.5 / radius, 2, 20)

    texture = 1 + style.uniform(0, 0.35) * noise(rng, shape, cells, 3)
    if style.random() < 0.35:  # a dark core in a paler rim
        texture *= 0.45 + 1.2 * sigmoid((field - radius * style.uniform(0.15, 0.55)) / (0.08 * radius + 0.01))
    if style.random() < 0.3:  # dark patches in a paler whole
        texture *= 0.35 + 1.5 * sigmoid(
            4 * (noise(rng, shape, cells * style.uniform(0.8, 2), 2) - style.uniform(-0.3, 0.8))
        )
    if style.random() < 0.3:  # globules or network: bumps of a few hundredths, bright or dark
        bumps = noise(rng, shape, min(style.uniform(14, 30), canvas.unit))
        texture *= 1 + style.uniform(0.2, 0.7) * (np.abs(bumps) - 0.8 if style.random() < 0.5 else bumps)
    if style.random() < 0.12:  # regression: a scar without pigment
        texture *= 1 - 0.9 * sigmoid(5 * (noise(rng, shape, cells, 1) - 0.7))

    colours = np.array([BROWN, BLACK, BLUE_GREY, RED], np.float32) * style.uniform(0.85, 1.15, (4, 3)).astype(
        np.float32
    )
    first, second = style.choice(4, 2, p=[0.55, 0.15, 0.08, 0.22]) if style.random() < 0.55 else (0, 0)
    mix = sigmoid(3 * (noise(rng, shape, cells, 2) - style.uniform(-0.5, 1.0)))[..., None]
    absorb = colours[first] * (1 - mix) + colours[second] * mix
    palest = 0.04 if faint else 0.2  # the palest density that is visible on mottled skin
    density = inside * np.maximum(depth * texture, palest)
    canvas.image *= np.exp(-density[..., None] * absorb)


def paint(
    rng: Generator, style: Generator, size: tuple[int, int], difficulties: Collection[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Paint one image and its true mask: uint8 H×W×3 RGB, and uint8 H×W with 1 inside the lesion.

    Each difficulty has its own random stream: switching hairs off gives the same image without hairs.

    Args:
        rng: random generator for one photograph: position, light, artefacts, noise.
        style: random generator for one patient: skin, shape, pigment.
        size: (height, width) in pixels.
        difficulties: names from `segcourse.data.lesions.DIFFICULTIES`.
    """
    tiny, cut, empty, faint, *artefacts, spots, wide = rng.spawn(6 + len(ARTEFACTS))
    on_skin = [spots, *rng.spawn(len(SKIN) - 1)]
    canvas = Canvas(rng, size)
    _skin(canvas, style)
    for (name, (share, mark)), stream in zip(SKIN.items(), on_skin, strict=True):
        if name in difficulties and stream.random() < share:
            mark(canvas, stream)
    area = float(np.clip(style.lognormal(math.log(0.19), 0.95), 0.02, 0.9))
    if "tiny lesions" in difficulties and tiny.random() < 0.08:
        area = tiny.uniform(0.003, 0.02)
    off_frame = "cut by the frame" in difficulties and cut.random() < 0.06
    mask = np.zeros(size, np.uint8)
    if not ("empty masks" in difficulties and empty.random() < 0.08):
        ragged = style.uniform(0.01, 0.14)
        generous = "generous outlines" in difficulties and wide.random() < 0.4
        margin = wide.uniform(0.02, 0.2) if generous else 0
        field, drawn = _outline(canvas, style, area, off_frame, ragged, margin)
        mask = _largest_parts(drawn > 0)
        _pigment(canvas, style, field, area, faint="faint borders" in difficulties and faint.random() < 0.2)
    for (name, (probability, draw)), canvas.rng in zip(ARTEFACTS.items(), artefacts, strict=True):
        if name in difficulties and canvas.rng.random() < probability:
            draw(canvas)
    gain = rng.normal(1, 0.06, 3) * rng.uniform(0.85, 1.12)
    image = 255 * np.clip(canvas.image * gain / 255, 0, 1) ** rng.uniform(0.85, 1.2)
    image += rng.uniform(0.5, 5) * rng.standard_normal(size, dtype=np.float32)[..., None]
    image += rng.uniform(0, 2) * rng.standard_normal((*size, 3), dtype=np.float32)
    return np.clip(image, 0, 255).astype(np.uint8), mask
