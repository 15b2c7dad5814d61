"""Image and mask files: every format, and every kind of damage."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from segcourse.data.decode import image_facts
from segcourse.data.images import class_ids, read_image, read_mask
from segcourse.errors import DataError
from segcourse.palette import Palette

# two flat halves survive every format, JPEG within a grey level or two
HALVES = np.zeros((32, 48, 3), np.uint8)
HALVES[:, :24] = (200, 100, 50)
HALVES[:, 24:] = (20, 60, 220)
IDS = np.zeros((32, 48), np.uint8)
IDS[8:24, 8:40] = 1


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "png", "PNG", "gif", "bmp", "tif", "tiff", "webp"])
def test_every_image_format_gives_the_same_pixels(tmp_path, suffix):
    image = read_image(save(tmp_path / f"picture.{suffix}", HALVES))
    assert image.dtype == np.uint8
    assert image.shape == (32, 48, 3)
    corners = image[[4, 4], [4, 44]].astype(int)
    assert np.abs(corners - HALVES[[4, 4], [4, 44]]).max() <= 4


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "tif", "webp"])
@pytest.mark.parametrize("high", [1, 2, 255])
def test_every_lossless_format_gives_the_same_mask(tmp_path, suffix, high):
    options = {"lossless": True} if suffix == "webp" else {}
    mask = read_mask(save(tmp_path / f"mask.{suffix}", IDS * high, **options))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, IDS * high)


def test_sixteen_bit_grey_is_scaled_and_not_wrapped(tmp_path):
    deep = np.array([[0, 257, 300, 32896, 65535]], np.uint16)
    for suffix in ("png", "tif"):
        image = read_image(save(tmp_path / f"deep.{suffix}", deep))
        assert image[0, :, 0].tolist() == [0, 1, 1, 128, 255]
    assert deep.astype(np.uint8).tolist() == [[0, 1, 44, 128, 255]]  # the wrong way: 300 becomes 44


def test_sixteen_bit_mask_keeps_its_ids_and_refuses_more(tmp_path):
    assert read_mask(save(tmp_path / "ids.png", np.array([[0, 3, 255]], np.uint16))).tolist() == [[0, 3, 255]]
    with pytest.raises(DataError, match=r"mask values go up to 300; class ids are 0\.\.254"):
        read_mask(save(tmp_path / "more.png", np.array([[0, 300]], np.uint16)))


def test_transparent_pixels_are_blended_over_white(tmp_path):
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8)
    for suffix in ("png", "tif", "webp"):
        options = {"lossless": True} if suffix == "webp" else {}
        image = read_image(save(tmp_path / f"cut-out.{suffix}", rgba, **options))
        assert image.tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    Image.fromarray(HALVES).convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    image = read_image(tmp_path / "print.jpg").astype(int)
    assert np.abs(image[4, 4] - HALVES[4, 4]).max() <= 6


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bits_per_colour_are_scaled(tmp_path, suffix, channels):
    rgba = np.dstack([HALVES, np.full(HALVES.shape[:2], 255, np.uint8)])
    rgba[:, 24:, 3] = 0
    deep = rgba[..., [2, 1, 0, 3][:channels]].astype(np.uint16) * 257  # OpenCV takes blue first
    cv2.imwrite(str(tmp_path / f"deep.{suffix}"), deep)
    image = read_image(tmp_path / f"deep.{suffix}")
    assert image[4, 4].tolist() == [200, 100, 50]
    assert image[4, 44].tolist() == ([20, 60, 220] if channels == 3 else [255, 255, 255])


@pytest.mark.parametrize("mode", ["LAB", "YCbCr", "CMYK"])
def test_colour_spaces_of_tiff_become_rgb(tmp_path, mode):
    picture = Image.fromarray(HALVES)
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        picture = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
    else:
        picture = picture.convert(mode)
    picture.save(tmp_path / "space.tif")
    assert np.abs(read_image(tmp_path / "space.tif").astype(int) - HALVES).max() <= 3


@pytest.fixture
def swapping():
    """A colour profile whose red is the blue of sRGB, and the other way round."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for old, new in ((b"rXYZ", b"wait"), (b"bXYZ", b"rXYZ"), (b"wait", b"bXYZ")):
        profile = profile.replace(old, new)
    return profile.replace("sRGB".encode("utf-16-be"), "Mine".encode("utf-16-be"))


