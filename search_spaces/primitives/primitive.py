"""What every primitive is: a config (the searchable fields), the limits it must keep, and its exact cost.

A primitive never imports another primitive, and never torch. Its torch layer is `workers/model/layers/NAME.py`.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from search_spaces.document import Document

Role = Literal["mixer", "channel"]
Family = Literal[
    "attention", "recurrence", "state space", "convolution", "memory", "encoder", "feed-forward", "experts"
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Formulas:
    """A part's cost in symbols: d is d_model, L the context in tokens, b the bytes of a number, others are fields.

    The tests evaluate them: products are written side by side, `^` is a power.
    """

    where: str = ""
    """Further symbols, in order: `H = n_heads, M = 4 d H`. M is always the weights that a token is multiplied with."""
    params: str
    flops: str
    """Of one token, on average over L of them."""
    state: str
    """Bytes after L tokens."""
    options: str = ""
    """In words: what options add that are off by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostContext:
    """Where a cost is taken: `context_length` tokens already seen, state held at `bytes_per_element`."""

    context_length: int
    bytes_per_element: int = 2
    loop: int = 0
    """Which pass through a looped core this is; parts may work or remember less in later ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Exact integer cost. Costs add.

    params: trainable scalars. active_params: those one token uses.
    flops_per_token: forward matrix-multiply and convolution FLOPs (2 per multiply-add) for one token, averaged over
    decoding `context_length` tokens one by one and rounded up; it is what an ideal causal kernel must do.
    state_bytes: what decoding keeps per sequence after `context_length` tokens.
    """

    params: int = 0
    active_params: int = 0
    flops_per_token: int = 0
    state_bytes: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            params=self.params + other.params,
            active_params=self.active_params + other.active_params,
            flops_per_token=self.flops_per_token + other.flops_per_token,
            state_bytes=self.state_bytes + other.state_bytes,
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a config is impossible: the field, and what would be allowed."""

    field: str
    reason: str


class Primitive(Document):
    """Base of all primitives. Subclasses add `kind: Literal[...] = ...` and their fields, each with a docstring."""

    kind: str
    """The primitive's name, the same for all its configs."""
    role: ClassVar[Role]
    family: ClassVar[Family]
    """What it is shown beside."""
    causal: ClassVar[bool] = True
    """False for encoder mixers, whose outputs depend on later tokens: they cannot decode."""
    is_attention: ClassVar[bool] = False
    """Whether it mixes tokens by a softmax: what counts as attention in the share of a model."""
    title: ClassVar[str]
    source: ClassVar[str]
    """Where the definition is published, as an arXiv id or a repository."""
    equation: ClassVar[str]
    """What it computes, in a line or two of plain text."""
    formulas: ClassVar[Formulas]
    oracle: ClassVar[str]
    """The code of others, or the definition in float64, that the tests compare the layer with."""

    @abstractmethod
    def problems(self, d_model: int) -> Iterator[Problem]:
        """What makes this config impossible at width `d_model`; nothing when it is fine."""

    def plain(self, d_model: int) -> Self:
        """The same without a size that says what holds anyway at width `d_model`: equal models are equal documents."""
        return self

    @abstractmethod
    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Exact cost at width `d_model`, norms around the part excluded."""

    @abstractmethod
    def label(self) -> str:
        """A few characters that name the part in summaries, such as `attn4/2` or `conv3`."""
