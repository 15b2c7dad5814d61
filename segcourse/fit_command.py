"""The command that trains; `segcourse.cli` registers it."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segcourse.errors import DataError
from segcourse.options import (
    DATA,
    ClassNames,
    Csv,
    MaskValues,
    PaletteFile,
    Void,
    meaning,
    numbers,
    sides,
)

if TYPE_CHECKING:  # this import takes seconds
    from segcourse.recipes import Recipe

_data = partial(typer.Option, rich_help_panel=DATA)
_picture = partial(typer.Option, rich_help_panel="Pictures")
_network = partial(typer.Option, rich_help_panel="Network and training")
_run = partial(typer.Option, rich_help_panel="The run")
_MEANING = {"mask_values", "void", "class_names", "palette"}


def fit(
    ctx: typer.Context,
    data: Annotated[
        str | None,
        _data(help="Data set by name (see `segcourse data list`), or a folder of images and masks."),
    ] = None,
    images: Annotated[Path | None, _data(help="Instead of --data: a folder of images.")] = None,
    masks: Annotated[Path | None, _data(help="The folder of masks for --images.")] = None,
    csv: Csv = None,
    val_images: Annotated[
        Path | None,
        _data(help="A folder of validation images [default: see --split]."),
    ] = None,
    val_masks: Annotated[Path | None, _data(help="The folder of masks for --val-images.")] = None,
    split: Annotated[
        str,
        _data(
            help="Which fifth of the pairs validates: random; blocks, for the frames of a video; or a "
            "regular expression that finds the group, such as the patient, in a file's path."
        ),
    ] = "random",
    mask_values: MaskValues = None,
    void: Void = None,
    class_names: ClassNames = None,
    palette: PaletteFile = None,
    size: Annotated[
        str | None,
        _picture(
            metavar="H W",
            help="Resize images to height and width, or to a square [default: recipe; folders: no resizing].",
        ),
    ] = None,
    crop: Annotated[
        str | None,
        _picture(
            metavar="H W",
            help="Train on random crops of this size [default: recipe; 256 256 without resizing].",
        ),
    ] = None,
    augment: Annotated[
        str | None,
        _picture(
            help="upright: mirror images. any: also upside down and turned. none. Or a Python file that "
            "defines `transform` [default: the data set's card; folders: upright]."
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        _network(help="A recipe file, or the name of a data set with a recipe [default: that of --data]."),
    ] = None,
    model: Annotated[
        str | None,
        _network(
            help="unet, attention_unet, half_unet, fcn, deeplabv3, encoder_unet, lesion_net, lraspp, or the "
            "import path of another library's network [default: recipe; folders: half_unet]."
        ),
    ] = None,
    start: Annotated[
        str | None,
        _network(
            metavar="FILE",
            help="Start with the network and weights of a model file, or of lesions, which comes with the "
            "package [default: recipe].",
        ),
    ] = None,
    width: Annotated[
        int | None,
        _network(min=1, help="Channels of the first level, for networks of the course [default: 32]."),
    ] = None,
    epochs: Annotated[
        int | None,
        _network(min=1, help="Passes over the training set [default: recipe]."),
    ] = None,
    minutes: Annotated[
        float | None,
        _network(help="Time to train: as many epochs as fit [default: recipe; folders: 10]."),
    ] = None,
    batch: Annotated[int | None, _network(min=1, help="Images per batch [default: recipe].")] = None,
    lr: Annotated[
        float | None,
        _network(min=0, help="Maximum learning rate [default: 0.001]."),
    ] = None,
    loss: Annotated[
        str | None,
        _network(help="ce, dice, focal, tversky, jaccard, or a sum of them [default: ce+dice]."),
    ] = None,
    class_weights: Annotated[
        str | None,
        _network(help="balanced, or one number per class such as 1,2, for ce and focal [default: all 1]."),
    ] = None,
    accumulate: Annotated[int, _network(min=1, help="Batches per optimizer step.")] = 1,
    ema: Annotated[
        float | None,
        _network(help="Save a moving average of the weights with this decay, such as 0.999 [default: none]."),
    ] = None,
    checkpointing: Annotated[
        bool | None,
        _network(help="Less memory, and a third more time [default: recipe, else no]."),
    ] = None,
    compile: Annotated[
        bool | None,
        _network(help="Use torch.compile, for long runs on a GPU [default: recipe, else no]."),
    ] = None,
    seed: Annotated[
        int,
        _network(min=0, help="Random seed for the split, shuffling, augmentation and initial weights."),
    ] = 0,
    out: Annotated[
        Path | None,
        _run(help="Folder for the run's files [default: runs/NAME-TIME]."),
    ] = None,
    force: Annotated[bool, _run("--force", help="Overwrite an earlier run in --out.")] = False,
    resume: Annotated[
        Path | None,
        _run(help="Continue the run in this folder; needs no other option."),
    ] = None,
    device: Annotated[
        str | None,
        _run(help="cpu, cuda, cuda:1 or mps [default: a GPU if there is one]."),
    ] = None,
    precision: Annotated[
        str,
        _run(help="fp32, bf16, or auto for the faster one on this machine."),
    ] = "auto",
    workers: Annotated[
        int,
        _run(min=0, help="Processes that load data; 0 loads in the main process."),
    ] = 0,
) -> None:
    """Train a model and save it with its results.

    "Recipe" stands for the settings of the data set in datasets/recipes, or of --recipe.
    """
    from segcourse import recipes
    from segcourse.training.accelerator import from_main_process, make_accelerator

    weights: Any = class_weights
    if class_weights not in (None, "balanced"):
        weights = numbers(str(class_weights), "--class-weights")
    fitting = {"ema": ema, "checkpointing": checkpointing, "compile": compile}
    changes = {
        **{"model": model, "model_options": {"width": width} if width else None},
        "start": str(Path(start).resolve()) if start and Path(start).is_file() else start,
        **{"size": sides(size, "--size"), "crop": sides(crop, "--crop"), "augment": augment},
        **{"epochs": epochs, "minutes": minutes, "batch_size": batch, "learning_rate": lr},
        **{"loss": loss, "class_weights": weights},
        **{"fit_options": {name: value for name, value in fitting.items() if value is not None}},
    }
    source: dict[str, Any] = {"data": data, "images": images, "masks": masks, "csv": csv, "split": split}
    source |= {"val_images": val_images, "val_masks": val_masks}
    source |= meaning(mask_values, void, class_names, palette)
    running: dict[str, Any] = {"device": device, "precision": precision, "seed": seed}
    running |= {"workers": workers, "accumulate": accumulate}
    typed = {name for name in ctx.params if "COMMANDLINE" in str(ctx.get_parameter_source(name))}
    if resume is None:
        base = recipes.recipe(data or "") if recipe is None else recipes.find_recipe(recipe)
    else:
        base, known_source, known_running = recipes.read_settings(resume, augment, model)
        without_effect = {"start", "recipe", "out", "force"}
        if not any((data, images, csv)):
            source, without_effect = known_source, without_effect | source.keys() | _MEANING
        if wrong := sorted(f"--{name.replace('_', '-')}" for name in typed & without_effect):
            raise DataError(
                f"--resume continues the run in {resume} as it was started, so {' and '.join(wrong)} would "
                "have no effect; leave that out, or start a new run."
            )
        running |= {name: value for name, value in known_running.items() if name not in typed}
    if width and recipes.is_import_path(model or base.model):
        raise DataError(
            f"--width is for networks of the course, and {model or base.model} is another library's; leave "
            "--width out."
        )
    plan = recipes.changed(base, **changes)
    main = make_accelerator(running["device"]).is_main_process  # of those of `accelerate launch`
    plan, notes = from_main_process(_suited(plan, source) if main else (plan, {}))
    if main and resume is None and out is not None:
        recipes.claim(out, force)
    sets = recipes.datasets(**source, plan=plan, seed=running["seed"])
    about: dict[str, Any] = {"source": source, "recipe_name": recipe or data or "", "force": force}
    bar = sys.stdout.isatty()
    showing: dict[str, Any] = {"progress": bar, "on_epoch": None if bar else recipes.print_epoch}
    history, scores = recipes.train(
        plan,
        sets,
        resume or out,
        Path(data or images or csv or "").stem,
        announce=typer.echo,
        notes=notes,
        resume=resume is not None,
        **about,
        **showing,
        **running,
    )
    if main:
        typer.echo(recipes.report(history, scores))
    raise typer.Exit(130 if history.interrupted else 0)


def _suited(plan: "Recipe", source: dict[str, Any]) -> tuple["Recipe", dict[str, str]]:
    """Return the recipe with an augmentation, after a question about a folder, and lines for the header."""
    from segcourse import recipes

    data, unknown = source.get("data"), ""
    if plan.augment is None and (data is None or Path(data).is_dir()):
        unknown = "; if they have no up and down, pass --augment any"
        if sys.stdin.isatty() and sys.stdout.isatty():
            question = "Do the pictures have an up and a down, as photographs have?"
            plan, unknown = replace(plan, augment="upright" if typer.confirm(question, True) else "any"), ""
    plan = replace(plan, augment=recipes.augment_of(plan, data))
    words = {"upright": f"mirror images, as pictures are upright{unknown}", "none": "none"}
    words["any"] = "mirror images, upside down and turned"
    split = source.get("split", "random")
    how = {"random": "at random", "blocks": "in blocks of neighbouring names"}.get(split, f"by group {split}")
    return plan, {"augmentation": words.get(str(plan.augment), f"the code in {plan.augment}"), "split": how}
