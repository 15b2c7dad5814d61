"""Quantise an ONNX file to 8 bits, with the loss of Dice measured on real images before it is written."""

import contextlib
import io
import json
import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from segcourse.data import SampleDataset
from segcourse.deploy.onnx import with_settings
from segcourse.errors import DataError, ModelFileError
from segcourse.files import replacing
from segcourse.inference.evaluation import evaluate
from segcourse.inference.onnx_file import KEY
from segcourse.inference.segmenter import Segmenter

MAX_LOSS = 0.005


def quantize_onnx(
    source: str | Path,
    path: str | Path,
    calibration: Iterable[Any],
    validation: SampleDataset,
    *,
    max_loss: float = MAX_LOSS,
    symmetric: bool = False,
    progress: bool = False,
) -> tuple[float, float]:
    """Write an ONNX file with 8-bit weights and activations, unless it scores clearly worse.

    Static quantisation: the range of each activation is measured on the calibration images, and is fixed
    afterwards. The file is in the QDQ format (pairs of QuantizeLinear and DequantizeLinear), for ONNX Runtime
    and, if `symmetric`, TensorRT. Other programs may compute something else: measure before you use them.

    Args:
        source: the ONNX file of `export_onnx` in fp32.
        path: the file to write, .onnx.
        calibration: some 20 to 200 images of the kind that the model will see, in any form that
            `Segmenter.predict` takes.
        validation: other samples (image, mask, name), to measure the loss on.
        max_loss: the most by which the mean per-image Dice may fall.
        symmetric: let the ranges be symmetric around 0, which TensorRT needs. Otherwise the 8 bits cover just
            the values that occur, none of which are below 0 after a ReLU.
        progress: show progress bars.

    Returns:
        The mean per-image Dice on `validation` before and after.

    Raises:
        DataError: there are no calibration images.
        ModelFileError: the Dice falls by more than `max_loss`, and nothing is written; or ONNX Runtime is
            missing.
        SaveError: the folder is not writable or the disk is full. An older file is unchanged.
    """
    try:
        import onnx
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise ModelFileError(f'{path} needs ONNX Runtime: pip install "segcourse[deploy]".') from error
    exact = Segmenter.load(source, "cpu")
    inputs = _inputs(exact, calibration)
    before = _dice(exact, validation, progress)
    model = onnx.load(source)
    settings = json.loads({entry.key: entry.value for entry in model.metadata_props}[KEY])
    with tempfile.TemporaryDirectory() as folder, _quiet():
        prepared, quantised = (Path(folder) / f"{name}.onnx" for name in ("prepared", "quantised"))
        # folds batch norm into the convolutions; the symbolic inference of shapes fails at resizing
        quant_pre_process(Path(source), prepared, skip_symbolic_shape=True)
        nodes = onnx.load(prepared).graph.node
        convolutions = [number for number, node in enumerate(nodes) if node.op_type.startswith("Conv")]
        last = max(convolutions, default=len(nodes))
        quantize_static(
            prepared,
            quantised,
            _Reader(inputs, model.graph.input[0].name),
            quant_format=QuantFormat.QDQ,
            per_channel=True,  # depthwise convolutions have weights of very different size per channel
            activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # weights of 7 bits: processors without VNNI clip sums of larger products of uint8 and int8
            reduce_range=not symmetric,
            calibrate_method=CalibrationMethod.MinMax,
            # what follows the last convolution resizes the logits, which gains nothing from 8 bits
            nodes_to_exclude=[node.name for node in nodes[last + 1 :]],
            extra_options={"ActivationSymmetric": symmetric},
        )
        settings |= {"precision": "int8"}
        settings["provenance"] |= {"calibration images": str(len(inputs))}
        graph = onnx.load(quantised)
        if not symmetric:
            _shapes_of_bytes(graph)
        quantised.write_bytes(with_settings(graph, settings))
        after = _dice(Segmenter.load(quantised, "cpu"), validation, progress)
        if not before - after <= max_loss:
            raise ModelFileError(
                f"{path} was not written: with 8 bits, the Dice score on {len(validation)} images falls from "
                f"{before:.4f} to {after:.4f}, by more than {max_loss:g}. Calibrate on more images, or on "
                "images that are more like these; or export in fp16 or fp32; or allow more with max_loss=."
            )
        with replacing(path) as temporary:
            temporary.write_bytes(quantised.read_bytes())
    return before, after


def _shapes_of_bytes(model: Any) -> None:
    """Let each Shape read its tensor in 8 bits: else ONNX Runtime computes floats only to ask for their size.

    TensorRT may read only floats after a QuantizeLinear, so its files stay as they are.
    """
    read = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    for node in model.graph.node:
        if node.op_type == "Shape":
            node.input[0] = read.get(node.input[0], node.input[0])


def _dice(segmenter: Segmenter, dataset: SampleDataset, progress: bool) -> float:
    return float(evaluate(segmenter, dataset, progress=progress).compute()["dice_per_image"])  # type: ignore[arg-type]


def _inputs(segmenter: Segmenter, images: Iterable[Any]) -> list[np.ndarray]:
    """Return what the network gets for each image: resized and normalised as in use."""
    inputs: list[np.ndarray] = []
    hook = segmenter.model.register_forward_pre_hook(lambda _, given: inputs.append(given[0].numpy()))
    for image in images:
        segmenter.logits(image)
    hook.remove()
    if not inputs:
        raise DataError("there are no calibration images; give 20 to 200 images that the model will see.")
    return inputs


class _Reader:
    """What ONNX Runtime calls a CalibrationDataReader: one input per call, then None."""

    def __init__(self, inputs: list[np.ndarray], name: str):
        self.remaining = iter([{name: one} for one in inputs])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.remaining, None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide the advice that ONNX Runtime logs and prints while it quantises."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
