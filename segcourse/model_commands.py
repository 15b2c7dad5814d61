"""The commands that evaluate and use a model; `segcourse.cli` registers them."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from segcourse.options import ClassNames, Csv, MaskValues, PaletteFile, Void, meaning

ModelFile = Annotated[Path, typer.Option(help="A file that `segcourse fit` or `export` wrote, or lesions.")]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1 or mps [default: a GPU if there is one].")
]
Flips = Annotated[
    bool,
    typer.Option(
        "--flips",
        help="Average over the image and its mirror image; after `fit --augment any` also upside down.",
    ),
]
Build = Annotated[
    str | None,
    typer.Option(
        help="For a network of another library: the import path of what built it, as --model of `fit`."
    ),
]
Tile = Annotated[
    int | None, typer.Option(min=1, help="Predict in tiles of this side in pixels [default: no tiles].")
]
_write = partial(typer.Option, rich_help_panel="Results")


def evaluate(
    model: ModelFile,
    images: Annotated[Path | None, typer.Option(help="A folder of images.")] = None,
    masks: Annotated[Path | None, typer.Option(help="The folder of masks, if not the same.")] = None,
    data: Annotated[str | None, typer.Option(help="Instead of --images: a data set by name.")] = None,
    split: Annotated[str, typer.Option(help="Split of --data: train, val or test.")] = "val",
    csv: Csv = None,
    mask_values: MaskValues = None,
    void: Void = None,
    class_names: ClassNames = None,
    palette: PaletteFile = None,
    json: Annotated[bool, typer.Option("--json", help="Print only JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for worst.png and scores.csv [default: none].")
    ] = None,
    flips: Flips = False,
    tile: Tile = None,
    build: Build = None,
    device: Device = None,
) -> None:
    """Score a model on images with masks.

    Scores are per image and per data set, each image at its full size.
    """
    from segcourse.inference import evaluation

    known = meaning(mask_values, void, class_names, palette, csv)
    dataset = evaluation.dataset(images, masks, data, split, csv=csv, **known)
    shown = not json and sys.stderr.isatty()
    results = evaluation.report(
        model, dataset, out, device=device, build=build, progress=shown, flips=flips, tile=tile
    )
    typer.echo(evaluation.as_json(results) if json else evaluation.as_table(results))


def predict(
    inputs: Annotated[
        list[str], typer.Argument(metavar="IMAGES...", help="Image files, folders, and patterns in quotes.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results; a stopped run continues there.")],
    model: Annotated[
        Path,
        typer.Option(
            help="A model file; lesions, which comes with the package; or deeplabv3_resnet50 and such."
        ),
    ] = Path("lesions"),
    keep: Annotated[
        str | None,
        typer.Option(help="Show only this class, by name or number; several with commas [default: all]."),
    ] = None,
    mask: Annotated[
        bool, _write("--mask", help="NAME_mask.png: 0/255 for one class, else class ids with colours.")
    ] = False,
    mask_format: Annotated[
        str | None, _write(help="For --mask: indexed (class ids), colours or binary (0/255).")
    ] = None,
    overlay: Annotated[
        bool, _write("--overlay", help="NAME_overlay.png: the image tinted by class.")
    ] = False,
    alpha: Annotated[float, _write(help="For --overlay: opacity of the colours, from 0 to 1.")] = 0.5,
    cutout: Annotated[
        bool, _write("--cutout", help="NAME_cutout.png: transparent background, soft edges.")
    ] = False,
    background: Annotated[
        str | None, _write(help="NAME_background.png: in front of this colour or image file.")
    ] = None,
    recolour: Annotated[
        str | None, _write("--recolour", "--recolor", help="NAME_recoloured.png: in this colour.")
    ] = None,
    contours: Annotated[
        bool, _write("--contours", help="NAME_contours.geojson, and coco.json for all images.")
    ] = False,
    flips: Flips = False,
    tile: Tile = None,
    build: Build = None,
    force: Annotated[
        bool, typer.Option("--force", help="Predict again and overwrite earlier results.")
    ] = False,
    device: Device = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Predict on the Dask cluster at this address, such as tcp://HOST:8786.")
    ] = None,
) -> None:
    """Segment images and write the results to a folder.

    Writes masks and overlays, or what you choose under "Results", with a table of class shares (shares.csv)
    and a contact sheet. Run the same command again to continue a run that was stopped.

    Without --model, the network that comes with the package outlines skin lesions. With --keep car, a picture
    without cars shows its other vehicles instead, and the command says so.
    """
    from segcourse.inference import pictures, predictions, shipped

    if str(model) in shipped.names():
        typer.echo(f"{model}: not a medical device; its card is {shipped.card_of(str(model))}", err=True)
    wanted = (mask, overlay, cutout, background, recolour, contours)
    chosen = [kind for kind, want in zip(predictions.KINDS, wanted, strict=True) if want]
    report = predictions.write_predictions(
        model,
        inputs,
        out,
        chosen or ("mask", "overlay"),
        keep,
        force,
        style=pictures.Style(mask_format, alpha, background, recolour),
        device=device,
        build=build,
        scheduler=scheduler,
        flips=flips,
        tile=tile,
        progress=sys.stderr.isatty(),
    )
    earlier = f"{len(report.earlier)} done before, " if report.earlier else ""
    where = f"; the results are in {out}" if out.is_dir() else ""
    typer.echo(f"{len(report.done)} image(s) predicted, {earlier}{len(report.unreadable)} unreadable{where}.")
    raise typer.Exit(2 if report.unreadable else 0)


def video(
    source: Annotated[str, typer.Argument(help="A video file, or the number of a camera, such as 0.")],
    out: Annotated[Path, typer.Option(help="The video to write, .mp4 or .avi.")],
    model: Annotated[Path, typer.Option(help="As for `predict`.")] = Path("lesions"),
    keep: Annotated[
        str | None, typer.Option(help="Show only this class, by name or number [default: all].")
    ] = None,
    alpha: Annotated[float, typer.Option(min=0, max=1, help="Opacity of the colours.")] = 0.5,
    flips: Flips = False,
    tile: Tile = None,
    build: Build = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an older file.")] = False,
    device: Device = None,
) -> None:
    """Segment a video or a camera frame by frame, with the frame rate in the picture.

    Ctrl-C ends the video and keeps the frames so far.
    """
    from segcourse.inference.segmenter import Segmenter
    from segcourse.inference.video import segment_video

    frames, rate = segment_video(
        Segmenter.load(model, device, precision="auto", build=build),
        source,
        out,
        keep=keep,
        alpha=alpha,
        force=force,
        progress=sys.stderr.isatty(),
        flips=flips,
        tile=tile,
    )
    typer.echo(f"{frames} frames, {rate:.1f} frames per second; the video is {out}.")
