"""The text of a definition once folded: pieces of the source itself, put together anew, so that comments and layout stay."""

import ast
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from nas.export.code.documents import document_class
from nas.export.code.folding import Folding
from nas.export.code.liveness import Liveness
from nas.export.code.sources import Definition, External, Key, is_string
from nas.export.code.values import Code, Const, Value, items_of

SIMPLE = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant)


class Text:
    """The source of a definition, cut at the positions of its nodes."""

    def __init__(self, definition: Definition) -> None:
        self.text = definition.text
        self._starts = [0]
        for line in definition.text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._plain = definition.text.isascii()

    def place(self, line: int, column: int) -> int:
        """The character at a position of the syntax tree, which counts bytes."""
        start = self._starts[line - 1]
        if self._plain:
            return start + column
        return start + len(self.text[start : self._starts[line]].encode()[:column].decode())

    def start(self, node: ast.AST) -> int:
        """Where a node begins."""
        return self.place(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        """Behind a node."""
        return self.place(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def line_start(self, line: int) -> int:
        """Where a line, counted from 1, begins."""
        return self._starts[line - 1]


class Rewriter:
    """Writes one definition without what the architecture leaves out."""

    def __init__(self, folding: Folding, liveness: Liveness, key: Key) -> None:
        self.folding = folding
        self.liveness = liveness
        self.key = key
        self.definition = folding.program.definition(key)
        self.source = Text(self.definition)
        self.borrowed = dict(self.definition.borrowed)
        self.code = Code(key)

    def rewritten(self) -> Definition:
        """The definition as it is left."""
        node = self.definition.node
        head = self.source.text[: self.source.line_start(_first_line(node))]
        if isinstance(node, ast.ClassDef):
            text = self._class(node)
        elif isinstance(node, ast.FunctionDef):
            text = self._function(node)
        else:
            text = self._statement(node, 0)
            text += self.source.text[self.source.line_start((node.end_lineno or 0) + 1) :]
        text = text if text.endswith("\n") else text + "\n"
        return Definition(self.key, head + text, self.borrowed)

    # blocks

    def _class(self, node: ast.ClassDef) -> str:
        kept = [part for part in node.body if self._stays_in_class(part, node)]
        documented = [part for place, part in enumerate(node.body) if part in kept or self._documents(node, place, kept)]
        body = self._lines(node.body, documented, 4)
        header = self.source.text[self.source.line_start(_first_line(node)) : self._body_start(node)]
        return header + (body or "    pass\n")

    def _documents(self, node: ast.ClassDef, place: int, kept: list[ast.stmt]) -> bool:
        """Whether a string says what the field before it is, which stays."""
        return is_string(node.body[place]) and (place == 0 or node.body[place - 1] in kept)

    def _stays_in_class(self, part: ast.stmt, node: ast.ClassDef) -> bool:
        match part:
            case ast.FunctionDef(name=name):
                return Code(self.key, name) in self.liveness.functions or self._is_promise(part)
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                return self.liveness.reads(self.key, name) or self._is_buffer(name)
        return False

    def _is_promise(self, part: ast.FunctionDef) -> bool:
        """Whether a base says what subclasses define, and some of them do."""
        if not all(is_string(one) for one in part.body):
            return False
        classes = self.folding.analysis.classes
        if any("Protocol" in ast.dump(base) for base in classes[self.key].node.bases):
            return True
        made = [one.kind for one in self.folding.analysis.instances() if classes.is_subclass(one.kind, self.key)]
        kept = [classes.method(kind, part.name) for kind in made]
        return bool(kept) and all(one is not None and Code(one[0].key, part.name) in self.liveness.functions for one in kept)

    def _is_buffer(self, name: str) -> bool:
        """Whether torch sets it: `register_buffer` needs no more than the type."""
        return False

    def _function(self, node: ast.FunctionDef) -> str:
        outer = self.code
        self.code = Code(self.key, node.name if self.folding.analysis.classes.get(self.key) is not None else None)
        indent = node.col_offset
        statements = self.folding.statements(node.body)
        body = self._block(statements, indent + 4)
        text = self._signature(node) + (body or " " * (indent + 4) + "pass\n")
        self.code = outer
        return text

    def _signature(self, node: ast.FunctionDef) -> str:
        """Up to the body, without parameters that nothing reads."""
        start, end = self.source.line_start(_first_line(node)), self._body_start(node)
        ordered = [*node.args.posonlyargs, *node.args.args]
        defaults = [None] * (len(ordered) - len(node.args.defaults)) + list(node.args.defaults)
        spans = [(self.source.start(one), self.source.end(given or one)) for one, given in zip(ordered, defaults, strict=True)]
        dropped = {place for place, one in enumerate(ordered) if self.liveness.drops_parameter(self.code, one.arg)}
        pieces = {}
        for one, given in zip(ordered, defaults, strict=True):
            if given is not None and self.liveness.default_stays(self.code, one.arg):
                # those after it must have one too
                break
            if given is not None:
                pieces[self.source.end(one)] = (self.source.end(one), self.source.end(given), "")
        return self._cut(start, end, spans, dropped, pieces)

    def _body_start(self, node: ast.FunctionDef | ast.ClassDef | ast.For | ast.While | ast.With | ast.If) -> int:
        """Behind the line that ends with the colon."""
        return self._after_header(node, node.body[0])

    def _after_header(self, node: ast.AST, first: ast.stmt) -> int:
        line = _first_line(first)
        # comments in front of the first statement belong to the body
        while self.source.text[self.source.line_start(line - 1) :].lstrip(" ").startswith("#"):
            line -= 1
        return self.source.line_start(line)

    def _block(self, statements: list[ast.stmt], indent: int) -> str:
        return "".join(self._with_comments(statement, indent) for statement in statements)

    def _lines(self, everything: list[ast.stmt], kept: list[ast.stmt], indent: int) -> str:
        """Parts of a class with the blank lines in front of them."""
        parts: list[str] = []
        for statement in kept:
            written = self._with_comments(statement, indent)
            blank = self._blank_before(statement, everything) if parts else ""
            parts.append(blank + written if written else "")
        return "".join(parts)

    def _blank_before(self, statement: ast.stmt, everything: list[ast.stmt]) -> str:
        if isinstance(statement, ast.FunctionDef) or everything.index(statement) == 1:
            return "\n"
        line = _first_line(statement)
        return "\n" if not self.source.text[self.source.line_start(line - 1) : self.source.line_start(line)].strip() else ""

    def _with_comments(self, statement: ast.stmt, indent: int) -> str:
        written = self._statement(statement, indent)
        if not written:
            return ""
        first = line = _first_line(statement)
        while line > 1 and self.source.text[self.source.line_start(line - 1) :].lstrip(" ").startswith("#"):
            line -= 1
        comments = self.source.text[self.source.line_start(line) : self.source.line_start(first)]
        moved = indent - statement.col_offset
        return _shifted(comments, moved) + written

    # statements: whole lines, or nothing

    def _statement(self, node: ast.stmt, indent: int) -> str:
        moved = indent - node.col_offset
        match node:
            case ast.FunctionDef():
                return self._function(node)
            case ast.If():
                return self._if(node, indent, "if")
            case ast.For():
                return self._loop(node, [node.target, node.iter], indent)
            case ast.While():
                return self._loop(node, [node.test], indent)
            case ast.With():
                return self._loop(node, [one.context_expr for one in node.items], indent)
        if self._is_useless(node):
            return ""
        text = self._spliced(node, self._expressions(node))
        return " " * indent + _shifted(text, moved, first=False) + self._rest_of_line(node)

    def _rest_of_line(self, node: ast.stmt) -> str:
        """A comment behind a statement, and the end of the line."""
        end = self.source.end(node)
        return self.source.text[end : self.source.line_start((node.end_lineno or 0) + 1)] or "\n"

    def _expressions(self, node: ast.stmt) -> list[ast.AST]:
        return [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]

    def _if(self, node: ast.If, indent: int, word: str) -> str:
        body = self._block(self.folding.statements(node.body), indent + 4)
        others = self.folding.statements(node.orelse)
        if not body and not others and self.folding.is_pure(node.test):
            return ""
        if not body:
            body = " " * (indent + 4) + "pass\n"
        test = _shifted(self._test(node.test), indent - node.col_offset, first=False)
        header = f"{' ' * indent}{word} {test}{self.source.text[self.source.end(node.test) : self._body_start(node)]}"
        return header + body + self._else(node, others, indent)

    def _else(self, node: ast.If, others: list[ast.stmt], indent: int) -> str:
        if len(others) == 1 and isinstance(others[0], ast.If) and others[0] in node.orelse and self._is_elif(others[0]):
            return self._if(others[0], indent, "elif")
        body = self._block(others, indent + 4)
        return f"{' ' * indent}else:\n{body}" if body else ""

    def _is_elif(self, node: ast.If) -> bool:
        return self.source.text[self.source.start(node) :].startswith("elif")

    def _loop(self, node: ast.For | ast.While | ast.With, parts: list[ast.expr], indent: int) -> str:
        body = self._block(self.folding.statements(node.body), indent + 4)
        if not body:
            return ""
        first = self._body_start(node)
        pieces = [(self.source.start(part), self.source.end(part), self._expression(part)) for part in parts]
        header = _replaced(self.source.text, self.source.start(node), first, pieces)
        return " " * indent + _shifted(header, indent - node.col_offset, first=False) + body

    def _is_useless(self, node: ast.stmt) -> bool:
        """Whether a statement only sets what nobody reads."""
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if self._expression(value) == name:
                return True
            case ast.Expr(value=value):
                return not is_string(node) and (self._is_empty_call(value) or self.folding.is_pure(value))
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                local = self.code.method is not None or self.folding.function(self.code) is not None
                return local and (self.code, name) not in self.liveness.locals and self._is_free(value)
            case ast.Assign(targets=[ast.Attribute() as target], value=value):
                return self._is_unread(target) and self._is_free(value) and self._is_plain(self.folding.value(value))
            case ast.Assign(targets=[ast.Subscript(value=ast.Attribute() as target)], value=value):
                return self._is_unread(target) and self._is_free(value)
        return False

    def _is_empty_call(self, node: ast.expr) -> bool:
        """A call of a function of ours that does nothing any more."""
        if not isinstance(node, ast.Call):
            return False
        targets = [self.liveness.target(one) for one in self.folding.callees(node)]
        return bool(targets) and all(one is not None and self._does_nothing(one) for one in targets)

    def _does_nothing(self, code: Code) -> bool:
        function = self.folding.function(code)
        return function is not None and all(is_string(one) or isinstance(one, ast.Pass) for one in function.body)

    def _is_free(self, node: ast.expr) -> bool:
        """Whether leaving out an expression changes nothing."""
        return self.folding.is_pure(node)

    def _is_unread(self, target: ast.Attribute) -> bool:
        kinds = [self.folding.analysis.class_of(atom) for atom in self.folding.value(target.value)]
        if not kinds or None in kinds:
            made = [one.kind for one in self.folding.analysis.instances()]
            kinds = [kind for kind in made if self.folding.analysis.classes.sets(kind, target.attr)]
        return not any(kind is not None and self.liveness.reads(kind, target.attr) for kind in kinds)

    def _is_plain(self, value: Value) -> bool:
        """Whether it is no module and no parameter, which torch would keep."""
        return all(
            isinstance(one, Const) or ((items := items_of(one)) is not None and all(map(self._is_plain, items)))
            for one in value
        )

    # expressions

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
        return self._remaining(node)

    def _remaining(self, node: ast.AST) -> str:
        match node:
            case ast.BoolOp():
                return self._operands(node, is_test=False)
            case ast.IfExp():
                pieces = [self._piece(node.test, self._test), self._piece(node.body), self._piece(node.orelse)]
                return _replaced(self.source.text, self.source.start(node), self.source.end(node), pieces)
            case ast.Call():
                return self._call(node)
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
            return _replaced(self.source.text, self.source.start(node), self.source.end(node), pieces)
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
        head = f"for {self._expression(node.target)} in {self._expression(node.iter)}"
        return " ".join([head, *(f"if {self._test(test)}" for test in kept)])

    def _piece(self, node: ast.AST, write: Callable[[ast.expr], str] | None = None) -> tuple[int, int, str]:
        """Where a part stands and what is written there; brackets go that a single name does not need."""
        written = (write or self._expression)(node)  # type: ignore[arg-type]
        start, end = self._extent(node)
        text = self.source.text
        if written != text[start:end] and text[start - 1 : start] == "(" and text[end : end + 1] == ")" and _is_simple(written):
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
        return _replaced(self.source.text, self.source.start(node), self.source.end(node), pieces)

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
        text = _replaced(self.source.text, start, end, [*inside, *gone])
        return text


@lru_cache(maxsize=4096)
def _is_simple(written: str) -> bool:
    try:
        return isinstance(ast.parse(written, mode="eval").body, SIMPLE)
    except SyntaxError:
        return False


def _replaced(text: str, start: int, end: int, pieces: Iterable[tuple[int, int, str]]) -> str:
    """The text from start to end with other words at some places."""
    parts: list[str] = []
    at = start
    for first, last, new in sorted(pieces):
        parts.extend((text[at:first], new))
        at = last
    return "".join(parts) + text[at:end]


def _shifted(text: str, columns: int, first: bool = True) -> str:
    """Lines moved right, or left; without `first` all but the first."""
    if columns == 0:
        return text
    lines = text.splitlines(keepends=True)
    moved = [_moved(line, columns) if first or place else line for place, line in enumerate(lines)]
    return "".join(moved)


def _moved(line: str, columns: int) -> str:
    if not line.strip():
        return line
    return " " * columns + line if columns > 0 else line[min(-columns, len(line) - len(line.lstrip(" "))) :]


def _first_line(statement: ast.stmt) -> int:
    decorators = statement.decorator_list if isinstance(statement, ast.ClassDef | ast.FunctionDef) else []
    return min([statement.lineno, *(one.lineno for one in decorators)])


__all__ = ["External", "Rewriter", "document_class"]
