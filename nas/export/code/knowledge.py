"""What a test tells about the code behind it: expressions that cannot be None there."""

import ast
from collections.abc import Iterator
from functools import lru_cache


@lru_cache(maxsize=4096)
def assigned(function: ast.FunctionDef) -> frozenset[str]:
    """The names and attributes that a function assigns to, as text."""
    stored = (one for one in ast.walk(function) if isinstance(one, ast.Name | ast.Attribute) and isinstance(one.ctx, ast.Store))
    return frozenset(map(ast.unparse, stored))


def not_none(test: ast.expr, outcome: bool) -> Iterator[str]:
    """The expressions that a test shows not to be None when it comes out so."""
    match test:
        case ast.Compare(left=ast.Name() | ast.Attribute() as left, ops=[ast.Is() | ast.IsNot() as operation]):
            if isinstance(operation, ast.IsNot) == outcome and ast.unparse(test.comparators[0]) == "None":
                yield ast.unparse(left)
        case ast.Name() | ast.Attribute() if outcome:
            yield ast.unparse(test)
        case ast.BoolOp() if isinstance(test.op, ast.And) == outcome:
            for operand in test.values:
                yield from not_none(operand, outcome)
        case ast.UnaryOp(op=ast.Not()):
            yield from not_none(test.operand, not outcome)
