"""A slider over the threshold that turns probabilities, or grey values, into a mask."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from segcourse.errors import DataError
from segcourse.palette import Palette
from segcourse.plotting.arrays import error_map, outline, outline_layer, small_enough
from segcourse.plotting.formats import as_images, as_masks, to_array
from segcourse.plotting.results import Case, number, score
from segcourse.widgets.frames import Column, Frames
from segcourse.widgets.masks import legend_html


class ThresholdExplorer(Frames):
    """What `threshold_explorer` returns.

    Attributes:
        thresholds: where the slider can stand.
        dice, iou: the scores at each threshold; empty without a true mask.
    """

    def __init__(
        self,
        image: Any,
        values: Any,
        true_mask: Any,
        threshold: float | None,
        below: bool,
        palette: Palette | None,
        title: str,
    ):
        (picture,) = as_images(image)
        values = _checked(values, picture.shape[:2])
        truth = None if true_mask is None else as_masks(true_mask, [values.shape], "true mask")[0]
        palette = palette or Palette.default(("background", "foreground"))
        grey = values.max() > 1
        step = 5 if grey else 0.02
        self.thresholds = [round(i * step, 2) for i in range(int((255 if grey else 1) / step) + 1)]
        threshold = threshold if threshold is not None else 128 if grey else 0.5
        start = int(np.argmin(np.abs(np.array(self.thresholds) - threshold)))

        side = "below" if below else "above"
        masks = [(values < t if below else values > t).astype(np.uint8) for t in self.thresholds]
        captions = [
            f"{palette.names[1]} where the value is {side} {t:g}: {mask.mean():.1%} of the pixels"
            for t, mask in zip(self.thresholds, masks, strict=True)
        ]
        shown = small_enough(picture)
        fixed = shown if truth is None else outline(shown, small_enough(truth), palette)
        if grey:
            drawn = values.astype(np.uint8)[..., None].repeat(3, axis=-1)
        else:
            drawn = cv2.applyColorMap((255 * values).astype(np.uint8), cv2.COLORMAP_VIRIDIS)[..., ::-1]
        columns = [
            Column(title if truth is None else f"{title}, truth", [fixed]),
            Column("grey value" if grey else "probability", [small_enough(drawn)]),
            Column("prediction", [shown], [[outline_layer(small_enough(m), palette)] for m in masks]),
        ]
        scores = [] if truth is None else [score(mask, truth, num_classes=2) for mask in masks]
        self.dice, self.iou = ([one[name] for one in scores] for name in ("dice", "iou"))
        if truth is not None:
            captions = [
                f"{caption}. Dice {number(one['dice'])} · IoU {number(one['iou'])}"
                for caption, one in zip(captions, scores, strict=True)
            ]
            errors = [[small_enough(error_map(truth, mask))] for mask in masks]
            columns.append(Column("right and wrong", (), errors))
        columns.append(histogram(values, self.thresholds, grey))
        case = Case(title, picture, truth, masks[start], scores[start] if scores else None)
        labels = [f"{t:g}" for t in self.thresholds]
        legend = legend_html([case], palette)
        super().__init__(columns, captions, labels, name="threshold", start=start, foot=legend)


def histogram(values: np.ndarray, thresholds: Sequence[float], grey: bool) -> Column:
    """Return the histogram of the values: square roots of the counts in 51 bins, and a line per threshold."""
    most = 255 if grey else 1
    counts, _ = np.histogram(values, bins=_BINS, range=(0, most))
    height = np.sqrt(counts / counts.max())  # rare values stay visible beside a large background
    bars = np.full((_HEIGHT, 4 * _BINS, 3), 255, np.uint8)
    for i, share in enumerate(height):
        bars[_HEIGHT - int(np.ceil(share * (_HEIGHT - 10))) :, 4 * i : 4 * i + 3] = (110, 110, 110)
    lines = []
    for threshold in thresholds:
        line = np.zeros((*bars.shape[:2], 4), np.uint8)
        x = min(round(threshold / most * bars.shape[1]), bars.shape[1] - 2)
        line[:, x : x + 2] = (213, 94, 0, 255)
        lines.append([line])
    return Column("histogram", [bars], lines)


_BINS, _HEIGHT = 51, 150


def _checked(values: Any, size: tuple[int, ...]) -> np.ndarray:
    values = to_array(values)
    if values.shape in ((1, *size), (*size, 1)):
        values = values.reshape(size)
    if values.shape != tuple(size):
        raise DataError(
            f"the image is {size[0]}×{size[1]} and the values to threshold are "
            f"{'×'.join(map(str, values.shape))}; one value per pixel was expected."
        )
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 255:
        raise DataError("thresholds are for probabilities in [0, 1] or grey values in 0 … 255, without NaN.")
    return values


def threshold_explorer(
    image: Any,
    values: Any,
    true_mask: Any = None,
    *,
    threshold: float | None = None,
    below: bool = False,
    palette: Palette | None = None,
    title: str = "image",
) -> ThresholdExplorer:
    """Show a slider over the threshold with the mask, its errors, Dice, IoU and a histogram of the values.

    The bars of the histogram are square roots of counts, so that rare values stay visible.

    Args:
        image: the image under the outline, in any format of `segcourse.plotting.formats`.
        values: what is compared with the threshold, H×W: probabilities in [0, 1] or grey values in 0 … 255.
        true_mask: 0/1 or 0/255, H×W; without it there are no scores.
        threshold: where the slider starts. Default: 0.5, or 128 for grey values.
        below: foreground is what lies below the threshold (a dark lesion on bright skin).
        palette: names and colours of background and foreground.
        title: the line above the image.

    Raises:
        DataError: sizes differ, or values are outside both ranges.
    """
    explorer = ThresholdExplorer(image, values, true_mask, threshold, below, palette, title)
    explorer.show()
    return explorer
