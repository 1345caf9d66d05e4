"""Softmax attention: how heads share keys, which keys a token sees, and what happens to logits, outputs and cache.

Vaswani et al. (arXiv 1706.03762), GQA (2305.13245), MQA (1911.02150), Longformer (2004.05150), Sparse Transformer (1904.10509),
BigBird (2007.14062), SPARSEK (2406.16747), parallel loop transformer (2510.24824).
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role
from search_spaces.primitives.visible_keys import block_keys, fixed_keys, strided_keys, window_keys

Size = Annotated[int, Field(ge=1, le=1_000_000)]

PARTNERS = {
    "dense": (),
    "strided": ("stride",),
    "fixed": ("stride", "n_summary"),
    "bigbird": ("block_size", "n_random", "n_global"),
}
"""The fields that belong to each pattern; the others must be absent."""


class Attention(Primitive):
    """Every head reads the values of the tokens it sees, weighted by the softmax of q_t^T k_j / sqrt(head_dim).

    A token never sees later ones. Of those so far it sees, by pattern:

    - dense: all; or the last `window`, and with `n_global` the first `n_global` tokens of the sequence.
    - strided: distance below `stride`, or a multiple of it.
    - fixed: its own block of `stride` tokens, and the last `n_summary` tokens of every block.
    - bigbird: blocks of `block_size`: its own, the one before, the first `n_global`, and `n_random` of the others, one from
      each of as many equal shares of them, chosen by a fixed hash of the block's index.

    With `top_k` (SPARSEK) each key/value head scores every token, u_j = w . x_j. Of the tokens older than the window, the
    `top_k` with the largest scores (of equals, the earlier) are seen too; their keys and values are multiplied by gates
    p_j = clip(u_j - tau, 0, 1), tau such that the gates of the `top_k + 1` best sum to `top_k`: the runner-up takes part so
    that scores learn. The published operator sums over all tokens so far; this one needs a cache of constant size only.

    The parts come in this order: q and k norm, rotary, soft cap c tanh(logit / c), softmax with the sink exp(s_h) added to its
    denominator, gate sigmoid(W x) for each channel, RMSNorm over all heads, output projection.
    """

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "attention"
    is_attention: ClassVar[bool] = True
    title: ClassVar[str] = "Softmax attention (shared heads, windows, sparse patterns, top-k, gates, shared caches)"
    source: ClassVar[str] = (
        "arXiv 1706.03762, 2305.13245, 1911.02150, 2004.05150, 1904.10509, 2007.14062, 2406.16747, 2510.24824"
    )
    equation: ClassVar[str] = "o_t = sum over visible j of softmax_j(q_t . k_j / sqrt(head_dim)) v_j;  y_t = W_o o_t"
    formulas: ClassVar[Formulas] = Formulas(
        where="H = n_heads, Hk = n_kv_heads, dh = head_dim, M = d (H + 2 Hk) dh + H dh d",
        params="M",
        flops="2 M + 2 H dh (L + 1)",
        state="2 Hk dh L b",
        options=(
            "M: + d H dh with output_gate, + d Hk with top_k, - 2 d Hk dh with share_kv. Params: + 2 dh with qk_norm (dh with "
            "share_kv), + H with sink, + H dh with sub_norm, + (d + 1) H with loop_window. FLOPs: 4 H dh for each key that a "
            "token sees, (L + 1) / 2 on average when it sees all; about window + n_global + top_k with a window, about "
            "stride + L / (2 stride) with pattern strided. State: L is at most window - 1 + n_global, and top_k + 1 more; "
            "keys and values take kv_bits / 16 of it; + Hk L b with top_k, for the scores; 0 with share_kv. With loop_kv "
            "first, later loops project and keep no keys, or with loop_window keep those of loop_window - 1 tokens "
            "and multiply d H weights more."
        ),
    )
    oracle: ClassVar[str] = (
        "transformers: llama, qwen3, mistral, gemma2 (soft cap), gpt_oss (sink), qwen3_next (gate, partial rotary); "
        "patterns: attention under a mask counted out from the definition; top_k: gates by bisection in float64"
    )

    kind: Literal["attention"] = "attention"
    n_heads: Annotated[int, Field(ge=1, le=256)]
    """Query heads."""
    n_kv_heads: Annotated[int, Field(ge=1, le=256)]
    """Key/value heads, each shared by `n_heads / n_kv_heads` query heads: all for MHA, 1 for MQA."""
    head_dim: Annotated[int, Field(ge=2, le=512)]
    """Channels of a head."""
    window: Size | None = None
    """Tokens that a sliding window spans, the current one included; none sees everything so far."""
    n_global: Annotated[int, Field(ge=0, le=4096)] = 0
    """With a window: the first tokens of the sequence, which all later ones see. With pattern bigbird: the first blocks."""
    pattern: Literal["dense", "strided", "fixed", "bigbird"] = "dense"
    """Which of the earlier tokens are visible."""
    stride: Annotated[int, Field(ge=2, le=1_000_000)] | None = None
    """Patterns strided and fixed: the stride, or the block size, in tokens; about the root of the length is usual."""
    n_summary: Size | None = None
    """Pattern fixed: the last tokens of every block, which all later blocks see."""
    block_size: Size | None = None
    """Pattern bigbird: tokens of a block."""
    n_random: Annotated[int, Field(ge=0, le=64)] = 0
    """Pattern bigbird: blocks a block sees besides the first, its own and the one before."""
    top_k: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """Tokens kept from before the window, those with the largest learned scores (SPARSEK). Needs a window."""
    rope: bool = True
    """Rotary positions (arXiv 2104.09864) on queries and keys."""
    rotary_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of a head's channels, the first ones, that rotary positions turn."""
    qk_norm: bool = False
    """RMSNorm on the queries and the keys of every head."""
    soft_cap: Annotated[float, Field(gt=0, le=10_000)] | None = None
    """Logits are kept within plus and minus this by a tanh."""
    sink: bool = False
    """A learned logit for each head that takes part in the softmax and has no value, so that a head may attend to nothing."""
    output_gate: bool = False
    """Multiply what the heads read by a sigmoid gate for each channel, from the layer's input."""
    sub_norm: bool = False
    """RMSNorm over all heads' channels before the output projection, as BitNet has it."""
    kv_bits: Literal[16, 8, 4, 2] = 16
    """Bits of a cached number where full precision has 16; in evaluation, keys and values are rounded to them, by head."""
    share_kv: bool = False
    """Read the keys and values of the nearest earlier attention of the same section that has its own, with the same heads,
    window, positions and bits; project and cache none."""
    loop_kv: Literal["own", "first"] = "own"
    """In a looped core: whose keys and values later loops read, their own or the first loop's (parallel loop transformer)."""
    loop_window: Size | None = None
    """With loop_kv first: tokens of its own loop that a later loop sees too, mixed in by a sigmoid gate for each head."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Key/value heads divide heads; rotary channels are even; each option's partner is there and no other's."""
        if self.n_heads % self.n_kv_heads:
            yield Problem("n_kv_heads", f"{self.n_kv_heads} must divide n_heads {self.n_heads}")
        yield from self._positions()
        yield from self._patterns()
        yield from self._selection()
        yield from self._sharing()

    def _positions(self) -> Iterator[Problem]:
        turned = self.head_dim * self.rotary_fraction
        if not self.rope and self.rotary_fraction != 1:
            yield Problem("rotary_fraction", "must be 1 without rope, which it is a share of")
        elif self.rope and self.rotary_fraction == 1 and self.head_dim % 2:
            yield Problem("head_dim", f"{self.head_dim} must be even for rotary positions, or set rope to false")
        elif self.rope and (turned % 2 or turned < 2):
            yield Problem(
                "rotary_fraction", f"turns {turned:g} of {self.head_dim} channels; must be an even number, at least 2"
            )

    def _patterns(self) -> Iterator[Problem]:
        partners = PARTNERS[self.pattern]
        for field, absent in {"stride": None, "n_summary": None, "block_size": None, "n_random": 0}.items():
            if field not in partners and getattr(self, field) != absent:
                yield Problem(field, f"pattern {self.pattern!r} has none; leave it out")
            if field in partners and getattr(self, field) is None:
                yield Problem(field, f"pattern {self.pattern!r} needs it, at least {2 if field == 'stride' else 1}")
        if self.n_summary is not None and self.stride is not None and self.n_summary > self.stride:
            yield Problem("n_summary", f"{self.n_summary} of a block of stride {self.stride} tokens; at most all of them")
        if self.pattern != "dense" and self.window is not None:
            yield Problem("window", f"pattern {self.pattern!r} says itself what is visible; leave it out, or use 'dense'")
        if self.n_global and "n_global" not in partners and (self.pattern != "dense" or self.window is None):
            yield Problem("n_global", "needs a window, or pattern 'bigbird'; otherwise use 0")

    def _selection(self) -> Iterator[Problem]:
        if self.top_k is None:
            return
        if self.window is None:
            yield Problem("top_k", "needs a window: the tokens it keeps are those that have left it")
        if self.n_global:
            yield Problem("n_global", "must be 0 with top_k, which itself keeps what is worth keeping")

    def _sharing(self) -> Iterator[Problem]:
        if self.loop_window is not None and self.loop_kv == "own":
            yield Problem("loop_window", "needs loop_kv 'first': with 'own' every loop sees all of its own tokens")
        if self.share_kv and self.loop_kv == "first":
            yield Problem("loop_kv", "must be 'own' with share_kv: a layer without keys has none of its first loop")
        for field, shares in (("share_kv", self.share_kv), ("loop_kv", self.loop_kv == "first")):
            if shares and self.top_k is not None:
                yield Problem(field, "must be left out with top_k, whose gates belong to the scores of one layer and loop")
        if self.share_kv and self.pattern != "dense":
            yield Problem("share_kv", f"needs pattern 'dense', not {self.pattern!r}")

    @property
    def rotary_size(self) -> int:
        """Channels of a head that rotary positions turn."""
        return int(self.head_dim * self.rotary_fraction) if self.rope else 0

    @property
    def shared_keys(self) -> tuple[object, ...]:
        """What two layers must have in common for one to read the other's keys and values."""
        heads = (self.n_kv_heads, self.head_dim, self.kv_bits)
        return (*heads, self.window, self.n_global, self.rope, self.rotary_fraction)

    @property
    def lends_keys(self) -> bool:
        """Whether other layers may read its keys and values."""
        own = not self.share_kv and self.loop_kv == "own"
        return own and self.top_k is None and self.pattern == "dense"

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Projections, visible keys and values, and the cache; with loop_kv first, less in later loops."""
        params = self._stored_weights(d_model)
        later = context.loop > 0 and self.loop_kv == "first"
        keys_seen = self._visible_keys(context.context_length)
        if later and self.loop_window is not None:
            keys_seen += window_keys(context.context_length, self.loop_window)
        mixing = -(-4 * self.n_heads * self.head_dim * keys_seen // context.context_length)
        return Cost(
            params=params,
            active_params=params,
            flops_per_token=2 * self._multiplied_weights(d_model, later) + mixing,
            state_bytes=self._state_bytes(context, later),
        )

    def _multiplied_weights(self, d_model: int, later: bool = False) -> int:
        """Weights that a token is multiplied with: queries, keys, values, gate, output; scores; the gate of later loops."""
        inner, kv = self.n_heads * self.head_dim, self.n_kv_heads * self.head_dim
        has_keys = not self.share_kv and not (later and self.loop_window is None)
        width = inner * (3 if self.output_gate else 2) + (2 * kv if has_keys else 0)
        width += self.n_kv_heads if self.top_k is not None else 0
        width += self.n_heads if later and self.loop_window is not None else 0
        return d_model * width

    def _stored_weights(self, d_model: int) -> int:
        """All weights, those of later loops and the vectors too."""
        norms = (1 if self.share_kv else 2) * self.head_dim if self.qk_norm else 0
        norms += self.n_heads * self.head_dim if self.sub_norm else 0
        loop_gate = (d_model + 1) * self.n_heads if self.loop_window is not None else 0
        return self._multiplied_weights(d_model) + norms + loop_gate + (self.n_heads if self.sink else 0)

    def _visible_keys(self, length: int) -> int:
        """The sum over the first `length` tokens of the keys each sees."""
        if self.pattern == "strided":
            return strided_keys(length, self.stride or 1)
        if self.pattern == "fixed":
            return fixed_keys(length, self.stride or 1, self.n_summary or 1)
        if self.pattern == "bigbird":
            return block_keys(length, self.block_size or 1, 1 + self.n_global + self.n_random)
        return window_keys(length, length if self.window is None else self.window + self.n_global + (self.top_k or 0))

    def _state_bytes(self, context: CostContext, later: bool) -> int:
        tokens = self._cached_tokens(context.context_length, later)
        values = 2 * self.n_kv_heads * self.head_dim * tokens * context.bytes_per_element
        scores = self.n_kv_heads * tokens * context.bytes_per_element if self.top_k is not None else 0
        return -(-values * self.kv_bits // 16) + scores

    def _cached_tokens(self, length: int, later: bool) -> int:
        """Tokens whose keys and values the next token may see; top_k keeps one more, the runner-up."""
        if self.share_kv or (later and self.loop_window is None):
            return 0
        if later and self.loop_window is not None:
            return min(length, self.loop_window - 1)
        if self.window is None:
            return length
        return min(length, self.window - 1 + self.n_global + (self.top_k + 1 if self.top_k is not None else 0))

    def label(self) -> str:
        """`attn8/2` is 8 heads sharing 2 key/value heads; `w64` a window of 64 tokens, `g4` 4 global ones, `k8` the 8 best."""
        seen = {
            "dense": (f"w{self.window}" if self.window else "") + (f"g{self.n_global}" if self.n_global else ""),
            "strided": f"s{self.stride}",
            "fixed": f"f{self.stride}.{self.n_summary}",
            "bigbird": f"b{self.block_size}g{self.n_global}r{self.n_random}",
        }[self.pattern]
        selected = f"k{self.top_k}" if self.top_k is not None else ""
        return f"attn{self.n_heads}/{self.n_kv_heads}{seen}{selected}{self._marks()}"

    def _marks(self) -> str:
        """What else the label tells: positions, the bits of the cache, and whose keys are read."""
        loop = "·first" + (f"+w{self.loop_window}" if self.loop_window is not None else "")
        marks = {
            "·nope": not self.rope,
            f"·rope{self.rotary_fraction:g}": self.rotary_fraction != 1,
            f"·kv{self.kv_bits}": self.kv_bits != 16,
            "·shared": self.share_kv,
            loop: self.loop_kv == "first",
        }
        return "".join(mark for mark, said in marks.items() if said)
