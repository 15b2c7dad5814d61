"""Make a student's text safe to show in formgrader, whose pages render text without sanitising it."""

import html

import nh3
from nbconvert.filters import markdown2html

_SCHEMES = {"http", "https", "mailto"}


def inert_text(markdown: str) -> str:
    r"""Return Markdown that shows the same text, without anything that runs or loads.

    The text is rendered to HTML and sanitised. Formulas stay, pictures are replaced by their descriptions.
    The result is one line: an HTML block ends at an empty line, after which Markdown would be read again.

    >>> inert_text("An *answer*: $a<b$ <script>alert(1)</script>[no](javascript:alert(1))")
    '<div><p>An <em>answer</em>: $a&lt;b$ <a rel="noopener noreferrer">no</a></p></div>'
    """
    try:
        rendered = markdown2html(markdown)
    except Exception:  # nbconvert stops at a picture whose attachment is missing, and at deep nesting
        rendered = f"<pre>{html.escape(markdown)}</pre>"
    clean = nh3.clean(rendered, attribute_filter=_no_sources, url_schemes=_SCHEMES)
    return f"<div>{clean.strip()}</div>".replace("\r", "").replace("\n", "&#10;")


def _no_sources(tag: str, attribute: str, value: str) -> str | None:
    return None if attribute in ("src", "id", "class") else value
