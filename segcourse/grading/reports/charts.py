"""The class report's charts, in the course's colours, each with alt text."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from segcourse.grading.reports.class_statistics import Question
from segcourse.grading.reports.item_analysis import WELL, quartiles
from segcourse.plotting.charts import BLUE, GREEN, ORANGE, show_bars
from segcourse.plotting.display import figure_html, show


def scores_chart(scores: Sequence[float], most: float) -> str:
    """Return an <img> with a histogram of the scores and their median."""
    return _histogram(scores, max([most, *scores, 1.0]), f"score (points of {most:g})", "{:.3g}", "points")


def seconds_chart(seconds: Sequence[float]) -> str:
    """Return an <img> with a histogram of the running times and their median."""
    return _histogram(seconds, max([*seconds, 0.1]), "time in the sandbox (s)", "{:.1f} s", "seconds")


def _histogram(values: Sequence[float], most: float, label: str, form: str, unit: str) -> str:
    # at most a dozen bins, with edges at round numbers
    edges = np.asarray(MaxNLocator(nbins=12, steps=[1, 2, 2.5, 5, 10]).tick_values(0.0, most))
    middle = quartiles(values)[1]
    median = f"median {form.format(middle)}"
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.subplots()
    counts, _, _ = axes.hist(values, edges, color=BLUE, edgecolor="white", linewidth=1)
    axes.axvline(middle, color=ORANGE, linestyle="--", linewidth=1.6)
    where = {"textcoords": "offset points", "color": ORANGE, "fontsize": 9}
    side = {"xytext": (-5, 4), "ha": "right"} if middle > edges.mean() else {"xytext": (5, 4), "ha": "left"}
    axes.annotate(median, (middle, counts.max()), **where, **side)
    axes.set(xlabel=label, ylabel="students", xlim=(edges[0], edges[-1]), ylim=(0, counts.max() * 1.25))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.spines[["top", "right"]].set_visible(False)
    bins = "; ".join(
        f"{low:g} to {high:g} {unit}: {count:.0f}"
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
        if count
    )
    return figure_html(show(figure, f"Histogram of {len(values)} student(s), {median}. {bins}."))


def exercises_chart(questions: Sequence[Question]) -> str:
    """Return an <img> with the mean share of points per exercise, in the lesson's order."""
    shares = {q.exercise: 100 * q.mean for q in questions if q.group is None}
    values = "; ".join(f"{name} {share:.0f} %" for name, share in shares.items())
    alt = f"Mean share of the points per exercise: {values}."
    figure = show_bars(shares, xlabel="mean share of the points (%)", alt=alt)
    figure.axes[0].set_xlim(0, 110)
    return figure_html(figure)


def separation_chart(questions: Sequence[Question]) -> str:
    """Return an <img> with the item-rest correlation per exercise, in the lesson's order."""
    found = {q.exercise: q.item_rest for q in questions if q.group is None}
    values = "; ".join(f"{name} {'none' if math.isnan(r) else f'{r:.2f}'}" for name, r in found.items())
    alt = (
        f"Item-rest correlation per exercise: {values}. An exercise separates well from {WELL} (dashed line)."
    )
    figure = show_bars(found, xlabel="item-rest correlation (-1 to 1)", alt=alt)
    figure.axes[0].axvline(WELL, color=GREEN, linestyle="--", linewidth=1.4, zorder=0)
    return figure_html(figure)
