"""Read ONNX files that `segcourse export` wrote, and run them with ONNX Runtime in place of a network."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from segcourse.devices import find_device
from segcourse.errors import DeviceError, ModelFileError
from segcourse.inference.model_file import preprocessing_of, read_settings
from segcourse.palette import Palette

KEY = "segcourse"  # of the settings in the metadata
CERTAIN = 200.0  # logit of the class that a file with arg-max inside names; the others have 0


class OnnxNetwork(nn.Module):
    """An ONNX model as a network: images N×C_in×H×W to logits N×C×H×W.

    Args:
        session: ONNX Runtime's `InferenceSession` with one input and one output: logits, or class ids N×H×W.
        num_classes: C.
    """

    def __init__(self, session: Any, num_classes: int):
        super().__init__()
        self.session, self.num_classes = session, num_classes
        self.input = session.get_inputs()[0].name

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = np.ascontiguousarray(images.cpu().numpy())  # ONNX has no channels-last memory format
        try:
            output = torch.from_numpy(self.session.run(None, {self.input: values})[0]).to(images.device)
        except Exception as error:  # ONNX Runtime's errors are no RuntimeErrors; PyTorch's are
            raise RuntimeError(str(error)) from error
        return output if output.ndim == 4 else logits_of_labels(output, self.num_classes)


def logits_of_labels(labels: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Return logits N×C×H×W that say with certainty what the class ids N×H×W say.

    >>> logits_of_labels(torch.tensor([[[1]]]), num_classes=2).flatten().tolist()
    [0.0, 200.0]
    """
    ids = torch.arange(num_classes, device=labels.device).view(-1, 1, 1)
    return (labels[:, None] == ids) * CERTAIN


def read_onnx(
    path: str | Path, device: str | torch.device | None = None
) -> tuple[OnnxNetwork, Palette, dict[str, Any], torch.device]:
    """Read the network, the palette, the other arguments of `Segmenter` and the device.

    Args:
        path: the file.
        device: where it runs. Default: a GPU if ONNX Runtime can use one, else the CPU. On the CPU it uses as
            many threads as PyTorch.

    Raises:
        ModelFileError: the file is missing, damaged, or not written by segcourse; or ONNX Runtime is missing.
        DeviceError: ONNX Runtime can't use the device.
    """
    onnxruntime = import_onnxruntime(path)
    if not Path(path).is_file():
        raise ModelFileError(
            f"there is no model file {path}; check the path, or write one with `segcourse export`."
        )
    gpu = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    device = find_device(device) if device is not None or gpu else torch.device("cpu")
    if device.type != "cpu" and not (gpu and device.type == "cuda"):
        raise DeviceError(
            f"ONNX Runtime on this machine can't use the device {str(device)!r}; leave the device out, or "
            "pip install onnxruntime-gpu in place of onnxruntime."
        )
    try:
        session = open_session(onnxruntime, str(path), device)
    except Exception as error:  # of many kinds, which share no base class
        raise ModelFileError(f"{path} is damaged or not an ONNX file ({error}).") from error
    metadata = session.get_modelmeta().custom_metadata_map
    if KEY not in metadata:
        raise ModelFileError(
            f"{path} has no classes, normalisation and size in its metadata; use a file that `segcourse "
            "export` wrote."
        )
    settings = read_settings(metadata[KEY], path)
    return OnnxNetwork(session, len(settings["class_names"])), *exported_settings(settings, path), device


def import_onnxruntime(path: str | Path) -> Any:
    """Return the module onnxruntime; it is imported only here, because most users don't need it.

    Raises:
        ModelFileError: it is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelFileError(
            f'{path} needs ONNX Runtime, which is missing: pip install "segcourse[deploy]".'
        ) from error
    return onnxruntime


def open_session(onnxruntime: Any, model: str | bytes, device: torch.device) -> Any:
    """Return an `InferenceSession` of a file or of a model's bytes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # only what is fatal: errors are raised, too, and then explained
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cuda":
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": device.index or 0}))
    return onnxruntime.InferenceSession(model, options, providers=providers)


def exported_settings(settings: dict[str, Any], path: str | Path) -> tuple[Palette, dict[str, Any]]:
    """Return the palette and the arguments of `Segmenter` for an export, which may do some of its work.

    Raises:
        ModelFileError: a setting is missing or damaged.
    """
    palette, preprocessing = preprocessing_of(settings, path)
    if settings.get("normalised") == "inside":
        channels = len(preprocessing["mean"])
        preprocessing |= {"mean": (0.0,) * channels, "std": (1.0,) * channels}
    if settings.get("output") == "labels":
        preprocessing["threshold"] = 0.5  # the file has applied its own
    return palette, preprocessing
