"""8-bit files: nearly the same masks from a smaller file, and nothing where the masks are worse."""

import json

import onnx
import pytest
import torch
from torch import nn

from segcourse.data import load_dataset
from segcourse.deploy.onnx import export_onnx
from segcourse.deploy.quantize import quantize_onnx
from segcourse.errors import DataError, ModelFileError
from segcourse.inference.onnx_file import KEY
from segcourse.inference.segmenter import Segmenter
from segcourse.models import create_model
from segcourse.options import spelled
from segcourse.palette import Palette

pytestmark = pytest.mark.usefixtures("one_thread")


def dark_is_lesion():
    """Return a network that needs no training: blurred darkness as the logit of the lesion."""
    blur = nn.Conv2d(3, 8, 5, padding=2)
    head = nn.Conv2d(8, 2, 1)
    with torch.no_grad():
        blur.weight.fill_(-1 / 75)
        blur.bias.fill_(1)
        head.weight.copy_(torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1).expand(2, 8, 1, 1))
        head.bias.copy_(torch.tensor([2.4, -2.4]))
    network = nn.Sequential(blur, nn.BatchNorm2d(8), nn.ReLU(), head)
    return Segmenter(
        network, palette=Palette.lesion(), mean=(0.0,) * 3, std=(1.0,) * 3, size=96, device="cpu"
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "m.onnx"
    export_onnx(dark_is_lesion(), path)
    return path


@pytest.fixture(scope="module")
def lesions():
    return {split: load_dataset("lesions", split, count=8, size=96) for split in ("train", "val")}


def test_eight_bits_keep_the_masks(source, lesions, tmp_path):
    path = tmp_path / "int8.onnx"
    images = [sample.image for sample in lesions["train"]]
    before, after = quantize_onnx(source, path, images, lesions["val"], max_loss=0.02)
    assert before > 0.5  # the network finds something, so that there is something to lose
    assert after > before - 0.02
    loaded, exact = Segmenter.load(path, "cpu"), Segmenter.load(source, "cpu")
    image = lesions["val"][0].image
    assert (loaded.predict(image) == exact.predict(image)).mean() > 0.97
    model = onnx.load(path)
    kinds = {node.op_type for node in model.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    settings = json.loads({entry.key: entry.value for entry in model.metadata_props}[KEY])
    assert settings["precision"] == "int8"
    assert settings["provenance"]["calibration images"] == "8"
    assert (loaded.size, loaded.class_names) == ((96, 96), ("skin", "lesion"))


def test_for_tensorrt_the_ranges_are_symmetric(source, lesions, tmp_path):
    images = [sample.image for sample in lesions["train"]][:2]
    quantize_onnx(source, tmp_path / "m.onnx", images, lesions["val"], max_loss=1, symmetric=True)
    model = onnx.load(tmp_path / "m.onnx")
    values = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    zeros = [values[node.input[2]] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert zeros
    assert all(zero.dtype == "int8" and not zero.any() for zero in zeros)


def test_only_the_layers_up_to_the_last_convolution_have_8_bits(lesions, tmp_path):
    model = create_model("encoder_unet", 2, width=4, channels=8)
    export_onnx(Segmenter(model, palette=Palette.lesion(), size=32, device="cpu"), tmp_path / "m.onnx")
    images = [sample.image for sample in lesions["train"]][:2]
    quantize_onnx(tmp_path / "m.onnx", tmp_path / "int8.onnx", images, lesions["val"], max_loss=1)
    nodes = onnx.load(tmp_path / "int8.onnx").graph.node
    made_by = {name: node.op_type for node in nodes for name in node.output}
    readers = {name: node.op_type for node in nodes for name in node.input}
    shapes = [made_by[node.input[0]] for node in nodes if node.op_type == "Shape"]
    assert set(shapes) == {"QuantizeLinear"}
    after = [readers[node.output[0]] for node in nodes if node.op_type == "Resize"]
    assert after.count("QuantizeLinear") == len(after) - 1  # not the logits


def test_a_loss_of_dice_is_refused_and_an_older_file_stays(source, lesions, tmp_path):
    path = tmp_path / "int8.onnx"
    path.write_bytes(b"older")
    # calibrated on nearly black images, everything in a real image is as bright as the brightest of them
    dark = [sample.image / 50 for sample in lesions["train"]]
    sentence = r"the Dice score on 8 images falls from 0\.\d+ to 0\.\d+"
    with pytest.raises(ModelFileError, match=sentence) as refused:
        quantize_onnx(source, path, dark, lesions["val"])
    assert "or allow more with --max-loss." in spelled(str(refused.value))
    assert path.read_bytes() == b"older"
    assert [file.name for file in tmp_path.iterdir()] == ["int8.onnx"]


def test_calibration_needs_images(source, lesions, tmp_path):
    with pytest.raises(DataError, match="no calibration images"):
        quantize_onnx(source, tmp_path / "int8.onnx", [], lesions["val"])