def test_colours_are_converted_from_the_files_profile(tmp_path, swapping):
    picture = Image.new("RGB", (2, 2), (200, 10, 60))
    picture.save(tmp_path / "profile.png", icc_profile=swapping)
    assert np.abs(read_image(tmp_path / "profile.png")[0, 0].astype(int) - [60, 10, 200]).max() <= 1
    picture.putalpha(0)
    picture.save(tmp_path / "clear.png", icc_profile=swapping)
    assert read_image(tmp_path / "clear.png")[0, 0].tolist() == [255, 255, 255]


def test_a_profile_that_does_not_fit_is_ignored(tmp_path, swapping):
    picture = Image.new("RGB", (2, 2), (200, 10, 60))
    picture.save(tmp_path / "damaged.png", icc_profile=b"no profile")
    assert read_image(tmp_path / "damaged.png")[0, 0].tolist() == [200, 10, 60]
    Image.new("CMYK", (2, 2)).save(tmp_path / "print.tif", icc_profile=swapping)  # a profile of RGB
    assert read_image(tmp_path / "print.tif")[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_are_upright(tmp_path, orientation):
    corners = np.arange(6 * 4, dtype=np.uint8).reshape(6, 4) * 10
    turned = {
        1: corners,
        2: corners[:, ::-1],
        3: corners[::-1, ::-1],
        4: corners[::-1],
        5: corners.T,
        6: np.rot90(corners),
        7: corners[::-1, ::-1].T,
        8: np.rot90(corners, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "phone.png", np.ascontiguousarray(turned[orientation]), exif=exif)
    np.testing.assert_array_equal(read_image(path)[..., 0], corners)


def test_an_indexed_image_becomes_its_colours(tmp_path):
    Image.fromarray(HALVES).quantize(2).save(tmp_path / "few.png")
    np.testing.assert_array_equal(read_image(tmp_path / "few.png"), HALVES)


def test_an_indexed_mask_holds_ids(tmp_path):
    mask = Image.fromarray(np.array([[0, 15, 255]], np.uint8))
    mask.putpalette([channel for k in range(256) for channel in (k, 255 - k, 128)])
    mask.save(tmp_path / "voc.png")
    assert read_mask(tmp_path / "voc.png").tolist() == [[0, 15, 255]]


def test_an_indexed_black_and_white_mask_is_read_by_its_colours(tmp_path):
    # some tools store white as index 0: the index would turn the mask inside out
    mask = Image.fromarray(np.array([[0, 1, 1]], np.uint8))
    mask.putpalette([255, 255, 255, 0, 0, 0])
    mask.save(tmp_path / "inside-out.png")
    assert read_mask(tmp_path / "inside-out.png", mask_values=(0, 255)).tolist() == [[1, 0, 0]]


def test_one_bit_and_grey_rgb_masks(tmp_path):
    assert read_mask(save(tmp_path / "bit.png", IDS.astype(bool))).max() == 1
    grey_rgb = np.repeat(IDS[..., None], 3, axis=2)
    np.testing.assert_array_equal(read_mask(save(tmp_path / "rgb.png", grey_rgb)), IDS)


def test_colour_mask_needs_a_palette(tmp_path):
    palette = Palette.default(["sky", "road", "car"])
    labels = np.array([[0, 1], [2, 255]], np.uint8)
    path = save(tmp_path / "colours.png", palette.colourise(labels))
    with pytest.raises(DataError, match="pass palette="):
        read_mask(path)
    np.testing.assert_array_equal(read_mask(path, palette=palette), labels)


def test_a_class_that_is_black_or_grey_is_found_where_it_stands_alone(tmp_path):
    palette = Palette(("sky", "road", "void"), ((128, 128, 128), (128, 64, 128), (0, 0, 0)))
    for label in (0, 2):
        path = save(tmp_path / f"{label}.png", palette.colourise(np.full((2, 2), label)))
        assert np.unique(read_mask(path, palette=palette)).tolist() == [label]
    ids = save(tmp_path / "ids.png", np.full((2, 2, 3), 1, np.uint8))  # ids in three channels
    assert np.unique(read_mask(ids, palette=palette)).tolist() == [1]


def test_exif_rotation_is_applied_to_the_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to see it upright"
    path = save(tmp_path / "phone.png", HALVES, exif=exif)
    np.testing.assert_array_equal(read_image(path), np.rot90(HALVES, -1))
    assert image_facts(path) == ((48, 32), True, "PNG")


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for suffix in ("gif", "webp"):
        options = {"lossless": True} if suffix == "webp" else {}
        path = tmp_path / f"moving.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:], **options)
        assert read_image(path)[0, 0].tolist() == [255, 0, 0]


def test_pages_of_a_tiff_are_not_dropped_but_a_preview_is(tmp_path):
    pages = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "green")]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    for read in (read_image, read_mask):
        with pytest.raises(DataError, match=r"stack\.tif has 3 pages; expected one image per file"):
            read(tmp_path / "stack.tif")
    pages[0].save(tmp_path / "preview.tif", save_all=True, append_images=[pages[1].resize((2, 2))])
    assert read_image(tmp_path / "preview.tif")[0, 0].tolist() == [255, 0, 0]


