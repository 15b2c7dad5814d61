"""Contours of a mask along the edges of its pixels, as GeoJSON and as a COCO file."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from segcourse.files import replacing

_SPACE = "pixels: x to the right, y down, from the upper left corner of the upright image"


class Region(NamedTuple):
    """A connected region of one class: pixels that share an edge.

    Attributes:
        class_id: the class.
        area: in pixels.
        rings: closed polygons as (x, y) corners, n×2 integers, without a repeated first corner. The outer
            ring comes first, then the holes.
    """

    class_id: int
    area: int
    rings: list[np.ndarray]


def regions(mask: np.ndarray, classes: Iterable[int]) -> list[Region]:
    """Return the connected regions of some classes, with rings that run along the edges of pixels.

    Filling the rings gives back exactly the mask. (`cv2.findContours` connects the centres of pixels, so its
    polygons are half a pixel too small on each side.)

    Args:
        mask: class ids, H×W.
        classes: the classes to return.

    >>> [one] = regions(np.array([[1, 1, 0], [1, 0, 0]]), classes=[1])
    >>> one.area, one.rings[0].tolist()
    (3, [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]])
    """
    found = []
    for one in classes:
        same = mask == one
        rows, columns = np.flatnonzero(same.any(1)), np.flatnonzero(same.any(0))
        if len(rows):
            top, left = int(rows[0]), int(columns[0])
            part = same[top : rows[-1] + 1, left : columns[-1] + 1]
            found += _regions_of(part, int(one), np.array([left, top]))
    return found


def _regions_of(found: np.ndarray, class_id: int, corner: np.ndarray) -> list[Region]:
    count, labels = cv2.connectedComponents(found.astype(np.uint8), connectivity=4)
    areas = np.bincount(labels.ravel(), minlength=count)
    rings: list[list[np.ndarray]] = [[] for _ in range(count)]
    for ring in _rings(found):  # in the order of their first corner: the outer ring before its holes
        x, y = ring[0]
        if found[y, x]:
            rings[labels[y, x]].append(ring + corner)
        else:  # a hole, whose region is above its first corner; holes run the other way round
            rings[labels[y - 1, x]].append(np.roll(ring[::-1], 1, axis=0) + corner)
    return [Region(class_id, int(areas[i]), rings[i]) for i in range(1, count)]


def _rings(found: np.ndarray) -> Iterator[np.ndarray]:
    """Yield closed rings of (x, y) corners, clockwise on the screen, from the first corner in reading order.

    Along each row and each column of pixel corners, the corners of the border pair up to edges. So following
    a ring means taking the partner in the row and the partner in the column in turn.
    """
    padded = np.pad(found, 1)
    nw, ne, sw, se = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    touching = (nw == se) & (ne == sw) & (nw != ne)  # two pixels that share only this corner: it counts twice
    y, x = np.nonzero((nw ^ ne ^ sw ^ se) | touching)
    twice = touching[y, x].astype(int)
    second = np.concatenate([np.arange(1 + k) for k in twice]) if len(twice) else twice
    y, x = np.repeat(y, 1 + twice), np.repeat(x, 1 + twice)
    # of a doubled corner, the first ends the row's edge from the left; it takes the edge upwards if its pixel
    # is the upper left one
    order = np.lexsort((np.where(nw[y, x], second, 1 - second), y, x))
    in_column = np.empty(len(order), int)
    in_column[order[::2]], in_column[order[1::2]] = order[1::2], order[::2]
    partner, seen = in_column.tolist(), [False] * len(y)
    for start in range(len(y)):
        if seen[start]:
            continue
        ring, here = [], start
        while not seen[here]:
            there = here ^ 1  # in reading order, partners in a row are neighbours
            seen[here] = seen[there] = True
            ring += [here, there]
            here = partner[there]
        yield np.stack([x[ring], y[ring]], axis=1)


def as_geojson(found: Iterable[Region], names: Sequence[str], image: dict[str, Any]) -> dict[str, Any]:
    """Return regions as a GeoJSON FeatureCollection, in pixels of the image.

    Args:
        found: from `regions`.
        names: one name per class.
        image: "file", "width" and "height".

    >>> made = as_geojson(regions(np.ones((1, 2)), [1]), ["skin", "lesion"], {"file": "a.jpg"})
    >>> made["features"][0]["geometry"]["coordinates"]
    [[[0, 0], [2, 0], [2, 1], [0, 1], [0, 0]]]
    """
    features = [
        {
            "type": "Feature",
            "properties": {"class_id": one.class_id, "class": names[one.class_id], "area": one.area},
            "geometry": {
                "type": "Polygon",
                "coordinates": [[*ring.tolist(), ring[0].tolist()] for ring in one.rings],
            },
        }
        for one in found
    ]
    return {"type": "FeatureCollection", "image": image, "coordinates_are": _SPACE, "features": features}


def write_coco(path: str | Path, files: Iterable[Path], names: Sequence[str]) -> None:
    """Write one COCO file for the GeoJSON files of many images, without holding them all in memory.

    A region is a polygon, or run lengths if it has holes, because a COCO polygon can't have any. A category
    has the id of its class.

    Args:
        path: the COCO file.
        files: GeoJSON files that hold what `as_geojson` returns.
        names: one name per class.

    Raises:
        SaveError: see `replacing`.
    """
    images: list[dict] = []
    categories = [{"id": i, "name": name, "supercategory": ""} for i, name in enumerate(names)]
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as out:
        out.write(f'{{"categories": {json.dumps(categories)},\n"annotations": [')
        count = 0
        for file in files:
            collection = json.loads(file.read_text(encoding="utf-8"))
            about = collection["image"]
            images.append(
                {
                    "id": len(images) + 1,
                    "file_name": about["file"],
                    "width": about["width"],
                    "height": about["height"],
                }
            )
            for feature in collection["features"]:
                count += 1
                made = {"id": count, "image_id": len(images), **_annotation(feature, about)}
                out.write(("\n" if count == 1 else ",\n") + json.dumps(made))
        out.write(f'],\n"images": {json.dumps(images)}}}\n')


def _annotation(feature: dict, image: dict) -> dict[str, Any]:
    rings = [np.array(ring[:-1]) for ring in feature["geometry"]["coordinates"]]
    (left, top), (right, bottom) = rings[0].min(0).tolist(), rings[0].max(0).tolist()
    segmentation: Any = [rings[0].ravel().tolist()]
    if len(rings) > 1:
        filled = fill(rings, (image["height"], image["width"]))
        segmentation = {"size": list(filled.shape), "counts": run_lengths(filled)}
    return {
        "category_id": feature["properties"]["class_id"],
        "area": feature["properties"]["area"],
        "bbox": [left, top, right - left, bottom - top],
        "iscrowd": 0,
        "segmentation": segmentation,
    }


def fill(rings: Iterable[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Return the boolean H×W mask that rings along pixel edges enclose; the inverse of `regions`.

    >>> fill([np.array([[1, 0], [3, 0], [3, 1], [1, 1]])], (2, 3)).astype(int).tolist()
    [[0, 1, 1], [0, 0, 0]]
    """
    changes = np.zeros((shape[0] + 1, shape[1]), bool)  # True where the inside begins or ends, going down
    for ring in rings:
        for (x, y), (to_x, to_y) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if y == to_y:
                changes[y, min(x, to_x) : max(x, to_x)] ^= True
    return np.logical_xor.accumulate(changes, axis=0)[:-1]


def run_lengths(found: np.ndarray) -> list[int]:
    """Return COCO's uncompressed run lengths: down the columns, zeros first.

    >>> run_lengths(np.array([[0, 1], [0, 1]], bool)), run_lengths(np.array([[1, 0]], bool))
    ([2, 2], [0, 1, 1])
    """
    flat = found.ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *ends.tolist(), flat.size]).tolist()
    return [0, *runs] if flat[:1].any() else runs
