"""ONNX files: the same results as PyTorch at any size and batch, and refused where they are not."""

import json
import math
import sys

import numpy as np
import onnx
import pytest
import torch
from foreign_networks import Picky, Plain, Scores
from torch import nn

from segcourse.data.samples import image_tensor
from segcourse.deploy import onnx as exporter
from segcourse.deploy.onnx import export_onnx
from segcourse.deploy.parity import Reference
from segcourse.errors import DataError, DeviceError, ModelFileError
from segcourse.inference.evaluation import evaluate
from segcourse.inference.onnx_file import KEY
from segcourse.inference.segmenter import Segmenter
from segcourse.models import create_model
from segcourse.palette import Palette

pytestmark = pytest.mark.usefixtures("one_thread")

PALETTE = Palette(("sky", "tree", "car"), ((0, 0, 0), (10, 200, 10), (200, 0, 0)))
MODELS = {
    "unet": {"width": 4, "depth": 3},
    "attention_unet": {"width": 4, "depth": 2},
    "half_unet": {"width": 4},
    "fcn": {},
    "deeplabv3": {},
    "encoder_unet": {"encoder": "lite0", "channels": 8},
    "lesion_net": {},
    "lraspp": {"encoder": "mobilenet_v3_large"},
}


def segmenter(name="half_unet", classes=3, **options):
    torch.manual_seed(0)
    network = create_model(name, classes, **MODELS[name])
    for layer in network.modules():  # as after training: running statistics are not 0 and 1
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.2, 0.2)
            layer.running_var.uniform_(0.5, 1.5)
    palette = PALETTE if classes == 3 else Palette.lesion()
    return Segmenter(network, palette=palette, device="cpu", **options)


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (61, 45, 3), dtype=np.uint8)


def settings_of(path):
    entries = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    return json.loads(entries[KEY])


@pytest.mark.parametrize("name", MODELS)
def test_each_network_is_the_same_function_at_other_sizes_and_batches(name, tmp_path):
    ours = segmenter(name)
    export_onnx(ours, tmp_path / "m.onnx")
    loaded = Segmenter.load(tmp_path / "m.onnx", "cpu")
    for shape in ((1, 3, 96, 96), (3, 3, 70, 111)):
        images = torch.rand(shape)
        with torch.inference_mode():
            expected = ours._scores(images)
        torch.testing.assert_close(loaded._scores(images), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "network", [Picky(), Plain(2), Scores(lambda logits: {"out": logits, "aux": logits})]
)
def test_networks_of_other_libraries(network, tmp_path, picture):
    ours = Segmenter(network, device="cpu")
    export_onnx(ours, tmp_path / "m.onnx")
    loaded = Segmenter.load(tmp_path / "m.onnx", "cpu")  # needs no `build`
    torch.testing.assert_close(loaded.logits(picture), ours.logits(picture), atol=1e-4, rtol=1e-4)


def test_a_loaded_file_does_all_that_a_segmenter_does(tmp_path, picture):
    ours = segmenter(classes=2, size=(48, 32), threshold=0.4, upright=False, mean=(0.5, 0.4, 0.3))
    export_onnx(ours, tmp_path / "m.onnx")
    loaded = Segmenter.load(tmp_path / "m.onnx", "cpu")
    assert (loaded.palette, loaded.size, loaded.threshold, loaded.upright) == (
        Palette.lesion(),
        (48, 32),
        0.4,
        False,
    )
    for options in ({}, {"tile": 40}):
        expected = ours.logits(picture, **options)
        torch.testing.assert_close(loaded.logits(picture, **options), expected, atol=1e-4, rtol=1e-4)
    for options in ({}, {"flips": True}, {"tile": 40}):
        np.testing.assert_array_equal(loaded.predict(picture, **options), ours.predict(picture, **options))
    data = [(image_tensor(picture), torch.from_numpy(ours.predict(picture)).long(), "a")]
    assert evaluate(loaded, data, progress=False).compute()["dice_per_image"] == 1
    with pytest.raises(DataError, match="can't be turned into a model file"):
        loaded.save(tmp_path / "back.safetensors")


def test_one_file_with_its_settings_and_where_it_comes_from(tmp_path):
    ours = segmenter(size=64)
    ours.save(tmp_path / "model.safetensors")
    export_onnx(ours, tmp_path / "out" / "m.onnx", source=tmp_path / "model.safetensors")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["m.onnx"]
    kept = settings_of(tmp_path / "out" / "m.onnx")
    assert kept["class_names"] == ["sky", "tree", "car"]
    assert kept["mean"] == list(ours.mean)
    assert kept["size"] == [64, 64]
    assert kept["provenance"]["file"] == "model.safetensors"
    assert len(kept["provenance"]["sha256"]) == 64
    assert kept["model"]["name"] == "half_unet"
    model = onnx.load(tmp_path / "out" / "m.onnx")
    [given], [returned] = model.graph.input, model.graph.output
    names = [dimension.dim_param or dimension.dim_value for dimension in given.type.tensor_type.shape.dim]
    assert (given.name, names) == ("images", ["batch", 3, "height", "width"])
    assert returned.name == "logits"


