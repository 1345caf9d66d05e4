"""Calls and attributes in interpreted code: of our functions and classes, of documents, of torch, and of Python."""

import ast
from collections.abc import Callable, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from nas.export.code.documents import computed, document_class
from nas.export.code.lookups import narrowed, table_of_types
from nas.export.code.sources import Key
from nas.export.code.values import (
    ANYTHING,
    EITHER,
    NOTHING,
    OBJECT,
    SOMETHING,
    Atom,
    ClassOf,
    Code,
    Collection,
    Const,
    FunctionOf,
    Instance,
    Outside,
    Sequence,
    Super,
    Table,
    Value,
    const,
    elements,
    items_of,
    join,
    join_all,
)
from search_spaces.document import Document

if TYPE_CHECKING:
    from nas.export.code.analysis import Analysis

MAX_CALLS = 256
UNKNOWN = ANYTHING | OBJECT
MAYBE_NONE = ("bias", "grad", "grad_fn", "get", "pop")
"""Attributes of torch's modules and tensors that may be None, and methods that may return it."""
CHANGES = ("append", "extend", "insert", "update", "setdefault", "pop", "clear")
CONCRETE: dict[str, Callable[..., Any]] = {
    one.__name__: one for one in (len, min, max, int, float, bool, abs, sum, str, round, tuple, any, all)
}
ITERABLES = ("zip", "enumerate", "tuple", "list", "reversed", "sorted", "iter", "map", "range")
PURE_MODULES = ("torch", "math", "itertools", "functools")
PLAIN = (type(None), bool, int, float, str, tuple, Document)


