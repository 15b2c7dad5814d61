"""Data sets from folders of files."""

import numpy as np
import pytest
import torch
from PIL import Image

from segcourse.data import Sample
from segcourse.data.folders import FolderDataset
from segcourse.data.transforms import train_transform
from segcourse.errors import DataError
from segcourse.palette import Palette


def write_pairs(folder, count=3, shape=(20, 30), white=255, suffix="_mask.png", classes=2):
    """Write images of one colour each, and masks whose left half is background."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(count):
        image = np.full((*shape, 3), 40 * k, np.uint8)
        mask = np.zeros(shape, np.uint8)
        mask[:, shape[1] // 2 :] = white * (1 + k % (classes - 1))
        Image.fromarray(image).save(folder / f"{k}.png")
        Image.fromarray(mask).save(folder / f"{k}{suffix}")
    return folder


@pytest.mark.parametrize("suffix", ["_mask.gif", "_segmentation.png", "_lesion.bmp", "_mask.tif", "_gt.png"])
@pytest.mark.parametrize("white", [1, 255])
def test_a_sample_has_the_documented_types(tmp_path, suffix, white):
    dataset = FolderDataset(write_pairs(tmp_path, white=white, suffix=suffix))
    sample = dataset[2]
    assert isinstance(sample, Sample)
    assert (sample.image.dtype, sample.image.shape) == (torch.float32, (3, 20, 30))
    assert sample.image.unique().tolist() == pytest.approx([80 / 255])
    assert (sample.mask.dtype, sample.mask.shape) == (torch.int64, (20, 30))
    assert sample.mask[0].tolist() == [0] * 15 + [1] * 15
    assert sample.name == "2"
    assert len(dataset) == 3
    assert dataset.class_names == ("background", "foreground")
    assert len(dataset.palette) == 2


def test_black_and_white_is_not_background_and_ignored(tmp_path):
    write_pairs(tmp_path)
    assert 255 not in FolderDataset(tmp_path)[0].mask
    # an empty mask before the first full one must not decide
    Image.new("L", (30, 20)).save(tmp_path / "0_mask.png")
    dataset = FolderDataset(tmp_path)
    assert dataset.mask_values == (0, 255)
    assert dataset[0].mask.unique().tolist() == [0]
    assert dataset[1].mask.unique().tolist() == [0, 1]


def test_void_in_a_data_set_of_two_classes_stays_ignored(tmp_path):
    write_pairs(tmp_path, white=1)
    for k, values in ((0, [0, 1, 255]), (1, [0, 255, 0])):
        mask = np.repeat(np.repeat(np.uint8([values]), 20, 0), 10, 1)
        Image.fromarray(mask).save(tmp_path / f"{k}_mask.png")
    with pytest.warns(UserWarning, match="255 is read as 'ignored' in 1 masks"):
        dataset = FolderDataset(tmp_path)
    assert dataset[0].mask.unique().tolist() == [0, 1, 255]
    assert dataset[1].mask.unique().tolist() == [0, 255]


def black_and_white():
    """Return an image file's content in each way of saving the same black-and-white mask."""
    ids = np.uint8([[0, 1]] * 20).repeat(15, 1)
    indexed, turned = Image.fromarray(ids, "P"), Image.fromarray(1 - ids, "P")
    indexed.putpalette([0, 0, 0, 255, 255, 255])
    turned.putpalette([255, 255, 255, 0, 0, 0])
    return {
        "0/1": Image.fromarray(ids),
        "0/255": Image.fromarray(ids * 255),
        "1 bit": Image.fromarray(ids.astype(bool)),
        "RGB": Image.fromarray(ids * 255).convert("RGB"),
        "RGBA": Image.fromarray(ids * 255).convert("RGBA"),
        "indexed": indexed,
        "white is index 0": turned,
        "16 bits": Image.fromarray(ids.astype(np.uint16) * 65535),
    }


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
@pytest.mark.parametrize("options", [{}, {"mask_values": (0, 255)}, {"class_names": ("skin", "lesion")}])
def test_masks_that_mean_the_same_are_one_set_however_they_are_saved(tmp_path, suffix, options):
    ways = black_and_white()
    if suffix == "bmp":  # it has no 16 bits, and Pillow 13 misreads a BMP of 8 bits with two colours
        ways = {
            way: mask for way, mask in ways.items() if way not in ("16 bits", "indexed", "white is index 0")
        }
    for k, mask in enumerate(ways.values()):
        Image.new("RGB", mask.size).save(tmp_path / f"{k}.png")
        mask.save(tmp_path / f"{k}_mask.{suffix}")
    for sample in FolderDataset(tmp_path, **options):
        assert sample.mask[0].tolist() == [0] * 15 + [1] * 15, list(ways)[int(sample.name)]


def test_ids_and_white_in_one_mask_are_refused(tmp_path):
    write_pairs(tmp_path, white=1)
    Image.fromarray(np.uint8([[0, 1, 255]] * 20).repeat(10, 1)).save(tmp_path / "2_mask.png")
    dataset = FolderDataset(tmp_path, mask_values=(0, 255))
    assert dataset[0].mask.max() == 1
    with pytest.raises(DataError, match=r"2_mask\.png: mask values are \{0, 1, 255\}; expected \(0, 255\)"):
        dataset[2]


