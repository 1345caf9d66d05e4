"""What every expression of a program may be, for one architecture: all runs at once, over sets of possible values.

Functions are interpreted with what all their callers give together, attributes hold what is ever assigned to them, and
both again until nothing grows (abstract interpretation; a fold of sparse conditional constants over a whole program). A branch
whose test cannot hold is not entered, so what it would have assigned does not count.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import cast

from nas.export.code.classes import Classes, decorators
from nas.export.code.documents import document_class
from nas.export.code.evaluation import Evaluation
from nas.export.code.program import Program
from nas.export.code.sources import Key
from nas.export.code.values import (
    ANYTHING,
    NOTHING,
    Atom,
    ClassOf,
    Code,
    Collection,
    Const,
    FunctionOf,
    Instance,
    Sequence,
    Table,
    Value,
    const,
    join,
)

Cell = tuple[object, ...]
"""What values are kept for: a parameter or name of a function, an attribute of a class, a function's result."""
MAX_ROUNDS = 100_000


class Analysis:
    """The fixed point. `values` has what each expression may be, by its node; no entry for those that never run."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.classes = Classes(program)
        self.cells: dict[Cell, Value] = {}
        self.readers: dict[Cell, set[Code]] = defaultdict(set)
        self.reached: dict[Code, None] = {}
        self.waiting: dict[Code, None] = {}
        self.current: Code | None = None
        self.escaped: set[Atom] = set()
        self.values: dict[ast.AST, Value] = {}
        self.tests: dict[ast.AST, set[bool]] = {}
        """How each condition may come out."""
        self.callees: dict[ast.Call, Value] = {}
        """What each call of a method may call; anything where the object is not known."""
        self.recording = False

    def run(self) -> None:
        """Interpret until nothing changes, then once more to write down what was found."""
        for _ in range(MAX_ROUNDS):
            if not self.waiting:
                break
            code = next(iter(self.waiting))
            del self.waiting[code]
            self._interpret(code)
        assert not self.waiting
        self.recording = True
        for code in list(self.reached):
            self._interpret(code)
        assert not self.waiting, "interpreting once more changed something"

    def _interpret(self, code: Code) -> None:
        self.current = code
        Evaluation(self, code).run()
        self.current = None

    def record(self, node: ast.AST, value: Value) -> None:
        """Note what an expression may be."""
        self.values[node] = join(self.values.get(node, NOTHING), value)

    def read(self, cell: Cell) -> Value:
        """What a cell holds; whoever reads it is interpreted again when it grows."""
        if self.current is not None:
            self.readers[cell].add(self.current)
        return self.cells.get(cell, NOTHING)

    def write(self, cell: Cell, value: Value) -> None:
        """Let a cell hold this too."""
        old = self.cells.get(cell, NOTHING)
        new = join(old, value)
        if new != old:
            self.cells[cell] = new
            for reader in self.readers[cell]:
                self.waiting[reader] = None

    def reach(self, code: Code) -> None:
        """Have a function interpreted."""
        if code not in self.reached:
            self.reached[code] = None
            self.waiting[code] = None

    def function(self, code: Code) -> ast.FunctionDef:
        """The node of a function or a method."""
        if code.method is not None:
            return self.classes[code.key].methods[code.method]
        node = self.program.definition(code.key).node
        assert isinstance(node, ast.FunctionDef)
        return node

    def call(self, code: Code, arguments: list[Value], named: Mapping[str, Value], rest: Value | None = None) -> Value:
        """Give a function these arguments, and any of `rest` for the others; what it returns so far."""
        self.reach(code)
        signature = self.function(code).args
        names = [one.arg for one in (*signature.posonlyargs, *signature.args)]
        for name, value in zip(names, arguments, strict=False):
            self.write(("local", code, name), value)
        for name, value in named.items():
            self.write(("local", code, name), value)
        if signature.vararg is not None:
            given = arguments[len(names) :]
            whole = frozenset((Sequence(tuple(given)),)) if rest is None else frozenset((Collection(join(rest, *given)),))
            self.write(("local", code, signature.vararg.arg), whole)
        missing = [name for name in names[len(arguments) :] if name not in named]
        missing += [one.arg for one in signature.kwonlyargs if one.arg not in named]
        for name in missing:
            if rest is not None:
                self.write(("local", code, name), rest)
            self.write(("defaulted", code, name), const(True))
            self.write(("local", code, name), self.default(code, name))
        return self.read(("result", code))

    def default(self, code: Code, name: str) -> Value:
        """A parameter's default; nothing when it has none."""
        signature = self.function(code).args
        ordered = [*signature.posonlyargs, *signature.args]
        pairs = list(zip(reversed(ordered), reversed(signature.defaults), strict=False))
        pairs += [(one, given) for one, given in zip(signature.kwonlyargs, signature.kw_defaults, strict=True) if given]
        found = next((given for one, given in pairs if one.arg == name), None)
        return NOTHING if found is None else Evaluation(self, code, at_module=True).value(found)

    def construct(self, kind: Key, arguments: list[Value], named: Mapping[str, Value], rest: Value | None = None) -> Value:
        """An object of a class of the program, made with these arguments."""
        made = Instance(kind)
        self.write(("instances",), frozenset((made,)))
        start = self.classes.method(kind, "__init__")
        record = next((one for one in self.classes.order(kind) if one.is_record), None)
        if start is not None:
            self.call(Code(start[0].key, "__init__"), [frozenset((made,)), *arguments], named, rest)
        elif record is not None:
            given = dict(zip(record.fields, arguments, strict=False)) | dict(named)
            for name, default in record.fields.items():
                missing = name not in given and default is not None
                value = Evaluation(self, Code(record.key), at_module=True).value(default) if missing and default else NOTHING
                self.write(("attribute", kind, name), join(given.get(name, NOTHING), value, rest or NOTHING))
            after = self.classes.method(kind, "__post_init__")
            if after is not None:
                self.call(Code(after[0].key, "__post_init__"), [frozenset((made,))], {})
        return frozenset((made,))

    def escape(self, value: Value) -> None:
        """Somebody whom we do not see may call what is in here, with anything."""
        for atom in value - self.escaped:
            self.escaped.add(atom)
            match atom:
                case FunctionOf(code, bound):
                    self.call(code, [] if bound is None else [frozenset((bound,))], {}, ANYTHING)
                case ClassOf(kind) if document_class(kind) is None:
                    self.construct(kind, [], {}, ANYTHING)
                case Sequence() | Collection() | Table():
                    for item in _contents(atom):
                        self.escape(item)

    def instances(self) -> Iterable[Instance]:
        """One for each class that the program makes objects of."""
        return cast("frozenset[Instance]", self.read(("instances",)))

    def constant(self, key: Key) -> Value:
        """What a global name of the program is."""
        node = self.program.definition(key).node
        if isinstance(node, ast.ClassDef):
            return frozenset((ClassOf(key),))
        if isinstance(node, ast.FunctionDef):
            return frozenset((FunctionOf(Code(key)),))
        self.reach(Code(key))
        return self.read(("result", Code(key)))

    def is_property(self, node: ast.FunctionDef) -> bool:
        """Whether it is called by asking for an attribute."""
        return "property" in decorators(node)

    def class_of(self, atom: Atom) -> Key | None:
        """The class of the program that an object or document is of."""
        if isinstance(atom, Instance):
            return atom.kind
        if isinstance(atom, Const):
            kind = type(atom.value)
            key = (kind.__module__, kind.__name__)
            return key if document_class(key) is not None else None
        return None


def _contents(atom: Sequence | Collection | Table) -> Iterable[Value]:
    match atom:
        case Sequence(items):
            return items
        case Collection(item):
            return (item,)
        case Table(entries):
            return [value for _, value in entries]
