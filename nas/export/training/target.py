"""A training program that an architecture may be written for, and the checks that every one of them begins with.

A target either writes files that make its own model compute what ours does, or raises `Refused` for the first field in the
way. Names of the fields are those of `architecture.json`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from search_spaces.architecture import Architecture, TokenInput
from search_spaces.document import Document
from search_spaces.layer import Layer
from search_spaces.norm import NormKind
from search_spaces.primitives import Channel, Mixer, Primitive

EPS = 1e-5
"""Of every norm of ours but the heads' of RWKV."""
ROPE_BASE = 10_000
MAX_POSITIONS = 131_072
"""Our models have no limit; a config must state one."""

Files = Mapping[str, str]
"""Text by path, below the export's folder."""
P = TypeVar("P", bound=Primitive)


class Refused(ValueError):
    """The target cannot say a field's value."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Target:
    """A training program, by name and version."""

    name: str
    version: str
    """Of the program whose source the config was compared with, its name before it."""
    what: str
    """Which files, one line."""
    files: Callable[[Architecture], Files]
    """What makes it train the architecture. Raises `Refused`."""


@dataclass(frozen=True, slots=True)
class Place:
    """A layer with one mixer, and where it stands, such as `core[0]`."""

    where: str
    mixer: Mixer | None
    channel: Channel | None

    @property
    def mixer_at(self) -> str:
        """Where its mixer stands."""
        return f"{self.where}.mixers[0]"

    @property
    def channel_at(self) -> str:
        """Where its channel part stands."""
        return f"{self.where}.channel"


def plain_layers(architecture: Architecture, whose: str) -> tuple[Place, ...]:
    """The layers of a model of tokens that pass one stack of pre-norm layers once. Raises `Refused` for any other.

    Which norm it is, `require_norm` asks: what the layers are says more of why a target cannot say them.
    """
    if architecture.n_loops != 1:
        raise Refused("n_loops", f"{architecture.n_loops}; {whose} runs every layer once")
    if architecture.mtp is not None:
        raise Refused("mtp", f"heads of further tokens read behind the last norm here; {whose} has none that do")
    require(architecture, "", whose, has=("d_model", "input", "core", "norm"))
    tokens = architecture.input
    if not isinstance(tokens, TokenInput):
        raise Refused("input.kind", f"{tokens.kind!r}; {whose} only reads tokens")
    require(tokens, "input.", whose, has=("kind", "vocab_size", "tie_embeddings"))
    return tuple(_place(where, layer, whose) for where, layer in architecture.placed_layers())


def require_norm(architecture: Architecture, whose: str, *norms: NormKind) -> None:
    """Raise `Refused` for a norm around the parts that a target does not have."""
    if architecture.norm not in norms:
        raise Refused("norm", f"{architecture.norm!r}; {whose} only has {' or '.join(map(repr, norms))}")


def _place(where: str, layer: Layer, whose: str) -> Place:
    require(layer, f"{where}.", whose, has=("mixers", "channel"))
    if len(layer.mixers) > 1:
        raise Refused(f"{where}.mixers", f"{len(layer.mixers)} in parallel; a layer of {whose} has one mixer")
    return Place(where, next(iter(layer.mixers), None), layer.channel)


def require(
    document: Document, at: str, whose: str, has: Collection[str], always: Mapping[str, Collection[object]] | None = None
) -> None:
    """Raise `Refused` for the first field, below the prefix `at`, that a target does not have with this value.

    Fields that it `has` may take any value, those in `always` the values given, all others their default.
    """
    allowed = always or {}
    for name, field in type(document).model_fields.items():
        values = allowed.get(name, (field.get_default(call_default_factory=True),))
        value = getattr(document, name)
        if name not in has and value not in values:
            words = " or ".join(_in_words(each) for each in values)
            raise Refused(at + name, f"{_in_words(value)}; {whose} only has {words}")


def _in_words(value: object) -> str:
    """A document is named by what sets it apart from the default."""
    return f"{type(value).__name__} {value.canonical_json()}" if isinstance(value, Document) else repr(value)


def one_of_each(places: tuple[Place, ...], whose: str, varies: Collection[str] = ()) -> None:
    """Raise `Refused` when two parts of one kind differ in more than `varies`, for a target that says each kind once."""
    first: dict[str, Primitive] = {}
    for place in places:
        for where, part in ((place.mixer_at, place.mixer), (place.channel_at, place.channel)):
            if part is not None:
                _same(first.setdefault(part.kind, part), part, where, whose, varies)


def _same(first: Primitive, part: Primitive, where: str, whose: str, varies: Collection[str]) -> None:
    for name in type(part).model_fields:
        if name not in varies and getattr(part, name) != getattr(first, name):
            there, here = _in_words(getattr(first, name)), _in_words(getattr(part, name))
            raise Refused(f"{where}.{name}", f"{here}, and {there} in an earlier layer; {whose} has one for all layers")


def of_kind(part: Primitive | None, kind: type[P], where: str, whose: str) -> P:
    """The part, known to be of a kind. Raises `Refused` for others, and where there is none."""
    if isinstance(part, kind):
        return part
    name = kind.model_fields["kind"].default
    raise Refused(where, f"{'missing' if part is None else part.kind}; {whose} has {name} there")


def parts_of(places: tuple[Place, ...], kind: type[P]) -> Iterator[P]:
    """Mixers and channel parts of a kind, in order."""
    for place in places:
        for part in (place.mixer, place.channel):
            if isinstance(part, kind):
                yield part


def tokens_of(architecture: Architecture) -> TokenInput:
    """The input of an architecture that `plain_layers` has taken."""
    assert isinstance(architecture.input, TokenInput)
    return architecture.input
