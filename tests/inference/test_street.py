"""Street networks: torchvision's where its weights are, else a file, else what the caller has."""

import re
import urllib.error

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision.models
from PIL import Image

from segcourse import Segmenter, cli, create_model
from segcourse.course import lessons
from segcourse.errors import DataError, ModelFileError
from segcourse.inference import street
from segcourse.inference.shipped import TORCHVISION

NAME = "deeplabv3_mobilenet_v3_large"


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """An empty machine without a network."""

    def no_route(*_, **__):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_route)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(street, "candidates", lambda name: [tmp_path / name])
    return tmp_path


@pytest.fixture
def downloaded(home):
    """Weights in the place where torchvision keeps its downloads, and their network."""
    torch.manual_seed(0)
    network = torchvision.models.get_model(NAME, weights=None, weights_backbone=None, aux_loss=True).eval()
    url = torchvision.models.get_model_weights(NAME).DEFAULT.url
    folder = home / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(network.state_dict(), folder / url.rpartition("/")[2])
    return network


def test_torchvisions_network_gets_its_own_weights_and_normalisation(downloaded):
    segmenter, says = street.load_street_model(NAME)
    assert NAME in says
    assert segmenter.class_names[7] == "car"
    image = torch.rand(3, 65, 80)
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        wanted = downloaded(((image - mean) / std)[None])["out"][0]
    torch.testing.assert_close(segmenter.logits(image), wanted, rtol=1e-4, atol=1e-4)


def test_a_photograph_is_shrunk_to_the_size_of_the_training(downloaded):
    segmenter = Segmenter.load(NAME, device="cpu")  # as every command does
    assert segmenter.class_names[0] == "background"
    assert segmenter.shorter == 520
    segmenter.shorter = 65  # so that the test is quick
    image = torch.rand(3, 130, 160)
    small = F.interpolate(image[None], (65, 80), mode="bilinear", antialias=True)[0]
    found = segmenter.logits(image)
    assert found.shape == (21, 130, 160)
    wanted = F.interpolate(segmenter.logits(small)[None], (130, 160), mode="bilinear")[0]
    torch.testing.assert_close(found, wanted)
    [mask] = segmenter.predict_batch([image])
    np.testing.assert_array_equal(mask, wanted.argmax(0))


@pytest.mark.parametrize("name", ["deeplabv3_resnet50", "lraspp_mobilenet_v3_large", "fcn_resnet50"])
def test_networks_of_torchvision_are_loaded_by_name(name, monkeypatch):
    """Their weights can't be downloaded here: the networks have random weights."""
    build = torchvision.models.get_model
    monkeypatch.setattr(
        torchvision.models,
        "get_model",
        lambda name, weights: build(name, weights=None, weights_backbone=None),
    )
    assert name in TORCHVISION
    segmenter = Segmenter.load(name, device="cpu")
    assert segmenter.class_names[7] == "car"
    assert segmenter.predict(np.zeros((33, 40, 3), np.uint8)).shape == (33, 40)


def test_predict_takes_a_name_and_says_when_its_weights_cannot_be_downloaded(tmp_path, capsys):
    Image.new("RGB", (40, 33)).save(tmp_path / "a.png")
    arguments = [
        "predict",
        tmp_path / "a.png",
        "--model",
        "lraspp_mobilenet_v3_large",
        "--out",
        tmp_path / "out",
    ]
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    assert ended.value.code == 2
    assert "weights of 'lraspp_mobilenet_v3_large' could not be downloaded" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_predict_keeps_the_buses_of_a_photograph_without_cars(downloaded, tmp_path, capsys, monkeypatch):
    head = downloaded.classifier[-1]
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    head.bias.data[6] = 1.0  # a stand-in for weights that see a bus everywhere
    torch.save(downloaded.state_dict(), next((tmp_path / "torch").rglob("*.pth")))
    Image.new("RGB", (40, 33)).save(tmp_path / "a.png")
    arguments = ["predict", tmp_path / "a.png", "--model", NAME, "--keep", "car", "--out", tmp_path / "out"]
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    assert ended.value.code == 0
    assert "a.png: no car; shows bus instead." in capsys.readouterr().err
    assert np.array(Image.open(tmp_path / "out" / "a_mask.png")).min() == 255


def test_the_five_lines_of_the_lesson_run_and_are_what_the_segmenter_does(downloaded):
    [lines] = [
        code
        for cell in lessons.notebook("04_dilated_aspp").cells
        for code in re.findall(r"(?s)```python\n(.*?)```", cell.source)
        if "get_model_weights" in code
    ]
    assert len(lines.strip().splitlines()) <= 6
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (520, 600, 3), dtype=np.uint8))
    names = {"photo": photo, "torch": torch, "torchvision": torchvision}
    exec(lines, names)
    found = street.torchvision_segmenter(NAME).predict(photo)
    assert names["mask"].shape == found.shape
    assert (names["mask"].numpy() == found).mean() > 0.999


def test_a_file_beside_the_data_comes_second_and_the_callers_own_last(home):
    own = Segmenter(create_model("half_unet", 3, width=2), ["road", "sky", "car"])
    assert street.load_street_model(NAME, own)[0] is own
    assert "doesn't know real streets" in street.load_street_model(NAME, own)[1]
    (home / "models").mkdir()
    own.save(home / "models" / street.OWN)
    segmenter, says = street.load_street_model(NAME)
    assert segmenter.class_names == ("road", "sky", "car")
    assert "can't be downloaded here" in says


def test_what_is_missing_is_explained():
    with pytest.raises(DataError, match="no network 'deeplabv4'; use one of"):
        street.load_street_model("deeplabv4")
    with pytest.raises(ModelFileError, match=r"no route.*--data camvid.*street.safetensors"):
        street.load_street_model(NAME)


def test_a_photograph_is_found_and_made_smaller(home):
    assert street.street_photograph() is None
    (home / "photos").mkdir()
    Image.new("RGB", (900, 720), (255, 0, 0)).save(home / "photos" / "street.png")
    photo = street.street_photograph()
    assert (photo.shape, photo.dtype) == ((360, 450, 3), np.uint8)
    assert photo[0, 0].tolist() == [255, 0, 0]
    assert street.street_photograph(home / "photos" / "street.png", side=1000).shape == (720, 900, 3)
    with pytest.raises(DataError):
        street.street_photograph(home / "nothing.jpg")


def test_shares_leave_out_what_does_not_occur():
    mask = torch.tensor([[0, 0, 1], [255, 0, 0]])
    assert street.shares(mask.numpy(), ("road", "car", "sky")) == {"road": 4 / 6, "car": 1 / 6}
