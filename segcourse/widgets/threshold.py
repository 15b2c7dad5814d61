"""A slider over the threshold that turns probabilities, or a grey image, into a mask."""

import html

import ipywidgets
import numpy as np
from matplotlib.figure import Figure

from segcourse.errors import DataError
from segcourse.palette import Palette
from segcourse.plotting.arrays import as_images, as_masks, to_array
from segcourse.plotting.display import show
from segcourse.plotting.results import Case, results_figure, score
from segcourse.widgets.widget import WIDE, Widget, legend_html, panels_html, row


class ThresholdExplorer(Widget):
    """The widget that `threshold_explorer` returns; set `.slider.value` to move it."""

    def __init__(self, image, values, true_mask, threshold, below, palette, title):
        (self.image,) = as_images(image)
        size = self.image.shape[:2]
        values = to_array(values)
        if values.shape in ((1, *size), (*size, 1)):
            values = values.reshape(size)
        if values.shape != size:
            raise DataError(
                f"the image is {size[0]}×{size[1]} and the values to threshold are "
                f"{'×'.join(map(str, values.shape))}; one value a pixel was expected."
            )
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 255:
            raise DataError(
                "thresholds are for probabilities in [0, 1] or grey values in 0 … 255, without NaN."
            )
        self.values, self.below, self.title = values, below, title
        self.truth = None if true_mask is None else as_masks(true_mask, [size], "true mask")[0]
        self.palette = palette or Palette.default(("background", "foreground"))
        grey = values.max() > 1
        if threshold is None:
            threshold = 128 if grey else 0.5
        options = {
            "description": "threshold",
            "style": WIDE,
            "layout": ipywidgets.Layout(width="min(560px, 98%)"),
        }
        if grey:
            self.slider = ipywidgets.IntSlider(int(threshold), 0, 255, **options)
        else:
            self.slider = ipywidgets.FloatSlider(float(threshold), min=0, max=1, step=0.01, **options)
        # Image and truth stay as they are; only what depends on the threshold is drawn and sent again.
        fixed = Case(title, self.image, self.truth, None, None).panels(self.palette)
        self._fixed, self._known = panels_html(fixed, title), len(fixed)
        self.picture = ipywidgets.HTML(self.live())
        panels = ipywidgets.HBox(
            [ipywidgets.HTML(self._fixed), self.picture], layout=ipywidgets.Layout(flex_flow="row wrap")
        )
        self.slider.observe(self._redraw, "value")
        self.box = ipywidgets.VBox([self.slider, panels])

    def _redraw(self, _) -> None:
        self.picture.value = self.live()

    def case(self) -> Case:
        """Return the image, the truth and the mask at the slider's threshold, with their scores."""
        threshold = self.slider.value
        mask = (self.values < threshold if self.below else self.values > threshold).astype(np.uint8)
        scores = None if self.truth is None else score(mask, self.truth, num_classes=2)
        return Case(self.title, self.image, self.truth, mask, scores)

    def text(self, case: Case | None = None) -> str:
        """Return threshold, share of foreground and scores in a sentence."""
        case, sign = case or self.case(), "below" if self.below else "above"
        scores = "" if case.scores is None else f" {case.score_line(self.palette)}."
        rule = f"{self.palette.names[1]} where the value is {sign} {self.slider.value:g}"
        return f"{rule}: {case.prediction.mean():.1%} of the pixels.{scores}"

    def live(self) -> str:
        """Return prediction and errors at this threshold, the sentence, and the legend."""
        case = self.case()
        sentence, panels = self.text(case), case.panels(self.palette)[self._known :]
        status = f'<div role="status">{html.escape(sentence)}</div>'
        return f"<div>{panels_html(panels, sentence)}{status}{legend_html([case], self.palette)}</div>"

    def html(self) -> str:
        """Return all panels."""
        return row(self._fixed + self.live())

    def static(self) -> Figure:
        """Return the same panels as a Figure."""
        case = self.case()
        return show(results_figure([case], self.palette), self.text(case))


def threshold_explorer(
    image, values, true_mask=None, *, threshold=None, below=False, palette=None, title="image"
) -> ThresholdExplorer:
    """Show a slider over the threshold, and live the mask, its errors, Dice and IoU.

    Args:
        image: the image under the overlay, in any format that `segcourse.plotting.arrays` accepts.
        values: what is compared with the threshold, H×W: probabilities in [0, 1] or grey values in 0 … 255.
        true_mask: 0/1 or 0/255, H×W; without it there are no scores.
        threshold: where the slider starts; by default 0.5, or 128 for grey values.
        below: foreground is what lies below the threshold (a dark lesion on bright skin).
        palette: names and colours of background and foreground.
        title: the line above the image.

    Raises:
        DataError: sizes differ, or values outside both ranges.
    """
    return ThresholdExplorer(image, values, true_mask, threshold, below, palette, title).show()
