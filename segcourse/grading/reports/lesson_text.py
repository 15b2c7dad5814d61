"""What pages quote from a lesson: its title, and the hints below each exercise."""

import functools
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from segcourse import exercises
from segcourse.course import lessons
from segcourse.errors import LessonError

_HINT = re.compile(r"<details>\s*<summary>(Hint\b.*?)</summary>(.*?)</details>", re.DOTALL)


@dataclass(frozen=True)
class Hint:
    """A hint; `code` in its title and its text stands between backticks."""

    title: str
    text: str


@dataclass(frozen=True)
class LessonText:
    """A lesson's title, and the hints of each exercise."""

    title: str
    hints: Mapping[str, tuple[Hint, ...]] = field(default_factory=dict)


@functools.cache
def lesson_text(name: str) -> LessonText:
    """Return a lesson's title and hints; its folder's name and no hints if the lesson is not here.

    >>> lesson_text("05_losses_metrics").title
    'Lesson 5 · Losses and metrics: what is a good mask?'
    >>> lesson_text("05_losses_metrics").hints["mean_iou"][0].title
    'Hint 1: my mean is NaN'
    """
    try:
        cells = lessons.notebook(name).cells
    except LessonError:
        return LessonText(name)
    title, hints, above = name, {}, ""
    for cell in cells:
        if cell.cell_type == "markdown":
            above = cell.source
            title = above.partition("\n")[0][2:] if title == name and above.startswith("# ") else title
        elif exercise := lessons.grade_id(cell):
            found = tuple(Hint(_plain(said), _plain(text)) for said, text in _HINT.findall(above))
            hints.setdefault(exercise, found)
    return LessonText(title, hints)


def number(exercise: str) -> str:
    """Return an exercise's number; "" if the exercise no longer exists.

    >>> number("mean_iou")
    '5.3'
    """
    return exercises.get(exercise).number if exercise in exercises.names() else ""


def _plain(markup: str) -> str:
    """Return a hint's text without tags.

    >>> _plain("Use <code>a &lt; b</code>,\\n<em>not</em> more.")
    'Use `a < b`, not more.'
    """
    text = re.sub(r"<[^>]*>", "", re.sub(r"</?code>", "`", markup))
    return " ".join(html.unescape(text).split())
