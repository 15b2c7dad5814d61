"""Charts: learning curves, the ladder of methods, and bars.

Every axis has a label with its unit, every spread has its number of images, and every chart has alt text in
`.alt`.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from segcourse.errors import DataError
from segcourse.plotting.display import FigureWithAlt, show
from segcourse.plotting.formats import to_array

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"  # Okabe-Ito
# Pairwise Dice of annotators of the same lesion: 2,394 lesions, 2 to 5 annotators per lesion.
PEOPLE = {"mean": 0.79, "median": 0.86, "low": 0.75, "high": 0.92}
PEOPLE_SOURCE = "IMA++, arXiv 2512.21472"


def plot_history(history: Any, *, alt: str | None = None) -> FigureWithAlt:
    """Draw the learning curves of `fit`: losses on the left, validation scores (0 to 1) on the right.

    Args:
        history: a `History`, or its rows: dicts with `epoch` and any of train_loss, val_loss, dice_per_image
            and mean_iou.
        alt: the alt text. Default: the first, last and best values in words.

    Raises:
        DataError: no epoch has finished yet.
    """
    rows = list(getattr(history, "rows", history))
    if not rows:
        raise DataError("the history is empty; call fit(...) for at least one epoch first.")
    epochs = [row.get("epoch", i) for i, row in enumerate(rows, start=1)]

    def column(key: str) -> np.ndarray:
        return np.array([math.nan if row.get(key) is None else float(row[key]) for row in rows])

    losses = [("train_loss", "training", BLUE, "-"), ("val_loss", "validation", ORANGE, "--")]
    scores = [("dice_per_image", "Dice, per image", GREEN, "-"), ("mean_iou", "mean IoU", PURPLE, "--")]
    groups = [("loss", "loss (no unit)", losses), ("validation score", "score (0 to 1)", scores)]
    groups = [(name, label, [s for s in g if np.isfinite(column(s[0])).any()]) for name, label, g in groups]
    groups = [group for group in groups if group[2]]
    if not groups:
        raise DataError(
            "the history has none of train_loss, val_loss, dice_per_image and mean_iou; nothing to draw."
        )

    figure = Figure(figsize=(4.4 * len(groups), 3.2), layout="constrained")
    sentences = []
    for axes, (name, label, series) in zip(
        figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True
    ):
        for key, text, colour, line in series:
            values = column(key)
            axes.plot(epochs, values, line, color=colour, label=text, marker="o", markersize=3)
            best = np.nanargmax(values) if name != "loss" else np.nanargmin(values)
            known = values[np.isfinite(values)]
            sentences.append(
                f"{text} {'loss ' * (name == 'loss')}from {known[0]:.3f} to {known[-1]:.3f}, "
                f"best {values[best]:.3f} in epoch {epochs[best]}"
            )
            if key in ("val_loss", "dice_per_image"):
                axes.plot(epochs[best], values[best], "o", color=colour, markersize=9, fillstyle="none")
                where: dict[str, Any] = {
                    "textcoords": "offset points",
                    "ha": "center",
                    "fontsize": 8,
                    "color": colour,
                }
                axes.annotate(f"best {values[best]:.3f}", (epochs[best], values[best]), (0, 9), **where)
        axes.set(xlabel="epoch", ylabel=label, title=name)
        if name != "loss":
            axes.set(
                ylim=(0, 1.1), yticks=np.linspace(0, 1, 6)
            )  # leaves room above 1 for the label of the best value
        axes.margins(y=0.15)
        pad = max(
            0.5, 0.1 * (epochs[-1] - epochs[0])
        )  # for the label of the best value, and for a single epoch
        axes.set_xlim(epochs[0] - pad, epochs[-1] + pad)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=9)
    return show(figure, alt or f"Learning curves over {len(rows)} epoch(s): {'; '.join(sentences)}.")


def ladder_chart(rows: Any, *, people: bool = True, alt: str | None = None) -> FigureWithAlt:
    """Draw the per-image Dice of several methods with its spread, and the agreement between people.

    Args:
        rows: pairs (method, Dice of each image) or a dict, in drawing order from top to bottom. NaN (two
            empty masks) is left out, and `n` counts the rest.
        people: draw the agreement of two people as a band (IMA++, arXiv 2512.21472): middle half 0.75 to
            0.92, median 0.86.
        alt: the alt text. Default: the median and the middle half of each method in words.

    Raises:
        DataError: there is no method, a method has no score, or a Dice score is outside 0 … 1.
    """
    rows = list(rows.items()) if isinstance(rows, Mapping) else list(rows)
    methods = [(str(name), np.ravel(to_array(scores)).astype(float)) for name, scores in rows]
    methods = [(name, scores[np.isfinite(scores)]) for name, scores in methods]
    if not methods or any(scores.size == 0 for _, scores in methods):
        raise DataError("give at least one method, and at least one Dice score per method that is not NaN.")
    for name, scores in methods:
        if scores.min() < 0 or scores.max() > 1:
            raise DataError(
                f"{name} has Dice scores from {scores.min():.3g} to {scores.max():.3g}; expected 0 to 1. "
                "Divide percentages by 100."
            )
    figure = Figure(figsize=(8, 1.25 + 0.5 * len(methods) + 0.45 * people), layout="constrained")
    axes = figure.subplots()
    if people:
        axes.axvspan(PEOPLE["low"], PEOPLE["high"], color=GREEN, alpha=0.18, linewidth=0)
        axes.axvline(PEOPLE["median"], color=GREEN, linestyle="--", linewidth=1.4)
        agree = "two people: median {median}, middle half {low} to {high}  ".format(**PEOPLE)
        where: dict[str, Any] = {"ha": "right", "va": "center", "fontsize": 8.5, "color": "#00664b"}
        axes.text(PEOPLE["low"], len(methods) - 0.25, agree, **where)
    sentences = []
    for y, (_, scores) in enumerate(methods):
        low, median, high = np.percentile(scores, [25, 50, 75])
        # Steps of the golden ratio spread the points evenly and reproducibly.
        spread = (np.arange(scores.size) * 0.618034 % 1 - 0.5) / 2
        opacity = np.clip(60 / scores.size, 0.3, 0.7)
        axes.scatter(scores, y + spread, s=8, color=BLUE, alpha=opacity, linewidth=0)
        axes.barh(y, high - low, left=low, height=0.6, color="none", edgecolor=BLUE, linewidth=1.4)
        axes.plot([median, median], [y - 0.3, y + 0.3], color=ORANGE, linewidth=3, solid_capstyle="butt")
        axes.text(1.015, y, f"{median:.2f}", va="center", color=ORANGE, fontweight="bold", clip_on=False)
        sentences.append(
            f"{methods[y][0]}: median {median:.2f}, middle half {low:.2f} to {high:.2f}, "
            f"{scores.size} image(s)"
        )
    axes.text(1.015, -0.62, "median", va="center", fontsize=8.5, color=ORANGE)
    axes.set_yticks(range(len(methods)), [f"{name}  (n = {scores.size})" for name, scores in methods])
    axes.set(xlim=(0, 1), ylim=(len(methods) - 0.5 + 0.42 * people, -0.5))
    axes.set_xlabel("Dice of each image (0 to 1)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    agreement = ""
    if people:
        figure.supxlabel(
            f"Green: Dice of two people who outlined one lesion ({PEOPLE_SOURCE}; mean {PEOPLE['mean']}).\n"
            "Lesions that several people outlined may be harder than most.",
            fontsize=8,
            color="0.35",
        )
        agreement = "Two people on one lesion: mean Dice {mean}, median {median}, middle half {low} to {high}"
        agreement = f" {agreement.format(**PEOPLE)} ({PEOPLE_SOURCE})."
    return show(figure, alt or f"Dice per image by method. {'; '.join(sentences)}.{agreement}")


def show_curves(
    curves: Mapping[str, Sequence],
    x: Sequence[float] | None = None,
    *,
    xlabel: str,
    ylabel: str,
    ylim: tuple[float, float] | None = None,
    alt: str | None = None,
) -> FigureWithAlt:
    """Draw curves over a common axis; a label can stand for several curves, such as one per random seed.

    Args:
        curves: {label: numbers, or a list of curves}.
        x: where the numbers stand. Default: 1, 2, 3, …
        xlabel, ylabel: what the axes measure, with units.
        ylim: range of the vertical axis. Default: the range of the curves.
        alt: the alt text. Default: the first and last number of each label in words.

    Raises:
        DataError: there is no curve, or a curve has another length than `x`.
    """
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    sentences = []
    styles = zip((ORANGE, BLUE, GREEN, PURPLE, "0.3"), ("o-", "s--", "^:", "D-.", "v-"), strict=True)
    for (label, values), (colour, line) in zip(curves.items(), itertools.cycle(styles)):
        several = [
            np.ravel(to_array(one)).astype(float) for one in ([values] if np.ndim(values[0]) == 0 else values)
        ]
        for number, one in enumerate(several):
            where = np.arange(1, len(one) + 1) if x is None else np.asarray(x, dtype=float)
            if len(where) != len(one):
                raise DataError(
                    f"{label} has {len(one)} numbers and x has {len(where)}; give as many of each."
                )
            axes.plot(where, one, line, color=colour, markersize=3, label=label if number == 0 else None)
        first, last = (_spread([one[end] for one in several]) for end in (0, -1))
        sentences.append(f"{label} from {first} to {last}")
    if not sentences:
        raise DataError("there is no curve to draw.")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if ylim:
        axes.set_ylim(ylim)
    if x is None:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9)
    return show(figure, alt or f"{ylabel} against {xlabel}. {'; '.join(sentences)}.")


def _spread(values: Sequence[float]) -> str:
    """Return one number, or the range of several, with two decimals."""
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} … {high}"


def show_matrix(matrix: Any, names: Sequence[str] | None = None, *, title: str = "") -> FigureWithAlt:
    """Draw a confusion matrix: counts, the share of each row, and darker cells for larger shares.

    Args:
        matrix: counts C×C; rows are true classes, columns predicted classes.
        names: class names. Default: "class 0", "class 1", …
        title: a line above the matrix.

    Raises:
        DataError: the matrix is not square, or the number of names is not C.
    """
    counts = to_array(matrix).astype(np.int64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise DataError(f"a confusion matrix is C×C; the shape given is {'×'.join(map(str, counts.shape))}.")
    names = [f"class {i}" for i in range(len(counts))] if names is None else list(names)
    if len(names) != len(counts):
        raise DataError(f"{len(counts)} classes and {len(names)} names were given; give one name per class.")
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 1.9 + 1.15 * len(counts)
    figure = Figure(figsize=(side + 0.4, 0.8 * side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (i, j), count in np.ndenumerate(counts):
        ink = "white" if share[i, j] > 0.5 else "black"
        axes.text(
            j, i, f"{count:,}\n{share[i, j]:.0%} of row", ha="center", va="center", color=ink, fontsize=9
        )
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    axes.tick_params(length=0)
    rows = "; ".join(
        f"true {name}: "
        + ", ".join(f"{count:,} called {other}" for count, other in zip(row, names, strict=True))
        for name, row in zip(names, counts.tolist(), strict=True)
    )
    return show(figure, f"{title + ': ' if title else ''}confusion matrix. {rows}.")


def show_bars(
    values: Any, labels: Sequence[str] | None = None, *, xlabel: str = "value", alt: str | None = None
) -> FigureWithAlt:
    """Draw one bar per value, with the value next to the bar.

    Args:
        values: a dict {label: number}, or numbers (a list, tensor or array) with `labels`.
        labels: one label per bar. Default: 1, 2, 3, …
        xlabel: what is measured, and its unit.
        alt: the alt text. Default: every label and its value.

    Raises:
        DataError: the numbers of labels and values differ, or there is no value.
    """
    if isinstance(values, Mapping):
        labels, values = list(values), [float(value) for value in values.values()]
    values = np.ravel(to_array(values)).astype(float)
    labels = [str(label) for label in (range(1, values.size + 1) if labels is None else labels)]
    if values.size == 0 or len(labels) != values.size:
        raise DataError(
            f"{values.size} value(s) and {len(labels)} label(s) were given; give one label per value."
        )
    figure = Figure(figsize=(7, 0.9 + 0.42 * values.size), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(range(values.size), np.nan_to_num(values), color=BLUE, height=0.62)
    axes.set_yticks(range(values.size), labels)
    told = ["–" if math.isnan(value) else f"{value:.3g}" for value in values]
    axes.bar_label(bars, told, padding=4)
    axes.invert_yaxis()  # the first value on top
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.margins(x=0.12)
    axes.set_axisbelow(True)
    axes.set_xlabel(xlabel)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    pairs = ", ".join(f"{label}: {value}" for label, value in zip(labels, told, strict=True))
    return show(figure, alt or f"Bars, {xlabel}. {pairs}.")
