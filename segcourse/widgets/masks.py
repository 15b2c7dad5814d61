"""Leafing through images with their masks, their predictions and where they differ."""

import ipywidgets
from matplotlib.figure import Figure

from segcourse.plotting.display import show
from segcourse.plotting.results import describe, prepare, results_figure
from segcourse.widgets.widget import WIDE, Widget, legend_html, panels_html


class MaskExplorer(Widget):
    """The widget that `mask_explorer` returns; set `.sample.value` (1 … N) and `.alpha.value` (0 … 1)."""

    def __init__(self, cases, palette):
        self.cases, self.palette = cases, palette
        layout = ipywidgets.Layout(width="min(420px, 98%)")
        options = {"style": WIDE, "layout": layout}
        self.sample = ipywidgets.IntSlider(
            1, 1, len(cases), description=f"image (of {len(cases)})", **options
        )
        self.alpha = ipywidgets.FloatSlider(0.5, min=0, max=1, step=0.05, description="colour", **options)
        self.picture = ipywidgets.HTML(self.html())
        for slider in (self.sample, self.alpha):
            slider.observe(self._redraw, "value")
        self.box = ipywidgets.VBox([self.sample, self.alpha, self.picture])

    def _redraw(self, _) -> None:
        self.picture.value = self.html()

    def text(self) -> str:
        """Return what the panels of this image show, with its scores."""
        return describe([self.cases[self.sample.value - 1]], self.palette)

    def html(self) -> str:
        """Return this image's panels."""
        case = self.cases[self.sample.value - 1]
        legend = legend_html([case], self.palette)
        return panels_html(case.panels(self.palette, self.alpha.value), self.text()) + legend

    def static(self) -> Figure:
        """Return the same panels as a Figure."""
        case = self.cases[self.sample.value - 1]
        return show(results_figure([case], self.palette, self.alpha.value), self.text())


def mask_explorer(
    images, masks=None, predictions=None, *, names=None, palette=None, titles=None, mask_values=None
) -> MaskExplorer:
    """Show a slider through images, with the panels of `show_results` for one at a time, and a slider for the
    colour.

    Arguments, formats and errors are those of `show_results`; everything is checked and scored once, at the
    start.
    """
    return MaskExplorer(*prepare(images, masks, predictions, names, palette, titles, mask_values)).show()
