"""Classical methods: each on a picture that a person can check, on a photograph, and against a peer."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image

from segcourse import classical, dice_score
from segcourse.data import load_dataset
from segcourse.errors import DataError


@pytest.fixture(scope="module")
def photo():
    return load_sample_image("flower.jpg")[::4, ::4].copy()  # uint8 107×160×3


@pytest.fixture(scope="module")
def lesions():
    return [*load_dataset("lesions", "train", size=64, count=30)]


METHODS = {
    "otsu": classical.otsu,
    "kmeans": classical.kmeans,
    "grabcut": classical.grabcut,
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_method_gives_a_photograph_and_its_tensor_the_same_mask_twice(method, photo):
    tensor = torch.from_numpy(photo).permute(2, 0, 1).float() / 255
    masks = [method(photo), method(tensor), method(photo)]
    assert masks[0].dtype == torch.int64
    assert masks[0].shape == photo.shape[:2]
    assert all(torch.equal(masks[0], mask) for mask in masks)
    assert 0.05 < masks[0].float().mean() < 0.95


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_method_leaves_its_image_as_it_was(method, photo):
    before = photo.copy()
    method(photo)
    assert np.array_equal(photo, before)


def test_otsu_threshold_agrees_with_two_libraries():
    cv2, filters = pytest.importorskip("cv2"), pytest.importorskip("skimage.filters")
    rng = np.random.default_rng(0)
    for _ in range(30):
        dark, bright = rng.normal(80, 20, 300), rng.normal(170, 20, int(rng.integers(50, 600)))
        grey = np.concatenate([dark, bright]).clip(0, 255).astype(np.uint8)[None]
        ours = classical.otsu_threshold(grey)
        assert ours == int(cv2.threshold(grey, 0, 1, cv2.THRESH_OTSU)[0])
        assert ours == filters.threshold_otsu(grey)


def test_otsu_threshold_is_the_smallest_of_equals():
    assert classical.otsu_threshold(np.array([[0, 255]], np.uint8)) == 0
    assert classical.otsu_threshold(np.array([[254, 255]], np.uint8)) == 254


@pytest.mark.parametrize("grey", [np.full(3, 7, np.uint8), np.array([0.1, 0.9]), np.zeros(0, np.uint8)])
def test_otsu_threshold_needs_two_values_of_uint8(grey):
    with pytest.raises(DataError, match="at least two"):
        classical.otsu_threshold(grey)


def test_a_region_grows_as_openCV_fills(photo):
    cv2 = pytest.importorskip("cv2")
    grey = photo.mean(axis=-1).astype(np.uint8)
    for seed, tolerance in (((50, 80), 20), ((0, 0), 5), ((106, 159), 60)):
        filled = np.zeros((grey.shape[0] + 2, grey.shape[1] + 2), np.uint8)
        flags = 4 | cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY
        cv2.floodFill(grey.copy(), filled, seed[::-1], 1, tolerance, tolerance, flags)
        ours = classical.grow_region(grey, seed, tolerance)
        assert torch.equal(ours, torch.from_numpy(filled[1:-1, 1:-1]).long())


def test_a_seed_outside_is_refused():
    with pytest.raises(DataError, match=r"seed is \(0, 3\) and the image 2×3"):
        classical.grow_region(np.zeros((2, 3)), (0, 3), 1)


def test_clusters_are_numbered_by_brightness(photo):
    clusters = classical.kmeans(photo, k=4)
    brightness = [photo[clusters == number].mean() for number in range(4)]
    assert brightness == sorted(brightness)


def test_a_cluster_does_not_depend_on_where_its_pixels_are(photo):
    pixels = photo.reshape(-1, 1, 3)
    order = np.random.default_rng(0).permutation(len(pixels))
    here, there = classical.kmeans(pixels, k=3), classical.kmeans(pixels[order], k=3)
    assert (here[order] == there).float().mean() > 0.99


def test_the_forest_learns_lesions_and_repeats_itself(lesions):
    one, other = (classical.PixelForest(trees=10).fit(lesions[:20]) for _ in range(2))
    image = lesions[25].image
    assert torch.equal(one.predict(image), other.predict(image))
    assert one.predict(image).dtype == torch.int64
    masks = torch.stack([sample.mask for sample in lesions[20:]])
    found = torch.stack([one.predict(sample.image) for sample in lesions[20:]])
    assert dice_score(found, masks).mean() > dice_score(torch.ones_like(masks), masks).mean() + 0.1


def test_the_forest_leaves_ignored_pixels_out(lesions):
    image, mask, name = lesions[0]
    mask = mask.clone()
    mask[:32] = 255
    forest = classical.PixelForest(trees=2).fit([(image, mask, name)])
    assert forest.forest.classes_.tolist() == [0, 1]


def test_grabcut_finds_nothing_outside_its_box(photo):
    mask = classical.grabcut(photo, box=(20, 40, 70, 90))
    assert mask[20:90, 40:130].sum() == mask.sum() > 0


@pytest.mark.parametrize("box", [(0, 0, 107, 160), (-1, 0, 20, 20), (100, 0, 20, 20), (5, 5, 0, 5)])
def test_grabcut_refuses_boxes_that_show_no_background(photo, box):
    with pytest.raises(DataError, match="107×160"):
        classical.grabcut(photo, box)


CLICKED = {"growing": classical.grow_from_clicks, "GrabCut": classical.grabcut_clicks}


@pytest.mark.parametrize("method", CLICKED.values(), ids=CLICKED)
def test_clicks_choose_between_two_equal_squares(method):
    image = np.full((26, 36, 3), (224, 172, 150), np.uint8)
    image[6:18, 3:15] = image[6:18, 19:31] = 96, 56, 40
    noise = np.random.default_rng(0).integers(0, 9, image.shape, dtype=np.uint8)
    for clicks in ([(12, 9, 1), (11, 25, 0), (2, 17, 0)], [(11, 25, 1), (12, 9, 0), (2, 17, 0)]):
        mask = method(image + noise, clicks)
        assert mask.dtype == torch.int64
        row, column, _ = clicks[0]
        assert mask[row - 3 : row + 4, column - 3 : column + 4].all()
        assert mask.sum() == 144
    assert not method(image, [(12, 9, 0)]).any()
    assert not method(image, []).any()


@pytest.mark.parametrize("method", CLICKED.values(), ids=CLICKED)
def test_clicks_outside_are_explained(method):
    with pytest.raises(DataError, match=r"the click \(9, 0, 1\) does not fit an image of 9×8 pixels"):
        method(np.zeros((9, 8, 3), np.uint8), [(9, 0, 1)])


def test_the_frame_is_background_until_a_click_is():
    flat = np.full((7, 9), 100, np.uint8)
    mask = classical.grow_from_clicks(flat, [(3, 4, 1)])
    assert mask.sum() == 5  # pixels nearer to the click than to the frame
    assert classical.grow_from_clicks(flat, [(3, 4, 1), (3, 8, 0)])[:, 0].all()
