"""Which notebooks are repaired and which are refused, as editors and students save them."""

import copy
import json
import os
import re

import pytest
from accident_class import MEGABYTES, accidents
from accidents import cells, editors, files
from grading_class import IOU_FOR_DICE, LESSON, POINTS, RIGHT, STUBS, as_bytes, hand_in, notebook
from nbformat.v4 import new_code_cell

from segcourse.grading.lesson import read_lesson
from segcourse.grading.notebooks import Refused
from segcourse.grading.submissions import patterns
from segcourse.grading.submissions.find import find_notebook, lesson_folder
from segcourse.grading.submissions.read import read_notebook
from segcourse.grading.submissions.recognise import recognise


def roles(submission) -> list[str]:
    """Return the kind of each cell: "dice_score", "check dice_score", "run", "skip" or "text"."""
    short = {"exercise": "{}", "check": "check {}"}
    return [short.get(cell.role, cell.role).format(cell.exercise) for cell in submission.cells]


WHOLE = ["text", "run", *(part for name in POINTS for part in (name, f"check {name}")), "skip"]


def stripped(made):
    """Return the notebook as some editors save it: without nbgrader's metadata, tags and cell ids."""
    made = copy.deepcopy(made)
    for i, cell in enumerate(made.cells):
        cell.metadata, cell.id = {}, f"new{i}"
    return made


def test_the_lesson_names_its_exercises_and_points(lesson):
    assert lesson.points == POINTS
    assert lesson.name == LESSON


def test_a_sound_notebook_needs_no_repair(lesson):
    submission = recognise(as_bytes(notebook(RIGHT)), lesson)
    assert roles(submission) == WHOLE
    assert submission.repairs == ()
    assert not submission.untouched
    assert not submission.missing


def test_untouched_stubs_are_recognised(lesson):
    assert recognise(as_bytes(notebook()), lesson).untouched == set(POINTS)
    assert recognise(as_bytes(notebook({"mean_iou": RIGHT["mean_iou"]})), lesson).untouched == {
        "dice_score",
        "iou_per_class",
    }


def test_cells_without_labels_are_recognised_by_their_content(lesson):
    submission = recognise(as_bytes(stripped(notebook(RIGHT))), lesson)
    assert roles(submission) == WHOLE  # the demonstration is skipped too, though its tag is gone
    assert [cell.grade_id for cell in submission.cells if cell.role == "exercise"] == list(POINTS)
    assert "6 cell(s) had lost their nbgrader labels" in submission.repairs[0]


def test_the_last_of_two_answers_counts_and_its_check_follows_it(lesson):
    made = notebook(RIGHT | {"dice_score": IOU_FOR_DICE})
    made.cells.append(new_code_cell(RIGHT["dice_score"]))
    submission = recognise(as_bytes(made), lesson)
    assert roles(submission)[-2:] == ["dice_score", "check dice_score"]
    assert roles(submission).count("check dice_score") == 1
    assert "dice_score is defined 2 times; the last definition was graded" in submission.repairs
    assert "dice_score is defined after its check; the check was moved down" in submission.repairs
    assert [cell.grade_id for cell in submission.cells].count("dice_score") == 1  # two would stop nbgrader


def test_duplicated_cells_become_one(lesson):
    made = notebook(RIGHT)
    made.cells[4:4] = copy.deepcopy(made.cells[2:4])
    submission = recognise(as_bytes(made), lesson)
    assert roles(submission) == [*WHOLE[:2], "dice_score", *WHOLE[2:]]
    assert "the check of dice_score appeared 2 times and was kept once" in submission.repairs


def test_a_missing_check_is_restored_and_a_changed_one_replaced(lesson):
    made = notebook(RIGHT)
    made.cells[5].source = "pass  # no check, please"
    del made.cells[3]
    submission = recognise(as_bytes(made), lesson)
    assert roles(submission) == WHOLE
    assert submission.cells[3].source == 'check("dice_score", dice_score)'
    assert submission.cells[5].source == 'check("iou_per_class", iou_per_class)'
    assert submission.repairs == (
        "the check of dice_score was missing and was restored",
        "the check of iou_per_class had been changed and was replaced by the original",
    )


def test_a_missing_exercise_is_reported(lesson):
    made = notebook(RIGHT)
    del made.cells[2:4]
    submission = recognise(as_bytes(made), lesson)
    assert submission.missing == {"dice_score"}
    assert "the cell of dice_score is missing" in submission.repairs


