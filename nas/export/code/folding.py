"""What is left of code where the architecture decides its tests: which statements stay, and what expressions become.

A test is folded only where every value that it can have gives the same outcome, and asking for it changes nothing.
"""

import ast
from collections.abc import Iterator

from nas.export.code.analysis import Analysis
from nas.export.code.documents import document_class
from nas.export.code.scopes import bound_names, parameters
from nas.export.code.sources import External, Key
from nas.export.code.values import (
    ANYTHING,
    NONE,
    NOTHING,
    Atom,
    ClassOf,
    Code,
    Const,
    FunctionOf,
    Outside,
    Table,
    Value,
    truths,
)

PURE_CALLS = ("isinstance", "len", "type", "tuple", "bool", "int", "min", "max", "range", "sum", "next")
PURE_METHODS = ("parameters",)
"""Of torch's modules; each call makes an iterator of its own, so that `next` of it changes nothing either."""
MODULE_LIST = frozenset((Outside("torch.nn.ModuleList"),))
CHOOSE = ("kernels.dispatch", "choose")


class Folding:
    """The folds of one analysed program."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.program = analysis.program
        self.tables: dict[ast.expr, Key] = {}
        """The constant dictionaries that names stand for."""
        self.constant_keys: dict[ast.Dict, Key] = {}
        self._bound: dict[Code, frozenset[str]] = {}
        self._parameters: dict[Code, frozenset[str]] = {}
        self.looked_up = self._looked_up()

    def value(self, node: ast.AST) -> Value:
        """What an expression may be; anything where it was never asked."""
        return self.analysis.values.get(node, ANYTHING)

    def outcome(self, test: ast.expr) -> bool | None:
        """How a test always comes out; None when it varies, or when leaving it out would change something."""
        outcomes = self.analysis.tests.get(test) or truths(self.analysis.values.get(test, NOTHING))
        return next(iter(outcomes)) if len(outcomes) == 1 and self.is_pure(test) else None

    def is_pure(self, node: ast.AST) -> bool:
        """Whether evaluating it changes nothing."""
        match node:
            case ast.Call():
                if not self._is_pure_callee(node):
                    return False
            case ast.Yield() | ast.Lambda() | ast.NamedExpr():
                return False
        return all(map(self.is_pure, ast.iter_child_nodes(node)))

    def _is_pure_callee(self, node: ast.Call) -> bool:
        if isinstance(node.func, ast.Name) and node.func.id in PURE_CALLS:
            return True
        if isinstance(node.func, ast.Attribute) and node.func.attr in PURE_METHODS:
            return True
        if self.callees(node) == MODULE_LIST:
            return True
        callees = self.value(node.func) if not isinstance(node.func, ast.Attribute) else self.callees(node)
        return bool(callees) and all(
            self._is_pure_function(one) if isinstance(one, FunctionOf) else self._is_plain_record(one) for one in callees
        )

    def _is_plain_record(self, atom: Atom) -> bool:
        """A document, or a record whose making runs no code of its own."""
        if not isinstance(atom, ClassOf) or document_class(atom.kind) is not None:
            return isinstance(atom, ClassOf)
        classes = self.analysis.classes
        own = (classes.method(atom.kind, name) for name in ("__init__", "__post_init__"))
        return classes[atom.kind].is_record and not any(own)

    def _is_pure_function(self, function: FunctionOf) -> bool:
        """A function of one line, or of a document."""
        if isinstance(function.bound, Const):
            return True
        body = [one for one in self.analysis.function(function.code).body if not _is_text(one)]
        return len(body) == 1 and isinstance(body[0], ast.Return) and body[0].value is not None and self.is_pure(body[0].value)

    def callees(self, node: ast.Call) -> Value:
        """What a call may call."""
        if not isinstance(node.func, ast.Attribute):
            return self.value(node.func)
        return self.analysis.callees.get(node, ANYTHING)

    # statements

    def statements(self, block: list[ast.stmt]) -> list[ast.stmt]:
        """What is left of a block; nothing comes after a statement that always leaves it."""
        found: list[ast.stmt] = []
        for statement in self._unfolded(block):
            found.append(statement)
            if isinstance(statement, ast.Return | ast.Raise):
                break
        return found

    def _unfolded(self, block: list[ast.stmt]) -> Iterator[ast.stmt]:
        for statement in block:
            match statement:
                case ast.If(test=test) if self.outcome(test) is not None:
                    yield from self._unfolded(statement.body if self.outcome(test) else statement.orelse)
                case ast.Assert(test=test) if self.outcome(test):
                    continue
                case _:
                    yield statement

    # expressions

    def instead(self, node: ast.AST) -> ast.expr | str | None:
        """What stands for an expression: a part of it, other text, or None for itself."""
        match node:
            case ast.IfExp(test=test) if self.outcome(test) is not None:
                return node.body if self.outcome(test) else node.orelse
            case ast.Name(ctx=ast.Load()) | ast.Attribute(ctx=ast.Load()) if self.value(node) == NONE:
                return "None"
            case ast.Call(func=ast.Name(), args=[ast.Dict() as forms]) if self._is_choice(node):
                return forms.values[-1]
            case ast.Subscript():
                return self._entry(node)
        return None

    def _is_choice(self, node: ast.Call) -> bool:
        return self.value(node.func) == frozenset((FunctionOf(Code(CHOOSE)),))

    def operands(self, node: ast.BoolOp, is_test: bool) -> list[ast.expr]:
        """Those of `and`s or `or`s that decide something."""
        goes_on = isinstance(node.op, ast.And)
        found: list[ast.expr] = []
        for operand in node.values[:-1]:
            outcome = self.outcome(operand)
            if outcome is None or outcome != goes_on:
                found.append(operand)
            if outcome is not None and outcome != goes_on:
                return found
        last = node.values[-1]
        if not (is_test and found and self.outcome(last) is goes_on):
            found.append(last)
        return found

    def conditions(self, node: ast.comprehension) -> list[ast.expr]:
        """Those that do not always hold."""
        return [test for test in node.ifs if self.outcome(test) is not True]

    def classes(self, node: ast.Call) -> list[ast.expr] | None:
        """Of `isinstance(x, A | B)` the classes that have objects; None when all or none of them do."""
        if not (isinstance(node.func, ast.Name) and node.func.id == "isinstance" and isinstance(node.args[1], ast.BinOp)):
            return None
        kinds = list(_alternatives(node.args[1]))
        kept = [kind for kind in kinds if self._has_objects(kind)]
        return kept if 0 < len(kept) < len(kinds) else None

    def _has_objects(self, kind: ast.expr) -> bool:
        bases = [atom.kind for atom in self.value(kind) if isinstance(atom, ClassOf)]
        if not bases or any(document_class(base) for base in bases):
            return True
        made = [one.kind for one in self.analysis.instances()]
        return any(self.analysis.classes.is_subclass(one, base) for one in made for base in bases)

    # dictionaries that the program looks things up in

    def _looked_up(self) -> dict[Key, Value]:
        """For each constant dictionary the keys that are asked for; those with other uses are not in here."""
        found: dict[Key, Value] = {}
        others: set[Key] = set()
        for code in self.analysis.reached:
            owner = self._tree(code)
            asked = {id(node.value): node.slice for node in ast.walk(owner) if isinstance(node, ast.Subscript)}
            asked |= {
                id(node.comparators[0]): node.left
                for node in ast.walk(owner)
                if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn)
            }
            for node in ast.walk(owner):
                key = self._table(code.key, node)
                if key is not None and isinstance(node, ast.expr):
                    self.tables[node] = key
                if key is not None and id(node) in asked:
                    index = self.analysis.values.get(asked[id(node)], NOTHING)
                    found[key] = found.get(key, NOTHING) | index
                elif key is not None and node in self.analysis.values:
                    others.add(key)
        known = {key: asked for key, asked in found.items() if all(isinstance(one, Const | ClassOf) for one in asked)}
        return {key: asked for key, asked in known.items() if key not in others}

    def function(self, code: Code) -> ast.FunctionDef | None:
        """The node of a function; None of a constant or the body of a class."""
        tree = self._tree(code)
        return tree if isinstance(tree, ast.FunctionDef) else None

    def bound(self, code: Code) -> frozenset[str]:
        """Parameters and names of a function."""
        if code not in self._bound:
            function = self.function(code)
            self._bound[code] = frozenset() if function is None else bound_names(function)
        return self._bound[code]

    def parameters(self, code: Code) -> frozenset[str]:
        """Parameters of a function that nothing else is assigned to."""
        if code not in self._parameters:
            function = self.function(code)
            nodes = [] if function is None else list(ast.walk(function))
            stored = {one.id for one in nodes if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
            named = [] if function is None else parameters(function.args)
            self._parameters[code] = frozenset(one.arg for one in named) - stored
        return self._parameters[code]

    def _tree(self, code: Code) -> ast.AST:
        node = self.program.definition(code.key).node
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            self.constant_keys[node.value] = code.key
        return self.analysis.function(code) if code.method is not None else node

    def _table(self, key: Key, node: ast.AST) -> Key | None:
        """The key of the constant dictionary that a name is."""
        if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
            return None
        if not any(isinstance(one, Table) for one in self.analysis.values.get(node, NOTHING)):
            return None
        found = self.program.resolve(key, node.id)
        return None if found is None or isinstance(found, External) or found == key else found

    def entries(self, key: Key, node: ast.Dict) -> list[int]:
        """The places of a constant dictionary's entries that can be asked for."""
        asked = self.looked_up.get(key)
        places = range(len(node.values))
        if asked is None:
            return list(places)
        return [place for place in places if self.value(node.keys[place] or node) & asked]

    def _entry(self, node: ast.Subscript) -> ast.expr | str | None:
        """The one entry that a lookup can find, if it is a plain name."""
        table = self.table_of(node)
        index = self.value(node.slice)
        if table is None or len(index) != 1 or not self.is_pure(node.slice):
            return None
        entries = table[1]
        keys = [self.value(one) if one is not None else NOTHING for one in entries.keys]
        found = [value for key, value in zip(keys, entries.values, strict=True) if key == index]
        return found[0] if len(found) == 1 and isinstance(found[0], ast.Name | ast.Attribute) else None

    def table_of(self, node: ast.Subscript) -> tuple[Key, ast.Dict] | None:
        """The constant dictionary that a lookup looks in."""
        key = self.tables.get(node.value)
        if key is None:
            return None
        constant = self.program.definition(key).node
        entries = constant.value if isinstance(constant, ast.Assign | ast.AnnAssign) else None
        return (key, entries) if isinstance(entries, ast.Dict) else None


def _alternatives(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp):
        yield from _alternatives(node.left)
        yield from _alternatives(node.right)
    else:
        yield node


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
