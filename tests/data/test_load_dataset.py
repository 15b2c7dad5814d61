"""Data sets by name: procedural lesions, and real images if this machine has them."""

import pytest
import torch

from segcourse.data import Sample, catalogue, load_dataset
from segcourse.errors import DataError


def real(name, split, **options):
    """Return the data set, or skip the test and say what is missing."""
    if catalogue.find_folder(name, split=split) is None:
        pytest.skip(f"{name} ({split}) is not on this machine; `segcourse data get {name}` fetches it")
    return load_dataset(name, split, **options)


def test_lesions_are_samples():
    dataset = load_dataset("lesions", "train", size=48, count=3)
    sample = dataset[0]
    assert len(dataset) == 3
    assert isinstance(sample, Sample)
    assert (sample.image.dtype, sample.image.shape) == (torch.float32, (3, 48, 48))
    assert (sample.mask.dtype, sample.mask.shape) == (torch.int64, (48, 48))
    assert len(dataset.class_names) == len(dataset.palette) == 2


def test_no_lesion_is_in_two_splits_or_seeds():
    pictures = [
        load_dataset("lesions", split, size=32, count=2, seed=seed)[k].image
        for split in ("train", "val", "test")
        for seed in (0, 1, 2)
        for k in (0, 1)
    ]
    assert len({picture.numpy().tobytes() for picture in pictures}) == len(pictures)
    again = load_dataset("lesions", "val", size=32, count=2, seed=1)[1].image
    assert any(torch.equal(again, picture) for picture in pictures)


def test_lesions_have_three_splits():
    with pytest.raises(DataError, match="lesions has no split 'holdout'; it has train, val, test"):
        load_dataset("lesions", "holdout")


def test_real_lesions():
    dataset = real("isic2018", "val", size=64)
    assert dataset.class_names == ("skin", "lesion")
    shares = torch.tensor([(dataset[k].mask == 1).float().mean() for k in range(20)])
    assert 0.02 < shares.mean() < 0.8  # a lesion is neither nothing nor everything
    assert all(set(dataset[k].mask.unique().tolist()) <= {0, 1} for k in range(20))


def test_real_streets():
    dataset = real("camvid", "train", size=(90, 120))
    ids = torch.cat([dataset[k].mask.unique() for k in range(20)]).unique().tolist()
    assert ids[-1] == 255  # void, 11 in the files
    assert set(ids) <= {*range(11), 255}
    assert len(ids) > 8


def test_train_and_val_share_no_image():
    train, val = real("isic2018", "train"), real("isic2018", "val")
    assert not {pair.name for pair in train.pairs} & {pair.name for pair in val.pairs}
