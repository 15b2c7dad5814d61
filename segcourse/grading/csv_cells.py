"""Text in CSV files that a spreadsheet program opens."""

import math
from typing import Any

# the characters with which spreadsheets begin a formula, also in their wide forms
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
MAX_TEXT = 2000


def escape_formula(value: Any) -> Any:
    """Return a text that no spreadsheet runs as a formula, by putting an apostrophe in front.

    Line breaks and other control characters become spaces, and semicolons commas, because in half of Europe a
    spreadsheet begins a new cell behind a semicolon. NaN becomes an empty cell.

    >>> [escape_formula(value) for value in ("=1+1", " @sum", "ada;=1+1", -0.5, math.nan)]
    ["'=1+1", "' @sum", 'ada,=1+1', -0.5, None]
    """
    if isinstance(value, float) and math.isnan(value):
        return None
    if not isinstance(value, str):
        return value
    line = "".join(letter if letter.isprintable() else " " for letter in value[:MAX_TEXT]).replace(";", ",")
    return f"'{line}" if line.lstrip().startswith(FORMULA) else line