def test_an_answer_in_the_checks_own_cell_is_an_answer(lesson):
    made = notebook()
    made.cells[3].source = RIGHT["dice_score"]
    submission = recognise(as_bytes(made), lesson)
    assert roles(submission)[2:5] == ["skip", "dice_score", "check dice_score"]  # the stub stays out of it
    assert submission.untouched == {"iou_per_class", "mean_iou"}


def test_importing_a_name_below_is_no_second_answer(lesson):
    made = notebook(RIGHT, {"end": ["from segcourse import dice_score\nmean_iou = mean_iou(matrix)"]})
    submission = recognise(as_bytes(made), lesson)
    assert roles(submission) == [*WHOLE, "run"]


def test_a_cell_of_further_checks_is_not_run(lesson):
    made = notebook(RIGHT, {"end": ['check("dice_score", dice_score)']})
    assert roles(recognise(as_bytes(made), lesson)) == [*WHOLE, "skip"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encodings_are_read(lesson, encoding):
    data = json.dumps(
        notebook(RIGHT | {"dice_score": "# größer\n" + RIGHT["dice_score"]}), ensure_ascii=False
    )
    submission = recognise(data.encode(encoding), lesson)
    assert submission.cells[2].source.startswith("# größer")
    assert encoding in submission.repairs[0]


def test_format_3_is_converted(lesson):
    cells = [
        {
            "cell_type": "code",
            "input": source,
            "language": "python",
            "outputs": [],
            "metadata": {},
            "collapsed": False,
        }
        for source in ["import torch", *RIGHT.values()]
    ]
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [{"cells": cells, "metadata": {}}],
    }
    submission = recognise(json.dumps(old).encode(), lesson)
    assert not submission.untouched
    assert not submission.missing
    assert "format 3" in submission.repairs[0]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"%PDF-1.7", "a PDF document"),
        (b"<!doctype html>", "a web page"),
        (b"\x89PNG\r\n", "of an unknown type"),
        (as_bytes(notebook(RIGHT))[:-40], "damaged or incomplete"),
        (b"[" * 100_000, "not a Jupyter notebook"),
        (b"[1, 2]", "no list of cells"),
        (b'{"cells": 3}', "no list of cells"),
        (b'{"cells": []}', "contains no exercise"),
        (b'{"cells": [' + b"1," * 3000 + b"1]}", "3001 cells"),
        (b"0" * 5000, "not a Jupyter notebook"),
    ],
)
def test_a_file_that_is_not_a_notebook_is_refused_in_a_sentence(lesson, data, sentence):
    with pytest.raises(Refused, match=sentence):
        recognise(data, lesson)


def test_a_file_that_is_too_big_is_refused(lesson):
    with pytest.raises(Refused, match="clear the outputs"):
        recognise(as_bytes(notebook()) + b" " * 2_000_000, lesson, max_megabytes=1)


@pytest.mark.parametrize("value", [b"{},", b"[],", b'"ab",', b"300,"])
def test_a_file_of_tiny_values_is_refused_before_it_fills_the_memory(lesson, value):
    many = as_bytes(notebook()).rstrip()[:-1] + b', "more": [' + value * 5_000_000 + b"0]}"
    with pytest.raises(Refused, match="contains millions of values; clear the outputs"):
        recognise(many, lesson)


def test_more_code_than_anyone_writes_is_refused_before_it_takes_minutes(lesson):
    made = notebook()
    made.cells += [new_code_cell("(" * 150_000) for _ in range(7)]
    with pytest.raises(Refused, match=r"code cells contain 1,05\d,\d{3} characters"):
        recognise(as_bytes(made), lesson)


def test_another_lessons_notebook_is_named(lesson, tmp_path):
    other = as_bytes(notebook(RIGHT)).replace(b"iou_per_class", b"count_parameters")
    for name in ("dice_score", "mean_iou"):
        other = other.replace(name.encode(), b"AttentionGate")
    with pytest.raises(Refused, match="this is the notebook of 03_unet, handed in as 05_losses_metrics"):
        recognise(other, lesson)


