"""A verdict as students see it: HTML in a notebook, plain text elsewhere; students' words are escaped."""

from html import escape

import numpy as np

from segcourse.exercises.engine.shown import Picture, Shown
from segcourse.exercises.engine.verdicts import Verdict
from segcourse.palette import BAD, GOOD, IGNORE, Palette

QUIET = "opacity:0.75"  # grey on any background


def _happened(verdict: Verdict) -> str:
    if verdict.diagnosis:
        return verdict.diagnosis
    case, unknown = verdict.smallest, "No mistake that is known here gives these results."
    if case and "nan" in case.got and "nan" not in case.expected:
        return f"{unknown} Which division is 0/0, or which logarithm is of a number below 0?"
    return f"{unknown} Work through the case below{' with pencil and paper' if case and case.paper else ''}."


def _is_stub(verdict: Verdict) -> bool:
    """Return whether there is nothing to explain. Broken code that is not repaired yet has a symptom."""
    return not verdict.started and not verdict.diagnosis


def headline(verdict: Verdict) -> str:
    """Return a line such as 'dice_score: 2 of 3 points'."""
    if not verdict.started:
        return f"{verdict.name}: not {'repaired' if verdict.diagnosis else 'started'} yet"
    score = "" if verdict.score is None else f", score {verdict.score:.3f}"
    return f"{verdict.name}: {verdict.points} of {verdict.max_points} points{score}"


def text(verdict: Verdict, practice: bool = False) -> str:
    """Return the verdict as plain text.

    Args:
        verdict: what to show.
        practice: whether the cases are those that a notebook's `check` uses, so that they can be fetched.
    """
    if _is_stub(verdict):
        return headline(verdict)
    if not verdict.observed:
        return f"{verdict.diagnosis} A person decides on its points."
    lines = [headline(verdict), "  ".join(f"{'✓' if g.passed else '✗'} {g.name}" for g in verdict.groups)]
    if not verdict.passed:
        lines.append(f"What happened: {_happened(verdict)}")
    if case := verdict.smallest:
        lines += [f"{_which(verdict)} {case.given}", *_code(case, practice)]
        lines += [f"Expected: {case.expected}", f"Yours:    {case.got}"]
    if verdict.printed:
        lines += ["Your answer printed:", verdict.printed]
    return "\n".join(lines)


def html(verdict: Verdict, practice: bool = False) -> str:
    """Return the verdict as one HTML element, without scripts or style sheets; arguments as in `text`."""
    if _is_stub(verdict) or not verdict.observed:
        return f'<div style="{QUIET}">{escape(text(verdict))}</div>'
    groups = " &nbsp; ".join(
        f'<span style="white-space:nowrap"><b style="color:{GOOD if g.passed else BAD}" aria-hidden="true">'
        f"{'✓' if g.passed else '✗'}</b> {escape(g.name)}"
        f'<span style="{_UNSEEN}"> ({"right" if g.passed else "not yet right"})</span></span>'
        for g in verdict.groups
    )
    shown = f"<p><b>{escape(headline(verdict))}</b><br>{groups}</p>{explanation(verdict, practice)}"
    if verdict.printed:
        shown += f"<p>Your answer printed:</p>{_block(verdict.printed)}"
    edge = GOOD if verdict.passed else BAD
    return f'<div style="border-left:4px solid {edge};padding:0 1em;max-width:46em">{shown}</div>'


def explanation(verdict: Verdict, practice: bool = False) -> str:
    """Return what happened and the case that shows it, as HTML; nothing where all is right."""
    if verdict.passed or _is_stub(verdict):
        return ""
    if not verdict.observed:
        return f"<p>{marked(text(verdict))}</p>"
    happened = f"<p><b>What happened:</b> {marked(_happened(verdict))}</p>"
    return happened + (shown_case(verdict, practice) if verdict.smallest else "")


def shown_case(verdict: Verdict, practice: bool = False) -> str:
    """Return the failing case in words, as code and in pictures, as HTML."""
    case = verdict.smallest
    given = [picture for picture in case.pictures if picture.part == "given"]
    outputs = [picture for picture in case.pictures if picture.part != "given"]
    words = (case.expected, case.got)
    all_drawn = len(outputs) == 2 and all(w.startswith("[") and w.endswith("]") for w in words)
    parts = [f"<p>{escape(_which(verdict))} <code>{escape(case.given)}</code></p>"]
    if code := _code(case, practice):
        parts.append(_block("\n".join(code)))
    parts += map(_drawn, given)
    if not all_drawn:
        parts.append("<p>Expected <b>{}</b>, yours <b>{}</b>.</p>".format(*map(escape, words)))
    parts += map(_drawn, outputs)
    if any(picture.wrong for picture in outputs):
        parts.append("<p>Cells with a thick frame are not what was expected.</p>")
    return "".join(parts)


def marked(words: str) -> str:
    """Return escaped words with `code` between backticks set as code."""
    pieces = [escape(piece) for piece in words.split("`")]
    if len(pieces) % 2 == 0:  # a backtick of the student's own has no partner
        return escape(words)
    return "".join(f"<code>{piece}</code>" if i % 2 else piece for i, piece in enumerate(pieces))


def _block(words: str) -> str:
    return f'<pre style="white-space:pre-wrap;font-family:monospace;margin:0 0 1em">{escape(words)}</pre>'


def _code(case: Shown, practice: bool) -> tuple[str, ...]:
    return case.code or (case.fetch if practice else ())


def _which(verdict: Verdict) -> str:
    what = "A case that this does not explain" if verdict.partly else "The first case where it shows"
    return f"{what} ({verdict.smallest.group}):"


_UNSEEN = "position:absolute;width:1px;height:1px;overflow:hidden"  # read aloud, not shown


def _drawn(picture: Picture) -> str:
    """Return a picture's slices side by side, each under its name."""
    name = picture.name if picture.part == "given" else f"{picture.part} {picture.name}".strip()
    return "".join(
        _table(
            ", ".join(filter(None, (name, title))),
            image,
            picture.labels,
            [w[1:] for w in picture.wrong if w[0] == i],
        )
        for i, (image, title) in enumerate(zip(picture.images, picture.titles, strict=True))
    )


def _table(name: str, rows: list[list[str]], labels: bool, wrong: list[list[int]]) -> str:
    """Return a small array as a table; label maps in colour, with the id in each cell."""
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
    """Return a label map's colours; numbers that are no class ids look like ignored pixels."""
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
    """A verdict that IPython shows as HTML, and everything else as text.

    Args:
        verdict, practice: as in `text`.
        then: a sentence below the verdict.
    """

    def __init__(self, verdict: Verdict, practice: bool = False, then: str = ""):
        self.verdict, self.practice, self.then = verdict, practice, then

    def __repr__(self) -> str:
        return "\n".join(filter(None, [text(self.verdict, self.practice), self.then]))

    def _repr_html_(self) -> str:
        return html(self.verdict, self.practice) + (f"<p>{escape(self.then)}</p>" if self.then else "")
