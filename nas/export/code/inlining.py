"""Calls of functions that only hand on what they are given, written as what they hand it to.

A body is one `return`: of a parameter, of an attribute of one, or of one call whose arguments are no more than that. What is
given is evaluated as often and in the same order as before, or is a name, for which neither matters.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nas.export.code.folding import Folding
from nas.export.code.program import Program
from nas.export.code.scopes import parameters
from nas.export.code.sources import Definition, External, Key, is_string
from nas.export.code.text import Text, is_simple, replaced
from nas.export.code.values import Code, FunctionOf


def inlined(program: Program, folding: Folding, keys: list[Key]) -> Program:
    """The program without such calls; `folding` is of this program."""
    return program.with_changes({key: _Inliner(folding, key).definition() for key in keys})


@dataclass(frozen=True)
class _Body:
    """What a function returns, and the parameters that stand in it."""

    key: Key
    parameters: tuple[str, ...]
    returned: ast.expr

    def names(self) -> list[str]:
        """Uses of parameters, in the order in which they are evaluated."""
        found = (one.id for one in _names(self.returned))
        return [name for name in found if name in self.parameters]


class _Inliner:
    """Of one definition."""

    def __init__(self, folding: Folding, key: Key) -> None:
        self.folding = folding
        self.key = key
        self.before = folding.program.definition(key)
        self.source = Text(self.before)
        self.borrowed = dict(self.before.borrowed)
        self.stored = _stored(self.before.node)

    def definition(self) -> Definition:
        """With what the calls stand for."""
        pieces = list(self._pieces(self.before.node))
        text = replaced(self.source.text, 0, len(self.source.text), pieces)
        return Definition(self.key, text, self.borrowed)

    def _pieces(self, node: ast.AST) -> Iterator[tuple[int, int, str]]:
        """What stands anew within a node, and where."""
        if isinstance(node, ast.JoinedStr):
            # before Python 3.12 what is inside has no true position
            return
        written = self._instead(node)
        if written is not None:
            yield self.source.start(node), self.source.end(node), written
            return
        for child in ast.iter_child_nodes(node):
            yield from self._pieces(child)

    def _text(self, node: ast.AST) -> str:
        return replaced(self.source.text, self.source.start(node), self.source.end(node), self._pieces(node))

    def _instead(self, node: ast.AST) -> str | None:
        match node:
            case ast.Call(func=func, args=args, keywords=[]) if not any(isinstance(one, ast.Starred) for one in args):
                body = self._called(node)
                given = [] if body is None else [*self._receiver(func, body), *args]
            case ast.Attribute(ctx=ast.Load(), value=value):
                body, given = self._property(node), [value]
            case _:
                return None
        if body is None or len(given) != len(body.parameters) or not self._is_sound(body, given):
            return None
        return self._substituted(body, dict(zip(body.parameters, given, strict=True)))

    # what a call runs

    def _called(self, node: ast.Call) -> _Body | None:
        functions = self.folding.callees(node)
        codes = {one.code for one in functions if isinstance(one, FunctionOf)}
        known = len(codes) == 1 and all(isinstance(one, FunctionOf) for one in functions)
        known = known and (isinstance(node.func, ast.Attribute) or _is_chain(node.func))
        return _body(self.folding, next(iter(codes))) if known else None

    def _receiver(self, func: ast.expr, body: _Body) -> list[ast.expr]:
        """What a method is called of."""
        is_method = isinstance(self.folding.program.definition(body.key).node, ast.ClassDef)
        return [func.value] if is_method and isinstance(func, ast.Attribute) else []

    def _property(self, node: ast.Attribute) -> _Body | None:
        analysis = self.folding.analysis
        kinds = [analysis.class_of(atom) for atom in self.folding.value(node.value)]
        found = {(one[0].key, one[1]) for kind in kinds if kind and (one := analysis.classes.method(kind, node.attr))}
        if len(found) != 1 or None in kinds or not all(analysis.classes.method(kind, node.attr) for kind in kinds if kind):
            return None
        ((key, function),) = found
        body = _body(self.folding, Code(key, node.attr)) if analysis.is_property(function) else None
        return body if body is not None and not isinstance(body.returned, ast.Call) else None

    # whether and how it is written

    def _is_sound(self, body: _Body, given: list[ast.expr]) -> bool:
        """Whether nothing is evaluated more often, less often or in another order, as far as that matters."""
        used = body.names()
        often = [one for name, one in zip(body.parameters, given, strict=True) if used.count(name) > 1]
        if all(map(_is_chain, given)) and not any(map(_has_attributes, often)):
            return True
        left_out = [one for name, one in zip(body.parameters, given, strict=True) if name not in used]
        kept = [name for name in body.parameters if name in used]
        return used == kept and all(map(self.folding.is_pure, left_out)) and not _has_attributes(body.returned)

    def _substituted(self, body: _Body, given: Mapping[str, ast.expr]) -> str | None:
        """The body with what is given; None where one of its names means something else here."""
        taken: dict[str, Key | External] = {}
        for name in _names(body.returned):
            found = self.folding.program.resolve(body.key, name.id)
            if name.id in body.parameters:
                continue
            here = self.borrowed.get(name.id) or self.folding.program.resolve(self.key, name.id)
            if name.id in self.stored or found is None or here not in (None, found):
                return None
            taken |= {} if here == found else {name.id: found}
        self.borrowed |= taken
        return self._written(body, body.returned, given)

    def _written(self, body: _Body, node: ast.expr, given: Mapping[str, ast.expr]) -> str:
        match node:
            case ast.Name(id=name) if name in given:
                text = self._text(given[name])
                return text if is_simple(text) else f"({text})"
            case ast.Attribute(value=value, attr=name):
                return f"{self._written(body, value, given)}.{name}"
            case ast.Call(func=func, args=args):
                return f"{self._written(body, func, given)}({', '.join(self._argument(body, one, given) for one in args)})"
        return ast.unparse(node)

    def _argument(self, body: _Body, node: ast.expr, given: Mapping[str, ast.expr]) -> str:
        """Without brackets, which an argument needs nowhere."""
        return (
            self._text(given[node.id]) if isinstance(node, ast.Name) and node.id in given else self._written(body, node, given)
        )


def _body(folding: Folding, code: Code) -> _Body | None:
    """What a function hands on, if it does nothing else."""
    function = folding.function(code)
    if function is None or function.args.vararg is not None or function.args.kwonlyargs:
        return None
    statements = [one for one in function.body if not is_string(one)]
    if len(statements) != 1 or not isinstance(statements[0], ast.Return) or statements[0].value is None:
        return None
    decorated = [one for one in function.decorator_list if ast.unparse(one) != "property"]
    body = _Body(code.key, tuple(one.arg for one in parameters(function.args)), statements[0].value)
    return body if not decorated and _hands_on(body) else None


def _hands_on(body: _Body) -> bool:
    """Whether it returns what `_is_chain` says of a parameter, or calls a global name with such and with constants."""
    match body.returned:
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            plain = all(_is_chain_of(one, body.parameters) or isinstance(one, ast.Constant) for one in args)
            return plain and name not in body.parameters and name != body.key[1]
    return _is_chain_of(body.returned, body.parameters)


def _is_chain_of(node: ast.expr, names: tuple[str, ...]) -> bool:
    return _is_chain(node) and not isinstance(node, ast.Constant) and all(one.id in names for one in _names(node))


def _is_chain(node: ast.expr) -> bool:
    """Whether it is a constant, a name, or an attribute of one."""
    return isinstance(node, ast.Name | ast.Constant) or (isinstance(node, ast.Attribute) and _is_chain(node.value))


def _has_attributes(node: ast.expr) -> bool:
    return any(isinstance(one, ast.Attribute) for one in ast.walk(node))


def _names(node: ast.AST) -> Iterator[ast.Name]:
    """In the order of the text, which is that of evaluation."""
    if isinstance(node, ast.Name):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _names(child)


def _stored(node: ast.AST) -> frozenset[str]:
    """Names that a definition binds anywhere."""
    names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    return frozenset(names | {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)})
