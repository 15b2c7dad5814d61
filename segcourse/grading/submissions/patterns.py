"""What a cell's source says, found with patterns: the grader neither compiles nor runs a student's Python.

Each pattern reads a line once, so that no source, however odd, takes long to search.
"""

import difflib
import re
from collections.abc import Iterable

CHECK = re.compile(r"""^[ \t]*check\([ \t]*(["'])(\w+)\1[ \t]*,.*\)[ \t]*$""", re.MULTILINE)
_DEFINED = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w{1,60})\b", re.MULTILINE)
_CALLED = re.compile(r"\b(\w{1,60})[ \t]*\(")
_UNOPENED = re.compile(r"^[ \t]+raise NotImplementedError\b", re.MULTILINE)
_ELSEWHERE = re.compile(
    r"^([ \t]*)((?:from|import)[ \t]+google\.colab\b.*"
    r"|(?:drive\.mount|files\.(?:upload|download))\(.*\)[ \t]*"
    r"|torch\.set_default_device\([\"']cuda(?::\d+)?[\"']\)[ \t]*"
    r"|%matplotlib[ \t]+(?:widget|ipympl|notebook|nbagg|qt[56]?|tk|gtk[34]?|wx|osx|macosx)[ \t]*)$",
    re.MULTILINE,
)
_LONG_STRING = re.compile(r'"""(?s:.*?)"""|\'\'\'(?s:.*?)\'\'\'')
MAX_NAMES = 200


def defines(name: str, source: str) -> bool:
    """Whether the source says at the left margin what `name` is: a function, a class or a lambda.

    >>> defines("dice_score", "%%time\\n@torch.no_grad()\\ndef dice_score(p, t): ...")
    True
    >>> defines("dice_score", "class Scores:\\n    def dice_score(p, t): ..."), defines("d", "d = d(1)")
    (False, False)
    """
    pattern = rf"^(?:(?:async[ \t]+)?def|class)[ \t]+{name}\b|^{name}[ \t]*=[ \t]*lambda\b"
    return re.search(pattern, source, re.MULTILINE) is not None


def assigns(name: str, source: str) -> bool:
    """Whether the source gives `name` another object, made without it.

    >>> assigns("dice_score", "dice_score = Dice()"), assigns("dice_score", "dice_score = dice_score(p, t)")
    (True, False)
    """
    found = re.search(rf"^{name}[ \t]*=(?!=)(.*)$", source, re.MULTILINE)
    return found is not None and not re.search(rf"\b{name}\b", found[1])


def defined(source: str) -> list[str]:
    """The functions and classes that the source defines at its left margin, in order.

    >>> defined("def one(x):\\n    def two(): ...\\nclass Three: ...")
    ['one', 'Three']
    """
    return _DEFINED.findall(source)[:MAX_NAMES]


def called(source: str) -> set[str]:
    """Every name that is called somewhere in the source."""
    return set(_CALLED.findall(source))


def without_checks(source: str) -> str:
    """The source without the lines that call `check`.

    >>> without_checks('check("dice_score", dice_score)\\nx = 1')
    'x = 1'
    """
    return CHECK.sub("", source).strip()


def bare(source: str) -> str:
    """The code alone, without docstrings, comment lines, blank lines and spaces: what two spellings share.

    >>> bare("def f( x ):\\n\\n    # why\\n    return 1 ") == bare("def f(x):\\n  return 1")
    True
    """
    lines = (line.strip() for line in _LONG_STRING.sub("", source).splitlines())
    return "\n".join("".join(line.split()) for line in lines if line and not line.startswith("#"))


def without_elsewhere(source: str, on_colab: bool) -> tuple[str, list[str]]:
    """The source without the lines that only work where they were written, and those lines.

    Colab's own package exists on Colab alone; where it is missing, the import would cost the whole cell. And
    where there is no GPU, a default device would cost the whole notebook.

    >>> without_elsewhere("from google.colab import drive\\nimport torch", True)
    ('pass\\nimport torch', ['from google.colab import drive'])
    """
    lost = []

    def left_out(match: re.Match) -> str:
        line = match[2].strip()
        whole = line.count("(") == line.count(")") and not line.endswith("\\")
        if not whole or not (on_colab or line.startswith(("%", "torch"))):
            return match[0]
        lost.append(line[:60])
        return f"{match[1]}pass"

    return _ELSEWHERE.sub(left_out, source), lost


def hint(name: str, answer: str, others: Iterable[str], known: set[str]) -> str | None:
    """A sentence for when nothing right was seen of `name`: what may have gone wrong, going by the text.

    `answer` is the source of its cell, `others` those of the other cells a student wrote; `known` are names
    that the lesson itself defines or asks for.
    """
    sources = [answer, *others]
    deletes = re.compile(rf"^[ \t]*del\b.*\b{name}\b", re.MULTILINE)
    if any(map(deletes.search, sources)):
        return f"a line of yours deletes it (`del {name}`) before its check comes; take that line out."
    if defines(name, answer):
        return _unopened(answer) or _asynchronous(name, answer)
    if any(re.search(rf"^[ \t]+(?:async[ \t]+)?def[ \t]+{name}\b", s, re.MULTILINE) for s in sources):
        return (
            f"the `def {name}` is indented, so it belongs to the class or function above it; "
            "write it at the left margin."
        )
    own = [other for other in defined(answer) if other not in known]
    new = [other for source in sources for other in defined(source) if other not in known][:MAX_NAMES]
    if near := own[-1:] or difflib.get_close_matches(name, new, n=1, cutoff=0.55):
        return (
            f"you defined {near[0]}; the exercise is called {name}. If that is your answer, call it {name}."
        )
    return None


def _unopened(answer: str) -> str | None:
    """The stub's own line, forgotten above or below what a student wrote."""
    found = _UNOPENED.search(answer)
    if not found:
        return None
    line = answer.count("\n", 0, found.start()) + 1
    below = answer[found.end() :].partition("\n")[2].strip()
    where = "above your code, so nothing below it runs" if below else "below your code, which comes to it"
    return f"the stub's `raise NotImplementedError` (line {line}) is still there {where}; delete that line."


def _asynchronous(name: str, answer: str) -> str | None:
    if not re.search(rf"^async[ \t]+def[ \t]+{name}\b", answer, re.MULTILINE):
        return None
    return f"{name} is an `async def`: a call returns a coroutine, not a result; write `def`."
