"""An exercise with an open end, graded in the sandbox: who scores what, what a thief finds, and the board."""

import csv

import nbformat
import pytest
from grading_class import about, as_bytes
from nbformat.v4 import new_code_cell, new_notebook
from typer.testing import CliRunner

from segcourse import cli
from segcourse.grading import grade_lesson

LESSON, NAME = "06_skin_lesion", "predict_masks"
STUB = f'def {NAME}(images):\n    raise NotImplementedError("Exercise 6.7")'
DARK = f"""def {NAME}(images):
    grey = images.mean(dim=1)
    return grey < grey.mean(dim=(1, 2), keepdim=True) - grey.std(dim=(1, 2), keepdim=True)"""
# looks for the true masks, and for a seed that would draw them again
THIEF = f"""def {NAME}(images):
    import gc
    from segcourse.exercises.engine.exercise import Case
    cases = [thing for thing in gc.get_objects() if isinstance(thing, Case)]
    dicts = [thing for thing in gc.get_objects() if isinstance(thing, dict)]
    orders = [one for one in dicts if "inputs" in one and "token" in one]
    truths = [case.truth for case in cases if case.truth is not None and len(case.truth) == len(images)]
    print(len(cases) > 0, len(truths), ["seed" in order for order in orders][:1])
    return truths[0] if truths else images[:, 0].long() * 0"""
WRONG = f"def {NAME}(images):\n    return images[:, 0]"


def notebook(answer: str, first: str = "") -> nbformat.NotebookNode:
    cells = [
        new_code_cell("import torch\n\nfrom segcourse import check", id="imports"),
        new_code_cell(answer, id="answer", metadata=about(NAME)),
        new_code_cell(f'check("{NAME}", {NAME})', id="check", metadata=about(f"check_{NAME}", 6)),
    ]
    cells[1:1] = [new_code_cell(first, id="first")] * bool(first)
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return new_notebook(cells=cells, metadata=metadata)


SUBMISSIONS = {
    "dark": notebook(DARK),
    "dark_too": notebook(DARK, first="print('another file')"),
    "thief": notebook(THIEF),
    "wrong": notebook(WRONG),
    "untouched": notebook(STUB),
}


def grade_class(folder):
    lesson = folder / "lessons" / LESSON
    lesson.mkdir(parents=True)
    nbformat.write(notebook(STUB), lesson / f"{LESSON}.ipynb")
    for student, made in SUBMISSIONS.items():
        place = folder / "course" / "submitted" / student / LESSON
        place.mkdir(parents=True)
        (place / f"{LESSON}.ipynb").write_bytes(as_bytes(made))
    results = grade_lesson(LESSON, folder / "course", lessons=lesson.parent).results
    return folder / "course", {result.student: result for result in results}


@pytest.fixture(scope="session")
def graded(once):
    return once(grade_class)


pytestmark = pytest.mark.sandbox


def verdict(graded, student):
    return graded[1][student].verdicts[0]


def test_masks_are_scored_and_the_reason_names_the_score(graded):
    found = verdict(graded, "dark")
    assert 0.3 < found.score < 0.7
    assert found.diagnosis.startswith(f"Your mean Dice is {found.score:.3f} on 120 lesions.")
    assert (verdict(graded, "untouched").status, verdict(graded, "untouched").score) == ("not started", None)


def test_all_students_get_the_same_lesions(graded):
    assert verdict(graded, "dark").score == verdict(graded, "dark_too").score


def test_neither_masks_nor_their_seed_are_in_the_students_process(graded):
    found = verdict(graded, "thief")
    assert found.printed == "True 0 [False]"
    assert (found.score, found.points) == (0, 0)


def test_a_wrong_type_is_explained(graded):
    found = verdict(graded, "wrong")
    assert "Your masks have the type torch.float32; class ids are asked for" in found.diagnosis
    assert (found.score, found.points) == (None, 0)


def report(graded, *options):
    done = CliRunner().invoke(cli.app, ["report", "06", "--course", str(graded[0]), *options])
    return done.exit_code, done.output


def test_the_leader_board_ranks_by_score_and_equal_scores_share_a_rank(graded):
    code, shown = report(graded, "--leaderboard")
    first, second, third, *_ = shown.splitlines()[1:]
    assert code == 0
    assert [line.split()[0] for line in (first, second, third)] == ["1", "1", "3"]
    assert first.split()[-1] == "dark"
    assert third.endswith("0.000  0 of 6  thief")
    assert "wrong" not in shown
    with open(graded[0] / "reports" / LESSON / "leaderboard.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["rank"], row["student"]) for row in rows] == [
        ("1", "dark"),
        ("1", "dark_too"),
        ("3", "thief"),
    ]


def test_the_leader_board_can_be_anonymous(graded):
    code, shown = report(graded, "--leaderboard", "--anonymous")
    assert code == 0
    assert shown.count("student ") == 3
    assert "dark" not in shown
    assert "thief" not in shown


def test_a_lesson_without_an_open_end_has_no_leader_board(tmp_path):
    done = CliRunner().invoke(cli.app, ["report", "05", "--course", str(tmp_path), "--leaderboard"])
    assert done.exit_code == 1
    assert "05_losses_metrics has no exercise with a score" in str(done.exception)