def test_many_classes_are_inferred_or_named(tmp_path):
    write_pairs(tmp_path, white=1, classes=4)
    assert FolderDataset(tmp_path).class_names == ("class 0", "class 1", "class 2", "class 3")
    named = FolderDataset(tmp_path, class_names=("sky", "road", "car", "tree", "sign"))
    assert named.palette.names == named.class_names
    assert named.mask_values == (0, 1, 2, 3, 4)


def test_class_id_outside_the_palette(tmp_path):
    write_pairs(tmp_path, white=1, classes=4)
    dataset = FolderDataset(tmp_path, palette=Palette.default(["sky", "road", "car"]))
    assert dataset[0].mask.max() == 1
    with pytest.raises(DataError, match=r"2_mask\.png: mask values are \{0, 3\}; expected class ids 0\.\.2"):
        dataset[2]


def test_names_and_values_must_agree(tmp_path):
    with pytest.raises(DataError, match=r"2 mask values \(0, 255\) but 3 class names"):
        FolderDataset(write_pairs(tmp_path), mask_values=(0, 255), class_names=("a", "b", "c"))


def test_masks_as_colours(tmp_path):
    palette = Palette.default(["sky", "road", "car"])
    write_pairs(tmp_path, white=1, classes=3)
    for k in range(3):
        ids = np.asarray(Image.open(tmp_path / f"{k}_mask.png"))
        Image.fromarray(palette.colourise(ids)).save(tmp_path / f"{k}_mask.png")
    dataset = FolderDataset(tmp_path, palette=palette)
    assert dataset[1].mask.unique().tolist() == [0, 2]


@pytest.mark.parametrize("void", [0, 2])
def test_a_void_colour_is_ignored_wherever_it_stands_in_the_palette(tmp_path, void):
    palette = Palette.default(["sky", "road", "car"])
    write_pairs(tmp_path, white=1, classes=3)
    for k in range(3):
        ids = np.asarray(Image.open(tmp_path / f"{k}_mask.png"))
        Image.fromarray(palette.colourise(ids)).save(tmp_path / f"{k}_mask.png")
    dataset = FolderDataset(tmp_path, palette=palette, void_values=(void,))
    kept = [i for i in range(3) if i != void]
    assert dataset.class_names == dataset.palette.names == tuple(palette.names[i] for i in kept)
    assert dataset.palette.colours == tuple(palette.colours[i] for i in kept)
    # the second mask is half sky and half car
    assert dataset[1].mask[0].tolist() == [255 if void == 0 else 0] * 15 + [255 if void == 2 else 1] * 15


def test_size_resizes_both(tmp_path):
    dataset = FolderDataset(write_pairs(tmp_path), size=(8, 12))
    assert dataset[0].image.shape == (3, 8, 12)
    assert dataset[0].mask.unique().tolist() == [0, 1]
    assert FolderDataset(tmp_path, size=16)[0].mask.shape == (16, 16)
    with pytest.raises(DataError, match="size is 0"):
        FolderDataset(tmp_path, size=0)


def test_masks_of_another_size_are_refused_even_when_resized(tmp_path):
    write_pairs(tmp_path)
    Image.new("L", (20, 30)).save(tmp_path / "1_mask.png")
    for size in (None, 16):
        dataset = FolderDataset(tmp_path, size=size)
        assert dataset[0].mask.max() == 1
        with pytest.raises(DataError, match=r"1\.png is 20 x 30 pixels, but its mask 1_mask\.png is 30 x 20"):
            dataset[1]


def test_decoded_once_and_transformed_each_time(tmp_path):
    dataset = FolderDataset(write_pairs(tmp_path), size=16, transform=train_transform())
    first = dataset[2].image
    for path in tmp_path.iterdir():
        path.unlink()
    assert not torch.equal(dataset[2].image, first)  # from memory, with new random numbers
    with pytest.raises(DataError, match="does not exist"):
        dataset[1]


def test_without_size_or_cache_files_are_read_again(tmp_path):
    dataset = FolderDataset(write_pairs(tmp_path), size=16, cache=False)
    dataset[0]
    (tmp_path / "0.png").unlink()
    with pytest.raises(DataError, match="does not exist"):
        dataset[0]


def test_same_numbers_in_a_worker(tmp_path):
    dataset = FolderDataset(write_pairs(tmp_path), size=16)
    loader = torch.utils.data.DataLoader(dataset, batch_size=3, num_workers=1)
    batch = next(iter(loader))
    assert isinstance(batch, Sample)
    assert torch.equal(batch.image, torch.stack([sample.image for sample in dataset]))
    assert list(batch.name) == ["0", "1", "2"]


def test_indices(tmp_path):
    dataset = FolderDataset(write_pairs(tmp_path), size=16)
    assert dataset[-1].name == "2"
    assert [sample.name for sample in dataset] == ["0", "1", "2"]
    with pytest.raises(IndexError):
        dataset[3]


def test_csv_with_splits(tmp_path):
    write_pairs(tmp_path / "files")
    lines = ["image,mask,split", *(f"files/{k}.png,files/{k}_mask.png,{s}" for k, s in enumerate("ttv"))]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    assert len(FolderDataset(csv=tmp_path / "pairs.csv")) == 3
    assert FolderDataset(csv=tmp_path / "pairs.csv", split="v")[0].name == "2"


def test_nothing_given():
    with pytest.raises(DataError, match="a folder with images, or a CSV file"):
        FolderDataset()
