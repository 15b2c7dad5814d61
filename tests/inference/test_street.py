"""Street networks: torchvision's where its weights are, else a file, else what the caller has."""

import re
import urllib.error

import numpy as np
import pytest
import torch
import torchvision.models
from PIL import Image

from segcourse import Segmenter, create_model
from segcourse.course import lessons
from segcourse.errors import DataError, ModelFileError
from segcourse.inference import street

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