def twelve_bit_tiff(path, values):
    """Write one row of 12-bit values, two in three bytes, as scanners and cameras do; Pillow can't."""
    pairs = zip(values[::2], values[1::2], strict=True)
    packed = b"".join((a << 12 | b).to_bytes(3, "big") for a, b in pairs)
    tags = {256: len(values), 257: 1, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: len(packed)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + directory)
    return path


def test_twelve_bits_are_scaled_where_the_file_says_so_and_else_refused(tmp_path):
    image = read_image(twelve_bit_tiff(tmp_path / "twelve.tif", [0, 2048, 4095, 1024]))
    assert image[0, :, 0].tolist() == [0, 128, 255, 64]
    for suffix in ("png", "tif"):  # 12 bits in a file of 16: 4095 would be grey level 16 of 255
        path = save(tmp_path / f"dark.{suffix}", np.array([[0, 4095]], np.uint16))
        with pytest.raises(DataError, match=r"largest value is 4095 of 65535.* 12 bits .*multiply"):
            read_image(path)
    assert read_image(save(tmp_path / "black.png", np.zeros((1, 2), np.uint16))).max() == 0


def test_one_pixel(tmp_path):
    path = save(tmp_path / "pixel.png", HALVES[:1, :1])
    assert read_image(path).tolist() == [[[200, 100, 50]]]
    assert read_image(path, size=3).shape == (3, 3, 3)


def test_large_jpeg_decoded_small_looks_like_one_decoded_whole(tmp_path):
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 256, (8, 12, 3), np.uint8)).resize((1200, 800))
    smooth.save(tmp_path / "large.jpg", quality=95)
    small = read_image(tmp_path / "large.jpg", size=(64, 96)).astype(int)
    whole = np.asarray(
        Image.open(tmp_path / "large.jpg").resize((96, 64), Image.Resampling.BILINEAR), dtype=int
    )
    assert small.shape == (64, 96, 3)
    assert np.abs(small - whole).mean() < 1