def test_broken_cells_are_skipped(lesson):
    made = json.loads(as_bytes(notebook(RIGHT)))
    made["cells"] += [None, {"cell_type": "code", "source": 5}, {"cell_type": "poem", "source": ""}]
    made["cells"].append(
        {"cell_type": "code", "source": "'\ud800'", "metadata": {"nbgrader": [], "tags": 1}, "id": 7}
    )
    submission = recognise(json.dumps(made).encode(), lesson)
    assert "3 cell(s) could not be read" in submission.repairs[0]
    assert submission.cells[-1].source == "'?'"


def test_a_renamed_notebook_is_graded_if_it_is_the_only_one(tmp_path):
    path = hand_in(tmp_path, "ada", b"x", "Copy of 05 (1).ipynb")
    data, repairs = find_notebook(path.parent, LESSON, 50)
    assert data == b"x"
    assert repairs == [f"the notebook was called Copy of 05 (1).ipynb and was graded as {LESSON}.ipynb"]
    hand_in(tmp_path, "ada", b"y", "other.ipynb")
    with pytest.raises(Refused, match="hand in one notebook"):
        find_notebook(path.parent, LESSON, 50)
    hand_in(tmp_path, "ada", b"z")
    assert find_notebook(path.parent, LESSON, 50)[0] == b"z"


def test_links_and_pipes_are_refused(tmp_path):
    victim = hand_in(tmp_path, "ada", b"answers")
    folder = tmp_path / "submitted" / "eve" / LESSON
    folder.mkdir(parents=True)
    (folder / f"{LESSON}.ipynb").symlink_to(victim)
    with pytest.raises(Refused, match="is a link"):
        find_notebook(folder, LESSON, 50)
    (folder / f"{LESSON}.ipynb").unlink()
    os.mkfifo(folder / f"{LESSON}.ipynb")
    with pytest.raises(Refused, match="not a plain file"):
        find_notebook(folder, LESSON, 50)
    (tmp_path / "submitted" / "mallory").symlink_to(tmp_path / "submitted" / "ada")
    with pytest.raises(Refused, match="not a folder"):
        find_notebook(tmp_path / "submitted" / "mallory" / LESSON, LESSON, 50)


def test_stubs_in_the_real_lessons_are_recognised_untouched():
    from segcourse.course import lessons

    paths = [path for path in lessons.notebooks() if path.stem in ("03_unet", "05_losses_metrics")]
    if not paths:
        pytest.skip("no lesson with exercises is in lessons/ yet")
    for path in paths:
        lesson = read_lesson(path)
        submission = recognise(path.read_bytes(), lesson)
        assert submission.untouched == set(lesson.points)
        assert submission.repairs == ()


def test_stubs_are_what_the_exercises_expect():
    from segcourse import exercises

    assert set(STUBS) <= set(exercises.names(LESSON))
    assert {name: exercises.get(name).points for name in POINTS} == POINTS


ACCIDENTS = accidents(files, editors, cells)


@pytest.mark.parametrize("accident", ACCIDENTS.values(), ids=ACCIDENTS)
def test_accidents_are_repaired_or_refused_before_anything_runs(lesson, tmp_path, accident):
    accident.hand_in(tmp_path)
    folder = lesson_folder(tmp_path / "submitted" / accident.name, LESSON)
    if accident.refused:
        with pytest.raises(Refused, match=re.escape(accident.refused)):
            recognise(find_notebook(folder, LESSON, MEGABYTES)[0], lesson, MEGABYTES)
        return
    data, repairs = find_notebook(folder, LESSON, MEGABYTES)
    repairs += recognise(data, lesson, MEGABYTES).repairs
    assert len(repairs) == len(accident.repaired)
    assert all(words in repair for words, repair in zip(accident.repaired, repairs, strict=True))


def test_ids_count_where_colab_puts_them():
    cell = {"cell_type": "code", "source": "", "metadata": {"id": "check-dice_score"}, "outputs": []}
    [read], _ = read_notebook(json.dumps({"cells": [cell]}).encode(), 1)
    assert read.id == "check-dice_score"


@pytest.mark.parametrize(
    "source", ['hand_in.doctor("mine.ipynb")', "from x import hand_in\n\nhand_in.doctor('y')"]
)
def test_a_rehearsal_of_handing_in_never_runs_in_grading(source):
    assert patterns.REHEARSAL.search(source)
    assert not patterns.REHEARSAL.search(f"# {source.splitlines()[-1]}")