class Calls:
    """The part of an evaluation that follows calls."""

    analysis: "Analysis"
    code: Code

    def value(self, node: ast.expr) -> Value:
        """What an expression may be."""
        raise NotImplementedError

    # attributes

    def _attribute(self, node: ast.Attribute) -> Value:
        return join_all([self._of(atom, node.attr) for atom in self.value(node.value)])

    def _of(self, atom: Atom, name: str) -> Value:
        match atom:
            case Instance(kind):
                return self._of_instance(atom, kind, name)
            case Const(value=Document() as document):
                return self._of_document(atom, document, name)
            case Outside(dotted):
                return frozenset((Outside(f"{dotted}.{name}"),))
            case ClassOf(kind) if document_class(kind) is None and self.analysis.classes.has_outside_base(kind):
                self.analysis.escape(self._methods(kind))
                return SOMETHING
            case Super(bound, after):
                return self._of_super(bound, after, name)
            case Table() | Sequence() | Collection():
                return frozenset((Outside(f"contents.{name}"),))
        return self._of_unknown(atom, name)

    def _of_unknown(self, atom: Atom, name: str) -> Value:
        if atom == Const(None):
            return NOTHING
        if atom in UNKNOWN:
            self._of_any_instance(name)
        return ANYTHING if atom in UNKNOWN or name in MAYBE_NONE else SOMETHING

    def _methods(self, kind: Key) -> Value:
        """Functions that torch will call on its own."""
        return frozenset(FunctionOf(Code(kind, name)) for name in self.analysis.classes[kind].methods)

    def _of_any_instance(self, name: str) -> None:
        """An object that we know nothing of may be any of ours: its property runs."""
        for one in self.analysis.instances():
            found = self.analysis.classes.method(one.kind, name)
            if found is not None and self.analysis.is_property(found[1]):
                self._of_instance(one, one.kind, name)

    def _of_instance(self, atom: Atom, kind: Key, name: str) -> Value:
        classes = self.analysis.classes
        found = classes.method(kind, name)
        if found is not None:
            code = Code(found[0].key, name)
            if self.analysis.is_property(found[1]):
                return self.analysis.call(code, [frozenset((atom,))], {})
            return frozenset((FunctionOf(code, atom),))
        written = self.analysis.read(("attribute", kind, name))
        variable = next((one for one in classes.order(kind) if name in one.variables and not one.is_record), None)
        initial = variable.variables[name] if variable is not None else None
        if variable is not None and initial is not None:
            written = join(written, type(self)(self.analysis, Code(variable.key), True).value(initial))  # type: ignore[call-arg]
        if written or classes.sets(kind, name):
            return written
        return frozenset((Outside(f"module.{name}"),)) if name in ("parameters", "modules") else ANYTHING

    def _of_document(self, atom: Atom, document: Document, name: str) -> Value:
        kind = type(document)
        key = (kind.__module__, kind.__name__)
        found = self.analysis.classes.method(key, name)
        if name in kind.model_fields or name in computed(kind) or name in kind.__class_vars__:
            return const(getattr(document, name))
        if found is None:
            return NOTHING
        code = Code(key, name)
        if not self.analysis.is_property(found[1]):
            return frozenset((FunctionOf(code, atom),))
        self.analysis.call(code, [frozenset((atom,))], {})
        return const(getattr(document, name))

    def _of_super(self, bound: Instance, after: Key, name: str) -> Value:
        order = self.analysis.classes.order(bound.kind)
        places = [place for place, one in enumerate(order) if one.key == after]
        for one in order[places[0] + 1 :] if places else ():
            if name in one.methods:
                return frozenset((FunctionOf(Code(one.key, name), bound),))
        return frozenset((Outside("torch.super"),))

    # calls

    def _call(self, node: ast.Call) -> Value:
        arguments, rest = self._positional(node.args)
        named = {one.arg: self.value(one.value) for one in node.keywords if one.arg is not None}
        if any(one.arg is None for one in node.keywords):
            raise NotImplementedError(f"{self.code}: the code generator does not read calls with **")
        found, callees = [], NOTHING
        if isinstance(node.func, ast.Attribute):
            receivers = self.value(node.func.value)
            self._check_unchanged(receivers, node.func.attr)
            if node.func.attr == "register_buffer":
                self._register(receivers, node.args[0])
            callees = join_all([self._of(atom, node.func.attr) for atom in receivers - UNKNOWN])
            if self.analysis.recording:
                self.analysis.callees[node] = ANYTHING if receivers & UNKNOWN else callees
            if receivers & UNKNOWN:
                found.append(self._method_of_anything(node.func.attr, arguments, named, rest))
        else:
            callees = self.value(node.func)
        entries = NOTHING if (table := table_of_types(node)) is None else self.value(table)
        for callee in callees:
            given = narrowed(node, callee, entries, arguments, self.analysis.class_of)
            found.append(self._called(callee, given, named, rest))
        return join_all(found)

    def _register(self, receivers: Value, name: ast.expr) -> None:
        """A buffer is an attribute that torch sets."""
        for atom in receivers:
            kind = self.analysis.class_of(atom)
            if kind is not None and isinstance(name, ast.Constant):
                self.analysis.write(("attribute", kind, name.value), SOMETHING)

    def _check_unchanged(self, receivers: Value, method: str) -> None:
        """Values stand for what they were made as; a list that grows is made by a display."""
        made = any(isinstance(one, Table | Collection) for one in receivers)
        if made and method in CHANGES and not receivers & UNKNOWN:
            raise NotImplementedError(f"{self.code}: a value that was taken for constant is changed by {method}()")

    def _positional(self, nodes: list[ast.expr]) -> tuple[list[Value], Value | None]:
        """The values in front of one that spreads out to an unknown length, and what all after them may be."""
        values: list[Value] = []
        rest: Value | None = None
        for node in nodes:
            starred = isinstance(node, ast.Starred)
            value = self.value(node.value if isinstance(node, ast.Starred) else node)
            known = items_of(next(iter(value))) if starred and len(value) == 1 else None
            given = [value] if not starred else None if known is None else list(known)
            if rest is None and given is not None:
                values.extend(given)
            else:
                rest = join(rest or NOTHING, elements(value) if starred else value)
        return values, rest

    def _called(self, callee: Atom, arguments: list[Value], named: Mapping[str, Value], rest: Value | None) -> Value:
        match callee:
            case FunctionOf(code, Const() as bound):
                return self._document_method(code, bound, arguments, named)
            case FunctionOf(code, bound):
                return self._function(code, bound, arguments, named, rest)
            case ClassOf(kind):
                made = document_class(kind)
                if made is not None:
                    return self._document(made, arguments, named)
                return self.analysis.construct(kind, arguments, named, rest)
            case Instance(kind):
                return self._forward(callee, kind, arguments, named, rest)
            case Outside(dotted):
                return self._outside(dotted, arguments, named, rest)
        return self._unknown(callee, arguments, named, rest)

    def _unknown(self, callee: Atom, arguments: list[Value], named: Mapping[str, Value], rest: Value | None) -> Value:
        """Something that is called without our knowing what: it may be any module of ours."""
        everything = [*arguments, *named.values(), rest or NOTHING]
        for value in everything:
            self.analysis.escape(value)
        if callee in SOMETHING:
            return SOMETHING if all(map(_is_data, everything)) else OBJECT
        for one in self.analysis.instances():
            self._forward(one, one.kind, arguments, named, rest)
        return ANYTHING

    def _function(
        self, code: Code, bound: Atom | None, arguments: list[Value], named: Mapping[str, Value], rest: Value | None
    ) -> Value:
        if code.key == ("kernels.dispatch", "choose"):
            return _fastest(arguments[0])
        first = [] if bound is None else [frozenset((bound,))]
        return self.analysis.call(code, [*first, *arguments], named, rest)

    def _forward(self, atom: Atom, kind: Key, arguments: list[Value], named: Mapping[str, Value], rest: Value | None) -> Value:
        """A module that is called runs its `forward`."""
        found = self.analysis.classes.method(kind, "forward")
        if found is None:
            return SOMETHING
        return self.analysis.call(Code(found[0].key, "forward"), [frozenset((atom,)), *arguments], named, rest)

    def _method_of_anything(self, name: str, arguments: list[Value], named: Mapping[str, Value], rest: Value | None) -> Value:
        """An object that we know nothing of may be any of ours that has such a method."""
        for one in self.analysis.instances():
            if self.analysis.classes.method(one.kind, name) is None and not self.analysis.classes.sets(one.kind, name):
                continue
            for callee in self._of_instance(one, one.kind, name) - UNKNOWN:
                self._called(callee, arguments, named, rest)
        for value in (*arguments, *named.values(), rest or NOTHING):
            self.analysis.escape(value)
        return ANYTHING

    def _document_method(self, code: Code, bound: Const, arguments: list[Value], named: Mapping[str, Value]) -> Value:
        """Run it, where the arguments are known too; its code is interpreted all the same, for what it asks for."""
        abstract = self.analysis.call(code, [frozenset((bound,)), *arguments], named)
        assert code.method is not None
        if named or not all(isinstance(one, Const) for value in arguments for one in value):
            return abstract
        found = []
        for given in list(product(*arguments))[:MAX_CALLS]:
            result = getattr(bound.value, code.method)(*(one.value for one in given if isinstance(one, Const)))
            if not isinstance(result, PLAIN):
                return abstract
            found.append(const(result))
        return join_all(found) if len(found) < MAX_CALLS else abstract

    def _document(self, kind: type[Document], arguments: list[Value], named: Mapping[str, Value]) -> Value:
        """A document that the model's code makes."""
        if arguments or not all(isinstance(one, Const) for value in named.values() for one in value):
            raise NotImplementedError(f"{self.code}: a {kind.__name__} is made of what the architecture does not say")
        choices = [[(name, one.value) for one in value if isinstance(one, Const)] for name, value in named.items()]
        return join_all(const(kind.model_validate(dict(fields))) for fields in product(*choices))

    def _outside(self, dotted: str, arguments: list[Value], named: Mapping[str, Value], rest: Value | None) -> Value:
        module, _, name = dotted.rpartition(".")
        if module == "builtins":
            return self._builtin(name, arguments, named, rest)
        if dotted == "torch.nn.ModuleList" and arguments:
            return frozenset((Collection(elements(arguments[0])),))
        if dotted == "dataclasses.replace" and arguments:
            return self._replaced(arguments[0], named)
        everything = [*arguments, *named.values(), rest or NOTHING]
        for value in everything:
            self.analysis.escape(value)
        if module in ("contents", "module", "dataclasses"):
            return SOMETHING if dotted == "module.parameters" else ANYTHING if module == "module" else OBJECT
        data = dotted.partition(".")[0] in PURE_MODULES and all(map(_is_data, everything))
        return SOMETHING if data else OBJECT

    def _replaced(self, value: Value, named: Mapping[str, Value]) -> Value:
        """A copy of a record with other fields."""
        for atom in value:
            kind = self.analysis.class_of(atom)
            for name, given in named.items():
                if kind is not None:
                    self.analysis.write(("attribute", kind, name), given)
        return value

    def _builtin(self, name: str, arguments: list[Value], named: Mapping[str, Value], rest: Value | None) -> Value:
        if name in ("isinstance", "type", "super"):
            return getattr(self, f"_{name}")(*arguments)  # type: ignore[no-any-return]
        if not all(arguments):
            return NOTHING
        known = all(isinstance(one, Const) for value in arguments for one in value)
        if name in (*CONCRETE, "range") and arguments and known and not named and rest is None:
            return _concrete(range if name == "range" else CONCRETE[name], arguments)
        if name in ITERABLES:
            return self._iterable(name, arguments, rest)
        if name == "next":
            return elements(arguments[0])
        for value in (*arguments, *named.values(), rest or NOTHING):
            self.analysis.escape(value)
        if name in ("min", "max"):
            return join_all(arguments) if len(arguments) > 1 and _is_data(join_all(arguments)) else OBJECT
        return SOMETHING if name in CONCRETE or name in ("repr", "slice") else OBJECT

    def _iterable(self, name: str, arguments: list[Value], rest: Value | None) -> Value:
        if name == "range":
            return frozenset((Collection(SOMETHING),))
        if name == "zip" and rest is None:
            items = tuple(map(elements, arguments))
            return frozenset((Collection(frozenset((Sequence(items),)) if all(items) else NOTHING),))
        if name == "enumerate":
            item = elements(arguments[0])
            return frozenset((Collection(frozenset((Sequence((SOMETHING, item)),)) if item else NOTHING),))
        if name == "tuple" and arguments and all(items_of(one) is not None for one in arguments[0]):
            return arguments[0]
        if name == "map":
            given = [elements(one) for one in arguments[1:]]
            return frozenset((Collection(join_all(self._called(one, given, {}, rest) for one in arguments[0])),))
        contents = join_all([*map(elements, arguments), rest or NOTHING])
        if name == "list":
            self.analysis.escape(contents)
            return OBJECT
        return frozenset((Collection(contents),))

    def _super(self) -> Value:
        bound = self.analysis.read(("local", self.code, "self"))
        return frozenset(Super(one, self.code.key) for one in bound if isinstance(one, Instance))

    def _type(self, value: Value) -> Value:
        return join_all(map(self._kind, value))

    def _kind(self, atom: Atom) -> Value:
        kind = self.analysis.class_of(atom)
        if kind is not None:
            return frozenset((ClassOf(kind),))
        return frozenset((Outside("builtins.type"),)) if isinstance(atom, Const) else OBJECT

    def _isinstance(self, value: Value, kinds: Value) -> Value:
        return join_all(self._is_one_of(atom, kinds) for atom in value)

    def _is_one_of(self, atom: Atom, kinds: Value) -> Value:
        flat = [one for kind in kinds for one in (join_all(kind.items) if isinstance(kind, Sequence) else (kind,))]
        ours = [one.kind for one in flat if isinstance(one, ClassOf)]
        if len(ours) != len(flat):
            return EITHER
        documents = [found for key in ours if (found := document_class(key)) is not None]
        if isinstance(atom, Const):
            return const(isinstance(atom.value, tuple(documents)))
        kind = self.analysis.class_of(atom)
        if kind is not None:
            return const(any(self.analysis.classes.is_subclass(kind, one) for one in ours))
        if atom in ANYTHING and not documents:
            made = [one.kind for one in self.analysis.instances()]
            possible = any(self.analysis.classes.is_subclass(one, base) for one in made for base in ours)
            return EITHER if possible else const(False)
        return EITHER if atom in ANYTHING else const(False)


