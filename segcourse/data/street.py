"""Paint one procedural street, from far to near: sky, ground, houses, things, weather."""

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

from segcourse.data.canvas import blend, noise, sigmoid
from segcourse.data.perspective import FAR, NEAR, Texture, View
from segcourse.data.street_things import (
    BUILDING,
    GROUND,
    PAVEMENT,
    ROAD,
    SKY,
    Street,
    bin_,
    car,
    person,
    pole,
    tree,
)
from segcourse.palette import IGNORE

_WALLS = ((178, 92, 70), (205, 190, 165), (222, 214, 200), (150, 140, 130), (196, 160, 118), (168, 178, 184))


def _sky(street: Street, rng: Generator) -> None:
    view = street.view
    up = np.clip((view.vanish[1] - view.y) / (view.vanish[1] + 1), 0, 1)[..., None]
    view.image[:] = street.horizon + (street.zenith - street.horizon) * np.sqrt(up)
    if street.weather in ("sun", "dusk", "clouds"):
        cloud = noise(rng, view.shape, rng.uniform(2, 5), 3)
        cover = sigmoid(2.5 * (cloud - rng.uniform(-0.3, 1.6))) * np.float32(rng.uniform(0.4, 0.9))
        blend(view.image, cover, (252, 252, 252) if street.weather == "sun" else street.horizon * 1.04)


def _ground(street: Street, rng: Generator) -> None:
    """Paint road and pavement below the horizon: each pixel sees one point of the ground."""
    view = street.view
    first = int(np.searchsorted(view.y[:, 0], view.vanish[1] + 1e-3))
    below = view.y[first:] - view.vanish[1]
    z = view.focal * view.eye[1] / np.maximum(below, 1e-3)
    x = (view.x[first:] - view.vanish[0]) / view.focal * z + view.eye[0]
    near = np.clip(view.focal * view.unit / z / 25, 0, 1)  # fine detail fades with the distance
    is_road = np.abs(x) < street.road
    asphalt, stone = np.float32(rng.uniform(70, 115)), np.array(rng.normal((165, 158, 148), 14), np.float32)
    grain = noise(rng, view.shape, 16, 2)[first:] + street.grain[first:]
    value = asphalt * (1 + 0.03 * grain + 0.06 * np.sin(x * rng.uniform(0.8, 1.6) + rng.uniform(0, 6)))
    image = np.repeat(value[..., None], 3, axis=2) * np.array([1, 1, 1.03], np.float32)
    slabs = ((np.abs(x) - street.road) % 1.1 < 0.07) | (z % 1.1 < 0.07)
    pavement = stone * (1 + 0.02 * grain - 0.16 * slabs * near)[..., None]
    image = np.where(is_road[..., None], image, pavement)

    line = np.zeros(x.shape, bool)
    if rng.random() < 0.8:
        line |= (np.abs(x) < 0.09) & (z % 6 < (3.5 if rng.random() < 0.7 else 6))
    if rng.random() < 0.4:
        line |= np.abs(np.abs(x) - street.road + rng.choice([0.4, 2.2])) < 0.07
    crossing = rng.uniform(7, 28)
    if rng.random() < 0.4:
        line = np.where(np.abs(z - crossing) < 1.6, (x % 1 < 0.5), line)
    image = np.where((line & is_road)[..., None], np.float32(rng.uniform(190, 235)), image)
    kerb = np.abs(np.abs(x) - street.road - 0.1) < 0.12
    image = np.where((kerb & (z < 60))[..., None], np.array([188, 186, 182], np.float32), image)
    view.image[first:] = image * street.light
    view.labels[first:] = np.where(is_road, ROAD, PAVEMENT)
    view.depth[first:] = np.clip(z, None, FAR)
    if street.weather == "sun":  # the shadow of the houses that the sun stands behind
        reach = rng.uniform(0, 1.6) * street.road
        shade = street.sunny * x < -street.house[-street.sunny] + reach
        view.image[first:][shade] *= 0.62


