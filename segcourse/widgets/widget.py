"""What every widget shares: it is shown once, as controls where a kernel runs, else as plain HTML."""

import html
from collections.abc import Sequence

import ipywidgets
import numpy as np

from segcourse.palette import Palette
from segcourse.plotting.arrays import img_tag, png
from segcourse.plotting.display import show_once
from segcourse.plotting.results import Case, legend_entries

WIDE = {"description_width": "initial"}  # labels are never cut off


class Widget:
    """A box of controls, and `html()` and `text()` that say the same without a kernel."""

    box: ipywidgets.Widget

    def html(self) -> str:
        """Return what is to be seen now as HTML that needs no kernel."""
        raise NotImplementedError

    def text(self) -> str:
        """Return what is to be seen now in words."""
        raise NotImplementedError

    def show(self):
        """Show the widget in a notebook, once, and return it."""
        show_once(self, self.bundle)
        return self

    def bundle(self) -> dict:
        """Return the MIME bundle: a front end takes the controls if it can, else the HTML, else the text."""
        return {**self.box._repr_mimebundle_(), "text/html": self.html(), "text/plain": self.text()}


def panels_html(panels: list[tuple[str, np.ndarray]], alt: str, width: int = 205) -> str:
    """Return pictures side by side, each under its title; the first one's alternative text is `alt`.

    Small pictures keep their square pixels.
    """
    cells = []
    for i, (title, picture) in enumerate(panels):
        image = img_tag(png(picture), alt if i == 0 else title, width)
        pixels = ";image-rendering:pixelated" if max(picture.shape) <= 64 else ""
        caption = f"<figcaption>{html.escape(title)}</figcaption>"
        cells.append(f'<figure style="margin:0 6px 6px 0{pixels}">{caption}{image}</figure>')
    return row("".join(cells))


def legend_html(cases: Sequence[Case], palette: Palette) -> str:
    """Return a swatch and a name for each colour in the cases' panels."""
    box = (
        "display:inline-block;width:1em;height:0.8em;margin:0 0.4em 0 0;border:1px solid #777;background:rgb"
    )
    entries = [(html.escape(name), rgb) for name, rgb in legend_entries(cases, palette)]
    return row(
        "".join(
            f'<span style="margin-right:1em"><i style="{box}{rgb}"></i>{name}</span>' for name, rgb in entries
        )
    )


def row(content: str) -> str:
    """Return HTML whose parts stand side by side, and below one another where there is no room."""
    return f'<div style="display:flex;flex-wrap:wrap">{content}</div>'
