"""The command line: one command a job, each a few lines that call a room.

Rooms are imported inside the commands, so that `segcourse --help` does not wait for PyTorch. A mistake that a
person can make ends in one sentence on stderr and exit code 2; only a bug shows a traceback.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from segcourse.errors import SegcourseError
from segcourse.grading import commands

# Plain text: rich's boxes cost start-up time, break when pasted into a question, and confuse screen readers.
PLAIN = {"no_args_is_help": True, "rich_markup_mode": None}

app = typer.Typer(
    help="A course on semantic image segmentation, and the library that it builds.",
    add_completion=False,
    pretty_exceptions_enable=False,
    **PLAIN,
)
data = typer.Typer(help="Data sets: what there is, fetch one, check a folder of your own.", **PLAIN)
app.add_typer(data, name="data")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line on `arguments` (default: sys.argv).

    Exits with 0 (done, yes), 1 (done, the answer is no), 2 (a mistake, said in a sentence) or 130 (Ctrl-C).
    """
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a console that cannot print ✓ prints ?
    try:
        app(arguments)
    except SegcourseError as error:
        _fail(str(error))
    except OSError as error:
        _fail(_sentence(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(sentence: str) -> None:
    print(sentence, file=sys.stderr)
    sys.exit(2)


def _sentence(error: OSError) -> str:
    """An operating system's error as a sentence that names the file and what to do."""
    if error.filename is None:
        return str(error)
    advice = {
        FileNotFoundError: "does not exist; check the path",
        PermissionError: "may not be read or written by you; choose another folder or change its permissions",
        IsADirectoryError: "is a folder; a file was expected",
        NotADirectoryError: "is a file; a folder was expected",
    }
    return f"{error.filename} {advice.get(type(error), f'cannot be used: {error.strerror}')}."


def _integers(text: str | None) -> list[int] | None:
    """An option's list of integers, as "0,255"."""
    try:
        return text and [int(value) for value in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of integers such as 0,255") from None


@app.command()
def start(
    folder: Annotated[Path, typer.Argument(help="Your working folder.")] = Path("segcourse-work"),
    lab: Annotated[bool, typer.Option(help="Open JupyterLab on the folder.")] = True,
    browser: Annotated[bool, typer.Option(help="Let JupyterLab open a browser window.")] = True,
) -> None:
    """Copy the lessons to FOLDER and open JupyterLab there; existing work is kept."""
    from segcourse.course import lessons

    added = lessons.start(folder)
    typer.echo(f"{folder}: {len(added)} new file(s), everything else left as it was.")
    if lab:
        command = lessons.lab_command(folder, browser)
        if os.name == "nt":
            raise typer.Exit(subprocess.call(command))
        sys.stdout.flush()
        os.execv(command[0], command)  # in this process's place: Ctrl-C and kill reach JupyterLab alone


@app.command()
def doctor(
    notebook: Annotated[Path | None, typer.Argument(help="A notebook that you want to hand in.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Repair first what can be repaired: OpenCV.")] = False,
    teach: Annotated[bool, typer.Option("--teach", help="Try also the sandbox that grading needs.")] = False,
) -> None:
    """Is this machine ready? Is NOTEBOOK ready to hand in?"""
    from segcourse.course import doctor

    for sentence in doctor.fix() if fix else []:
        typer.echo(sentence)
    if notebook is None:
        findings = doctor.machine()
        if teach:
            from segcourse.grading import self_test

            findings += self_test.findings()
        else:
            findings.append(doctor.sandbox())
    else:
        from segcourse.grading.submissions import preview

        findings = preview.findings(notebook)
    typer.echo(doctor.table(findings))
    raise typer.Exit(0 if doctor.ready(findings) else 1)


@app.command()
def solve(
    lesson: Annotated[str, typer.Argument(help="A lesson's name or number, for example 05.")],
    out: Annotated[Path | None, typer.Option(help="Where to write [default: NN_slug_solved.ipynb].")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT where it exists.")] = False,
) -> None:
    """Write the solved notebook of LESSON."""
    from segcourse.course import lessons

    typer.echo(lessons.write_solved(lesson, out, force))


app.command()(commands.grade)
app.command()(commands.report)


@app.command()
def fit(
    data: Annotated[
        str | None, typer.Option(help="lesions, isic2018, …, or a folder of images and masks.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="A folder of images (with --masks).")] = None,
    masks: Annotated[Path | None, typer.Option(help="The folder of their masks.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder [default: runs/NAME-TIME].")] = None,
    resume: Annotated[Path | None, typer.Option(help="Continue the run in this folder.")] = None,
    model: Annotated[str | None, typer.Option(help="unet, attention_unet, ….")] = None,
    width: Annotated[int | None, typer.Option(min=1, help="Channels of the first level.")] = None,
    size: Annotated[int | None, typer.Option(min=1, help="Side that images are resized to.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training set.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="How long to train.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images in a batch.")] = None,
    lr: Annotated[float | None, typer.Option(min=0, help="The highest learning rate.")] = None,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches that make one step.")] = 1,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, mps [default: a GPU if any].")
    ] = None,
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Of order, augmentation and first weights.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that load data.")] = 0,
) -> None:
    """Train on a set by name, a folder, or --images and --masks; leaves a model and pictures."""
    from segcourse import recipes

    options = {"width": width} if width else None
    changes = {"model": model, "model_options": options, "size": size, "epochs": epochs, "minutes": minutes}
    plan = recipes.recipe(data or "", **changes, batch_size=batch, learning_rate=lr)
    sets = recipes.datasets(data, images, masks, plan, seed)
    running = {"device": device, "precision": precision, "seed": seed, "workers": workers}
    running |= {"accumulate": accumulate, "resume": resume is not None}
    name = Path(data or images).name
    history, figures = recipes.train(plan, sets, resume or out, name, **running)
    typer.echo(recipes.report(history, figures))
    raise typer.Exit(130 if history.interrupted else 0)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Option(help="A model.safetensors that `segcourse fit` wrote.")],
    images: Annotated[Path | None, typer.Option(help="A folder of images.")] = None,
    masks: Annotated[Path | None, typer.Option(help="The folder of their masks, when it is another.")] = None,
    data: Annotated[str | None, typer.Option(help="Instead of folders: a data set by name.")] = None,
    split: Annotated[str, typer.Option(help="Of --data: train, val or test.")] = "val",
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write worst.png and scores.csv to this folder.")] = None,
    flips: Annotated[bool, typer.Option("--flips", help="Average with the mirror image.")] = False,
    tile: Annotated[int | None, typer.Option(min=1, help="Predict tiles of so many pixels.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, … [default: a GPU if there is one].")] = None,
) -> None:
    """Score a model on images with masks, per image and per data set, each image at its own size."""
    from segcourse.inference import evaluation

    dataset = evaluation.dataset(images, masks, data, split)
    figures = evaluation.report(model, dataset, out, device=device, progress=not json, flips=flips, tile=tile)
    typer.echo(evaluation.as_json(figures) if json else evaluation.as_table(figures))


@app.command()
def predict(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="IMAGES...", help="Picture files, and folders of them.")
    ],
    model: Annotated[Path, typer.Option(help="A model.safetensors that `segcourse fit` wrote.")],
    out: Annotated[Path, typer.Option(help="The folder for the results.")],
    keep: Annotated[str | None, typer.Option(help="The one class that counts, by name or number.")] = None,
    mask: Annotated[
        bool, typer.Option("--mask", help="NAME_mask.png: 0/255, or ids of many classes.")
    ] = False,
    overlay: Annotated[bool, typer.Option("--overlay", help="NAME_overlay.png: tinted.")] = False,
    cutout: Annotated[bool, typer.Option("--cutout", help="NAME_cutout.png: the rest transparent.")] = False,
    flips: Annotated[bool, typer.Option("--flips", help="Average with the mirror image.")] = False,
    tile: Annotated[int | None, typer.Option(min=1, help="Predict tiles of so many pixels.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over earlier results.")] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, … [default: a GPU if there is one].")] = None,
) -> None:
    """Find the classes in pictures: masks and overlays (unless you choose), and a table of shares."""
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
    typer.echo(f"{len(done)} picture(s) done, {len(unreadable)} could not be read; the results are in {out}.")
    raise typer.Exit(2 if unreadable else 0)


@data.command("list")
def data_list() -> None:
    """Show the data sets by name."""
    from segcourse.data import catalogue

    typer.echo(catalogue.table())


@data.command("get")
def data_get(name: Annotated[str, typer.Argument(help="A name from `segcourse data list`.")]) -> None:
    """Download and verify a data set."""
    from segcourse.data import download

    typer.echo(download.fetch(name))


@data.command("check")
def data_check(
    images: Annotated[Path | None, typer.Argument(help="A folder of images, or of images and masks.")] = None,
    masks: Annotated[Path | None, typer.Argument(help="The folder of masks, when it is another one.")] = None,
    csv: Annotated[Path | None, typer.Option(help="A table with the columns image,mask instead.")] = None,
    mask_values: Annotated[str | None, typer.Option(help="The classes' values in masks, as 0,255.")] = None,
) -> None:
    """Find wrong pairs, sizes and mask values."""
    from segcourse.data import check_folder

    report = check_folder(images, masks, csv=csv, mask_values=_integers(mask_values))
    typer.echo(report.table())
    raise typer.Exit(0 if report.ok else 1)
