"""The commands that evaluate and use a model; `segcourse.cli` registers them."""

import sys
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

    known = meaning(mask_values, void, class_names, palette)
    dataset = evaluation.dataset(images, masks, data, split, csv=csv, **known)
    shown = not json and sys.stderr.isatty()
    results = evaluation.report(
        model, dataset, out, device=device, build=build, progress=shown, flips=flips, tile=tile
    )
    typer.echo(evaluation.as_json(results) if json else evaluation.as_table(results))


def predict(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="IMAGES...", help="Image files, and folders of image files.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    model: Annotated[
        Path, typer.Option(help="A model file, or lesions: the network that comes with the package.")
    ] = Path("lesions"),
    keep: Annotated[
        str | None, typer.Option(help="Show only this class, by name or number [default: all].")
    ] = None,
    mask: Annotated[
        bool, typer.Option("--mask", help="Write NAME_mask.png: 0/255 for one class, else class ids.")
    ] = False,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Write NAME_overlay.png: the image tinted by class.")
    ] = False,
    cutout: Annotated[
        bool, typer.Option("--cutout", help="Write NAME_cutout.png: transparent background.")
    ] = False,
    flips: Flips = False,
    tile: Tile = None,
    build: Build = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite earlier results.")] = False,
    device: Device = None,
) -> None:
    """Segment images and write the results to a folder.

    Writes masks and overlays, or those chosen by --mask, --overlay and --cutout, and a table of class shares
    (shares.csv). Without --model, the network that comes with the package outlines skin lesions.
    """
    from segcourse.inference import predictions, shipped
    from segcourse.inference.segmenter import Segmenter

    if str(model) in shipped.names():
        typer.echo(f"{model}: not a medical device; its card is {shipped.card_of(str(model))}", err=True)
    chosen = [kind for kind, wanted in zip(predictions.KINDS, (mask, overlay, cutout), strict=True) if wanted]
    done, unreadable = predictions.write_predictions(
        Segmenter.load(model, device, build=build),
        inputs,
        out,
        chosen or ("mask", "overlay"),
        keep,
        force,
        flips=flips,
        tile=tile,
        progress=sys.stderr.isatty(),
    )
    typer.echo(f"{len(done)} image(s) predicted, {len(unreadable)} unreadable; the results are in {out}.")
    raise typer.Exit(2 if unreadable else 0)
