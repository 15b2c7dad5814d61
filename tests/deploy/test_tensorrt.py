"""TensorRT: what can be tested without an NVIDIA GPU, with a stand-in for the module tensorrt."""

import ctypes
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from segcourse.deploy.onnx import export_onnx
from segcourse.deploy.tensorrt import build_engine
from segcourse.errors import DataError, DeviceError, ModelFileError
from segcourse.inference.engine_file import EngineNetwork, join, split
from segcourse.inference.segmenter import Segmenter
from segcourse.models import create_model

pytestmark = pytest.mark.usefixtures("one_thread")


class Builder:
    """Answers the calls of `build_engine` as TensorRT 10 does, and writes them down."""

    def __init__(self, calls, serialized):
        self.calls, self.serialized = calls, serialized

    def create_network(self, flags):
        self.calls["flags"] = flags
        return SimpleNamespace(get_input=lambda index: SimpleNamespace(name="images"))

    def create_builder_config(self):
        return SimpleNamespace(add_optimization_profile=lambda profile: None)

    def create_optimization_profile(self):
        return SimpleNamespace(set_shape=lambda *shapes: self.calls.update(shapes=shapes))

    def build_serialized_network(self, network, config):
        return self.serialized


@pytest.fixture
def stand_in(monkeypatch):
    """Install a module tensorrt that builds `serialized` from any ONNX file, or can't read it."""

    def install(serialized=b"machine code", readable=True):
        calls = {}
        parser = SimpleNamespace(
            parse=lambda content: calls.update(content=content) or readable,
            num_errors=1,
            get_error=lambda index: "unsupported operator",
        )
        module = SimpleNamespace(
            __version__="10.9.0",
            Logger=SimpleNamespace(ERROR=1),
            NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=1),
            Builder=lambda logger: Builder(calls, serialized),
            OnnxParser=lambda network, logger: parser,
        )
        module.Logger = type("Logger", (), {"ERROR": 1, "__init__": lambda self, level: None})
        monkeypatch.setitem(sys.modules, "tensorrt", module)
        return calls

    return install


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "m.onnx"
    export_onnx(Segmenter(create_model("half_unet", 2, width=4), size=(96, 128), device="cpu"), path)
    return path


def test_an_engine_is_strongly_typed_for_all_sizes_up_to_the_largest(stand_in, source, tmp_path):
    calls = stand_in()
    build_engine(source, tmp_path / "m.engine", largest=(4, 256, 512))
    assert calls["flags"] == 1 << 1
    assert calls["content"] == source.read_bytes()
    assert calls["shapes"] == ("images", (1, 3, 32, 32), (1, 3, 96, 128), (4, 3, 256, 512))
    settings, serialized = split((tmp_path / "m.engine").read_bytes(), "m.engine")
    assert serialized == b"machine code"
    assert settings["size"] == [96, 128]
    assert settings["provenance"]["tensorrt"] == "10.9.0"


def test_what_tensorrt_refuses_is_explained_and_nothing_written(stand_in, source, tmp_path):
    path = tmp_path / "m.engine"
    stand_in(readable=False)
    with pytest.raises(ModelFileError, match=r"can't read .*unsupported operator"):
        build_engine(source, path)
    stand_in(serialized=None)
    with pytest.raises(ModelFileError, match="can't build an engine"):
        build_engine(source, path)
    with pytest.raises(DataError, match="the largest size is 64×64, and the model works at 96×128"):
        build_engine(source, path, largest=(1, 64, 64))
    assert not path.exists()


def test_an_engine_needs_logits(stand_in, tmp_path):
    stand_in()
    export_onnx(
        Segmenter(create_model("half_unet", 2, width=4), device="cpu"), tmp_path / "m.onnx", labels=True
    )
    with pytest.raises(DataError, match="returns class ids"):
        build_engine(tmp_path / "m.onnx", tmp_path / "m.engine")


def test_without_tensorrt_the_error_says_what_to_install(monkeypatch, source, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(ModelFileError, match="pip install tensorrt"):
        build_engine(source, tmp_path / "m.engine")
    (tmp_path / "m.engine").write_bytes(join({"format": 1}, b"code"))
    with pytest.raises(ModelFileError, match="pip install tensorrt"):
        Segmenter.load(tmp_path / "m.engine")


class Context:
    """Answers the calls of `EngineNetwork` in ordinary memory: two channels of the images as logits."""

    def __init__(self):
        self.addresses = {}

    def set_input_shape(self, name, shape):
        self.shape = shape

    def get_tensor_shape(self, name):
        batch, _, height, width = self.shape
        return (batch, 2, height, width)

    def set_tensor_address(self, name, address):
        self.addresses[name] = address

    def execute_async_v3(self, stream):
        batch, _, height, width = self.shape
        size = 4 * height * width
        for i in range(batch):
            ctypes.memmove(
                self.addresses["logits"] + 2 * i * size, self.addresses["images"] + 3 * i * size, 2 * size
            )
        return stream == 7


def test_an_engine_runs_in_place_of_a_network_and_refuses_other_sizes(monkeypatch):
    stream = SimpleNamespace(wait_stream=lambda other: None, cuda_stream=7)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    engine = SimpleNamespace(
        create_execution_context=Context,
        get_tensor_name=("images", "logits").__getitem__,
        get_tensor_profile_shape=lambda name, index: [(1, 3, 4, 4), (1, 3, 8, 8), (2, 3, 16, 16)],
    )
    network = EngineNetwork(engine, torch.device("cpu"))
    images = torch.rand(2, 3, 5, 7)
    for given in (images, images.to(memory_format=torch.channels_last)):
        assert torch.equal(network(given), images[:, :2])
    segmenter = Segmenter(network, mean=(0,) * 3, std=(1,) * 3, device="cpu")
    assert segmenter.predict(np.zeros((5, 7, 3), np.uint8)).shape == (5, 7)
    with pytest.raises(
        DataError, match="the images are 1 × 3 × 17 × 7, and this engine takes 1 × 3 × 4 × 4 to"
    ):
        segmenter.predict(np.zeros((17, 7, 3), np.uint8))


def test_files_that_are_no_engines_are_explained(stand_in, tmp_path):
    stand_in()
    path = tmp_path / "m.engine"
    with pytest.raises(ModelFileError, match="there is no model file"):
        Segmenter.load(path)
    for content in (b"", b"text", b"\xff" * 100, join({}, b"")):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="damaged or not an engine"):
            Segmenter.load(path)
    path.write_bytes(join({"format": 99}, b"code"))
    with pytest.raises(ModelFileError, match="newer version"):
        Segmenter.load(path)
    path.write_bytes(join({"format": 1}, b"code"))
    with pytest.raises(DeviceError, match="runs on an NVIDIA GPU, not on 'cpu'"):
        Segmenter.load(path, "cpu")
