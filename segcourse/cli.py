"""The command line: one command per job, each a few lines that call a subpackage.

Subpackages are imported inside the commands, so `segcourse --help` does not import PyTorch. A user's mistake
prints one sentence to stderr and exits with code 2. Only a bug shows a traceback.
"""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from segcourse import export_command, fit_command, model_commands, options, serve_command
from segcourse.errors import SegcourseError, sentence
from segcourse.grading import commands, course_commands

# Plain text: rich's boxes slow down the start, break when copied into a question, and confuse screen readers.
app = typer.Typer(
    help="A course on semantic image segmentation, and its library.",
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)
data = typer.Typer(
    help="List and download data sets, and check your own folders.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(data, name="data")
app.add_typer(course_commands.app, name="course")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line on `arguments` (default: sys.argv) and exit.

    The exit code is 0 for success, 1 if a check found problems, 2 for a user's mistake, and 130 for Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console without ✓ prints ?
    try:
        app(arguments)
    except SegcourseError as error:
        _fail(options.spelled(str(error)))
    except OSError as error:
        _fail(sentence(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(sentence: str) -> None:
    print(sentence, file=sys.stderr)
    sys.exit(2)


@app.command()
def start(
    folder: Annotated[Path, typer.Argument(help="Your working folder; created if missing.")] = Path(
        "segcourse-work"
    ),
    lab: Annotated[bool, typer.Option(help="Open JupyterLab in the folder.")] = True,
    browser: Annotated[bool, typer.Option(help="Let JupyterLab open a browser window.")] = True,
) -> None:
    """Copy the lessons to FOLDER and open JupyterLab there.

    Lessons that you have not changed get the text of today. Your own work is never changed.
    """
    from segcourse.course import lessons, working_copy

    typer.echo("\n".join(f"{folder}: {said}" for said in working_copy.start(folder).sentences()))
    if lab:
        command, environment = lessons.lab_command(folder, browser), lessons.lab_environment()
        if os.name == "nt":
            raise typer.Exit(subprocess.call(command, env=environment))
        sys.stdout.flush()
        # replaces this process, so that Ctrl-C and kill reach only JupyterLab
        os.execve(command[0], command, environment)


@app.command()
def doctor(
    notebook: Annotated[
        Path | None, typer.Argument(help="A notebook that you want to hand in. Default: check this machine.")
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="First repair OpenCV if it can't be imported.")] = False,
    teach: Annotated[bool, typer.Option("--teach", help="Also test the sandbox that grading needs.")] = False,
    run: Annotated[
        bool, typer.Option(help="Run NOTEBOOK's answers and public checks in a new kernel on this machine.")
    ] = True,
) -> None:
    """Check that this machine is ready, or that NOTEBOOK is, and name the file to hand in.

    Exits with 1 if something needs to be fixed.
    """
    from segcourse.course import doctor

    for repair in doctor.fix() if fix else []:
        typer.echo(repair)
    if notebook is None:
        findings = doctor.machine()
        if teach:
            from segcourse.grading import self_test

            findings += self_test.findings()
        else:
            findings.append(doctor.sandbox())
    else:
        from segcourse.grading import hand_in

        findings = hand_in.rehearse(notebook, run)
    typer.echo(doctor.table(findings))
    raise typer.Exit(0 if doctor.ready(findings) else 1)


@app.command()
def solve(
    lesson: Annotated[str, typer.Argument(help="A lesson's name or number, for example 05.")],
    out: Annotated[
        Path | None, typer.Option(help="The notebook to write [default: NN_slug_solved.ipynb].")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite OUT if it exists.")] = False,
) -> None:
    """Write the solved notebook of LESSON."""
    from segcourse.course import lessons

    typer.echo(lessons.write_solved(lesson, out, force))


app.command()(commands.grade)
app.command()(commands.report)
app.command()(commands.gradescope)
app.command()(commands.roster)
app.command()(commands.remove_student)
app.command(cls=options.Grouped)(fit_command.fit)
app.command()(model_commands.evaluate)
app.command(cls=options.Grouped)(model_commands.predict)
app.command()(model_commands.video)
app.command(cls=options.Grouped)(export_command.export)
app.command()(serve_command.serve)


@data.command("list")
def data_list() -> None:
    """List the data sets that you can use by name."""
    from segcourse.data import catalogue

    typer.echo(catalogue.table())


@data.command("get")
def data_get(name: Annotated[str, typer.Argument(help="A name from `segcourse data list`.")]) -> None:
    """Download and verify a data set.

    If the licence does not allow a program to download it, list the steps by hand.
    """
    from segcourse.data import download

    typer.echo(download.fetch(name))


@data.command("check")
def data_check(
    images: Annotated[Path | None, typer.Argument(help="A folder of images, or of images and masks.")] = None,
    masks: Annotated[Path | None, typer.Argument(help="The folder of masks, if not the same.")] = None,
    csv: options.Csv = None,
    mask_values: options.MaskValues = None,
    void: options.Void = None,
    class_names: options.ClassNames = None,
    palette: options.PaletteFile = None,
) -> None:
    """Check a folder of images and masks before training.

    Finds unmatched files, wrong sizes, wrong mask values, damaged files and duplicates. Exits with 1 if
    something needs to be fixed.
    """
    from segcourse.data import check_folder

    known = options.meaning(mask_values, void, class_names, palette)
    report = check_folder(images, masks, csv=csv, **known)
    typer.echo(options.spelled(report.table()))
    raise typer.Exit(0 if report.ok else 1)


if __name__ == "__main__":  # for `accelerate launch --module segcourse.cli`
    main()
