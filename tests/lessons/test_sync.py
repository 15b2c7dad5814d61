"""Each lesson is one thing in two files, a notebook and its text: equal, ids included, without outputs."""

import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from jupytext.combine import combine_inputs_with_outputs

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((REPOSITORY / "lessons").glob("*/*.ipynb"))
pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_the_text_is_what_jupytext_writes(path):
    command = [sys.executable, "-m", "jupytext", "--quiet", "--to", "py:percent", "--output", "-", path.name]
    written = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=True).stdout
    assert path.with_suffix(".py").read_text(encoding="utf-8") == written, (
        "run `make lessons` and commit both"
    )


def test_the_text_gives_the_notebook_back_with_its_ids(path):
    notebook = nbformat.read(path, as_version=4)
    text = jupytext.read(path.with_suffix(".py"))
    again = combine_inputs_with_outputs(text, notebook, "py:percent")
    assert again.cells == notebook.cells


def test_the_notebook_is_valid_and_has_no_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs"), cell.id
        assert cell.get("execution_count") is None, cell.id
        assert set(cell.metadata) <= {"nbgrader", "tags", "slideshow", "lines_to_next_cell"}, cell.id
    assert notebook.metadata.kernelspec.name == "python3"


def test_ids_are_given_by_hand_and_stay(path):
    ids = [cell.id for cell in nbformat.read(path, as_version=4).cells]
    assert len(set(ids)) == len(ids)
    made_up = [one for one in ids if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f-]+)?", one)]
    assert not made_up, "these ids were drawn at random by an editor"


def test_every_text_has_its_notebook_and_its_folders_name(path):
    assert path.stem == path.parent.name
    assert sorted(p.name for p in path.parent.glob("*.py")) == [f"{path.stem}.py"]
