"""What a model reads and predicts: tokens (bytes are tokens of a vocabulary of 256), patches of bytes, or measurements."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from search_spaces.document import Document
from search_spaces.layer import Layer

VocabSize = Annotated[int, Field(ge=2, le=1_000_000)]


class TokenInput(Document):
    """Discrete tokens, embedded; the head shares the embedding's weights when tied."""

    kind: Literal["tokens"] = "tokens"
    vocab_size: VocabSize = 256
    """Number of different tokens; 256 for raw bytes."""
    tie_embeddings: bool = True
    """Whether the head is the embedding's table again."""
    rosa: bool = False
    """Copy channel (RWKV-8's ROSA): add, from a table of its own, the embedding of the token that followed the most recent
    earlier occurrence of the longest suffix seen before. Nothing is added where no suffix has been seen."""

    @property
    def n_outputs(self) -> int:
        """Numbers that the head puts out at each time: a logit for every token."""
        return self.vocab_size


class BytePatchInput(Document):
    """Bytes in patches, MegaByte's hierarchy (arXiv 2305.07185; BLT, 2412.09871): across patches the model's own layers at
    `d_model`, within a patch `within` at `d_byte`.

    e_t = E[x_t]; patch i is W_in [e of its bytes]; the layers read patch i - 1 (a learned start for i = 0) and give z_i;
    the bytes of patch i read e_t + their slice of W_out norm(z_i), pass `within` and a norm, and predict the next byte.
    """

    kind: Literal["byte_patch"] = "byte_patch"
    vocab_size: VocabSize = 256
    """Number of different bytes."""
    tie_embeddings: bool = True
    """Whether the head is the embedding's table again."""
    patch_size: Annotated[int, Field(ge=2, le=64)]
    """Bytes of a patch."""
    d_byte: Annotated[int, Field(ge=4, le=65_536)]
    """Width within a patch."""
    within: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=64)]
    """Layers that mix the bytes of one patch."""

    @model_validator(mode="after")
    def _plain_layers(self) -> Self:
        """Sizes that the layers have anyway are left out: one form for one model."""
        object.__setattr__(self, "within", tuple(layer.plain(self.d_byte) for layer in self.within))
        return self

    @property
    def n_outputs(self) -> int:
        """Numbers that the head puts out at each time: a logit for every byte."""
        return self.vocab_size


class ContinuousInput(Document):
    """Measurements of `n_channels` real numbers, mapped in by a matrix; the head predicts the next ones (squared error)."""

    kind: Literal["continuous"] = "continuous"
    n_channels: Annotated[int, Field(ge=1, le=65_536)]
    """Real numbers at each time."""

    @property
    def n_outputs(self) -> int:
        """Numbers that the head puts out at each time: the next value of every channel."""
        return self.n_channels


def _kind(value: object) -> str:
    """A document without a kind is of tokens."""
    return str(value.get("kind", "tokens")) if isinstance(value, Mapping) else str(getattr(value, "kind", ""))


Input = Annotated[
    Annotated[TokenInput, Tag("tokens")]
    | Annotated[BytePatchInput, Tag("byte_patch")]
    | Annotated[ContinuousInput, Tag("continuous")],
    Discriminator(_kind),
]


def cannot_read(source: Input, vocab_size: int, n_channels: int = 0) -> str | None:
    """Why a model with this input cannot be trained on tasks of so many tokens or, without any, channels; None when it can."""
    if n_channels:
        return _cannot_measure(source, n_channels)
    if isinstance(source, ContinuousInput):
        return f"kind is {source.kind!r}, which reads measurements; the tasks have tokens: use 'tokens' or 'byte_patch'"
    if source.vocab_size < vocab_size:
        return f"vocab_size is {source.vocab_size}; the tasks need {vocab_size}"
    return None


def _cannot_measure(source: Input, n_channels: int) -> str | None:
    if not isinstance(source, ContinuousInput):
        wanted = f'{{"kind": "continuous", "n_channels": {n_channels}}}'
        return f"kind is {source.kind!r}, which reads tokens; the tasks have measurements: use {wanted}"
    if source.n_channels != n_channels:
        return f"n_channels is {source.n_channels}; the tasks have {n_channels}"
    return None
