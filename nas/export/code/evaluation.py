"""One function interpreted once: its statements, in order, and what each of its expressions may be."""

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nas.export.code.calls import Calls
from nas.export.code.knowledge import assigned, not_none
from nas.export.code.operators import arithmetic, comparison
from nas.export.code.scopes import Comprehension, bound_names, parameters
from nas.export.code.sources import External
from nas.export.code.values import (
    ANYTHING,
    EITHER,
    FALSE,
    NONE,
    NOTHING,
    OBJECT,
    SOMETHING,
    TRUE,
    Atom,
    ClassOf,
    Code,
    Collection,
    Const,
    Outside,
    Sequence,
    Table,
    Value,
    const,
    elements,
    items_of,
    join,
    join_all,
    truths,
    where,
)

if TYPE_CHECKING:
    from nas.export.code.analysis import Analysis


class Evaluation(Calls):
    """Of the code of one function, or of a constant; `at_module` where only its module's names are known, as in defaults."""

    def __init__(self, analysis: "Analysis", code: Code, at_module: bool = False) -> None:
        self.analysis = analysis
        self.code = code
        node = None if at_module or self._is_constant() else analysis.function(code)
        self.function = node
        self.local = frozenset() if node is None else bound_names(node)
        self.given: frozenset[str] = frozenset()
        """Expressions that are not None where the evaluation is, by their text."""

    def _is_constant(self) -> bool:
        node = self.analysis.program.definition(self.code.key).node
        return self.code.method is None and not isinstance(node, ast.FunctionDef)

    def run(self) -> None:
        """Interpret the whole code; its result goes to its cell."""
        if self.function is None:
            node = self.analysis.program.definition(self.code.key).node
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            self._result(NOTHING if node.value is None else self.value(node.value))
        elif self._block(self.function.body):
            self._result(NONE)

    def _result(self, value: Value) -> None:
        self.analysis.write(("result", self.code), value)

    # statements: each says whether what comes after it may run

    def _block(self, statements: list[ast.stmt]) -> bool:
        return all(self._statement(statement) for statement in statements)

    def _statement(self, node: ast.stmt) -> bool:
        match node:
            case ast.Return() | ast.Raise():
                return self._leave(node)
            case ast.If():
                return self._if(node)
            case ast.For() | ast.While():
                self._loop(node)
            case ast.With():
                for item in node.items:
                    self.value(item.context_expr)
                return self._block(node.body)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                self._assignment(node)
            case _:
                self._simple(node)
        return True

    def _leave(self, node: ast.Return | ast.Raise) -> bool:
        given = node.value if isinstance(node, ast.Return) else node.exc
        value = NONE if given is None else self.value(given)
        if isinstance(node, ast.Return):
            self._result(value)
        return False

    def _assignment(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> None:
        match node:
            case ast.Assign():
                value = self.value(node.value)
                for target in node.targets:
                    self._assign(target, value)
            case ast.AnnAssign():
                if node.value is not None:
                    self._assign(node.target, self.value(node.value))
            case ast.AugAssign():
                self.value(node.value)
                self._assign(node.target, OBJECT)

    def _simple(self, node: ast.stmt) -> None:
        match node:
            case ast.Expr():
                self.value(node.value)
            case ast.Assert():
                self.outcomes(node.test)
            case ast.Pass() | ast.Break() | ast.Continue():
                pass
            case _:
                raise NotImplementedError(f"{self.code}: the code generator does not read {type(node).__name__} statements")

    def _if(self, node: ast.If) -> bool:
        outcomes = self.outcomes(node.test)
        with self.knowing(node.test, True):
            after = [self._block(node.body)] if True in outcomes else []
        with self.knowing(node.test, False):
            after += [self._block(node.orelse)] if False in outcomes else []
        return any(after)

    @contextmanager
    def knowing(self, test: ast.expr, outcome: bool) -> Iterator[None]:
        """Where a test has come out so: what cannot be None then. Only of what the function itself never changes."""
        before = self.given
        self.given = before | {text for text in not_none(test, outcome) if not self._changes(text)}
        yield
        self.given = before

    def _changes(self, text: str) -> bool:
        """Whether the function assigns to an expression, or to what it is taken from."""
        if self.function is None:
            return True
        return any(text == one or text.startswith(f"{one}.") for one in assigned(self.function))

    def _loop(self, node: ast.For | ast.While) -> None:
        if isinstance(node, ast.While):
            enters = True in self.outcomes(node.test)
        else:
            item = elements(self.value(node.iter))
            enters = bool(item)
            self._assign(node.target, item)
        if enters:
            self._block(node.body)

    def _assign(self, target: ast.expr, value: Value) -> None:
        match target:
            case ast.Name():
                self.analysis.write(("local", self.code, target.id), value)
            case ast.Starred():
                self._assign(target.value, frozenset((Collection(value),)))
            case ast.Tuple() | ast.List():
                self._unpack(target.elts, value)
            case ast.Attribute():
                self._assign_attribute(target, value)
            case ast.Subscript():
                self.value(target.slice)
                if any(isinstance(atom, Table | Sequence | Collection) for atom in self.value(target.value)):
                    raise NotImplementedError(f"{self.code}: a dictionary or tuple that was taken for constant is changed")

    def _unpack(self, targets: list[ast.expr], value: Value) -> None:
        starred = any(isinstance(target, ast.Starred) for target in targets)
        for atom in value:
            items = items_of(self._as_tuple(atom))
            if items is not None and len(items) == len(targets) and not starred:
                for target, item in zip(targets, items, strict=True):
                    self._assign(target, item)
                continue
            item = elements(frozenset((atom,)))
            for target in targets:
                self._assign(target, item)

    def _as_tuple(self, atom: Atom) -> Atom:
        """A named tuple as the tuple of its fields."""
        kind = self.analysis.class_of(atom)
        if kind is None or isinstance(atom, Const) or not self.analysis.classes[kind].is_tuple:
            return atom
        fields = self.analysis.classes[kind].fields
        return Sequence(tuple(self.analysis.read(("attribute", kind, name)) for name in fields))

    def _assign_attribute(self, target: ast.Attribute, value: Value) -> None:
        for atom in self.value(target.value):
            kinds = [one.kind for one in self.analysis.instances()] if atom in ANYTHING else [self.analysis.class_of(atom)]
            for kind in kinds:
                if kind is not None:
                    self.analysis.write(("attribute", kind, target.attr), value)

    def outcomes(self, node: ast.expr) -> set[bool]:
        """How a test may come out."""
        found = self._outcomes(node)
        if self.analysis.recording:
            self.analysis.tests.setdefault(node, set()).update(found)
        return found

    def _outcomes(self, node: ast.expr) -> set[bool]:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return {not outcome for outcome in self.outcomes(node.operand)}
        if not isinstance(node, ast.BoolOp):
            return truths(self.value(node))
        goes_on = isinstance(node.op, ast.And)
        found: set[bool] = set()
        for operand in node.values:
            outcomes = self.outcomes(operand)
            found |= outcomes - {goes_on}
            if goes_on not in outcomes:
                return found
        return found | {goes_on}

    # expressions

    def value(self, node: ast.expr) -> Value:
        """What an expression may be."""
        evaluate: Callable[[ast.expr], Value] | None = getattr(self, f"_{type(node).__name__.lower()}", None)
        if evaluate is None:
            raise NotImplementedError(f"{self.code}: the code generator does not read {type(node).__name__} expressions")
        value = evaluate(node)
        if self.given and isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in self.given:
            value = value - NONE
        if self.analysis.recording:
            self.analysis.record(node, value)
        return value

    def _constant(self, node: ast.Constant) -> Value:
        return SOMETHING if node.value is ... else const(node.value)

    def _name(self, node: ast.Name) -> Value:
        if node.id in self.local:
            return self.analysis.read(("local", self.code, node.id))
        found = self.analysis.program.resolve(self.code.key, node.id)
        if found is None:
            return frozenset((Outside(f"builtins.{node.id}"),))
        return frozenset((Outside(found.dotted),)) if isinstance(found, External) else self.analysis.constant(found)

    def _ifexp(self, node: ast.IfExp) -> Value:
        outcomes = self.outcomes(node.test)
        with self.knowing(node.test, True):
            body = self.value(node.body) if True in outcomes else NOTHING
        with self.knowing(node.test, False):
            return join(body, self.value(node.orelse) if False in outcomes else NOTHING)

    def _boolop(self, node: ast.BoolOp) -> Value:
        goes_on = isinstance(node.op, ast.And)
        found = NOTHING
        for operand in node.values[:-1]:
            value = self.value(operand)
            found = join(found, where(value, not goes_on))
            if goes_on not in truths(value):
                return found
        return join(found, self.value(node.values[-1]))

    def _unaryop(self, node: ast.UnaryOp) -> Value:
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return join_all(const(not outcome) for outcome in truths(value))
        return arithmetic(node.op, [value])

    def _binop(self, node: ast.BinOp) -> Value:
        return arithmetic(node.op, [self.value(node.left), self.value(node.right)])

    def _compare(self, node: ast.Compare) -> Value:
        values = [self.value(one) for one in (node.left, *node.comparators)]
        found = [comparison(one, left, right) for one, left, right in zip(node.ops, values, values[1:], strict=False)]
        if len(found) == 1 or not all(found):
            return found[0] if len(found) == 1 else NOTHING
        certain = {outcome for value in found if len(outcomes := truths(value)) == 1 for outcome in outcomes}
        varies = any(len(truths(value)) > 1 for value in found)
        return FALSE if False in certain else EITHER if varies else TRUE

    def _tuple(self, node: ast.Tuple) -> Value:
        items: list[Value] = []
        for element in node.elts:
            if not isinstance(element, ast.Starred):
                items.append(self.value(element))
                continue
            given = self.value(element.value)
            known = items_of(self._as_tuple(next(iter(given)))) if len(given) == 1 else None
            if known is None:
                others = [
                    elements(self.value(one.value)) if isinstance(one, ast.Starred) else self.value(one) for one in node.elts
                ]
                return frozenset((Collection(join_all(others)),))
            items.extend(known)
        constants = [one.value for item in items if len(item) == 1 for one in item if isinstance(one, Const)]
        return const(tuple(constants)) if len(constants) == len(items) else frozenset((Sequence(tuple(items)),))

    def _list(self, node: ast.List) -> Value:
        for element in node.elts:
            self.analysis.escape(self.value(element.value if isinstance(element, ast.Starred) else element))
        return OBJECT

    _set = _list

    def _dict(self, node: ast.Dict) -> Value:
        values = [self.value(one) for one in node.values]
        keys = [NOTHING if one is None else self.value(one) for one in node.keys]
        if node.keys and all(len(key) == 1 and isinstance(next(iter(key)), Const | ClassOf) for key in keys):
            return frozenset((Table(tuple((next(iter(key)), value) for key, value in zip(keys, values, strict=True))),))
        for value in values:
            self.analysis.escape(value)
        return OBJECT

    def _generatorexp(self, node: ast.GeneratorExp | ast.ListComp | ast.SetComp) -> Value:
        return frozenset((Collection(self._comprehended(node, [node.elt])),))

    _listcomp = _setcomp = _generatorexp

    def _dictcomp(self, node: ast.DictComp) -> Value:
        self.analysis.escape(self._comprehended(node, [node.key, node.value]))
        return OBJECT

    def _comprehended(self, node: Comprehension, results: list[ast.expr]) -> Value:
        outer = self.local
        names = {one.id for part in node.generators for one in ast.walk(part.target) if isinstance(one, ast.Name)}
        possible = True
        for part in node.generators:
            item = elements(self.value(part.iter))
            self.local = self.local | names
            possible = possible and bool(item)
            self._assign(part.target, item)
            outcomes = [self.outcomes(test) for test in part.ifs]
            possible = possible and all(True in one for one in outcomes)
        found = join_all(self.value(result) for result in results) if possible else NOTHING
        self.local = outer
        return found

    def _lambda(self, node: ast.Lambda) -> Value:
        outer = self.local
        names = frozenset(one.arg for one in parameters(node.args))
        for name in names:
            self.analysis.write(("local", self.code, name), ANYTHING)
        self.local = self.local | names
        self.analysis.escape(self.value(node.body))
        self.local = outer
        return OBJECT

    def _joinedstr(self, node: ast.JoinedStr) -> Value:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self.value(part.value)
        return SOMETHING

    def _yield(self, node: ast.Yield) -> Value:
        given = NONE if node.value is None else self.value(node.value)
        self._result(frozenset((Collection(given),)))
        return ANYTHING

    def _slice(self, node: ast.Slice) -> Value:
        for part in (node.lower, node.upper, node.step):
            if part is not None:
                self.value(part)
        return OBJECT

    def _subscript(self, node: ast.Subscript) -> Value:
        index = self.value(node.slice)
        if isinstance(node.slice, ast.Slice):
            return join_all(_sliced(self._as_tuple(atom)) for atom in self.value(node.value))
        return join_all(self._at(self._as_tuple(atom), index) for atom in self.value(node.value))

    def _at(self, atom: Atom, index: Value) -> Value:
        if isinstance(atom, Table):
            return join_all(value for key, value in atom.entries if _may_be(key, index))
        items = items_of(atom)
        places = [one.value for one in index if isinstance(one, Const) and isinstance(one.value, int)]
        if items is not None and len(places) == len(index):
            return join_all(items[place] for place in places if -len(items) <= place < len(items))
        if isinstance(atom, ClassOf | Outside):
            return SOMETHING
        return elements(frozenset((atom,)))


def _may_be(key: Atom, index: Value) -> bool:
    """Whether a known key is among the possible ones."""
    known = all(isinstance(one, Const | ClassOf | Outside) for one in index)
    return key in index or not known


def _sliced(atom: Atom) -> Value:
    if atom in SOMETHING or (isinstance(atom, Const) and isinstance(atom.value, str)):
        return SOMETHING
    return frozenset((Collection(elements(frozenset((atom,)))),))
