"""Joint transforms: image and mask move together; the tests also show wrong ways."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors
from torchvision.transforms import v2

from segcourse.data.applying import apply
from segcourse.data.transforms import (
    RandomZoomCrop,
    Resize,
    eval_transform,
    train_transform,
    upright_transform,
)
from segcourse.errors import DataError


def a_blob(side: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Return an asymmetric mask and an image that is white where the mask is 1."""
    mask = np.zeros((side, side), np.uint8)
    mask[side // 8 : side // 2, side // 4 : side - 2] = 1
    mask[side // 2 : side - 4, side // 4 : side // 2] = 1
    return np.repeat(mask[..., None] * 255, 3, axis=2), mask


def disagreement(image: torch.Tensor, mask: torch.Tensor) -> float:
    """Return the fraction of counted pixels where the image's brightness and the mask disagree."""
    counted = mask != 255
    return ((image.mean(0) > 0.5) != (mask == 1))[counted].float().mean().item()


@pytest.mark.parametrize("seed", range(8))
def test_flips_and_turns_move_image_and_mask_together(seed):
    torch.manual_seed(seed)
    image, mask = apply(train_transform(strength=0), *a_blob())
    assert disagreement(image, mask) == 0


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31), strength=st.floats(0.1, 2))
def test_affine_maps_move_both_together_and_create_no_class(seed, strength):
    torch.manual_seed(seed)
    image, mask = apply(train_transform(strength=strength), *a_blob(64))
    assert set(mask.unique().tolist()) <= {0, 1, 255}
    assert (image.dtype, mask.dtype) == (torch.float32, torch.int64)
    assert image.min() >= 0
    assert image.max() <= 1
    # bilinear edges of the image against nearest edges of the mask: a rim of a pixel may differ
    assert disagreement(torch.where(image > 0.3, 1.0, 0.0), mask) < 0.08


def test_two_random_calls_disagree_about_half_the_time():
    # the wrong way: one transform for the image and one for the mask, each with its own random numbers
    image, mask = a_blob()
    flip = v2.RandomHorizontalFlip()
    picture, labels = torch.from_numpy(image.transpose(2, 0, 1) / 255.0), torch.from_numpy(mask)
    torch.manual_seed(0)
    wrong = [disagreement(flip(picture), flip(labels)) > 0 for _ in range(400)]
    assert 0.4 < np.mean(wrong) < 0.6


def test_a_plain_mask_beside_an_image_is_silently_not_flipped():
    image, mask = a_blob()
    picture, labels = tv_tensors.Image(image.transpose(2, 0, 1).copy()), torch.from_numpy(mask)
    flip = v2.RandomHorizontalFlip(p=1)
    _, untouched = flip(picture, labels)
    assert torch.equal(untouched, labels)  # the wrong way
    flipped_image, flipped_mask = apply(flip, image, mask)  # `apply` names the types
    assert torch.equal(flipped_mask, labels.flip(-1).long())
    assert disagreement(flipped_image, flipped_mask) == 0


def test_pixels_from_outside_the_image_are_ignored():
    class Shift(v2.RandomAffine):
        def make_params(self, flat_inputs):
            return {"angle": 0.0, "translate": (8, 0), "scale": 1.0, "shear": (0.0, 0.0)}

    random_affine = next(step for step in train_transform().transforms if isinstance(step, v2.RandomApply))
    fill = random_affine.transforms[0].fill
    _, mask = apply(Shift(0, fill=fill), *a_blob())
    assert (mask[:, :8] == 255).all()
    assert (mask[:, 8:] != 255).all()
    _, wrong = apply(Shift(0), *a_blob())
    assert (wrong[:, :8] == 0).all()  # the default fills with background


def test_masks_shrink_by_nearest_because_bilinear_creates_class_one():
    stripes = np.zeros((8, 8), np.uint8)
    stripes[:, 3:] = 2
    image = np.zeros((8, 8, 3), np.uint8)
    assert set(apply(eval_transform(4), image, stripes)[1].unique().tolist()) == {0, 2}
    smoothed = v2.functional.resize(torch.from_numpy(stripes)[None], [4, 4], antialias=True)
    assert 1 in smoothed  # the wrong way


