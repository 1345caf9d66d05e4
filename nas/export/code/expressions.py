"""Expressions once folded: parts of the source, without operands, arguments and entries that decide nothing."""

import ast
from collections.abc import Callable, Iterable, Sequence

from nas.export.code.folding import Folding
from nas.export.code.liveness import Liveness
from nas.export.code.loops import Loops
from nas.export.code.simplifying import Simplifying
from nas.export.code.sources import Key
from nas.export.code.text import Text, is_simple, replaced
from nas.export.code.values import Code, Value


class ExpressionWriter:
    """The part of a rewriter that writes expressions."""

    def __init__(self, folding: Folding, liveness: Liveness, key: Key) -> None:
        self.folding = folding
        self.liveness = liveness
        self.key = key
        self.definition = folding.program.definition(key)
        self.source = Text(self.definition)
        self.borrowed = dict(self.definition.borrowed)
        self.code = Code(key)
        self.simplifying = Simplifying(folding, key)
        self.loops = Loops(folding, liveness)

    def _test(self, node: ast.expr) -> str:
        """An expression of which only the truth matters."""
        if isinstance(node, ast.BoolOp):
            return self._operands(node, is_test=True)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self._spliced(node, [node.operand], self._test)
        return self._expression(node)

    def _expression(self, node: ast.AST) -> str:
        """The text of an expression as it is left."""
        instead = self.folding.instead(node)
        if isinstance(instead, str):
            return instead
        if isinstance(instead, ast.expr):
            return self._entry(node, instead) if isinstance(node, ast.Subscript) else self._expression(instead)
        simpler = self.simplifying.simpler(node)
        if simpler is not None:
            return simpler if isinstance(simpler, str) else self._expression(simpler)
        alias = self.simplifying.alias_of(node, self.code)
        if alias is not None and self.borrowed.get(alias[1], alias) == alias:
            if self.folding.program.resolve(self.key, alias[1]) != alias:
                self.borrowed[alias[1]] = alias
            return alias[1]
        return self._remaining(node)

    def _remaining(self, node: ast.AST) -> str:
        match node:
            case ast.BoolOp():
                return self._operands(node, is_test=False)
            case ast.IfExp():
                pieces = [self._piece(node.test, self._test), self._piece(node.body), self._piece(node.orelse)]
                return replaced(self.source.text, self.source.start(node), self.source.end(node), pieces)
            case ast.Call():
                items = self.loops.of_tuple(node)
                return self._call(node) if items is None else f"tuple({self._expression(items)})"
            case ast.Dict():
                return self._dict(node)
            case ast.comprehension():
                return self._comprehension(node)
            case ast.JoinedStr():
                # before Python 3.12 what is inside has no true position
                return self.source.text[self.source.start(node) : self.source.end(node)]
        return self._spliced(
            node,
            [child for child in ast.iter_child_nodes(node) if hasattr(child, "lineno") or isinstance(child, ast.comprehension)],
        )

    def _entry(self, node: ast.Subscript, entry: ast.expr) -> str:
        """What a dictionary has, written where it is asked for."""
        table = self.folding.table_of(node)
        assert table is not None
        for name in ast.walk(entry):
            if isinstance(name, ast.Name):
                found = self.folding.program.resolve(table[0], name.id)
                if found is not None and found != self.folding.program.resolve(self.key, name.id):
                    self.borrowed[name.id] = found
        return ast.unparse(entry)

    def _operands(self, node: ast.BoolOp, is_test: bool) -> str:
        kept = self.folding.operands(node, is_test or node in self.folding.analysis.tests)
        write = self._test if is_test else self._expression
        if len(kept) == 1:
            return write(kept[0])
        pieces = [self._piece(operand, write) for operand in kept]
        dropped = {place for place, operand in enumerate(node.values) if operand not in kept}
        spans = [(self.source.start(one), self.source.end(one)) for one in node.values]
        spans = [self._with_brackets(span) for span in spans]
        return self._cut(self.source.start(node), self.source.end(node), spans, dropped, {piece[0]: piece for piece in pieces})

    def _with_brackets(self, span: tuple[int, int]) -> tuple[int, int]:
        start, end = span
        text = self.source.text
        while text[start - 1] == "(" and text[end] == ")":
            start, end = start - 1, end + 1
        return start, end

    def _call(self, node: ast.Call) -> str:
        liveness, folding = self.liveness, self.folding
        callees = folding.callees(node)
        classes = folding.classes(node)
        pieces = [self._piece(node.func)]
        if classes is not None:
            text = " | ".join(self._expression(kind) for kind in classes)
            pieces += [self._piece(node.args[0]), (self.source.start(node.args[1]), self.source.end(node.args[1]), text)]
            return replaced(self.source.text, self.source.start(node), self.source.end(node), pieces)
        targets = [target for one in callees if (target := liveness.target(one)) is not None]
        single = targets[0] if len(callees) == 1 and targets else None
        given: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
        dropped = set()
        for place, one in enumerate(given):
            name = one.arg if isinstance(one, ast.keyword) else liveness.parameter(single, callees, place, node)
            if single is not None and name is not None and liveness.drops_parameter(single, name):
                dropped.add(place)
            if self._is_dead_field(node, callees, one, place):
                dropped.add(place)
        pieces += [
            self._piece(one.value if isinstance(one, ast.keyword) else one)
            for place, one in enumerate(given)
            if place not in dropped
        ]
        spans = [(self.source.start(one), self.source.end(one)) for one in given]
        return self._cut(self.source.start(node), self.source.end(node), spans, dropped, {piece[0]: piece for piece in pieces})

    def _is_dead_field(self, node: ast.Call, callees: Value, one: ast.expr | ast.keyword, place: int) -> bool:
        kind = self.liveness.record(callees)
        if kind is not None:
            fields = list(self.folding.analysis.classes[kind].fields)
            name = one.arg if isinstance(one, ast.keyword) else fields[place] if place < len(fields) else None
            return name is not None and not self.liveness.reads(kind, name)
        if isinstance(one, ast.keyword) and self._is_replace(callees):
            kinds = [self.folding.analysis.class_of(atom) for atom in self.folding.value(node.args[0])]
            return bool(kinds) and not any(kind is None or self.liveness.reads(kind, one.arg or "") for kind in kinds)
        return False

    def _is_replace(self, callees: Value) -> bool:
        return {getattr(one, "dotted", "") for one in callees} == {"dataclasses.replace"}

    def _dict(self, node: ast.Dict) -> str:
        key = self.folding.constant_keys.get(node)
        places = self.folding.entries(key, node) if key is not None else list(range(len(node.values)))
        spans = [
            (self.source.start(one or value), self.source.end(value)) for one, value in zip(node.keys, node.values, strict=True)
        ]
        pieces = [self._piece(one) for place in places for one in (node.keys[place], node.values[place]) if one is not None]
        dropped = set(range(len(node.values))) - set(places)
        return self._cut(self.source.start(node), self.source.end(node), spans, dropped, {piece[0]: piece for piece in pieces})

    def _comprehension(self, node: ast.comprehension) -> str:
        kept = self.folding.conditions(node)
        target, items = self._looped(node)
        head = f"for {target} in {items}"
        return " ".join([head, *(f"if {self._test(test)}" for test in kept)])

    def _looped(self, node: ast.For | ast.comprehension) -> tuple[str, str]:
        """The names of a loop, and what it goes over."""
        counted = self.loops.counted(node, self.code)
        if counted is not None:
            return self._expression(counted[0]), self._expression(counted[1])
        skipped = self.loops.passed_over(node, self.code)
        if not skipped or not isinstance(node.iter, ast.Tuple):
            return self._expression(node.target), self._expression(node.iter)
        kept = [self._expression(one) for place, one in enumerate(node.iter.elts) if place not in skipped]
        return self._expression(node.target), f"({', '.join(kept)}{',' if len(kept) == 1 else ''})"

    def _piece(self, node: ast.AST, write: Callable[[ast.expr], str] | None = None) -> tuple[int, int, str]:
        """Where a part stands and what is written there; brackets go that a single name does not need."""
        written = (write or self._expression)(node)  # type: ignore[arg-type]
        start, end = self._extent(node)
        text = self.source.text
        if written != text[start:end] and text[start - 1 : start] == "(" and text[end : end + 1] == ")" and is_simple(written):
            before = text[start - 2 : start - 1]
            if not (before.isalnum() or before in "_)]"):
                return start - 1, end + 1, written
        return start, end, written

    def _extent(self, node: ast.AST) -> tuple[int, int]:
        if isinstance(node, ast.comprehension):
            last = node.ifs[-1] if node.ifs else node.iter
            start = self.source.text.rindex("for", 0, self.source.start(node.target))
            return start, self._with_brackets_end(last)
        return self.source.start(node), self.source.end(node)

    def _with_brackets_end(self, node: ast.expr) -> int:
        return self._with_brackets((self.source.start(node), self.source.end(node)))[1]

    def _spliced(self, node: ast.AST, children: Iterable[ast.AST], write: Callable[[ast.expr], str] | None = None) -> str:
        pieces = [self._piece(child, write) for child in children]
        return replaced(self.source.text, self.source.start(node), self.source.end(node), pieces)

    def _cut(
        self, start: int, end: int, spans: Sequence[tuple[int, int]], dropped: set[int], pieces: dict[int, tuple[int, int, str]]
    ) -> str:
        """The text from start to end without some of the elements of a list, whose extents are `spans`."""
        gone: list[tuple[int, int, str]] = []
        kept = [place for place in range(len(spans)) if place not in dropped]
        for place in sorted(dropped):
            following = [other for other in kept if other > place]
            if following:
                gone.append((spans[place][0], spans[place + 1][0], ""))
            else:
                before = spans[place - 1][1] if place else spans[place][0]
                gone.append((before, spans[place][1], ""))
        inside = [piece for piece in pieces.values() if not any(first <= piece[0] < last for first, last, _ in gone)]
        text = replaced(self.source.text, start, end, [*inside, *gone])
        return text
