"""The rules of a whole model, from those of its parts: what a family has around them, and which parts it can hold.

Every name of our models that is not inside a part stands here, so that a change of them is one edit. Names of transformers are
those of its modules in memory, which its `from_pretrained` reads too; `checkpoints` has those of published files.

Whether theirs computes what ours does also takes their config: rms_norm_eps and its kin must be 1e-5, rope_theta 10000, and
every factor on embeddings, residuals and logits 1, unless the family's module says otherwise.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from nas.export.huggingface.exactness import TRAINING_ONLY, copies_table
from nas.export.huggingface.holds import require
from nas.export.huggingface.rules import Rule, Rules, copied, same, under
from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.norm import NormKind
from search_spaces.primitives import Primitive
from search_spaces.primitives.recurrence import Recurrence

EMBEDDING, HEAD, LAST_NORM = "ends.embedding.weight", "ends.head.weight", "norm"
LAYER = "backbone.core.layers.{index}.{sublayer}."
MIXERS, CHANNEL = "mixers", "channel"
NORM, BLOCK = "norm", "block."
BRANCH = "block.branches.{index}."
FIRST_BRANCH = BRANCH.format(index=0)

P = TypeVar("P", bound=Primitive)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a layer of theirs keeps parts of one kind."""

    kind: type[Primitive]
    rules: Callable[[Primitive], Rules]
    """From the names of our part to those of their layer. Raises ValueError for a config that the family does not have."""
    varies: frozenset[str]
    """The fields that may differ between layers; all others are one number in their config."""
    name: str
    """The primitive's, or its member's."""

    def takes(self, part: Primitive) -> bool:
        """Whether it has this part as it is."""
        try:
            self.rules(part)
        except ValueError:
            return False
        return True


def place(
    kind: type[P], prefix: str, rules: Callable[[P], Rules], varies: tuple[str, ...] = (), called: str | None = None
) -> Place:
    """Parts of `kind`, mapped by `rules`, below `prefix` in a layer; `called` names the member that it is of a primitive."""

    def rules_of(part: Primitive) -> Rules:
        if not isinstance(part, kind):
            raise TypeError(f"{type(part).__name__} is not {kind.__name__}")
        return under(rules(part), "", prefix)

    return Place(kind, rules_of, frozenset(varies), called or str(kind.model_fields["kind"].default))


