"""A set of definitions that need nothing of ours beside each other, and how they are written down as one file."""

import ast
from collections.abc import Iterable, Iterator, Mapping

from nas.export.code.documents import BASES, Kinds, definition_of, document_class
from nas.export.code.sources import Definition, External, Key, find, imported_modules, known, read_module
from search_spaces.document import Document

DATACLASS = External("dataclass", "dataclasses", "dataclass")
CLASS_VARIABLE = External("ClassVar", "typing", "ClassVar")
GENERATED = {"dataclass": DATACLASS, "ClassVar": CLASS_VARIABLE}
"""What dataclasses made of documents use and their modules do not import."""


class Program:
    """Definitions by key. Changed ones replace those of the library; documents are there as dataclasses."""

    def __init__(self, kinds: Kinds, changed: Mapping[Key, Definition] | None = None) -> None:
        self.kinds = kinds
        self.changed = dict(changed or {})
        self._documents: dict[Key, Definition] = {}
        self._classes: tuple[Key, ...] | None = None

    def with_changes(self, changed: Mapping[Key, Definition]) -> "Program":
        """The same with other texts for some definitions."""
        kept = {key: one for key, one in changed.items() if one.text != self.definition(key).text}
        program = Program(self.kinds, {**self.changed, **kept})
        program._documents = self._documents
        return program

    def changed_since(self, before: "Program") -> bool:
        """Whether any text differs."""
        return any(before.definition(key).text != one.text for key, one in self.changed.items())

    def definition(self, key: Key) -> Definition:
        """The text of a key that `resolve` gave."""
        if key in self.changed:
            return self.changed[key]
        kind = document_class(key)
        if kind is None:
            return read_module(key[0]).definitions[key[1]]
        if key not in self._documents:
            self._documents[key] = definition_of(kind, self.kinds)
        return self._documents[key]

    def all_classes(self) -> tuple[Key, ...]:
        """The classes that the model can reach by name."""
        if self._classes is None:
            keys = self.reachable([("workers.model.model", "Model")])
            self._classes = tuple(key for key in keys if isinstance(self.definition(key).node, ast.ClassDef))
        return self._classes

    def resolve(self, key: Key, name: str) -> Key | External | None:
        """What a global name within a definition is; None for a builtin."""
        borrowed = self.definition(key).borrowed
        if name in borrowed:
            return borrowed[name]
        for module in _modules(key):
            if known(module, name):
                return find((module, name))
        return GENERATED.get(name)

    def used(self, key: Key) -> Iterator[tuple[ast.Name, Key | External]]:
        """The names in a definition that are not builtins, and what they are."""
        for name in self.definition(key).global_names:
            found = self.resolve(key, name.id)
            if found is not None and found != key:
                yield name, found

    def reachable(self, roots: Iterable[Key]) -> list[Key]:
        """Everything that the roots need, in the order of the library: a module after those that it imports."""
        found: dict[Key, None] = {}
        waiting = list(roots)
        while waiting:
            key = waiting.pop()
            if key not in found:
                found[key] = None
                waiting.extend(other for _, other in self.used(key) if not isinstance(other, External))
        return self._in_order(list(found), [root[0] for root in roots])

    def _in_order(self, keys: list[Key], first: list[str]) -> list[Key]:
        wanted = {key[0] for key in keys}
        modules: dict[str, None] = {}
        for module in first + sorted(wanted):
            _visit(module, wanted, set(), modules)
        places = {module: place for place, module in enumerate(modules)}
        found = {key: (places[key[0]], list(read_module(key[0]).definitions).index(key[1])) for key in keys}
        for key in keys:
            # what several documents are together stands behind the last of them
            if self.definition(key).borrowed and not isinstance(self.definition(key).node, ast.ClassDef | ast.FunctionDef):
                found[key] = max([found[key], *(found[other] for _, other in self.used(key) if other in found)])
        return sorted(keys, key=lambda key: (found[key], isinstance(self.definition(key).node, ast.Assign)))

    def externals(self, keys: Iterable[Key]) -> set[External]:
        """What the definitions import."""
        return {found for key in keys for _, found in self.used(key) if isinstance(found, External)}


def _modules(key: Key) -> Iterator[str]:
    """Where names of a definition are looked up: a document has the code of its bases too."""
    kind = document_class(key)
    if kind is None:
        yield key[0]
        return
    for base in kind.__mro__:
        if issubclass(base, Document) and base.__name__ not in BASES:
            yield base.__module__


def _visit(module: str, wanted: set[str], open_: set[str], done: dict[str, None]) -> None:
    """Modules in the order in which they would be imported."""
    if module in done or module in open_:
        return
    open_.add(module)
    for other in imported_modules(module):
        _visit(other, wanted, open_, done)
    if module in wanted:
        done[module] = None
