"""The Jinja templates of the grader's pages; every value is escaped, and nothing is loaded from elsewhere."""

import functools
from importlib.resources import files

import jinja2
from markupsafe import Markup, escape

from segcourse.exercises.engine.display import explanation, marked, shown_case
from segcourse.exercises.engine.observations import clip

MAX_NAME = 80
MAX_CODE = 20_000  # characters


@functools.cache
def template(name: str) -> jinja2.Template:
    """Return a template of this folder.

    >>> template("page.css.j2").render()[:9]
    '  :root {'
    """
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "points": lambda number: f"{number:.3g}",
        "seconds": lambda number: f"{number:.0f} s" if number >= 10 else f"{number:.1f} s",
        "sentence": capitalize,
        "moment": lambda text: clip(text, 40).replace("T", " ").replace("+00:00", " UTC"),
        "date": lambda moment: f"{moment:%d %B %Y, %H:%M} UTC".removeprefix("0"),
        "marked": lambda words: Markup(marked(words)),
        "numbered": numbered,
        "short": lambda name: clip(name, MAX_NAME),
        "explained": lambda verdict: Markup(explanation(verdict)),
        "case": lambda verdict: Markup(shown_case(verdict)),
    }
    folder = files("segcourse.grading.reports")
    environment.loader = jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8"))
    return environment.get_template(name)


def capitalize(words: str) -> str:
    """Capitalize a sentence, unless it begins with code.

    >>> capitalize("you computed IoU"), capitalize("ignore_index is never used")
    ('You computed IoU', 'ignore_index is never used')
    """
    first = words.partition(" ")[0]
    return words[:1].upper() + words[1:] if first.isalpha() else words


def numbered(source: str) -> Markup:
    """Return a student's code, escaped, with the numbers of its lines.

    Invisible characters, which can make code look like other code, are replaced by "�".

    >>> str(numbered("a < 1"))
    '<span class="at">1  </span>a &lt; 1'
    """
    text = source if len(source) <= MAX_CODE else f"{source[:MAX_CODE]}\n…"
    text = "".join(letter if letter.isprintable() or letter in "\n\t" else "�" for letter in text)
    lines = text.rstrip().split("\n")
    width = len(str(len(lines)))
    number = '<span class="at">{:>{}}  </span>'.format
    return Markup("\n").join(Markup(number(i, width)) + escape(line) for i, line in enumerate(lines, 1))
