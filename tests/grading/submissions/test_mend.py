"""A notebook mended for handing in: the lesson's labels, ids and order, the student's code and outputs."""

import json

import nbformat
import pytest
from grading_class import RIGHT, as_bytes, make_lessons, notebook

from segcourse.grading.lesson import read_lesson
from segcourse.grading.submissions.mend import mended

LESSON = "05_losses_metrics"


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    return read_lesson(make_lessons(tmp_path_factory.mktemp("course")) / LESSON / f"{LESSON}.ipynb")


def as_on_colab(made):
    """Save as Colab does: no labels, ids in the metadata, format 4.0, its own metadata."""
    for number, cell in enumerate(made.cells):
        cell.metadata = {
            "id": cell.pop("id"),
            "outputId": f"o{number}",
            "colab": {"base_uri": "https://localhost"},
        }
    made.metadata = {
        "colab": {"provenance": [], "toc_visible": True},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "accelerator": "GPU",
        "widgets": {"application/vnd.jupyter.widget-state+json": {}},
    }
    made.nbformat_minor = 0
    return made


def labels(made):
    return [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in made.cells]


def test_an_intact_notebook_is_not_changed(lesson):
    given = notebook(RIGHT)
    given.cells[2].outputs = [nbformat.v4.new_output("stream", text="mine")]
    made, changed = mended(nbformat.writes(given).encode(), lesson)
    assert not changed
    assert made.cells == given.cells


def test_a_notebook_from_colab_gets_its_labels_and_ids_back(lesson):
    given = as_on_colab(notebook(RIGHT, {"end": ["mine = 1"]}))
    given.cells[2].outputs = [nbformat.v4.new_output("stream", text="mine")]
    made, changed = mended(as_bytes(given), lesson)
    assert changed
    nbformat.validate(made)
    whole = notebook(RIGHT)
    assert labels(made)[: len(whole.cells)] == labels(whole)
    assert [cell.id for cell in made.cells[:-1]] == [cell.id for cell in whole.cells]
    assert [cell.source for cell in made.cells[:-1]] == [cell.source for cell in whole.cells]
    assert made.cells[2].outputs[0].text == "mine"
    assert made.cells[-1].source == "mine = 1"
    assert mended(nbformat.writes(made).encode(), lesson)[1] is False


def test_lines_for_another_editor_stay_the_students(lesson):
    given = notebook(RIGHT, {"end": ["from google.colab import drive\ndrive.mount('/content/drive')"]})
    made, changed = mended(as_bytes(given), lesson)
    assert not changed
    assert made.cells[-1].source == given.cells[-1].source


def test_a_missing_check_and_doubled_ids_are_repaired(lesson):
    given = notebook(RIGHT)
    del given.cells[3]  # the check of dice_score
    given.cells[1]["id"] = given.cells[0]["id"]
    made, changed = mended(as_bytes(given), lesson)
    assert changed
    assert labels(made) == labels(notebook(RIGHT))
    assert len({cell.id for cell in made.cells}) == len(made.cells)


def test_an_answer_in_a_text_cell_becomes_code_again(lesson):
    given = notebook(RIGHT)
    given.cells[2] = nbformat.v4.new_markdown_cell(given.cells[2].source, id="x")
    made, changed = mended(as_bytes(given), lesson)
    assert changed
    assert (made.cells[2].cell_type, labels(made)[2]) == ("code", "dice_score")


def test_a_notebook_of_format_3_is_converted(lesson):
    old = nbformat.convert(notebook(RIGHT), 3)
    made, changed = mended(json.dumps(old).encode(), lesson)
    assert changed
    assert made.nbformat == 4
    assert {"dice_score", "check_dice_score"} <= set(labels(made))
