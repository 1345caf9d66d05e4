"""Loops that say more than they do: over nothing, with numbers that nobody reads, or past elements that are always None."""

import ast
from collections.abc import Iterable

from nas.export.code.folding import Folding
from nas.export.code.liveness import Liveness
from nas.export.code.values import NONE, Code, Outside, elements

ENUMERATE = frozenset((Outside("builtins.enumerate"),))
TUPLE = frozenset((Outside("builtins.tuple"),))
Loop = ast.For | ast.comprehension


class Loops:
    """What is simpler in the loops of one program."""

    def __init__(self, folding: Folding, liveness: Liveness) -> None:
        self.folding = folding
        self.liveness = liveness

    def never_runs(self, node: ast.For) -> bool:
        """Whether there is nothing to loop over, and finding that out changes nothing."""
        value = self.folding.analysis.values.get(node.iter)
        return bool(value) and value is not None and not elements(value) and self.folding.is_pure(node.iter)

    def counted(self, node: Loop, code: Code) -> tuple[ast.expr, ast.expr] | None:
        """Of `for i, x in enumerate(y)` where nobody reads i: x and y."""
        match node.target, node.iter:
            case ast.Tuple(elts=[ast.Name(id=number), target]), ast.Call(func=func, args=[items], keywords=[]):
                unread = (code, number) not in self.liveness.locals
                return (target, items) if unread and self.folding.value(func) == ENUMERATE else None
        return None

    def passed_over(self, node: Loop, code: Code) -> set[int]:
        """Places in a tuple that is looped over of what is always None, where the loop only does something with others."""
        if not (isinstance(node.iter, ast.Tuple) and isinstance(node.target, ast.Name)):
            return set()
        if isinstance(node, ast.For) and self._is_read_after(node, node.target.id, code):
            return set()
        tests: Iterable[ast.expr] = node.ifs if isinstance(node, ast.comprehension) else _only_test(node)
        if not any(_says_not_none(test, node.target.id) for test in tests):
            return set()
        return {
            place for place, one in enumerate(node.iter.elts) if self.folding.value(one) == NONE and self.folding.is_pure(one)
        }

    def _is_read_after(self, node: ast.For, name: str, code: Code) -> bool:
        """Whether what a loop leaves in its name may be asked for."""
        everywhere, inside = ([_reads(one, name)] if one is not None else [] for one in (self.folding.function(code), node))
        return everywhere != inside

    def of_tuple(self, node: ast.AST) -> ast.expr | None:
        """Of `tuple(x for x in y)` its y."""
        match node:
            case ast.Call(func=func, args=[ast.GeneratorExp() as made], keywords=[]) if self.folding.value(func) == TUPLE:
                return each(made)
        return None


def each(node: ast.expr) -> ast.expr | None:
    """Of `(x for x in y)` its y."""
    match node:
        case ast.GeneratorExp(
            elt=ast.Name(id=name), generators=[ast.comprehension(target=ast.Name(id=target), ifs=[]) as part]
        ):
            return part.iter if name == target else None
    return None


def unpacked(node: ast.stmt) -> ast.Tuple | None:
    """Of `a, b = (x for x in (c, d))` the tuple `c, d`."""
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=value):
            items = each(value)
            fits = isinstance(items, ast.Tuple) and len(items.elts) == len(targets)
            plain = fits and not any(isinstance(one, ast.Starred) for one in ast.walk(node))
            return items if plain and isinstance(items, ast.Tuple) else None
    return None


def _reads(tree: ast.AST, name: str) -> int:
    return sum(isinstance(one, ast.Name) and one.id == name and isinstance(one.ctx, ast.Load) for one in ast.walk(tree))


def _only_test(node: ast.For) -> list[ast.expr]:
    match node.body, node.orelse:
        case [ast.If(test=test, orelse=[])], []:
            return [test]
    return []


def _says_not_none(test: ast.expr, name: str) -> bool:
    match test:
        case ast.Compare(left=ast.Name(id=tested), ops=[ast.IsNot()], comparators=[ast.Constant(value=None)]):
            return tested == name
    return False
