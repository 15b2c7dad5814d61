"""Wrong answers made by program: every small change of an exercise's answer, one change each.

General mutation tools (mutmut, cosmic-ray) run a test suite once per mutant, each in a process of its own,
and know neither `.detach()` nor a mask in uint8. Here a mutant is a function or a class, and is run on
the cases.
"""

import ast
import copy
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div)
BITWISE = (ast.BitAnd, ast.BitOr, ast.BitXor)
COMPARE = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
EQUALITY = (ast.Eq, ast.NotEq)
# names, and what they are exchanged for
NAMES = {
    "sum": ("mean", "amax", "prod"),
    "mean": ("sum", "amax", "nanmean"),
    "nanmean": ("mean", "nansum", "nanmedian"),
    "nansum": ("nanmean", "sum"),
    "max_pool2d": ("avg_pool2d",),
    "MaxPool2d": ("AvgPool2d", "Identity"),
    "relu": ("leaky_relu", "sigmoid", "gelu", "abs"),
    "ReLU": ("LeakyReLU", "Sigmoid", "GELU", "Identity", "Dropout"),
    "sigmoid": ("tanh", "relu", "softplus"),
    "BatchNorm2d": ("InstanceNorm2d", "Identity", "Dropout2d"),
    "ConvTranspose2d": ("LazyConvTranspose2d",),
    "Conv2d": ("ConvTranspose2d",),
    "softmax": ("log_softmax", "sigmoid"),
    "log_softmax": ("softmax",),
    "exp": ("sqrt", "log"),
    "cat": ("concat",),
    "diagonal": ("flatten",),
    "clamp": ("add",),
    "parameters": ("buffers",),
    "numel": ("dim", "size"),
    "requires_grad": ("is_leaf",),
    "ModuleList": ("list", "Sequential"),
    "DoubleConv": ("Down",),
}
STRINGS = {
    "none": ("mean", "sum"),
    "sum": ("mean", "none"),
    "bilinear": ("nearest", "bicubic"),
    "same": ("valid",),
}
CASTS = ("bool", "byte", "short", "int", "long", "half", "bfloat16", "float", "double")
ENDINGS = (
    "detach()",
    "item()",
    "tolist()",
    "detach().numpy()",
    "squeeze()",
    "unsqueeze(0)",
    "half()",
    "bfloat16()",
)
ENDINGS += ("flatten()", "neg()", "abs()", "round()", "long()", "T", "flip(0)", "nan_to_num()")


@dataclass(frozen=True)
class Mutant:
    """A changed answer: what was changed, and the object."""

    change: str
    obj: Any

    def __str__(self) -> str:
        return self.change


def mutants(answer: Any) -> Iterator[Mutant]:
    """Yield every mutant of an exercise's answer that compiles; each differs from it in one place."""
    source = textwrap.dedent(inspect.getsource(answer))
    tree = ast.parse(source).body[0]
    _without_docstrings(tree)
    original = ast.unparse(tree)
    seen = {original}
    for changed in (*_replaced(tree), *_statements(tree), *_functions(tree)):
        text = ast.unparse(ast.fix_missing_locations(changed))
        if text in seen:
            continue
        seen.add(text)
        names = dict(vars(inspect.getmodule(answer)))
        try:
            exec(compile(text, f"<mutant of {answer.__name__}>", "exec"), names)
        except Exception:
            continue
        yield Mutant(_difference(original, text), names[answer.__name__])


def _difference(before: str, after: str) -> str:
    old, new = before.splitlines(), after.splitlines()
    while old and new and old[0].strip() == new[0].strip():
        old, new = old[1:], new[1:]
    while old and new and old[-1].strip() == new[-1].strip():
        old, new = old[:-1], new[:-1]
    return f"{'; '.join(map(str.strip, old))}  ->  {'; '.join(map(str.strip, new))}"


def _without_docstrings(tree: ast.AST) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]


def _replaced(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield copies of the tree in which one expression is replaced."""
    nodes = list(ast.walk(tree))
    names = _locals(tree)
    for index, node in enumerate(nodes):
        for new in _expressions(node, names):
            twin = copy.deepcopy(tree)
            old = list(ast.walk(twin))[index]
            yield _Replace(old, new).visit(twin)


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST):
        self.old, self.new = old, new

    def generic_visit(self, node):
        return self.new if node is self.old else super().generic_visit(node)

    def visit(self, node):
        return self.new if node is self.old else super().visit(node)


def _locals(tree: ast.AST) -> list[str]:
    """Return the names of arguments, `self` aside."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [a.arg for f in functions for a in f.args.args if a.arg != "self"]


def _expressions(node: ast.AST, names: list[str]) -> Iterator[ast.AST]:
    """Yield what an expression may be replaced by."""
    if isinstance(node, ast.BinOp):
        for family in (ARITHMETIC, BITWISE):
            if isinstance(node.op, family):
                yield from (
                    ast.BinOp(node.left, op(), node.right) for op in family if not isinstance(node.op, op)
                )
        yield ast.BinOp(node.right, node.op, node.left)
        yield node.left
        yield node.right
        if isinstance(node.op, ast.Div):
            yield ast.BinOp(node.left, ast.FloorDiv(), node.right)
    elif isinstance(node, ast.Compare):
        for family in (COMPARE, EQUALITY):
            if isinstance(node.ops[0], family):
                others = (op() for op in family if not isinstance(node.ops[0], op))
                yield from (ast.Compare(node.left, [op], node.comparators) for op in others)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant):
        yield from _constants(node.value)
    elif isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) > 1:
        for i in range(len(node.elts)):
            yield ast.Tuple([*node.elts[:i], *node.elts[i + 1 :]], ast.Load())
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        yield from (ast.Attribute(node.value, name, node.ctx) for name in NAMES.get(node.attr, ()))
        if node.attr in CASTS:
            yield from (ast.Attribute(node.value, cast, node.ctx) for cast in CASTS if cast != node.attr)
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        yield node.value
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield from (ast.Name(name, node.ctx) for name in NAMES.get(node.id, ()))
        if node.id in names:
            yield from (ast.Name(other, node.ctx) for other in names if other != node.id)