def plain_norm(ours: str, theirs: str) -> Rules:
    """A norm with a weight that multiplies."""
    return (same(f"{ours}.weight", f"{theirs}.weight"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A `model_type` of transformers whose layers are pre-norm and residual like ours."""

    name: str
    mixers: tuple[Place, ...]
    channels: tuple[Place, ...] = ()
    """None for a family whose layers are mixers alone."""
    parallel: bool = False
    """Whether each of their layers has a mixer of every kind, side by side, and adds them."""
    flat: bool = False
    """Whether each of their layers is one part, mixer or channel, so that one of ours may be two of theirs."""
    embedding: str = "model.embed_tokens.weight"
    head: str = "lm_head.weight"
    last_norm: str = "model.norm"
    layers: str = "model.layers"
    mixer_norm: str = "input_layernorm"
    channel_norm: str = "post_attention_layernorm"
    ties: bool = True
    """Whether the head can be the embedding's table; a tied table is written twice where it cannot."""
    adds: Callable[[Architecture], str] = lambda _: ""
    """Weights that theirs has and ours does not, written so that they do nothing; empty without any."""
    norm: NormKind = "rms"
    norm_rules: Callable[[str, str], Rules] = plain_norm
    embedding_rule: Callable[[str, int], Rule] | None = None
    """The rule of the embedding's table, from its name and d_model. None: it is the same in both."""
    has: tuple[str, ...] = ()
    """Further fields of an architecture that change nothing about the weights and may have any value."""

    def rules(self, architecture: Architecture) -> Rules:
        """For a whole `...ForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold.

        Tied embeddings are one tensor, as in saved checkpoints. A family may still have its layers in a fixed order only;
        its own `rules` refuses others.
        """
        places = [*self._placed_parts(architecture)]
        layers = [
            rule for number, placed in enumerate(places) for rule in self._part(placed, number if self.flat else placed.layer)
        ]
        self._check_sizes([placed.part for placed in places])
        return (*self._ends(architecture), *layers)

    def nearness(self, architecture: Architecture) -> tuple[int, int]:
        """How near it is to an architecture: how many parts are of kinds that it has, and how many it has as they are."""
        parts = Counter(part for _, part in architecture.parts())
        places = {part: _find((*self.mixers, *self.channels), part) for part in parts}
        known = {part: place for part, place in places.items() if place is not None}
        return sum(parts[part] for part in known), sum(parts[part] for part, place in known.items() if place.takes(part))

    def _ends(self, architecture: Architecture) -> Rules:
        """Embedding, last norm and head."""
        if architecture.n_loops > 1:
            raise ValueError(f"n_loops {architecture.n_loops}: transformers' {self.name} runs every layer once")
        fields = ("d_model", "input", "core", *TRAINING_ONLY, *self.has)
        require(architecture, self.name, fields, always={"norm": self.norm})
        tokens = architecture.input
        if not isinstance(tokens, TokenInput):
            raise ValueError(f"input {tokens.kind!r}: transformers' {self.name} only has 'tokens'")
        require(tokens, self.name, ("kind", "vocab_size", "tie_embeddings"))
        head = () if tokens.tie_embeddings else (same(HEAD, self.head),)
        special = self.embedding_rule
        table = same(EMBEDDING, self.embedding) if special is None else special(self.embedding, architecture.d_model)
        if copies_table(architecture, self.ties):
            table = copied(table, self.head)
        return (table, *self.norm_rules(LAST_NORM, self.last_norm), *head)

    def _placed_parts(self, architecture: Architecture) -> Iterator["_Placed"]:
        """Every part with its place. Raises ValueError for layers that the family does not have."""
        for index, layer in enumerate(architecture.core):
            require(layer, self.name, ("mixers", "channel"))
            if not self._holds(layer):
                ours = " and ".join(map(_name, layer.parts()))
                raise ValueError(f"core[{index}]: {ours}; a layer of transformers' {self.name} is {self._layer_in_words()}")
            for branch, mixer in enumerate(layer.mixers):
                yield _Placed(index, MIXERS, BRANCH.format(index=branch) if self.parallel else BLOCK, mixer)
            if layer.channel is not None:
                yield _Placed(index, CHANNEL, BLOCK, layer.channel)

    def _holds(self, layer: Layer) -> bool:
        """Whether the layer's parts are of kinds that the family has, and as many as it has."""
        known = all(_find(self.mixers, mixer) for mixer in layer.mixers)
        if not known or (layer.channel is not None and not _find(self.channels, layer.channel)):
            return False
        at_once = len(self.mixers) if self.parallel else 1
        if len(layer.mixers) > at_once or len({type(mixer) for mixer in layer.mixers}) < len(layer.mixers):
            return False
        return self.flat or (len(layer.mixers) == at_once and (layer.channel is not None) == bool(self.channels))

    def _layer_in_words(self) -> str:
        mixers = (" beside one " if self.parallel else " or ").join(place.name for place in self.mixers)
        channels = " or ".join(place.name for place in self.channels)
        return f"one {mixers}" + (f" {'or' if self.flat else 'and'} one {channels}" if channels else "")

    def _check_sizes(self, parts: list[Primitive]) -> None:
        """Raises ValueError when two parts of a kind differ in what their config says once."""
        for place in (*self.mixers, *self.channels):
            of_kind = [part for part in parts if isinstance(part, place.kind)]
            if len({part.model_copy(update=dict.fromkeys(place.varies)) for part in of_kind}) > 1:
                found = ", ".join(sorted({part.label() for part in of_kind}))
                raise ValueError(f"core: transformers' {self.name} has one {place.name} for all its layers, not {found}")

    def _part(self, placed: "_Placed", number: int) -> Iterator[Rule]:
        """A part of ours in their layer `number`, behind the norm of its sublayer, which parts side by side share."""
        mixer = placed.sublayer == MIXERS
        ours, theirs = LAYER.format(index=placed.layer, sublayer=placed.sublayer), f"{self.layers}.{number}."
        if placed.block in (BLOCK, FIRST_BRANCH):
            yield from self.norm_rules(ours + NORM, theirs + (self.mixer_norm if mixer else self.channel_norm))
        found = _find(self.mixers if mixer else self.channels, placed.part)
        if found is not None:
            yield from under(found.rules(placed.part), ours + placed.block, theirs)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A part of an architecture: its layer and sublayer, and where its weights are in there."""

    layer: int
    sublayer: str
    block: str
    part: Primitive


def _name(part: Primitive) -> str:
    """The primitive's, or its member's."""
    member = part.member if isinstance(part, Recurrence) else None
    return member or str(type(part).model_fields["kind"].default)


def _find(places: tuple[Place, ...], part: Primitive) -> Place | None:
    return next((place for place in places if isinstance(part, place.kind)), None)
