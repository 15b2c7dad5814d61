"""Read TensorRT engines that `segcourse export` wrote, and run them in place of a network."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from segcourse.devices import find_device
from segcourse.errors import DataError, DeviceError, ModelFileError
from segcourse.inference.model_file import read_settings
from segcourse.inference.onnx_file import exported_settings
from segcourse.palette import Palette

_LENGTH = 8  # bytes of the number at the start of the file: the length of the settings, as in safetensors


class EngineNetwork(nn.Module):
    """A TensorRT engine as a network: images N×C_in×H×W on the GPU to logits N×C×H×W.

    Args:
        engine: TensorRT's `ICudaEngine` with one input, one output and one optimization profile.
        device: the GPU.
    """

    def __init__(self, engine: Any, device: torch.device):
        super().__init__()
        self.engine, self.context = engine, engine.create_execution_context()
        self.input, self.output = (engine.get_tensor_name(i) for i in range(2))
        self.stream = torch.cuda.Stream(device)  # on the default stream TensorRT would wait after each call

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images = images.contiguous()
        smallest, _, largest = self.engine.get_tensor_profile_shape(self.input, 0)
        shape = tuple(images.shape)
        if not all(low <= side <= high for low, side, high in zip(smallest, shape, largest, strict=True)):
            raise DataError(
                f"the images are {_times(shape)}, and this engine takes {_times(smallest)} to "
                f"{_times(largest)} (number × channels × height × width). Predict in tiles, or export the "
                "engine again with a larger --largest."
            )
        self.context.set_input_shape(self.input, shape)
        logits = torch.empty(
            tuple(self.context.get_tensor_shape(self.output)), dtype=torch.float32, device=images.device
        )
        self.context.set_tensor_address(self.input, images.data_ptr())
        self.context.set_tensor_address(self.output, logits.data_ptr())
        current = torch.cuda.current_stream(images.device)
        self.stream.wait_stream(current)
        done = self.context.execute_async_v3(self.stream.cuda_stream)
        current.wait_stream(self.stream)
        if not done:
            raise RuntimeError(f"TensorRT could not run the engine on images {_times(shape)}.")
        return logits


def read_engine(
    path: str | Path, device: str | torch.device | None = None
) -> tuple[EngineNetwork, Palette, dict[str, Any], torch.device]:
    """Read the network, the palette, the other arguments of `Segmenter` and the device.

    An engine is machine code for one kind of GPU and one version of TensorRT. Only open engines of people
    whose programs you would run.

    Args:
        path: the file.
        device: an NVIDIA GPU. Default: the first.

    Raises:
        ModelFileError: the file is missing, damaged, or made for another GPU or version of TensorRT; or
            TensorRT is missing.
        DeviceError: this machine has no such GPU.
    """
    if not Path(path).is_file():
        raise ModelFileError(
            f"there is no model file {path}; check the path, or write one with `segcourse export`."
        )
    settings, serialized = split(Path(path).read_bytes(), path)
    trt = import_tensorrt()
    device = find_device("cuda" if device is None else device)
    if device.type != "cuda":
        raise DeviceError(f"{path} runs on an NVIDIA GPU, not on {str(device)!r}; leave the device out.")
    with torch.cuda.device(device):
        engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(serialized)
        if engine is None:
            raise ModelFileError(
                f"{path} was made for another kind of GPU or another version of TensorRT than this "
                f"{trt.__version__}, or is damaged; export it again on this machine."
            )
        return EngineNetwork(engine, device), *exported_settings(settings, path), device


def join(settings: dict[str, Any], serialized: bytes) -> bytes:
    """Return the content of an engine file: the length of the settings, the settings as JSON, the engine.

    >>> join({}, b"engine")
    b'\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00{}engine'
    """
    text = json.dumps(settings).encode()
    return len(text).to_bytes(_LENGTH, "little") + text + serialized


def split(content: bytes, path: str | Path) -> tuple[dict[str, Any], bytes]:
    """Return the settings and the engine in a file's content; the inverse of `join`.

    Raises:
        ModelFileError: this is no engine file.
    """
    end = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    try:
        text = content[_LENGTH:end].decode()
    except UnicodeDecodeError:
        text = ""
    if end >= len(content) or not text.startswith("{"):
        raise ModelFileError(f"{path} is damaged or not an engine that `segcourse export` wrote.")
    return read_settings(text, path), content[end:]


def import_tensorrt() -> Any:
    """Return the module tensorrt; it is imported only here, because it is large and needs an NVIDIA GPU.

    Raises:
        ModelFileError: it is missing.
    """
    try:
        import tensorrt
    except ImportError as error:
        raise ModelFileError(
            "an engine needs TensorRT 10 or newer, which is missing: pip install tensorrt, on a machine with "
            "an NVIDIA GPU."
        ) from error
    return tensorrt


def _times(shape: Any) -> str:
    return " × ".join(map(str, shape))
