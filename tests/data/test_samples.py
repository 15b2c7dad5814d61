"""Pairs of images and masks as people have them: arrays, tensors, PIL images, dicts, data sets."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset

from segcourse.data import load_dataset
from segcourse.data.samples import as_samples, image_tensor, mask_tensor
from segcourse.errors import DataError

RGB = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
IDS = (np.arange(20).reshape(4, 5) % 3 == 0).astype(np.uint8)
CHW = torch.from_numpy(RGB).permute(2, 0, 1)
WANTED = CHW / 255


@pytest.mark.parametrize(
    "item",
    [
        (RGB, IDS),
        [RGB, IDS],
        (CHW, torch.from_numpy(IDS).long()),
        (CHW / 255, IDS.astype(bool)),
        (RGB / 255, IDS.astype(np.float32)),
        (Image.fromarray(RGB), Image.fromarray(IDS)),
        {"image": RGB, "mask": IDS[None]},
        (RGB.astype(np.uint16) * 257, IDS[..., None]),
        (torch.from_numpy(RGB.astype(np.uint16) * 257), IDS.astype(np.int16)),
    ],
)
def test_a_pair_of_any_kind_is_the_same_sample(item):
    if not isinstance(item, dict) and getattr(item[0], "dtype", None) == torch.uint16:
        item = (item[0].permute(2, 0, 1), item[1])
    data = as_samples([item])
    assert len(data) == 1
    torch.testing.assert_close(data[0].image, WANTED)
    assert data[0].image.dtype == torch.float32
    assert torch.equal(data[0].mask, torch.from_numpy(IDS).long())
    assert data[0].name == "image 0"


def test_data_sets_of_other_libraries_and_names_are_kept():
    pairs = TensorDataset(CHW[None].repeat(3, 1, 1, 1), torch.from_numpy(IDS).repeat(3, 1, 1))
    assert as_samples(Subset(pairs, [2, 0]))[0].name == "image 0"
    assert as_samples([(RGB, IDS, "a")])[0].name == "a"
    assert as_samples([{"image": RGB, "mask": IDS, "name": "b"}])[0].name == "b"


def test_the_courses_own_data_sets_are_returned_unchanged():
    lesions = load_dataset("lesions", count=2, size=16)
    for data in (lesions, Subset(lesions, [1]), as_samples([(RGB, IDS)])):
        assert as_samples(data) is data


def test_four_channels_stay_four():
    rgbd = np.dstack([RGB, RGB[..., :1]])
    for image in (rgbd, torch.from_numpy(rgbd).permute(2, 0, 1), Image.fromarray(rgbd, "RGBA")):
        assert as_samples([(image, IDS)], channels=4)[0].image.shape == (4, 4, 5)
    assert as_samples([(rgbd, IDS)])[0].image.shape == (3, 4, 5)
    torch.testing.assert_close(image_tensor(rgbd), image_tensor(Image.fromarray(rgbd, "RGBA")))  # on white
    for grey in (RGB[..., 0], Image.fromarray(RGB[..., 0])):
        assert torch.equal(as_samples([(grey, IDS)], channels=1)[0].image, WANTED[:1])


def test_a_file_with_four_channels_is_read_with_them(tmp_path):
    rgbd = np.dstack([RGB, RGB[..., :1]])
    Image.fromarray(rgbd, "RGBA").save(tmp_path / "rgbd.png")
    assert torch.equal(image_tensor(tmp_path / "rgbd.png", 4)[3], WANTED[0])
    Image.new("RGB", (9, 9)).save(tmp_path / "rgb.png")
    with pytest.raises(DataError, match="with in_channels=3"):
        image_tensor(tmp_path / "rgb.png", 4)


def one_by_one():
    yield RGB, IDS


class Stream(IterableDataset):
    def __iter__(self):
        return one_by_one()


SOURCES = {
    "loader": (
        DataLoader([(CHW, IDS)] * 8, batch_size=4),
        "batch_size=4 and workers=0",
    ),
    "generator": (one_by_one(), "the data are a generator; expected something with a length"),
    "dict of arrays": ({"images": [RGB], "masks": [IDS]}, "the data are a dict; expected something"),
    "stream": (Stream(), "the data are a Stream; .* make a list first"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_what_can_not_be_indexed_is_explained(name):
    data, sentence = SOURCES[name]
    with pytest.raises(DataError, match=sentence):
        as_samples(data)


ITEMS = {
    "two arrays": (np.zeros((2, 4, 5, 3)), 3, r"make list\(zip\(images, masks\)\)"),
    "other keys": ({"image": RGB, "label": IDS}, 3, "a dict with the keys image, label; expected .*mask"),
    "normalised": ((WANTED * 4 - 2, IDS), 3, "image 0: image values run from -2 .*leave the normalisation"),
    "0 to 255 as floats": ((RGB * 1.0, IDS), 3, "from 0 to 59; .*Divide 0 … 255 by 255"),
    "12 bits": ((RGB.astype(np.uint16) * 64, IDS), 3, "largest value is 3776 of 65535"),
    "4 channels first": (
        (torch.zeros(4, 8, 8), IDS),
        3,
        "network with in_channels=4, and .* 4 means",
    ),
    "3 channels of 4": ((np.zeros((9, 9, 3)), IDS), 4, "expected H×W×4 or 4×H×W. .* this one has 4"),
    "soft mask": ((RGB, IDS * 0.5), 3, r"fractions, from 0 to 0.5; .*mask > 0.5"),
    "one-hot mask": ((RGB, np.stack([IDS, IDS, IDS, IDS])), 3, r"shape \(4, 4, 5\); .*take the argmax"),
    "another size": ((RGB, IDS[:, :4]), 3, "the image image 0 is 4×5, but its mask is 4×4"),
    "file names": ((RGB, "mask.png"), 3, "image 0: got str; expected an array"),
}


@pytest.mark.parametrize("name", ITEMS)
def test_what_is_not_a_sample_is_explained(name):
    item, channels, sentence = ITEMS[name]
    with pytest.raises(DataError, match=sentence):
        as_samples([item], channels)[0]


def test_normalised_images_stay_as_they_are_if_asked():
    normalised = WANTED * 4 - 2
    assert torch.equal(as_samples([(normalised, IDS)], normalised=True)[0].image, normalised)


def test_masks_are_compared_with_the_classes_of_the_network():
    assert mask_tensor(np.uint8([[0, 1, 255]]), 2).tolist() == [[0, 1, 255]]
    with pytest.raises(DataError, match=r"holds 0, 255, and 255 means ignored; .*give mask > 0"):
        mask_tensor(np.uint8([[0, 255]]), 2)
    assert mask_tensor(np.uint8([[0, 255]]), 3).tolist() == [[0, 255]]
    assert mask_tensor(torch.tensor([[0, 255]]), 2).tolist() == [[0, 255]]  # int64: prepared for PyTorch
    with pytest.raises(DataError, match=r"holds 3, -1; expected class ids 0\.\.2|holds -1, 3; expected"):
        mask_tensor(torch.tensor([[0, 3, -1]]), 3)


def test_an_image_in_use_is_in_0_to_1():
    with pytest.raises(DataError, match="leave the normalisation to the Segmenter"):
        image_tensor(WANTED * 20)
