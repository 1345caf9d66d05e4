"""An architecture: an immutable, complete description of one model as data, with one digest.

    input -> prelude layers -> core layers, `n_loops` times -> coda layers -> norm -> head

Every layer is pre-norm and residual: x += fuse(mixers(norm(x))), then x += channel(norm(x)). Equal models have equal
documents: a core that runs once is merged with prelude and coda, parallel branches are kept in one order.
"""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from search_spaces.document import Document
from search_spaces.primitives import Channel, Mixer, Primitive

MAX_UNROLLED_LAYERS = 1024


class TokenInput(Document):
    """Discrete tokens, embedded; the head shares the embedding's weights when tied."""

    kind: Literal["tokens"] = "tokens"
    vocab_size: Annotated[int, Field(ge=2, le=1_000_000)] = 256
    tie_embeddings: bool = True


class Layer(Document):
    """One residual layer: parallel `mixers` (usually one), then a `channel` part. Either may be missing, not both.

    fusion "add" sums the branches; "norm_mean" averages them after an RMSNorm each (Hymba, arXiv 2411.13676).
    """

    mixers: Annotated[tuple[Mixer, ...], Field(max_length=4)] = ()
    fusion: Literal["add", "norm_mean"] = "add"
    channel: Channel | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.mixers and self.channel is None:
            raise ValueError("a layer needs a mixer, a channel part, or both")
        if self.fusion != "add" and len(self.mixers) < 2:
            raise ValueError(f"fusion {self.fusion!r} needs at least two mixers; use 'add'")
        if len(self.mixers) > 1:
            ordered = tuple(sorted(self.mixers, key=lambda mixer: mixer.canonical_json()))
            object.__setattr__(self, "mixers", ordered)
        return self

    def parts(self) -> tuple[Primitive, ...]:
        """Mixers first, then the channel part."""
        return (*self.mixers, *((self.channel,) if self.channel else ()))


class Architecture(Document):
    """One complete model. Raises `pydantic.ValidationError` for anything that could not be built."""

    d_model: Annotated[int, Field(ge=4, le=65_536)]
    input: TokenInput = TokenInput()
    prelude: Annotated[tuple[Layer, ...], Field(max_length=512)] = ()
    core: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=MAX_UNROLLED_LAYERS)]
    n_loops: Annotated[int, Field(ge=1, le=64)] = 1
    injection: Literal["none", "add"] = "none"
    coda: Annotated[tuple[Layer, ...], Field(max_length=512)] = ()

    @model_validator(mode="after")
    def _merge_single_loop(self) -> Self:
        """A core that runs once is just more layers: one form for one model."""
        if self.n_loops == 1 and (self.prelude or self.coda):
            object.__setattr__(self, "core", self.layers())
            object.__setattr__(self, "prelude", ())
            object.__setattr__(self, "coda", ())
        return self

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.injection != "none" and self.n_loops == 1:
            raise ValueError("injection needs n_loops of at least 2")
        if self.n_unrolled_layers > MAX_UNROLLED_LAYERS:
            raise ValueError(f"{self.n_unrolled_layers} unrolled layers; at most {MAX_UNROLLED_LAYERS}")
        found = [
            f"{where}.{problem.field}: {problem.reason}"
            for where, part in self.parts()
            for problem in part.problems(self.d_model)
        ]
        if found:
            raise ValueError("; ".join(found[:8]))
        return self

    @property
    def n_unrolled_layers(self) -> int:
        """Layers a token passes, loops counted."""
        return len(self.prelude) + len(self.core) * self.n_loops + len(self.coda)

    def layers(self) -> tuple[Layer, ...]:
        """The layers with weights of their own, in order."""
        return self.prelude + self.core + self.coda

    def parts(self) -> Iterator[tuple[str, Primitive]]:
        """Every primitive with its place, such as `core[0].mixers[0]`."""
        for section in ("prelude", "core", "coda"):
            for index, layer in enumerate(getattr(self, section)):
                for branch, mixer in enumerate(layer.mixers):
                    yield f"{section}[{index}].mixers[{branch}]", mixer
                if layer.channel is not None:
                    yield f"{section}[{index}].channel", layer.channel
