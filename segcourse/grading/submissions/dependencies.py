"""Which of a lesson's own cells a submission needs: those that make a name that its answers use.

A lesson's demonstrations take most of a notebook's time and are the same for everybody. What a student left
as it was handed out runs only if something that counts uses what it makes, directly or through other cells.
The guess is checked by the run itself: where an error names something that was left out, the whole notebook
is run.
"""

import ast
import builtins
import contextlib
import functools
import io
import keyword
import re
import tokenize
from collections.abc import Iterable

from segcourse.grading.notebooks import Cell, Lesson

_SCOPES = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip


def left_out(cells: tuple[Cell, ...], lesson: Lesson) -> dict[int, frozenset[str]]:
    """Which of a submission's cells need not be run, and the names that each of them would have made."""
    makes = _made_by(lesson)
    idle = {
        place: makes[cell.source.strip()]
        for place, cell in enumerate(cells)
        if cell.role == "run" and cell.source.strip() in makes
    }
    wanted = _names(cell.source for place, cell in enumerate(cells) if cell.runs and place not in idle)
    while found := [place for place, names in idle.items() if names & wanted]:
        wanted |= _names(cells[place].source for place in found)
        for place in found:
            del idle[place]
    return idle


def missed(errors: Iterable[str], idle: dict[int, frozenset[str]]) -> bool:
    """Whether an error's words name something that a cell would have made that was left out.

    >>> missed(["NameError: name 'lesions' is not defined (line 1)"], {4: frozenset({"lesions"})})
    True
    """
    named = {name for error in errors for name in re.findall(r"'(\w{1,60})'", error)}
    return any(named & names for names in idle.values())


@functools.lru_cache(maxsize=8)
def _made_by_text(sources: tuple[str, ...]) -> dict[str, frozenset[str]]:
    trees = {}
    for source in sources:
        with contextlib.suppress(SyntaxError):  # a cell with magics always runs
            trees[source] = ast.parse(source)
    modules = {name for tree in trees.values() for name in _imported(tree)}
    return {source.strip(): frozenset(_made(tree, modules)) for source, tree in trees.items()}


def _made_by(lesson: Lesson) -> dict[str, frozenset[str]]:
    return _made_by_text(tuple(cell.source for cell in lesson.cells if cell.role == "run"))


def _imported(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)


def _made(tree: ast.Module, modules: set[str]) -> Iterable[str]:
    """The names that a cell binds, and those of objects that it may change."""
    yield from _imported(tree)
    for node in _outside_functions(tree):
        if isinstance(node, _SCOPES[:3]):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node.id
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            yield _root(node)
        elif isinstance(node, ast.Expr) and _root(node.value) not in modules | vars(builtins).keys():
            yield _root(node.value)  # `found.append(…)` changes what another cell made


def _outside_functions(node: ast.AST) -> Iterable[ast.AST]:
    """All nodes below, but none inside functions, classes and comprehensions: their names are their own."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, _SCOPES):
            yield from _outside_functions(child)


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _names(sources: Iterable[str]) -> set[str]:
    return set().union(*map(_used, sources))


@functools.lru_cache(maxsize=4096)
def _used(source: str) -> frozenset[str]:
    """The names that a source may take from elsewhere: students' text, so it is read word by word, never
    parsed.

    Attributes, keywords of calls, parameters, loops' variables and what a function assigns to are its own.

    >>> sorted(_used("def area(mask, scale=ONE):\\n    total = mask.sum()\\n    return total * unit(x=mask)"))
    ['ONE', 'unit']
    """
    words, own, before, deep, header, looping = set(), set(), "", 0, None, False
    try:
        tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.string.strip()]
    except (tokenize.TokenError, SyntaxError):
        return frozenset(re.findall(r"[^\W\d]\w*", source))
    for token, after in zip(tokens, [*(t.string for t in tokens[1:]), ""], strict=True):
        word = token.string
        deep += (word in "([{") - (word in ")]}") if len(word) == 1 else 0
        if word in ("def", "lambda"):
            header = deep
        elif header is not None and word == ":" and deep == header:
            header = None
        looping = (looping or word == "for") and word != "in"
        if token.type == tokenize.NAME and not keyword.iskeyword(word) and before != ".":
            parameter = header is not None and before in ("(", ",", "*", "**", "lambda")
            assigned = after == "=" and token.start[1] and not deep
            if before in ("def", "class", "as") or parameter or assigned or looping:
                own.add(word)
            elif not (after == "=" and deep):
                words.add(word)
        before = word
    return frozenset(words - own)
