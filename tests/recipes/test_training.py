"""A whole training run: class weights and small data sets."""

import pytest
from torch import nn

from segcourse.errors import DataError, ModelFileError
from segcourse.models import encoders, foreign
from segcourse.recipes import Recipe, training
from segcourse.recipes.training import _network, _repeated, class_weights


def test_class_weights():
    names = ["skin", "lesion"]
    assert class_weights(None, names, []) is None
    assert class_weights((1, 2), names, []) == [1.0, 2.0]
    for wrong, sentence in (
        ((1, 2, 3), "3 class weights for 2 classes"),
        ("equal", "give balanced"),
        ((1, -2), "give balanced"),
    ):
        with pytest.raises(DataError, match=sentence):
            class_weights(wrong, names, [])


def test_a_small_set_is_repeated_and_a_large_one_is_not():
    assert len(_repeated(list(range(10)), 8)) == 200
    large = list(range(1000))
    assert _repeated(large, 8) is large


def test_without_its_weights_another_librarys_network_trains_from_scratch(monkeypatch):
    def build(num_classes, weights="DEFAULT"):
        if weights:
            raise OSError("no network")
        return nn.Conv2d(3, num_classes, 1)

    monkeypatch.setattr(foreign, "find_constructor", lambda _: build)
    monkeypatch.setattr(training, "find_constructor", lambda _: build)
    _, plan, said = _network(Recipe(model="some.Net", model_options={}), 3)
    assert (plan.model, plan.model_options) == ("some.Net", {"weights": None})
    assert "some.Net starts with could not be downloaded (no network)" in said["weights"]


def test_without_pretrained_weights_the_default_network_trains_from_scratch(monkeypatch):
    def none(*_):
        raise ModelFileError("the weights are not here.")

    monkeypatch.setitem(encoders._ENCODERS, "resnet18", (none, encoders.IMAGENET))
    plan = Recipe(model="encoder_unet", model_options={"encoder": "resnet18", "pretrained": True})
    model, plan, said = _network(plan, 3)
    assert model.config == {"name": "half_unet", "in_channels": 3, "num_classes": 3, "width": 32, "depth": 4}
    assert plan.model == "half_unet"
    assert said == {"weights": "none, because the weights are not here."}
    with pytest.raises(ModelFileError):  # without pretrained=True the encoder was asked for by its name
        _network(Recipe(model="encoder_unet", model_options={"encoder": "resnet18"}), 3)
