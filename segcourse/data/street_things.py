"""What stands in a procedural street: trees, poles, cars, people and bins."""

import math

import cv2
import numpy as np
from numpy.random import Generator

from segcourse.data.canvas import sigmoid
from segcourse.data.perspective import Texture, View
from segcourse.palette import IGNORE

CLASSES = ("road", "building", "sky", "tree", "pavement", "car", "person", "pole")
ROAD, BUILDING, SKY, TREE, PAVEMENT, CAR, PERSON, POLE = range(len(CLASSES))
GROUND = (ROAD, PAVEMENT)

#: The weather of a scene. Each is one fifth of the scenes by default.
WEATHER = {
    "sun": "blue sky, bright walls on one side, shadows on the ground",
    "clouds": "even, grey light",
    "rain": "dark, and the wet road mirrors what stands on it",
    "fog": "far things fade into grey",
    "dusk": "dim light and lit windows",
}
# zenith, horizon, light in R, G, B
_SKIES = {
    "sun": ((70, 125, 205), (190, 215, 240), (1.08, 1.04, 0.96)),
    "clouds": ((165, 172, 182), (215, 218, 222), (0.86, 0.87, 0.88)),
    "rain": ((95, 102, 112), (150, 155, 162), (0.6, 0.63, 0.68)),
    "fog": ((196, 200, 204), (208, 210, 212), (0.82, 0.83, 0.84)),
    "dusk": ((38, 46, 88), (225, 150, 105), (0.46, 0.42, 0.46)),
}
_GREENS = ((78, 112, 52), (105, 122, 48), (58, 96, 58), (78, 112, 52), (142, 108, 44))
_PAINTS = (
    (30, 32, 36),
    (225, 226, 228),
    (150, 152, 156),
    (150, 28, 30),
    (32, 62, 120),
    (70, 84, 78),
    (205, 170, 60),
)


def _bar(
    x: float, bottom: float, top: float, width: float, upper: float | None = None
) -> list[tuple[float, float]]:
    """Return the corners of an upright bar around x, `width` wide below and `upper` wide above."""
    a, b = width / 2, (width if upper is None else upper) / 2
    return [(x - a, bottom), (x + a, bottom), (x + b, top), (x - b, top)]


