"""The linear recurrence family with a matrix state: one state update, of which published mixers are presets.

    S_t = diag(a_t) S_{t-1} + k_t w_t^T      o_t = q_t^T S_t   (+ D v_t)   -> norm, gate -> output projection

The write w_t is v_t ("add"), step_t v_t ("step"), exp(i_t) v_t ("exp"), or beta_t (v_t - k_t^T diag(a_t) S_{t-1}) ("delta").
Every knob is open to search, between the published members and beyond them.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role
from search_spaces.primitives.recurrence.members import member_of

HeadCount = Annotated[int, Field(ge=1, le=256)]
HeadSize = Annotated[int, Field(ge=1, le=512)]
DecayKind = Literal["none", "fixed", "slope", "learned", "step", "sigmoid", "low_rank"]
DECAYS_WITH_A_DIM = ("learned", "step", "sigmoid")
POSITIVE_MAPS = ("elu1", "relu", "favor")


class Recurrence(Primitive):
    """A linear recurrence with a matrix state per head; `n_heads` value heads share `n_groups` query and key heads.

    Queries are scaled by key_dim^(-1/2), except with write "step", whose step size sets the scale.
    """

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "recurrence"
    title: ClassVar[str] = "Linear recurrence (linear attention, RetNet, Mamba-2, GLA, DeltaNet, KDA, mLSTM and between)"
    source: ClassVar[str] = (
        "arXiv 2006.16236, 2009.14794, 2307.08621, 2501.08313, 2404.07904, 2405.21060, 2312.06635, 2406.06484, 2412.06464, "
        "2510.26692, 2405.04517"
    )
    equation: ClassVar[str] = (
        "S_t = diag(a_t) S_{t-1} + k_t w_t^T;  o_t = q_t^T S_t (+ D v_t);  y = W_o (norm(o) * gate)\n"
        "w_t = v_t | step_t v_t | exp(i_t) v_t | beta_t (v_t - k_t^T diag(a_t) S_{t-1})"
    )
    formulas: ClassVar[Formulas] = Formulas(
        where="H = n_heads, G = n_groups, dk = key_dim, dv = value_dim, C = 2 G dk + H dv, M = d C + 2 d H dv",
        params="M + dv",
        flops="2 M + 4 H dk dv",
        state="H dk dv b",
        options=(
            "C, the channels of queries, keys and values: - G dk with tied_keys. M: - d H dv without gate, or (d + "
            "H dv) gate_rank instead; + d H with write exp or delta; + d H with decay step or sigmoid, of key "
            "channels d G dk, or (d + G dk) decay_rank with a rank. Params: + C conv_width, + C with conv_bias, + "
            "d with token_shift, + H with skip, + H with write exp; of the norm H dv in the place of dv with "
            "out_norm layer, width or gated, 0 with head_plain or none; for decays that are not none, fixed or "
            "slope + H, of key channels + G dk, and as many for step's rates (of key channels G). FLOPs: 6 H dk dv "
            "with write delta, + 2 C conv_width, + 4 G dk n_features. State: + C conv_width b, + d b with "
            "token_shift, + H b with write exp or favor. With a normaliser dv + 1 in the state and its FLOPs; with "
            "favor n_features for dk there."
        ),
    )
    oracle: ClassVar[str] = (
        "transformers: Mamba-2, Granite hybrid, Qwen3-Next (Gated DeltaNet), Kimi Linear (KDA), MiniMax (lightning), xLSTM; "
        "for the others the published step formulas in float64"
    )

    kind: Literal["recurrence"] = "recurrence"
    n_heads: HeadCount
    """Value heads, each with a state of its own."""
    n_groups: HeadCount
    """Query and key heads; each serves n_heads / n_groups value heads."""
    key_dim: HeadSize
    """Channels of one query or key head: rows of a state."""
    value_dim: HeadSize
    """Channels of one value head: columns of a state."""
    decay: DecayKind
    """What a state keeps: all, 1 - 2^(-5-h) (RetNet), exp(-2^(-8h/H)) (lightning), a trained constant, exp(-step rate)
    (Mamba-2), a sigmoid gate (mLSTM, HGRN2), or a low-rank sigmoid to the power 1/16 for each key channel (GLA)."""
    decay_dim: Literal["head", "key"] = "head"
    """Whether decay "learned", "step" or "sigmoid" is one number for a head or one for each of its key channels."""
    decay_rank: Annotated[int, Field(ge=1, le=512)] | None = None
    """Rank of the projection that makes the decay of every key channel."""
    decay_scale: Annotated[float, Field(ge=1e-6, le=16.0)] = 1.0
    """Factor on the slopes of decay "slope"; MiniMax lowers it from 1 in the first layer to 1e-5 in the last."""
    decay_floor: Annotated[float, Field(ge=0.0, le=0.999)] = 0.0
    """The least that decay "sigmoid" keeps at a token, as a fraction of the state."""
    write: Literal["add", "step", "exp", "delta"] = "add"
    """What a token writes under its key: its value, also times its step size or an exponential gate, or the delta rule."""
    beta_scale: Annotated[int, Field(ge=1, le=2)] = 1
    """Largest strength of a delta write; 2 allows negative eigenvalues (arXiv 2411.12537)."""
    tied_keys: bool = False
    """Keys are 1 - decay instead of a projection (HGRN2)."""
    feature_map: Literal["none", "elu1", "relu", "silu", "favor"] = "none"
    """Map of queries and keys; "favor" is Performer's positive orthogonal random features."""
    n_features: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Random features of "favor": rows of a state in the place of key_dim."""
    normaliser: Literal["none", "sum", "max"] = "none"
    """Divides outputs by q.z, where z sums the keys as the state does ("sum"), or by max(|q.z|, 1) ("max")."""
    scale_queries: bool = True
    """Whether queries are scaled by key_dim^(-1/2)."""
    value_silu: bool = False
    """SiLU on the values."""
    conv_width: Annotated[int, Field(ge=0, le=16)] = 0
    """Tokens under the causal convolution over queries, keys and values, which SiLU follows; 0: none."""
    conv_bias: bool = False
    """A bias in the convolution."""
    token_shift: bool = False
    """Mixes each input channel with the token before, by a trained share."""
    rope: bool = False
    """Rotary positions on queries and keys."""
    qk_norm: bool = False
    """Scales queries and keys to length 1."""
    skip: bool = False
    """Adds the values to the output, times a trained number for each head."""
    gate: bool = True
    """Multiplies the output by an activation of a projection of the input."""
    gate_activation: Literal["swish", "sigmoid"] = "swish"
    """The gate's activation."""
    gate_rank: Annotated[int, Field(ge=1, le=512)] | None = None
    """Rank of the gate's projection; none: full."""
    out_norm: Literal["head", "head_plain", "layer", "width", "gated", "none"] = "head"
    """Before the gate: RMSNorm of each head, with weights that heads share or none ("head_plain"), LayerNorm of each head
    ("layer"), RMSNorm of the whole width ("width"); after it: RMSNorm of each group's width ("gated")."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Groups divide heads; each option's partner must be there."""
        if self.n_heads % self.n_groups:
            yield Problem("n_groups", f"{self.n_groups} must divide n_heads {self.n_heads}")
        if self.rope and self.key_dim % 2:
            yield Problem("key_dim", f"{self.key_dim} must be even for rotary positions, or set rope to false")
        yield from self._decay_problems()
        yield from self._write_problems()
        yield from self._map_problems()
        yield from self._normaliser_problems()
        yield from self._convolution_problems()
        yield from self._output_problems()

    def _decay_problems(self) -> Iterator[Problem]:
        if self.decay_dim == "key" and self.decay not in DECAYS_WITH_A_DIM:
            yield Problem("decay_dim", f"must be left out with decay {self.decay!r}; {DECAYS_WITH_A_DIM} have a choice")
        if self._has_decay_rank and self.decay_rank is None:
            yield Problem("decay_rank", f"decay {self.decay!r} of key channels needs a rank of at least 1")
        if not self._has_decay_rank and self.decay_rank is not None:
            yield Problem("decay_rank", "must be absent; only decay 'low_rank' and decay 'step' of key channels have a rank")
        if self.decay_scale != 1.0 and self.decay != "slope":
            yield Problem("decay_scale", f"must be 1 with decay {self.decay!r}; only 'slope' is scaled")
        if self.decay_floor and self.decay != "sigmoid":
            yield Problem("decay_floor", f"must be 0 with decay {self.decay!r}; only 'sigmoid' has a floor")

    def _write_problems(self) -> Iterator[Problem]:
        if self.write == "step" and (self.decay != "step" or self.decay_dim == "key"):
            yield Problem("write", "'step' needs decay 'step' with one step for a head; or use 'add' or 'delta'")
        if self.write == "exp" and self.decays_keys:
            yield Problem("write", "'exp' needs one decay for a head, not one for each key channel")
        if self.write == "exp" and self.normaliser != "max":
            yield Problem("normaliser", "must be 'max' with write 'exp', whose values are unbounded without it")
        if self.write == "delta" and not self.qk_norm:
            yield Problem("qk_norm", "must be true with write 'delta', whose update grows without unit keys")
        if self.beta_scale != 1 and self.write != "delta":
            yield Problem("beta_scale", f"must be 1 with write {self.write!r}; only 'delta' has a strength")
        if self.tied_keys and (self.decay != "sigmoid" or self.decay_dim != "key"):
            yield Problem("tied_keys", "needs decay 'sigmoid' with decay_dim 'key', which the keys are made of")

    def _map_problems(self) -> Iterator[Problem]:
        favor = self.feature_map == "favor"
        if favor != (self.n_features is not None):
            yield Problem("n_features", "must be given with feature_map 'favor', and with no other")
        if favor and self.normaliser != "sum":
            yield Problem("normaliser", "must be 'sum' with feature_map 'favor', whose features have a scale of their own")
        if favor and self.decays_keys:
            yield Problem("feature_map", "'favor' has no key channels to decay; use one decay for a head")

    def _normaliser_problems(self) -> Iterator[Problem]:
        if self.normaliser == "max" and self.write != "exp":
            yield Problem("normaliser", f"'max' needs write 'exp', not {self.write!r}")
        if self.normaliser != "sum":
            return
        if self.feature_map not in POSITIVE_MAPS:
            yield Problem(
                "feature_map", f"must be one of {POSITIVE_MAPS} with normaliser 'sum', which divides by a sum of keys"
            )
        if self.write == "delta":
            yield Problem("normaliser", "must be 'none' with write 'delta', whose writes do not add up")
        if self.rope and self.feature_map != "favor":
            yield Problem("rope", "must be false with normaliser 'sum': turned features are not positive; 'favor' turns before")
        if not self.scale_queries:
            yield Problem("scale_queries", "must be true with normaliser 'sum', which any scale cancels in")

    def _convolution_problems(self) -> Iterator[Problem]:
        if self.conv_width == 1:
            yield Problem("conv_width", "must be 0 (no convolution) or at least 2")
        if self.conv_bias and self.conv_width == 0:
            yield Problem("conv_bias", "must be false without a convolution; or set conv_width to at least 2")
        if self.value_silu and self.conv_width:
            yield Problem("value_silu", "must be false with a convolution, which SiLU follows already")
        if self.feature_map == "silu" and self.conv_width:
            yield Problem("feature_map", "must not be 'silu' with a convolution, which SiLU follows already")

    def _output_problems(self) -> Iterator[Problem]:
        if self.write == "step" and not self.scale_queries:
            yield Problem("scale_queries", "must be true with write 'step', which never scales queries")
        if self.gate:
            return
        if self.out_norm == "gated":
            yield Problem("out_norm", "'gated' needs gate true; without a gate use 'head', 'width' or another")
        if self.gate_activation != "swish":
            yield Problem("gate_activation", "must be 'swish', the default, without a gate")
        if self.gate_rank is not None:
            yield Problem("gate_rank", "must be absent without a gate")

    @property
    def inner_width(self) -> int:
        """Width of values, gate and output before the output projection."""
        return self.n_heads * self.value_dim

    @property
    def keys_width(self) -> int:
        """Width of the queries of all groups."""
        return self.n_groups * self.key_dim

    @property
    def conv_channels(self) -> int:
        """Queries, projected keys and values, the channels that the convolution runs over."""
        return (1 if self.tied_keys else 2) * self.keys_width + self.inner_width

    @property
    def decays_keys(self) -> bool:
        """Whether every key channel has a decay of its own."""
        return self.decay == "low_rank" or self.decay_dim == "key"

    @property
    def decay_width(self) -> int:
        """Numbers that the input projection makes for the decay at each token."""
        if self.decay not in ("step", "sigmoid") or self._has_decay_rank:
            return 0
        return self.keys_width if self.decays_keys else self.n_heads

    @property
    def state_shape(self) -> tuple[int, int, int]:
        """Heads, rows and columns of the state; a normaliser is one more column."""
        return self.n_heads, self.n_features or self.key_dim, self.value_dim + (self.normaliser != "none")

    @property
    def stabilised(self) -> bool:
        """Whether each head keeps the running maximum of the logarithms of what it writes."""
        return self.write == "exp" or self.feature_map == "favor"

    @property
    def _has_decay_rank(self) -> bool:
        return self.decay == "low_rank" or (self.decay == "step" and self.decay_dim == "key")

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Projections, the state update and read, convolution tail and state."""
        projections = self._projection_weights(d_model)
        tail_size = self.conv_channels * self.conv_width
        params = projections + tail_size + self._vectors() + (d_model if self.token_shift else 0)
        n_heads, rows, columns = self.state_shape
        state_size = n_heads * rows * columns
        # the write and the read are a multiply-add per state element each; the delta rule reads once more first
        mixing = (6 if self.write == "delta" else 4) * state_size
        features = 2 * 2 * self.keys_width * (self.n_features or 0)
        kept = state_size + tail_size + (n_heads if self.stabilised else 0) + (d_model if self.token_shift else 0)
        return Cost(
            params=params,
            active_params=params,
            flops_per_token=2 * projections + 2 * tail_size + mixing + features,
            state_bytes=kept * context.bytes_per_element,
        )

    def _projection_weights(self, d_model: int) -> int:
        """Weights that are multiplied as matrices: q, k, v, gate, decay, input gate or beta, output."""
        width_in = self.conv_channels + self.decay_width + (self.n_heads if self.write in ("exp", "delta") else 0)
        low_rank = (d_model + self.keys_width) * (self.decay_rank or 0)
        if self.gate_rank is not None:
            low_rank += (d_model + self.inner_width) * self.gate_rank
        elif self.gate:
            width_in += self.inner_width
        return d_model * width_in + low_rank + self.inner_width * d_model

    def _vectors(self) -> int:
        """Biases, per-head scalars and norm weights."""
        biases = (self.conv_channels if self.conv_bias else 0) + (self.n_heads if self.write == "exp" else 0)
        norm = {"head": self.value_dim, "layer": self.inner_width, "width": self.inner_width, "gated": self.inner_width}
        return biases + self._decay_vectors() + norm.get(self.out_norm, 0) + (self.n_heads if self.skip else 0)

    def _decay_vectors(self) -> int:
        """Biases of the decay's logits or steps, and the rates of steps."""
        if self.decay in ("none", "fixed", "slope"):
            return 0
        biases = self.keys_width if self.decays_keys else self.n_heads
        rates = self.n_groups if self.decays_keys else self.n_heads
        return biases + (rates if self.decay == "step" else 0)

    @property
    def member(self) -> str | None:
        """The published member that this is, whatever its sizes: a name of `MEMBERS`, or None."""
        return member_of(self._knobs())

    def label(self) -> str:
        """`mamba2·4h16x32` has 4 heads with a state of 16 x 32; `rec-step-add` is no preset: its decay and write."""
        name = self.member or f"rec-{self.decay}-{self.write}"
        return f"{name}·{self.n_heads}h{self.state_shape[1]}x{self.value_dim}"

    def _knobs(self) -> Mapping[str, object]:
        """Every field that is not the default."""
        return {
            name: getattr(self, name)
            for name, field in type(self).model_fields.items()
            if field.is_required() or getattr(self, name) != field.default
        }
