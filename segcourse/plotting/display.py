"""Showing a thing in a notebook exactly once, with text for whoever cannot see it."""

import io
import sys
from collections.abc import Callable

from matplotlib.figure import Figure

from segcourse.errors import DataError
from segcourse.plotting.arrays import img_tag

PIXELS_PER_INCH = 100  # of a notebook's page; the PNG holds half as many again, for sharp text


def show_once(thing, bundle: Callable[[], dict]) -> None:
    """Display `bundle()` (MIME type -> data) now, and not again when `thing` is the value of the same cell.

    So a function can show its picture from inside a loop and also return it. In a later cell, naming `thing`
    shows it again. Outside IPython nothing is shown.
    """
    shown_in = None

    def display() -> None:
        nonlocal shown_in
        # A process that never imported IPython is no notebook, and is spared the import.
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        if shell is None or shown_in == shell.execution_count:
            return
        shown_in = shell.execution_count
        sys.modules["IPython"].display.display(bundle(), raw=True)

    thing._ipython_display_ = display  # IPython asks for this before any other way of showing an object
    display()


def show(figure: Figure, alt: str) -> Figure:
    """Give a figure its description, show it in a notebook (once), release it from pyplot, and return it.

    Raises:
        DataError: the description is empty.
    """
    if not alt.strip():
        raise DataError("a picture needs a description (alt) for those who cannot see it; say what it shows.")
    figure.alt = alt
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and hasattr(figure, "number"):
        pyplot.close(figure)  # else the notebook would show it a second time, without its description
    show_once(figure, lambda: {"text/html": figure_html(figure), "text/plain": figure.alt})
    return figure


def figure_html(figure: Figure) -> str:
    """Return a figure that has an `.alt` as an <img> tag with its pixels inside."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=1.5 * PIXELS_PER_INCH, pil_kwargs={"compress_level": 1})
    return img_tag(data.getvalue(), figure.alt, round(figure.get_figwidth() * PIXELS_PER_INCH))
