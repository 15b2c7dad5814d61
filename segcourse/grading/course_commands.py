"""The commands for instructors under `segcourse course`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Create a course; export marks and rubrics; answer regrade requests.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def new(folder: Annotated[Path, typer.Argument(help="The course's folder; created if missing.")]) -> None:
    """Create a course in FOLDER: lessons/ for you to edit, and grading/ with a README.

    Existing files are never changed.
    """
    from segcourse.grading import new_course

    added = new_course.create(folder)
    typer.echo(f"{folder}: {len(added)} new file(s); existing files are unchanged.")
    typer.echo(f"Next: cd {folder}, and read grading/README.md.")
