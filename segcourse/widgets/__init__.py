"""Things to touch in a lesson, one a file: questions, sliders, played sequences.

Each is one piece of HTML that carries everything it shows. It answers without a kernel: while a cell runs,
and when a saved notebook is opened the next day. Where a page allows no scripts, a slider's picture stands
still and a question still opens.
"""

from segcourse.widgets.clicks import click_to_segment
from segcourse.widgets.field import receptive_field_explorer
from segcourse.widgets.frames import play
from segcourse.widgets.masks import mask_explorer
from segcourse.widgets.question import predict
from segcourse.widgets.threshold import threshold_explorer
from segcourse.widgets.viewer import mask_viewer

__all__ = [
    "click_to_segment",
    "mask_explorer",
    "mask_viewer",
    "play",
    "predict",
    "receptive_field_explorer",
    "threshold_explorer",
]
