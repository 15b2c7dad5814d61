"""Procedural street scenes: reproducible, in perspective, with stated class shares and an exact depth."""

import numpy as np
import pytest

from segcourse.data import load_dataset
from segcourse.data.perspective import FAR, View
from segcourse.data.scenes import Scenes
from segcourse.data.street_things import CLASSES, PERSON, POLE, ROAD, SKY, WEATHER
from segcourse.errors import DataError

COUNT = 100


@pytest.fixture(scope="module")
def scenes():
    """Scenes of the default size, each painted once for all tests of this file."""
    return Scenes(COUNT)


@pytest.fixture(scope="module")
def shares(scenes):
    """Return the share of the pixels of each class id, over all scenes."""
    masks = np.concatenate([scenes.picture(i).mask.ravel() for i in range(COUNT)])
    return np.bincount(masks, minlength=256) / masks.size


def test_an_item_depends_only_on_the_arguments():
    one, other = Scenes(5, size=32, seed=3), Scenes(5, size=32, seed=3, cache=False)
    last_to_first = [other[i] for i in reversed(range(5))][::-1]
    for a, b in zip(one, last_to_first, strict=True):
        assert a.name == b.name
        assert a.image.equal(b.image)
        assert a.mask.equal(b.mask)


def test_no_scene_is_in_two_splits_or_seeds():
    pictures = [
        load_dataset("scenes", split, size=32, count=2, seed=seed).picture(k)
        for split in ("train", "val", "test")
        for seed in (0, 1)
        for k in (0, 1)
    ]
    assert len({picture.image.tobytes() for picture in pictures}) == 12
    assert len({picture.mask.tobytes() for picture in pictures}) == 12


def test_images_and_masks_have_the_types_that_every_data_set_has(scenes):
    image, mask, _ = scenes[0]
    assert (image.shape, str(image.dtype)) == ((3, 96, 128), "torch.float32")
    assert (mask.shape, str(mask.dtype)) == ((96, 128), "torch.int64")
    assert 0 <= image.min() < image.max() <= 1
    assert scenes.class_names == CLASSES


def test_only_class_ids_and_void_occur(shares):
    assert set(np.flatnonzero(shares)) == {*range(8), 255}


@pytest.mark.parametrize(  # the shares that datasets/scenes.md states
    ("name", "low", "high"),
    [
        *[("road", 0.23, 0.31), ("building", 0.21, 0.29), ("sky", 0.16, 0.22), ("tree", 0.10, 0.17)],
        *[
            ("car", 0.065, 0.105),
            ("pavement", 0.025, 0.045),
            ("pole", 0.013, 0.021),
            ("person", 0.004, 0.008),
        ],
    ],
)
def test_each_class_has_its_share(shares, name, low, high):
    assert low < shares[CLASSES.index(name)] < high


def test_void_is_rare(shares):
    assert 0.015 < shares[255] < 0.035


def test_poles_are_thin(scenes):
    """Half of all horizontal runs of pole pixels are at most two pixels wide."""
    runs = []
    for i in range(COUNT):
        edges = np.diff(np.pad((scenes.picture(i).mask == POLE).astype(int), ((0, 0), (1, 1))), axis=1)
        runs += (np.nonzero(edges < 0)[1] - np.nonzero(edges > 0)[1]).tolist()
    assert np.median(runs) <= 2


def test_a_scene_looks_the_same_at_any_size():
    small, large = Scenes(10, size=(48, 64), seed=1), Scenes(10, size=(144, 192), seed=1)
    equal = [np.mean(small.picture(i).mask == large.picture(i).mask[1::3, 1::3]) for i in range(10)]
    assert min(equal) > 0.85


def test_other_weather_is_the_same_street():
    in_sun, in_fog = (Scenes(5, size=48, weather=weather) for weather in ("sun", "fog"))
    for a, b in zip(map(in_sun.picture, range(5)), map(in_fog.picture, range(5)), strict=True):
        np.testing.assert_array_equal(a.mask, b.mask)
        np.testing.assert_array_equal(a.depth, b.depth)
        assert (a.image != b.image).any()


