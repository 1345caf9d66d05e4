"""Expressions that say in a roundabout way what is known: constants by another name, products with one, sums with nothing.

Each is written as what it always is. Nothing here leaves out something that has an effect.
"""

import ast

from nas.export.code.folding import Folding
from nas.export.code.sources import Key
from nas.export.code.values import Code, Collection, Const, FunctionOf, Sequence, Value, const

NUMBERS = (int, float)
Named = ast.Name | ast.Attribute
Computed = ast.Compare | ast.BoolOp | ast.UnaryOp


class Simplifying:
    """What is simpler in the definition of `key`."""

    def __init__(self, folding: Folding, key: Key) -> None:
        self.folding = folding
        self.key = key

    def simpler(self, node: ast.AST) -> ast.expr | str | None:
        """What stands for an expression: a part of it, other text, or None for itself."""
        match node:
            case ast.Name(ctx=ast.Load()) | ast.Attribute(ctx=ast.Load()) | ast.Compare() | ast.BoolOp() | ast.UnaryOp():
                return self._truth(node)
            case ast.Tuple(elts=[_, *_], ctx=ast.Load()) if self._is_nothing(node):
                return "()"
            case ast.BinOp(op=ast.Mult(), left=left, right=ast.Constant(value=1)) if self._is_multiple(left):
                return left
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                if self._is_nothing(right) and self._is_tuple(left):
                    return left
                return right if self._is_nothing(left) and self._is_tuple(right) else None
        return None

    def _truth(self, node: Named | Computed) -> str | None:
        """Of what always is true, or always false, that word."""
        value = self.folding.value(node)
        known = next((word for word in (True, False) if value == const(word)), None)
        return None if known is None or not self.folding.is_pure(node) else str(known)

    def _is_multiple(self, node: ast.expr) -> bool:
        """Whether it stays what it is when multiplied by one: a number or a tuple, but no tensor of truths."""
        return all(
            isinstance(atom, Sequence) or (isinstance(atom, Const) and type(atom.value) in (*NUMBERS, tuple))
            for atom in self.folding.value(node)
        )

    def _is_tuple(self, node: ast.expr) -> bool:
        return all(
            isinstance(atom, Sequence | Collection) or (isinstance(atom, Const) and isinstance(atom.value, tuple))
            for atom in self.folding.value(node)
        )

    def _is_nothing(self, node: ast.expr) -> bool:
        return self.folding.value(node) == const(()) and self.folding.is_pure(node)

    def alias_of(self, node: ast.AST, code: Code) -> Key | None:
        """The function that a name of the function `code` always stands for."""
        if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in self.folding.bound(code)):
            return None
        target = _single(self.folding.value(node))
        function = self.folding.function(code)
        if target is None or function is None or target[1] in self.folding.bound(code) | _stored(function):
            return None
        return target if self.folding.program.resolve(self.key, target[1]) in (None, target) else None


def _stored(function: ast.FunctionDef) -> set[str]:
    """Names that are assigned to, those of comprehensions among them."""
    return {one.id for one in ast.walk(function) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}


def _single(value: Value) -> Key | None:
    """The one function, not a method, that a value is."""
    match list(value):
        case [FunctionOf(Code(key, None), None)]:
            return key
    return None