class Street:
    """The measures of one street, in metres, and its light."""

    def __init__(self, view: View, rng: Generator, weather: str, sun: Generator, grain: Generator):
        self.view, self.rng, self.weather = view, rng, weather
        self.road = rng.uniform(3.2, 6.5)  # half of its width
        self.house = {side: self.road + rng.uniform(1.8, 5.0) for side in (-1, 1)}
        self.zenith, self.horizon, light = (np.array(one, np.float32) for one in _SKIES[weather])
        self.light = light * np.float32(sun.uniform(0.88, 1.1))
        self.sunny = 1 if sun.random() < 0.5 else -1  # the side whose walls are lit
        self.shadow = (
            self.sunny * sun.uniform(0.3, 1.1),
            sun.uniform(-0.5, 0.5),
        )  # (X, Z) per metre of height
        self.grain = grain.standard_normal(view.shape, dtype=np.float32)
        self.lit = sun.random(997) < (0.35 if weather == "dusk" else 0.0)  # windows

    def side_light(self, side: int) -> float:
        """Return how bright the walls on one side of the street are."""
        return 1.0 if self.weather != "sun" else (1.12 if side == self.sunny else 0.72)

    def colour(self, rgb: object, light: float = 1.0) -> np.ndarray:
        return np.asarray(rgb, np.float32) * (self.light * np.float32(light))

    def shadows(self, points: list[tuple[float, float]], height: float) -> None:
        """Darken the ground below something with these corners (X, Z), and the shadow that it casts."""
        view, on = self.view, GROUND
        if points[0][1] > 40:
            return  # too small to be seen
        view.shade(points, 0.5, on)
        if self.weather == "sun":
            (x0, z0), (x1, z1) = points[0], points[len(points) // 2]
            dx, dz = self.shadow[0] * height, self.shadow[1] * height
            view.shade([(x0, z0), (x1, z1), (x1 + dx, z1 + dz), (x0 + dx, z0 + dz)], 0.4, on)


def tree(street: Street, rng: Generator, x: float, z: float, height: float) -> None:
    view, crown = street.view, rng.uniform(0.28, 0.42) * height
    stretch, trunk = rng.uniform(0.9, 1.35), 0.035 * height
    green = rng.normal(_GREENS[rng.integers(len(_GREENS))], 9)
    coarse = rng.standard_normal((16, 16), dtype=np.float32)
    street.shadows([(x - crown / 2, z), (x, z - 0.4), (x + crown / 2, z), (x, z + 0.4)], 0.6 * height)
    bark = street.colour((92, 74, 58))
    view.board(_bar(x, 0, height / 2, 2 * trunk, trunk), z, TREE, bark)
    centre = height - crown * 1.05
    across, up = np.transpose(
        _bar(x, centre - 1.3 * crown * stretch, centre + 1.3 * crown * stretch, 2.6 * crown)
    )
    found = view.cover(view.project(across, up, z))
    if found is None:
        return
    window, scale = found[0], view.focal / z
    dx = ((view.x[window] - view.vanish[0]) / scale + view.eye[0] - x) / crown
    dy = (view.eye[1] - (view.y[window] - view.vanish[1]) / scale - centre) / crown
    clumps, leaves = (
        cv2.remap(coarse, 7.5 + dx * k, 7.5 + dy * k, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
        for k in (2, 5)
    )
    edge = 1 + 0.16 * clumps + 0.12 * leaves - np.hypot(dx, dy / stretch)
    cover = sigmoid(edge * max(crown * scale * view.unit, 3))
    bright = 0.95 + 0.2 * np.clip(dy, -1, 1) + 0.12 * leaves + 0.1 * clumps + 0.09 * street.grain[window]
    if street.weather == "sun":
        bright -= 0.15 * street.sunny * np.clip(dx, -1, 1)
    view.fill(window, cover, TREE, street.colour(green) * bright[..., None], z)


def pole(street: Street, rng: Generator, x: float, z: float, side: int) -> None:
    """Paint a street lamp, a traffic light or a sign; what is mounted on a pole belongs to it."""
    view, kind = street.view, rng.integers(3)
    height = (rng.uniform(5.5, 8), rng.uniform(2.8, 3.6), rng.uniform(2.2, 3.0))[kind]
    street.shadows(_bar(x, z - 0.1, z + 0.1, 0.3), height)
    grey, reach, sort = (
        street.colour(np.repeat(rng.uniform(60, 150), 3)),
        -side * rng.uniform(1, 2.2),
        rng.integers(2),
    )
    view.board(_bar(x, 0, height, 0.11), z, POLE, grey)
    if kind == 0:
        arm = [(0, height - 0.1), (reach, height), (reach, height + 0.12), (0, height + 0.02)]
        view.board([(x + across, y) for across, y in arm], z, POLE, grey)
        lamp = (255, 236, 180) if street.weather == "dusk" else street.colour((205, 205, 200))
        view.board(_bar(x + reach, height - 0.12, height + 0.03, 0.5), z, POLE, lamp)
    elif kind == 1:
        view.board(_bar(x, height - 1, height, 0.4), z, POLE, street.colour((38, 40, 42)))
        lamp, down = (((235, 60, 45), 0.18), ((60, 215, 120), 0.82))[sort]
        view.board(_disc(x, height - down, 0.12), z, POLE, lamp)
    else:
        outer, inner = (((200, 40, 40), (240, 240, 235)), ((30, 80, 170), (235, 240, 245)))[sort]
        view.board(_disc(x, height, 0.36), z, POLE, street.colour(outer))
        view.board(_disc(x, height, 0.24), z, POLE, street.colour(inner))


def _disc(x: float, y: float, radius: float) -> np.ndarray:
    angles = np.linspace(0, 2 * math.pi, 14)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], 1)


