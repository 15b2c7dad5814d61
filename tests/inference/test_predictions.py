"""`segcourse predict`: results, resuming, a cluster, and files that must never be overwritten."""

import csv
import json
import os
import sys

import numpy as np
import pytest
import torch
from distributed import LocalCluster
from PIL import Image
from torch import nn

from segcourse import cli
from segcourse.data.images import read_mask
from segcourse.errors import DataError, SaveError, SegcourseError
from segcourse.inference.pictures import Style
from segcourse.inference.predictions import KINDS, write_predictions
from segcourse.inference.results_folder import ResultsFolder
from segcourse.inference.segmenter import Segmenter
from segcourse.models import create_model
from segcourse.palette import Palette


class Thirds(nn.Module):
    """Class 0, 1 or 2 where the (normalised) red channel is low, middling or high."""

    def forward(self, x):
        red = x[:, :1]
        return torch.cat([-red, torch.full_like(red, 0.5), red], dim=1)


FOR_ALL = {"shares.csv", "predict.json", "contact_sheet.jpg"}
PALETTE = Palette(("background", "cat", "dog"), ((0, 0, 0), (230, 159, 0), (86, 180, 233)))


@pytest.fixture
def segmenter():
    return Segmenter(Thirds(), palette=PALETTE, device="cpu")


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(np.array([[[255, 0, 0]] * 3 + [[0, 0, 0]]], np.uint8)).save(folder / "a.png")
    Image.fromarray(np.array([[[124, 9, 9]], [[255, 0, 0]]], np.uint8)).save(folder / "b.png")
    return folder


def pixels(path):
    with Image.open(path) as picture:
        return picture.mode, np.array(picture).tolist()


def test_files_hold_what_the_model_predicts(segmenter, pictures, tmp_path):
    out = tmp_path / "out"
    report = write_predictions(
        segmenter, [pictures], out, kinds=("mask", "overlay", "cutout"), progress=False
    )
    assert report == ([pictures / "a.png", pictures / "b.png"], [], [])
    assert read_mask(out / "a_mask.png").tolist() == [[2, 2, 2, 0]]
    assert pixels(out / "b_mask.png") == ("P", [[1], [2]])
    with Image.open(out / "b_mask.png") as mask:
        assert np.array(mask.convert("RGB")).tolist() == [[[230, 159, 0]], [[86, 180, 233]]]
    assert pixels(out / "a_cutout.png") == ("RGBA", [[[255, 0, 0, 255]] * 3 + [[0, 0, 0, 0]]])
    rows = list(csv.DictReader((out / "shares.csv").open()))
    assert [(row["width"], row["height"], float(row["dog"])) for row in rows] == [
        ("4", "1", 0.75),
        ("1", "2", 0.5),
    ]


def test_keep_shows_only_one_class(segmenter, pictures, tmp_path):
    for keep in ("cat", "1"):
        out = tmp_path / keep
        write_predictions(segmenter, [pictures], out, ("mask", "overlay", "cutout"), keep, progress=False)
        assert pixels(out / "b_mask.png") == ("L", [[255], [0]])
        assert pixels(out / "b_cutout.png")[1][1][0][3] == 0
        assert pixels(out / "b_overlay.png")[1] == [
            [[177, 84, 4]],
            [[255, 0, 0]],
        ]  # the mean with cat's colour
    with pytest.raises(DataError, match="no class 'cow'; the classes of this model are background, cat, dog"):
        write_predictions(segmenter, [pictures], tmp_path / "cow", keep="cow", progress=False)


def test_a_cutout_of_many_classes_needs_keep(pictures, tmp_path):
    segmenter = Segmenter(Thirds(), palette=Palette.default(["sky", "cat", "dog"]), device="cpu")
    with pytest.raises(DataError, match="pass --keep with one of sky, cat, dog"):
        write_predictions(segmenter, [pictures], tmp_path / "out", ("cutout",), progress=False)


def test_two_classes_are_black_and_white(pictures, tmp_path):
    torch.manual_seed(0)
    segmenter = Segmenter(create_model("unet", 2, width=4, depth=1), palette=Palette.lesion(), device="cpu")
    write_predictions(segmenter, [pictures / "a.png"], tmp_path / "out", ("mask",), progress=False)
    mode, values = pixels(tmp_path / "out" / "a_mask.png")
    assert mode == "L"
    assert values == (255 * segmenter.predict(pictures / "a.png")).tolist()


