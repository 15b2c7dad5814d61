"""Things to touch in a lesson, one a file; each has a static twin for where no kernel runs."""

from segcourse.widgets.masks import mask_explorer
from segcourse.widgets.prediction import predict, reveal
from segcourse.widgets.threshold import threshold_explorer

__all__ = ["mask_explorer", "predict", "reveal", "threshold_explorer"]
