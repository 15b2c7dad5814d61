"""An exercise as cells of a notebook: its heading, its stub, its check, and its solution.

Points, names, signatures and docstrings are in the exercise's own file and are not repeated here.
"""

import ast
import inspect
import textwrap
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segcourse.exercises import Exercise


def heading(exercise: "Exercise") -> str:
    """Return the heading of the exercise's text, without the marks of a heading.

    >>> from segcourse import exercises
    >>> heading(exercises.get("mean_iou"))
    'Exercise 5.3 · `mean_iou` · difficulty 1 of 3 · 5 minutes · 2 points'
    """
    return (
        f"Exercise {exercise.number} · `{exercise.name}` · difficulty {exercise.difficulty} of 3 · "
        f"{exercise.minutes} minutes · {exercise.points} points"
    )


def stub(exercise: "Exercise") -> str:
    """Return what a student finds: the answer's signature and docstring, and an error where its code was.

    Where the exercise is a repair, the broken code stands in place of the error.

    >>> from segcourse import exercises
    >>> print(stub(exercises.get("mean_iou")))
    def mean_iou(matrix):
        \"""Return the mean IoU over the classes in truth or prediction, a scalar tensor.\"""
        raise NotImplementedError("Exercise 5.3")
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(exercise.answer))).body[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            error = ast.parse(f'raise NotImplementedError("Exercise {exercise.number}")').body
            node.body = [*node.body[: ast.get_docstring(node) is not None], *error]
    source = ast.unparse(tree).replace(f"'Exercise {exercise.number}'", f'"Exercise {exercise.number}"')
    if exercise.starter:
        broken = inspect.getsource(exercise.starter).partition(":\n")[2].rstrip()
        source = source.replace(f'    raise NotImplementedError("Exercise {exercise.number}")', broken)
    return source


def check(exercise: "Exercise") -> str:
    """Return the source of the exercise's check.

    >>> from segcourse import exercises
    >>> check(exercises.get("mean_iou"))
    'check("mean_iou", mean_iou)'
    """
    return f'check("{exercise.name}", {exercise.name})'


def metadata(exercise: "Exercise", of_check: bool = False) -> dict:
    """Return nbgrader's metadata of the exercise's cell, or of its check."""
    about = {
        "grade": of_check,
        "locked": of_check,
        "schema_version": 3,
        "solution": not of_check,
        "task": False,
    }
    about["grade_id"] = f"check_{exercise.name}" if of_check else exercise.name
    return about | ({"points": exercise.points} if of_check else {})


def source_of(name: str, defined: Collection[str] = ()) -> str:
    """Return the code that defines the answer to exercise `name`, with the imports that it needs.

    Args:
        name: the exercise.
        defined: the exercises that stand above it in the notebook, and what its cells assign. The answer uses
            those, and imports none of them.

    >>> print(source_of("mean_iou", {"iou_per_class"}))
    def mean_iou(matrix):
        \"""Return the mean IoU over the classes in truth or prediction, a scalar tensor.\"""
        return iou_per_class(matrix).nanmean()
    """
    from segcourse import exercises

    answer = exercises.get(name).answer
    source = inspect.getsource(answer)
    used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    imports = []
    for statement in ast.parse(inspect.getsource(inspect.getmodule(answer))).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                bound = alias.asname or alias.name
                if bound.partition(".")[0] in used - set(defined):
                    statement.names = [alias]
                    imports.append(ast.unparse(statement))
    return "\n\n\n".join(filter(None, ["\n".join(imports), source.rstrip()]))
