"""Evaluation results as JSON and as a table, and `segcourse evaluate`."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from segcourse import cli
from segcourse.errors import DataError
from segcourse.inference.evaluation import as_json, as_table, dataset, ranked, summary
from segcourse.inference.segmenter import Segmenter
from segcourse.metrics import Scores
from segcourse.models import create_model
from segcourse.palette import Palette


@pytest.fixture
def scores():
    """Return scores of four images of 1×2: correct, wrong, half correct, and two empty masks."""
    scores = Scores(2)
    prediction = torch.tensor([[[1, 1]], [[0, 1]], [[1, 1]], [[0, 0]]])
    target = torch.tensor([[[1, 1]], [[1, 0]], [[1, 0]], [[0, 0]]])
    scores.update(prediction, target, names=["right", "wrong", "half", "nothing"])
    return scores


def test_worst_images_come_first_and_empty_ones_last(scores):
    assert [row["name"] for row in ranked(scores)] == ["wrong", "half", "right", "nothing"]
    figures = summary(scores, ("skin", "lesion"), worst=2)
    assert [row["name"] for row in figures["worst"]] == ["wrong", "half"]
    assert figures["dice_per_image"] == pytest.approx((1 + 0 + 2 / 3) / 3)  # NaN is left out
    assert figures["iou_per_class"]["lesion"] == pytest.approx(3 / 6)


def test_json_has_null_for_nan(scores):
    figures = json.loads(as_json(summary(scores, ("skin", "lesion"))))
    assert figures["worst"][-1] == {"name": "nothing", "dice": None, "iou": None}
    assert figures["images"] == 4
    assert "dice per image       0.5556\n" in as_table(summary(scores, ("skin", "lesion")))


def test_evaluation_needs_exactly_one_source():
    for images, data in ((None, None), ("folder", "isic2018")):
        with pytest.raises(DataError, match="either --images"):
            dataset(images, None, data)


@pytest.fixture
def files(tmp_path):
    """Three images and masks of different sizes, and a model."""
    for i, size in enumerate([(20, 30), (16, 16), (9, 31)]):
        mask = np.zeros(size, np.uint8)
        mask[2 : 5 + i, 3:9] = 255
        for folder, array in (("images", np.dstack([mask // 2] * 3)), ("masks", mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            name = f"x{i}_segmentation.png" if folder == "masks" else f"x{i}.png"
            Image.fromarray(array).save(tmp_path / folder / name)
    torch.manual_seed(0)
    segmenter = Segmenter(create_model("unet", 2, width=4, depth=1), palette=Palette.lesion(), size=16)
    segmenter.save(tmp_path / "model.safetensors")
    return tmp_path


def evaluate(files, capsys, *more):
    arguments = ["evaluate", "--images", files / "images", "--masks", files / "masks"]
    with pytest.raises(SystemExit) as ended:
        cli.main([str(part) for part in [*arguments, "--model", files / "model.safetensors", *more]])
    return ended.value.code or 0, *capsys.readouterr()


def test_the_command_prints_json_alone(files, capsys):
    code, out, _ = evaluate(files, capsys, "--json", "--out", files / "out")
    figures = json.loads(out)
    assert code == 0
    assert figures["images"] == 3
    assert {row["name"] for row in figures["worst"]} == {"x0", "x1", "x2"}
    rows = list(csv.DictReader((files / "out" / "scores.csv").open()))
    assert np.mean([float(row["dice"]) for row in rows]) == pytest.approx(figures["dice_per_image"])
    with Image.open(files / "out" / "worst.png") as picture:
        assert "x0" in picture.info["Description"]


def test_the_command_prints_a_table(files, capsys):
    code, out, _ = evaluate(files, capsys)
    assert code == 0
    assert out.startswith("images               3\n")
    assert "IoU of lesion" in out


def test_masks_of_another_size_are_explained(files, capsys):
    Image.new("L", (7, 7)).save(files / "masks" / "x1_segmentation.png")
    code, out, errors = evaluate(files, capsys, "--json")
    assert (code, out) == (2, "")
    assert "x1" in errors
    assert "size" in errors


def test_a_class_that_the_model_does_not_have_is_explained(files, capsys):
    for path in (files / "masks").iterdir():
        Image.fromarray((np.array(Image.open(path)) > 0).astype(np.uint8) * 2).save(path)
    code, _, errors = evaluate(files, capsys)
    assert code == 2
    assert "Traceback" not in errors
