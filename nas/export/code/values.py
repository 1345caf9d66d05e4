"""What an expression may be: a set of possibilities, each a value that is known or a kind of thing.

The empty set is what no run has reached yet. Sets only grow while code is interpreted, so what holds for the final set holds
for every run; `ANYTHING` stands for whatever cannot be known.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from nas.export.code.sources import Key
from search_spaces.document import Document

MAX_NUMBERS = 48
"""Different numbers that are told apart."""
MAX_DEPTH = 5


class Atom:
    """One possibility."""

    __slots__ = ()


class Const(Atom):
    """A value that Python has: None, a number, a string, a tuple of those, or a document of the architecture."""

    __slots__ = ("_hash", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self._hash = hash((type(value).__name__, value))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Const) or self._hash != other._hash:
            return False
        return self.value is other.value or (type(self.value) is type(other.value) and self.value == other.value)

    def __repr__(self) -> str:
        return f"Const({self.value!r:.60})"


@dataclass(frozen=True)
class Instance(Atom):
    """An object of a class of the program."""

    kind: Key


@dataclass(frozen=True)
class ClassOf(Atom):
    """A class of the program itself."""

    kind: Key


@dataclass(frozen=True)
class Code:
    """A function, or with `method` that method of a class."""

    key: Key
    method: str | None = None


@dataclass(frozen=True)
class FunctionOf(Atom):
    """A function of the program; a method with what it is bound to."""

    code: Code
    bound: Atom | None = None


@dataclass(frozen=True)
class Super(Atom):
    """`super()` in a method of `after`, of an object."""

    bound: Instance
    after: Key


@dataclass(frozen=True)
class Sequence(Atom):
    """A tuple whose length is known."""

    items: tuple["Value", ...]


@dataclass(frozen=True)
class Collection(Atom):
    """Something to iterate over, as long as it may be."""

    item: "Value"


@dataclass(frozen=True)
class Table(Atom):
    """A dictionary with known keys that nothing changes."""

    entries: tuple[tuple[Atom, "Value"], ...]


@dataclass(frozen=True)
class Outside(Atom):
    """Something of torch or of the standard library, or a builtin, by its whole name."""

    dotted: str


@dataclass(frozen=True)
class Kind(Atom):
    """A possibility of which little is known."""

    name: str


Value = frozenset[Atom]

NOTHING: Value = frozenset()
ANYTHING: Value = frozenset((Kind("anything"),))
SOMETHING: Value = frozenset((Kind("something"),))
"""A tensor, a number or the like: neither None nor a thing of ours, and what it contains is neither."""
OBJECT: Value = frozenset((Kind("object"),))
"""Not None, but what it contains may be anything."""
NONE: Value = frozenset((Const(None),))
TRUE: Value = frozenset((Const(True),))
FALSE: Value = frozenset((Const(False),))
EITHER = TRUE | FALSE


def const(value: Any) -> Value:
    """A known value."""
    return frozenset((Const(value),))


def join(*values: Value) -> Value:
    """What is possible in any of these cases."""
    first, *others = values
    for other in others:
        if not other <= first:
            first = _normal(first | other)
    return first


def join_all(values: Iterable[Value]) -> Value:
    """The same of any number of cases."""
    return join(NOTHING, *values)


def _normal(atoms: Value) -> Value:
    if atoms >= ANYTHING:
        return ANYTHING
    merged = [atom for atom in atoms if not isinstance(atom, Sequence | Collection)]
    merged.extend(_sequences(atoms))
    items = [atom.item for atom in atoms if isinstance(atom, Collection)]
    merged.extend([Collection(join_all(items))] if items else [])
    numbers = [atom for atom in merged if isinstance(atom, Const) and type(atom.value) in (int, float, str)]
    if len(numbers) > MAX_NUMBERS:
        merged = [*(atom for atom in merged if atom not in numbers), *SOMETHING]
    return frozenset(OBJECT_ATOM if depth(atom) > MAX_DEPTH else atom for atom in merged)


(OBJECT_ATOM,) = OBJECT


def _sequences(atoms: Value) -> Iterator[Sequence]:
    """Tuples of one length are one tuple of what each place may be."""
    lengths: dict[int, Sequence] = {}
    for atom in atoms:
        if isinstance(atom, Sequence):
            known = lengths.get(len(atom.items))
            items = atom.items if known is None else tuple(map(join, known.items, atom.items))
            lengths[len(atom.items)] = Sequence(items)
    yield from lengths.values()


def depth(atom: Atom) -> int:
    """How deep tuples and collections lie within each other."""
    match atom:
        case Sequence(items):
            return 1 + max((depth(one) for item in items for one in item), default=0)
        case Collection(item):
            return 1 + max(map(depth, item), default=0)
    return 0


def truths(value: Value) -> set[bool]:
    """How a test of the value may come out."""
    found: set[bool] = set()
    for atom in value:
        match atom:
            case Const(value=known):
                found.add(True if isinstance(known, Document) else bool(known))
            case Sequence(items):
                found.add(bool(items))
            case ClassOf() | FunctionOf() | Outside() | Table():
                found.add(True)
            case _:
                return {True, False}
    return found


def where(value: Value, outcome: bool) -> Value:
    """The possibilities for which a test may come out so."""
    return frozenset(atom for atom in value if outcome in truths(frozenset((atom,))))


def may_be_none(atom: Atom) -> set[bool]:
    """Whether a possibility is None."""
    if isinstance(atom, Const):
        return {atom.value is None}
    return {True, False} if atom in ANYTHING else {False}


def elements(value: Value) -> Value:
    """What iteration gives."""
    return join_all(map(_elements, value))


def _elements(atom: Atom) -> Value:
    match atom:
        case Const(value=tuple() | str() | range() as known):
            return frozenset(map(Const, known))
        case Const(value=known):
            return NOTHING if known is None or isinstance(known, Document) else SOMETHING
        case Sequence(items):
            return join_all(items)
        case Collection(item):
            return item
        case Table(entries):
            return frozenset(key for key, _ in entries)
    return SOMETHING if atom in SOMETHING else ANYTHING


def items_of(atom: Atom) -> tuple[Value, ...] | None:
    """The elements one by one, where their number is known."""
    match atom:
        case Const(value=tuple() as known):
            return tuple(map(const, known))
        case Sequence(items):
            return items
    return None