def _windows(street: Street, rng: Generator) -> Texture:
    """Return a texture: a wall with rows of windows, and shops on the ground floor."""
    wall = street.colour(rng.normal(_WALLS[rng.integers(len(_WALLS))], 10))
    glass, shop = street.colour(rng.normal((72, 84, 100), 12)), street.colour(rng.uniform(30, 150, 3))
    pitch, floor = rng.uniform(1.8, 3.6), rng.uniform(2.8, 3.6)
    wide, tall, shift = rng.uniform(0.35, 0.7), rng.uniform(0.4, 0.65), int(rng.integers(900))
    lamp = np.array([250, 205, 120], np.float32)

    def texture(along: np.ndarray, y: np.ndarray, scale: np.ndarray) -> np.ndarray:
        column, row = along / pitch, y / floor
        inside = (np.abs(column % 1 - 0.5) < wide / 2) & (np.abs(row % 1 - 0.5) < tall / 2)
        lit = street.lit[(column.astype(int) * 31 + row.astype(int) * 17 + shift) % 997]
        pane = np.where(lit[..., None], lamp, np.where((y < floor)[..., None], shop, glass))
        seen = np.clip(scale * pitch / 5 - 0.3, 0, 1)  # windows of a few pixels turn into one grey
        cover = (seen * inside + (1 - seen) * wide * tall)[..., None]
        edge = 1 - 0.25 * seen * ((row % 1 < 0.06) | (y < 0.4))
        return (wall * (1 - cover) + pane * cover) * edge[..., None]

    return texture


def _building(
    street: Street, rng: Generator, side: int, z: float, width: float, height: float, beside: float
) -> None:
    """Paint a house: the gable, if the house before it is lower, and the front along the street."""
    x, deep, wall = side * street.house[side], side * rng.uniform(8, 14), _windows(street, rng)
    light = street.side_light(side)
    if height > beside:
        street.view.wall((x, z), (x + deep, z), (0, height), BUILDING, lambda *at: 0.85 * wall(*at))
    street.view.wall((x, z), (x, z + width), (0, height), BUILDING, lambda *at: light * wall(*at))


def _houses(street: Street, rng: Generator) -> None:
    """Paint the end of the street, then both rows of houses with their gaps, from far to near."""
    view = street.view
    for x in range(-80, 80, 14):
        if rng.random() < 0.8:
            view.wall((x, 98), (x + 14, 98), (0, rng.uniform(5, 20)), BUILDING, _windows(street, rng))
        elif rng.random() < 0.7:
            tree(street, rng, x + 7, 97, rng.uniform(9, 16))
    plots = []
    for side in (-1, 1):
        z, level, beside = rng.uniform(-12, 0), rng.uniform(6, 17), 0.0
        gaps = rng.choice([0.05, 0.15, 0.6])
        while z < 95:
            width = rng.uniform(8, 22)
            height = 0 if rng.random() < gaps else level * rng.uniform(0.6, 1.4)
            plots.append((z, side, width, height, beside))
            z, beside = z + width, height
    for z, side, width, height, beside in sorted(plots, reverse=True, key=lambda plot: plot[0]):
        if height:
            _building(street, rng, side, z, width, height, beside)
            continue
        for at in sorted(
            rng.uniform(max(z, 3), max(z, 3) + width, rng.integers(1, 5)).tolist(), reverse=True
        ):
            tree(street, rng, side * (street.house[side] + rng.uniform(2, 9)), at, rng.uniform(5, 12))


def _things(street: Street, rng: Generator) -> None:
    """Paint what stands between the houses, from far to near."""
    things: list[tuple[float, Callable, float, tuple]] = []

    def place(kind: Callable, gap: float, start: float, x: float, spread: float, *extra: Any) -> None:
        """Repeat a thing along the street, every 5.5 metres and `gap` more on average."""
        z = start + rng.exponential(gap)
        while z < 65:
            things.append((z, kind, x + rng.uniform(-spread, spread), extra))
            z += 5.5 + rng.exponential(gap)

    for side in (-1, 1):
        kerb, house = side * (street.road + 0.5), side * street.house[side]
        cars, trees, people = (gaps[rng.integers(len(gaps))] for gaps in ((1.5, 8, 25), (4, 12), (1, 6, 25)))
        if rng.random() < 0.7:
            place(car, cars, 3, side * (street.road - 1.15), 0.15, side > 0)
        if rng.random() < 0.55:
            place(tree, trees, 5, kerb, 0, rng.uniform(4.5, 8))
        place(pole, 9, 3, kerb, 0.15, side)
        place(person, people, 3, (kerb + house) / 2, 1)
        place(bin_, 30, 4, kerb + side * 0.4, 0)
    place(car, 30, 9, 1.6, 0.2, True)
    place(car, 30, 9, -1.6, 0.2, False)
    if rng.random() < 0.35:
        place(person, 25, 6, 0, street.road)
    for z, kind, x, extra in sorted(things, reverse=True, key=lambda thing: thing[0]):
        kind(street, rng, x, z, *extra)


