"""A figure is shown once, with alt text, and no figure stays open."""

import re

import matplotlib.pyplot as plt
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.figure import Figure

from segcourse.errors import DataError
from segcourse.plotting.display import figure_html, show, show_once


@pytest.fixture
def notebook():
    """Run cells in an IPython shell and return what each displayed, as MIME bundles."""
    shell = InteractiveShell.instance()

    def run(cell: str) -> list[dict]:
        with capture_output() as captured:
            shell.run_cell(cell, store_history=True).raise_error()
        return [output.data for output in captured.outputs]

    yield run
    InteractiveShell.clear_instance()


SETUP = """
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from segcourse.plotting.display import show
"""


@pytest.mark.parametrize(
    ("cell", "times"),
    [
        ("show(Figure((1, 1)), 'a square')", 1),
        ("figure = show(Figure((1, 1)), 'a square')", 1),
        ("figure = show(Figure((1, 1)), 'a square')\nfigure", 1),
        ("for _ in range(3): show(Figure((1, 1)), 'a square')", 3),
        ("figure, _ = plt.subplots(figsize=(1, 1))\nshow(figure, 'a square')", 1),
    ],
)
def test_a_cell_shows_each_figure_once(notebook, cell, times):
    notebook(SETUP)
    shown = [bundle for bundle in notebook(cell) if "text/html" in bundle]
    assert len(shown) == times
    assert all('alt="a square"' in bundle["text/html"] for bundle in shown)
    assert all(bundle["text/plain"] == "a square" for bundle in shown)


def test_a_later_cell_can_show_it_again(notebook):
    notebook(SETUP + "figure = show(Figure((1, 1)), 'a square')")
    assert len(notebook("figure")) == 1
    assert len(notebook("figure")) == 1


def test_a_shown_figure_is_closed_in_pyplot():
    figure, _ = plt.subplots()
    assert show(figure, "empty axes") is figure
    assert not plt.fignum_exists(figure.number)
    assert figure.alt == "empty axes"


def test_a_figure_without_alt_text_is_refused():
    with pytest.raises(DataError, match="alt is empty"):
        show(Figure(), "  ")


def test_the_alt_text_is_escaped_and_the_width_is_the_figures():
    tag = figure_html(show(Figure((2, 1)), 'Dice < 0.5 & "poor"'))
    assert 'alt="Dice &lt; 0.5 &amp; &quot;poor&quot;"' in tag
    assert re.search(r"width:200px;max-width:100%", tag)


def test_outside_a_notebook_nothing_is_rendered():
    class Thing:
        pass

    def bundle():
        raise AssertionError("nobody looks")

    show_once(Thing(), bundle)
