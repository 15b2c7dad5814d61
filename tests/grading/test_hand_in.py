"""The rehearsal of handing in: one new kernel, points of the public checks, and the file to hand in."""

import os

import nbformat
import pytest
from grading_class import IOU_FOR_DICE, LESSON, RIGHT, as_bytes, make_lessons, notebook

from segcourse.course import lessons
from segcourse.grading import hand_in
from segcourse.grading.lesson import read_lesson
from segcourse.grading.submissions.recognise import recognise


@pytest.fixture
def course(tmp_path, monkeypatch):
    root = make_lessons(tmp_path)
    monkeypatch.setattr(lessons, "root", lambda: root)
    return read_lesson(root / LESSON / f"{LESSON}.ipynb")


@pytest.fixture
def save(course, tmp_path):
    """Save a student's notebook, and return its path."""

    def saved(made, name=f"{LESSON}.ipynb"):
        (tmp_path / "work").mkdir(exist_ok=True)
        (tmp_path / "work" / name).write_bytes(as_bytes(made))
        return tmp_path / "work" / name

    return saved


def found(findings, what):
    return next((one.state, one.says) for one in findings if one.what == what)


def forbidden(*_):
    pytest.fail("a kernel was started")


@pytest.mark.slow
def test_a_new_kernel_tells_points_and_what_only_the_old_kernel_knew(save, tmp_path, course):
    """As saved on Colab: without labels, with ids in the metadata."""
    answers = RIGHT | {"dice_score": IOU_FOR_DICE, "mean_iou": "mean_iou = helper"}
    made = notebook(answers, {"end": ["1 / 0", "open('ran', 'w').close()"]})  # `helper` was typed and deleted
    for cell in made.cells:
        cell.metadata = {"id": cell.pop("id"), "outputId": "x"}
    made.nbformat_minor = 0
    path = save(made, "Copy of lesson 5.ipynb")
    before = path.read_bytes()
    findings = hand_in.rehearse(path)
    assert found(findings, "iou_per_class") == ("ok", "2 of 2 points in the public check.")
    state, says = found(findings, "dice_score")
    assert state == "note"
    assert says.startswith("0 of 3 points in the public check; its reply")
    state, says = found(findings, "mean_iou")
    assert state == "problem"
    assert "name 'helper' is not defined" in says
    assert "“1 / 0”: ZeroDivisionError" in " ".join(one.says for one in findings if one.what == "Cell")
    assert "so your points can differ" in found(findings, "Grading")[1]
    assert (path.parent / "ran").exists()  # in the notebook's own folder
    target = path.parent / "hand-in" / f"{LESSON}.ipynb"
    assert str(target) in found(findings, "Hand in")[1]
    assert path.read_bytes() == before
    nbformat.validate(nbformat.read(target, as_version=4))
    assert not recognise(target.read_bytes(), course).repairs


@pytest.mark.slow
def test_a_cell_that_stops_the_kernel_is_named(save):
    findings = hand_in.rehearse(save(notebook(RIGHT, {"iou_per_class": ["import os\nos._exit(1)"]})))
    state, says = found(findings, "Run")
    assert state == "problem"
    assert "the cell that begins “import os” stopped the kernel" in says
    assert found(findings, "mean_iou")[0] == "problem"


def test_a_machine_without_a_kernel_is_explained(save, monkeypatch):
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    def missing(self, name):
        raise NoSuchKernel(name)

    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", missing)
    state, says = found(hand_in.rehearse(save(notebook(RIGHT))), "Run")
    assert state == "problem"
    assert "no kernel could start" in says


def test_a_folder_that_cannot_be_written_costs_only_the_copy(save):
    path = save(notebook(RIGHT), "mine.ipynb")
    (path.parent / "hand-in").write_text("a file")
    findings = hand_in.rehearse(path, run=False)
    assert found(findings, "dice_score")[0] == "ok"
    assert found(findings, "Hand in")[0] == "problem"
    assert (path.parent / "hand-in").read_text() == "a file"


def test_an_untouched_lesson_starts_no_kernel(save, monkeypatch):
    monkeypatch.setattr(hand_in, "_run", forbidden)
    findings = hand_in.rehearse(save(notebook()))
    assert found(findings, "dice_score")[1].startswith("not started")


def test_an_intact_notebook_is_itself_the_file_to_hand_in(save):
    path = save(notebook(RIGHT))
    old = path.parent / "hand-in" / path.name
    old.parent.mkdir()
    old.write_text("an earlier state")
    findings = hand_in.rehearse(path, run=False)
    assert found(findings, "Hand in") == ("ok", str(path))
    assert [one.name for one in old.parent.iterdir()] == [f"{path.name}.bak"]


def test_a_notebook_of_another_name_is_handed_in_under_the_lessons(save):
    path = save(notebook(RIGHT), "mine.ipynb")
    for _ in range(2):
        says = found(hand_in.rehearse(path, run=False), "Hand in")[1]
        assert f"hand-in/{LESSON}.ipynb; its file name" in says.replace(os.sep, "/")
    assert [one.name for one in (path.parent / "hand-in").iterdir()] == [f"{LESSON}.ipynb"]


def test_a_repaired_copy_of_before_is_kept(save):
    path = save(notebook(RIGHT), "mine.ipynb")
    hand_in.rehearse(path, run=False)
    target = path.parent / "hand-in" / f"{LESSON}.ipynb"
    before = target.read_bytes()
    save(notebook(RIGHT | {"dice_score": IOU_FOR_DICE}), "mine.ipynb")
    hand_in.rehearse(path, run=False)
    assert target.with_name(f"{target.name}.bak").read_bytes() == before
    assert target.read_bytes() != before


@pytest.mark.parametrize(
    ("history", "saved"),
    [
        ([], True),
        (["", "import torch", RIGHT["dice_score"]], True),
        ([IOU_FOR_DICE, RIGHT["dice_score"] + "\n\n"], True),
        ([RIGHT["dice_score"], IOU_FOR_DICE], False),
    ],
    ids=["nothing ran", "as saved", "repaired since", "changed since"],
)
def test_an_unsaved_answer_is_noticed(save, history, saved):
    findings = hand_in.rehearse(save(notebook(RIGHT)), run=False, history=history)
    if saved:
        assert found(findings, "dice_score")[0] == "ok"
    else:
        [finding] = findings
        assert finding.says.startswith("the saved dice_score is not the one that you ran last.")


@pytest.mark.parametrize("data", [b"", b"{", b'{"cells": []}', b"%PDF"])
def test_what_is_no_notebook_is_explained(save, data):
    path = save(notebook())
    path.write_bytes(data)
    [finding] = hand_in.rehearse(path)
    assert finding.state == "problem"


def test_the_last_cell_prints_the_findings_of_the_notebook_that_the_server_names(save, monkeypatch, capsys):
    path = save(notebook(), "renamed.ipynb")
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    hand_in.doctor(f"{LESSON}.ipynb")
    said = capsys.readouterr().out
    assert "Running renamed.ipynb in a new kernel" in said
    assert "not started" in said


def test_the_last_cell_explains_a_file_that_was_never_saved(course, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    hand_in.doctor("nowhere.ipynb")
    assert "Save the notebook" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["SEGCOURSE_REHEARSAL", "NBGRADER_EXECUTION"])
def test_a_rehearsal_starts_no_other_and_nbgrader_starts_none(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    monkeypatch.setattr(hand_in, "rehearse", forbidden)
    hand_in.doctor("any.ipynb")
