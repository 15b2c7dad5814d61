"""`check_folder`: one planted fault at a time, which must be the only finding."""

import numpy as np
import pytest
from PIL import Image

from segcourse.data.checks import check_folder
from segcourse.errors import DataError
from segcourse.palette import Palette

SHAPE = (24, 32)


def disc(high=1):
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return ((rows - 12) ** 2 + (columns - 15) ** 2 < 64).astype(np.uint8) * high


@pytest.fixture
def folder(tmp_path):
    """Write four valid pairs; the masks hold ids 0 and 1."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for k in range(4):
        pixels = np.random.default_rng(k).integers(0, 256, (*SHAPE, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{k}.png")
        Image.fromarray(disc()).save(tmp_path / "masks" / f"{k}.png")
    return tmp_path


def mask(folder, name, array):
    Image.fromarray(array).save(folder / "masks" / name)


def test_an_image_that_is_listed_twice_is_found(folder):
    rows = ["image,mask,split", *(f"images/{i}.png,masks/{i}.png,train" for i in range(4))]
    (folder / "list.csv").write_text("\n".join([*rows, "images/0.png,masks/0.png,val"]))
    assert check_folder(csv=folder / "list.csv").found == {"same image twice": ["0.png = 0.png"]}


def test_a_folder_without_problems(folder):
    report = check_folder(folder)
    assert report.ok
    assert report.found == {}
    assert report.table() == "4 pairs of image and mask: no problems"


def no_mask(folder):
    (folder / "masks" / "2.png").unlink()
    return {"image without mask": ["2.png"]}


def text_without_mask(folder):
    (folder / "images" / "extra.jpg").write_text("not a picture")
    return {"image without mask": ["extra.jpg"], "unreadable image": ["extra.jpg"]}


def no_image(folder):
    mask(folder, "nine.png", disc())
    return {"mask without image": ["nine.png"]}


def two_masks(folder):
    mask(folder, "2.bmp", disc())
    return {"several files for one name": ["2.png", "2.bmp", "2.png"]}


def text_as_image(folder):
    (folder / "images" / "1.png").write_text("not a picture")
    return {"unreadable image": ["1.png"]}


def truncated_jpeg(folder):
    (folder / "images" / "1.png").unlink()
    path = folder / "images" / "1.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-300])
    return {"unreadable image": ["1.jpg"]}


def truncated_mask(folder):
    path = folder / "masks" / "3.png"
    path.write_bytes(path.read_bytes()[:-40])
    return {"unreadable mask": ["3.png"]}


def other_size(folder):
    mask(folder, "3.png", disc()[:20])
    return {"sizes differ": ["3.png"]}


def phone_picture(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(folder / "images" / "3.png").save(folder / "images" / "3.png", exif=exif)
    return {"mask not rotated": ["3.png"]}


def colours(folder):
    mask(folder, "0.png", Palette.default(["sky", "road"]).colourise(disc()))
    return {"colour mask": ["0.png"]}


def jpeg_mask(folder):
    (folder / "masks" / "0.png").unlink()
    mask(folder, "0.jpg", disc(255))
    return {"JPEG mask": ["0.jpg"]}


def smoothed(folder):
    small = Image.fromarray(disc(255)).resize((16, 12))
    small.resize(SHAPE[::-1], Image.Resampling.BICUBIC).save(folder / "masks" / "0.png")
    values = np.unique(np.asarray(Image.open(folder / "masks" / "0.png")))
    strange = ", ".join(str(value) for value in values if value not in (0, 1, 255))
    assert len(values) > 8
    return {"unexpected mask values": [f"0.png {{{', '.join(strange.split(', ')[:6])}, …}}"]}


def nine_stray_pixels(folder):
    pixels = disc()
    pixels[:3, :3] = 2
    mask(folder, "2.png", pixels)
    return {"stray class": ["2.png {2: 9 pixels}"]}


def floating_point_image(folder):
    Image.fromarray(np.ones(SHAPE, np.float32)).save(folder / "images" / "0.tif")
    (folder / "images" / "0.png").unlink()
    return {"unreadable image": ["0.tif"]}


def id_300(folder):
    mask(folder, "0.png", disc().astype(np.uint16) * 300)
    return {"unreadable mask": ["0.png"]}


def copies(folder):
    (folder / "images" / "3.png").write_bytes((folder / "images" / "1.png").read_bytes())
    return {"same image twice": ["1.png = 3.png"]}


FAULTS = [
    no_mask,
    text_without_mask,
    no_image,
    two_masks,
    text_as_image,
    truncated_jpeg,
    truncated_mask,
    other_size,
    phone_picture,
    colours,
    jpeg_mask,
    smoothed,
    nine_stray_pixels,
    floating_point_image,
    id_300,
    copies,
]


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_each_fault_is_found_and_nothing_else(folder, plant):
    expected = plant(folder)
    report = check_folder(folder)
    assert report.problems == expected
    assert not report.ok
    kind, names = next(iter(expected.items()))
    line = next(line for line in report.table().splitlines() if kind in line)
    assert line.startswith("problem")
    assert names[0] in line


def test_several_faults_are_all_in_the_table(folder):
    text_as_image(folder)
    other_size(folder)
    colours(folder)
    report = check_folder(folder)
    assert set(report.problems) == {"unreadable image", "sizes differ", "colour mask"}
    assert report.table().startswith("4 pairs of image and mask: 3 kinds of problem\n")


def test_the_table_says_once_why_files_cannot_be_read(folder):
    for k in range(3):
        twelve_bits = np.full(SHAPE, 1000 + k, np.uint16)
        twelve_bits[0, 0] = 2000 + k
        Image.fromarray(twelve_bits).save(folder / "images" / f"{k}.png")
    id_300(folder)
    (folder / "images" / "3.png").write_text("not a picture")
    (folder / "images" / "alone.jpg").write_text("not a picture")
    found = [line.removeprefix(f"- {folder}/") for line in check_folder(folder).table().splitlines()[-3:]]
    wanted = (
        "images/alone.jpg is not an image file",  # and so is images/3.png
        "images/0.png has 16 bits per pixel, but its largest value is 2000",
        "masks/0.png: mask values go up to 300",
    )
    assert [line.startswith(start) for line, start in zip(found, wanted, strict=True)] == [True] * 3, found


def test_notes_are_not_problems(folder):
    for k in range(4):
        mask(folder, f"{k}.png", disc(255))
    mask(folder, "2.png", disc(0))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down: the sides stay
    Image.open(folder / "images" / "3.png").save(folder / "images" / "3.png", exif=exif)
    report = check_folder(folder)
    assert report.ok
    assert report.found == {
        "EXIF rotation": ["3.png"],
        "empty mask": ["2.png"],
        "saved as 0/255": ["0.png", "1.png", "3.png"],
    }


def test_an_upside_down_image_gets_a_note_because_sizes_agree(folder):
    # so every rotated image gets a note, even if the sizes agree
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.open(folder / "images" / "0.png").save(folder / "images" / "0.png", exif=exif)
    assert "EXIF rotation" in check_folder(folder).table()


def test_void_is_not_black_and_white(folder):
    with_void = disc()
    with_void[:2] = 255
    mask(folder, "0.png", with_void)
    assert check_folder(folder).found == {}
    mask(folder, "1.png", np.where(with_void == 1, 0, with_void))
    assert check_folder(folder).problems == {"255, but no 1": ["1.png"]}
    assert check_folder(folder, void_values=(255,)).found == {}


def test_masks_saved_in_several_ways_are_one_set(folder):
    mask(folder, "0.png", disc(255))
    mask(folder, "1.png", disc().astype(bool))
    mask(folder, "2.png", np.repeat(disc(255)[..., None], 3, axis=2))
    report = check_folder(folder)
    assert report.ok
    assert report.found == {"0/1 and 0/255 mixed": ["0.png", "2.png"]}
    assert check_folder(folder, mask_values=(0, 255)).found == {}


def test_given_mask_values_are_compared_with_the_masks(folder):
    for k in range(4):
        mask(folder, f"{k}.png", disc(7))
    assert check_folder(folder).problems["unexpected mask values"][0] == "0.png {0, 7}"
    assert check_folder(folder, mask_values=(0, 7)).ok
    assert check_folder(folder, class_names=[f"class {k}" for k in range(8)]).ok
    assert (
        check_folder(folder, class_names=("a", "b", "c")).problems["unexpected mask values"][0] == "0.png {7}"
    )
    assert check_folder(folder, mask_values=(0, 7)).found == {}


def test_a_stray_class_is_fine_once_it_is_void_or_has_a_name(folder):
    nine_stray_pixels(folder)
    assert "ignore these pixels with void_values=(2,);" in check_folder(folder).table()
    assert check_folder(folder, void_values=(2,)).found == {}
    assert check_folder(folder, class_names=("skin", "lesion", "ink")).found == {}
    assert check_folder(folder, mask_values=(0, 1, 2)).found == {}


def test_a_rare_class_of_many_masks_is_not_stray(folder):
    for k in range(4):
        pixels = disc()
        pixels[:1, :2] = 2
        mask(folder, f"{k}.png", pixels)
    assert check_folder(folder).found == {}


def test_a_void_colour_of_the_palette_is_no_class(folder):
    palette = Palette.default(["void", "sky", "road"])
    for k in range(4):
        mask(folder, f"{k}.png", palette.colourise(disc() + (k == 0)))
    assert check_folder(folder, palette=palette, void_values=(0,)).found == {}


def test_jpeg_masks_are_a_note_when_their_values_are_given(folder):
    for k in range(4):
        (folder / "masks" / f"{k}.png").unlink()
        mask(folder, f"{k}.jpg", disc(255))
    assert check_folder(folder, mask_values=(0, 255)).ok
    assert not check_folder(folder).ok


def test_colour_masks_with_their_palette(folder):
    palette = Palette.default(["sky", "road"])
    for k in range(4):
        mask(folder, f"{k}.png", palette.colourise(disc()))
    assert check_folder(folder, palette=palette).ok
    assert len(check_folder(folder).problems["colour mask"]) == 4


def test_a_colour_that_the_palette_lacks(folder):
    for k in range(4):
        mask(folder, f"{k}.png", Palette.default(["sky", "road", "tree"]).colourise(disc(1 + k % 2)))
    report = check_folder(folder, palette=Palette.default(["sky", "road"]))
    assert report.problems == {"unknown colour": ["1.png", "3.png"]}
    tree = list(Palette.default(3).colours[2])
    assert str(folder / "masks" / "1.png") in report.table().splitlines()[-1]
    assert f"no class has, for example {tree}" in report.table()
    assert "pass" not in report.table()


def test_dark_images_get_a_note(folder):
    for k, high in enumerate((40, 60)):
        pixels = np.zeros((*SHAPE, 3), np.uint8)
        pixels[3, 3] = high  # averaged, one bright pixel is dark
        Image.fromarray(pixels).save(folder / "images" / f"{k}.png")
    Image.fromarray(np.linspace(0, 8000, 768, dtype=np.uint16).reshape(SHAPE)).save(
        folder / "images" / "2.png"
    )
    assert check_folder(folder).found == {"dark image": ["0.png", "2.png"]}


def test_names_are_counted_where_there_are_many(folder):
    for k in range(20):
        Image.new("RGB", SHAPE, (k, 0, 0)).save(folder / "images" / f"more{k:02}.png")
    report = check_folder(folder)
    assert "more00.png, more01.png, more02.png and 17 more" in report.table()
    assert len(report.problems["image without mask"]) == 20


def test_no_pairs(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    report = check_folder(tmp_path)
    assert set(report.problems) == {"no pairs", "image without mask"}


def test_csv(folder):
    (folder / "pairs.csv").write_text(
        "image,mask\nimages/0.png,masks/1.png\nimages/1.png,masks/nowhere.png\n"
    )
    report = check_folder(csv=folder / "pairs.csv")
    assert report.problems == {"unreadable mask": ["nowhere.png"]}


def test_missing_folder(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        check_folder(tmp_path / "nowhere")
