"""Find which of the lesson's own cells a submission needs: those that define a name that its answers use.

A lesson's demonstrations take most of a notebook's time and are the same for every student. A cell that the
student left unchanged runs only if a cell that counts uses what it defines, directly or through other cells.
The run itself checks this guess: if an error names something that a skipped cell defines, the whole notebook
runs.
"""

import ast
import builtins
import contextlib
import functools
import re
import symtable
from collections.abc import Iterable
from typing import Any

from segcourse.grading.notebooks import Cell, Lesson

_SCOPES = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip

_MAGICS = re.compile(r"^[ \t]*[%!].*", re.MULTILINE)  # IPython's own lines


def unneeded_cells(cells: tuple[Cell, ...], lesson: Lesson) -> dict[int, frozenset[str]]:
    """Return the cells of a submission that need not run, each with the names that it would define."""
    defined = _definitions(tuple(cell.source for cell in lesson.cells if cell.role == "run"))
    skipped = {
        place: defined[cell.source.strip()]
        for place, cell in enumerate(cells)
        if cell.role == "run" and cell.source.strip() in defined
    }
    wanted = _names(cell.source for place, cell in enumerate(cells) if cell.runs and place not in skipped)
    while found := [place for place, names in skipped.items() if names & wanted]:
        wanted |= _names(cells[place].source for place in found)
        for place in found:
            del skipped[place]
    return skipped


def left_out(lesson: Lesson) -> dict[str, frozenset[str]]:
    """Return the lesson's long demonstrations, which never run, each with the names that it would define."""
    return _definitions(tuple(cell.source for cell in lesson.cells if cell.role == "skip"))


def is_missed(errors: Iterable[str], skipped: dict[Any, frozenset[str]]) -> bool:
    """Return whether an error message names something that a skipped cell would have defined.

    >>> is_missed(["NameError: name 'lesions' is not defined (line 1)"], {4: frozenset({"lesions"})})
    True
    """
    named = {name for error in errors for name in re.findall(r"'(\w{1,60})'", error)}
    return any(named & names for names in skipped.values())


@functools.lru_cache(maxsize=8)
def _definitions(sources: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """Map the source of each of the lesson's cells to the names that it defines or changes."""
    trees = {}
    for source in sources:
        with contextlib.suppress(SyntaxError):  # a cell with magics always runs
            trees[source] = ast.parse(source)
    modules = {name for tree in trees.values() for name in _imports(tree)}
    return {source.strip(): frozenset(_defined_names(tree, modules)) for source, tree in trees.items()}


def _imports(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)


def _defined_names(tree: ast.Module, modules: set[str]) -> Iterable[str]:
    """Yield the names that a cell binds, and the names of objects that it may change."""
    yield from _imports(tree)
    for node in _outside_functions(tree):
        if isinstance(node, _SCOPES[:3]):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node.id
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            yield _root(node)
        elif isinstance(node, ast.Expr) and _root(node.value) not in modules | vars(builtins).keys():
            yield _root(node.value)  # `found.append(…)` changes an object of another cell


def _outside_functions(node: ast.AST) -> Iterable[ast.AST]:
    """Yield all nodes below `node` but those inside functions, classes and comprehensions."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, _SCOPES):
            yield from _outside_functions(child)


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _names(sources: Iterable[str]) -> set[str]:
    return set().union(*map(_used_names, sources))


@functools.lru_cache(maxsize=4096)
def _used_names(source: str) -> frozenset[str]:
    """Return the names that a source takes from other cells, by Python's own rules of scope.

    >>> sorted(_used_names("def area(m, k=ONE):\\n    p, total = m, m.sum()\\n    return total * unit(x=p)"))
    ['ONE', 'unit']
    """
    try:
        table = symtable.symtable(_MAGICS.sub("", source), "cell", "exec")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return frozenset(re.findall(r"[^\W\d]\w*", source))
    own = {
        symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()
    }
    return frozenset(_globals_of(table) - own)


def _globals_of(table: symtable.SymbolTable) -> set[str]:
    """Return the names that a scope and those inside it look up in the notebook."""
    names = {
        symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced() and symbol.is_global()
    }
    return names.union(*map(_globals_of, table.get_children()))
