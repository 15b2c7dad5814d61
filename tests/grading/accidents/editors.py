"""Editors: each saves notebooks in its own way, and some drop metadata that they do not know."""

import copy
import json

from accident_class import CHECK_DICE, DICE, IMPORTS, IOU, accident
from grading_class import LESSON, RIGHT, STUBS, as_bytes, notebook

from segcourse.course import frame

COLAB = """from google.colab import drive, files
drive.mount('/content/drive')
%cd /content/drive/MyDrive/course
files.upload()
!ls
import torch

from segcourse import check"""


def without_labels(made):
    """Return the notebook without nbgrader's metadata, tags and cell ids."""
    made = copy.deepcopy(made)
    for cell in made.cells:
        cell.metadata = {}
        cell.pop("id")
    return made


@accident(7, repaired=["6 cell(s) had lost their nbgrader labels"])
def colab():
    """Colab's own ids, Colab's metadata, large pictures in the outputs, no language_info, format 4.0."""
    made = without_labels(notebook(RIGHT))
    for number, cell in enumerate(made.cells):
        cell.metadata = {"id": f"aB{number}", "colab": {"base_uri": "https://localhost"}}
        if cell.cell_type == "code":
            cell.metadata["outputId"] = f"cD{number}"
            picture = {"image/png": "iVBORw0KGgo=" * 5000}
            cell.outputs = [{"output_type": "display_data", "data": picture, "metadata": {}}]
    made.metadata = {"colab": {"provenance": [], "toc_visible": True}, "accelerator": "GPU"}
    made.nbformat_minor = 0
    return made


@accident(7, repaired=["6 cell(s) had lost their nbgrader labels"])
def colab_keeps_ids_in_the_metadata():
    """A lesson's first and last cells, and the ids of its cells where Colab puts them."""
    made = notebook(RIGHT)
    made.cells = frame.framed(made.cells, LESSON, frame.project())
    for number, cell in enumerate(made.cells):
        cell.metadata = {"id": cell.pop("id"), "outputId": f"cD{number}", "executionInfo": {"elapsed": 5}}
    made.metadata = {
        "colab": {"provenance": []},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
    }
    made.nbformat_minor = 0
    return made


@accident(
    7,
    repaired=[
        "lines that only work in another editor or on a GPU were removed from the cell that begins "
        "“from google.colab import drive, files”: "
        "from google.colab import drive, files; drive.mount('/content/drive'); files.upload()"
    ],
)
def colab_lines():
    """Drive is mounted above the imports. Without a repair, the cell would stop before them."""
    made = notebook(RIGHT)
    made.cells[IMPORTS].source = COLAB
    return made


@accident(
    7,
    repaired=["from google.colab.patches import cv2_imshow"],
    stopped=["NameError: name 'cv2_imshow' is not defined"],
)
def colab_pictures():
    """Colab's function that shows pictures exists only there; only the cell that calls it fails."""
    return notebook(RIGHT, {"end": ["from google.colab.patches import cv2_imshow", "cv2_imshow(1)"]})


@accident(7)
def vs_code():
    """VS Code drops the cells' ids, adds the language and writes format 4.2; nbgrader's labels stay."""
    made = notebook(RIGHT)
    for cell in made.cells:
        cell.pop("id")
        cell.metadata |= {"vscode": {"languageId": "python"}, "language": "python"}
    made.nbformat_minor = 2
    made.metadata = {"language_info": {"name": "python"}, "orig_nbformat": 4}
    return made


@accident(7, repaired=["6 cell(s) had lost their nbgrader labels"])
def pasted_into_a_new_notebook():
    """Everything was copied into a fresh notebook, cell by cell."""
    return without_labels(notebook(RIGHT))


@accident(7)
def ids_twice():
    """An editor gave copied cells the id of the cell they were copied from."""
    made = notebook(RIGHT, {"iou_per_class": ["helper = 1"], "end": ["helper = 2"]})
    for cell in made.cells:
        cell.id = "same"
    return made


@accident(7)
def number_as_text():
    """A program wrote the format's number in quotation marks."""
    return json.dumps(notebook(RIGHT) | {"nbformat": "4", "nbformat_minor": "5"}).encode()


@accident(7)
def lines_as_lists():
    """A cell is a list of lines, as most editors store it; in the other tests it is one string."""
    made = json.loads(as_bytes(notebook(RIGHT)))
    for cell in made["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
    return json.dumps(made).encode()


@accident(7)
def format_4_0():
    """An early version of format 4, in which cells have no ids."""
    made = notebook(RIGHT)
    for cell in made.cells:
        cell.pop("id")
    made.nbformat_minor = 0
    return made


@accident(7, repaired=["the notebook was in format 3", "6 cell(s) had lost their nbgrader labels"])
def format_3():
    """An old IPython: worksheets, inputs, headings as cells of their own, and no labels."""
    code = {"cell_type": "code", "language": "python", "outputs": [], "metadata": {}, "collapsed": False}
    cells = [{"cell_type": "heading", "level": 1, "source": ["Scores"], "metadata": {}}]
    for cell in notebook(RIGHT).cells[IMPORTS:]:
        cells.append(code | {"input": cell.source.splitlines(keepends=True)})
    sheets = [{"cells": cells, "metadata": {}}]
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": sheets}
    return json.dumps(old).encode()


@accident(7)
def widgets_and_comments():
    """Live collaboration and widgets store their state in the notebook's metadata."""
    made = notebook(RIGHT)
    made.metadata["widgets"] = {
        "application/vnd.jupyter.widget-state+json": {"state": {"a": {"x": "y" * 9999}}}
    }
    made.cells[DICE].metadata |= {"trusted": True, "comments": [{"text": "why?"}], "execution": {}}
    return made


@accident(7, repaired=["the cell of dice_score had been turned into text and was run as code"])
def turned_into_markdown():
    """The keys Esc and M, pressed by mistake, turned the answer's cell into Markdown."""
    made = notebook(RIGHT)
    made.cells[DICE].cell_type = "markdown"
    return made


@accident(
    7,
    repaired=[
        "the cell that begins “import torch” had been turned into text",
        "the cell of iou_per_class had been",
    ],
)
def turned_into_raw():
    """The keys Esc and R turned the imports and an answer into raw cells."""
    made = notebook(RIGHT)
    for index in (IMPORTS, IOU):
        made.cells[index].cell_type = "raw"
    return made


@accident(4, repaired=["the check of dice_score was missing and was restored"])
def explained_in_words():
    """Markdown that mentions `def dice_score` is not an answer; the stub is untouched."""
    made = notebook(RIGHT | {"dice_score": STUBS["dice_score"]})
    made.cells[CHECK_DICE].cell_type = "markdown"
    made.cells[CHECK_DICE].source = "I would write\n```python\ndef dice_score(p, t):\n    ...\n```\nbut how?"
    return made


@accident(7, repaired=["removed from the cell that begins “%matplotlib widget”: %matplotlib widget"])
def matplotlib_widget():
    """A Matplotlib backend for interactive plots, above the imports."""
    made = notebook(RIGHT)
    made.cells[IMPORTS].source = "%matplotlib widget\nimport torch\n\nfrom segcourse import check"
    return made
