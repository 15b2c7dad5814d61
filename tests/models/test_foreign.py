"""Networks of other libraries, saved and loaded again without running what a file names."""

import json
import os
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch import nn

from segcourse.errors import DataError, ModelFileError
from segcourse.inference.segmenter import Segmenter
from segcourse.models import create_model
from segcourse.models.foreign import describe
from segcourse.models.weights import read_weights, save_weights

LRASPP = "torchvision.models.segmentation.lraspp_mobilenet_v3_large"
PICTURE = np.random.default_rng(0).integers(0, 256, (40, 52, 3), dtype=np.uint8)

pytestmark = pytest.mark.usefixtures("one_thread")


class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, 2, 1))

    def forward(self, x):
        return self.layers(x)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def saved(model, path, classes=2):
    segmenter = Segmenter(model, [f"class {i}" for i in range(classes)], device="cpu")
    segmenter.save(path)
    return segmenter.predict(PICTURE)


def no_download(*_, **__):
    raise AssertionError("a download")


def test_torchvisions_network_comes_back_by_its_constructor(path, monkeypatch):
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_download)
    torch.manual_seed(0)
    model = create_model(LRASPP, 3, weights_backbone=None)
    wanted = saved(model, path, 3)
    for build in (lraspp_mobilenet_v3_large, LRASPP):
        loaded = Segmenter.load(path, "cpu", build=build)  # its own default would download ImageNet weights
        np.testing.assert_array_equal(loaded.predict(PICTURE), wanted)
    loaded.save(path)
    with pytest.raises(
        ModelFileError, match=rf"network that {LRASPP} built. segcourse does not call .*build="
    ):
        Segmenter.load(path)


def test_weights_that_cannot_be_downloaded_are_explained(monkeypatch):
    def no_network(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: "no/such/folder")
    monkeypatch.setattr(os, "makedirs", lambda *_, **__: None)
    with pytest.raises(ModelFileError, match=r"no network.* random weights with .*weights_backbone=None\.$"):
        create_model(LRASPP, 2)


def test_smp_keeps_its_own_arguments(path):
    smp = pytest.importorskip("segmentation_models_pytorch", reason="smp is not installed (extra `peers`)")
    torch.manual_seed(0)
    wanted = saved(
        smp.Unet("resnet18", encoder_weights=None, classes=2, decoder_channels=(32, 16, 8, 4, 2)), path
    )
    np.testing.assert_array_equal(Segmenter.load(path, "cpu", build=smp.Unet).predict(PICTURE), wanted)
    by_name = create_model(
        "segmentation_models_pytorch.Unet", 2, 4, encoder_name="resnet18", encoder_weights=None
    )
    assert describe(by_name)["arguments"]["classes"] == 2
    assert by_name.encoder.conv1.in_channels == 4


def test_any_module_comes_back_by_a_function_that_builds_it(path):
    wanted = saved(Net(width=8), path)
    loaded = Segmenter.load(path, "cpu", build=lambda: Net(width=8))
    np.testing.assert_array_equal(loaded.predict(PICTURE), wanted)
    with pytest.raises(
        ModelFileError, match=r"test_foreign\.Net built.*a function .* as \S*test_foreign\.Net did: build="
    ):
        Segmenter.load(path)
    with pytest.raises(ModelFileError, match="the weights of a different model than this Net"):
        Segmenter.load(path, build=Net)
    with pytest.raises(ModelFileError, match="`build` returned a str"):
        Segmenter.load(path, build=str)


@pytest.mark.parametrize("build", [None, Net])
def test_a_file_can_not_choose_what_is_called(path, tmp_path, build):
    saved(Net(), path)
    evil = {"build": "os.mkdir", "arguments": {"path": str(tmp_path / "ran")}}
    for model in (evil, {"name": "os.mkdir", "path": str(tmp_path / "ran"), "num_classes": 2}):
        tensors, metadata = read_weights(path)
        settings = json.loads(metadata["segcourse"]) | {"model": model}
        save_weights(path, tensors, {"segcourse": json.dumps(settings)})
        with pytest.raises(ModelFileError):
            Segmenter.load(path, build=build)
    assert not (tmp_path / "ran").exists()
    assert os.mkdir  # the function that a file must not reach


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("torchvision.models.segmentation.deeplabv9", {}, "there is no network .*deeplabv9"),
        ("no_such_package.Unet", {}, "No module named 'no_such_package'"),
        (
            "torch.nn.Conv2d",
            {"out_channels": 2},
            "takes no argument called num_classes, classes or n_classes",
        ),
        ("segcourse.models.unet.UNet", {"wide": 2}, "does not accept these options: .*wide"),
        (LRASPP, {"weights_backbone": object()}, "not JSON serializable"),
        ("torch.pi", {}, "is a float, not a function"),
    ],
)
def test_constructors_that_do_not_fit_are_explained(name, options, sentence):
    with pytest.raises(DataError, match=sentence):
        create_model(name, 2, **options)


def test_other_configs_are_not_taken_for_the_courses_own(path):
    class Config:
        num_labels = 2

    model = Net()
    model.config = Config()  # as Hugging Face's networks have
    wanted = saved(model, path)
    np.testing.assert_array_equal(Segmenter.load(path, "cpu", build=Net).predict(PICTURE), wanted)


def test_a_network_with_other_classes_than_names_is_explained():
    with pytest.raises(DataError, match="returns 2 channels, but there are 3 class names"):
        Segmenter(Net(), ["a", "b", "c"], device="cpu").predict(PICTURE)


def test_torchvision_with_an_auxiliary_classifier_and_any_size(path):
    """torchvision's own DeepLabV3 returns {"out", "aux"}; `fit` and `Segmenter` take it as it is."""
    torch.manual_seed(0)
    options = {"weights_backbone": None, "aux_loss": True}
    model = create_model("torchvision.models.segmentation.deeplabv3_mobilenet_v3_large", 2, **options)
    segmenter = Segmenter(model, device="cpu")
    assert segmenter.predict(PICTURE).shape == (40, 52)
    with torch.no_grad():
        wanted = model(((torch.from_numpy(PICTURE).permute(2, 0, 1) / 255 - MEAN) / STD)[None])["out"][0]
    torch.testing.assert_close(segmenter.logits(PICTURE), wanted, rtol=1e-4, atol=1e-4)


MEAN = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
STD = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