def _is_data(value: Value) -> bool:
    """Whether it is numbers, strings, tensors: nothing that leads back to us."""
    return all(
        one in SOMETHING
        or isinstance(one, Outside)
        or (isinstance(one, Const) and not isinstance(one.value, Document))
        or (isinstance(one, Sequence) and all(map(_is_data, one.items)))
        or (isinstance(one, Collection) and _is_data(one.item))
        for one in value
    )


def _fastest(forms: Value) -> Value:
    """What `choose` gives: the last of its forms."""
    return join_all(atom.entries[-1][1] if isinstance(atom, Table) else ANYTHING for atom in forms)


def _concrete(function: Callable[..., Any], arguments: list[Value]) -> Value:
    """What Python's own function gives for every combination."""
    found: list[Value] = []
    choices = list(product(*arguments))
    if len(choices) > MAX_CALLS:
        return frozenset((Collection(SOMETHING),)) if function is range else SOMETHING
    for given in choices:
        try:
            result = function(*(one.value for one in given if isinstance(one, Const)))
        except (TypeError, ValueError):
            continue
        if isinstance(result, range):
            found.append(frozenset((Collection(join_all(map(const, result)) if len(result) <= MAX_CALLS else SOMETHING),)))
        else:
            found.append(const(result))
    return join_all(found)
