"""What `segcourse export` does: from a model file to ONNX, int8 or a TensorRT engine."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segcourse.data import load_dataset
from segcourse.data.pairing import image_files
from segcourse.deploy.onnx import export_onnx
from segcourse.deploy.parity import Reference
from segcourse.deploy.quantize import MAX_LOSS, quantize_onnx
from segcourse.deploy.tensorrt import LARGEST, build_engine
from segcourse.errors import DataError
from segcourse.inference import evaluation
from segcourse.inference.segmenter import Segmenter
from segcourse.inference.shipped import weights_file
from segcourse.models.foreign import Constructor

SUFFIXES = (".onnx", ".engine")


def export(
    model: str | Path,
    out: Path,
    precision: str = "fp32",
    *,
    labels: bool = False,
    normalise: bool = True,
    build: Constructor | str | None = None,
    samples: dict[str, Any] | None = None,
    calibration: Path | None = None,
    calibrate: int = 100,
    max_loss: float = MAX_LOSS,
    largest: Sequence[int] = LARGEST,
    progress: bool = False,
) -> str:
    """Write a model as an ONNX file or a TensorRT engine, and return a sentence about the file.

    Args:
        model: as in `Segmenter.load`, but no export.
        out: the file; its suffix chooses the format.
        precision: "fp32", "fp16" or "int8".
        labels, normalise: as in `export_onnx`.
        build: as in `Segmenter.load`.
        samples: for int8, the arguments of `evaluation.dataset`: images with masks to measure the loss on.
        calibration: for int8, a folder of images. Default: the training images of the data set in `samples`.
        calibrate: number of images to calibrate on.
        max_loss: see `quantize_onnx`.
        largest: see `build_engine`.
        progress: show progress bars.

    Raises:
        DataError: the suffix is unknown, or images are missing.
        ModelFileError, SaveError: see `export_onnx`, `quantize_onnx` and `build_engine`.
    """
    suffix = out.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"the file is {out}; expected a name that ends in {' or '.join(SUFFIXES)}.")
    if suffix == ".engine" and labels:
        raise DataError("an engine returns logits; leave the labels out, or write a .onnx file.")
    source = weights_file(model)
    if source.suffix.lower() in SUFFIXES:
        raise DataError(f"{source} is an export already; give the model.safetensors that it was made from.")
    validation, images = None, iter(())
    if precision == "int8":  # first: a wrong folder is found before the minutes of work
        validation, images = _real_images(samples or {}, calibration, calibrate)
    segmenter = Segmenter.load(source, "cpu", build=build)
    with tempfile.TemporaryDirectory() as folder:
        last = out if suffix == ".onnx" else Path(folder) / "last.onnx"
        first = last if precision != "int8" else Path(folder) / "first.onnx"
        first_precision = "fp32" if precision == "int8" else precision
        difference = export_onnx(
            segmenter, first, normalise=normalise, labels=labels, precision=first_precision, source=source
        )
        said = f"{difference:.1e} of the {'pixels' if labels else 'largest logit'} from PyTorch"
        if validation is not None:
            before, after = quantize_onnx(
                first,
                last,
                images,
                validation,
                max_loss=max_loss,
                symmetric=suffix == ".engine",
                progress=progress,
            )
            said = f"Dice {after:.4f} on {len(validation)} images, against {before:.4f} in fp32"
        if suffix == ".engine":
            reference = None if precision == "int8" else Reference(segmenter, normalise)
            build_engine(last, out, reference, largest=largest)
    return f"{out}: {precision}, {out.stat().st_size / 1e6:.1f} MB, {said}."


def _real_images(samples: dict[str, Any], calibration: Path | None, count: int) -> tuple[Any, Iterator[Any]]:
    """Return the samples to measure the loss on, and `count` images to calibrate on, evenly spaced."""
    if not any(samples.get(name) for name in ("images", "data", "csv")):
        raise DataError(
            "int8 needs real images: to calibrate on, and with masks to measure the loss on. Give --data "
            "NAME, or --images, --masks and --calibration."
        )
    validation = evaluation.dataset(**{"images": None, "masks": None, "data": None} | samples)
    if calibration is not None:
        found: Any = image_files(calibration)
        measured = {pair.image.resolve() for pair in getattr(validation, "pairs", ())}
        if any(path.resolve() in measured for path in found):
            raise DataError(
                f"{calibration} holds images that measure the loss, too; give a folder of other images to "
                "calibrate on."
            )
    elif samples.get("data"):
        found = load_dataset(samples["data"], "train")
    else:
        raise DataError(
            "int8 needs a folder of images to calibrate on, other than those that measure the loss: give "
            "--calibration FOLDER."
        )
    chosen = np.unique(np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int))
    return validation, (found[i] if calibration is not None else found[i].image for i in chosen.tolist())
