"""Transforms of every kind are applied to image and mask together."""

import subprocess
import sys

import numpy as np
import pytest

from segcourse.data.applying import apply
from segcourse.errors import DataError

IMAGE = np.repeat(np.arange(48, dtype=np.uint8).reshape(6, 8)[..., None], 3, axis=2)
MASK = IMAGE[..., 0] // 8


class FlipLikeAlbumentations:
    """A callable with the signature of an albumentations Compose: keywords and arrays in, a dict out."""

    def __call__(self, *args, force_apply=False, **data):
        if args:
            raise KeyError("You have to pass data to augmentations as named arguments")
        return {name: np.ascontiguousarray(array[:, ::-1]) for name, array in data.items()}


def test_an_albumentations_callable_works_unchanged():
    picture, labels = apply(FlipLikeAlbumentations(), IMAGE, MASK)
    assert labels.tolist() == MASK[:, ::-1].tolist()
    assert (picture[0] * 255).round().tolist() == IMAGE[:, ::-1, 0].tolist()


def test_the_real_albumentations():
    albumentations = pytest.importorskip(
        "albumentations", reason="albumentations is optional and not installed"
    )
    picture, labels = apply(albumentations.Compose([albumentations.HorizontalFlip(p=1)]), IMAGE, MASK)
    assert labels.tolist() == MASK[:, ::-1].tolist()
    assert (picture[0] * 255).round().tolist() == IMAGE[:, ::-1, 0].tolist()


def test_a_function_of_two_positions_gets_tensors():
    def crop(picture, labels):
        return picture[..., :4, :4], labels[..., :4, :4]

    picture, labels = apply(crop, IMAGE, MASK)
    assert picture.shape == (3, 4, 4)
    assert labels.shape == (4, 4)


def test_a_transform_cannot_change_what_the_data_set_keeps():
    def paint(image, mask):
        image[:], mask[:] = 0, 1
        return {"image": image, "mask": mask}

    image, mask = IMAGE.copy(), MASK.copy()
    apply(paint, image, mask)
    apply(lambda picture, labels: (picture.zero_(), labels.zero_()), image, mask)
    np.testing.assert_array_equal(image, IMAGE)
    np.testing.assert_array_equal(mask, MASK)


def test_transforms_to_different_sizes_are_refused():
    with pytest.raises(DataError, match="both must have the same size"):
        apply(lambda picture, labels: (picture[..., :4], labels), IMAGE, MASK)


def test_lesions_without_a_transform_do_without_torchvision():
    """Importing torchvision takes longer than importing PyTorch; the first cell of a lesson would wait."""
    code = "import sys; from segcourse.course import ladder, trials; assert 'torchvision' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
