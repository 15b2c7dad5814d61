"""The network that a training run starts with."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from segcourse import Segmenter, create_model
from segcourse.errors import DataError, ModelFileError
from segcourse.inference.shipped import DEFAULT
from segcourse.models import encoders, foreign
from segcourse.recipes import Recipe, changed
from segcourse.recipes.network import network


def test_without_its_weights_another_librarys_network_trains_from_scratch(monkeypatch):
    def build(num_classes, weights="DEFAULT"):
        if weights:
            raise OSError("no network")
        return nn.Conv2d(3, num_classes, 1)

    monkeypatch.setattr(foreign, "find_constructor", lambda _: build)
    monkeypatch.setattr("segcourse.recipes.network.find_constructor", lambda _: build)
    _, plan, _, said = network(Recipe(model="some.Net", model_options={}), 3)
    assert (plan.model, plan.model_options) == ("some.Net", {"weights": None})
    assert "some.Net starts with could not be downloaded (no network)" in said["weights"]


def test_without_pretrained_weights_the_default_network_trains_from_scratch(monkeypatch):
    def none(*_):
        raise ModelFileError("the weights are not here.")

    monkeypatch.setitem(encoders._ENCODERS, "resnet18", (none, encoders.IMAGENET))
    plan = Recipe(model="encoder_unet", model_options={"encoder": "resnet18", "pretrained": True})
    model, plan, _, said = network(plan, 3)
    assert model.config == {"name": "half_unet", "in_channels": 3, "num_classes": 3, "width": 32, "depth": 4}
    assert plan.model == "half_unet"
    assert said == {"weights": "none, because the weights are not here."}
    with pytest.raises(ModelFileError):  # without pretrained=True the encoder was asked for by its name
        network(Recipe(model="encoder_unet", model_options={"encoder": "resnet18"}), 3)


@pytest.fixture
def start(tmp_path):
    """A model file of three classes with an unusual normalisation."""
    model = create_model("unet", num_classes=3, width=4, depth=2)
    segmenter = Segmenter(model, ["a", "b", "c"], device="cpu", mean=(0.1, 0.2, 0.3), std=(0.5, 0.5, 0.5))
    segmenter.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_a_run_starts_with_the_network_and_the_normalisation_of_a_file(start):
    model, plan, (mean, std), said = network(Recipe(start=str(start)), 3)
    wanted = Segmenter.load(start).model.state_dict()
    assert all(torch.equal(one, wanted[name]) for name, one in model.state_dict().items())
    assert (plan.model, plan.model_options["width"], plan.start) == ("unet", 4, str(start))
    assert (tuple(mean), tuple(std)) == ((0.1, 0.2, 0.3), (0.5, 0.5, 0.5))
    assert said == {"weights": f"those of {start}"}
    again, _, _, _ = network(plan, 3)  # what settings.json keeps builds the same network
    assert again.config == model.config


def test_a_resumed_run_has_the_input_channels_of_its_start(tmp_path):
    path, four = tmp_path / "model.safetensors", (0.5,) * 4
    model = create_model("unet", num_classes=2, in_channels=4, width=4, depth=1)
    Segmenter(model, device="cpu", mean=four, std=four).save(path)
    started, plan, _, _ = network(Recipe(start=str(path)), 2)
    again, _, _, _ = network(replace(plan, start=None), 2)
    assert again.config == started.config


def test_for_another_number_of_classes_only_the_last_layer_is_new(start):
    model, _, _, said = network(Recipe(start=str(start)), 5)
    known = Segmenter.load(start).model.state_dict()
    fresh = [name for name, one in model.state_dict().items() if not torch.equal(one, known[name])]
    assert model(torch.zeros(1, 3, 16, 16)).shape == (1, 5, 16, 16)
    assert fresh == ["head.weight", "head.bias"]
    assert said["weights"].endswith("the last layer, which is new for 5 classes")


def test_a_run_starts_with_the_network_that_comes_with_the_package():
    model, plan, _, said = network(Recipe(start=DEFAULT), 2)
    assert (plan.model, plan.model_options["encoder"], said["weights"]) == (
        "encoder_unet",
        "lite0",
        "those of lesions",
    )
    assert model.training


def test_another_librarys_network_keeps_its_number_of_classes(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "models")
    path, name = tmp_path / "model.safetensors", "foreign_networks.Plain"
    Segmenter(foreign.create(name, 2), device="cpu").save(path)
    with pytest.raises(ModelFileError, match=f"pass it yourself: model='{name}'"):
        network(Recipe(start=str(path)), 2)
    plan = changed(Recipe(), start=str(path), model=name)
    model, used, _, _ = network(plan, 2)
    wanted = Segmenter.load(path, build=name).model.state_dict()
    assert all(torch.equal(one, wanted[key]) for key, one in model.state_dict().items())
    assert used == plan
    with pytest.raises(DataError, match="knows 2 classes and the data have 3"):
        network(plan, 3)


def test_what_contradicts_a_start_is_refused(start):
    for wrong in ({"model": "unet"}, {"model_options": {"width": 8}}):
        with pytest.raises(DataError, match=r"brings its own network.*leave start out"):
            changed(Recipe(), start=str(start), **wrong)
    with pytest.raises(DataError, match=r"a network of the course, not a\.Net; leave the model or start out"):
        network(changed(Recipe(), start=str(start), model="a.Net"), 3)
    assert changed(Recipe(start=str(start)), model="fcn").start is None
    with pytest.raises(ModelFileError, match="is an export, which can't be trained"):
        network(Recipe(start="mine.onnx"), 3)
    with pytest.raises(ModelFileError, match="there is no model file nothing"):
        network(Recipe(start="nothing"), 3)
