"""The command `segcourse export`; `segcourse.cli` registers it."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from segcourse.options import ClassNames, Csv, MaskValues, PaletteFile, Void, integers, meaning

EIGHT, ENGINE = "For int8: images with masks to measure the loss on", "For an engine"


class Precision(StrEnum):
    """What the numbers in the file are."""

    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"


def export(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A model.safetensors that `segcourse fit` wrote, or lesions."),
    ],
    out: Annotated[
        Path, typer.Option(help="The file: NAME.onnx, or NAME.engine for TensorRT on this machine's GPU.")
    ],
    precision: Annotated[
        Precision,
        typer.Option(help="fp16: half the size, for GPUs. int8: for CPUs; needs images, see below."),
    ] = Precision.fp32,
    labels: Annotated[
        bool, typer.Option("--labels", help="The file returns class ids instead of logits.")
    ] = False,
    normalised: Annotated[
        bool, typer.Option("--normalised", help="The file takes normalised images instead of 0 to 1.")
    ] = False,
    build: Annotated[
        str | None,
        typer.Option(help="For a network of another library: its import path, as --model of `fit`."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="A data set by name; its training images calibrate.", rich_help_panel=EIGHT),
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Or a folder of images,", rich_help_panel=EIGHT)] = None,
    masks: Annotated[
        Path | None, typer.Option(help="and the folder of masks, if not the same.", rich_help_panel=EIGHT)
    ] = None,
    csv: Csv = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="With --images or --csv: a folder of other images.", rich_help_panel=EIGHT),
    ] = None,
    calibrate: Annotated[
        int, typer.Option(min=1, help="Number of images that calibrate.", rich_help_panel=EIGHT)
    ] = 100,
    max_loss: Annotated[
        float, typer.Option(help="Most that the Dice score may fall.", rich_help_panel=EIGHT)
    ] = 0.005,
    mask_values: MaskValues = None,
    void: Void = None,
    class_names: ClassNames = None,
    palette: PaletteFile = None,
    largest: Annotated[
        str, typer.Option(help="Largest batch, height and width.", rich_help_panel=ENGINE)
    ] = "8,1024,1024",
) -> None:
    """Write MODEL as one ONNX file or TensorRT engine for use without PyTorch.

    The file takes images of any size and batch, and holds classes, colours and normalisation. It is compared
    with PyTorch before it is written. `segcourse predict`, `evaluate` and `serve` take it as --model.
    """
    from segcourse.deploy import exports

    said = exports.export(
        model,
        out,
        precision.value,
        labels=labels,
        normalise=not normalised,
        build=build,
        samples={"images": images, "masks": masks, "data": data, "csv": csv}
        | meaning(mask_values, void, class_names, palette, csv),
        calibration=calibration,
        calibrate=calibrate,
        max_loss=max_loss,
        largest=integers(largest, "--largest"),
        progress=sys.stderr.isatty(),
    )
    typer.echo(said)
