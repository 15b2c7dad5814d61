"""Google Colab, with a stand-in for its package: the first cell, and keeping work on request."""

import json
import sys
import types

import pytest
from IPython.core.interactiveshell import InteractiveShell

from segcourse.course import colab, frame
from segcourse.errors import LessonError
from segcourse.grading.reports.flags import unusual_code

PAGE = {
    "cells": [{"cell_type": "markdown", "metadata": {"id": "title"}, "source": ["# Mine"]}],
    "metadata": {"colab": {"name": "05_losses_metrics.ipynb", "provenance": []}},
    "nbformat": 4,
    "nbformat_minor": 0,
}
PROJECT = {"optional-dependencies": {"deploy": ["onnx>=1.17"]}}


@pytest.fixture
def on_colab(tmp_path, monkeypatch):
    """Put a stand-in for Colab's package in place; return what was asked of it."""
    asked = []
    package, message, drive = (
        types.ModuleType(f"google.colab{part}") for part in ("", "._message", ".drive")
    )

    def blocking_request(kind, timeout_sec):
        asked.append(kind)
        return {"ipynb": PAGE}

    def mount(path):
        asked.append("drive")
        (colab.DRIVE / "MyDrive").mkdir(parents=True, exist_ok=True)

    message.blocking_request, drive.mount = blocking_request, mount
    package._message, package.drive = message, drive
    for module in (package, message, drive):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(colab, "DRIVE", tmp_path / "drive")
    monkeypatch.chdir(tmp_path)
    return asked


@pytest.fixture
def setup_cell():
    """The first cell of a lesson, where the repository has no address."""
    [cell] = frame.framed([], "00_start_here", PROJECT)
    return cell.source


@pytest.fixture
def run():
    """Run a cell as a notebook does; return the arguments of its %pip."""

    def run_cell(source, installs=lambda: None):
        shell, pip = InteractiveShell(), []

        def magic(line):
            pip.append(line)
            if line.startswith("install"):
                installs()

        shell.register_magic_function(magic, "line", "pip")
        shell.run_cell(source).raise_error()
        return pip

    return run_cell


def test_elsewhere_the_first_cell_does_nothing(setup_cell, run, capsys):
    assert run(setup_cell) == []
    assert capsys.readouterr().out == ""


def test_on_colab_it_says_what_the_machine_has_and_mounts_nothing(setup_cell, run, on_colab, capsys):
    assert run(setup_cell) == []  # segcourse is there already
    said = capsys.readouterr().out
    assert "GPU: " in said
    assert "colab.keep(" in said
    assert on_colab == []


def test_on_a_fresh_machine_it_installs_the_wheel_that_was_uploaded(
    setup_cell, run, on_colab, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "segcourse.course", None)  # an import fails, as if it were missing
    freeze, install = run(setup_cell, installs=monkeypatch.undo)
    assert freeze == "list --format=freeze > installed.txt"
    assert install == "install --quiet --constraint installed.txt segcourse-*.whl onnx"


def test_the_first_cell_is_not_flagged_as_unusual(setup_cell):
    assert unusual_code(setup_cell) == {}


def test_work_is_kept_in_the_drive_on_request(on_colab, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "notes.txt").write_text("mine")
    folder = colab.keep("run", "notes.txt")
    assert folder == tmp_path / "drive" / "MyDrive" / "segcourse"
    assert json.loads((folder / "05_losses_metrics.ipynb").read_text()) == PAGE
    assert (folder / "run" / "model.safetensors").read_bytes() == b"weights"
    assert (folder / "notes.txt").read_text() == "mine"
    assert "05_losses_metrics.ipynb, run, notes.txt" in capsys.readouterr().out


def test_what_was_kept_before_is_not_lost(on_colab, tmp_path):
    (tmp_path / "notes.txt").write_text("first")
    folder = colab.keep("notes.txt")
    colab.keep("notes.txt")
    assert {path.name for path in folder.iterdir()} == {"05_losses_metrics.ipynb", "notes.txt"}
    (tmp_path / "notes.txt").write_text("second")
    colab.keep("notes.txt")
    assert (folder / "notes.txt.bak").read_text() == "first"
    assert (folder / "notes.txt").read_text() == "second"


def test_a_misspelt_name_is_told_before_anything_is_mounted(on_colab):
    with pytest.raises(LessonError, match=r"modle\.pt does not exist, so nothing was copied"):
        colab.keep("modle.pt")
    assert on_colab == []


def test_elsewhere_nothing_is_kept():
    with pytest.raises(LessonError, match="on Google Colab only"):
        colab.keep()


def test_a_colab_that_does_not_answer_is_explained(on_colab, monkeypatch):
    monkeypatch.setattr(sys.modules["google.colab._message"], "blocking_request", lambda *_, **__: None)
    with pytest.raises(LessonError, match=r"File > Download > Download \.ipynb"):
        colab.save_notebook(colab.DRIVE / "x.ipynb")
    assert not colab.DRIVE.exists()