def test_nothing_is_overwritten(segmenter, pictures, tmp_path):
    """A ground truth next to the images has the name of a result and must not be overwritten."""
    truth = pictures / "a_mask.png"
    truth.write_bytes(b"hours of somebody's work")
    with pytest.raises(DataError, match=r"a_mask\.png exists already"):
        write_predictions(segmenter, [pictures / "a.png"], pictures, progress=False)
    assert truth.read_bytes() == b"hours of somebody's work"
    assert {path.name for path in pictures.iterdir()} == {"a.png", "a_mask.png", "b.png"}

    Image.new("RGB", (2, 2)).save(pictures / "b_mask.png")
    with pytest.raises(DataError, match=r"b_mask\.png is one of the images to predict"):
        write_predictions(
            segmenter, [pictures / "b.png", pictures / "b_mask.png"], pictures, force=True, progress=False
        )


def test_an_image_behind_a_link_is_not_overwritten(segmenter, pictures, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (pictures / "a.png").rename(out / "link_mask.png")
    (tmp_path / "link.png").symlink_to(out / "link_mask.png")
    with pytest.raises(DataError, match=r"link_mask\.png is one of the images to predict"):
        write_predictions(segmenter, [tmp_path / "link.png"], out, force=True, progress=False)


def test_same_names_do_not_collide(segmenter, pictures, tmp_path):
    Image.open(pictures / "a.png").save(pictures / "a.bmp")
    (tmp_path / "more").mkdir()
    Image.open(pictures / "a.png").save(tmp_path / "more" / "b.png")
    inputs = [pictures / "a.png", pictures / "a.bmp", pictures / "b.png", tmp_path / "more" / "b.png"]
    write_predictions(segmenter, inputs, tmp_path / "out", ("mask",), progress=False)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "a_png_mask.png",
        "a_bmp_mask.png",
        "in_b_png_mask.png",
        "more_b_png_mask.png",
        *FOR_ALL,
    }


def saved(tmp_path, **options):
    torch.manual_seed(0)
    path = tmp_path / "model.safetensors"
    model = create_model("unet", 2, width=4, depth=1, **options)
    Segmenter(model, palette=Palette.lesion(), size=8, device="cpu").save(path)
    return str(path)


def command(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


def test_the_command_skips_and_reports_unreadable_files(pictures, tmp_path, capsys):
    (pictures / "text.png").write_text("no picture")
    out = tmp_path / "out"
    code, said, errors = command(["predict", pictures, "--model", saved(tmp_path), "--out", out], capsys)
    assert code == 2
    assert "text.png" in errors
    assert said == f"2 image(s) predicted, 1 unreadable; the results are in {out}.\n"
    assert {path.name for path in out.iterdir()} == {
        *("a_mask.png", "a_overlay.png", "b_mask.png", "b_overlay.png"),
        *FOR_ALL,
    }
    code, said, _ = command(
        ["predict", pictures / "a.png", "--model", saved(tmp_path), "--out", out, "--mask", "--force"], capsys
    )
    assert code == 0


@pytest.mark.parametrize(
    "wrong", ["missing model", "missing picture", "empty folder", "other model", "no GPU"]
)
def test_the_command_explains_mistakes(wrong, pictures, tmp_path, capsys):
    model, picture, more = saved(tmp_path), pictures / "a.png", []
    if wrong == "missing model":
        model, sentence = tmp_path / "none.safetensors", "there is no model file"
    elif wrong == "missing picture":
        picture, sentence = tmp_path / "none.png", "none.png"
    elif wrong == "empty folder":
        picture, sentence = tmp_path / "empty", "holds no images"
        picture.mkdir()
    elif wrong == "other model":
        model, sentence = tmp_path / "other.safetensors", "damaged or not a safetensors file"
        torch.save({"weight": torch.zeros(1)}, model)
    else:
        if torch.cuda.is_available():
            pytest.skip("this machine has a GPU; the case is about one without.")
        more, sentence = ["--device", "cuda"], "no GPUs"
    arguments = ["predict", picture, "--model", model, "--out", tmp_path / "out", *more]
    code, _, errors = command(arguments, capsys)
    assert code == 2
    assert sentence in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "out").exists()


