"""Arithmetic and comparisons of possible values: by Python itself where both sides are known."""

import ast
import operator
from collections.abc import Callable
from itertools import product
from typing import Any

from nas.export.code.values import (
    ANYTHING,
    EITHER,
    NOTHING,
    OBJECT,
    SOMETHING,
    Atom,
    ClassOf,
    Collection,
    Const,
    Instance,
    Outside,
    Sequence,
    Table,
    Value,
    const,
    elements,
    join_all,
    may_be_none,
)

MAX_PAIRS = 256
PLAIN = (int, float, str, bool, tuple)

ARITHMETIC: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.LShift: operator.lshift,
}
COMPARISONS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda x, y: x in y,
    ast.NotIn: lambda x, y: x not in y,
}


def arithmetic(operation: ast.AST, operands: list[Value]) -> Value:
    """The result of an operator."""
    if not all(operands):
        return NOTHING
    apply = ARITHMETIC.get(type(operation))
    if apply is not None and all(isinstance(one, Const) and isinstance(one.value, PLAIN) for side in operands for one in side):
        return _by_python(apply, operands)
    atoms = [one for side in operands for one in side]
    if isinstance(operation, ast.BitOr) and all(isinstance(one, ClassOf | Outside | Sequence) for one in atoms):
        # classes side by side, as `isinstance` takes them
        return frozenset((Sequence(tuple(frozenset((one,)) for one in atoms)),))
    if any(_holds_things(one) for one in atoms):
        return frozenset((Collection(join_all(elements(side) for side in operands if _any_holds(side))),))
    return OBJECT if any(one in ANYTHING | OBJECT or isinstance(one, Instance) for one in atoms) else SOMETHING


def _any_holds(side: Value) -> bool:
    return any(_holds_things(one) or one in ANYTHING | OBJECT for one in side)


def _holds_things(atom: Atom) -> bool:
    return isinstance(atom, Sequence | Collection) or (isinstance(atom, Const) and isinstance(atom.value, tuple))


def _by_python(apply: Callable[..., Any], operands: list[Value]) -> Value:
    found = []
    if len(operands) == 2 and len(operands[0]) * len(operands[1]) > MAX_PAIRS:
        return SOMETHING
    for pair in product(*operands):
        try:
            found.append(const(apply(*(one.value for one in pair if isinstance(one, Const)))))
        except (ArithmeticError, TypeError, ValueError):
            # a pair that never meets in a run
            continue
    return join_all(found)


def comparison(operation: ast.cmpop, left: Value, right: Value) -> Value:
    """The result of one comparison."""
    if not left or not right:
        return NOTHING
    if isinstance(operation, ast.Is | ast.IsNot):
        return _identity(left, right, isinstance(operation, ast.Is))
    if isinstance(operation, ast.In | ast.NotIn):
        right = frozenset(_keys(one) for one in right)
    if all(isinstance(one, Const) for one in left | right) and len(left) * len(right) <= MAX_PAIRS:
        return _by_python(COMPARISONS[type(operation)], [left, right]) or EITHER
    plain = all(isinstance(one, Const) for one in left | right)
    return EITHER if plain or isinstance(operation, ast.In | ast.NotIn) else SOMETHING


def _keys(atom: Atom) -> Atom:
    """A dictionary with constant keys as the tuple of them."""
    if isinstance(atom, Table) and all(isinstance(key, Const) for key, _ in atom.entries):
        return Const(tuple(key.value for key, _ in atom.entries if isinstance(key, Const)))
    return atom


def _identity(left: Value, right: Value, same: bool) -> Value:
    if right != const(None):
        return EITHER
    return join_all(const(is_none == same) for one in left for is_none in may_be_none(one))
