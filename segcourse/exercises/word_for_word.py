"""Whether an answer is the library's source, typed or pasted: worth a teacher's look, and never a mark."""

import ast
import contextlib
import functools
import inspect
import re

from segcourse.exercises import get


def word_for_word(name: str, source: str) -> bool:
    """Whether a cell defines the answer to exercise `name` just as the library's source does.

    Formatting, comments and docstrings aside. One-liners do not count: many people write the same one.

    Raises:
        UnknownExerciseError: there is no such exercise.

    >>> import inspect
    >>> from segcourse import dice_score, mean_iou
    >>> word_for_word("dice_score", inspect.getsource(dice_score).replace("    ", "  ") + "# done")
    True
    >>> word_for_word("mean_iou", inspect.getsource(mean_iou))  # return iou_per_class(matrix).nanmean()
    False
    """
    reference = _reference(name)
    return reference is not None and any(_words(node) == reference for node in _definitions(source))


@functools.cache
def _reference(name: str) -> str | None:
    answer = get(name).answer
    try:
        (definition,) = _definitions(inspect.getsource(answer))
    except (TypeError, OSError, ValueError):  # an answer without source: a number, a choice, a partial
        return None
    words, statements = _words(definition), [n for n in ast.walk(definition) if isinstance(n, ast.stmt)]
    return words if len(statements) > 2 else None  # the definition itself, and one line


def _definitions(source: str) -> list[ast.stmt]:
    """The functions and classes at the top level of a cell; none if it is no Python."""
    without_magics = re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.MULTILINE)
    for text in (source, without_magics):
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            return [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    return []


def _words(definition: ast.stmt) -> str:
    """The definition without its docstrings, which are taken out of it."""
    for node in ast.walk(definition):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(definition)
