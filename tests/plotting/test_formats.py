"""Every accepted format of images and masks gives the same arrays; others are refused with advice."""

import numpy as np
import pytest
import torch

from segcourse.errors import DataError
from segcourse.plotting.formats import as_images, as_masks

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
GREY = RGB[..., 0]
UNIT = RGB / 255.0
LABELS = np.array([[0, 1, 1], [0, 0, 1]], dtype=np.uint8)
SIZE = LABELS.shape
ONE_HOT = np.stack([LABELS == 0, LABELS == 1])
LOGITS = np.where(ONE_HOT, 2.5, -1.5)


def chw(array):
    return np.ascontiguousarray(np.moveaxis(array, -1, 0))


@pytest.mark.parametrize(
    "image",
    [
        RGB,
        chw(RGB),
        RGB[None],
        [RGB],
        RGB.astype(np.int64),
        UNIT,
        UNIT.astype(np.float32),
        chw(UNIT).astype(np.float16),
        torch.from_numpy(RGB),
        torch.from_numpy(chw(RGB)),
        torch.from_numpy(chw(UNIT)).half(),
        torch.from_numpy(chw(UNIT)).requires_grad_(),
        torch.from_numpy(chw(UNIT))[None],
        [torch.from_numpy(chw(UNIT))],
        UNIT.tolist(),
    ],
)
def test_an_image_is_the_same_in_every_format(image):
    (picture,) = as_images(image)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, RGB)


@pytest.mark.parametrize(
    "image", [GREY, GREY[None], GREY[..., None], GREY / 255, torch.from_numpy(GREY)[None]]
)
def test_a_grey_image_has_three_equal_channels(image):
    np.testing.assert_array_equal(as_images(image)[0], np.stack([GREY] * 3, axis=-1))


def test_a_three_pixel_wide_image_follows_its_kind():
    cube = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    np.testing.assert_array_equal(as_images(cube)[0], cube)
    np.testing.assert_array_equal(as_images(torch.from_numpy(cube))[0], np.moveaxis(cube, 0, -1))


def test_a_list_can_mix_sizes_and_a_batch_is_split():
    assert [one.shape for one in as_images([RGB, RGB[:2]])] == [(5, 7, 3), (2, 7, 3)]
    assert len(as_images(np.stack([RGB, RGB]))) == 2


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ((UNIT - 0.5) / 0.2, "image \\* std \\+ mean"),
        (UNIT * 255, "divide floats in 0 … 255 by 255"),
        (RGB.astype(np.uint16) * 257, "by 65535"),
        (np.full((2, 2), np.nan), "nan"),
        (np.zeros((4, 6, 8)), "4×6×8"),
        (np.zeros((5, 7, 4)), "alpha"),
        (np.zeros((0, 7, 3)), "0×7×3"),
        (3, "a single number"),
        ("lesion.png", "read_image"),
        (["lesion.png"], "read_image"),
        ([[1, 2], [3]], "different lengths"),
    ],
)
def test_what_is_not_an_image_is_refused_with_advice(image, says):
    with pytest.raises(DataError, match=says):
        as_images(image)


@pytest.mark.parametrize(
    "mask",
    [
        LABELS,
        LABELS.astype(bool),
        LABELS * np.uint8(255),
        LABELS.astype(np.int64) * 255,
        LABELS.astype(np.float32),
        LABELS[None],
        LABELS[..., None],
        LABELS[None, None],
        [LABELS],
        LABELS.tolist(),
        torch.from_numpy(LABELS).long()[None],
        ONE_HOT,
        ONE_HOT.astype(np.float32),
        torch.from_numpy(ONE_HOT)[None],
    ],
)
def test_a_mask_is_the_same_in_every_format(mask):
    (labels,) = as_masks(mask, [SIZE])
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize(
    "scores", [LOGITS, LOGITS[None], [LOGITS], torch.tensor(LOGITS).half().requires_grad_()]
)
def test_a_prediction_can_be_scores(scores):
    np.testing.assert_array_equal(as_masks(scores, [SIZE], scores=True)[0], LABELS)
    with pytest.raises(DataError, match="not one-hot"):
        as_masks(scores, [SIZE])


def test_two_masks_for_two_images_are_not_channels():
    both = as_masks(np.stack([LABELS, 1 - LABELS]), [SIZE, SIZE])
    np.testing.assert_array_equal(both, [LABELS, 1 - LABELS])


def test_255_is_foreground_or_ignored():
    two = np.array([[0, 255]])
    assert as_masks(two, [(1, 2)])[0].tolist() == [[0, 1]]  # a file saved as 0/255
    assert as_masks(two, [(1, 2)], mask_values=(0, 1))[0].tolist() == [[0, 255]]  # said to be ids
    assert as_masks(two, [(1, 2)], num_classes=3)[0].tolist() == [[0, 255]]  # many classes: ids
    ids = as_masks([two, np.array([[1, 255]])], [(1, 2)] * 2)  # one mask of the batch has a 1: ids
    assert [mask.tolist() for mask in ids] == [[[0, 255]], [[1, 255]]]
    assert as_masks([[0, 100]], [(1, 2)], mask_values=(0, 100))[0].tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (np.zeros((3, 2)), "2×3 .height × width. and its mask is 3×2"),
        ([LABELS, LABELS], "1 image.s. and 2 mask.s."),
        (np.zeros((*SIZE, 3)), "palette.labels"),
        (np.full(SIZE, 0.3), "threshold"),
        (np.full(SIZE, np.nan), "NaN"),
        (np.full(SIZE, -1), "-1"),
        (np.full(SIZE, 300), "300"),
        (np.ones((2, *SIZE)), "not one-hot"),
        ("mask.png", "read_mask"),
    ],
)
def test_what_is_not_a_mask_is_refused_with_advice(mask, says):
    with pytest.raises(DataError, match=says):
        as_masks(mask, [SIZE])


def test_scores_with_nan_and_unknown_values_are_refused():
    with pytest.raises(DataError, match="NaN"):
        as_masks(np.full((2, *SIZE), np.nan), [SIZE], scores=True)
    with pytest.raises(DataError, match=r"\[7\].*mask_values"):
        as_masks([[0, 7]], [(1, 2)], mask_values=(0, 255))
