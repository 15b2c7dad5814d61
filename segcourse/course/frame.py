"""The cells that every lesson begins and ends with: set-up on Google Colab, and handing in.

    python -m segcourse.course.frame

writes them into both files of each lesson, with the badges that open a lesson on Colab; `make lessons` does.
The badges and the set-up come from the address under [project.urls] in pyproject.toml, if there is one.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from packaging.requirements import Requirement

from segcourse import exercises
from segcourse.course import lessons
from segcourse.errors import LessonError
from segcourse.files import replacing

CHECKOUT = Path(__file__).resolve().parents[2]
IDS = ("colab-badge", "colab-setup", "hand-in", "hand-in-doctor")
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({address})"
OPEN = "https://colab.research.google.com/github/{repository}/blob/main/lessons/{lesson}/{lesson}.ipynb"
SETUP = """# On Google Colab, this cell installs the course. Elsewhere it does nothing.
import sys

if "google.colab" in sys.modules:
    try:
        from segcourse.course import colab
    except ImportError:
        %pip list --format=freeze > installed.txt
{install}
        from segcourse.course import colab
    colab.start()"""
PIP = "        %pip install --quiet --constraint installed.txt"
FROM_GIT = PIP + ' "segcourse[deploy] @ git+{address}"'
UPLOADED = f"""{PIP} segcourse-*.whl {{deploy}}
        # segcourse-….whl comes from your teacher; upload it first: folder icon on the left"""
HAND_IN = """## Hand in

Save the notebook (Ctrl + S, on a Mac ⌘ + S) and run the cell below. It runs your saved answers in a new
kernel. Then it says what the checks give there, and names the file to hand in. This takes up to a minute."""
DOCTOR = """from segcourse.grading import hand_in

hand_in.doctor("{lesson}.ipynb")"""


def project() -> dict[str, Any]:
    """Return the section [project] of the checkout's pyproject.toml."""
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def framed(cells: list[NotebookNode], lesson: str, project: Mapping[str, Any]) -> list[NotebookNode]:
    """Return a lesson's cells with the badge and the set-up before its first code, and handing in at its end.

    Args:
        cells: the lesson's cells, with or without these.
        lesson: its name. A lesson without exercises has nothing to hand in.
        project: the section [project] of pyproject.toml. Without a repository's address, the set-up asks for
            the wheel. There is a badge only if the address is on GitHub, because Colab opens no others.
    """
    address = project.get("urls", {}).get("Repository", "")
    own = [cell for cell in cells if cell.get("id") not in IDS]
    github = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?", address)
    setup = new_code_cell(SETUP.format(install=_install(address, project)), id=IDS[1])
    first = next((i for i, cell in enumerate(own) if cell.cell_type == "code"), len(own))
    made = [*own[:first], setup, *own[first:]]
    if github:
        link = OPEN.format(repository=github[1], lesson=lesson)
        made.insert(1, new_markdown_cell(BADGE.format(address=link), id=IDS[0]))
    if exercises.names(lesson):
        made.append(new_markdown_cell(HAND_IN, id=IDS[2]))
        tags = {"tags": ["skip-grading"]}
        made.append(new_code_cell(DOCTOR.format(lesson=lesson), id=IDS[3], metadata=tags))
    return made


def _install(address: str, project: Mapping[str, Any]) -> str:
    """Return the lines that install segcourse and what lesson 7 needs.

    The constraint keeps the versions that Colab has: a newer PyTorch, or a newer protobuf for onnx, could
    break what is there.
    """
    if address:
        return FROM_GIT.format(address=address)
    extra = (Requirement(text).name for text in project["optional-dependencies"]["deploy"])
    return UPLOADED.format(deploy=" ".join(extra))


def write(path: Path, notebook: NotebookNode) -> None:
    """Write a lesson's notebook and its text."""
    with replacing(path) as temporary:
        nbformat.write(notebook, temporary)
    text = jupytext.writes(nbformat.read(path, as_version=4), fmt="py:percent")  # nbformat sorts metadata
    with replacing(path.with_suffix(".py")) as temporary:
        temporary.write_text(text, encoding="utf-8")


def frame_all() -> list[str]:
    """Write the frame into all lessons; return the names of those that were changed.

    Raises:
        LessonError: the notebook and the text of a lesson differ.
        SaveError: a file could not be written.
    """
    changed, about = [], project()
    for path in lessons.notebooks():
        notebook = nbformat.read(path, as_version=4)
        if path.with_suffix(".py").read_text(encoding="utf-8") != jupytext.writes(notebook, fmt="py:percent"):
            raise LessonError(f"{path} and its text differ; run `make lessons` first.")
        made = framed(notebook.cells, path.stem, about)
        if made != notebook.cells:
            notebook.cells = made
            write(path, notebook)
            changed.append(path.stem)
    return changed


if __name__ == "__main__":
    print(f"framed again: {', '.join(frame_all()) or 'no lesson'}")
