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
    from segcourse import lessons

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
) -> None:
    """Is this machine ready? Is NOTEBOOK ready to hand in?"""
    from segcourse import doctor, handin

    for sentence in doctor.fix() if fix else []:
        typer.echo(sentence)
    findings = doctor.machine() if notebook is None else handin.inspect(notebook)
    typer.echo(doctor.table(findings))
    raise typer.Exit(0 if doctor.ready(findings) else 1)


@app.command()
def solve(
    lesson: Annotated[str, typer.Argument(help="A lesson's name or number, for example 05.")],
    out: Annotated[Path | None, typer.Option(help="Where to write [default: NN_slug_solved.ipynb].")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT where it exists.")] = False,
) -> None:
    """Write the solved notebook of LESSON."""
    from segcourse import lessons

    typer.echo(lessons.write_solved(lesson, out, force))


@data.command("list")
def data_list() -> None:
    """Show the data sets by name."""
    from segcourse.data import catalogue

    typer.echo(catalogue.table())


@data.command("get")
def data_get(name: Annotated[str, typer.Argument(help="A name from `segcourse data list`.")]) -> None:
    """Download and verify a data set."""
    from segcourse.data import catalogue

    typer.echo(catalogue.fetch(name))


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