def _weather(street: Street, sensor: Generator) -> None:
    """Add what lies between the camera and the street: mirrors on wet ground, fog, rain."""
    view, image = street.view, street.view.image
    if street.weather == "rain":
        height = view.shape[0]
        line = (view.vanish[1] * view.unit) + height / 2
        rows = np.clip(np.round(2 * line - np.arange(height)).astype(int), 0, height - 1)
        mirror = cv2.GaussianBlur(image[rows], (0, 0), 0.02 * view.unit + 0.5)
        wet = np.isin(view.labels, GROUND) * np.where(view.labels == ROAD, np.float32(0.4), np.float32(0.2))
        image += wet[..., None] * (mirror - image)
    haze = {"fog": sensor.uniform(12, 40), "rain": 90.0}.get(street.weather, 260.0)
    seen = np.exp(-view.depth / haze) + (0 if street.weather == "fog" else (view.labels == SKY))
    image[:] = street.horizon + np.minimum(seen, 1)[..., None] * (image - street.horizon)
    if street.weather == "rain":
        drops = view.empty()
        tilt = sensor.normal(0, 0.03)
        for x, y in sensor.uniform(-1.4, 1.4, (40, 2)):
            view.stroke(drops, [(x, y), (x + tilt, y + 0.12)], 0.004)
        blend(image, drops * np.float32(0.25 / 255), (215, 220, 225))


def _bonnet(street: Street, rng: Generator) -> None:
    """Paint the camera's own car at the lower edge; it belongs to no class."""
    view, width = street.view, rng.uniform(0.9, 1.4)
    bottom = view.shape[0] / (2 * view.unit)
    angles = np.linspace(math.pi, 2 * math.pi, 30)
    top = rng.uniform(0.12, 0.3)
    found = view.cover(
        view.pixels(np.stack([width * np.cos(angles), bottom + 0.02 + top * np.sin(angles)], 1))
    )
    if found is not None:
        glow = np.clip(1.25 - 1.5 * (view.y[found[0]] - bottom + top), 0.6, 1.3)[..., None]
        view.fill(*found, IGNORE, street.colour(rng.uniform(20, 130) * glow * np.ones(3)), 1.5)


def paint(layout: Generator, sensor: Generator, size: tuple[int, int], weather: str) -> View:
    """Paint one street and return the view: `image` float32 H×W×3 in 0..255, `labels` and `depth`.

    Args:
        layout: random generator of what stands where.
        sensor: random generator of the light and the camera. The same layout in other weather is the same
            street.
        size: (height, width) in pixels.
        weather: a name from `WEATHER`.
    """
    camera, ground, houses, things, sky, grain = layout.spawn(6)
    view = View(camera, size, SKY)
    street = Street(view, camera, weather, sensor, grain)
    _sky(street, sky)
    _ground(street, ground)
    _houses(street, houses)
    _things(street, things)
    _weather(street, sensor)
    if camera.random() < 0.3:
        _bonnet(street, camera)
    image = 255 * np.clip(view.image / 255 * sensor.normal(1, 0.03, 3), 0, 1) ** sensor.uniform(0.9, 1.12)
    if sensor.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), sensor.uniform(0.003, 0.008) * view.unit + 0.2)
    image += sensor.uniform(0.5, 4) * sensor.standard_normal((*size, 3), dtype=np.float32)
    view.image = np.clip(image, 0, 255)
    np.clip(view.depth, NEAR, FAR, out=view.depth)
    return view
