"""The source of an exercise's answer, complete enough to stand in a notebook cell.

There is one implementation of each answer, in the library. Its source is copied as it is, together with what
it needs from its module: imports, private helpers and constants. Public functions are imported instead.
"""

import ast
import inspect
import sys
from types import ModuleType


def source_of(name: str, defined: set[str] | frozenset[str] = frozenset()) -> str:
    """The code that defines the answer to exercise `name` under that name.

    `defined` holds the exercises that stand above it in the notebook: the answer uses those, and imports
    none of them. An answer without source (a number, a choice, a partial) is taken from its declaration.
    """
    from segcourse import exercises

    answer = exercises.get(name).answer
    module = sys.modules.get(getattr(answer, "__module__", ""))
    if not (inspect.isfunction(answer) or inspect.isclass(answer)) or answer.__name__ not in vars(module):
        return f'from segcourse import exercises\n\n{name} = exercises.get("{name}").answer'
    above = {other for other in defined if vars(module).get(other) is exercises.get(other).answer}
    source = standalone(module, answer.__name__, above)
    return source if answer.__name__ == name else f"{source}\n\n\n{name} = {answer.__name__}"


def standalone(module: ModuleType, name: str, available: set[str] | frozenset[str] = frozenset()) -> str:
    """The source of `module.name` after what it needs from `module`; names in `available` are left out."""
    text = inspect.getsource(module)
    statements = _definitions(ast.parse(text))
    imports: dict[str | None, set[str]] = {}  # module -> names from it; under None what is imported whole
    bodies: list[ast.stmt] = []
    seen = set(available)

    def add(wanted: str) -> None:
        if wanted in seen or wanted not in statements:
            return
        seen.add(wanted)
        statement = statements[wanted]
        if isinstance(statement, ast.Import | ast.ImportFrom):
            source, imported = _import(statement, wanted, module)
            imports.setdefault(source, set()).add(imported)
        elif wanted != name and not wanted.startswith("_"):
            imports.setdefault(module.__name__, set()).add(wanted)
        else:
            for needed in _names(statement):
                add(needed)
            if statement not in bodies:
                bodies.append(statement)

    add(name)
    # future imports change how the copied text is compiled, so they have to come along
    head = [line for line in text.splitlines() if line.startswith("from __future__ ")]
    head += [f"import {whole}" for whole in sorted(imports.pop(None, ()))]
    head += [f"from {source} import {', '.join(sorted(names))}" for source, names in sorted(imports.items())]
    return "\n\n\n".join(filter(None, ["\n".join(head), *(_text(text, statement) for statement in bodies)]))


def _definitions(tree: ast.Module | ast.If | ast.Try) -> dict[str, ast.stmt]:
    """Each name that the module's top level binds, with the statement that binds it."""
    found: dict[str, ast.stmt] = {}
    for statement in tree.body:
        names = []
        if isinstance(statement, ast.If | ast.Try):  # `if TYPE_CHECKING:`, `try: import …`
            found |= _definitions(statement)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            names = [alias.asname or alias.name.partition(".")[0] for alias in statement.names]
        elif isinstance(statement, ast.FunctionDef | ast.ClassDef):
            names = [statement.name]
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
        found |= dict.fromkeys(names, statement)
    return found


def _names(statement: ast.stmt) -> list[str]:
    """Every name that the statement reads; locals are among them, which only costs a look-up."""
    nodes = ast.walk(statement)
    return [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]


def _import(statement: ast.Import | ast.ImportFrom, name: str, module: ModuleType) -> tuple[str | None, str]:
    """Where the import of `name` takes it from (None: it is a module itself), and what it imports."""
    alias = next(a for a in statement.names if (a.asname or a.name.partition(".")[0]) == name)
    imported = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
    if isinstance(statement, ast.Import):
        return None, imported
    package = module.__name__.split(".")[: -statement.level] if statement.level else []
    return ".".join([*package, *filter(None, [statement.module])]), imported


def _text(text: str, statement: ast.stmt) -> str:
    """The statement's lines with its decorators and the comments right above it."""
    lines = text.splitlines()
    first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))]) - 1
    while first > 0 and lines[first - 1].startswith("#"):
        first -= 1
    return "\n".join(lines[first : statement.end_lineno])
