"""In a notebook: each widget is shown once, carries all that it shows, and keeps an answer folded."""

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

CELLS = (
    "import numpy as np; from segcourse.widgets import *; from segcourse.plotting import show_bars",
    "with predict('Is it bright?', ['yes, very', 'no']) as reveal:\n"
    "    print('secret'); show_bars({'bright': 0.1})\n    reveal('no')",
    "widget = threshold_explorer(np.zeros((4, 4)), np.eye(4), np.eye(4))\nwidget",
    "mask_explorer(np.zeros((2, 4, 4, 3)), np.zeros((2, 4, 4)))",
    "with predict('?', ['a', 'b']) as reveal:\n    print('so far'); 1 / 0",
)


@pytest.fixture(scope="module")
def executed():
    """Return the notebook with its outputs."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True)
    return client.execute()


def test_each_widget_is_shown_once_as_html_with_text_beside_it(executed):
    for cell in executed.cells[1:4]:
        (output,) = cell.outputs
        assert output.output_type == "display_data"
        assert set(output.data) == {"text/html", "text/plain"}


def test_what_the_block_shows_is_folded_away_with_the_answer(executed):
    page = executed.cells[1].outputs[0].data["text/html"]
    folded = page[page.index("data-seen") :]
    assert ">secret</pre>" in folded
    assert 'alt="Bars, value. bright: 0.1."' in folded
    assert page.count("secret") == 1
    assert "secret" not in executed.cells[1].outputs[0].data["text/plain"]


def test_an_error_in_the_block_shows_what_came_before_it(executed):
    printed, error = executed.cells[4].outputs
    assert printed.text == "so far\n"
    assert error.ename == "ZeroDivisionError"


def test_the_code_is_in_the_page_and_not_in_the_kernel(executed):
    assert "widgets" not in executed.metadata
    assert "<script" not in str(executed.cells)