def test_an_overlay_of_many_classes_has_a_legend_of_those_that_occur(segmenter, pictures, tmp_path):
    wide = np.zeros((60, 200, 3), np.uint8)
    wide[:, 100:, 0] = 255
    Image.fromarray(wide).save(pictures / "c.png")
    write_predictions(segmenter, [pictures / "c.png"], tmp_path / "out", ("overlay",), progress=False)
    with Image.open(tmp_path / "out" / "c_overlay.png") as picture:
        drawn = np.array(picture)
    assert drawn.shape[0] > 60
    assert drawn.shape[1] == 200
    assert drawn[:60, 150].tolist() == [[170, 90, 116]] * 60  # half red, half the dog's colour
    named = {tuple(colour) for colour in drawn[60:].reshape(-1, 3).tolist()} & set(PALETTE.colours[1:])
    assert named == {PALETTE.colours[2]}


def rows_of(out):
    with (out / "shares.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def written(out):
    """Return the time of each result, which tells whether it was written again."""
    return {path.name: path.stat().st_mtime_ns for path in out.glob("*_*.png")}


def test_a_second_run_continues_and_predicts_only_what_is_missing(segmenter, pictures, tmp_path):
    out = tmp_path / "out"
    write_predictions(segmenter, [pictures / "a.png"], out, progress=False)
    before = written(out)
    report = write_predictions(segmenter, [pictures], out, progress=False)
    assert report == ([pictures / "b.png"], [pictures / "a.png"], [])
    assert before.items() <= written(out).items()
    assert [row["file"] for row in rows_of(out)] == [str(pictures / name) for name in ("a.png", "b.png")]

    (out / "a_overlay.png").unlink()
    assert write_predictions(segmenter, [pictures], out, progress=False).done == [pictures / "a.png"]
    os.utime(pictures / "b.png", ns=(2**62, 2**62))  # edited after it was predicted
    assert write_predictions(segmenter, [pictures], out, progress=False).done == [pictures / "b.png"]
    report = write_predictions(segmenter, [pictures], out, ("mask", "cutout"), progress=False)
    assert report.done == [pictures / "a.png", pictures / "b.png"]  # which had no cut-outs


def test_a_row_that_was_cut_off_is_predicted_again(segmenter, pictures, tmp_path):
    out = tmp_path / "out"
    write_predictions(segmenter, [pictures], out, progress=False)
    whole = (out / "shares.csv").read_text()
    (out / "shares.csv").write_text(whole[:-4])
    report = write_predictions(segmenter, [pictures], out, progress=False)
    assert report == ([pictures / "b.png"], [pictures / "a.png"], [])
    assert (out / "shares.csv").read_text() == whole


def test_a_run_that_is_stopped_keeps_what_is_done(segmenter, pictures, tmp_path, monkeypatch):
    for i in range(40):
        Image.new("RGB", (3, 3), (i, 0, 0)).save(pictures / f"c{i:02}.png")
    out, written_so_far = tmp_path / "out", []

    def stop(self, outcome, add=ResultsFolder.add):
        if len(written_so_far) == 20:
            raise KeyboardInterrupt
        written_so_far.append(outcome.name)
        add(self, outcome)

    monkeypatch.setattr(ResultsFolder, "add", stop)
    with pytest.raises(KeyboardInterrupt):
        write_predictions(segmenter, [pictures], out, progress=False)
    monkeypatch.undo()
    report = write_predictions(segmenter, [pictures], out, progress=False)
    assert [str(path) for path in report.earlier] == written_so_far
    assert len(report.done) == 22
    assert len(rows_of(out)) == 42
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_results_of_other_settings_are_not_mixed(segmenter, pictures, tmp_path):
    out = tmp_path / "out"
    write_predictions(segmenter, [pictures], out, progress=False)
    for other, options in (
        (segmenter, {"keep": "cat"}),
        (segmenter, {"style": Style(alpha=0.3)}),
        (segmenter, {"flips": True}),
        (Segmenter(Thirds(), palette=PALETTE, device="cpu", std=(1, 1, 1)), {}),
    ):
        with pytest.raises(DataError, match=r"holds results from other settings \(\w+: .* --force"):
            write_predictions(other, [pictures], out, progress=False, **options)
    report = write_predictions(segmenter, [pictures], out, keep="cat", force=True, progress=False)
    assert len(report.done) == 2
    assert [row["shown"] for row in rows_of(out)] == ["cat", "cat"]


def test_another_kind_of_result_can_be_added(segmenter, pictures, tmp_path):
    out = tmp_path / "out"
    write_predictions(segmenter, [pictures], out, ("mask",), flips=False, tile=None, progress=False)
    before = written(out)
    white = Style(background="white", mask_format="colours")
    report = write_predictions(segmenter, [pictures], out, ("background",), style=white, progress=False)
    assert len(report.done) == 2
    assert before.items() <= written(out).items()
    with pytest.raises(DataError, match="mask_format: None before, colours now"):
        write_predictions(segmenter, [pictures], out, ("mask",), style=white, progress=False)


@pytest.mark.parametrize("inside", [".", "results"])
def test_results_among_the_images_are_no_images(inside, segmenter, pictures):
    out = pictures / inside
    first = write_predictions(segmenter, [pictures], out, progress=False)
    again = write_predictions(segmenter, [pictures, *out.glob("*.png")], out, progress=False)
    assert (first.done, again.earlier) == ([pictures / "a.png", pictures / "b.png"],) * 2
    assert not again.done


@pytest.mark.skipif(sys.platform != "linux", reason="other systems store names as Unicode.")
@pytest.mark.parametrize("name", [b"caf\xe9.png", b"two\nlines.png", b"\xe2\x80\xa8.png", b'"a",b.png'])
def test_odd_names_of_files_are_no_trouble(name, segmenter, pictures, tmp_path):
    odd = pictures / os.fsdecode(name)
    (pictures / "a.png").rename(odd)
    for _ in range(2):
        report = write_predictions(segmenter, [pictures], tmp_path / "out", KINDS, progress=False)
        assert len(rows_of(tmp_path / "out")) == 2
    assert len(report.earlier) == 2
    assert (tmp_path / "out" / f"{odd.stem}_mask.png").exists()


def test_a_later_run_does_not_overwrite_what_it_did_not_write(segmenter, pictures, tmp_path):
    out = tmp_path / "out"
    write_predictions(segmenter, [pictures / "a.png"], out, progress=False)
    truth = out / "b_mask.png"
    truth.write_bytes(b"hours of somebody's work")
    with pytest.raises(DataError, match=r"b_mask\.png exists already"):
        write_predictions(segmenter, [pictures], out, progress=False)
    assert truth.read_bytes() == b"hours of somebody's work"

    (tmp_path / "other").mkdir()
    Image.new("RGB", (2, 2)).save(tmp_path / "other" / "a.png")  # its results would have the same names
    with pytest.raises(DataError, match=r"a_mask\.png exists already"):
        write_predictions(segmenter, [tmp_path / "other" / "a.png"], out, progress=False)


def test_a_bad_file_stops_no_other(pictures, tmp_path, capsys):
    """Of each kind: no image, missing, and one that the network can't take."""

    class NoSquares(Thirds):
        def forward(self, x):
            if x.shape[-1] == x.shape[-2]:
                raise DataError("no squares, please.")
            return super().forward(x)

    (pictures / "text.png").write_text("no picture")
    Image.new("RGB", (9, 9)).save(pictures / "square.png")
    segmenter = Segmenter(NoSquares(), palette=PALETTE, device="cpu")
    report = write_predictions(segmenter, [pictures, pictures / "none.png"], tmp_path / "out", progress=False)
    assert [path.name for path in report.done] == ["a.png", "b.png"]
    assert [path.name for path in report.unreadable] == ["square.png", "text.png", "none.png"]
    said = capsys.readouterr().err
    assert f"skipped: {pictures / 'square.png'}: no squares, please." in said
    assert "none.png does not exist" in said
    assert len(rows_of(tmp_path / "out")) == 2


def test_many_images_are_what_one_by_one_predicts(pictures, tmp_path):
    """Batches, threads and different sizes change nothing, nor does a working size."""
    rng = np.random.default_rng(0)
    for i in range(30):
        pixels = rng.integers(0, 256, (10 + i % 4, 12 + i % 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(pictures / f"many{i:02}.png")
    for size in (None, 8):
        segmenter = Segmenter(Thirds(), palette=PALETTE, size=size, device="cpu")
        out = tmp_path / f"out{size}"
        report = write_predictions(segmenter, [pictures], out, ("mask",), progress=False)
        assert len(report.done) == 32
        for path in report.done:
            expected = segmenter.predict(path)
            np.testing.assert_array_equal(read_mask(out / f"{path.stem}_mask.png"), expected)
        assert [row["file"] for row in rows_of(out)] == [str(path) for path in report.done]


@pytest.mark.parametrize("channels", [1, 4])
def test_networks_of_other_channels_see_their_own(channels, tmp_path):
    picture = np.zeros((2, 3, 4), np.uint8)
    picture[..., 3] = [[255, 0, 0], [255, 255, 0]]
    Image.fromarray(picture).save(tmp_path / "a.png")
    model = nn.Conv2d(channels, 2, 1)
    with torch.no_grad():
        model.weight.zero_()
        model.weight[1, -1] = 1.0
        model.bias.copy_(torch.tensor([0.5, 0.0]))
    segmenter = Segmenter(model, mean=[0] * channels, std=[1] * channels, device="cpu")
    write_predictions(segmenter, [tmp_path / "a.png"], tmp_path / "out", ("mask",), progress=False)
    on = picture[..., 3] == (255 if channels == 4 else 0)  # without an alpha channel, clear is white
    assert (np.array(Image.open(tmp_path / "out" / "a_mask.png")) == 255).tolist() == on.tolist()


def test_results_are_upright_like_the_picture(segmenter, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.array([[[255, 0, 0], [0, 0, 0], [0, 0, 0]]], np.uint8)).save(
        tmp_path / "phone.png", exif=exif
    )
    write_predictions(segmenter, [tmp_path / "phone.png"], tmp_path / "out", KINDS, "dog", progress=False)
    for kind in KINDS[:-1]:
        with Image.open(tmp_path / "out" / f"phone_{kind}.png") as picture:
            assert picture.size == (1, 3)
    assert read_mask(tmp_path / "out" / "phone_mask.png").tolist() == [[255], [0], [0]]
    assert rows_of(tmp_path / "out")[0]["height"] == "3"


def test_patterns_are_expanded_and_each_file_counts_once(segmenter, pictures, tmp_path):
    deep = pictures / "2024" / "may"
    deep.mkdir(parents=True)
    Image.new("RGB", (2, 2)).save(deep / "c.png")
    (deep / "notes.txt").write_text("no image")
    odd = pictures / "[1].png"
    Image.new("RGB", (2, 2)).save(odd)
    inputs = [f"{pictures}/**/*", str(pictures / "a.png"), str(odd)]
    report = write_predictions(segmenter, inputs, tmp_path / "out", ("mask",), progress=False)
    assert sorted(path.name for path in report.done) == ["[1].png", "a.png", "b.png", "c.png"]
    with pytest.raises(DataError, match=r"no image file matches .*\*\.jpg; expected names ending in"):
        write_predictions(segmenter, [f"{pictures}/*.jpg"], tmp_path / "none", progress=False)
    assert not (tmp_path / "none").exists()


STREET = Palette.default(["road", "car", "bus"])


def test_other_vehicles_are_kept_aloud_where_there_is_no_car(pictures, tmp_path, capsys):
    """By the red channel: b.png has car and bus, a.png only bus and road."""
    segmenter = Segmenter(Thirds(), palette=STREET, device="cpu")
    Image.new("RGB", (2, 2)).save(pictures / "c.png")
    write_predictions(segmenter, [pictures], tmp_path / "out", ("mask",), "car", progress=False)
    assert read_mask(tmp_path / "out" / "a_mask.png").tolist() == [[255, 255, 255, 0]]
    assert read_mask(tmp_path / "out" / "b_mask.png").tolist() == [[255], [0]]
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"{pictures / 'a.png'}: no car; shows bus instead.",
        f"{pictures / 'c.png'}: no car found.",
    ]
    assert [row["shown"] for row in rows_of(tmp_path / "out")] == ["bus", "car", "car"]
    write_predictions(segmenter, [pictures], tmp_path / "exact", ("mask",), "1", progress=False)
    assert read_mask(tmp_path / "exact" / "a_mask.png").max() == 0


def test_contours_of_all_images_are_in_one_coco_file(segmenter, pictures, tmp_path):
    out = tmp_path / "out"
    write_predictions(segmenter, [pictures / "a.png"], out, ("contours",), progress=False)
    write_predictions(segmenter, [pictures], out, ("contours",), progress=False)
    made = json.loads((out / "a_contours.geojson").read_text())
    [feature] = made["features"]
    assert feature["properties"] == {"class_id": 2, "class": "dog", "area": 3}
    assert feature["geometry"]["coordinates"] == [[[0, 0], [3, 0], [3, 1], [0, 1], [0, 0]]]
    coco = json.loads((out / "coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == [str(pictures / n) for n in ("a.png", "b.png")]
    assert [(one["image_id"], one["category_id"]) for one in coco["annotations"]] == [(1, 2), (2, 1), (2, 2)]


@pytest.mark.parametrize("kind", ["background", "recoloured"])
def test_a_new_background_or_colour_of_many_classes_needs_keep(kind, pictures, tmp_path):
    segmenter = Segmenter(Thirds(), palette=STREET, device="cpu")
    with pytest.raises(DataError, match="pass --keep with one of road, car, bus"):
        write_predictions(segmenter, [pictures], tmp_path / "out", (kind,), progress=False)
    with pytest.raises(DataError, match=r"a binary mask needs the class to keep"):
        write_predictions(
            segmenter, [pictures], tmp_path / "out", style=Style(mask_format="binary"), progress=False
        )
    assert not (tmp_path / "out").exists()


def test_a_full_disk_stops_the_run_and_leaves_nothing_half_written(
    segmenter, pictures, tmp_path, monkeypatch
):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(SaveError, match="No space left on device"):
        write_predictions(segmenter, [pictures], tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_the_command_writes_what_is_chosen(pictures, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["predict", pictures, "--model", saved(tmp_path), "--out", out, "--background", "white"]
    code, said, _ = command([*arguments, "--recolour", "red", "--contours"], capsys)
    assert (code, said) == (0, f"2 image(s) predicted, 0 unreadable; the results are in {out}.\n")
    endings = ("background.png", "recoloured.png", "contours.geojson")
    assert {path.name for path in out.iterdir()} == {
        *(f"{stem}_{ending}" for stem in "ab" for ending in endings),
        *FOR_ALL,
        "coco.json",
    }
    code, said, _ = command([*arguments, "--recolour", "red", "--contours"], capsys)
    assert said == f"0 image(s) predicted, 2 done before, 0 unreadable; the results are in {out}.\n"
    code, _, errors = command([*arguments, "--alpha", "2"], capsys)
    assert (code, errors) == (2, "alpha is 2; expected an opacity from 0 to 1.\n")


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    ) as made:
        yield made


def test_a_cluster_writes_the_same_results(pictures, tmp_path, monkeypatch, cluster):
    for i in range(20):  # two tasks
        Image.new("RGB", (3, 4), (12 * i, 0, 0)).save(pictures / f"c{i:02}.png")
    (pictures / "text.png").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    model = saved(tmp_path)
    here = write_predictions(model, ["in"], "here", KINDS, device="cpu", progress=False)
    address = cluster.scheduler_address
    there = write_predictions(model, ["in"], "there", KINDS, device="cpu", scheduler=address, progress=False)
    assert here == there
    assert len(there.done) == 22
    files = {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "there").iterdir()}
    again = write_predictions(model, ["in"], "there", KINDS, device="cpu", scheduler=address, progress=False)
    assert len(again.earlier) == 22


def test_a_cluster_needs_the_models_file_and_a_scheduler(segmenter, pictures, tmp_path, monkeypatch):
    with pytest.raises(DataError, match="a cluster loads the model itself; give the name of its file"):
        write_predictions(segmenter, [pictures], tmp_path / "out", scheduler="tcp://127.0.0.1:9")
    monkeypatch.setattr("segcourse.cluster.CONNECT_SECONDS", 1)
    with pytest.raises(SegcourseError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        write_predictions(
            saved(tmp_path), [pictures], tmp_path / "out", scheduler="tcp://127.0.0.1:9", progress=False
        )
    assert not (tmp_path / "out").exists()
