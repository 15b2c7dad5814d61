"""Figures of images with masks, predictions, error maps and scores."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from segcourse.errors import DataError
from segcourse.metrics import Scores
from segcourse.palette import IGNORE, Palette
from segcourse.plotting.arrays import ERROR_COLOURS, background_class, error_map, outline, overlay
from segcourse.plotting.display import FigureWithAlt, show
from segcourse.plotting.formats import as_images, as_masks
from segcourse.plotting.legend import Entry

MIN_ZOOM = 24  # pixels: closer, a picture shows squares only


class Case(NamedTuple):
    """One image ready to plot: uint8 H×W×3, class ids H×W or None, and {"dice", "iou"} or None."""

    title: str
    image: np.ndarray
    truth: np.ndarray | None
    prediction: np.ndarray | None
    scores: dict | None

    def panels(self, palette: Palette, alpha: float | None = None) -> list[tuple[str, np.ndarray]]:
        """Return the panels with titles: image, ground truth, prediction and error map."""
        background = background_class(palette)

        def marked(mask: np.ndarray) -> np.ndarray:
            if alpha is None and len(palette.names) == 2:
                return outline(self.image, mask, palette, background)
            return overlay(self.image, mask, palette, 0.5 if alpha is None else alpha, background)

        panels = [(self.title, self.image)]
        if self.truth is not None:
            panels.append(("truth", marked(self.truth)))
        if self.prediction is not None:
            panels.append(("prediction", marked(self.prediction)))
        if self.scores is not None:
            panels.append((self.score_line(palette), error_map(self.truth, self.prediction, background)))
        return panels

    def zoomed(self) -> "Case":
        """Return the part of the case around its masks' foreground; the scores stay those of the image."""
        height, width = self.image.shape[:2]
        found = np.zeros((height, width), dtype=bool)
        for mask in (self.truth, self.prediction):
            found |= False if mask is None else (mask != 0) & (mask != IGNORE)
        if not found.any():
            return self
        rows, columns = np.nonzero(found)
        side = int(max(np.ptp(rows), np.ptp(columns))) + 1
        side = min(height, width, max(MIN_ZOOM, side + 2 * (side // 4)))
        top, left = (
            int(np.clip((axis.min() + axis.max() + 1 - side) // 2, 0, length - side))
            for axis, length in ((rows, height), (columns, width))
        )

        def part(array: np.ndarray) -> np.ndarray:
            return array[top : top + side, left : left + side]

        return self._replace(
            image=part(self.image),
            truth=None if self.truth is None else part(self.truth),
            prediction=None if self.prediction is None else part(self.prediction),
        )

    def score_line(self, palette: Palette) -> str:
        """Return the scores as text: of the foreground for two classes, else the mean over classes."""
        assert self.scores is not None  # only cases with both masks have scores
        mean = "" if len(palette.names) == 2 else "mean "
        return f"{mean}Dice {number(self.scores['dice'])} · {mean}IoU {number(self.scores['iou'])}"


def number(value: float) -> str:
    """Format a score with two decimals, and NaN (two empty masks) as a dash."""
    return "–" if math.isnan(value) else f"{value:.2f}"


def score(prediction: np.ndarray, truth: np.ndarray, num_classes: int) -> dict:
    """Return {"name", "dice", "iou"} of one image: of the foreground for two classes, else class means."""
    scores = Scores(num_classes)
    scores.update(prediction[None], truth[None])
    return scores.per_image[0]


def prepare(
    image: Any,
    true_mask: Any = None,
    pred_mask: Any = None,
    names: Sequence[str] | None = None,
    palette: Palette | None = None,
    titles: Sequence[str] | None = None,
    mask_values: Sequence[int] | None = None,
) -> tuple[list[Case], Palette]:
    """Convert images, masks and predictions to scored cases; arguments as in `show_results`."""
    images = as_images(image)
    sizes = [one.shape[:2] for one in images]
    known = palette or (Palette.default(names) if names is not None else None)
    count = len(known.names) if known else 2
    none = [None] * len(images)
    truths = none if true_mask is None else as_masks(true_mask, sizes, "true mask", mask_values, count)
    guesses = (
        none
        if pred_mask is None
        else as_masks(pred_mask, sizes, "prediction", mask_values, count, scores=True)
    )
    if known is None:
        labels = [mask[mask != IGNORE] for mask in (*truths, *guesses) if mask is not None]
        top = max((int(mask.max()) for mask in labels if mask.size), default=0)
        known = Palette.default(("background", "foreground") if top < 2 else top + 1)
    titles = list(titles) if titles is not None else [f"image {i}" for i in range(1, len(images) + 1)]
    if len(titles) != len(images):
        raise DataError(
            f"{len(images)} image(s) and {len(titles)} title(s) were given; give one title per image."
        )
    cases = []
    for title, picture, truth, guess in zip(titles, images, truths, guesses, strict=True):
        scores = None
        if truth is not None and guess is not None:
            scores = score(guess, truth, len(known.names))
        cases.append(Case(str(title), picture, truth, guess, scores))
    return cases, known


def show_results(
    image: Any,
    true_mask: Any = None,
    pred_mask: Any = None,
    *,
    names: Sequence[str] | None = None,
    palette: Palette | None = None,
    titles: Sequence[str] | None = None,
    mask_values: Sequence[int] | None = None,
    alpha: float | None = None,
    zoom: bool = False,
    max_images: int = 8,
    figsize: tuple[float, float] | None = None,
    alt: str | None = None,
) -> FigureWithAlt:
    """Show images, ground truth, predictions and error maps, with Dice and IoU per image.

    The scores are those of the foreground for two classes, else means over the classes that occur. A dash
    stands for the score of two empty masks, 0/0.

    Args:
        image, true_mask, pred_mask: one, a batch or a list; `segcourse.plotting.formats` lists the formats.
        names: class names for the legend, with the colours of the default palette.
        palette: class names and colours. Default: two classes, or the number of classes in the masks.
        titles: one title per image. Default: "image 1", "image 2", …
        mask_values: the value of each class in the masks, such as (0, 255). Default: the class ids.
        alpha: opacity of the class colours, 0 to 1. Default: outlines for two classes, else 0.5.
        zoom: show the part around the foreground only, which makes small objects visible.
        max_images: maximum number of rows; the alt text states how many images are not shown.
        figsize: width and height in inches. Default: the size that the images need.
        alt: the alt text. Default: the scores in words.

    Raises:
        DataError: a format is ambiguous, sizes differ, or a class id is outside the palette.
    """
    cases, palette = prepare(image, true_mask, pred_mask, names, palette, titles, mask_values)
    shown = [case.zoomed() if zoom else case for case in cases[:max_images]]
    left_out = f" {len(cases) - len(shown)} more not shown." if len(cases) > len(shown) else ""
    return show(results_figure(shown, palette, alpha, figsize), alt or describe(shown, palette) + left_out)


def describe(cases: Sequence[Case], palette: Palette) -> str:
    """Return the alt text of a results figure: what its panels show, and the scores."""
    parts = ["the image"]
    parts += ["its true mask"] if cases[0].truth is not None else []
    parts += ["its predicted mask"] if cases[0].prediction is not None else []
    parts += ["a map of right and wrong pixels"] if cases[0].scores is not None else []
    rows = [case.title + (f": {case.score_line(palette)}" if case.scores else "") for case in cases]
    return f"{', '.join(parts).capitalize()}, for {len(cases)} image(s). {'; '.join(rows)}."


def results_figure(
    cases: Sequence[Case],
    palette: Palette,
    alpha: float | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Lay out one row of panels per case (only images: four per row) above a legend, without showing it."""
    rows = [case.panels(palette, alpha) for case in cases]
    if len(rows[0]) == 1:
        flat = [panel for row in rows for panel in row]
        rows = [flat[i : i + 4] for i in range(0, len(flat), 4)]
    columns = max(map(len, rows))
    side, title_height, gap = (2.4 if columns > 1 else 4.0), 0.27, 0.07  # inches
    heights = [side * min(2.0, max(p.shape[0] / p.shape[1] for _, p in row)) for row in rows]
    width = columns * (side + gap) + gap
    legend, legend_rows = _legend(cases, palette, width)
    bottom = 0.08 + 0.22 * legend_rows
    height = sum(heights) + title_height * len(rows) + gap * (len(rows) - 1) + bottom
    figure = Figure(figsize=figsize or (width, height))
    # All panels share one set of axes, in inches: separate axes take twice as long (8 × 4 panels).
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    top = height
    for row, row_height in zip(rows, heights, strict=True):
        bottom_edge = top - title_height - row_height
        for column, (title, picture) in enumerate(row):
            left = gap + column * (side + gap)
            tall = side * picture.shape[0] / picture.shape[1]
            wide = side * min(1, row_height / tall)
            left, tall = left + (side - wide) / 2, min(tall, row_height)
            smooth = "nearest" if max(picture.shape) <= 64 else "antialiased"
            extent = (left, left + wide, bottom_edge, bottom_edge + tall)
            axes.imshow(picture, extent=extent, interpolation=smooth, aspect="auto")
            axes.add_patch(
                Rectangle((left, bottom_edge), wide, tall, fill=False, edgecolor="0.6", linewidth=0.6)
            )
            fits = int(side * 14)  # characters at 9 points
            title = title if len(title) <= fits else title[: fits - 1] + "…"
            axes.text(left + wide / 2, bottom_edge + tall + 0.06, title, ha="center", va="bottom", fontsize=9)
        top = bottom_edge - gap
    axes.set(xlim=(0, width), ylim=(0, height))  # imshow changes the limits
    if legend:
        figure.legend(
            handles=legend,
            loc="lower center",
            ncols=-(-len(legend) // legend_rows),
            fontsize=9,
            frameon=False,
            borderpad=0.1,
            handlelength=1.2,
            columnspacing=1.4,
        )
    return figure


def class_entries(cases: Sequence[Case], palette: Palette) -> list[Entry]:
    """Return name and colour of each class that occurs, the background left out."""
    masks = [mask for case in cases for mask in (case.truth, case.prediction) if mask is not None]
    present = {int(i) for mask in masks for i in np.unique(mask)} - {background_class(palette), IGNORE}
    return [(palette.names[i], palette.colours[i]) for i in sorted(present)]


def outcome_entries(cases: Sequence[Case], palette: Palette) -> list[Entry]:
    """Return name and colour of each outcome in the error maps; none without error maps."""
    if not any(case.scores for case in cases):
        return []
    binary = ["true positive", "false positive", "false negative"]
    names = binary if background_class(palette) == 0 else ["right"]
    names += ["wrong class"] if len(palette.names) > 2 else []
    names += ["ignored"] if any(np.any(case.truth == IGNORE) for case in cases) else []
    colours = ERROR_COLOURS | {"right": ERROR_COLOURS["true negative"]}
    return [(name, colours[name]) for name in names]


def _legend(cases: Sequence[Case], palette: Palette, width: float) -> tuple[list[Patch], int]:
    """Return one patch per legend entry, and the number of lines that the legend needs."""
    outcomes = outcome_entries(cases, palette)
    if len(palette.names) > 2:  # then a class and an outcome may share a colour
        outcomes = [(f"map of errors: {name}", rgb) for name, rgb in outcomes]
    entries = class_entries(cases, palette) + outcomes
    patches = [Patch(fc=np.array(rgb) / 255, ec="0.4", linewidth=0.6, label=name) for name, rgb in entries]
    length = max((len(name) for name, _ in entries), default=0) * 0.075 + 0.42  # inches; equal columns
    return patches, -(-len(patches) // max(1, int(width / length)))


def show_image(image: Any, title: str | Sequence[str] = "", *, alt: str) -> FigureWithAlt:
    """Show one image, a batch or a list of images.

    Args:
        image: in any format of `segcourse.plotting.formats`.
        title: one title for all images, or one title per image.
        alt: the alt text: what the images show, in words.

    Raises:
        DataError: the format is not supported, the numbers of images and titles differ, or `alt` is empty.
    """
    images = as_images(image)
    titles = [title] * len(images) if isinstance(title, str) else list(title)
    if len(titles) != len(images):
        raise DataError(f"{len(images)} image(s) and {len(titles)} title(s) were given; give one per image.")
    cases = [Case(one, picture, None, None, None) for one, picture in zip(titles, images, strict=True)]
    return show(results_figure(cases, Palette.default(2)), alt)
