"""What is changed: one number, comparison, argument, condition … of a file at a time, in its text.

Left out are kernels and what is put into them, annotations, wording (sentences, f-strings, errors raised) and
assertions.
"""

from __future__ import annotations

import ast
import copy
import difflib
import hashlib
from collections.abc import Iterator
from typing import NamedTuple

COMPILED = ("kernel", "inlined", "woven", "njit", "jit", "vectorize", "overload", "intrinsic")
_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    **{
        ast.Lt: ast.LtE,
        ast.LtE: ast.Lt,
        ast.Gt: ast.GtE,
        ast.GtE: ast.Gt,
        ast.Eq: ast.NotEq,
        ast.NotEq: ast.Eq,
    },
    **{ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In},
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div},
    **{
        ast.Mod: ast.Div,
        ast.Pow: ast.Mult,
        ast.MatMult: ast.Mult,
        ast.LShift: ast.RShift,
        ast.RShift: ast.LShift,
    },
    **{
        ast.BitAnd: ast.BitOr,
        ast.BitOr: ast.BitAnd,
        ast.BitXor: ast.BitAnd,
        ast.And: ast.Or,
        ast.Or: ast.And,
    },
}
_ATOMS = (ast.Constant, ast.Name, ast.Call, ast.Attribute, ast.Subscript, ast.stmt)


class Mutant(NamedTuple):
    """A file with one change."""

    line: int
    operator: str
    before: str  # the lines that differ
    after: str
    source: str

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return hashlib.sha256(self.source.encode()).hexdigest()[:16]

    def told(self) -> dict[str, object]:
        """Its part of a record's line."""
        return {name: getattr(self, name) for name in ("line", "operator", "before", "after", "key")}


def mutants(source: str) -> list[Mutant]:
    """All changes of a file's text, in the order of their places."""
    data, found = source.encode(), {}
    starts = [0]  # columns of `ast` count bytes
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    tree = ast.parse(source)
    original = ast.dump(tree)
    for node in _changeable(tree):
        for operator, old, new in _changes(node):
            begin = starts[old.lineno - 1] + old.col_offset
            end = starts[(old.end_lineno or 0) - 1] + (old.end_col_offset or 0)
            text = ast.unparse(new)
            text = text if isinstance(new, _ATOMS) else f"({text})"
            changed = (data[:begin] + text.encode() + data[end:]).decode()
            if changed not in found and ast.dump(ast.parse(changed)) != original:
                found[changed] = old.lineno, operator
    return [Mutant(line, how, *_difference(source, text), text) for text, (line, how) in found.items()]


def _difference(old: str, new: str) -> tuple[str, str]:
    lines = list(difflib.ndiff(old.splitlines(), new.splitlines()))
    return tuple("\n".join(one[2:] for one in lines if one.startswith(sign)) for sign in "-+")  # type: ignore[return-value]


def _name(node: ast.AST) -> str:
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_compiled(node: ast.AST) -> bool:
    """Tell whether a statement makes a kernel: a function so decorated, or a call's result kept."""
    if isinstance(node, ast.FunctionDef):
        return any(_name(one) in COMPILED for one in node.decorator_list)
    if isinstance(node, ast.Assign):
        return any(isinstance(n, ast.Call) and _name(n) in COMPILED for n in ast.walk(node.value))
    return False


def _changeable(node: ast.AST) -> Iterator[ast.AST]:
    """A node and those below it, without what is left out."""
    if isinstance(node, (ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.JoinedStr)) or _is_compiled(
        node
    ):
        return
    if isinstance(node, ast.If) and _name(node.test) == "TYPE_CHECKING":
        return
    yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            is_text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)  # a docstring
            if isinstance(child, ast.AST) and not is_text:
                yield from _changeable(child)


def _with(node: ast.AST, **fields: object) -> ast.AST:
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.expr | ast.stmt, ast.AST]]:
    """What may stand in a node's place: the kind of change, the node that goes, and the one that comes."""
    none = ast.Constant(None)
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield "truth", node, ast.Constant(not node.value)
        elif isinstance(node.value, (int, float)):
            yield "number", node, ast.Constant(node.value + 1)
        elif isinstance(node.value, str) and node.value and " " not in node.value:
            yield "string", node, ast.Constant(f"XX{node.value}XX")
    elif isinstance(node, ast.Compare):
        for k, op in enumerate(node.ops):
            ops = [*node.ops[:k], _SWAPPED[type(op)](), *node.ops[k + 1 :]]
            yield "comparison", node, _with(node, ops=ops)
    elif isinstance(node, (ast.BinOp, ast.BoolOp, ast.AugAssign)):
        yield "operator", node, _with(node, op=_SWAPPED[type(node.op)]())
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        yield "sign", node, node.operand
    elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
        yield "condition", node.test, ast.UnaryOp(ast.Not(), node.test)
    elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
        yield "assignment", node.value, none
    elif isinstance(node, ast.Return) and node.value is not None:
        yield "result", node.value, none
    elif isinstance(node, (ast.Break, ast.Continue)):
        yield "loop", node, ast.Continue() if isinstance(node, ast.Break) else ast.Break()
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "statement", node, ast.Pass()
    elif isinstance(node, ast.Call):
        yield from _arguments(node, none)


def _arguments(node: ast.Call, none: ast.expr) -> Iterator[tuple[str, ast.expr, ast.AST]]:
    alone = len(node.args) + len(node.keywords) == 1
    for k, one in enumerate(node.args):
        if isinstance(one, ast.Starred):
            continue
        yield "argument", node, _with(node, args=[*node.args[:k], none, *node.args[k + 1 :]])
        if not alone:
            yield "argument", node, _with(node, args=[*node.args[:k], *node.args[k + 1 :]])
    for k, word in enumerate(node.keywords):
        if word.arg in (None, "strict"):  # zip's: no result depends on it
            continue
        nothing = _with(word, value=none)
        yield "argument", node, _with(node, keywords=[*node.keywords[:k], nothing, *node.keywords[k + 1 :]])
        yield "argument", node, _with(node, keywords=[*node.keywords[:k], *node.keywords[k + 1 :]])