def test_all_weather_occurs_about_equally_often():
    weathers = Scenes(500).weathers
    assert set(weathers) == set(WEATHER)
    assert all(70 < weathers.count(name) < 130 for name in WEATHER)


def test_dusk_is_darker_and_fog_hides_what_is_far():
    def mean(weather, measure):
        scenes = Scenes(10, size=64, weather=weather)
        return np.mean([measure(*scenes.picture(i)) for i in range(10)])

    def brightness(image, mask, depth):
        return image.mean()

    def far_contrast(image, mask, depth):
        return image[(depth > 50) & (mask != SKY)].std()

    assert mean("dusk", brightness) < 0.6 * mean("sun", brightness)
    assert mean("fog", far_contrast) < 0.5 * mean("sun", far_contrast)


def test_twice_as_far_is_half_as_large():
    view = View(np.random.default_rng(0), (480, 640), SKY)
    (_, foot_5), (_, head_5) = view.project(np.zeros(2), np.array([0, 2]), 5)
    (_, foot_10), (_, head_10) = view.project(np.zeros(2), np.array([0, 2]), 10)
    assert foot_5 - head_5 == pytest.approx(2 * (foot_10 - head_10), abs=2)  # eighths of a pixel


def test_a_wall_has_the_depth_of_its_two_ends():
    view = View(np.random.default_rng(0), (480, 640), SKY)
    view.image[:] = 0
    view.wall((-4, 5), (4, 13), (0, 3), ROAD, (200, 0, 0))
    columns = np.flatnonzero((view.labels == ROAD).any(axis=0))
    depth = view.depth[:, columns].min(axis=0)
    assert depth[0] == pytest.approx(5, abs=0.1)
    assert depth[-1] == pytest.approx(13, abs=0.1)
    middle = view.depth[view.labels == ROAD]
    assert middle.min() >= 5
    assert middle.max() <= 13


def test_road_gets_nearer_towards_the_camera_and_the_sky_is_far(scenes):
    for i in range(20):
        _, mask, depth = scenes.picture(i)
        assert (depth[mask == SKY] == FAR).all()
        rows = [depth[y][mask[y] == ROAD] for y in range(96) if (mask[y] == ROAD).sum() > 3]
        assert all(np.ptp(row) < 1e-3 * row[0] + 1e-3 for row in rows), "a row of the road has one depth"
        assert (np.diff([row[0] for row in rows]) < 0).all()


def test_people_far_away_are_smaller(scenes):
    """Along Z, height in pixels times depth is the height in metres times the focal length."""
    near, far = [], []
    for i in range(COUNT):
        _, mask, depth = scenes.picture(i)
        for z in np.unique(depth[mask == PERSON]):
            rows = np.flatnonzero(((mask == PERSON) & (depth == z)).any(axis=1))
            (near if z < 10 else far if z > 20 else []).append(len(rows))
    assert np.median(near) > 2 * np.median(far)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"count": 0}, "a count of at least 1"),
        ({"count": 5, "size": 8}, "at least 16 × 16 pixels"),
        ({"count": 5, "weather": "snow"}, r"weather is \['snow'\]; choose at least one of sun, clouds"),
        ({"count": 5, "weather": []}, "choose at least one of"),
    ],
)
def test_bad_arguments_are_explained(arguments, sentence):
    with pytest.raises(DataError, match=sentence):
        Scenes(**arguments)


def test_an_index_out_of_range_ends_iteration():
    assert len(list(Scenes(3, size=16))) == 3
    assert Scenes(3, size=16)[-1].name == "scene-0-00002"


def test_scenes_have_three_splits():
    with pytest.raises(DataError, match="scenes has no split 'holdout'; it has train, val, test"):
        load_dataset("scenes", "holdout")
