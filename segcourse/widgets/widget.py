"""What every widget shares: it is shown once, as controls where a kernel runs, else as plain HTML."""

import html

import ipywidgets
import numpy as np

from segcourse.display import show_once
from segcourse.pictures import img_tag, png

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


def panels_html(panels: list[tuple[str, np.ndarray]], alt: str, width: int = 256) -> str:
    """Return pictures side by side, each under its title; the first one's alternative text is `alt`.

    Small pictures are drawn with square pixels. PNG and HTML take 2 ms for three panels of 256 × 256.
    """
    cells = []
    for i, (title, picture) in enumerate(panels):
        image = img_tag(png(picture), alt if i == 0 else title, width)
        pixels = ";image-rendering:pixelated" if max(picture.shape) <= 64 else ""
        caption = f"<figcaption>{html.escape(title)}</figcaption>"
        cells.append(f'<figure style="margin:0 6px 6px 0{pixels}">{caption}{image}</figure>')
    return f'<div style="display:flex;flex-wrap:wrap">{"".join(cells)}</div>'