def _constants(value: Any) -> Iterator[ast.Constant]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        for other in (value + 1, value - 1, 0, 1, 2 * value, -value):
            if other != value:
                yield ast.Constant(other)
    elif isinstance(value, str):
        yield from map(ast.Constant, STRINGS.get(value, ()))


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    """Yield the call with an argument fewer, two exchanged, or unwrapped."""
    for i in range(len(node.keywords)):
        yield ast.Call(node.func, node.args, node.keywords[:i] + node.keywords[i + 1 :])
    for i in range(len(node.args) - 1):
        swapped = [*node.args[:i], node.args[i + 1], node.args[i], *node.args[i + 2 :]]
        yield ast.Call(node.func, swapped, node.keywords)
    if len(node.args) > 1:
        for i in range(len(node.args)):
            yield ast.Call(node.func, node.args[:i] + node.args[i + 1 :], node.keywords)
    yield from (arg for arg in node.args[:1] if not isinstance(arg, ast.Constant | ast.Starred))
    if isinstance(node.func, ast.Attribute):
        yield node.func.value


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield copies with one statement left out, two exchanged, or one branch always or never taken."""
    for index, node in enumerate(ast.walk(tree)):
        for field in ("body", "orelse"):
            body = getattr(node, field, None)
            if not isinstance(body, list) or isinstance(node, ast.Lambda):
                continue
            for i in range(len(body)):
                twin = copy.deepcopy(tree)
                block = getattr(list(ast.walk(twin))[index], field)
                block[i : i + 1] = [] if len(block) > 1 else [ast.Pass()]
                yield twin
            for i in range(len(body) - 1):
                twin = copy.deepcopy(tree)
                block = getattr(list(ast.walk(twin))[index], field)
                block[i], block[i + 1] = block[i + 1], block[i]
                yield twin
        if isinstance(node, ast.If | ast.IfExp):
            for value in (True, False):
                twin = copy.deepcopy(tree)
                list(ast.walk(twin))[index].test = ast.Constant(value)
                yield twin


def _functions(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield copies whose result, or one of whose arguments, is treated wrongly in one function."""
    functions = [(i, node) for i, node in enumerate(ast.walk(tree)) if isinstance(node, ast.FunctionDef)]
    for index, function in functions:
        returns = [i for i, node in enumerate(ast.walk(function)) if isinstance(node, ast.Return)]
        for place in returns:
            for ending in ENDINGS:
                twin = copy.deepcopy(tree)
                node = list(ast.walk(list(ast.walk(twin))[index]))[place]
                node.value = ast.parse(f"({ast.unparse(node.value)}).{ending}", mode="eval").body
                yield twin
        arguments = [a.arg for a in function.args.args if a.arg != "self"]
        required = arguments[: len(arguments) - len(function.args.defaults)]
        first = [f"{a} = {a}.{cast}()" for a in required for cast in CASTS]
        first += [f"{a} = {a}[:1]" for a in required] + [f"{a} = {a}.detach()" for a in required]
        first += [f"{a} = {a}.T" for a in required]
        first += [
            f"{a} = {ast.unparse(default)}"
            for a, default in zip(arguments[len(required) :], function.args.defaults, strict=True)
        ]
        first += [f"{a} = int({a})" for a in arguments[len(required) :]]
        if function.name == "__init__":
            first = []
        for line in first:
            twin = copy.deepcopy(tree)
            list(ast.walk(twin))[index].body[:0] = ast.parse(line).body
            yield twin
        for argument in required if returns and function.name != "__init__" else ():
            twin = copy.deepcopy(tree)
            body = list(ast.walk(twin))[index].body
            if isinstance(body[-1], ast.Return):
                value = ast.unparse(body[-1].value)
                body[-1:] = ast.parse(f"_result = {value}\n{argument}.mul_(2)").body
                body.append(ast.Return(ast.Name("_result", ast.Load())))
                yield twin
