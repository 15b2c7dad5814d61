"""Masks, overlays, cut-outs and the table of shares; inputs are never overwritten."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from segcourse import cli
from segcourse.data.images import read_mask
from segcourse.errors import DataError
from segcourse.inference.predictions import write_predictions
from segcourse.inference.segmenter import Segmenter
from segcourse.models import create_model
from segcourse.palette import Palette


class Thirds(nn.Module):
    """Class 0, 1 or 2 where the (normalised) red channel is low, middling or high."""

    def forward(self, x):
        red = x[:, :1]
        return torch.cat([-red, torch.full_like(red, 0.5), red], dim=1)


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
    done, unreadable = write_predictions(
        segmenter, [pictures], out, kinds=("mask", "overlay", "cutout"), progress=False
    )
    assert [path.name for path in done] == ["a.png", "b.png"]
    assert unreadable == []
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
        "shares.csv",
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
        *("a_mask.png", "a_overlay.png", "b_mask.png", "b_overlay.png", "shares.csv")
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
