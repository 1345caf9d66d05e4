"""The chunked linear recurrence family: one state update, its members as presets.

    S_t = diag(a_t) S_{t-1} + k_t w_t^T      o_t = q_t^T S_t   (+ D v_t)   -> norm, gate -> output projection

with the write w_t = v_t ("add"), w_t = step_t v_t ("step", Mamba-2), or w_t = beta_t (v_t - k_t^T diag(a_t) S_{t-1})
("delta"). Presets: Mamba-2 (arXiv 2405.21060), RetNet (2307.08621), GLA (2312.06635), Gated DeltaNet (2412.06464).
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Primitive, Problem, Role

HeadCount = Annotated[int, Field(ge=1, le=256)]
HeadSize = Annotated[int, Field(ge=1, le=512)]


class Recurrence(Primitive):
    """A linear recurrence with a matrix state of `key_dim` x `value_dim` per head.

    `n_heads` value heads share `n_groups` query/key heads. `decay` is per head ("none", "fixed": RetNet's
    1 - 2^(-5-h), "step": exp(-softplus(dt) exp(A_log)) as in Mamba-2 and Gated DeltaNet) or per key ("low_rank": sigmoid of a
    rank-`decay_rank` projection, to the power 1/16, as in GLA). `out_norm` "head" is RMSNorm per head then the gate;
    "gated" is Mamba-2's RMSNorm of the gated output over the whole width.
    """

    role: ClassVar[Role] = "mixer"
    title: ClassVar[str] = "Linear recurrence (Mamba-2, RetNet, GLA, Gated DeltaNet and between)"
    source: ClassVar[str] = "arXiv 2405.21060, 2307.08621, 2312.06635, 2412.06464"

    kind: Literal["recurrence"] = "recurrence"
    n_heads: HeadCount
    n_groups: HeadCount
    key_dim: HeadSize
    value_dim: HeadSize
    decay: Literal["none", "fixed", "step", "low_rank"]
    decay_rank: Annotated[int, Field(ge=1, le=512)] | None = None
    write: Literal["add", "step", "delta"] = "add"
    conv_width: Annotated[int, Field(ge=0, le=16)] = 0
    conv_bias: bool = False
    rope: bool = False
    qk_norm: bool = False
    skip: bool = False
    gate: bool = True
    out_norm: Literal["head", "head_plain", "gated"] = "head"

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Groups divide heads; each option's partner must be there."""
        raise NotImplementedError

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Projections, the state update and read, convolution tail and state."""
        raise NotImplementedError

    def label(self) -> str:
        """The preset's name where the knobs are a preset's, then heads and state size."""
        raise NotImplementedError


def mamba2(
    d_model: int, *, n_heads: int, state_size: int, expand: int = 2, n_groups: int = 1, conv_width: int = 4
) -> Recurrence:
    """Mamba-2: `expand * d_model` must be a multiple of `n_heads`; value_dim = expand * d_model / n_heads."""
    raise NotImplementedError


def retnet(d_model: int, *, n_heads: int, key_dim: int, expand: int = 2) -> Recurrence:
    """RetNet: fixed decay per head, rotary queries and keys, per-head norm without weights, swish gate."""
    raise NotImplementedError


def gla(d_model: int, *, n_heads: int, key_dim: int, expand: int = 1, decay_rank: int = 16) -> Recurrence:
    """Gated linear attention: data-dependent decay per key channel through a low-rank projection."""
    raise NotImplementedError


def gated_deltanet(d_model: int, *, n_heads: int, key_dim: int, expand: int = 1, conv_width: int = 4) -> Recurrence:
    """Gated DeltaNet: delta-rule write, scalar data-dependent decay, L2-normed queries and keys, short convolution."""
    raise NotImplementedError
