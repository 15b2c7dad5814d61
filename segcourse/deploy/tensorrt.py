"""Build a TensorRT engine from an ONNX file: machine code for the NVIDIA GPU of this machine."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segcourse.deploy.parity import TOLERANCE, Reference
from segcourse.errors import DataError, ModelFileError
from segcourse.files import replacing
from segcourse.inference.engine_file import import_tensorrt, join, read_engine
from segcourse.inference.onnx_file import KEY

LARGEST = (8, 1024, 1024)
_SMALLEST = 32  # pixels: networks that halve the size five times need as many


def build_engine(
    source: str | Path,
    path: str | Path,
    reference: Reference | None = None,
    *,
    largest: Sequence[int] = LARGEST,
) -> None:
    """Write a TensorRT engine, which `Segmenter.load` opens on this kind of GPU.

    The numbers' precision is that of the ONNX file: fp16 and int8 files give fp16 and int8 engines (a
    strongly typed network). Building times many kernels and takes minutes.

    Args:
        source: the ONNX file of `export_onnx` or `quantize_onnx`, with logits as output.
        path: the file to write, .engine.
        reference: the model in PyTorch, which the engine is compared with before it is written.
        largest: the largest batch, height and width. The engine is fastest at one image of the working size,
            or of this size for a model without a working size.

    Raises:
        DataError: the file returns class ids; or `largest` is not three numbers, or smaller than the working
            size.
        ModelFileError: TensorRT is missing, can't read the file or build the engine, or the engine
            computes something else than `reference`.
        SaveError: the folder is not writable or the disk is full. An older file is unchanged.
    """
    if len(largest) != 3 or min(largest) < 1:
        raise DataError(
            f"the largest size is {', '.join(map(str, largest))}; give batch, height and width, such as "
            "8,1024,1024."
        )
    trt = import_tensorrt()
    settings = _settings(source)
    if settings["output"] != "logits":
        raise DataError(f"{source} returns class ids; an engine needs a file that returns logits.")
    batch, *sides = largest
    usual = settings["size"] or sides
    if any(wanted > side for wanted, side in zip(usual, sides, strict=True)):
        raise DataError(
            f"the largest size is {sides[0]}×{sides[1]}, and the model works at {usual[0]}×{usual[1]}; give "
            "at least that."
        )
    channels = len(settings["mean"])
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    # from TensorRT 11, every network is strongly typed, and the flag may be gone
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if flag is None else 1 << int(flag))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(Path(source).read_bytes()):
        reasons = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise ModelFileError(f"TensorRT {trt.__version__} can't read {source}: {reasons}.")
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    smallest = [min(_SMALLEST, side) for side in usual]
    profile.set_shape(
        network.get_input(0).name,
        (1, channels, *smallest),
        (1, channels, *usual),
        (batch, channels, *sides),
    )
    config.add_optimization_profile(profile)
    serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        raise ModelFileError(f"TensorRT {trt.__version__} can't build an engine from {source} on this GPU.")
    settings["provenance"] |= {"tensorrt": trt.__version__}
    with replacing(path) as temporary:
        temporary.write_bytes(join(settings, bytes(serialized)))
        if reference is not None:
            network, _, _, device = read_engine(temporary)

            def run(images: np.ndarray) -> np.ndarray:
                return network(torch.from_numpy(images).to(device)).cpu().numpy()

            reference.refuse_above(TOLERANCE["engine"], reference.difference(run), path)


def _settings(source: str | Path) -> dict[str, Any]:
    import onnx

    metadata = {
        entry.key: entry.value for entry in onnx.load(source, load_external_data=False).metadata_props
    }
    return json.loads(metadata[KEY])
