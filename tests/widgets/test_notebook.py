"""In a notebook that runs by itself, nothing waits for a reader, and a page made from it says everything."""

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
nbconvert = pytest.importorskip("nbconvert")

CELLS = (
    "import numpy as np; from segcourse.widgets import *",
    "predict('Is it bright?', ['yes, very', 'no'])",
    "guess = predict('Again?', ['yes', 'no'])\nguess",
    "reveal('no', 'It is black.')",
    "threshold_explorer(np.zeros((4, 4)), np.eye(4), np.eye(4))",
    "mask_explorer(np.zeros((2, 4, 4, 3)), np.zeros((2, 4, 4)))",
)


@pytest.fixture(scope="module")
def executed():
    """Return the notebook with its outputs."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    return nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()


def test_each_widget_is_shown_once_with_html_and_text_beside_it(executed):
    for cell in executed.cells[1:]:
        (output,) = cell.outputs
        assert output.output_type == "display_data"
        assert {"text/html", "text/plain"} <= set(output.data)
    assert (
        executed.cells[3].outputs[0].data["text/plain"]
        == "You made no guess. The answer is: no. It is black."
    )


def test_a_page_without_widget_state_shows_questions_and_pictures(executed):
    executed.metadata.pop("widgets", None)
    page, _ = nbconvert.HTMLExporter().from_notebook_node(executed)
    assert "<li>yes, very</li>" in page
    assert page.count("<img alt=") == 4 + 2  # image, truth, prediction, errors; image, truth
    assert (
        'alt="foreground where the value is above 0.5: 25.0% of the pixels. Dice 1.000 · IoU 1.000."' in page
    )
