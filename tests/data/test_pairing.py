"""Match masks with images in every usual naming."""

import unicodedata

import pytest

from segcourse.data.pairing import image_files, match_files, pair_files, pairs_from_csv
from segcourse.errors import DataError


def touch(folder, *names):
    """Create empty files: pairing uses only the names."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(pairs, folder):
    return [tuple(path.relative_to(folder).as_posix() for path in pair[:2]) for pair in pairs]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("a.jpg", "a.png"),  # VOC, CamVid
        ("a.jpg", "a_mask.gif"),  # Carvana
        ("ISIC_0000000.jpg", "ISIC_0000000_segmentation.png"),
        ("ISIC_0000000.jpg", "ISIC_0000000_Segmentation.png"),
        ("IMD003.bmp", "IMD003_lesion.bmp"),  # PH2
        ("a.jpeg", "a_mask.png"),
        ("a.tif", "a_gt.tiff"),
        ("a.webp", "a_label.bmp"),
        ("a.JPG", "a_labels.PNG"),
        ("a_image.png", "a_mask.png"),
        ("a_sat.jpg", "a_mask.png"),  # DeepGlobe
        ("0001TP_006690.png", "0001TP_006690_L.png"),  # CamVid's own archive
        ("a-image.png", "a-mask.png"),
        ("my photo.v2.final.jpg", "my photo.v2.final mask.png"),  # spaces and dots
        ("naïve – 写真.jpg", "naïve – 写真_mask.png"),
        ("a_leftImg8bit.png", "a_gtFine_labelIds.png"),  # Cityscapes
    ],
)
@pytest.mark.parametrize("folders", ["one folder", "two folders"])
def test_usual_namings(tmp_path, image, mask, folders):
    if folders == "one folder":
        touch(tmp_path, image, mask)
        pairs = pair_files(tmp_path)
        assert found(pairs, tmp_path) == [(image, mask)]
    else:
        touch(tmp_path, f"left/{image}", f"right/{mask}")
        pairs = pair_files(tmp_path / "left", tmp_path / "right")
        assert found(pairs, tmp_path) == [(f"left/{image}", f"right/{mask}")]


@pytest.mark.parametrize(
    "names", [("images", "masks"), ("imgs", "labels"), ("JPEGImages", "SegmentationClass")]
)
def test_one_folder_with_two_subfolders(tmp_path, names):
    images, masks = names
    touch(tmp_path, f"{images}/a.png", f"{masks}/a.png", f"{images}/b.png", f"{masks}/b_mask.png")
    expected = [(f"{images}/a.png", f"{masks}/a.png"), (f"{images}/b.png", f"{masks}/b_mask.png")]
    assert found(pair_files(tmp_path), tmp_path) == expected


def test_nested_as_ph2(tmp_path):
    for name in ("IMD002", "IMD003"):
        touch(
            tmp_path,
            f"{name}/{name}_Dermoscopic_Image/{name}.bmp",
            f"{name}/{name}_lesion/{name}_lesion.bmp",
            f"{name}/{name}_roi/{name}_R1_Label4.bmp",
        )
    assert [pair.name for pair in pair_files(tmp_path)] == ["IMD002", "IMD003"]


def test_same_name_in_several_folders(tmp_path):
    touch(tmp_path, "images/p1/001.jpg", "images/p2/001.jpg", "masks/p1/001.png", "masks/p2/001.png")
    pairs = pair_files(tmp_path)
    assert found(pairs, tmp_path / "") == [
        ("images/p1/001.jpg", "masks/p1/001.png"),
        ("images/p2/001.jpg", "masks/p2/001.png"),
    ]
    assert [pair.name for pair in pairs] == ["p1/001", "p2/001"]  # the stem alone would name two


def test_good_parts_beside_defects_have_no_mask(tmp_path):
    """The layout of MVTec AD, where each kind of defect counts from 000."""
    touch(tmp_path, *(f"test/{kind}/000.png" for kind in ("crack", "good", "hole")))
    touch(tmp_path, "ground_truth/crack/000_mask.png", "ground_truth/hole/000_mask.png")
    matches = match_files(tmp_path / "test", tmp_path / "ground_truth")
    assert [pair.name for pair in matches.pairs] == ["crack/000", "hole/000"]
    assert matches.images_alone == [tmp_path / "test/good/000.png"]
    assert not matches.ambiguous


def test_accents_written_in_one_or_two_characters(tmp_path):
    touch(tmp_path, "images/" + unicodedata.normalize("NFD", "é.jpg"))
    touch(tmp_path, "masks/" + unicodedata.normalize("NFC", "é.png"))
    assert [pair.name for pair in pair_files(tmp_path)] == ["é"]


def test_other_files_are_left_out(tmp_path):
    touch(tmp_path, "a.jpg", "a_mask.png", "README.txt", "._a.jpg", ".cache/b.jpg", "a_superpixels.png")
    assert [path.name for path in image_files(tmp_path)] == ["a.jpg", "a_mask.png"]
    assert len(pair_files(tmp_path)) == 1


def test_unmatched_files_are_reported(tmp_path):
    touch(tmp_path, "images/a.jpg", "images/b.jpg", "masks/a.png", "masks/c.png")
    matches = match_files(tmp_path)
    assert [path.name for path in matches.images_alone] == ["b.jpg"]
    assert [path.name for path in matches.masks_alone] == ["c.png"]
    with pytest.raises(DataError, match=r"1 of 2 images have no mask: b\.jpg"):
        pair_files(tmp_path)


def test_two_files_for_one_name(tmp_path):
    touch(tmp_path, "images/a.jpg", "images/a.png", "masks/a.png")
    with pytest.raises(DataError, match="several files match the same name"):
        pair_files(tmp_path)
    touch(tmp_path / "other", "images/a.jpg", "masks/a_mask.png", "masks/a_mask.gif")
    with pytest.raises(DataError, match="several files match the same name"):
        pair_files(tmp_path / "other")


def test_only_these_names_in_this_order(tmp_path):
    touch(tmp_path, *(f"images/{k}.jpg" for k in "abc"), *(f"masks/{k}_mask.png" for k in "abc"))
    assert [pair.name for pair in pair_files(tmp_path, names=["c", "a"])] == ["c", "a"]
    with pytest.raises(DataError, match="no pair of image and mask for 1 names: x"):
        pair_files(tmp_path, names=["a", "x"])


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(DataError, match="does not exist; expected a folder with images"):
        pair_files(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no images"):
        pair_files(tmp_path)
    touch(tmp_path, "a.jpg")
    with pytest.raises(DataError, match="is a file"):
        pair_files(tmp_path / "a.jpg")


def test_csv(tmp_path):
    table = tmp_path / "pairs.csv"
    # with the byte order mark that spreadsheets write, and a comma in a name
    table.write_text(
        '\ufeffimage,mask,split\n"x, y.jpg",m/1.png,train\nb.jpg,m/2.png,val\n', encoding="utf-8"
    )
    pairs = pairs_from_csv(table)
    assert pairs[0] == (tmp_path / "x, y.jpg", tmp_path / "m/1.png", "x, y")
    assert [pair.name for pair in pairs_from_csv(table, split="val")] == ["b"]
    assert pairs_from_csv(table, folder="elsewhere")[1].image.as_posix() == "elsewhere/b.jpg"


@pytest.mark.parametrize(
    ("content", "split", "sentence"),
    [
        ("picture,mask\na,b\n", None, "has the columns picture, mask; expected image, mask"),
        ("image,mask\na.jpg,b.png\n", "val", "expected image, mask, split"),
        ("image,mask\na.jpg,\n", None, "line 2: image or mask is empty"),
        ("image,mask,split\na,b,train\n", "val", "lists no pairs of the split 'val'"),
        ("", None, "has the columns none"),
    ],
)
def test_wrong_csv(tmp_path, content, split, sentence):
    (tmp_path / "pairs.csv").write_text(content)
    with pytest.raises(DataError, match=sentence):
        pairs_from_csv(tmp_path / "pairs.csv", split=split)


def test_images_of_equal_names_in_a_csv_have_their_path_as_name(tmp_path):
    rows = ["image,mask", "p0/a.png,m/0.png", "p1/a.png,m/1.png", "p1/b.png,m/2.png"]
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    assert [pair.name for pair in pairs_from_csv(tmp_path / "pairs.csv")] == ["p0/a", "p1/a", "p1/b"]
    (tmp_path / "pairs.csv").write_text("\n".join(rows[:2] + rows[3:]))
    assert [pair.name for pair in pairs_from_csv(tmp_path / "pairs.csv")] == ["a", "b"]


def test_missing_csv(tmp_path):
    with pytest.raises(DataError, match="cannot be read as a CSV file"):
        pairs_from_csv(tmp_path / "nowhere.csv")
