"""Write a model as one ONNX file, checked against PyTorch before it is written."""

import copy
import hashlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

import segcourse
from segcourse.deploy.parity import TOLERANCE, Reference
from segcourse.errors import ModelFileError
from segcourse.files import replacing
from segcourse.inference.model_file import FORMAT
from segcourse.inference.onnx_file import KEY, import_onnxruntime, open_session
from segcourse.inference.segmenter import Segmenter, class_ids
from segcourse.models import is_own
from segcourse.models.foreign import describe
from segcourse.models.forward import logits_of
from segcourse.models.lite import SamePadConv2d

OPSET = 18  # of 2022: ONNX Runtime 1.14, TensorRT 10 and OpenVINO 2023 read it


class Graph(nn.Module):
    """What the file computes: images N×C_in×H×W to logits N×C×H×W, or to class ids uint8 N×H×W.

    Args:
        segmenter: the model.
        normalise: whether the images are in [0, 1]; otherwise they are normalised already.
        labels: return class ids, at the threshold of the model, instead of logits.
        half: compute in float16 between the normalisation and the logits.
        resize: the network's logits have another size than the images.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        normalise: bool = True,
        labels: bool = False,
        half: bool = False,
        resize: bool = False,
    ):
        super().__init__()
        self.network = copy.deepcopy(segmenter.model).cpu().to(memory_format=torch.contiguous_format).eval()
        for module in list(self.network.modules()):
            for name, child in module.named_children():
                if isinstance(child, SamePadConv2d) and child.pads:
                    setattr(module, name, _Padded(child))
        if half:
            self.network.half()
        self.normalise, self.labels, self.half_precision, self.resize = normalise, labels, half, resize
        self.mean: torch.Tensor
        self.std: torch.Tensor
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(getattr(segmenter, name)).view(-1, 1, 1))
        self.threshold = segmenter.threshold

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = (images - self.mean) / self.std if self.normalise else images
        logits = logits_of(self.network(x.half() if self.half_precision else x))[0].float()
        if self.resize:
            logits = F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)
        return class_ids(logits, self.threshold) if self.labels else logits


class _SameUpper(torch.autograd.Function):
    """The padding and convolution of a `SamePadConv2d` as ONNX has it: Conv with auto_pad.

    Its padding, computed with `-(-side // stride)`, would be wrong for odd sides: the exported division cuts
    fractions off. While PyTorch traces, only the shape of the result matters.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, stride: int, groups: int) -> torch.Tensor:
        return x.new_zeros(len(x), len(weight), *((side - 1) // stride + 1 for side in x.shape[2:]))

    @staticmethod
    def symbolic(g: Any, x: Any, weight: Any, stride: int, groups: int) -> Any:
        sizes = {"kernel_shape_i": weight.type().sizes()[2:], "strides_i": [stride, stride]}
        return g.op("Conv", x, weight, auto_pad_s="SAME_UPPER", group_i=groups, **sizes)


class _Padded(nn.Module):
    """Stands for a `SamePadConv2d` in the graph."""

    def __init__(self, convolution: SamePadConv2d):
        super().__init__()
        self.weight, self.stride = convolution.weight, convolution.stride[0]
        self.groups = convolution.groups

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return _SameUpper.apply(x, self.weight, self.stride, self.groups)


def export_onnx(
    segmenter: Segmenter,
    path: str | Path,
    *,
    normalise: bool = True,
    labels: bool = False,
    precision: str = "fp32",
    source: str | Path | None = None,
) -> float:
    """Write a model as one ONNX file with dynamic batch, height and width; `Segmenter.load` opens it again.

    The input is `images`, float32 N×C_in×H×W. The output is `logits`, float32 N×C×H×W, or `labels`, uint8
    N×H×W. The metadata hold, as JSON under "segcourse", the classes, colours, normalisation, working size,
    threshold, and where the file comes from. Images are resized to the working size by the caller.

    Before it is written, the file's results are compared with PyTorch's at two other sizes and batches than
    those that it was traced with.

    Args:
        segmenter: the model, on the CPU.
        path: the file, .onnx.
        normalise: put the normalisation into the file, which then takes images in [0, 1].
        labels: put arg-max (for two classes: the threshold) into the file.
        precision: "fp32", or "fp16" for half the size and for GPUs. A CPU computes fp16 files in float32.
        source: the model file, whose name and hash the metadata keep.

    Returns:
        The largest difference from PyTorch's logits, as a share of the largest logit; with `labels`, the
        share of the pixels with another class.

    Raises:
        ModelFileError: the network can't be exported, or the file would compute something else; or ONNX or
            ONNX Runtime is missing. Nothing is written.
        SaveError: the folder is not writable or the disk is full. An older file is unchanged.
    """
    onnxruntime = import_onnxruntime(path)
    reference = Reference(segmenter, normalise, labels)
    graph = Graph(segmenter, normalise, labels, half=precision == "fp16", resize=reference.resizes).eval()
    model = _traced(graph, reference.images(2, 96, 160), path)
    settings = {
        "format": FORMAT,
        **segmenter.settings(),
        "model": segmenter.model.config if is_own(segmenter.model) else describe(segmenter.model),
        "normalised": "inside" if normalise else "outside",
        "output": "labels" if labels else "logits",
        "precision": precision,
        "provenance": provenance(source),
    }
    content = with_settings(model, settings)
    session = open_session(onnxruntime, content, torch.device("cpu"))
    difference = reference.difference(lambda images: session.run(None, {"images": images})[0])
    reference.refuse_above(TOLERANCE[precision], difference, path)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return difference


def provenance(source: str | Path | None) -> dict[str, str]:
    """Return where an export comes from: name and SHA-256 of the model file, and the versions used."""
    found = {"segcourse": segcourse.__version__, "torch": str(torch.__version__)}
    if source is not None:
        found["file"] = Path(source).name
        if Path(source).is_file():  # else a network of torchvision, by name
            found["sha256"] = hashlib.sha256(Path(source).read_bytes()).hexdigest()
    return found


def with_settings(model: Any, settings: dict[str, Any]) -> bytes:
    """Return an ONNX model (a `ModelProto`) as bytes, with settings in its metadata."""
    import onnx

    model.producer_name, model.producer_version = "segcourse", segcourse.__version__
    onnx.helper.set_model_props(model, {KEY: json.dumps(settings)})
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _traced(graph: Graph, example: torch.Tensor, path: str | Path) -> Any:
    """Return the graph as an ONNX `ModelProto`."""
    output = "labels" if graph.labels else "logits"
    sides = ("batch", "height", "width") if graph.labels else ("batch", "", "height", "width")
    axes = {axis: name for axis, name in enumerate(sides) if name}
    content = io.BytesIO()
    try:
        import onnx

        # The older of PyTorch's two exporters: it takes half a second for EfficientNet-Lite0, and the newer
        # one twenty seconds. What tracing misses, the comparison with PyTorch finds.
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                graph,
                (example,),
                content,
                input_names=["images"],
                output_names=[output],
                dynamic_axes={"images": {0: "batch", 2: "height", 3: "width"}, output: axes},
                opset_version=OPSET,
                dynamo=False,
            )
        return onnx.load_from_string(content.getvalue())
    except ImportError as error:
        raise ModelFileError(f'{path} needs ONNX ({error}): pip install "segcourse[deploy]".') from error
    except Exception as error:  # the exporter has many kinds, which share no base class
        reason = str(error).strip().partition("\n")[0]
        raise ModelFileError(
            f"{path} was not written: PyTorch can't export this network to ONNX ({reason})."
        ) from error
