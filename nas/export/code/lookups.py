"""Calls that choose what to call by the type of an argument: `TABLE[type(x)](x)` gives each entry only what is of its type."""

import ast
from collections.abc import Callable

from nas.export.code.sources import Key
from nas.export.code.values import Atom, ClassOf, Table, Value


def table_of_types(node: ast.Call) -> ast.expr | None:
    """Of `TABLE[type(x)](...)` the table."""
    match node.func:
        case ast.Subscript(value=table) if _typed(node) is not None:
            return table
    return None


def _typed(node: ast.Call) -> str | None:
    """Of the same the name x."""
    match node.func:
        case ast.Subscript(slice=ast.Call(func=ast.Name(id="type"), args=[ast.Name(id=name)], keywords=[])):
            return name
    return None


def narrowed(
    node: ast.Call, callee: Atom, tables: Value, arguments: list[Value], class_of: Callable[[Atom], Key | None]
) -> list[Value]:
    """What `callee` is given: where the arguments have the name that chose it, the possibilities whose type is its key."""
    entries = [entry for one in tables if isinstance(one, Table) for entry in one.entries]
    known = bool(tables) and all(isinstance(one, Table) for one in tables)
    known = known and len(arguments) == len(node.args) and not any(isinstance(one, ast.Starred) for one in node.args)
    if not known or not all(isinstance(key, ClassOf) for key, _ in entries):
        return arguments
    kinds = {key.kind for key, value in entries if isinstance(key, ClassOf) and callee in value}
    named = [isinstance(one, ast.Name) and one.id == _typed(node) for one in node.args]
    return [
        frozenset(atom for atom in value if class_of(atom) in (None, *kinds)) if chosen else value
        for value, chosen in zip(arguments, named, strict=True)
    ]
