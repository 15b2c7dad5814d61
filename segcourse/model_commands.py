"""The commands that train, evaluate and use a model; `segcourse.cli` registers them."""

from pathlib import Path
from typing import Annotated

import typer

ModelFile = Annotated[Path, typer.Option(help="A model.safetensors that `segcourse fit` wrote.")]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1 or mps [default: a GPU if there is one].")
]
Flips = Annotated[bool, typer.Option("--flips", help="Average over the image and its mirror image.")]
Tile = Annotated[
    int | None, typer.Option(min=1, help="Predict in tiles of this side in pixels [default: no tiles].")
]


def fit(
    data: Annotated[
        str | None,
        typer.Option(help="Data set by name (see `segcourse data list`), or a folder of images and masks."),
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Instead of --data: a folder of images.")] = None,
    masks: Annotated[Path | None, typer.Option(help="The folder of masks for --images.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the run's files [default: runs/NAME-TIME].")
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Continue the interrupted run in this folder.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="unet, attention_unet, half_unet, fcn or deeplabv3 [default: half_unet]."),
    ] = None,
    width: Annotated[
        int | None, typer.Option(min=1, help="Channels of the first level [default: 32].")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="Side in pixels that images are resized to [default: recipe].")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the training set [default: recipe].")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Time budget in minutes [default: recipe].")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images per batch [default: recipe].")] = None,
    lr: Annotated[float | None, typer.Option(min=0, help="Maximum learning rate [default: 0.001].")] = None,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches per optimizer step.")] = 1,
    device: Device = None,
    precision: Annotated[
        str, typer.Option(help="fp32, bf16, or auto for the faster one on this machine.")
    ] = "auto",
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed for shuffling, augmentation and initial weights.")
    ] = 0,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that load data; 0 loads in the main process.")
    ] = 0,
) -> None:
    """Train a model and save it with its results.

    In the options, "recipe" stands for the setting that `segcourse.recipes` has for the data set.
    """
    from segcourse import recipes

    options = {"width": width} if width else None
    changes = {"model": model, "model_options": options, "size": size, "epochs": epochs, "minutes": minutes}
    plan = recipes.recipe(data or "", **changes, batch_size=batch, learning_rate=lr)
    sets = recipes.datasets(data, images, masks, plan, seed)
    running = {"device": device, "precision": precision, "seed": seed, "workers": workers}
    running |= {"accumulate": accumulate, "resume": resume is not None}
    name = Path(data or images or "").name
    history, scores = recipes.train(plan, sets, resume or out, name, **running)
    typer.echo(recipes.report(history, scores))
    raise typer.Exit(130 if history.interrupted else 0)


def evaluate(
    model: ModelFile,
    images: Annotated[Path | None, typer.Option(help="A folder of images.")] = None,
    masks: Annotated[Path | None, typer.Option(help="The folder of masks, if not the same.")] = None,
    data: Annotated[str | None, typer.Option(help="Instead of --images: a data set by name.")] = None,
    split: Annotated[str, typer.Option(help="Split of --data: train, val or test.")] = "val",
    json: Annotated[bool, typer.Option("--json", help="Print only JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for worst.png and scores.csv [default: none].")
    ] = None,
    flips: Annotated[
        bool, typer.Option("--flips", help="Average over the image and its mirror image.")
    ] = False,
    tile: Tile = None,
    device: Device = None,
) -> None:
    """Score a model on images with masks.

    Scores are per image and per data set, each image at its full size.
    """
    from segcourse.inference import evaluation

    dataset = evaluation.dataset(images, masks, data, split)
    results = evaluation.report(model, dataset, out, device=device, progress=not json, flips=flips, tile=tile)
    typer.echo(evaluation.as_json(results) if json else evaluation.as_table(results))


def predict(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="IMAGES...", help="Image files, and folders of image files.")
    ],
    model: ModelFile,
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
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
    flips: Annotated[
        bool, typer.Option("--flips", help="Average over the image and its mirror image.")
    ] = False,
    tile: Tile = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite earlier results.")] = False,
    device: Device = None,
) -> None:
    """Segment images and write the results to a folder.

    Writes masks and overlays, or those chosen by --mask, --overlay and --cutout, and a table of class shares
    (shares.csv).
    """
    from segcourse.inference import predictions
    from segcourse.inference.segmenter import Segmenter

    chosen = [kind for kind, wanted in zip(predictions.KINDS, (mask, overlay, cutout), strict=True) if wanted]
    done, unreadable = predictions.write_predictions(
        Segmenter.load(model, device),
        inputs,
        out,
        chosen or ("mask", "overlay"),
        keep,
        force,
        flips=flips,
        tile=tile,
    )
    typer.echo(f"{len(done)} image(s) predicted, {len(unreadable)} unreadable; the results are in {out}.")
    raise typer.Exit(2 if unreadable else 0)
