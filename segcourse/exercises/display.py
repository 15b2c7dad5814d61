"""A verdict as its reader sees it: HTML in a notebook, plain text elsewhere; every word from a student is
escaped."""

from html import escape

import numpy as np

from segcourse.exercises.smallest import Picture
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
    told = f"<p><b>{escape(headline(verdict))}</b><br>{groups}</p>{explanation(verdict)}"
    edge = GOOD if verdict.passed else BAD
    return f'<div style="border-left:4px solid {edge};padding:0 1em;max-width:46em">{told}</div>'


def explanation(verdict: Verdict) -> str:
    """What happened and the smallest case that shows it, as HTML; nothing where all is right."""
    if verdict.passed or not verdict.started:
        return ""
    happened = f"<p><b>What happened:</b> {escape(_happened(verdict))}</p>"
    return happened + (smallest_case(verdict) if verdict.smallest else "")


def smallest_case(verdict: Verdict) -> str:
    """The smallest failing case in words and pictures, as HTML."""
    case = verdict.smallest
    given = [picture for picture in case.pictures if picture.part == "given"]
    outputs = [picture for picture in case.pictures if picture.part != "given"]
    words = (case.expected, case.got)
    all_drawn = len(outputs) == 2 and all(w.startswith("[") and w.endswith("]") for w in words)
    parts = [f"<p>{escape(_where(verdict))} <code>{escape(case.given)}</code></p>", *map(_drawn, given)]
    if not all_drawn:
        parts.append("<p>Expected <b>{}</b>, yours <b>{}</b>.</p>".format(*map(escape, words)))
    parts += map(_drawn, outputs)
    if any(picture.wrong for picture in outputs):
        parts.append("<p>Cells with a thick frame are not what was expected.</p>")
    return "".join(parts)


_UNSEEN = "position:absolute;width:1px;height:1px;overflow:hidden"  # read aloud, not shown


def _where(verdict: Verdict) -> str:
    what = "A case that this does not explain" if verdict.partly else "Smallest case where it shows"
    return f"{what} ({verdict.smallest.group}):"


def _drawn(picture: Picture) -> str:
    """A picture's images side by side, each under its name."""
    name = picture.name if picture.part == "given" else f"{picture.part} {picture.name}".strip()
    batch = len(picture.images) > 1
    return "".join(
        _table(
            f"{name}, image {i}" if batch else name,
            image,
            picture.labels,
            [w[1:] for w in picture.wrong if w[0] == i],
        )
        for i, image in enumerate(picture.images)
    )


def _table(name: str, rows: list[list[str]], labels: bool, wrong: list[list[int]]) -> str:
    """A small array as a table; label maps in colour, with the id in each cell, so that no one needs the
    colour."""
    body = "; ".join(" ".join(row) for row in rows)
    said = f"{name}, {'class ids ' * labels}row by row: {body}"
    if wrong:
        places = ", ".join(f"row {row} column {column}" for row, column in wrong)
        said += f"; not as expected: {places} (counted from 0)"
    shades = _shades(rows) if labels else [[None] * len(row) for row in rows]
    drawn = "".join(
        "<tr>" + "".join(_cell(cell, shades[i][j], [i, j] in wrong) for j, cell in enumerate(row)) + "</tr>"
        for i, row in enumerate(rows)
    )
    table = f'<table role="img" aria-label="{escape(said)}" style="{_TABLE}"><tbody>{drawn}</tbody></table>'
    return f'<div style="{_FIGURE}">{escape(name)}{table}</div>'


_TABLE = "border-collapse:collapse;margin:0;print-color-adjust:exact;-webkit-print-color-adjust:exact"
_FIGURE = "display:inline-block;vertical-align:top;margin:0 1.5em 1em 0;max-width:100%;overflow-x:auto"
_CELL = (
    "min-width:26px;height:26px;padding:0 3px;text-align:center;vertical-align:middle;font-size:12px;"
    "border:1px solid #888"
)
_FRAMED = f"font-weight:bold;box-shadow:inset 0 0 0 3px {BAD}"
_PAPER = "background-color:#fff;color:#000"  # whatever theme the notebook has


def _shades(rows: list[list[str]]) -> np.ndarray:
    """A label map's colours; what is no class id is drawn like ignored pixels."""
    ids = np.asarray(rows).astype(int)
    known = (ids == IGNORE) | ((ids >= 0) & (ids < IGNORE))
    classes = int(ids[known & (ids != IGNORE)].max(initial=1)) + 1
    return Palette.default(classes).colourise(np.where(known, ids, IGNORE))


def _cell(words: str, colour: np.ndarray | None, wrong: bool) -> str:
    style = _PAPER
    if colour is not None:
        red, green, blue = (int(value) for value in colour)
        ink = "#000" if 299 * red + 587 * green + 114 * blue > 110_000 else "#fff"
        style = f"color:{ink};background-color:rgb({red},{green},{blue})"
    return f'<td style="{_CELL};{f"{_FRAMED};" * wrong}{style}">{escape(words)}</td>'


class Reply:
    """A verdict that IPython shows as HTML, and everything else as text."""

    def __init__(self, verdict: Verdict):
        self.verdict = verdict

    def __repr__(self) -> str:
        return text(self.verdict)

    def _repr_html_(self) -> str:
        return html(self.verdict)
