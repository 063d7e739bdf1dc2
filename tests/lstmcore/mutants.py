"""Functions with one term taken out, for tests that must notice."""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Iterator
from typing import Any

PRODUCTS = ("add_product", "add_row_product", "product", "product_over_frames")


def mutants(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """All trees with one operand, one sign, one accumulation or one product taken out."""
    for number, node in enumerate(ast.walk(tree)):
        for replacement in _replacements(node):
            mutant = copy.deepcopy(tree)
            original = list(ast.walk(mutant))[number]
            _replace(mutant, original, replacement)
            yield f"{ast.unparse(node)}  ->  {ast.unparse(replacement)}", ast.fix_missing_locations(mutant)


def _replacements(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.BinOp):
        return [node.left] if isinstance(node.op, ast.Pow) else [node.left, node.right]
    if isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        return [node.operand]
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Subscript):
        return [ast.Pass()]
    called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func)
    if called in (*PRODUCTS, "column_sums"):
        return [ast.Pass()]
    return []


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list) and old in value:
                value[value.index(old)] = new


def functions(module: Any, names: tuple[str, ...]) -> list[ast.FunctionDef]:
    """The functions' trees without decorators, annotations and docstrings."""
    tree = ast.parse(inspect.getsource(module))
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names]
    for function in found:
        function.decorator_list = []
        function.returns = None
        for argument in function.args.args:
            argument.annotation = None
        if ast.get_docstring(function) is not None:
            del function.body[0]
    return found
