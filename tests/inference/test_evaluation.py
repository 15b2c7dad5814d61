"""Evaluation results as JSON and as a table, and `segcourse evaluate`."""

import csv
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from segcourse import cli
from segcourse.boundary import boundary_scores
from segcourse.errors import DataError
from segcourse.inference.evaluation import as_json, as_table, dataset, ranked, show_cases, summary
from segcourse.inference.evaluation import evaluate as score
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
    for column, name in (("dice", "dice_per_image"), ("hd95", "hd95"), ("surface_dice", "surface_dice")):
        assert np.mean([float(row[column]) for row in rows]) == pytest.approx(figures[name])
    with Image.open(files / "out" / "worst.png") as picture:
        assert "x0" in picture.info["Description"]


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("segcourse.inference.evaluation.evaluate", lambda *_, **__: pytest.fail("too late"))
    (tmp_path / "file").write_text("no folder")
    code, _, errors = evaluate(files, capsys, "--out", tmp_path / "file" / "x")
    assert (code, "could not be written" in errors) == (2, True)


def test_the_command_prints_a_table(files, capsys):
    code, out, _ = evaluate(files, capsys)
    assert code == 0
    assert out.startswith("images               3\n")
    assert re.search(
        r"\nclass      IoU    Dice  pixels\nskin    0\.\d{4}  0\.\d{4}  \d\d\.\d\d%\nlesion  ", out
    )
    assert re.search(r"\nhd95 +\d+\.\d{4} pixels\nsurface dice +0\.\d{4}\n", out)


def test_classes_have_their_scores_and_their_share_of_the_pixels():
    scores = Scores(3)
    truth, guess = (
        torch.tensor([[[0, 0, 1, 1]], [[0, 0, 0, 255]]]),
        torch.tensor([[[0, 1, 1, 1]], [[0, 0, 0, 2]]]),
    )
    scores.update(guess, truth)
    results = summary(scores, ("road", "car", "sky"))
    assert results["pixels_per_class"] == pytest.approx({"road": 5 / 7, "car": 2 / 7, "sky": 0})
    assert results["dice_per_class"]["car"] == pytest.approx(4 / 5)
    table = as_table(results).splitlines()
    assert "road   0.8000  0.8889  71.43%" in table
    assert "sky         –       –   0.00%" in table
    assert "hd95" not in results  # evaluate() was not asked for it


def test_boundaries_of_many_classes_by_hand():
    truth = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 2, 255]])
    found = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [0, 2, 0, 2]])
    # one pixel beside its place, within the tolerance; the second one is ignored, neither found nor missed
    assert boundary_scores(found == 2, np.where(truth == 255, 255, truth == 2), 2, tolerance=1) == (1.0, 1.0)
    assert boundary_scores(found == 1, truth == 1, 2, tolerance=1) == (
        5.0,
        0.0,
    )  # missed: the diagonal of 3×4
    image = (torch.from_numpy(found) / 2).expand(3, 3, 4)
    scores = score(
        segmenter_of_three(), [(image, torch.from_numpy(truth), "a")], boundary=True, progress=False
    )
    row = scores.per_image[0]
    whole = boundary_scores(found == 0, np.where(truth == 255, 255, truth == 0), 2, tolerance=1)
    assert row["hd95"] == pytest.approx((whole[0] + 5 + 1) / 3)
    assert row["surface_dice"] == pytest.approx((whole[1] + 0 + 1) / 3)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("sky", "road"), r"the model has 3 classes \(road, car, sky\) and the data 2 \(sky, road\)"),
        (
            ("road", "sky", "car"),
            "class 1 is 'car' in the model and 'sky' in the data.*: road, car, sky",
        ),
        (("background", "Car", "class 2"), None),
        (None, None),
    ],
)
def test_classes_of_model_and_data_are_compared_before_scoring(names, sentence):
    class Pairs(list):
        class_names = names

    data = Pairs([(torch.zeros(3, 3, 4), torch.zeros(3, 4, dtype=torch.int64), "a")])
    segmenter = segmenter_of_three()
    if sentence is None:
        assert score(segmenter, data, progress=False).compute()["images"] == 1
        return
    segmenter.predict_batch = None  # the data are not predicted first
    with pytest.raises(DataError, match=sentence):
        score(segmenter, data, progress=False)


class Levels(nn.Module):
    """Class k where the image is brightest at level k of 0, 1/2 and 1."""

    def forward(self, x):
        return -((x[:, :1] - torch.tensor([0, 0.5, 1]).view(1, 3, 1, 1)) ** 2)


def segmenter_of_three():
    return Segmenter(Levels(), ["road", "car", "sky"], mean=(0, 0, 0), std=(1, 1, 1), device="cpu")


def test_four_channels_and_arrays_are_scored_and_shown():
    torch.manual_seed(0)
    network = create_model("unet", 2, in_channels=4, width=2, depth=1)
    segmenter = Segmenter(network, mean=(0.5,) * 4, std=(0.2,) * 4, device="cpu")
    pairs = [(np.full((9, 8, 4), 60 * i, np.uint8), np.eye(9, 8) == 1) for i in range(4)]
    scores = score(segmenter, pairs, progress=False)
    assert [row["name"] for row in scores.per_image] == [f"image {i}" for i in range(4)]
    assert "image 0" in show_cases(segmenter, pairs, scores).alt
    with pytest.raises(DataError, match="give mask > 0"):
        score(segmenter, [(image, mask * np.uint8(255)) for image, mask in pairs], progress=False)


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
