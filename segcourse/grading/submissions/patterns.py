"""Patterns for source code: the grader neither compiles nor runs a student's Python.

Each pattern reads a line once, so that no source takes long to search.
"""

import difflib
import re
from collections.abc import Iterable

CHECK = re.compile(r"""^[ \t]*check\([ \t]*(["'])(\w+)\1[ \t]*,.*\)[ \t]*$""", re.MULTILINE)
_DEFINITION = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w{1,60})\b", re.MULTILINE)
_CALL = re.compile(r"\b(\w{1,60})[ \t]*\(")
_STUB_LINE = re.compile(r"^[ \t]+raise NotImplementedError\b", re.MULTILINE)
_FOREIGN = re.compile(
    r"^([ \t]*)((?:from|import)[ \t]+google\.colab\b.*"
    r"|(?:drive\.mount|files\.(?:upload|download))\(.*\)[ \t]*"
    r"|torch\.set_default_device\([\"']cuda(?::\d+)?[\"']\)[ \t]*"
    r"|%matplotlib[ \t]+(?:widget|ipympl|notebook|nbagg|qt[56]?|tk|gtk[34]?|wx|osx|macosx)[ \t]*)$",
    re.MULTILINE,
)
REHEARSAL = re.compile(r"^hand_in\.doctor\(.*\)[ \t]*$", re.MULTILINE)  # a lesson's last cell
IMPORTS_COLAB = re.compile(r"^[ \t]*(?:from|import)[ \t]+google\.colab\b", re.MULTILINE)
_LONG_STRING = re.compile(r'"""(?s:.*?)"""|\'\'\'(?s:.*?)\'\'\'')
MAX_NAMES = 200


def defines(name: str, source: str) -> bool:
    """Return whether the source defines `name` at its left margin as a function, a class or a lambda.

    >>> defines("dice_score", "%%time\\n@torch.no_grad()\\ndef dice_score(p, t): ...")
    True
    >>> defines("dice_score", "class Scores:\\n    def dice_score(p, t): ..."), defines("d", "d = d(1)")
    (False, False)
    """
    pattern = rf"^(?:(?:async[ \t]+)?def|class)[ \t]+{name}\b|^{name}[ \t]*=[ \t]*lambda\b"
    return re.search(pattern, source, re.MULTILINE) is not None


def assigns(name: str, source: str) -> bool:
    """Return whether the source assigns to `name` something that does not use `name` itself.

    >>> assigns("dice_score", "dice_score = Dice()"), assigns("dice_score", "dice_score = dice_score(p, t)")
    (True, False)
    """
    found = re.search(rf"^{name}[ \t]*=(?!=)(.*)$", source, re.MULTILINE)
    return found is not None and not re.search(rf"\b{name}\b", found[1])


def definitions(source: str) -> list[str]:
    """Return the functions and classes that the source defines at its left margin, in order.

    >>> definitions("def one(x):\\n    def two(): ...\\nclass Three: ...")
    ['one', 'Three']
    """
    return _DEFINITION.findall(source)[:MAX_NAMES]


def calls(source: str) -> set[str]:
    """Return every name that the source calls."""
    return set(_CALL.findall(source))


def without_checks(source: str) -> str:
    """Return the source without the lines that call `check`.

    >>> without_checks('check("dice_score", dice_score)\\nx = 1')
    'x = 1'
    """
    return CHECK.sub("", source).strip()


def normalized(source: str) -> str:
    """Return the code without docstrings, comment lines, blank lines and spaces.

    >>> normalized("def f( x ):\\n\\n    # why\\n    return 1 ") == normalized("def f(x):\\n  return 1")
    True
    """
    lines = (line.strip() for line in _LONG_STRING.sub("", source).splitlines())
    return "\n".join("".join(line.split()) for line in lines if line and not line.startswith("#"))


def without_foreign_lines(source: str, on_colab: bool) -> tuple[str, list[str]]:
    """Remove the lines that only work in another editor or on a GPU.

    Outside Colab, the import of Colab's package would fail and take its whole cell with it. Without a GPU, a
    default device would break the whole notebook.

    Returns:
        The source without these lines, and the lines.

    >>> without_foreign_lines("from google.colab import drive\\nimport torch", True)
    ('pass\\nimport torch', ['from google.colab import drive'])
    """
    removed = []

    def replacement(match: re.Match) -> str:
        line = match[2].strip()
        complete = line.count("(") == line.count(")") and not line.endswith("\\")
        if not complete or not (on_colab or line.startswith(("%", "torch"))):
            return match[0]
        removed.append(line[:60])
        return f"{match[1]}pass"

    return _FOREIGN.sub(replacement, source), removed


def hint(name: str, answer: str, others: Iterable[str], known: set[str]) -> str | None:
    """Return a sentence about what may be wrong with an exercise, judging by its source code.

    Args:
        name: The exercise.
        answer: The source of its cell.
        others: The sources of the student's other cells.
        known: The names that the lesson itself defines or asks for.
    """
    sources = [answer, *others]
    deletes = re.compile(rf"^[ \t]*del\b.*\b{name}\b", re.MULTILINE)
    if any(map(deletes.search, sources)):
        return f"one of your lines deletes it (`del {name}`) before its check runs; remove that line."
    if defines(name, answer):
        return _stub_line_left(answer) or _asynchronous(name, answer)
    if any(re.search(rf"^[ \t]+(?:async[ \t]+)?def[ \t]+{name}\b", s, re.MULTILINE) for s in sources):
        return (
            f"the `def {name}` is indented, so it belongs to the class or function above it; "
            "move it to the left margin."
        )
    own = [other for other in definitions(answer) if other not in known]
    new = [other for source in sources for other in definitions(source) if other not in known][:MAX_NAMES]
    if similar := own[-1:] or difflib.get_close_matches(name, new, n=1, cutoff=0.55):
        other = similar[0]
        return f"you defined {other}; the exercise is called {name}. If that is your answer, rename it."
    return None


def _stub_line_left(answer: str) -> str | None:
    """Return a sentence if the stub's own line was left above or below the student's code."""
    found = _STUB_LINE.search(answer)
    if not found:
        return None
    line = answer.count("\n", 0, found.start()) + 1
    below = answer[found.end() :].partition("\n")[2].strip()
    where = "above your code, so nothing below it runs" if below else "below your code, which reaches it"
    return f"the stub's `raise NotImplementedError` (line {line}) is still there {where}; delete that line."


def _asynchronous(name: str, answer: str) -> str | None:
    if not re.search(rf"^async[ \t]+def[ \t]+{name}\b", answer, re.MULTILINE):
        return None
    return f"{name} is an `async def`: a call returns a coroutine, not a result; use `def`."
