"""Figures: images with masks, predictions and errors; learning curves, bars, the ladder of methods.

Each function returns a matplotlib Figure with its alt text in `.alt`. In a notebook the function also shows
the figure once, as an <img> with that alt text. `plotting.formats` lists the formats of images and masks.
"""

from segcourse.plotting.arrays import error_map, outline, overlay
from segcourse.plotting.charts import ladder_chart, plot_history, show_bars, show_curves, show_matrix
from segcourse.plotting.display import show
from segcourse.plotting.results import show_image, show_results

__all__ = [
    "error_map",
    "ladder_chart",
    "outline",
    "overlay",
    "plot_history",
    "show",
    "show_bars",
    "show_curves",
    "show_image",
    "show_matrix",
    "show_results",
]