def test_masks_shrink_by_pixel_centres_as_images_do():
    columns = torch.arange(9, dtype=torch.uint8).expand(9, 9)
    resized = Resize(3)(tv_tensors.Mask(columns))
    assert resized[0].tolist() == [1, 4, 7]  # the middle of each block of three
    corner = v2.Resize((3, 3))(tv_tensors.Mask(columns[None]))
    assert corner[0, 0].tolist() == [0, 3, 6]  # torchvision's own: up to a pixel to the left


def test_sizes_and_types():
    image, mask = a_blob(32)
    for size, shape in ((16, (16, 16)), ((20, 12), (20, 12)), (None, (32, 32))):
        for transform in (train_transform(size), eval_transform(size)):
            picture, labels = apply(transform, image, mask)
            assert picture.shape == (3, *shape)
            assert labels.shape == shape
            assert type(picture) is type(labels) is torch.Tensor


def test_images_that_are_not_square_keep_their_shape():
    image, mask = np.zeros((10, 14, 3), np.uint8), np.zeros((10, 14), np.uint8)
    for seed in range(10):
        torch.manual_seed(seed)
        assert apply(train_transform(), image, mask)[1].shape == (10, 14)


@settings(max_examples=60)
@given(st.integers(0, 2**31), st.integers(4, 90), st.integers(4, 90))
def test_a_crop_has_its_size_whatever_the_size_of_the_image(seed, height, width):
    torch.manual_seed(seed)
    image = np.full((height, width, 3), 255, np.uint8)
    picture, labels = apply(RandomZoomCrop((32, 40)), image, np.ones((height, width), np.uint8))
    assert picture.shape == (3, 32, 40)
    assert set(labels.unique().tolist()) <= {1, 255}
    assert (labels == 1).any()
    outside = labels == 255  # padding, which only images smaller than the crop need
    assert not outside.any() or height < 32 or width < 40
    assert ((picture[0] > 0.5) == ~outside).float().mean() > 0.9


def test_a_crop_without_zoom_keeps_every_pixel():
    rows, columns = np.mgrid[:20, :30]
    torch.manual_seed(3)
    _, labels = apply(RandomZoomCrop((8, 9), zoom=(1, 1), stretch=0), np.zeros((20, 30, 3), np.uint8),
                      (10 * (rows % 2) + columns).astype(np.uint8))  # fmt: skip
    assert torch.equal(labels.diff(dim=1), torch.ones(8, 8, dtype=torch.int64))
    assert torch.equal(labels.diff(dim=0).abs(), torch.full((7, 9), 10))


def test_the_zoom_of_a_crop_does_not_depend_on_the_size_of_the_image():
    def zooms(image):
        draws = [RandomZoomCrop(32).make_params([torch.zeros(3, *image)])["part"] for _ in range(300)]
        return [32 / side for part in draws for side in part]

    torch.manual_seed(0)
    for image in ((64, 64), (640, 640)):
        assert 0.6 < min(zooms(image)) < 0.7
        assert 1.4 < max(zooms(image)) < 1.7


@pytest.mark.parametrize("seed", range(4))
def test_crops_move_image_and_mask_together(seed):
    torch.manual_seed(seed)
    image, mask = apply(upright_transform(48), *a_blob(64))
    assert disagreement((image > 0.3).float(), mask) < 0.08


def test_upright_pictures_are_never_upside_down():
    image = np.zeros((40, 40, 3), np.uint8)
    mask = np.repeat(np.arange(40, dtype=np.uint8)[:, None], 40, axis=1)
    torch.manual_seed(0)
    for _ in range(20):
        _, labels = apply(upright_transform(32), image, mask)
        assert (labels.diff(dim=0) >= 0).all()


def test_a_seed_fixes_every_draw():
    def epoch(seed):
        torch.manual_seed(seed)
        transform = train_transform()
        return [apply(transform, *a_blob()) for _ in range(4)]

    first, again, other = epoch(1), epoch(1), epoch(2)
    assert all(
        torch.equal(a.image if hasattr(a, "image") else a[0], b[0]) for a, b in zip(first, again, strict=True)
    )
    assert any(not torch.equal(a[0], b[0]) for a, b in zip(first, other, strict=True))


def test_strength_out_of_range():
    with pytest.raises(DataError, match="strength is -1"):
        train_transform(strength=-1)