def test_masks_shrink_by_nearest_where_smoothing_invents_a_class(tmp_path):
    stripes = np.zeros((16, 16), np.uint8)
    stripes[:, 8:] = 2
    path = save(tmp_path / "stripes.png", stripes)
    assert set(np.unique(read_mask(path, size=5))) == {0, 2}
    smoothed = np.asarray(Image.fromarray(stripes).resize((5, 5), Image.Resampling.BILINEAR))
    assert 1 in smoothed  # the wrong way: smoothing 0 and 2 creates class 1


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_image(tmp_path / "nowhere.png")


def test_folder_instead_of_file(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_image(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello, this is text", bytes(100)])
def test_text_renamed_to_png(tmp_path, content):
    (tmp_path / "fake.png").write_bytes(content)
    with pytest.raises(DataError, match="is not an image file"):
        read_image(tmp_path / "fake.png")


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "tif", "webp", "bmp"])
def test_truncated_file(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    whole = save(tmp_path / f"whole.{suffix}", noise).read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.\w+ (cannot be read|is not an image)"):
        read_image(cut)


def test_small_file_that_unpacks_to_gigabytes(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")))
    with pytest.raises(DataError, match="has more than 89 million pixels"):
        read_image(path)


def test_floating_point_files_are_refused(tmp_path):
    path = save(tmp_path / "depth.tif", np.array([[0.5]], np.float32))
    for read in (read_image, read_mask):
        with pytest.raises(DataError, match="floating-point"):
            read(path)


@pytest.mark.parametrize(
    ("values", "mask_values", "expected"),
    [
        ([0, 1, 255], None, [0, 1, 255]),
        ([0, 1, 255], (0, 1), [0, 1, 255]),  # 255 is ignored unless it is listed
        ([0, 255], (0, 255), [0, 1]),
        ([0, 255], (255, 0), [1, 0]),
        ([0, 1], (0, 255), [0, 1]),  # saved with one bit
        ([0, 1], (255, 0), [1, 0]),
        ([7, 11, 255], (7, 11), [0, 1, 255]),
    ],
)
def test_values_become_class_ids(values, mask_values, expected):
    assert class_ids(np.uint8([values]), mask_values).tolist() == [expected]


def test_unexpected_values_are_named_with_advice():
    with pytest.raises(DataError) as error:
        class_ids(np.uint8([[0, 128]]), (0, 1), where="mask.png")
    assert str(error.value) == (
        "mask.png: mask values are {0, 128}; expected class ids 0..1. "
        "If these are the values of the classes, pass mask_values=(0, 128)."
    )
    with pytest.raises(DataError, match=r"\{0, 255\}; expected class ids 0\.\.1\. For a binary"):
        class_ids(np.uint8([[0, 255]]), (0, 1))
    with pytest.raises(DataError, match=r"\{255\}; expected class ids 0\.\.1"):  # not "all ignored"
        class_ids(np.uint8([[255]]), (0, 1))
    assert class_ids(np.uint8([[0, 255]]), (0, 1), void_values=(255,)).tolist() == [[0, 255]]


@pytest.mark.parametrize("mask_values", [None, (0, 1, 2)])
def test_a_void_value_is_ignored_even_where_it_is_a_usual_id(mask_values):
    assert class_ids(np.uint8([[0, 1, 2]]), mask_values, void_values=(1,)).tolist() == [[0, 255, 2]]


def test_jpeg_mask_values_are_rounded_only_if_they_differ_clearly(tmp_path):
    rows, columns = np.mgrid[:64, :64]
    disc = ((rows - 30) ** 2 + (columns - 33) ** 2 < 400).astype(np.uint8)
    path = save(tmp_path / "mask.jpg", disc * 255, quality=75)
    assert len(np.unique(read_mask(path))) > 2  # what JPEG made of a black-and-white mask
    np.testing.assert_array_equal(read_mask(path, mask_values=(0, 255)), disc)
    with pytest.raises(DataError, match="save masks as PNG"):
        read_mask(path, mask_values=(0, 1))
