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

    `n_heads` value heads share `n_groups` query/key heads.
    `decay` is per head ("none", "fixed": RetNet's 1 - 2^(-5-h), "step": exp(-softplus(dt) exp(A_log)) as in Mamba-2 and
    Gated DeltaNet) or per key channel ("low_rank": sigmoid of a rank-`decay_rank` projection, to the power 1/16, GLA).
    A convolution runs over queries, keys and values and is followed by SiLU. Queries are scaled by key_dim^(-1/2),
    except with write "step", whose step size sets the scale.
    `out_norm` "head" is RMSNorm per head then the gate ("head_plain": without weights); "gated" is Mamba-2's RMSNorm
    of the gated output, over the width of each group.
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
        if self.n_heads % self.n_groups:
            yield Problem("n_groups", f"{self.n_groups} must divide n_heads {self.n_heads}")
        if self.rope and self.key_dim % 2:
            yield Problem("key_dim", f"{self.key_dim} must be even for rotary positions, or set rope to false")
        if self.conv_width == 1:
            yield Problem("conv_width", "must be 0 (no convolution) or at least 2")
        yield from self._missing_partners()

    def _missing_partners(self) -> Iterator[Problem]:
        if self.decay == "low_rank" and self.decay_rank is None:
            yield Problem("decay_rank", "decay 'low_rank' needs a rank of at least 1")
        if self.decay != "low_rank" and self.decay_rank is not None:
            yield Problem("decay_rank", f"must be absent with decay {self.decay!r}; only 'low_rank' has a rank")
        if self.write == "step" and self.decay != "step":
            yield Problem("write", f"'step' needs decay 'step', not {self.decay!r}; or use 'add' or 'delta'")
        if self.write == "delta" and not self.qk_norm:
            yield Problem("qk_norm", "must be true with write 'delta', whose update grows without unit keys")
        if self.conv_bias and self.conv_width == 0:
            yield Problem("conv_bias", "must be false without a convolution; or set conv_width to at least 2")
        if self.out_norm == "gated" and not self.gate:
            yield Problem("out_norm", "'gated' needs gate true; without a gate use 'head' or 'head_plain'")

    @property
    def inner_width(self) -> int:
        """Width of values, gate and output before the output projection."""
        return self.n_heads * self.value_dim

    @property
    def conv_channels(self) -> int:
        """Queries, keys and values, the channels that the convolution runs over."""
        return 2 * self.n_groups * self.key_dim + self.inner_width

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Projections, the state update and read, convolution tail and state."""
        projections = self._projection_weights(d_model)
        params = projections + self.conv_channels * self.conv_width + self._vectors()
        state_size = self.n_heads * self.key_dim * self.value_dim
        # the write and the read are a multiply-add per state element each; the delta rule reads once more first
        mixing = (6 if self.write == "delta" else 4) * state_size
        tail_size = self.conv_channels * self.conv_width
        return Cost(
            params=params,
            active_params=params,
            flops_per_token=2 * projections + 2 * tail_size + mixing,
            state_bytes=(state_size + tail_size) * context.bytes_per_element,
        )

    def _projection_weights(self, d_model: int) -> int:
        """Weights that are multiplied as matrices: q, k, v, gate, step size, beta, low-rank decay, output."""
        keys = self.n_groups * self.key_dim
        width_in = 2 * keys + self.inner_width * (2 if self.gate else 1)
        width_in += self.n_heads * ((self.decay == "step") + (self.write == "delta"))
        low_rank = (d_model + keys) * (self.decay_rank or 0)
        return d_model * width_in + low_rank + self.inner_width * d_model

    def _vectors(self) -> int:
        """Biases, per-head scalars and norm weights."""
        conv = self.conv_channels if self.conv_bias else 0
        decay = {"none": 0, "fixed": 0, "step": 2 * self.n_heads, "low_rank": self.n_groups * self.key_dim}[self.decay]
        norm = {"head": self.value_dim, "head_plain": 0, "gated": self.inner_width}[self.out_norm]
        return conv + decay + norm + (self.n_heads if self.skip else 0)

    def label(self) -> str:
        """`mamba2·4h16x32` has 4 heads with a state of 16 x 32; `rec-step-add` is no preset: its decay and write."""
        name = _PRESET_NAMES.get(self._knobs(), f"rec-{self.decay}-{self.write}")
        return f"{name}·{self.n_heads}h{self.key_dim}x{self.value_dim}"

    def _knobs(self) -> tuple[str | bool, ...]:
        """What tells the members of the family apart, sizes left out."""
        flags = (self.conv_width > 0, self.conv_bias, self.rope, self.qk_norm, self.skip, self.gate)
        return (self.decay, self.write, *flags, self.out_norm)


def mamba2(
    d_model: int, *, n_heads: int, state_size: int, expand: int = 2, n_groups: int = 1, conv_width: int = 4
) -> Recurrence:
    """Mamba-2: `expand * d_model` must be a multiple of `n_heads`; value_dim = expand * d_model / n_heads."""
    if n_heads % n_groups:
        raise ValueError(f"n_groups {n_groups} must divide n_heads {n_heads}")
    return Recurrence(
        n_heads=n_heads,
        n_groups=n_groups,
        key_dim=state_size,
        value_dim=_value_dim(d_model, expand, n_heads),
        decay="step",
        write="step",
        conv_width=conv_width,
        conv_bias=True,
        skip=True,
        out_norm="gated",
    )


def retnet(d_model: int, *, n_heads: int, key_dim: int, expand: int = 2) -> Recurrence:
    """RetNet: fixed decay per head, rotary queries and keys, per-head norm without weights, swish gate."""
    if key_dim % 2:
        raise ValueError(f"key_dim {key_dim} must be even for rotary positions")
    return Recurrence(
        n_heads=n_heads,
        n_groups=n_heads,
        key_dim=key_dim,
        value_dim=_value_dim(d_model, expand, n_heads),
        decay="fixed",
        rope=True,
        out_norm="head_plain",
    )


def gla(d_model: int, *, n_heads: int, key_dim: int, expand: int = 1, decay_rank: int = 16) -> Recurrence:
    """Gated linear attention: data-dependent decay per key channel through a low-rank projection."""
    return Recurrence(
        n_heads=n_heads,
        n_groups=n_heads,
        key_dim=key_dim,
        value_dim=_value_dim(d_model, expand, n_heads),
        decay="low_rank",
        decay_rank=decay_rank,
    )


def gated_deltanet(d_model: int, *, n_heads: int, key_dim: int, expand: int = 1, conv_width: int = 4) -> Recurrence:
    """Gated DeltaNet: delta-rule write, scalar data-dependent decay, L2-normed queries and keys, short convolution."""
    return Recurrence(
        n_heads=n_heads,
        n_groups=n_heads,
        key_dim=key_dim,
        value_dim=_value_dim(d_model, expand, n_heads),
        decay="step",
        write="delta",
        conv_width=conv_width,
        qk_norm=True,
    )


def _value_dim(d_model: int, expand: int, n_heads: int) -> int:
    """Value width of one head. Raises ValueError when the heads do not divide the expanded width."""
    if n_heads < 1 or expand * d_model % n_heads:
        raise ValueError(f"n_heads {n_heads} must divide expand * d_model = {expand * d_model}")
    return expand * d_model // n_heads


# the knobs do not depend on the sizes, so any valid sizes name the preset
_PRESET_NAMES = {
    preset._knobs(): name
    for name, preset in {
        "mamba2": mamba2(8, n_heads=2, state_size=4),
        "retnet": retnet(8, n_heads=2, key_dim=4),
        "gla": gla(8, n_heads=2, key_dim=4),
        "gdn": gated_deltanet(8, n_heads=2, key_dim=4),
    }.items()
}
