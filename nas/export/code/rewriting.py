"""The text of a definition once folded: pieces of the source itself, put together anew, so that comments and layout stay."""

import ast

from nas.export.code.expressions import ExpressionWriter
from nas.export.code.loops import unpacked
from nas.export.code.scopes import parameters
from nas.export.code.sources import Definition, is_string
from nas.export.code.text import first_line, replaced, shifted
from nas.export.code.values import Code, Collection, Const, Value, items_of


class Rewriter(ExpressionWriter):
    """Writes one definition without what the architecture leaves out."""

    def rewritten(self) -> Definition:
        """The definition as it is left."""
        node = self.definition.node
        head = self.source.text[: self.source.line_start(first_line(node))]
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
        header = self.source.text[self.source.line_start(first_line(node)) : self._body_start(node)]
        return header + (body or "    pass\n")

    def _documents(self, node: ast.ClassDef, place: int, kept: list[ast.stmt]) -> bool:
        """Whether a string says what the field before it is, which stays."""
        return is_string(node.body[place]) and (place == 0 or node.body[place - 1] in kept)

    def _stays_in_class(self, part: ast.stmt, node: ast.ClassDef) -> bool:
        match part:
            case ast.FunctionDef(name="__post_init__") if self._does_nothing(Code(self.key, part.name)):
                return False
            case ast.FunctionDef(name="__init__") if self._only_starts_its_base(part):
                return False
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

    def _only_starts_its_base(self, part: ast.FunctionDef) -> bool:
        """Whether a constructor takes nothing and does nothing of its own, nor does another one look like it."""
        body = [one for one in part.body if not is_string(one)]
        plain = [one.arg for one in parameters(part.args)] == ["self"] and len(body) == 1
        return (
            plain
            and ast.unparse(body[0]) == "super().__init__()"
            and len(self.folding.analysis.classes[self.key].node.bases) == 1
        )

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
        start, end = self.source.line_start(first_line(node)), self._body_start(node)
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
        line = first_line(first)
        # comments in front of the first statement belong to the body
        while self.source.text[self.source.line_start(line - 1) :].lstrip(" ").startswith("#"):
            line -= 1
        return self.source.line_start(line)

    def _block(self, statements: list[ast.stmt], indent: int) -> str:
        returned = self._returned_at_once(statements)
        if returned is not None:
            value = self._expression(returned)
            moved = shifted(value, indent - statements[-2].col_offset, first=False)
            *before, _, last = statements
            text = f"{' ' * indent}return {moved}" + self._rest_of_line(last)
            return self._block(before, indent) + self._comments(statements[-2], indent) + text
        return "".join(self._with_comments(statement, indent) for statement in statements)

    def _returned_at_once(self, statements: list[ast.stmt]) -> ast.expr | None:
        """What the last statement but one gives a name that the last one returns."""
        match statements[-2:]:
            case [
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value),
                ast.Return(value=ast.Name(id=returned)),
            ] if name == returned and not isinstance(value, ast.Tuple):
                return value
        return None

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
        line = first_line(statement)
        return "\n" if not self.source.text[self.source.line_start(line - 1) : self.source.line_start(line)].strip() else ""

    def _with_comments(self, statement: ast.stmt, indent: int) -> str:
        written = self._statement(statement, indent)
        if not written:
            return ""
        return self._comments(statement, indent) + written

    def _comments(self, statement: ast.stmt, indent: int) -> str:
        """The lines of comments above a statement."""
        first = line = first_line(statement)
        while line > 1 and self.source.text[self.source.line_start(line - 1) :].lstrip(" ").startswith("#"):
            line -= 1
        comments = self.source.text[self.source.line_start(line) : self.source.line_start(first)]
        return shifted(comments, indent - statement.col_offset)

    # statements: whole lines, or nothing

    def _statement(self, node: ast.stmt, indent: int) -> str:
        match node:
            case ast.FunctionDef():
                return self._function(node)
            case ast.If():
                return self._if(node, indent, "if")
            case ast.For():
                return self._for(node, indent)
            case ast.While():
                return self._loop(node, [self._piece(node.test)], indent)
            case ast.With():
                return self._loop(node, [self._piece(one.context_expr) for one in node.items], indent)
        return "" if self._is_useless(node) else self._plain_statement(node, indent)

    def _plain_statement(self, node: ast.stmt, indent: int) -> str:
        if isinstance(node, ast.Assign) and (items := unpacked(node)) is not None:
            return self._unpacked(node, items, indent)
        if isinstance(node, ast.Assign) and (pairs := self._pairs(node)) is not None:
            return self._paired(pairs, indent) + self._rest_of_line(node) if pairs else ""
        text = self._spliced(node, self._expressions(node))
        return " " * indent + shifted(text, indent - node.col_offset, first=False) + self._rest_of_line(node)

    def _unpacked(self, node: ast.Assign, items: ast.Tuple, indent: int) -> str:
        """A tuple given to as many names; nothing when those are the names that have it."""
        targets = node.targets[0]
        if isinstance(targets, ast.Tuple) and list(map(ast.unparse, targets.elts)) == list(map(ast.unparse, items.elts)):
            return ""
        return f"{' ' * indent}{self._expression(targets)} = {self._expression(items)}" + self._rest_of_line(node)

    def _pairs(self, node: ast.Assign) -> list[tuple[ast.expr, ast.expr]] | None:
        """Of `a, b = x, y` what somebody reads; None when that is all of it."""
        target, value = node.targets[0], node.value
        if not isinstance(target, ast.Tuple) or not isinstance(value, ast.Tuple) or len(target.elts) != len(value.elts):
            return None
        pairs = list(zip(target.elts, value.elts, strict=True))
        kept = [(name, given) for name, given in pairs if not self._is_dead(name, given)]
        return kept if len(kept) < len(pairs) else None

    def _is_dead(self, target: ast.expr, value: ast.expr) -> bool:
        if isinstance(target, ast.Attribute):
            return self._is_unread(target) and self._is_free(value) and self._is_plain(self.folding.value(value))
        if not isinstance(target, ast.Name) or (self.code, target.id) in self.liveness.locals:
            return False
        return self.folding.function(self.code) is not None and self._is_free(value)

    def _paired(self, pairs: list[tuple[ast.expr, ast.expr]], indent: int) -> str:
        targets, values = (", ".join(self._expression(pair[side]) for pair in pairs) for side in (0, 1))
        return f"{' ' * indent}{targets} = {values}"

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
        test = shifted(self._test(node.test), indent - node.col_offset, first=False)
        header = f"{' ' * indent}{word} {test}{self.source.text[self.source.end(node.test) : self._body_start(node)]}"
        return header + body + self._else(node, others, indent)

    def _else(self, node: ast.If, others: list[ast.stmt], indent: int) -> str:
        if len(others) == 1 and isinstance(others[0], ast.If) and others[0] in node.orelse and self._is_elif(others[0]):
            return self._if(others[0], indent, "elif")
        body = self._block(others, indent + 4)
        return f"{' ' * indent}else:\n{body}" if body else ""

    def _is_elif(self, node: ast.If) -> bool:
        return self.source.text[self.source.start(node) :].startswith("elif")

    def _for(self, node: ast.For, indent: int) -> str:
        if self.loops.never_runs(node):
            return ""
        parts = zip((node.target, node.iter), self._looped(node), strict=True)
        return self._loop(node, [(self.source.start(one), self.source.end(one), text) for one, text in parts], indent)

    def _loop(self, node: ast.For | ast.While | ast.With, pieces: list[tuple[int, int, str]], indent: int) -> str:
        body = self._block(self.folding.statements(node.body), indent + 4)
        if not body:
            return ""
        header = replaced(self.source.text, self.source.start(node), self._body_start(node), pieces)
        return " " * indent + shifted(header, indent - node.col_offset, first=False) + body

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
            isinstance(one, Const)
            or (isinstance(one, Collection) and not one.item)
            or ((items := items_of(one)) is not None and all(map(self._is_plain, items)))
            for one in value
        )
