"""`segcourse export`, from the command line."""

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from segcourse import cli
from segcourse.inference.segmenter import Segmenter
from segcourse.models import create_model
from segcourse.palette import Palette

pytestmark = pytest.mark.usefixtures("one_thread")


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(["export", *map(str, arguments)])
    return stop.value.code or 0, *capsys.readouterr()


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    segmenter = Segmenter(create_model("half_unet", 2, width=4), palette=Palette.lesion(), size=64)
    segmenter.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("images", "masks", "others"):
        (tmp_path / name).mkdir()
        for k in range(3):
            pixels = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            picture = Image.fromarray(np.where(pixels[..., 0] > 128, 255, 0).astype(np.uint8))
            (picture if name == "masks" else Image.fromarray(pixels)).save(tmp_path / name / f"{k}.png")
    return ["--images", tmp_path / "images", "--masks", tmp_path / "masks", "--mask-values", "0,255"]


def test_an_export_is_written_and_said(model, tmp_path, capsys):
    out = tmp_path / "m.onnx"
    code, said, _ = run(capsys, model, "--out", out, "--labels", "--normalised")
    assert code == 0
    assert said.startswith(f"{out}: fp32, 0.")
    assert "MB, 0.0e+00 of the pixels from PyTorch." in said
    assert onnx.load(out).graph.output[0].name == "labels"


def test_int8_measures_the_loss_on_given_images(model, folders, tmp_path, capsys):
    out = tmp_path / "m.onnx"
    others = ["--calibration", tmp_path / "others", "--max-loss", 1]
    code, said, complaint = run(capsys, model, "--out", out, "--precision", "int8", *folders, *others)
    assert (code, complaint) == (0, "")
    assert "int8" in said
    assert "on 3 images, against 0." in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--out", "m.pb"], "expected a name that ends in .onnx or .engine"),
        (["--out", "m.onnx", "--precision", "int8"], "int8 needs real images"),
        (["--out", "m.onnx", "--precision", "int8", "FOLDERS"], "--calibration FOLDER"),
        (
            ["--out", "m.onnx", "--precision", "int8", "--calibration", "images", "FOLDERS"],
            "images holds images that measure the loss, too",
        ),
        (["--out", "m.engine", "--largest", "4"], "batch, height and width"),
    ],
)
def test_wrong_options_are_explained(arguments, sentence, model, folders, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = [*arguments[:-1], *folders] if arguments[-1] == "FOLDERS" else arguments
    code, _, complaint = run(capsys, model, *given)
    assert code == 2
    assert sentence in complaint
    assert "Traceback" not in complaint
    assert not list(tmp_path.glob("m.*"))


def test_an_export_is_not_exported_again(tmp_path, capsys):
    code, _, complaint = run(capsys, tmp_path / "a.onnx", "--out", tmp_path / "b.onnx")
    assert code == 2
    assert "is an export already" in complaint
