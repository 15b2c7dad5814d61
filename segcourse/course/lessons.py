"""The lessons: their folders, solved notebooks for instructors, and JupyterLab on a folder of lessons."""

import ast
import contextlib
import difflib
import os
import sys
import sysconfig
from pathlib import Path

import nbformat

from segcourse.errors import LessonError
from segcourse.files import replacing

_PACKAGE = Path(__file__).resolve().parents[1]


def root() -> Path:
    """Return the folder of all lessons: in the installed package, else the checkout's `lessons/`."""
    shipped = _PACKAGE / "_course" / "lessons"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "lessons"


def folders(place: Path | None = None) -> list[Path]:
    """Return the lesson folders in teaching order; a lesson is a folder NN_slug with NN_slug.ipynb.

    Args:
        place: the folder of all lessons. Default: `root()`.
    """
    return sorted(
        notebook.parent
        for notebook in (place or root()).glob("[0-9][0-9]_*/*.ipynb")
        if notebook.stem == notebook.parent.name
    )


def find(name: str, place: Path | None = None) -> Path:
    """Return the folder of a lesson.

    Args:
        name: number ("05", "5"), slug ("losses_metrics"), or both ("05_losses_metrics").
        place: the folder of all lessons. Default: `root()`.

    Raises:
        LessonError: there is no such lesson; the message names similar ones.
    """
    known = {folder.name: folder for folder in folders(place)}
    wanted = name.strip().lower().removesuffix(".ipynb")
    for full, folder in known.items():
        number, _, slug = full.partition("_")
        if wanted in (full, slug) or (wanted.isdecimal() and int(wanted) == int(number)):
            return folder
    near = difflib.get_close_matches(wanted, [*known, *(full.partition("_")[2] for full in known)], n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known) or 'none'}."
    raise LessonError(f"There is no lesson {name!r}; {hint}")


def notebooks() -> list[Path]:
    """Return the lesson notebooks in teaching order."""
    return [folder / f"{folder.name}.ipynb" for folder in folders()]


def notebook(lesson: str) -> nbformat.NotebookNode:
    """Read the notebook of a lesson, as students get it."""
    folder = find(lesson)
    return nbformat.read(folder / f"{folder.name}.ipynb", as_version=4)


def grade_id(cell: nbformat.NotebookNode) -> str | None:
    """Return nbgrader's id of an exercise cell or check cell, None for any other cell."""
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def solve(lesson: str) -> nbformat.NotebookNode:
    """Return the notebook of a lesson with the answer's source in every exercise cell.

    Raises:
        LessonError: there is no such lesson.
    """
    from segcourse.course.solutions import source_of  # imports every exercise and PyTorch

    solved = notebook(lesson)
    defined: set[str] = set()
    for cell in solved.cells:
        name = grade_id(cell)
        if name and cell.metadata["nbgrader"].get("solution"):
            cell.source = source_of(name, defined)
            defined.add(name)
        elif cell.cell_type == "code":
            defined |= _assigned(cell.source)
    return solved


def _assigned(source: str) -> set[str]:
    """Return the names that a cell assigns, those inside its functions and comprehensions too.

    >>> sorted(_assigned("a, b.c = 1, [d for d in ()]"))
    ['a', 'd']
    """
    with contextlib.suppress(SyntaxError):  # a cell with magics
        names = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name))
        return {node.id for node in names if isinstance(node.ctx, ast.Store)}
    return set()


def write_solved(lesson: str, out: Path | None = None, force: bool = False) -> Path:
    """Write the solved notebook of a lesson and return its path.

    Args:
        lesson: number, slug or both.
        out: the file to write. Default: NN_slug_solved.ipynb in the current folder.
        force: overwrite `out` if it exists.

    Raises:
        LessonError: there is no such lesson, or `out` exists and `force` is False.
        SaveError: `out` could not be written.
    """
    out = out or Path(f"{find(lesson).name}_solved.ipynb")
    if out.exists() and not force:
        raise LessonError(
            f"{out} exists already: choose another file with --out, or pass --force to overwrite it."
        )
    solved = solve(lesson)
    with replacing(out) as temporary:
        nbformat.write(solved, temporary)
    return out


def lab_command(folder: str | os.PathLike, browser: bool = True) -> list[str]:
    """Return the command that runs JupyterLab on `folder` until Ctrl-C and prints its address.

    JupyterLab opens lesson 0, if `folder` has it.
    """
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={Path(folder).resolve()}"]
    command += ["--log-level=WARN", "--ServerApp.answer_yes=True"]
    never = "jupyterlab.handlers.announcements.NeverCheckForUpdate"
    command += [f"--LabApp.check_for_updates_class={never}"]
    first = "00_start_here/00_start_here.ipynb"
    if Path(folder, first).is_file():
        command.append(f"--LabApp.default_url=/lab/tree/{first}")
    if os.name != "nt":  # a login shell, which JupyterLab uses without a terminal, would set PATH anew
        shell = os.environ.get("SHELL", "sh")
        command.append(f"--ServerApp.terminado_settings={{'shell_command': [{shell!r}]}}")
    command += [] if browser else ["--no-browser"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # containers run as root, and the server listens only on this machine
        command.append("--allow-root")
    return command


def lab_environment() -> dict[str, str]:
    """Return JupyterLab's environment variables: its terminals and notebooks find `segcourse` on the PATH."""
    path = os.pathsep.join(filter(None, [sysconfig.get_path("scripts"), os.environ.get("PATH")]))
    return {**os.environ, "PATH": path}
