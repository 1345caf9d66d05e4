"""What the text of a class says: its bases, methods, fields, and the attributes that its methods set."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from nas.export.code.program import Program
from nas.export.code.sources import External, Key

PLAIN_BASES = ("ABC", "Protocol", "NamedTuple", "object")
"""Bases that add nothing that code could ask for."""


@dataclass(frozen=True)
class Class:
    """One class of the program."""

    key: Key
    node: ast.ClassDef
    bases: tuple[Key, ...]
    outside: tuple[str, ...]
    """Bases that are not ours, `PLAIN_BASES` left out."""
    is_record: bool
    """Whether its fields are its constructor's parameters: a dataclass, or a named tuple."""
    is_tuple: bool

    @cached_property
    def methods(self) -> Mapping[str, ast.FunctionDef]:
        """Functions of its body."""
        return {one.name: one for one in self.node.body if isinstance(one, ast.FunctionDef)}

    @cached_property
    def variables(self) -> Mapping[str, ast.expr | None]:
        """Names of its body with their values; None where there is only a type."""
        found: dict[str, ast.expr | None] = {}
        for one in self.node.body:
            match one:
                case ast.AnnAssign(target=ast.Name(id=name), value=value):
                    found[name] = value
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    found[name] = value
        return found

    @cached_property
    def fields(self) -> Mapping[str, ast.expr | None]:
        """Of a record: its constructor's parameters and their defaults."""
        class_variables = {
            one.target.id
            for one in self.node.body
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and "ClassVar" in ast.dump(one.annotation)
        }
        return {name: value for name, value in self.variables.items() if name not in class_variables} if self.is_record else {}

    @cached_property
    def assigned(self) -> frozenset[str]:
        """Attributes that its methods give to `self`."""
        names = set()
        for node in ast.walk(self.node):
            match node:
                case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                    names.add(name)
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="self"), attr="register_buffer"), args=[ast.Constant(str(name)), *_]
                ):
                    names.add(name)
        return frozenset(names)


def decorators(function: ast.FunctionDef) -> frozenset[str]:
    """The last words of a function's decorators."""
    found = set()
    for one in function.decorator_list:
        called = one.func if isinstance(one, ast.Call) else one
        found.add(called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else "")
    return frozenset(found)


class Classes:
    """The classes of a program, looked up by key."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._known: dict[Key, Class | None] = {}
        self._orders: dict[Key, tuple[Class, ...]] = {}
        self._methods: dict[tuple[Key, str], tuple[Class, ast.FunctionDef] | None] = {}

    def get(self, key: Key) -> Class | None:
        """The class of this key; None when it is no class."""
        if key not in self._known:
            node = self.program.definition(key).node
            self._known[key] = self._read(key, node) if isinstance(node, ast.ClassDef) else None
        return self._known[key]

    def __getitem__(self, key: Key) -> Class:
        found = self.get(key)
        assert found is not None
        return found

    def _read(self, key: Key, node: ast.ClassDef) -> Class:
        ours: list[Key] = []
        outside: list[str] = []
        plain: list[str] = []
        for base in node.bases:
            first = base
            while isinstance(first, ast.Attribute | ast.Subscript):
                first = first.value
            found = self.program.resolve(key, first.id) if isinstance(first, ast.Name) else None
            if found is not None and not isinstance(found, External):
                ours.append(found)
                continue
            name = ast.unparse(base)
            (plain if name in PLAIN_BASES else outside).append(name)
        is_dataclass = any("dataclass" in ast.dump(one) for one in node.decorator_list)
        is_tuple = "NamedTuple" in plain
        return Class(key, node, tuple(ours), tuple(outside), is_dataclass or is_tuple, is_tuple)

    def order(self, key: Key) -> tuple[Class, ...]:
        """The class and its bases of ours, in the order in which attributes are looked up."""
        if key not in self._orders:
            one = self[key]
            found = [one, *(other for base in one.bases for other in self.order(base))]
            # a base that several have comes behind all of them
            self._orders[key] = tuple(reversed(dict.fromkeys(reversed(found))))
        return self._orders[key]

    def has_outside_base(self, key: Key) -> bool:
        """Whether torch's code is among its bases."""
        return any(one.outside for one in self.order(key))

    def method(self, key: Key, name: str) -> tuple[Class, ast.FunctionDef] | None:
        """The method that an object of the class has under this name."""
        if (key, name) not in self._methods:
            found = next(((one, one.methods[name]) for one in self.order(key) if name in one.methods), None)
            self._methods[key, name] = found
        return self._methods[key, name]

    def is_subclass(self, key: Key, base: Key) -> bool:
        """Whether objects of the first are objects of the second."""
        return any(one.key == base for one in self.order(key))

    def sets(self, key: Key, name: str) -> bool:
        """Whether our code gives such an attribute to objects of the class."""
        return any(name in one.assigned or name in one.fields for one in self.order(key))
