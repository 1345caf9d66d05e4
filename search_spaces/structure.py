"""What a model consists of, as fields and what follows from them; `Architecture` adds what must hold between them."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from search_spaces.document import Document
from search_spaces.inputs import Input, TokenInput
from search_spaces.layer import Layer
from search_spaces.loop import MAX_LOOPS, Loop
from search_spaces.norm import NormKind
from search_spaces.numerics import Numerics
from search_spaces.objectives import MultiTokenPrediction, NextLatent, block_of
from search_spaces.primitives import Primitive

MAX_UNROLLED_LAYERS = 1024
SECTIONS = ("prelude", "core", "coda")


class Structure(Document):
    """The fields of an architecture, each valid by itself."""

    d_model: Annotated[int, Field(ge=4, le=65_536)]
    """Width of the residual stream."""
    input: Input = TokenInput()
    """What the model reads and predicts."""
    n_meta: Annotated[int, Field(ge=0, le=1024)] = 0
    """Learned tokens before the first one (Hymba's meta tokens, arXiv 2411.13676). A window sees them while they are in it, and
    for ever those that n_global keeps."""
    prelude: Annotated[tuple[Layer, ...], Field(max_length=512)] = ()
    """Layers before the core, run once."""
    core: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=MAX_UNROLLED_LAYERS)]
    """Layers that run `n_loops` times with the same weights."""
    n_loops: Annotated[int, Field(ge=1, le=MAX_LOOPS)] = 1
    """Times the core runs."""
    injection: Literal["none", "add", "concat"] = "none"
    """What every loop but the first takes of the core's own input: nothing; added; or both side by side through a matrix of
    2 d_model x d_model that starts as the sum."""
    loop: Loop = Loop()
    """How the core loops."""
    coda: Annotated[tuple[Layer, ...], Field(max_length=512)] = ()
    """Layers after the core, run once."""
    norm: NormKind = "rms"
    """The norm before every part and before the head: RMSNorm (1910.07467), LayerNorm (1607.06450), DyT, which is
    tanh(a x) w + b (2503.10622), or x over its mean absolute value."""
    n_streams: Annotated[int, Field(ge=1, le=8)] = 1
    """Residual streams; more than one are hyper-connections (arXiv 2409.19606)."""
    numerics: Numerics = Numerics()
    """Number formats of the matrix products."""
    mtp: MultiTokenPrediction | None = None
    """Multi-token prediction."""
    next_latent: NextLatent | None = None
    """Next-latent prediction."""

    @property
    def n_unrolled_layers(self) -> int:
        """Layers a token passes, loops counted; the larger of training and evaluation."""
        return len(self.prelude) + len(self.core) * max(self.n_loops, self.n_eval_loops) + len(self.coda)

    @property
    def n_eval_loops(self) -> int:
        """Times the core runs outside training."""
        return self.loop.eval_loops or self.n_loops

    @property
    def causal(self) -> bool:
        """Whether no output depends on later tokens: what decoding, and every next-token task, needs."""
        return all(layer.causal for layer in self.layers())

    @property
    def encoder_mixers(self) -> tuple[str, ...]:
        """The mixers that see later tokens, such as `core[0].mixers[0] (fnet)`; none when the model is causal."""
        return tuple(f"{where} ({part.kind})" for where, part in self.parts() if not part.causal)

    @property
    def mtp_layers(self) -> tuple[Layer, ...]:
        """The layers of each multi-token head."""
        return () if self.mtp is None else (block_of(self.layers()[-1]),)

    def layers(self) -> tuple[Layer, ...]:
        """The layers with weights of their own, in order; those within a byte patch are the input's."""
        return self.prelude + self.core + self.coda

    def parts(self) -> Iterator[tuple[str, Primitive]]:
        """Every primitive of the layers with its place, such as `core[0].mixers[0]`."""
        for where, layer in self.placed_layers():
            for branch, mixer in enumerate(layer.mixers):
                yield f"{where}.mixers[{branch}]", mixer
            if layer.channel is not None:
                yield f"{where}.channel", layer.channel

    def placed_layers(self) -> Iterator[tuple[str, Layer]]:
        """Every layer with its place, such as `core[0]`."""
        for section in SECTIONS:
            for index, layer in enumerate(getattr(self, section)):
                yield f"{section}[{index}]", layer
