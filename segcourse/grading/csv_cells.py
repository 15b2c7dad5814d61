"""Text in CSV files that a spreadsheet program opens."""

import math
import re
from typing import Any

# the characters with which spreadsheets begin a formula, also in their wide forms
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_HIDDEN_FORMULA = re.compile(rf""";(?=[\s"']*[{re.escape("".join(FORMULA))}])""")
MAX_TEXT = 2000


def escape_formula(value: Any) -> Any:
    """Return a text that no spreadsheet runs as a formula, by putting an apostrophe in front.

    Where a comma separates decimals, a spreadsheet begins a new cell behind a semicolon: before a formula it
    becomes a comma. Line breaks and other control characters become spaces. NaN becomes an empty cell.

    >>> [escape_formula(value) for value in ("=1+1", " @sum", 'a; b;"=1+1', -0.5, math.nan)]
    ["'=1+1", "' @sum", 'a; b,"=1+1', -0.5, None]
    """
    if isinstance(value, float) and math.isnan(value):
        return None
    if not isinstance(value, str):
        return value
    line = "".join(letter if letter.isprintable() else " " for letter in value[:MAX_TEXT])
    line = _HIDDEN_FORMULA.sub(",", line)
    return f"'{line}" if line.lstrip().startswith(FORMULA) else line
