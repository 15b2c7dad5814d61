"""Things to touch in a lesson, one a file: questions, sliders, played sequences.

Each is one piece of HTML that carries everything it shows. It answers without a kernel: while a cell runs,
and when a saved notebook is opened the next day. Where a page allows no scripts, a slider's picture stands
still and a question still opens.
"""

from segcourse.widgets.clicks import click_to_segment
from segcourse.widgets.field import receptive_field_explorer
from segcourse.widgets.frames import play
from segcourse.widgets.labels import label_with_clicks
from segcourse.widgets.masks import mask_explorer
from segcourse.widgets.question import predict
from segcourse.widgets.scores import metric_explorer
from segcourse.widgets.skips import skip_viewer
from segcourse.widgets.threshold import threshold_explorer
from segcourse.widgets.viewer import mask_viewer

__all__ = [
    "click_to_segment",
    "label_with_clicks",
    "mask_explorer",
    "mask_viewer",
    "metric_explorer",
    "play",
    "predict",
    "receptive_field_explorer",
    "skip_viewer",
    "threshold_explorer",
]