def car(street: Street, rng: Generator, x: float, z: float, away: bool) -> None:
    """Paint a car or a van along the street: wheels, lights, windows, the faces that the camera sees."""
    view, van = street.view, rng.random() < 0.15
    width, length, waist = (2.0, 5.0, 1.1) if van else (rng.uniform(1.7, 1.9), rng.uniform(3.8, 4.7), 0.88)
    top = rng.uniform(2.0, 2.4) if van else rng.uniform(1.4, 1.6)
    body = rng.normal(_PAINTS[rng.integers(len(_PAINTS))], 6)
    glass, rubber = street.colour((48, 58, 68)), street.colour((24, 24, 26))
    left, right, back = x - width / 2, x + width / 2, z + length
    street.shadows([(left, z), (right, z), (right, back), (left, back)], top)

    light = street.side_light(1 if view.eye[0] < left else -1)
    flank, face = street.colour(body, 0.9 * light), street.colour(body, 0.95)

    def side(along: np.ndarray, y: np.ndarray, scale: np.ndarray) -> np.ndarray:
        wheel = np.minimum(np.hypot(along - 0.8, y - 0.32), np.hypot(along - length + 0.8, y - 0.32)) < 0.34
        return np.where(((y < 0.2) | wheel)[..., None], rubber, flank)

    lamps = ((200, 40, 36), (120, 24, 24))[street.weather != "dusk"] if away else (250, 244, 215)
    lamp = np.array(lamps, np.float32) if street.weather == "dusk" else street.colour(lamps)

    def end(along: np.ndarray, y: np.ndarray, scale: np.ndarray) -> np.ndarray:
        edge = np.minimum(along, width - along)
        lights = (edge < 0.38) & (np.abs(y - 0.72) < 0.11)
        plate = (np.abs(along - width / 2) < 0.26) & (np.abs(y - 0.5) < 0.07)
        dark = (y < 0.3) | ((edge < 0.3) & (y < 0.36))
        picture = np.where(dark[..., None], rubber, face)
        picture = np.where(plate[..., None], street.colour((225, 222, 205)), picture)
        return np.where(lights[..., None], lamp, picture)

    def window(paint: np.ndarray, size: float) -> Texture:
        def texture(along: np.ndarray, y: np.ndarray, scale: np.ndarray) -> np.ndarray:
            pane = (y > waist + 0.03) & (y < top - 0.12) & (np.abs(along - size / 2) < size / 2 - 0.12)
            pane &= ~((np.abs(along - size / 2) < 0.05) & (size > width))  # the pillar between the doors
            return np.where(pane[..., None], glass, paint)

        return texture

    # the cabin: from z0 to z1, and its upper edge `lean` metres inwards
    z0, z1 = (z + (0.1 if away else 1.2), back - (1.2 if away else 0.1)) if not van else (z + 0.1, back - 0.1)
    lean, seen = (0.15 if van else 0.45), left if view.eye[0] < left else right
    hidden = not left <= view.eye[0] <= right
    if hidden:
        view.wall((seen, z), (seen, back), (0.02, waist), CAR, side)
    view.slab([(left, z), (right, z), (right, back), (left, back)], waist, CAR, street.colour(body, 1.08))
    inward = 0.12
    view.board(
        [(left + inward, top), (right - inward, top), (right, waist), (left, waist)],
        z0 + lean / 2,
        CAR,
        street.colour(body),
    )
    if hidden:
        view.wall((seen, z0), (seen, z1), (waist, top), CAR, window(flank, z1 - z0), lean)
    view.wall((left, z0), (right, z0), (waist, top), CAR, window(face, width), inward)
    view.wall((left, z), (right, z), (0.16, waist), CAR, end)


def person(street: Street, rng: Generator, x: float, z: float) -> None:
    view, h, stride = street.view, rng.uniform(1.15, 1.9), rng.uniform(0.03, 0.16)
    shirt, trousers, hair = rng.uniform(20, 235, 3), rng.uniform(20, 130, 3), rng.uniform(20, 120)
    skin, swing = np.array([225, 178, 148]) * rng.uniform(0.35, 1.05), rng.uniform(0.12, 0.2)
    street.shadows(_bar(x, z - 0.15, z + 0.15, 0.5), h)
    small = h * view.focal * view.unit / z < 14  # pixels: arms and hair would not be seen
    shirt, trousers = street.colour(shirt), street.colour(trousers)
    for foot in (-stride, stride):
        leg = [(foot - 0.04, 0), (foot + 0.04, 0), (0.07, 0.5), (-0.07, 0.5)]
        view.board([(x + across * h, y * h) for across, y in leg], z, PERSON, trousers)
    for hand in () if small else (-swing, swing):
        arm = [(0.6 * hand, 0.82), (0.8 * hand, 0.8), (hand + 0.02, 0.46), (hand - 0.03, 0.46)]
        view.board([(x + across * h, y * h) for across, y in arm], z, PERSON, shirt * 0.85)
    view.board(_bar(x, 0.46 * h, 0.83 * h, 0.16 * h, 0.24 * h), z, PERSON, shirt)
    view.board(_disc(x, 0.92 * h, 0.075 * h), z, PERSON, street.colour(skin))
    if not small:
        view.board(_disc(x, 0.95 * h, 0.06 * h), z, PERSON, street.colour(hair * np.array([1, 0.85, 0.7])))


def bin_(street: Street, rng: Generator, x: float, z: float) -> None:
    """Paint a thing of no class: a bin."""
    w, h = rng.uniform(0.3, 0.6), rng.uniform(0.8, 1.2)
    colour = street.colour(rng.uniform(30, 160, 3))
    street.shadows([(x, z), (x + w, z), (x + w, z + w), (x, z + w)], h)
    near = x if street.view.eye[0] < x else x + w
    street.view.wall((near, z), (near, z + w), (0, h), IGNORE, colour * 0.7)
    street.view.slab([(x, z), (x + w, z), (x + w, z + w), (x, z + w)], h, IGNORE, colour * 1.2)
    street.view.wall((x, z), (x + w, z), (0, h), IGNORE, colour)