@pytest.mark.parametrize(("classes", "threshold"), [(2, 0.5), (2, 0.3), (3, 0.5)])
def test_class_ids_can_come_from_the_file(classes, threshold, tmp_path, picture):
    ours = segmenter(classes=classes, threshold=threshold)
    export_onnx(ours, tmp_path / "m.onnx", labels=True)
    loaded = Segmenter.load(tmp_path / "m.onnx", "cpu")
    expected = ours.predict(picture)
    assert (loaded.predict(picture) == expected).mean() > 0.999
    probabilities = loaded.probabilities(picture)
    assert set(probabilities.unique().tolist()) == {0, 1}
    [returned] = onnx.load(tmp_path / "m.onnx").graph.output
    assert returned.name == "labels"
    assert returned.type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_the_normalisation_can_stay_outside(tmp_path, picture):
    ours = segmenter(mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.1))
    export_onnx(ours, tmp_path / "m.onnx", normalise=False)
    loaded = Segmenter.load(tmp_path / "m.onnx", "cpu")
    assert loaded.mean == (0.5, 0.4, 0.3)
    torch.testing.assert_close(loaded.logits(picture), ours.logits(picture), atol=1e-4, rtol=1e-4)
    images = torch.zeros(1, 3, 32, 32)  # what the network sees for an image of the mean
    found = loaded.model(images)
    with torch.inference_mode():
        torch.testing.assert_close(found, ours.model(images), atol=1e-4, rtol=1e-4)


def test_half_precision_halves_the_file(tmp_path, picture):
    ours = segmenter("unet")
    export_onnx(ours, tmp_path / "fp32.onnx")
    export_onnx(ours, tmp_path / "fp16.onnx", precision="fp16")
    full, half = ((tmp_path / f"{name}.onnx").stat().st_size for name in ("fp32", "fp16"))
    assert half < 0.65 * full
    loaded, expected = Segmenter.load(tmp_path / "fp16.onnx", "cpu"), ours.logits(picture)
    assert 0 < (loaded.logits(picture) - expected).abs().max() < 0.02 * expected.abs().max()
    assert next(ours.model.parameters()).dtype == torch.float32  # the model itself is unchanged


class Drifting(nn.Module):
    """Computes something else while it is exported."""

    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 2, 1)

    def forward(self, x):
        return self.head(x) + (0 if torch.onnx.is_in_onnx_export() else 1)


def test_a_file_that_computes_something_else_is_not_written(tmp_path):
    with pytest.raises(ModelFileError, match="not written: its results would differ from PyTorch's by"):
        export_onnx(Segmenter(Drifting(), device="cpu"), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_nan_is_a_difference(tmp_path):
    reference = Reference(segmenter())
    assert math.isnan(
        reference.difference(lambda images: np.full((len(images), 3, *images.shape[2:]), np.nan))
    )
    with pytest.raises(ModelFileError, match="differ from PyTorch's by nan"):
        reference.refuse_above(1e-4, math.nan, tmp_path / "m.onnx")
    assert reference.difference(lambda images: images[:, :2]) == math.inf  # another shape


class Bessel(nn.Module):
    """Calls a function that ONNX doesn't have."""

    def forward(self, x):
        return torch.special.bessel_j0(x)[:, :2]


def test_a_network_that_cannot_be_exported_is_explained(tmp_path):
    with pytest.raises(ModelFileError, match="can't export this network to ONNX"):
        export_onnx(Segmenter(Bessel(), device="cpu"), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_exports_are_explained(tmp_path):
    path = tmp_path / "m.onnx"
    with pytest.raises(ModelFileError, match="there is no model file"):
        Segmenter.load(path)
    for content in (b"", b"text"):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="damaged or not an ONNX file"):
            Segmenter.load(path)
    export_onnx(segmenter(), path)
    model = onnx.load(path)
    for text, sentence in (
        (json.dumps(settings_of(path) | {"format": 99}), "newer version of segcourse"),
        ("{", "can't build"),
        ("{}", "can't build"),
        (None, "no classes, normalisation and size"),
    ):
        del model.metadata_props[:]
        if text is not None:
            onnx.helper.set_model_props(model, {KEY: text})
        onnx.save(model, path)
        with pytest.raises(ModelFileError, match=sentence):
            Segmenter.load(path)


def test_what_an_export_cannot_do_is_explained(tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    export_onnx(segmenter(), path)
    with pytest.raises(DeviceError, match="precision of its export"):
        Segmenter.load(path, precision="bf16")
    monkeypatch.setattr("segcourse.inference.onnx_file.find_device", lambda name: torch.device(name))
    with pytest.raises(DeviceError, match="ONNX Runtime on this machine can't use the device 'mps'"):
        Segmenter.load(path, "mps")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelFileError, match=r'pip install "segcourse\[deploy\]"'):
        Segmenter.load(path)
    with pytest.raises(ModelFileError, match=r'pip install "segcourse\[deploy\]"'):
        export_onnx(segmenter(), path)


def test_an_older_file_stays_if_the_check_fails(tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"older")
    monkeypatch.setattr(exporter, "TOLERANCE", {"fp32": -1.0})
    with pytest.raises(ModelFileError, match="not written"):
        export_onnx(segmenter(), path)
    assert path.read_bytes() == b"older"


def test_a_network_that_was_loaded_by_name_has_no_file_to_hash():
    found = exporter.provenance("deeplabv3_resnet50")
    assert found["file"] == "deeplabv3_resnet50"
    assert "sha256" not in found
