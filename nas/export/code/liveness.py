"""What of a program is still needed once its tests are folded: functions, parameters, attributes and names.

Starts at the methods of `Model` that are called from outside, and follows what is left of each function. A parameter that is
only handed on to parameters that nobody reads is not read either.
"""

import ast
from collections.abc import Iterator

from nas.export.code.classes import decorators
from nas.export.code.documents import document_class
from nas.export.code.entry import MODEL, RESULTS, USES
from nas.export.code.folding import Folding
from nas.export.code.sources import External, Key
from nas.export.code.values import (
    ANYTHING,
    NOTHING,
    OBJECT,
    Atom,
    ClassOf,
    Code,
    FunctionOf,
    Instance,
    Outside,
    Value,
)

UNKNOWN = ANYTHING | OBJECT
KNOWN = ("builtins.isinstance", "builtins.type", "builtins.super", "builtins.len", "dataclasses.replace")
"""Functions that ask for no field of what they are given, or for those that their arguments name."""
Parameter = tuple[Code, str]
Attribute = tuple[Key, str]


class Liveness:
    """What is needed, of one folded program."""

    def __init__(self, folding: Folding) -> None:
        self.folding = folding
        self.analysis = folding.analysis
        self.program = folding.program
        self.classes = self.analysis.classes
        self.functions: dict[Code, None] = {}
        self.definitions: set[Key] = set()
        self.attributes: set[Attribute] = set()
        self.parameters: set[Parameter] = set()
        self.locals: set[tuple[Code, str]] = set()
        self.fixed: set[Code] = set()
        """Functions whose parameters must stay, as not all their callers are known or others must look like them."""
        self._waiting: list[Code] = []
        self._asked_of_anything: set[str] = set()
        self._handed_on: list[tuple[Parameter, Parameter]] = []
        self._run()

    def _run(self) -> None:
        self._define(MODEL)
        for key in RESULTS:
            self.attributes.update((key, name) for name in self.classes[key].fields)
        for method in ("__init__", *USES):
            code = Code(MODEL, method)
            if method in self.classes[MODEL].methods:
                self._need(code)
                self.fixed.add(code)
        while self._waiting:
            self._follow(self._waiting.pop())
        changed = True
        while changed:
            changed = False
            for given, taken in self._handed_on:
                if given not in self.parameters and (taken in self.parameters or taken[0] in self.fixed):
                    self.parameters.add(given)
                    changed = True

    def _need(self, code: Code) -> None:
        if code in self.analysis.reached and code not in self.functions:
            self.functions[code] = None
            self._waiting.append(code)
            self._define(code.key)

    def _define(self, key: Key) -> None:
        """A definition is written down: what it says outside of its functions is needed."""
        if key in self.definitions:
            return
        self.definitions.add(key)
        node = self.program.definition(key).node
        if isinstance(node, ast.FunctionDef):
            return
        if not isinstance(node, ast.ClassDef):
            self._visit(Code(key), node)
            return
        for part in (*node.bases, *node.decorator_list):
            self._visit(Code(key), part)
        self._called_by_torch(key)
        if self.classes[key].is_tuple:
            self.attributes.update((key, name) for name in self.classes[key].fields)

    def parts(self, code: Code) -> Iterator[ast.AST]:
        """What is left of a function: its statements, and the signature's expressions."""
        function = self.analysis.function(code)
        arguments = function.args
        yield from (one for one in arguments.kw_defaults if one is not None)
        yield from (default for name, default in self.defaults(code) if self.default_stays(code, name))
        yield from self.folding.statements(function.body)

    def defaults(self, code: Code) -> list[tuple[str, ast.expr]]:
        """The parameters that have one."""
        arguments = self.analysis.function(code).args
        ordered = [*arguments.posonlyargs, *arguments.args]
        return [(one.arg, given) for one, given in zip(ordered[-len(arguments.defaults) :], arguments.defaults, strict=False)]

    def _follow(self, code: Code) -> None:
        node = self.program.definition(code.key).node
        if code.method is None and not isinstance(node, ast.FunctionDef):
            self._visit(code, node)
            return
        function = self.analysis.function(code)
        if code.method is not None and self._is_interface(code):
            self.fixed.add(code)
        for one in (*function.decorator_list, *([function.returns] if function.returns else [])):
            self._annotation(code, one)
        for part in self.parts(code):
            self._visit(code, part)

    def _called_by_torch(self, key: Key) -> None:
        """Methods of a class that not we call."""
        calls = self.classes[key].methods if self._is_of_function(key) else ("forward", "__post_init__")
        if self._is_of_function(key) or Instance(key) in self.analysis.instances():
            for name in calls:
                found = self.classes.method(key, name)
                if found is not None:
                    self._need(Code(found[0].key, name))

    def default_stays(self, code: Code, name: str) -> bool:
        """Whether some call leaves a parameter to its default."""
        return code in self.fixed or bool(self.analysis.cells.get(("defaulted", code, name)))

    def _is_interface(self, code: Code) -> bool:
        """Whether another class has such a method too, or torch may call it."""
        name = code.method or ""
        if self.classes.has_outside_base(code.key) and name != "__init__" and self._is_of_function(code.key):
            return True
        if name == "__init__":
            return False
        owners = [key for key in self.analysis.program.all_classes() if name in self.classes[key].methods]
        return len(owners) > 1

    def _is_of_function(self, key: Key) -> bool:
        return any("autograd" in base for one in self.classes.order(key) for base in one.outside)

    def _annotation(self, code: Code, node: ast.AST) -> None:
        for one in ast.walk(node):
            if isinstance(one, ast.Name):
                self._global(code, one)

    # expressions and statements that are left

    def children(self, node: ast.AST) -> Iterator[ast.AST]:
        """The parts of a node that are left."""
        folding = self.folding
        match node:
            case ast.If() | ast.While():
                yield from (node.test, *folding.statements(node.body), *folding.statements(node.orelse))
            case ast.For():
                yield from (node.target, node.iter, *folding.statements(node.body))
            case ast.With():
                yield from (*node.items, *folding.statements(node.body))
            case ast.BoolOp():
                yield from folding.operands(node, is_test=node in self.analysis.tests)
            case ast.comprehension():
                yield from (node.target, node.iter, *folding.conditions(node))
            case ast.Dict():
                places = folding.entries(self._constant_key(node), node)
                yield from (key for place in places if (key := node.keys[place]) is not None)
                yield from (node.values[place] for place in places)
            case ast.AnnAssign():
                yield from (node.target, *([node.value] if node.value else []))
            case _:
                yield from ast.iter_child_nodes(node)

    def _constant_key(self, node: ast.Dict) -> Key:
        return self.folding.constant_keys.get(node, ("", ""))

    def _visit(self, code: Code, node: ast.AST) -> None:
        instead = self.folding.instead(node)
        if instead is not None:
            self._visit_instead(code, node, instead)
            return
        match node:
            case ast.Name(ctx=ast.Load()):
                self._name(code, node)
            case ast.Attribute():
                self._attribute(node)
                self._visit(code, node.value)
                return
            case ast.Call():
                self._call(code, node)
                return
            case ast.AnnAssign():
                self._annotation(code, node.annotation)
        for child in self.children(node):
            self._visit(code, child)

    def _visit_instead(self, code: Code, node: ast.AST, instead: ast.expr | str) -> None:
        """What stands for an expression; a dictionary's entry has names of the dictionary's module."""
        if isinstance(instead, ast.expr):
            table = self.folding.table_of(node) if isinstance(node, ast.Subscript) else None
            self._visit(code if table is None else Code(table[0]), instead)

    def _name(self, code: Code, node: ast.Name) -> None:
        self.locals.add((code, node.id))
        self.parameters.add((code, node.id))
        self._global(code, node)
        for atom in self.folding.value(node):
            # a function that is handed around may be called in ways that are not seen
            if isinstance(atom, FunctionOf):
                self._need(atom.code)
                self.fixed.add(atom.code)

    def _global(self, code: Code, node: ast.Name) -> None:
        if node.id in self._bound(code):
            return
        found = self.program.resolve(code.key, node.id)
        if found is None or isinstance(found, External):
            return
        self._define(found)
        if isinstance(self.program.definition(found).node, ast.Assign | ast.AnnAssign):
            self._need(Code(found))

    def _bound(self, code: Code) -> frozenset[str]:
        return self.folding.bound(code)

    def _attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Store):
            return
        for atom in self.folding.value(node.value):
            if atom in UNKNOWN:
                self._of_anything(node.attr)
            else:
                self._of(atom, node.attr)

    def _of(self, atom: Atom, name: str) -> None:
        kind = atom.kind if isinstance(atom, ClassOf) else self.analysis.class_of(atom)
        if kind is None or self.classes.get(kind) is None:
            return
        found = self.classes.method(kind, name)
        if found is None:
            self.attributes.update((one.key, name) for one in self.classes.order(kind))
            self.attributes.add((kind, name))
            return
        self._need(Code(found[0].key, name))
        if "property" not in decorators(found[1]) and not isinstance(atom, Instance | ClassOf):
            self.fixed.add(Code(found[0].key, name))

    def _of_anything(self, name: str) -> None:
        if name in self._asked_of_anything:
            return
        self._asked_of_anything.add(name)
        for key in self.program.all_classes():
            if document_class(key) is not None or Instance(key) in self.analysis.instances():
                self._of(Instance(key), name)

    def _call(self, code: Code, node: ast.Call) -> None:
        callees = self.folding.callees(node)
        self._callee(code, node.func)
        if callees & UNKNOWN:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else "forward"
            self.fixed.update(Code(key, name) for key in self.program.all_classes() if name in self.classes[key].methods)
        if any(isinstance(one, Outside) and one.dotted not in KNOWN for one in callees):
            self._show(node)
        if any(isinstance(one, Outside) and one.dotted == "dataclasses.replace" for one in callees):
            self._keep_replaced(node)
        single = self._targets(node, callees)
        kind = self.record(callees)
        classes = self.folding.classes(node)
        given = node.args if classes is None else node.args[:1]
        for part in classes or ():
            self._visit(code, part)
        for place, argument in enumerate(given):
            self._argument(code, argument, single, kind, self._parameter(single, kind, callees, place, node))
        for keyword in node.keywords:
            self._argument(code, keyword.value, single, kind, keyword.arg)

    def _callee(self, code: Code, node: ast.expr) -> None:
        """A function that is called is not handed around."""
        if isinstance(node, ast.Attribute):
            self._attribute(node)
            self._visit(code, node.value)
        elif isinstance(node, ast.Name):
            self.locals.add((code, node.id))
            self.parameters.add((code, node.id))
            self._global(code, node)
        else:
            self._visit(code, node)

    def _targets(self, node: ast.Call, callees: Value) -> Code | None:
        """Need the functions that a call runs; the one that it runs, if it is always the same and may change."""
        targets = [target for target in map(self.target, callees) if target is not None]
        for target in targets:
            self._need(target)
        if len(callees) != 1 or len(targets) != 1 or any(isinstance(one, ast.Starred) for one in node.args):
            self.fixed.update(targets)
            self._keep_fields(callees)
        return targets[0] if len(callees) == 1 and targets else None

    def _keep_replaced(self, node: ast.Call) -> None:
        """Fields that a copy of an unknown record gets anew."""
        if all(self.analysis.class_of(atom) is not None for atom in self.folding.value(node.args[0])):
            return
        for one in self.analysis.instances():
            self.attributes.update((one.kind, keyword.arg) for keyword in node.keywords if keyword.arg is not None)

    def _show(self, node: ast.Call) -> None:
        """A record that leaves our code may be asked for any of its fields."""
        for argument in node.args:
            for atom in self.folding.value(argument):
                if isinstance(atom, Instance) and self.classes[atom.kind].is_record:
                    self.attributes.update((atom.kind, name) for name in self.classes[atom.kind].fields)

    def _keep_fields(self, callees: Value) -> None:
        for atom in callees:
            if isinstance(atom, ClassOf) and self.record(frozenset((atom,))) is not None and len(callees) > 1:
                self.attributes.update((atom.kind, name) for name in self.classes[atom.kind].fields)

    def _argument(self, code: Code, node: ast.expr, single: Code | None, kind: Key | None, name: str | None) -> None:
        if name is not None and single is not None and isinstance(node, ast.Name) and node.id in self._parameters(code):
            self._handed_on.append(((code, node.id), (single, name)))
            return
        self._visit(code, node)

    def _parameters(self, code: Code) -> frozenset[str]:
        return self.folding.parameters(code)

    def record(self, callees: Value) -> Key | None:
        """The record that a call makes, if it makes one."""
        if len(callees) != 1:
            return None
        (atom,) = callees
        if not isinstance(atom, ClassOf) or self.classes.get(atom.kind) is None:
            return None
        return atom.kind if self.classes[atom.kind].is_record else None

    def target(self, atom: Atom) -> Code | None:
        """The function that runs when something is called."""
        match atom:
            case FunctionOf(code):
                return code
            case ClassOf(kind) if document_class(kind) is None:
                found = self.classes.method(kind, "__init__")
            case Instance(kind):
                found = self.classes.method(kind, "forward")
            case _:
                return None
        return None if found is None else Code(found[0].key, found[1].name)

    def _parameter(self, single: Code | None, kind: Key | None, callees: Value, place: int, node: ast.Call) -> str | None:
        return self.parameter(single, callees, place, node)

    def parameter(self, single: Code | None, callees: Value, place: int, node: ast.Call) -> str | None:
        """The name of the parameter that a positional argument is for; None behind one that spreads out."""
        if single is None or any(isinstance(one, ast.Starred) for one in node.args[: place + 1]):
            return None
        function = self.analysis.function(single)
        names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
        (atom,) = callees
        bound = single.method is not None and not (isinstance(atom, FunctionOf) and atom.bound is None)
        place += 1 if bound else 0
        return names[place] if place < len(names) else None

    # what is left out

    def drops_parameter(self, code: Code, name: str) -> bool:
        """Whether a function loses a parameter."""
        if code in self.fixed or (code, name) in self.parameters or name == "self":
            return False
        return code in self.functions

    def reads(self, kind: Key, name: str) -> bool:
        """Whether an attribute of a class's objects is asked for; of a base, those of its subclasses count."""
        relatives = [key for key in self.program.all_classes() if self.classes.is_subclass(key, kind)]
        return any((key, name) in self.attributes for key in (kind, *relatives))


__all__ = ["NOTHING", "Liveness"]
