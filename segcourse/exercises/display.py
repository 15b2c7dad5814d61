"""A verdict as its reader sees it: HTML in a notebook, plain text elsewhere; every word from a student is
escaped."""

from html import escape

import numpy as np

from segcourse.exercises.verdicts import Verdict
from segcourse.palette import IGNORE, Palette

GOOD, BAD, QUIET = "#009E73", "#D55E00", "#767676"  # Okabe-Ito bluish green and vermilion; grey


def _happened(verdict: Verdict) -> str:
    if verdict.diagnosis:
        return verdict.diagnosis
    case, unknown = verdict.smallest, "nothing we know looks like this. Start from the case below"
    if case and "nan" in case.got and "nan" not in case.expected:
        return f"{unknown}: which division is 0 / 0, which logarithm negative?"
    return f"{unknown}, with paper and pencil."


def headline(verdict: Verdict) -> str:
    """'dice_score: 2 of 3 points'."""
    return f"{verdict.name}: {verdict.points} of {verdict.max_points} points"


def text(verdict: Verdict) -> str:
    """The verdict as plain text."""
    if not verdict.started:
        return f"{verdict.name}: not started yet"
    lines = [headline(verdict), "  ".join(f"{'✓' if g.passed else '✗'} {g.name}" for g in verdict.groups)]
    if not verdict.passed:
        lines.append(f"What happened: {_happened(verdict)}")
    if case := verdict.smallest:
        lines += [f"{_where(verdict)} {case.given}", f"Expected: {case.expected}", f"Yours:    {case.got}"]
    return "\n".join(lines)


def html(verdict: Verdict) -> str:
    """The verdict as one HTML element, without scripts or style sheets, for notebooks and feedback pages."""
    if not verdict.started:
        return f'<div style="color:{QUIET}">{escape(text(verdict))}</div>'
    groups = " &nbsp; ".join(
        f'<span style="white-space:nowrap"><b style="color:{GOOD if g.passed else BAD}" aria-hidden="true">'
        f"{'✓' if g.passed else '✗'}</b> {escape(g.name)}"
        f'<span style="{_UNSEEN}"> ({"right" if g.passed else "not yet right"})</span></span>'
        for g in verdict.groups
    )
    parts = [f"<p><b>{escape(headline(verdict))}</b><br>{groups}</p>"]
    if not verdict.passed:
        parts.append(f"<p><b>What happened:</b> {escape(_happened(verdict))}</p>")
    if case := verdict.smallest:
        parts.append(
            f"<p>{escape(_where(verdict))} <code>{escape(case.given)}</code><br>"
            f"Expected <b>{escape(case.expected)}</b>, yours <b>{escape(case.got)}</b>.</p>"
        )
        for name, images in case.masks.items():
            batch = len(images) > 1
            parts += [_picture(f"{name}, image {i}" if batch else name, m) for i, m in enumerate(images)]
    edge = GOOD if verdict.passed else BAD
    return f'<div style="border-left:4px solid {edge};padding:0 1em;max-width:46em">{"".join(parts)}</div>'


_UNSEEN = "position:absolute;width:1px;height:1px;overflow:hidden"  # read aloud, not shown


def _where(verdict: Verdict) -> str:
    what = "A case that this does not explain" if verdict.partly else "Smallest case where it shows"
    return f"{what} ({verdict.smallest.group}):"


def _picture(name: str, mask: list) -> str:
    """A small label map as a table: colour and class id in each cell, so that no one needs the colour."""
    ids = np.asarray(mask)
    known = (ids == IGNORE) | ((ids >= 0) & (ids < IGNORE))
    classes = int(ids[known & (ids != IGNORE)].max(initial=1)) + 1
    colours = Palette.default(classes).colourise(np.where(known, ids, IGNORE))
    rows = "".join(
        "<tr>" + "".join(_cell(*cell) for cell in zip(row, shade, strict=True)) + "</tr>"
        for row, shade in zip(ids, colours, strict=True)
    )
    label = escape(f"{name}, class ids row by row: {'; '.join(' '.join(map(str, row)) for row in mask)}")
    table = f'<table role="img" aria-label="{label}" style="{_TABLE}"><tbody>{rows}</tbody></table>'
    return f'<div style="display:inline-block;margin:0 1.5em 1em 0">{escape(name)}{table}</div>'


_TABLE = "border-collapse:collapse;margin:0"
_CELL = "min-width:26px;height:26px;padding:0;text-align:center;font-size:12px;border:1px solid #888"


def _cell(label: int, colour: np.ndarray) -> str:
    red, green, blue = (int(value) for value in colour)
    ink = "#000" if 299 * red + 587 * green + 114 * blue > 110_000 else "#fff"
    return f'<td style="{_CELL};color:{ink};background-color:rgb({red},{green},{blue})">{label}</td>'


class Reply:
    """A verdict that IPython shows as HTML, and everything else as text."""

    def __init__(self, verdict: Verdict):
        self.verdict = verdict

    def __repr__(self) -> str:
        return text(self.verdict)

    def _repr_html_(self) -> str:
        return html(self.verdict)
