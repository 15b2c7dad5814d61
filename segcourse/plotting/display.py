"""Show an object in a notebook exactly once, with alt text for people who can't see it."""

import io
import sys
from collections.abc import Callable
from typing import Any, cast

from matplotlib.figure import Figure

from segcourse.errors import DataError
from segcourse.plotting.arrays import img_tag

PIXELS_PER_INCH = 100  # CSS pixels; the PNG has 1.5 times as many, for sharp text


class FigureWithAlt(Figure):
    """A matplotlib Figure with alt text; `show` gives any Figure this attribute."""

    alt: str


def show_once(thing: Any, bundle: Callable[[], dict[str, str]]) -> None:
    """Display `bundle()` now, and not again if `thing` is the last value of the same cell.

    A function can therefore show a figure inside a loop and also return it. A later cell that ends with
    `thing` shows it again. Outside IPython nothing is shown.

    Args:
        thing: the object; it gets the method `_ipython_display_`.
        bundle: returns {MIME type: data}.
    """
    shown_in = None

    def display() -> None:
        nonlocal shown_in
        # A process that has not imported IPython is not a notebook; importing it here would take time.
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        if shell is None or shown_in == shell.execution_count:
            return
        shown_in = shell.execution_count
        sys.modules["IPython"].display.display(bundle(), raw=True)

    thing._ipython_display_ = display  # IPython tries this method first
    display()


def show(figure: Figure, alt: str) -> FigureWithAlt:
    """Set a figure's alt text, show the figure once in a notebook, and return it.

    Raises:
        DataError: the alt text is empty.
    """
    if not alt.strip():
        raise DataError("alt is empty; describe the figure for people who can't see it.")
    described = cast(FigureWithAlt, figure)
    described.alt = alt
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and hasattr(figure, "number"):
        pyplot.close(figure)  # otherwise the notebook shows the figure again, without alt text
    show_once(described, lambda: {"text/html": figure_html(described), "text/plain": described.alt})
    return described


def figure_html(figure: FigureWithAlt) -> str:
    """Return a figure with `.alt` as an <img> tag with embedded PNG data."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=1.5 * PIXELS_PER_INCH, pil_kwargs={"compress_level": 1})
    return img_tag(data.getvalue(), figure.alt, round(figure.get_figwidth() * PIXELS_PER_INCH))
