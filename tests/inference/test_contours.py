"""Contours: rings along pixel edges that give back the mask, as GeoJSON and COCO."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from segcourse.inference.contours import as_geojson, fill, regions, run_lengths, write_coco

RING = [[1, 1, 1], [1, 0, 1], [1, 1, 1]]


def signed_area(ring):
    x, y = ring.T
    return (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2


@pytest.mark.parametrize(
    ("mask", "rings"),
    [
        ([[1]], [[[[0, 0], [1, 0], [1, 1], [0, 1]]]]),
        ([[0, 0], [0, 1]], [[[[1, 1], [2, 1], [2, 2], [1, 2]]]]),
        (RING, [[[[0, 0], [3, 0], [3, 3], [0, 3]], [[1, 1], [1, 2], [2, 2], [2, 1]]]]),
        # pixels that touch at a corner are two regions, in both directions
        ([[1, 0], [0, 1]], [[[[0, 0], [1, 0], [1, 1], [0, 1]]], [[[1, 1], [2, 1], [2, 2], [1, 2]]]]),
        ([[0, 1], [1, 0]], [[[[1, 0], [2, 0], [2, 1], [1, 1]]], [[[0, 1], [1, 1], [1, 2], [0, 2]]]]),
        ([[0, 0]], []),
    ],
)
def test_rings_run_along_the_edges_of_pixels(mask, rings):
    found = regions(np.array(mask), classes=[1])
    assert [[ring.tolist() for ring in one.rings] for one in found] == rings


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 2)))
def test_filling_the_rings_gives_back_the_mask(mask):
    found = regions(mask, classes=[1, 2])
    again = np.zeros_like(mask)
    for one in found:
        filled = fill(one.rings, mask.shape)
        assert filled.sum() == one.area == sum(map(signed_area, one.rings))
        assert signed_area(one.rings[0]) > 0 > max(map(signed_area, one.rings[1:]), default=-1)
        assert not again[filled].any()
        again[filled] = one.class_id
    np.testing.assert_array_equal(again, mask)


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_run_lengths_give_back_the_mask(found):
    lengths = run_lengths(found)
    values = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    np.testing.assert_array_equal(values.reshape(found.shape, order="F"), found)


def test_a_coco_file_of_two_images(tmp_path):
    names = ["background", "cat", "dog"]
    masks = {"a.jpg": [[2, 2, 0]], "b.jpg": RING}
    files = []
    for name, mask in masks.items():
        mask = np.array(mask)
        image = {"file": name, "width": mask.shape[1], "height": mask.shape[0]}
        files.append(tmp_path / f"{name}.geojson")
        files[-1].write_text(json.dumps(as_geojson(regions(mask, [1, 2]), names, image)))
    write_coco(tmp_path / "coco.json", files, names)
    coco = json.loads((tmp_path / "coco.json").read_text())
    assert [(one["id"], one["name"]) for one in coco["categories"]] == [*enumerate(names)]
    assert coco["images"] == [
        {"id": 1, "file_name": "a.jpg", "width": 3, "height": 1},
        {"id": 2, "file_name": "b.jpg", "width": 3, "height": 3},
    ]
    flat, ring = coco["annotations"]
    assert (flat["id"], flat["image_id"], flat["category_id"], flat["area"]) == (1, 1, 2, 2)
    assert flat["bbox"] == [0, 0, 2, 1]
    assert flat["segmentation"] == [[0, 0, 2, 0, 2, 1, 0, 1]]
    # a hole can't be a polygon of COCO
    assert (ring["id"], ring["image_id"], ring["category_id"], ring["area"]) == (2, 2, 1, 8)
    assert ring["segmentation"] == {"size": [3, 3], "counts": [0, 4, 1, 4]}
